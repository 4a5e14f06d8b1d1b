"""Animals and things of everyday; three variants seen in training and two held out."""

from __future__ import annotations

import numpy as np

from critic_models.world.figures.parts import (
    DARK,
    GLASS,
    PALE,
    Part,
    Parts,
    ellipse,
    painted,
    points,
)


def cup(variant: int) -> Parts:
    top, bottom, height, loop = (
        (0.66, 0.5, 0.66, 0.36),
        (0.56, 0.56, 0.72, 0.32),
        (0.74, 0.42, 0.58, 0.34),
        (0.5, 0.6, 0.66, 0.4),
        (0.68, 0.34, 0.76, 0.3),
    )[variant]
    shift = -loop / 2
    b = 0.28 * top
    base = ellipse(shift, height - 0.2 * bottom, bottom, 0.2 * bottom, 0, np.pi)
    body = np.concatenate([base, points((shift - top, -height + b), (shift + top, -height + b))])
    middle = shift + (top + bottom) / 2
    handle = Part(
        (
            ellipse(middle, 0.02, loop, 0.42 * height / 0.66),
            ellipse(middle, 0.02, 0.55 * loop, 0.26 * height / 0.66),
        ),
        0.85,
    )
    rim = Part((ellipse(shift, -height + b, top, b),), 1.2)
    inside = painted(ellipse(shift, -height + b, 0.84 * top, 0.78 * b), 0.38)
    return (handle, Part((body,)), rim, inside), 0.7


def car(variant: int) -> Parts:
    cabins = (
        ((-0.62, 0.0), (-0.4, -0.46), (0.24, -0.46), (0.52, 0.0)),
        ((-0.98, 0.0), (-0.95, -0.62), (0.46, -0.62), (0.74, 0.0)),
        ((-0.1, 0.0), (-0.06, -0.5), (0.44, -0.5), (0.64, 0.0)),
        ((-0.9, 0.0), (-0.5, -0.34), (0.1, -0.4), (0.56, 0.0)),
        ((-1.0, 0.0), (-1.0, -0.74), (0.82, -0.74), (0.94, 0.0)),
    )
    cabin = points(*cabins[variant])
    hull = points(
        (-1.08, 0.3),
        (-1.06, 0.0),
        (0.6, -0.02),
        (1.06, 0.1),
        (1.1, 0.32),
        (1.0, 0.36),
        (-1.0, 0.36),
    )
    middle = cabin.mean(0) + 0.02
    window = middle + (cabin - middle) * (0.74, 0.6)
    wheels = [(-0.62, 0.36), (0.62, 0.36)]
    return (
        Part((cabin,)),
        Part((hull,)),
        painted(window, rgb=GLASS),
        *(Part((ellipse(x, y, 0.25, 0.25),), rgb=DARK) for x, y in wheels),
        *(painted(ellipse(x, y, 0.11, 0.11), rgb=(150, 150, 152)) for x, y in wheels),
    ), 0.35


def fish(variant: int) -> Parts:
    length, height, fork = (
        (0.76, 0.46, 0.14),
        (0.68, 0.56, 0.0),
        (0.82, 0.36, 0.2),
        (0.72, 0.62, 0.18),
        (0.86, 0.42, 0.05),
    )[variant]
    tail = points((-0.5, 0.0), (-1.12, -0.52), (-1.12 + fork, 0.0), (-1.12, 0.52))
    fin = points((-0.2, -0.7 * height), (0.05, -height - 0.22), (0.32, -0.75 * height))
    return (
        Part((tail,), 0.78),
        Part((fin,), 0.78),
        Part((ellipse(0.22, 0, length, height),)),
        painted(ellipse(0.22 + 0.58 * length, -0.28 * height, 0.13, 0.13), rgb=PALE),
        painted(ellipse(0.24 + 0.58 * length, -0.28 * height, 0.065, 0.065), rgb=DARK),
    ), 0.7


def cat(variant: int) -> Parts:
    body, head, tail = (
        (0.5, 0.36, 1.0),
        (0.58, 0.34, 0.8),
        (0.44, 0.4, 1.15),
        (0.62, 0.38, 1.05),
        (0.46, 0.34, 0.7),
    )[variant]
    x = 0.22
    y = -0.52
    left = points(
        (x - head, y - 0.05), (x - 0.86 * head, y - 1.5 * head), (x - 0.1 * head, y - 0.85 * head)
    )
    right = left * (-1, 1) + (2 * x, 0)
    curl = np.concatenate(
        [
            ellipse(-0.62, 0.42, 0.42 * tail, 0.46 * tail, np.pi / 2, 1.5 * np.pi),
            ellipse(-0.62, 0.46, 0.22 * tail, 0.26 * tail, 1.5 * np.pi, np.pi / 2),
        ]
    )
    eyes = [(x - 0.42 * head, y - 0.02), (x + 0.42 * head, y - 0.02)]
    return (
        Part((curl,), 0.8),
        Part((ellipse(0, 0.34, body + 0.08, 0.58),)),
        Part((left,), 0.85),
        Part((right,), 0.85),
        Part((ellipse(x, y, 1.08 * head, head),), 1.08),
        *(painted(ellipse(ex, ey, 0.085, 0.11), rgb=(225, 228, 120)) for ex, ey in eyes),
        *(painted(ellipse(ex, ey, 0.04, 0.09), rgb=DARK) for ex, ey in eyes),
        painted(points((x - 0.06, y + 0.14), (x + 0.06, y + 0.14), (x, y + 0.22)), rgb=DARK),
    ), 0.75
