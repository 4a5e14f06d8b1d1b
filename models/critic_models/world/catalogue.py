"""Every name in the world: nouns, colours, scenes, actions, relations, defects and criteria."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, get_args

Rgb = tuple[int, int, int]

Slot = Literal["object", "colour", "count", "direction", "relation", "action", "scene"]
SLOTS: tuple[Slot, ...] = get_args(Slot)

NUMBERS = ("one", "two", "three", "four")
DIRECTIONS = ("left", "right", "up", "down", "closer", "away")
RELATIONS = (
    "left of",
    "right of",
    "above",
    "below",
    "on",
    "under",
    "behind",
    "in front of",
)

COLOURS = (
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "brown",
    "white",
    "black",
)
NOUNS = (
    "ball",
    "blob",
    "box",
    "car",
    "cat",
    "cloth",
    "cone",
    "cup",
    "cylinder",
    "fish",
    "heart",
    "ring",
    "star",
)
"""Each can be drawn in five variants; the last two of each are held out."""

PROPS = ("block", "hand", "pillar")
"""Parts of an action; never counted and never the subject of a caption."""

_ALIKE_NOUNS = (
    {"ball", "blob"},
    {"box", "cloth"},
    {"cup", "cylinder"},
    {"cone", "cylinder"},
    {"cup", "box"},
    {"box", "cylinder"},
    {"blob", "heart"},
    {"ball", "ring"},
)
_ALIKE_COLOURS = (
    {"red", "orange"},
    {"red", "pink"},
    {"red", "brown"},
    {"orange", "brown"},
    {"orange", "yellow"},
    {"yellow", "white"},
    {"purple", "pink"},
    {"purple", "blue"},
    {"black", "brown"},
    {"pink", "white"},
)
_ALIKE_SCENES = ({"room", "table"}, {"room", "wall"}, {"sea", "sky"}, {"field", "forest"})

FLOOR_SCENES = ("room", "table", "field", "desert")
"""Scenes with ground to stand on, where gravity holds."""

PLANE_SCENES = ("wall", "forest", "lights", "sea", "sky")
"""Scenes without ground: what is in them hangs or flies."""

SCENES = FLOOR_SCENES + PLANE_SCENES

_ALIKE: dict[str, frozenset[tuple[str, str]]] = {
    slot: frozenset(pair for group in groups for pair in itertools.permutations(group, 2))
    for slot, groups in (
        ("object", _ALIKE_NOUNS),
        ("colour", _ALIKE_COLOURS),
        ("scene", _ALIKE_SCENES),
    )
}

Family = Literal["still", "directed", "removal", "several", "deformation", "falling", "turning"]


@dataclass(frozen=True)
class Action:
    """What the subject of a shot does.

    Attributes:
        family: of dynamic object interactions.
        scenes: where it can happen.
        nouns: what can do it.
        directions: in which it can go; empty where it has none.
        most: subjects that can do it together.
        company: whether a second object takes part.
        also: actions that are then true of the subject as well, or too alike to tell.
    """

    family: Family
    scenes: tuple[str, ...]
    nouns: tuple[str, ...] = NOUNS
    directions: tuple[str, ...] = ()
    most: int = 1
    company: bool = False
    also: tuple[str, ...] = ()


_SIDEWAYS = ("left", "right")
ACTIONS: dict[str, Action] = {
    "rest": Action("still", (*FLOOR_SCENES, "wall"), most=4),
    "move": Action("directed", SCENES, directions=DIRECTIONS, most=4, also=("stretch",)),
    "enter": Action("directed", SCENES, directions=_SIDEWAYS, also=("move",)),
    "leave": Action("removal", SCENES, directions=_SIDEWAYS, also=("move",)),
    "take": Action("removal", FLOOR_SCENES, also=("move", "leave")),
    "push": Action("several", FLOOR_SCENES, directions=_SIDEWAYS, also=("move",)),
    "collide": Action(
        "several",
        FLOOR_SCENES,
        ("ball", "car", "ring", "cylinder", "box"),
        _SIDEWAYS,
        company=True,
        also=("move", "push"),
    ),
    "hide": Action("several", FLOOR_SCENES, directions=_SIDEWAYS, also=("move", "leave", "enter")),
    "squeeze": Action(
        "deformation", FLOOR_SCENES, ("ball", "blob", "box", "cylinder", "heart"), also=("push",)
    ),
    "stretch": Action(
        "deformation", FLOOR_SCENES, ("ball", "blob", "cloth", "heart", "ring", "star")
    ),
    "fold": Action("deformation", (*FLOOR_SCENES, "wall"), ("cloth",), also=("squeeze",)),
    "fall": Action("falling", FLOOR_SCENES, most=3, also=("move", "bounce", "land")),
    "land": Action("falling", FLOOR_SCENES, also=("move", "bounce", "fall")),
    "bounce": Action(
        "falling", FLOOR_SCENES, ("ball", "blob", "ring", "star", "heart"), also=("move", "fall")
    ),
    "topple": Action("falling", FLOOR_SCENES, ("box", "cup", "cylinder"), also=("fall", "spin")),
    "roll_off": Action(
        "falling",
        FLOOR_SCENES,
        ("ball", "ring", "car"),
        _SIDEWAYS,
        also=("fall", "move", "leave", "bounce"),
    ),
    "spin": Action("turning", PLANE_SCENES, ("box", "car", "cup", "fish", "heart", "star")),
}

IMAGING = ("blur", "noise", "blocking", "banding", "exposure")
TEMPORAL = ("jitter", "flicker", "ghosting", "shuffle", "drop", "freeze")
SUBJECT = ("subject_colour", "subject_shape", "subject_texture", "subject_size")
BACKGROUND = ("background_drift", "background_switch", "background_morph")
MOTION = ("stillness", "haste", "stutter")
VIOLATIONS: dict[str, tuple[str, ...]] = {
    "rise": ("rest", "fall", "roll_off"),
    "slow": ("fall", "topple"),
    "hang": ("fall", "bounce", "topple", "roll_off"),
    "pass_through": ("collide", "land", "push"),
    "uncaused": ("rest", "collide", "push", "take"),
    "vanish": ("rest", "move", "spin", "squeeze", "stretch"),
    "appear": ("rest", "move", "spin", "squeeze", "stretch"),
    "teleport": ("rest", "move", "spin", "push"),
    "changed": ("hide",),
    "bounce_gain": ("bounce",),
    "unsupported": ("rest",),
}
"""Breaches of physics, and the actions in which each can happen."""

PHYSICS = tuple(VIOLATIONS)
FAMILIES = (SUBJECT, BACKGROUND, MOTION, PHYSICS)
"""Families of which a shot has at most one defect."""

STAGED = (*SUBJECT, *BACKGROUND, *MOTION, *PHYSICS)
"""Defects of what happens before the camera."""

FILMED = (*IMAGING, *TEMPORAL)
"""Defects of how it is recorded; they can be put on any footage."""

DEFECTS = (*FILMED, *STAGED)
NEED_MOTION = ("ghosting", "shuffle", "drop", "freeze", *MOTION)
"""Defects that nobody can see where nothing moves."""

CRITERIA: dict[str, tuple[str, ...]] = {
    "sharpness": ("blur",),
    "cleanness": ("noise",),
    "compression_quality": ("blocking",),
    "tonal_smoothness": ("banding",),
    "exposure": ("exposure",),
    "steadiness": ("jitter",),
    "exposure_stability": ("flicker",),
    "frame_clarity": ("ghosting",),
    "frame_order": ("shuffle",),
    "motion_continuity": ("drop", "freeze"),
    "subject_consistency": SUBJECT,
    "background_consistency": BACKGROUND,
    "motion_presence": ("stillness",),
    "motion_naturalness": ("haste", "stutter"),
    "physical_plausibility": PHYSICS,
}
"""What a critic judges, and the defects that lower it; text alignment is judged by captions."""

OVERALL: dict[str, tuple[str, ...]] = {
    "visual_quality": IMAGING,
    "temporal_quality": (*TEMPORAL, *MOTION),
}
"""Criteria that sum up others, and the defects that lower them."""

MOTION_CRITERIA = ("motion_presence", "motion_naturalness", "motion_continuity", "temporal_quality")
"""In these a clip that stands still is worse than its moving twin."""


INDIFFERENT: dict[str, tuple[str, ...]] = {
    "sharpness": ("teleport", "subject_colour", "stutter"),
    "cleanness": ("teleport", "subject_colour", "stutter"),
    "compression_quality": ("teleport", "subject_colour", "stutter"),
    "tonal_smoothness": ("teleport", "subject_colour", "stutter"),
    "exposure": ("teleport", "subject_colour", "stutter"),
    "steadiness": ("blur", "exposure", "subject_colour"),
    "exposure_stability": ("blur", "noise", "subject_shape"),
    "frame_clarity": ("noise", "exposure", "subject_colour"),
    "frame_order": ("blur", "noise", "exposure"),
    "motion_continuity": ("blur", "noise", "exposure"),
    "subject_consistency": ("blur", "exposure", "background_drift"),
    "background_consistency": ("blur", "exposure", "subject_colour"),
    "motion_presence": ("blur", "noise", "subject_colour"),
    "motion_naturalness": ("blur", "noise", "subject_colour"),
    "physical_plausibility": ("blur", "noise", "exposure"),
    "visual_quality": ("teleport", "subject_colour", "stutter"),
    "temporal_quality": ("blur", "noise", "exposure", "subject_colour"),
}
"""Defects that a criterion has nothing to say about."""


DOUBTFUL: dict[str, tuple[str, ...]] = {
    "steadiness": ("shuffle", "drop"),
    "frame_clarity": ("vanish", "appear"),
    "motion_continuity": ("shuffle", "stutter", "hang"),
    "subject_consistency": ("changed", "vanish", "appear"),
    "motion_presence": (
        *("shuffle", "drop", "freeze", "haste", "stutter"),
        *("teleport", "vanish", "appear", "rise", "uncaused"),
    ),
    "motion_naturalness": ("shuffle", "drop", "freeze", "hang", "slow", "teleport"),
    "temporal_quality": ("hang", "teleport"),
    "physical_plausibility": (
        *("shuffle", "drop", "freeze", "stillness", "haste", "stutter"),
        *("subject_shape", "subject_size"),
    ),
}
"""Defects of other criteria beside which the right judgement of a criterion is open."""


def criterion_of(defect: str) -> str:
    """Name the criterion that a defect lowers."""
    return next(name for name, defects in CRITERIA.items() if defect in defects)


def defects_of(criterion: str) -> tuple[str, ...]:
    """Name the defects that lower a criterion, single or overall.

    Raises:
        ValueError: for an unknown criterion.
    """
    known = {**CRITERIA, **OVERALL}
    if criterion not in known:
        raise ValueError(f"no criterion {criterion!r}; there are: {', '.join(known)}")
    return known[criterion]


def alike(slot: Slot, one: str, other: str) -> bool:
    """Whether two values of a slot can be taken for each other, so that neither is surely wrong."""
    return one == other or (one, other) in _ALIKE.get(slot, ())
