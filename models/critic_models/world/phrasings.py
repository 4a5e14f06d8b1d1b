"""The words of captions: templates, and how actions, numbers, nouns and places are written."""

from __future__ import annotations

SEEN_PHRASINGS = (
    "{subject} {acts}",
    "{subject} {acts} {place}",
    "{place} {subject} {acts}",
    "{subject} {acting}",
    "{subject} {acting} {place}",
    "{there} {subject} {acting}",
    "{there} {subject} {acting} {place}",
    "a video of {subject} {acting}",
    "a video of {subject} {acting} {place}",
    "{subject} {acts} while {other} stays",
    "{subject} {acts} {place} while {other} stays",
    "{subject} {relation} {other}",
    "{subject} {be} {relation} {other}",
    "{there} {subject} {relation} {other}",
    "{there} {subject} {relation} {other} {place}",
    "a video of {subject} {relation} {other}",
    "{place} {subject} {be} {relation} {other}",
)
"""Templates of training and validation."""

HELD_OUT_PHRASINGS = (
    "{place} {there} {subject} {acting}",
    "a video of {subject} that {acts}",
    "{there} {subject} that {acts} {place}",
    "{there} {subject} {acting} while {other} stays",
    "{subject} that {acts} {place}",
    "{place} {there} {subject} {relation} {other}",
    "{subject} that {be} {relation} {other}",
    "a video of {subject} {relation} {other} {place}",
)
"""Templates of the test split, in words of training."""

PARTIAL_PHRASINGS = (
    "something {colour}",
    "{things} that {be} {colour}",
    "{subject}",
    "{there} {subject}",
    "{things}",
    "{there} {things}",
    "a video of {things}",
    "something {acts_alone}",
    "something that {acts_alone}",
    "{things} {acts}",
    "{things} {acting} {place}",
    "something moves {direction}",
    "{things} moving {direction}",
    "{things} {relation} {other_things}",
    "{things} {be} {relation} {other_things}",
    "something {place}",
    "a video {place}",
)
"""Templates that say less; for training only."""

SLOTS_OF: dict[str, tuple[str, ...]] = {
    "subject": ("count", "colour", "object"),
    "things": ("count", "object"),
    "there": ("count",),
    "be": ("count",),
    "colour": ("colour",),
    "acts": ("count", "action"),
    "acting": ("action",),
    "acts_alone": ("action",),
    "direction": ("direction",),
    "relation": ("relation",),
    "other": ("other",),
    "other_things": ("other",),
    "place": ("scene",),
}
"""What each field of a template needs to know."""

PLURALS: dict[str, str] = {
    "ball": "balls",
    "blob": "blobs",
    "box": "boxes",
    "car": "cars",
    "cat": "cats",
    "cloth": "cloths",
    "cone": "cones",
    "cup": "cups",
    "cylinder": "cylinders",
    "fish": "fish",
    "heart": "hearts",
    "ring": "rings",
    "star": "stars",
}

PLACES: dict[str, str] = {
    "room": "in a room",
    "table": "on a table",
    "field": "in a field",
    "desert": "in the desert",
    "wall": "before a wall",
    "forest": "among leaves",
    "lights": "before city lights",
    "sea": "by the sea",
    "sky": "in the sky",
}

Wording = tuple[str, str, str]
"""One, several, and `-ing`; with `{direction}` where the action has one."""

WORDINGS: dict[str, tuple[Wording, ...]] = {
    "rest": (
        ("stands still", "stand still", "standing still"),
        ("does not move", "do not move", "resting"),
    ),
    "move": (
        ("moves {direction}", "move {direction}", "moving {direction}"),
        ("goes {direction}", "go {direction}", "going {direction}"),
    ),
    "enter": (
        ("comes into view", "come into view", "coming into view"),
        ("enters the picture", "enter the picture", "entering the picture"),
    ),
    "leave": (
        ("leaves the picture", "leave the picture", "leaving the picture"),
        ("moves out of view", "move out of view", "moving out of view"),
    ),
    "take": (
        ("is taken away", "are taken away", "being taken away"),
        ("is lifted out by a hand", "are lifted out by a hand", "lifted out by a hand"),
    ),
    "push": (
        (
            "is pushed {direction} by a hand",
            "are pushed {direction} by a hand",
            "pushed {direction} by a hand",
        ),
        ("is pushed {direction}", "are pushed {direction}", "being pushed {direction}"),
    ),
    "collide": (
        ("bumps into {other}", "bump into {other}", "bumping into {other}"),
        ("hits {other}", "hit {other}", "hitting {other}"),
    ),
    "hide": (
        ("passes behind a pillar", "pass behind a pillar", "passing behind a pillar"),
        ("goes behind a pillar", "go behind a pillar", "going behind a pillar"),
    ),
    "squeeze": (
        ("is squeezed by a hand", "are squeezed by a hand", "squeezed by a hand"),
        ("is pressed flat", "are pressed flat", "being pressed flat"),
    ),
    "stretch": (
        ("stretches", "stretch", "stretching"),
        ("is stretched", "are stretched", "being stretched"),
    ),
    "fold": (
        ("folds over", "fold over", "folding over"),
        ("is folded", "are folded", "being folded"),
    ),
    "fall": (
        ("falls", "fall", "falling"),
        ("drops to the ground", "drop to the ground", "dropping to the ground"),
    ),
    "land": (
        ("falls onto a block", "fall onto a block", "falling onto a block"),
        ("lands on a block", "land on a block", "landing on a block"),
    ),
    "bounce": (
        ("bounces", "bounce", "bouncing"),
        ("falls and bounces", "fall and bounce", "falling and bouncing"),
    ),
    "topple": (
        ("topples over", "topple over", "toppling over"),
        ("tips over", "tip over", "tipping over"),
    ),
    "roll_off": (
        ("rolls off an edge", "roll off an edge", "rolling off an edge"),
        ("falls off an edge", "fall off an edge", "falling off an edge"),
    ),
    "spin": (
        ("spins", "spin", "spinning"),
        ("turns in place", "turn in place", "turning in place"),
    ),
}
