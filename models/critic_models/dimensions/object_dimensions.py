"""VBench's object class, multiple objects and spatial relationship: what is found, where."""

from __future__ import annotations

from collections.abc import Sequence

from critic_models.dimensions.detected import DetectedDimension, Detection, Detections
from critic_models.dimensions.dimension import Compat, Reading, Scale
from critic_models.dimensions.networked import Ask

_SCALE = Scale(0.0, 1.0)
_LEAST_OVERLAP = 0.1
_SIDEWAYS = ("on the right of", "on the left of")
_UPRIGHT = ("on the bottom of", "on the top of")

Box = tuple[float, float, float, float]


def share_of(hits: Sequence[float]) -> Reading:
    """Return the mean over frames."""
    raw = sum(hits) / len(hits)
    return Reading(raw, _SCALE.value(raw), tuple(float(hit) for hit in hits))


def object_class(seen: Sequence[Detections], ask: Ask, compat: Compat) -> Reading:
    """Compute the share of frames in which the object is found, by its exact name."""
    wanted = ask.known("object")
    return share_of([float(any(d.name == wanted for d in frame)) for frame in seen])


def multiple_objects(seen: Sequence[Detections], ask: Ask, compat: Compat) -> Reading:
    """Compute the share of frames in which both objects of `a and b` are found."""
    first, second = (each.strip() for each in str(ask.known("object")).split(" and "))
    names = [{d.name for d in frame} for frame in seen]
    return share_of([float(first in found and second in found) for found in names])


def spatial_relationship(seen: Sequence[Detections], ask: Ask, compat: Compat) -> Reading:
    """Compute how well two objects stand to each other as asked, frame by frame the best pair."""
    asked = dict(ask.known("spatial_relationship") or {})
    first, second = asked["object_a"], asked["object_b"]
    relation = asked["relationship"]
    place = place_unsigned if compat == "vbench" else place_signed
    hits = []
    for frame in seen:
        if compat == "vbench":
            named = [d for d in frame if d.name in (first, second)]
            pairs = [(a, b) for i, a in enumerate(named) for b in named[i + 1 :]]
        else:
            pairs = [(a, b) for a in frame for b in frame if a.name == first and b.name == second]
            pairs = [(a, b) for a, b in pairs if a is not b]
        hits.append(max((place(relation, a.box, b.box) for a, b in pairs), default=0.0))
    return share_of(hits)


def place_unsigned(relation: str, first: Box, second: Box) -> float:
    """Rate two boxes by the axis along which they are apart; which comes first does not matter.

    Returns:
        1 where they are farther apart along the relation's axis than along the other and overlap by
        less than a tenth, as intersection over union; a tenth over the overlap where it is more; 0
        where they are not, or the relation is another.
    """
    (x, y), overlap = _apart(first, second), _overlap(first, second)
    along, across = (abs(x), abs(y))
    if relation not in _SIDEWAYS:
        along, across = across, along
        if relation not in _UPRIGHT:
            return 0.0
    if along <= across:
        return 0.0
    return 1.0 if overlap < _LEAST_OVERLAP else _LEAST_OVERLAP / overlap


def place_signed(relation: str, first: Box, second: Box) -> float:
    """Rate two boxes as `place_unsigned`, 0 where the first is on the wrong side."""
    x, y = _apart(first, second)
    ahead = {_SIDEWAYS[0]: -x, _SIDEWAYS[1]: x, _UPRIGHT[0]: -y, _UPRIGHT[1]: y}
    if ahead.get(relation, 0.0) <= 0:
        return 0.0
    return place_unsigned(relation, first, second)


def _apart(first: Box, second: Box) -> tuple[float, float]:
    """Return how far right and down the second's centre is from the first's."""
    return (
        (second[0] + second[2]) / 2 - (first[0] + first[2]) / 2,
        (second[1] + second[3]) / 2 - (first[1] + first[3]) / 2,
    )


def _overlap(first: Box, second: Box) -> float:
    width = max(0.0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0.0, min(first[3], second[3]) - max(first[1], second[1]))
    shared = width * height
    union = _area(first) + _area(second) - shared
    # Two boxes without an area share nothing.
    return shared / union if union else 0.0


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _detected(name: str, description: str, **facts: object) -> DetectedDimension:
    return DetectedDimension(
        name=name,
        group="semantic",
        range=(0.0, 1.0),
        higher_is_better=True,
        min_frames=1,
        description=f"{description} Per frame: of each of 16 frames. Needs a detector; VBench's is "
        "GRiT.",
        source=f"VBench (Vchitect/VBench at 45e79ec, vbench/{name}.py)",
        scale=_SCALE,
        cost="the caller's detector on 16 frames",
        sees="objects",
        **facts,  # type: ignore[arg-type]
    )


OBJECT_CLASS = _detected(
    "object_class",
    "The share of frames in which an object of the class that was asked for is found.",
    needs="object",
    compute=object_class,
)
MULTIPLE_OBJECTS = _detected(
    "multiple_objects",
    "The share of frames in which both classes that were asked for are found.",
    needs="object",
    compute=multiple_objects,
)
SPATIAL_RELATIONSHIP = _detected(
    "spatial_relationship",
    "How well two objects stand to each other as was asked for: 1 for the right axis, less where "
    "they overlap, the best pair of boxes of each frame.",
    needs="spatial_relationship",
    compute=spatial_relationship,
    differences=(
        "the side is never looked at: left of and right of are one; corrected: it counts",
        "any two boxes of either class make a pair, even both of one; corrected: one of each",
    ),
)

__all__ = [
    "MULTIPLE_OBJECTS",
    "OBJECT_CLASS",
    "SPATIAL_RELATIONSHIP",
    "Detection",
    "multiple_objects",
    "object_class",
    "place_signed",
    "place_unsigned",
    "spatial_relationship",
]
