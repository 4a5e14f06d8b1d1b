"""Contact sheets and films of the world, for people to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from critic_models.video.encode import encode_mp4
from critic_models.world.alignment import sample_caption_pair
from critic_models.world.captions import sample_caption
from critic_models.world.catalogue import ACTIONS, CRITERIA, DEFECTS, SLOTS
from critic_models.world.facts import facts_of
from critic_models.world.pairs import sample_ladder
from critic_models.world.sample import sample_shot
from critic_models.world.splits import Split
from critic_models.world.takes import Take, film

_STEPS = (0.0, 0.1, 0.4, 1.0)
_SMALL, _SMALL_FRAMES = (128, 128), 8
_TITLE = 16
_LARGE, _LARGE_FRAMES, _FPS = (256, 256), 24, 12.0


def write_sheets(
    folder: Path,
    split: Split,
    index: int,
    actions: Sequence[str] = tuple(ACTIONS),
    criteria: Sequence[str] = tuple(CRITERIA),
) -> list[Path]:
    """Write one sheet of actions, one for each criterion, films of both, and captions.

    Args:
        folder: made if it is not there.
        split: of the world.
        index: which shots of it.
        actions, criteria: which are shown.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [_write_actions(folder, split, index, actions)]
    written += [_write_criterion(folder, split, index, name) for name in criteria]
    captions = folder / "captions.txt"
    captions.write_text("\n".join(_caption_lines(split, index)) + "\n", encoding="utf-8")
    return [*written, captions]


def _write_actions(folder: Path, split: Split, index: int, actions: Sequence[str]) -> Path:
    rows, films = [], []
    for action in actions:
        rng = split.rng(index, tuple(ACTIONS).index(action))
        take = Take(sample_shot(rng, split, [action]))
        caption = sample_caption(facts_of(take.shot), split.phrasings, rng)
        rows.append(_strip(take, caption))
        films.append(film(take, _LARGE, _LARGE_FRAMES).frames)
    return _write(folder, "actions", rows, films)


def _write_criterion(folder: Path, split: Split, index: int, criterion: str) -> Path:
    rows, films = [], []
    for defect in CRITERIA[criterion]:
        ladder = sample_ladder(defect, split.rng(index, DEFECTS.index(defect)), split, _STEPS)
        rows += [_strip(take, f"{defect} {take.severity(defect):.1f}") for take in ladder]
        ends = [film(take, _LARGE, _LARGE_FRAMES).frames for take in (ladder[0], ladder[-1])]
        films.append(np.concatenate(ends, axis=2))
    return _write(folder, criterion, rows, films)


def _caption_lines(split: Split, index: int) -> list[str]:
    lines = []
    for number, slot in enumerate(SLOTS):
        pair = sample_caption_pair(slot, split.rng(index, number), split)
        lines.append(f"{slot}: {pair.true} | not: {pair.wrong}")
    return lines


def _strip(take: Take, label: str) -> np.ndarray:
    strip = np.concatenate(list(film(take, _SMALL, _SMALL_FRAMES).frames), 1)
    title = np.zeros((_TITLE, strip.shape[1], 3), np.uint8)
    grey = (220, 220, 220)
    cv2.putText(title, label, (4, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.38, grey, 1, cv2.LINE_AA)
    return np.concatenate([title, strip])


def _write(folder: Path, name: str, rows: list[np.ndarray], films: list[np.ndarray]) -> Path:
    sheet = folder / f"{name}.png"
    image = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
    sheet.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    (folder / f"{name}.mp4").write_bytes(encode_mp4(np.concatenate(films), _FPS))
    return sheet
