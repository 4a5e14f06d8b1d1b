"""Look at the world, or measure how fast it is drawn.

`python -m critic_models.world.stage --sheet DIR` writes contact sheets, films and captions;
`python -m critic_models.world.stage --rate` prints clips per second of one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2

from critic_models.world.stage.sheet import write_sheets
from critic_models.world.stage.splits import SPLITS, Split
from critic_models.world.stage.takes import film, sample_take

_SIZE, _NUM_FRAMES = (128, 128), 8
_WARM_UP = 16
_DEFECT_RATE = 0.25


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser("critic_models.world.stage", description=__doc__)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--sheet", type=Path, metavar="DIR", help="where to write")
    task.add_argument("--rate", action="store_true", help="measure")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--index", type=int, default=0, help="which shots of the split")
    parser.add_argument("--clips", type=int, default=200, help="to measure, of each kind")
    options = parser.parse_args(arguments)
    split = SPLITS[options.split]
    if options.sheet:
        for path in write_sheets(options.sheet, split, options.index):
            sys.stdout.write(f"{path}\n")
        return
    cv2.setNumThreads(1)
    for what, rate in (("without defects", 0.0), ("with defects", _DEFECT_RATE)):
        speed, bodies = clips_per_second(split, options.clips, rate)
        sys.stdout.write(
            f"{what}: {speed:.0f} clips/s of {_NUM_FRAMES} frames of {_SIZE[1]}×{_SIZE[0]} "
            f"on one core, {bodies:.1f} bodies each\n"
        )


def clips_per_second(split: Split, count: int, defect_rate: float) -> tuple[float, float]:
    """Measure by the processor's time, so that other work on the machine counts for little.

    Returns:
        Clips a second, and bodies in a clip on average.
    """
    bodies = 0
    started = time.process_time()
    for index in range(_WARM_UP + count):
        if index == _WARM_UP:
            started, bodies = time.process_time(), 0
        clip = film(sample_take(split.rng(index), split, defect_rate), _SIZE, _NUM_FRAMES)
        bodies += len(clip.shot.bodies)
    return count / (time.process_time() - started), bodies / count


if __name__ == "__main__":
    main()
