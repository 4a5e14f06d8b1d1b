"""Small clips on disk, and an evaluation of them that a test may kill."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from critic_models.evaluation.evaluate import Manner, evaluate
from critic_models.evaluation.manifest import WorkClip, read_folder
from critic_models.evaluation.rows import Row
from critic_models.evaluation.run import Threads
from critic_models.evaluation.setup import Setup
from critic_models.evaluation.summary import Summary
from critic_models.types import DimensionScore
from critic_models.video.encode import encode_mp4

FLICKERING = "temporal_flickering"
AS_USUAL = Manner()


def write_clip(path: Path, seed: int, num_frames: int = 4) -> None:
    """Write noise of its own; equal seeds give equal files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(seed).integers(0, 256, (num_frames, 16, 16, 3), np.uint8)
    path.write_bytes(encode_mp4(frames, 8.0))


def write_clips(folder: Path, count: int, samples: int = 2) -> list[str]:
    """Write clips of `count / samples` prompts, and return their names."""
    names = [f"prompt {i // samples}-{i % samples}.mp4" for i in range(count)]
    for seed, name in enumerate(names):
        write_clip(folder / name, seed)
    return names


def setup_of(*names: str, **changes: object) -> Setup:
    """Return a setup without weights."""
    return Setup(names=names or (FLICKERING,), weights=Path("/nowhere"), **changes)  # type: ignore[arg-type]


def evaluate_folder(
    folder: Path,
    out: Path,
    setup: Setup | None = None,
    delay_s: float = 0.0,
    manner: Manner = AS_USUAL,
) -> Summary:
    """Evaluate a folder whose names have the prompts, each clip taking at least `delay_s`."""
    work = read_folder(folder, prompts_from_names=True)
    setup = setup or setup_of()
    measurer = setup.measurer(work.root)

    def measure(clip: WorkClip, names: Sequence[str]) -> Row:
        time.sleep(delay_s)
        return measurer.measure(clip, names)

    header = setup.header(work.root, measurer.fingerprint)
    return evaluate(work, setup, header, Threads(measure, 3), out, manner)


def row_of(key: str, prompt: str | None = None, **numbers: float | None) -> Row:
    """Make up a row with one number for each name."""
    scores = {
        name: DimensionScore(
            name, number, number, (0.5,), 4, None if number is not None else "no number"
        )
        for name, number in numbers.items()
    }
    return Row(key, prompt, {}, 10, f"hash of {key}", 4, None, scores)


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Return the name and the content of each file below a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()
