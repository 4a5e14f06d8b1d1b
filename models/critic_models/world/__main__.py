"""Render one clip with known truth: `python -m critic_models.world OUT.mp4 --index 7`.

Prints the scene's caption and the defects that were put in. Equal arguments give equal frames.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from critic_models.video.encode import encode_mp4
from critic_models.world import DEFECTS, SPLITS, degrade, render, sample_scene, write_caption

_DEFECT_STREAM = 1


def main(arguments: list[str] | None = None) -> None:
    """Render the clip that the command line describes."""
    parser = argparse.ArgumentParser("critic_models.world", description=__doc__)
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--split", choices=SPLITS, default="test")
    parser.add_argument("--index", type=int, default=0, help="which scene of the split")
    parser.add_argument("--size", default="256x256", help="width x height, in pixels")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--fps", type=float, default=12.0)
    parser.add_argument("--crf", type=int, default=10, help="quality of the encoding, 0 is best")
    parser.add_argument("--defect", action="append", default=[], metavar="NAME=SEVERITY")
    options = parser.parse_args(arguments)

    width, height = (int(side) for side in options.size.split("x"))
    severities = {name: float(value) for name, value in (d.split("=") for d in options.defect)}
    if unknown := set(severities) - set(DEFECTS):
        parser.error(f"no defect {', '.join(sorted(unknown))}; there are {', '.join(DEFECTS)}")
    split = SPLITS[options.split]
    scene = sample_scene(split.rng(options.index), split)
    frames = render(scene, (height, width), options.frames)
    rng = split.rng(options.index, _DEFECT_STREAM)
    frames = degrade({k: severities[k] for k in DEFECTS if k in severities}, frames, rng).frames
    options.out.write_bytes(encode_mp4(frames, options.fps, options.crf))
    caption = write_caption(scene.slots, split.phrasings[0])
    sys.stdout.write(f"{options.out}: {caption}; {severities or 'no defect'}\n")


if __name__ == "__main__":
    main()
