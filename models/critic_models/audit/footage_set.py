"""A labelled set from a folder of real clips: each defect of recording put on cuts of them.

Real footage has no absolute grade: it may be blurred or shaky as it is. So a cut is compared only
with itself, and twins that stand still, and defects of motion, are made only of cuts that move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from critic_models.audit.labelled import STATIC, LabelledSet
from critic_models.audit.labelling import open_effects
from critic_models.audit.spoiled import Original, spoil
from critic_models.dimensions.measure import measure_frames
from critic_models.errors import ClipError, InputError
from critic_models.judging import Judge
from critic_models.types import Clip
from critic_models.video.decode import ClipInfo, probe
from critic_models.video.encode import encode_mp4
from critic_models.video.frames import iter_array
from critic_models.video.limits import DEFAULT_LIMITS, ClipLimits
from critic_models.video.load import load_clip, read_file
from critic_models.world import FILMED

SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif"})
STEPS = 2
CUT_S = 2.0
MAX_CUTS_PER_FILE = 12
_MAX_CUT_FRAMES = 24
_MIN_CUT_FRAMES = 8
_SHORT_SIDE = 480
_CRF = 18
_SEED = 41
_MOTION = "opencv_motion_smoothness"

_DESCRIPTION = """\
{cuts} cuts of about {seconds:g} s from {files} files in {folder}, shorter side at most {side}
pixels, served as H.264 at crf {crf}. A cut is better than the same cut with a defect of a severity
in [0.1, 1], {steps} severities of each of {defects} defects, the lesser better than the greater;
equal to its own light re-encoding; and better in motion than one of its frames held throughout,
where it moves. Only cuts that move have defects that nobody could see in the others."""

Advance = Callable[[], None]


@dataclass(frozen=True)
class _Cut:
    """A sampling policy: `count` frames from `start`, every `step`-th of the source."""

    start: int
    count: int
    step: int

    @property
    def name(self) -> str:
        return f"cut-{self.start}-{self.count}-{self.step}"

    def indices(self, num_frames: int, fps: float, times_s: np.ndarray) -> np.ndarray:
        last = min(num_frames, self.start + self.count * self.step)
        return np.arange(self.start, last, self.step)


def find_clips(folder: Path) -> list[Path]:
    """List the video files below a folder, by name.

    Raises:
        InputError: where there are none.
    """
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(
            f"{folder} has no clips; files that end in {', '.join(sorted(SUFFIXES))} are read"
        )
    return files


def footage_set(
    folder: Path,
    num_cuts: int,
    advance: Advance = lambda: None,
    limits: ClipLimits = DEFAULT_LIMITS,
) -> LabelledSet:
    """Make the set from about `num_cuts` cuts, evenly from all files.

    Args:
        folder: with video files, at any depth.
        num_cuts: at least 2; a file gives at most 12 cuts, and none that overlap.
        advance: called once for every file.
        limits: bounds on each file.

    Raises:
        InputError: where there are no files, or fewer than two cuts.
        ClipError: naming the file that cannot be read.
    """
    files = find_clips(folder)
    cuts_per_file = min(MAX_CUTS_PER_FILE, max(1, -(-num_cuts // len(files))))
    originals: list[Original] = []
    for file in files:
        if len(originals) < num_cuts:
            label = str(file.relative_to(folder))
            originals += _originals(file, label, cuts_per_file, limits)
        advance()
    originals = originals[:num_cuts]
    if len(originals) < 2:
        raise InputError(
            f"{folder} gives {len(originals)} cuts of {_MIN_CUT_FRAMES} frames or more; at least "
            "2 are needed"
        )
    spoiled = spoil(originals, STEPS, _SEED)
    return LabelledSet(
        name=folder.name,
        description=_DESCRIPTION.format(
            cuts=len(originals),
            seconds=CUT_S,
            files=len({original.group for original in originals}),
            folder=folder,
            side=_SHORT_SIDE,
            crf=_CRF,
            steps=STEPS,
            defects=len(FILMED),
        ).replace("\n", " "),
        sources=spoiled.sources,
        pairs=spoiled.pairs,
        grades=spoiled.grades,
        changes=spoiled.changes,
        static_pairs=spoiled.static_pairs,
        open_effects=open_effects((*FILMED, STATIC)),
    )


def _originals(file: Path, label: str, count: int, limits: ClipLimits) -> list[Original]:
    try:
        info = probe(read_file(file, limits), limits)
        originals = []
        for cut in _cuts(info, count):
            fps = info.fps / cut.step
            frames = _reader(file, cut, limits)
            originals.append(
                Original(
                    key=f"{label} from {info.times_s[cut.start]:.1f} s",
                    group=label,
                    frames=frames,
                    deliver=_delivery(fps),
                    moves=_moves(frames(), fps),
                )
            )
    except ClipError as error:
        raise type(error)(f"{file}: {error.message}", **error.details) from error
    return originals


def _cuts(info: ClipInfo, count: int) -> list[_Cut]:
    """Spread cuts that do not overlap evenly over a file; none where it is too short."""
    wanted = max(_MIN_CUT_FRAMES, round(CUT_S * info.fps))
    length = min(wanted, info.num_frames)
    if length < _MIN_CUT_FRAMES:
        return []
    step = -(-length // _MAX_CUT_FRAMES)
    fitting = min(count, info.num_frames // length)
    starts = np.linspace(0, info.num_frames - length, fitting).astype(int)
    return [_Cut(int(start), length // step, step) for start in starts]


def _reader(file: Path, cut: _Cut, limits: ClipLimits) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        return _shrink(load_clip(file, cut, limits).frames)

    return read


def _delivery(fps: float) -> Callable[[Judge, np.ndarray], Clip]:
    def deliver(judge: Judge, frames: np.ndarray) -> Clip:
        return load_clip(encode_mp4(frames, fps, _CRF), judge.sampling)

    return deliver


def _shrink(frames: np.ndarray) -> np.ndarray:
    height, width = frames.shape[1:3]
    scale = _SHORT_SIDE / min(height, width)
    if scale >= 1.0:
        return frames
    size = (round(width * scale), round(height * scale))
    return np.stack([cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames])


def _moves(frames: np.ndarray, fps: float) -> bool:
    """Tell whether there is enough motion to judge, by the dimension that asks the same."""
    return measure_frames(iter_array(frames, fps), [_MOTION])[_MOTION].raw is not None
