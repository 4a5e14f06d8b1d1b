"""Simple shapes; each has three variants that are seen in training and two held out."""

from __future__ import annotations

import numpy as np

from critic_models.world.figures.parts import (
    SMOOTH,
    Part,
    Parts,
    ellipse,
    painted,
    points,
    rectangle,
)


def ball(variant: int) -> Parts:
    body = Part((ellipse(0, 0, 1, 1),))
    across = np.sqrt(1 - 0.3**2)
    marks: tuple[tuple[Part, ...], ...] = (
        (),
        (painted(rectangle(-across, -0.3, across, 0.3), 0.62),),
        (painted(ellipse(0, 0, 1, 1, 0, np.pi), 0.66),),
        tuple(
            painted(np.concatenate([points((0, 0)), ellipse(0, 0, 1, 1, a, a + np.pi / 3)]), 0.6)
            for a in (0.0, 2 * np.pi / 3, 4 * np.pi / 3)
        ),
        (painted(ellipse(0, 0, 0.55, 0.55), 0.62),),
    )
    return (body, *marks[variant]), 1.0


def blob(variant: int) -> Parts:
    waves = ((3, 0.16, 0.4), (2, 0.2, 1.1), (4, 0.1, 0.2), (3, 0.13, 2.0), (5, 0.09, 0.9))
    lobes, depth, phase = waves[variant]
    angle = np.linspace(0, 2 * np.pi, 2 * SMOOTH, endpoint=False)
    radius = 0.88 * (
        1 + depth * np.sin(lobes * angle + phase) + 0.07 * np.sin((lobes + 2) * angle - phase)
    )
    return (Part((np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1),)),), 1.0


def box(variant: int) -> Parts:
    width, height, depth = (
        (0.74, 0.72, 0.3),
        (0.88, 0.56, 0.26),
        (0.58, 0.88, 0.28),
        (0.66, 0.66, 0.44),
        (0.96, 0.66, 0.2),
    )[variant]
    x, y = width - depth / 2, height - depth / 4
    dx, dy = depth, 0.6 * depth
    front = rectangle(-x - dx / 2, -y + dy / 2, x - dx / 2, y + dy / 2)
    lift = points((dx, -dy))
    top = np.concatenate([front[:2], front[:2][::-1] + lift])
    side = np.concatenate([front[1:3], front[1:3][::-1] + lift])
    return (Part((front,)), Part((top,), 1.22), Part((side,), 0.66)), 0.0


def cylinder(variant: int) -> Parts:
    a, height = ((0.58, 0.86), (0.46, 0.95), (0.7, 0.66), (0.4, 0.8), (0.6, 1.0))[variant]
    b = 0.3 * a
    bottom = ellipse(0, height - b, a, b, 0, np.pi)
    body = np.concatenate([bottom, points((-a, -height + b), (a, -height + b))])
    lid = ellipse(0, -height + b, a, b)
    return (Part((body,)), Part((lid,), 1.4)), 0.55


def cone(variant: int) -> Parts:
    a, height = ((0.72, 0.95), (0.85, 0.8), (0.58, 1.0), (0.66, 0.8), (0.95, 0.95))[variant]
    b = 0.25 * a
    contour = np.concatenate([ellipse(0, height - b, a, b, 0, np.pi), points((0, -height))])
    return (Part((contour,)),), 0.8


def star(variant: int) -> Parts:
    points, inner = ((5, 0.46), (5, 0.56), (6, 0.52), (5, 0.38), (7, 0.6))[variant]
    angle = np.pi * np.arange(2 * points) / points - np.pi / 2
    radius = np.where(np.arange(2 * points) % 2, inner, 1.0)
    return (Part((np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1),)),), 0.6


def ring(variant: int) -> Parts:
    inner = (0.56, 0.66, 0.46, 0.6, 0.72)[variant]
    return (Part((ellipse(0, 0, 1, 1), ellipse(0, 0, inner, inner))),), 0.9


def heart(variant: int) -> Parts:
    width, height = ((1.0, 1.0), (0.88, 1.05), (1.08, 0.86), (0.94, 0.92), (0.8, 1.0))[variant]
    t = np.linspace(0, 2 * np.pi, 2 * SMOOTH, endpoint=False)
    x = np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
    return (Part((np.stack([0.95 * width * x, 0.9 * height * (y - 0.1)], 1),)),), 0.9


def cloth(variant: int) -> Parts:
    width, height, waves = (
        (0.98, 0.72, 3),
        (0.86, 0.86, 2),
        (1.02, 0.6, 4),
        (0.92, 0.78, 5),
        (0.8, 0.95, 3),
    )[variant]
    t = np.linspace(-1, 1, SMOOTH // 2)
    ripple = 0.045 * np.sin(waves * np.pi * t)
    top = np.stack([width * t, -height + ripple], 1)
    bottom = np.stack([width * t[::-1], height + ripple[::-1]], 1)
    seam = 0.82
    inner = np.concatenate([top, bottom]) * seam
    edge = np.concatenate([top, bottom])
    return (Part((edge,)), painted(inner, 0.84), painted(inner * 0.94)), 0.0
