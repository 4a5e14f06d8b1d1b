"""Falling, bouncing, toppling and rolling over an edge, by the law of gravity or against it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from critic_models.world.actions.base import (
    OUTSIDE,
    Set,
    drawing,
    foot,
    half_width,
    hanging,
    is_round,
    masonry,
    standing,
)
from critic_models.world.curves import Curve, Leg, arrival, fall, hold
from critic_models.world.shot import Body

_TOP_FACE = 2.5
"""How far below the upper edge of a block things stand on it, in units."""


def drop(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Fall to the ground, and bounce as far as the restitution lets it."""
    count = len(stage.figures)
    pitch = 2 * max(half_width(f) for f in stage.figures) + float(rng.uniform(4, 8))
    spread = pitch * (count - 1)
    left = float(rng.uniform(-1, 1)) * max(0.0, 44 - spread / 2) - spread / 2
    bodies = []
    for index, figure in enumerate(stage.figures):
        landed = stage.floor - foot(figure)
        height = min(landed + 52.0, float(rng.uniform(62, 86)))
        begin = -float(rng.uniform(0.0, 0.1))
        y = fall(begin, landed - height, landed, stage.gravity, stage.restitution)
        if index == 0:
            y = _against_gravity(stage, y, landed, stage.gravity, stage.restitution)
        body = hanging(figure, hold(left + pitch * index), y)
        bodies.append(replace(body, depth=stage.floor, floor=hold(stage.floor)))
    return bodies


def land(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Fall onto a block and stay there, or sink into it."""
    half, tall = float(rng.uniform(24, 32)), float(rng.uniform(10, 15))
    at = float(rng.uniform(-22, 22))
    block = masonry("block", at, stage.floor, (half, tall), rng)
    top = stage.floor - 2 * tall + _TOP_FACE
    landed = top - foot(stage.subject)
    height = min(landed + 54.0, float(rng.uniform(48, 64)))
    begin = -float(rng.uniform(0.0, 0.1))
    x = hold(at + float(rng.uniform(-0.3, 0.3)) * half)
    sunk = stage.breach("pass_through") * (2 * tall - _TOP_FACE)
    y = fall(begin, landed - height, landed + sunk, stage.gravity, stage.restitution)
    subject = replace(hanging(stage.subject, x, y), depth=stage.floor + 1, floor=hold(top))
    return [subject, block]


def topple(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Tip over the lower edge, faster and faster, onto the side."""
    sign = float(rng.choice((-1.0, 1.0)))
    outline = drawing(stage.subject)
    corner = outline.high[0] if sign > 0 else outline.low[0]
    x = float(rng.uniform(-22, 22))
    lean, end = 0.05, float(rng.uniform(0.6, 0.75))
    acceleration = 2 * (math.pi / 2 - lean) / (end * end)
    tilt = fall(0.0, lean, math.pi / 2, acceleration, 0.0)
    tilt = _against_gravity(stage, tilt, math.pi / 2, acceleration, 0.0)
    subject = standing(stage.subject, hold(x), stage.floor)
    return [replace(subject, angle=tilt.scaled(sign), anchor=(corner, outline.high[1]))]


def roll_off(stage: Set, rng: np.random.Generator) -> list[Body]:
    """Roll over the edge of a ledge and fall."""
    sign, figure = stage.sign, stage.subject
    height = float(rng.uniform(46, 54))
    edge = sign * float(rng.uniform(-16, -4))
    half = (OUTSIDE + 30) / 2
    ledge = masonry("block", edge - sign * half, stage.floor, (half, height / 2), rng)
    speed = sign * float(rng.uniform(56, 72))
    start = edge - sign * float(rng.uniform(18, 26))
    parting = (edge - start) / speed
    x = Curve((Leg(0.0, start, speed),))
    top = stage.floor - height + _TOP_FACE
    above, landed = top - foot(figure), stage.floor - foot(figure)
    late = stage.breach("hang")
    begin = parting + (0.05 + 0.5 * late if late else 0.0)
    flight = fall(begin, above, landed, stage.gravity, stage.restitution)
    if severity := stage.breach("rise"):
        flight = _lifted(Leg(begin, above), landed, stage.gravity, severity)
    subject = replace(
        hanging(figure, x, Curve((Leg(-1.0, above), *flight.legs)), flip=sign < 0),
        depth=stage.floor + 1,
        floor=Curve((Leg(-1.0, top), Leg(parting, stage.floor))),
        angle=x.scaled(1.0 / figure.radius) if is_round(figure) else hold(0.0),
        rolls=figure.noun == "ball",
    )
    return [subject, ledge]


def _against_gravity(
    stage: Set, path: Curve, landed: float, gravity: float, restitution: float
) -> Curve:
    """Break the law of falling from the middle of the first fall on, or at its end."""
    flight = path.legs[0]
    middle = flight.start + 0.62 * math.sqrt(2 * (landed - flight.value) / gravity)
    place, speed = flight.value_at(middle), flight.rate_at(middle)
    if severity := stage.breach("hang"):
        again = fall(middle + 0.06 + 0.6 * severity, place, landed, gravity, restitution)
        return path.followed_by(middle, Curve((Leg(middle, place), *again.legs)))
    if severity := stage.breach("slow"):
        slow = speed * (0.9 - 0.75 * severity)
        down = Leg(middle + (landed - place) / slow, landed)
        return path.followed_by(middle, Curve((Leg(middle, place, slow), down)))
    if severity := stage.breach("rise"):
        up = _lifted(Leg(middle, place, speed), landed, gravity, severity)
        return path.followed_by(middle, up)
    if severity := stage.breach("bounce_gain"):
        higher = (landed - flight.value) * (1.05 + 0.75 * severity)
        landing = path.legs[1].start
        bounce = Leg(landing, landed, -math.sqrt(2 * gravity * higher), gravity)
        return path.followed_by(landing, Curve((bounce,)))
    return path


def _lifted(leg: Leg, landed: float, gravity: float, severity: float) -> Curve:
    """Go on under a gravity that is too weak, or turned upwards."""
    lifted = replace(leg, acceleration=gravity * (0.6 - 1.8 * severity))
    end = arrival(lifted, landed)
    return Curve((lifted,) if end is None else (lifted, Leg(end, landed)))
