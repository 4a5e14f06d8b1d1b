"""What can go wrong before the camera: subjects, backdrop, motion and physics, graded.

Severity 0 changes nothing; 0.1 is just visible; 1 is gross.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from critic_models.world.catalogue import (
    ACTIONS,
    BACKGROUND,
    COLOURS,
    FAMILIES,
    FLOOR_SCENES,
    MOTION,
    NEED_MOTION,
    NOUNS,
    PHYSICS,
    STAGED,
    SUBJECT,
    VIOLATIONS,
    alike,
)
from critic_models.world.compose import compose
from critic_models.world.curves import Curve, Leg, line
from critic_models.world.shot import (
    Figure,
    SceneChange,
    SceneChangeKind,
    Shot,
    SubjectChange,
    Tempo,
    Violation,
)
from critic_models.world.splits import SPLITS

_IN_VIEW = tuple(name for name in ACTIONS if name not in ("enter", "leave", "take"))
_TURN_INTO_ANOTHER = ("subject_colour", "subject_shape", "subject_texture", "changed")
_GROWS = 0.75
_LEAST_CHANGE = {"subject_colour": 0.08, "subject_shape": 0.1, "subject_texture": 0.25}
"""How far a subject has to turn into another for the change to be just visible."""


def suits(defect: str, shot: Shot) -> bool:
    """Whether a shot can have a defect so that it is seen."""
    premise = shot.premise
    if defect in NEED_MOTION and not shot.moves:
        return False
    if defect in PHYSICS:
        grounded = defect not in ("rise", "unsupported", "uncaused") or shot.on_floor
        return premise.action in VIOLATIONS[defect] and grounded and premise.relation != "under"
    if defect == "subject_size":
        still = premise.direction not in ("closer", "away")
        return still and premise.action in _IN_VIEW
    return defect not in SUBJECT or premise.action in _IN_VIEW


def settings_for(defect: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name actions and scenes from which shots are drawn that can have a defect."""
    actions, scenes = tuple(ACTIONS), tuple(s for a in ACTIONS.values() for s in a.scenes)
    if defect in NEED_MOTION:
        actions = tuple(name for name in actions if name != "rest")
    if defect in SUBJECT:
        actions = _IN_VIEW
    if defect in PHYSICS:
        actions = VIOLATIONS[defect]
        if "rest" in actions and defect in ("rise", "unsupported", "uncaused"):
            scenes = FLOOR_SCENES
    return actions, tuple(dict.fromkeys(scenes))


def spoil(shot: Shot, severities: Mapping[str, float], seed: int) -> Shot:
    """Put defects on a shot.

    Args:
        shot: without any.
        severities: by defect, each of `catalogue.STAGED`; at most one of each family.
        seed: of everything random.

    Raises:
        ValueError: for a defect that does not suit the shot, two of a family, or a severity
            outside [0, 1].
    """
    wanted = {name: float(severity) for name, severity in severities.items() if severity}
    _check(shot, wanted)
    for name in wanted:
        if name in PHYSICS and name != "changed":
            broken = compose(shot.premise, Violation(name, wanted[name], seed))
            shot = replace(shot, bodies=broken.bodies)
    for name, severity in wanted.items():
        rng = np.random.default_rng([seed, STAGED.index(name)])
        if name == "changed":
            shot = _swap_behind(shot, severity, rng)
        elif name == "subject_size":
            shot = _resize(shot, severity, rng)
        elif name in SUBJECT:
            into = _other_self(shot, name, rng)
            begin, end = _when(rng, bool(rng.random() < 0.5))
            change = SubjectChange(_amount(name, severity), 0, into, begin, end)
            shot = replace(shot, subject_changes=(change,))
        elif name in BACKGROUND:
            shot = _change_scene(shot, name, severity, rng)
        elif name in MOTION:
            at = float(rng.uniform(0.35, 0.55))
            tempo = Tempo(**{name: severity}, at=at, beats=int(rng.integers(2, 4)))
            shot = replace(shot, tempo=tempo)
    return replace(shot, severities=tuple(wanted.items()))


def _check(shot: Shot, severities: Mapping[str, float]) -> None:
    for name, severity in severities.items():
        if name not in STAGED:
            raise ValueError(f"{name!r} cannot be staged; allowed: {', '.join(STAGED)}")
        if not 0.0 <= severity <= 1.0:
            raise ValueError(f"severity of {name} must be in [0, 1]; found {severity}")
        if not suits(name, shot):
            raise ValueError(f"{name} does not suit the action {shot.premise.action!r}")
    if both := clash(severities):
        raise ValueError(f"only one of {', '.join(both)} can be staged at a time")


def clash(names: Iterable[str]) -> tuple[str, ...]:
    """Name defects of which a shot can have only one; none where all go together."""
    present = tuple(names)
    for group in (*FAMILIES, _TURN_INTO_ANOTHER):
        both = tuple(name for name in present if name in group)
        if len(both) > 1:
            return both
    return ()


def _amount(kind: str, severity: float) -> float:
    least = _LEAST_CHANGE[kind]
    return least + (1.0 - least) * severity


def _when(rng: np.random.Generator, at_once: bool) -> tuple[float, float]:
    if at_once:
        moment = float(rng.uniform(0.35, 0.65))
        return moment, moment
    return float(rng.uniform(0.0, 0.2)), float(rng.uniform(0.8, 1.0))


def _other_self(shot: Shot, defect: str, rng: np.random.Generator) -> Figure:
    """Draw what the first subject turns into."""
    figure, split = shot.bodies[0].figure, SPLITS[shot.premise.split]
    if defect == "subject_colour":
        return replace(figure, rgb=_other_rgb(shot, rng))
    if defect == "subject_shape":
        nouns = [noun for noun in NOUNS if not alike("object", noun, figure.noun)]
        variant = int(rng.choice(split.variants))
        return replace(figure, noun=str(rng.choice(nouns)), variant=variant)
    patterns = [name for name in split.patterns if name not in (figure.pattern, "plain")]
    return replace(figure, pattern=str(rng.choice(patterns)), seed=int(rng.integers(2**31)))


def _other_rgb(shot: Shot, rng: np.random.Generator) -> tuple[int, int, int]:
    split, own = SPLITS[shot.premise.split], shot.premise.colour
    name = str(rng.choice([c for c in COLOURS if not alike("colour", c, own)]))
    centres = split.colours[name]
    return centres[int(rng.integers(len(centres)))]


def _swap_behind(shot: Shot, severity: float, rng: np.random.Generator) -> Shot:
    """Change the subject while a pillar hides it, which is at half time."""
    kind = str(rng.choice(("subject_colour", "subject_shape")))
    into = _other_self(shot, kind, rng)
    change = SubjectChange(_amount(kind, severity), 0, into, 0.5, 0.5)
    return replace(shot, subject_changes=(change,))


def _resize(shot: Shot, severity: float, rng: np.random.Generator) -> Shot:
    begin, end = _when(rng, bool(rng.random() < 0.5))
    factor = float(np.exp(rng.choice((-1.0, 1.0)) * _GROWS * severity))
    at_once = Curve((Leg(-1.0, 1.0), Leg(begin, factor)))
    size = at_once if begin == end else line(begin, 1.0, end, factor)
    return replace(shot, bodies=(replace(shot.bodies[0], size=size), *shot.bodies[1:]))


def _change_scene(shot: Shot, defect: str, severity: float, rng: np.random.Generator) -> Shot:
    split, own = SPLITS[shot.premise.split], shot.premise.scene
    begin, end = _when(rng, defect == "background_switch")
    scene = str(rng.choice([s for s in split.looks if not alike("scene", s, own)]))
    look = str(rng.choice(split.looks[scene]))
    kind: SceneChangeKind = "fade" if defect != "background_morph" else "bend"
    change = SceneChange(kind, severity, look, int(rng.integers(2**31)), begin, end)
    return replace(shot, scene_changes=(change,))
