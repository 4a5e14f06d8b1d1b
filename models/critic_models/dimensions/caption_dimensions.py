"""VBench's color and scene: which words are in what is said of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from critic_models.dimensions.detected import DetectedDimension, Detections
from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import Ask

_COLOR_SCALE = Scale(0.0, 1.0)
_SCENE_SCALE = Scale(0.0, 0.8222)
COLORS = (
    *("white", "red", "pink", "blue", "silver", "purple"),
    *("orange", "green", "gray", "yellow", "black", "grey"),
)


def has_word(word: str, text: str, compat: Compat) -> bool:
    """Tell whether a word is in a text; to VBench `red` is in `covered`."""
    if compat == "vbench":
        return word in text
    return re.search(rf"\b{re.escape(word)}\b", text) is not None


def colored_object(prompt: str, color: str, compat: Compat) -> str:
    """Return the object of a prompt such as `a red car`."""
    if compat == "vbench":
        return prompt.replace("a ", "").replace("an ", "").replace(color, "").strip()
    words = [w for w in prompt.strip().split() if w not in ("a", "an", color)]
    return " ".join(words)


def color(seen: Sequence[Detections], ask: Ask, compat: Compat) -> Reading:
    """Compute in which share of the frames that show the object in any color it has the right one.

    A clip in which the object is never described with a color has no number, and does not count.
    """
    wanted = str(ask.known("color"))
    thing = colored_object(ask.prompt or "", wanted, compat)
    colored, right = [], []
    for frame in seen:
        # To VBench every caption speaks of the first detection.
        captions = [
            d.caption for d in frame if (frame[0].name if compat == "vbench" else d.name) == thing
        ]
        colored.append(any(has_word(c, text, compat) for c in COLORS for text in captions))
        right.append(any(has_word(wanted, text, compat) for text in captions))
    if not any(colored):
        return Reading(
            None, reason="The object is described with a color in no frame.", weight=None
        )
    raw = sum(right) / sum(colored)
    return Reading(raw, _COLOR_SCALE.value(raw), tuple(float(each) for each in right))


def scene(seen: Sequence[str], ask: Ask, compat: Compat) -> Reading:
    """Compute the share of frames whose caption has every word of the scene."""
    asked: Any = ask.known("scene")
    # VBench's files hold the scene inside a mapping of its own.
    words = str(asked["scene"] if isinstance(asked, dict) else asked).split(" ")
    hits = [all(has_word(word, text, compat) for word in words) for text in seen]
    raw = sum(hits) / len(hits)
    return Reading(raw, _SCENE_SCALE.value(raw), tuple(float(hit) for hit in hits))


COLOR = DetectedDimension(
    name="color",
    group="semantic",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=1,
    description=(
        "Among the frames in which the object is described with any color, the share in which it "
        "has the one that was asked for; a clip without such a frame has no number and is left out "
        "of the mean. Per frame: of each of 16 frames. Needs a dense captioner; VBench's is GRiT."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/color.py)",
    scale=_COLOR_SCALE,
    needs="color",
    differences=(
        "a color is looked for inside words, so covered is red; corrected: as a word",
        "every caption is taken to speak of the first detection; corrected: of its own",
        "the object is what is left of the prompt without any `a ` and `an `, also inside words; "
        "corrected: without the articles",
    ),
    cost="the caller's dense captioner on 16 frames",
    sees="captioned objects",
    compute=color,
)

SCENE = DetectedDimension(
    name="scene",
    group="semantic",
    range=(0.0, 1.0),
    higher_is_better=True,
    min_frames=1,
    description=(
        "The share of frames whose caption has every word of the scene that was asked for. Per "
        "frame: of each of 16 frames. Needs a captioner; VBench's is Tag2Text, on 384 x 384."
    ),
    source="VBench (Vchitect/VBench at 45e79ec, vbench/scene.py)",
    scale=_SCENE_SCALE,
    needs="scene",
    differences=("words are looked for inside words; corrected: as words",),
    cost="the caller's captioner on 16 frames",
    sees="captions",
    compute=scene,
)
