"""Film one clip with known truth, look at the world, or measure how fast it is drawn.

`python -m critic_models.world OUT.mp4 --index 7 --defect blur=0.5` films one shot of a split and
prints its caption; equal arguments give equal frames. `--sheet DIR` writes contact sheets, films
and captions. `--rate` prints clips per second of one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2

from critic_models.video.encode import encode_mp4
from critic_models.world.captions import sample_caption
from critic_models.world.catalogue import DEFECTS
from critic_models.world.facts import facts_of
from critic_models.world.pairs import sample_suited
from critic_models.world.sample import sample_shot
from critic_models.world.sheet import write_sheets
from critic_models.world.splits import SPLITS, Split
from critic_models.world.takes import film, make_take, sample_take

_SIZE, _NUM_FRAMES = (128, 128), 8
_WARM_UP = 16
_DEFECT_RATE = 0.25


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser("critic_models.world", description=__doc__)
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("out", type=Path, nargs="?", help="film one clip into this MP4 file")
    task.add_argument("--sheet", type=Path, metavar="DIR", help="write sheets into this folder")
    task.add_argument("--rate", action="store_true", help="measure")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--index", type=int, default=0, help="which shots of the split")
    parser.add_argument("--size", default="256x256", help="of the film: width x height, in pixels")
    parser.add_argument("--frames", type=int, default=24, help="of the film")
    parser.add_argument("--fps", type=float, default=12.0, help="of the film")
    parser.add_argument("--crf", type=int, default=10, help="quality of the film, 0 is best")
    parser.add_argument("--defect", metavar="NAME=SEVERITY", help="put into the film")
    parser.add_argument("--clips", type=int, default=200, help="to measure, of each kind")
    options = parser.parse_args(arguments)
    split = SPLITS[options.split]
    if options.sheet:
        for path in write_sheets(options.sheet, split, options.index):
            sys.stdout.write(f"{path}\n")
    elif options.rate:
        _print_rates(split, options.clips)
    else:
        _write_film(parser, options, split)


def _write_film(parser: argparse.ArgumentParser, options: argparse.Namespace, split: Split) -> None:
    name, _, severity = (options.defect or "").partition("=")
    if name and name not in DEFECTS:
        parser.error(f"no defect {name!r}; there are: {', '.join(DEFECTS)}")
    rng = split.rng(options.index)
    shot = sample_suited(name, rng, split) if name else sample_shot(rng, split)
    caption = sample_caption(facts_of(shot), split.phrasings, rng)
    try:
        width, height = (int(side) for side in options.size.split("x"))
        take = make_take(shot, {name: float(severity)} if name else {}, options.index)
    except ValueError as error:
        parser.error(str(error))
    frames = film(take, (height, width), options.frames).frames
    options.out.write_bytes(encode_mp4(frames, options.fps, options.crf))
    sys.stdout.write(f"{options.out}: {caption}; {options.defect or 'no defect'}\n")


def _print_rates(split: Split, count: int) -> None:
    cv2.setNumThreads(1)
    for what, rate in (("without defects", 0.0), ("with defects", _DEFECT_RATE)):
        speed, bodies = clips_per_second(split, count, rate)
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
