"""Functions of time in pieces of constant acceleration: exact at any frame rate.

Rest, even motion, braking, free fall, bounces and collisions are all of this kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Leg:
    """From `start` on, with `u = time - start`: `value + rate * u + acceleration / 2 * u**2`."""

    start: float
    value: float
    rate: float = 0.0
    acceleration: float = 0.0

    def value_at(self, time: float) -> float:
        u = time - self.start
        return self.value + self.rate * u + self.acceleration / 2 * u * u

    def rate_at(self, time: float) -> float:
        return self.rate + self.acceleration * (time - self.start)


@dataclass(frozen=True)
class Curve:
    """Legs in order of their starts; the first also holds before its start."""

    legs: tuple[Leg, ...]

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """Evaluate at float64 `[T]`; float64 `[T]`."""
        if len(self.legs) == 1 and not self.legs[0].rate and not self.legs[0].acceleration:
            return np.full(len(times), self.legs[0].value)
        return np.asarray([self.leg_at(time).value_at(time) for time in times.tolist()])

    def __add__(self, other: Curve) -> Curve:
        starts = sorted({leg.start for curve in (self, other) for leg in curve.legs})
        legs = []
        for start in starts:
            one, two = self.leg_at(start), other.leg_at(start)
            legs.append(
                Leg(
                    start,
                    one.value_at(start) + two.value_at(start),
                    one.rate_at(start) + two.rate_at(start),
                    one.acceleration + two.acceleration,
                )
            )
        return Curve(tuple(legs))

    def scaled(self, factor: float, offset: float = 0.0) -> Curve:
        """Return `factor * self + offset`."""
        return Curve(
            tuple(
                Leg(
                    leg.start,
                    leg.value * factor + offset,
                    leg.rate * factor,
                    leg.acceleration * factor,
                )
                for leg in self.legs
            )
        )

    def leg_at(self, time: float) -> Leg:
        """Find the leg that holds at a time."""
        return next((leg for leg in reversed(self.legs) if leg.start <= time), self.legs[0])

    def followed_by(self, start: float, other: Curve) -> Curve:
        """Be this curve before `start`, and `other` from then on."""
        kept = tuple(leg for leg in self.legs if leg.start < start)
        return Curve(kept + other.legs)


def hold(value: float) -> Curve:
    """Stay."""
    return Curve((Leg(0.0, value),))


def step(at: float, amount: float) -> Curve:
    """Be 0, and `amount` from a time on."""
    return Curve((Leg(-1.0, 0.0), Leg(at, amount)))


def line(start: float, value: float, end: float, target: float) -> Curve:
    """Stay, go evenly from `value` to `target`, stay."""
    rate = (target - value) / (end - start)
    return Curve((Leg(start - 1.0, value), Leg(start, value, rate), Leg(end, target)))


def ease(start: float, value: float, end: float, target: float) -> Curve:
    """Stay, go from `value` to `target` with even acceleration and even braking, stay."""
    half = (end - start) / 2
    acceleration = (target - value) / (half * half)
    middle = start + half
    return Curve(
        (
            Leg(start - 1.0, value),
            Leg(start, value, 0.0, acceleration),
            Leg(middle, (value + target) / 2, acceleration * half, -acceleration),
            Leg(end, target),
        )
    )


def arrival(leg: Leg, target: float) -> float | None:
    """Find when a leg first reaches a value beyond its own; None where it never does."""
    distance, rate, acceleration = target - leg.value, leg.rate, leg.acceleration
    inside = rate * rate + 2 * acceleration * distance
    if inside < 0 or rate + math.sqrt(inside) <= 0:
        return None
    # This form of the root is exact for small accelerations of either sign.
    return leg.start + 2 * distance / (rate + math.sqrt(inside))


def fall(start: float, value: float, floor: float, gravity: float, restitution: float) -> Curve:
    """Be let go, fall and bounce.

    Args:
        start: when it is let go.
        value: its height then (downwards positive), above `floor`.
        floor: where it lands.
        gravity: acceleration, above 0.
        restitution: share of its speed that it keeps at each bounce.
    """
    speed = math.sqrt(2 * gravity * (floor - value))
    landing, least = start + speed / gravity, _LEAST_BOUNCE * speed
    legs = [Leg(start, value, 0.0, gravity)]
    while landing < _LAST_LANDING:
        speed *= restitution
        if speed < least:
            legs.append(Leg(landing, floor))
            break
        legs.append(Leg(landing, floor, -speed, gravity))
        landing += 2 * speed / gravity
    return Curve(tuple(legs))


_LEAST_BOUNCE = 0.12
"""Speed of a bounce, by that of the first landing, below which it is none."""

_LAST_LANDING = 1.5
"""Nobody sees what happens after the clip."""
