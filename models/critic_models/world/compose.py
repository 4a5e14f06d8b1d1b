"""From what a shot is about to everything that is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from critic_models.world.actions import PLANS, Set, disturb
from critic_models.world.actions.base import hanging, standing
from critic_models.world.camera import sample_camera
from critic_models.world.catalogue import ACTIONS, FLOOR_SCENES
from critic_models.world.curves import hold
from critic_models.world.geometry import Box, overlap, swept_box
from critic_models.world.shot import Body, Figure, Grade, Premise, Shot, Violation
from critic_models.world.splits import COLOUR_JITTER, SPLITS, Split

_PLACE, _CAMERA, _GRADE, _FIGURES, _PLAN, _OTHERS = range(6)
_GROUP_RADII = {1: (14.0, 20.0), 2: (11.0, 14.0), 3: (9.5, 12.0), 4: (9.0, 10.5)}
_HIDDEN_RADII = (9.5, 12.5)
"""A pillar that hides a larger thing would leave no room to see it."""

_TRIES = 24


def compose(premise: Premise, violation: Violation | None = None) -> Shot:
    """Make the shot of a premise; a pure function.

    Premises that differ in one word give shots that differ in little else, for every group of
    choices has its own random numbers.

    Args:
        premise: what it is about.
        violation: a breach of physics to put in; see `catalogue.VIOLATIONS` for what goes where.
    """
    split = SPLITS[premise.split]

    def rng(stream: int) -> np.random.Generator:
        return np.random.default_rng([premise.seed, stream])

    place = rng(_PLACE)
    horizon, floor = float(place.uniform(2, 20)), float(place.uniform(40, 52))
    looks = split.looks[premise.scene]
    look = looks[int(place.integers(len(looks)))]
    backdrop_seed = int(place.integers(2**31))
    gravity, restitution = _forces(premise.action, float(place.uniform()), float(place.uniform()))

    figures = rng(_FIGURES)
    radii = _HIDDEN_RADII if premise.action == "hide" else _GROUP_RADII[premise.count]
    radius = float(figures.uniform(*radii))
    subject = _figure(split, premise.noun, premise.colour, radius, figures)
    others = tuple(
        _figure(split, noun, colour, float(figures.uniform(11.0, 16.0)), figures)
        for noun, colour in premise.others
    )
    action = ACTIONS[premise.action]
    on_floor = premise.scene in FLOOR_SCENES
    paired = action.company or premise.relation is not None
    stage = Set(
        figures=(subject,) * premise.count,
        partner=others[0] if paired else None,
        direction=premise.direction,
        relation=premise.relation,
        horizon=horizon if on_floor else None,
        floor=floor,
        gravity=gravity,
        restitution=restitution,
        violation=violation,
    )
    lawful = PLANS[premise.action](replace(stage, violation=None), rng(_PLAN))
    bodies = lawful
    if violation is not None:
        bodies = PLANS[premise.action](stage, rng(_PLAN))
        bodies[0] = disturb(bodies[0], violation)
    # Bystanders stand clear of the lawful action, so that a breach does not move them.
    company = _company(stage, lawful, others[int(paired) :], rng(_OTHERS))
    actors = [body for body in bodies if body.role != "prop"]
    props = [body for body in bodies if body.role == "prop"]
    calm = action.family != "still"
    zooms = premise.direction is None
    return Shot(
        premise=premise,
        look=look,
        backdrop_seed=backdrop_seed,
        horizon=horizon,
        bodies=(*actors, *company, *props),
        gravity=gravity if on_floor else 0.0,
        restitution=restitution,
        camera=sample_camera(rng(_CAMERA), calm, zooms),
        grade=_grade(rng(_GRADE)),
        severities=() if violation is None else ((violation.kind, violation.severity),),
    )


def _forces(action: str, heavy: float, lively: float) -> tuple[float, float]:
    """Return gravity, in units per clip squared, and the coefficient of restitution."""
    if action == "bounce":
        return 1300.0 + 700.0 * heavy, 0.62 + 0.2 * lively
    if action == "collide":
        return 0.0, 0.4 + 0.5 * lively
    if action == "roll_off":
        return 700.0 + 400.0 * heavy, 0.3 * lively
    return 450.0 + 400.0 * heavy, 0.35 * lively


def _figure(
    split: Split, noun: str, colour: str, radius: float, rng: np.random.Generator
) -> Figure:
    centres = split.colours[colour]
    centre = np.asarray(centres[int(rng.integers(len(centres)))])
    value = np.clip(centre + rng.integers(-COLOUR_JITTER, COLOUR_JITTER + 1, 3), 0, 255)
    red, green, blue = (int(v) for v in value)
    return Figure(
        noun,
        int(rng.choice(split.variants)),
        colour,
        (red, green, blue),
        str(rng.choice(split.patterns)) if rng.random() < 0.6 else "plain",
        int(rng.integers(2**31)),
        radius,
    )


def _grade(rng: np.random.Generator) -> Grade:
    return Grade(
        contrast=float(rng.uniform(-0.15, 0.3)),
        gamma=float(rng.uniform(0.85, 1.18)),
        warmth=float(rng.uniform(-10, 10)),
        vignette=float(rng.uniform(0.05, 0.35)) if rng.random() < 0.5 else 0.0,
        grain=float(rng.uniform(0.5, 2.5)) if rng.random() < 0.6 else 0.0,
        defocus=float(rng.uniform(0.6, 2.4)) if rng.random() < 0.3 else 0.0,
        light=float(rng.uniform(-2.4, -0.7)),
        seed=int(rng.integers(2**31)),
    )


def _company(
    stage: Set, bodies: list[Body], figures: tuple[Figure, ...], rng: np.random.Generator
) -> list[Body]:
    """Place those that only look on, where nothing ever touches them."""
    placed: list[Body] = []
    taken = [swept_box(body) for body in bodies]
    for figure in figures:
        body = _clear(stage, figure, taken, rng)
        if body is not None:
            placed.append(replace(body, role="bystander"))
            taken.append(swept_box(body))
    return placed


def _clear(stage: Set, figure: Figure, taken: list[Box], rng: np.random.Generator) -> Body | None:
    """Find a place that nothing else ever touches; on the ground, perhaps far behind the others."""
    for attempt in range(_TRIES):
        x = hold(float(rng.uniform(-50, 50)))
        if stage.horizon is None:
            body = hanging(figure, x, hold(float(rng.uniform(-50, 50))))
        else:
            # Where there is no room beside the others, it stands far behind them, and is smaller.
            behind = attempt >= _TRIES // 2
            small = replace(figure, radius=0.62 * figure.radius) if behind else figure
            line = stage.horizon + 5.0 if behind else stage.floor - float(rng.uniform(0, 4))
            body = standing(small, x, line)
        box = swept_box(body)
        if not any(overlap(box, other, margin=3.0) for other in taken):
            return body
    return None
