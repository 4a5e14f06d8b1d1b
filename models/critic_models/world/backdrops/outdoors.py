"""Backdrops outdoors: landscapes with a horizon, water, sky, leaves and lights at night."""

from __future__ import annotations

import cv2
import numpy as np

from critic_models.world.backdrops.ground import Colour, Ground, mix, over, paint, shade, vary

_SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((96, 142, 200), (186, 208, 226)),
    ((120, 150, 186), (214, 214, 208)),
    ((84, 116, 168), (196, 190, 186)),
    ((150, 164, 178), (206, 210, 212)),
)


def field_hills(ground: Ground) -> np.ndarray:
    """Hills behind a meadow, under a hazy sky."""
    return _landscape(ground, _haze(ground.split()[0]), _meadow(ground.split()[1]), hills=True)


def field_clouds(ground: Ground) -> np.ndarray:
    """A flat meadow under clouds."""
    return _landscape(ground, _clouds(ground.split()[0]), _meadow(ground.split()[1]), hills=False)


def field_crops(ground: Ground) -> np.ndarray:
    """Rows of crops that run to the horizon, under streaks of cloud."""
    sky, soil = ground.split()
    rng = ground.rng(3)
    depth = soil.depth()
    rows = np.sin(soil.x * depth * (2 * np.pi / rng.uniform(18, 28))) * np.clip(2 - depth / 4, 0, 1)
    green, earth = vary(rng, (120, 138, 58)), vary(rng, (118, 92, 62))
    values = (rows + 0.5 * _lying(soil, 0.25, 4)).astype(np.float32)
    return _landscape(ground, _streaks(sky), paint(values, earth, green), hills=True)


def desert_dunes(ground: Ground) -> np.ndarray:
    """Rippled sand and dunes under a clear sky."""
    sky, sand = ground.split()
    rng = ground.rng(3)
    colour = vary(rng, _pick(rng, ((206, 170, 120), (188, 144, 104), (214, 190, 150))))
    depth = sand.depth()
    bend = _lying(sand, 0.02, 3)
    fade = np.clip(1.6 - depth / 5, 0.1, 1.0)
    ripples = np.sin(24.0 * depth + 3.0 * bend + 0.02 * sand.x * depth) * fade
    values = (0.6 * ripples + 0.5 * bend + 0.25 * _lying(sand, 0.5, 2)).astype(np.float32)
    dunes = paint(
        values, mix(colour, (70, 40, 30), 0.35), colour, mix(colour, (255, 245, 220), 0.4)
    )
    return _landscape(ground, _haze(sky), dunes, hills=True, ridge=mix(colour, (90, 60, 50), 0.25))


def desert_stones(ground: Ground) -> np.ndarray:
    """Stony ground under streaks of cloud."""
    sky, gravel = ground.split()
    rng = ground.rng(3)
    colour = vary(rng, _pick(rng, ((172, 140, 112), (160, 152, 138), (188, 158, 120))))
    stones = _lying(gravel, 0.16, 4) + 0.5 * _lying(gravel, 0.03, 2)
    values = (np.sign(stones) * np.abs(stones) ** 0.7).astype(np.float32)
    soil = paint(values, mix(colour, (40, 30, 30), 0.5), colour, mix(colour, (255, 240, 220), 0.3))
    return _landscape(ground, _streaks(sky), soil, hills=True, ridge=mix(colour, (80, 60, 70), 0.4))


def sea_day(ground: Ground) -> np.ndarray:
    """Waves under clouds."""
    sky, water = ground.split()
    rng = ground.rng(3)
    deep = vary(rng, _pick(rng, ((40, 84, 116), (36, 104, 112), (70, 98, 122))))
    values = _waves(water, 1.0)
    sea = paint(values, mix(deep, (0, 10, 20), 0.35), deep, mix(deep, (220, 236, 240), 0.5))
    return np.concatenate([_clouds(sky), sea])


def sea_evening(ground: Ground) -> np.ndarray:
    """Calm water that mirrors a low sun."""
    sky, water = ground.split()
    rng = ground.rng(3)
    low, high = vary(rng, (224, 156, 104)), vary(rng, (96, 96, 136))
    height = (ground.horizon - sky.y) / 80 * 3 - 1.5 + 0 * sky.x
    streaks = 0.35 * sky.noise(40, 4, stretch=(3.0, 0.5))
    above = paint((height + streaks).astype(np.float32), low, mix(low, high, 0.6), high)
    sun_x = rng.uniform(-40, 40)
    glow = np.exp(-(((sky.x - sun_x) / 26) ** 2) - ((sky.y - ground.horizon) / 20) ** 2)
    above = over(above, np.full_like(above, (255, 226, 170)), 0.8 * glow)
    values = _waves(water, 0.6)
    dim = mix(low, (30, 36, 60), 0.55)
    sea = paint(values, mix(dim, (10, 14, 30), 0.4), dim, low)
    path = np.exp(-(((water.x - sun_x) / (10 + 0.2 * np.abs(water.y - ground.horizon))) ** 2))
    glitter = path * np.clip(0.3 + values, 0, 1)
    return np.concatenate([above, over(sea, np.full_like(sea, (255, 224, 170)), 0.8 * glitter)])


def sky_clouds(ground: Ground) -> np.ndarray:
    """Heaped clouds."""
    return _clouds(ground)


def sky_haze(ground: Ground) -> np.ndarray:
    """A clear sky, paler below."""
    return _haze(ground)


def sky_streaks(ground: Ground) -> np.ndarray:
    """Thin clouds drawn out by the wind."""
    return _streaks(ground)


def forest_leaves(ground: Ground) -> np.ndarray:
    """Leaves in clumps, some of them lit."""
    rng = ground.rng()
    green = vary(rng, _pick(rng, ((62, 92, 44), (84, 102, 48), (50, 82, 60), (112, 96, 50))))
    clumps, leaves = ground.noise(34, 3), ground.noise(5.5, 3, gain=0.7, stream=1)
    folded = 1.1 - 2.2 * np.abs(leaves)
    values = (0.7 * clumps + 0.65 * folded).astype(np.float32)
    lit = mix(green, (226, 236, 150), 0.45)
    return paint(values, mix(green, (8, 14, 8), 0.75), mix(green, (0, 0, 0), 0.25), green, lit)


def forest_grass(ground: Ground) -> np.ndarray:
    """Blades of tall grass."""
    rng = ground.rng()
    green = vary(rng, _pick(rng, ((96, 116, 56), (74, 104, 62), (132, 122, 70))))
    sway = 5.0 * ground.noise(40, 2)
    bent = ground.noise_at(
        ((ground.x + sway + 0.12 * ground.y) / 3.2).astype(np.float32),
        (ground.y / 46 + 0 * ground.x).astype(np.float32),
        3,
        9,
    )
    values = bent + 0.5 * ground.noise(50, 2, stream=2)
    lit = mix(green, (236, 236, 170), 0.4)
    return paint(values, mix(green, (6, 12, 6), 0.7), green, lit)


def lights_discs(ground: Ground) -> np.ndarray:
    """City lights out of focus: overlapping discs."""
    return _lights(ground, hollow=False)


def lights_rings(ground: Ground) -> np.ndarray:
    """City lights out of focus through a mirror lens: overlapping rings."""
    return _lights(ground, hollow=True)


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _lying(soil: Ground, fineness: float, octaves: int, stream: int = 11) -> np.ndarray:
    depth = soil.depth()
    u = (soil.x * depth * fineness).astype(np.float32)
    v = np.broadcast_to(160.0 * fineness * depth, u.shape).astype(np.float32)
    return soil.noise_at(u, v, octaves, stream)


def _meadow(soil: Ground) -> np.ndarray:
    rng = soil.rng(3)
    green = vary(rng, _pick(rng, ((92, 124, 56), (116, 132, 70), (74, 108, 60), (140, 134, 84))))
    blades = 0.7 * _lying(soil, 0.4, 3) + 0.5 * _lying(soil, 0.03, 3, stream=12)
    return paint(blades, mix(green, (16, 24, 8), 0.5), green, mix(green, (240, 240, 180), 0.3))


def _waves(water: Ground, height: float) -> np.ndarray:
    depth = water.depth()
    u = (0.035 * water.x * depth).astype(np.float32)
    v = np.broadcast_to(20.0 * depth, u.shape).astype(np.float32)
    return np.asarray(height * water.noise_at(u, v, 4, 13))


def _sky_colours(sky: Ground) -> tuple[Colour, Colour]:
    rng = sky.rng(4)
    high, low = _SKIES[int(rng.integers(len(_SKIES)))]
    return vary(rng, high, 10), vary(rng, low, 8)


def _gradient(sky: Ground) -> np.ndarray:
    """-1.5 at the top of the frame, 1.5 at the horizon or at the foot of the frame."""
    return np.asarray((sky.y + 70) / 130 * 3 - 1.5 + 0 * sky.x, np.float32)


def _haze(sky: Ground) -> np.ndarray:
    high, low = _sky_colours(sky)
    return paint(_gradient(sky) + 0.18 * sky.noise(80, 5), high, low)


def _clouds(sky: Ground) -> np.ndarray:
    high, low = _sky_colours(sky)
    heaps = sky.noise(52, 6, gain=0.58, stretch=(1.3, 0.75), stream=5)
    body = np.clip(0.9 * heaps + 0.1, 0, 1)
    light = paint(0.9 * sky.noise(30, 4, stream=6) + 0.4, (150, 154, 164), (236, 236, 234))
    return over(paint(_gradient(sky), high, low), light, body)


def _streaks(sky: Ground) -> np.ndarray:
    high, low = _sky_colours(sky)
    wisps = np.clip(0.6 * sky.noise(26, 5, gain=0.6, stretch=(4.0, 0.6), stream=7), 0, 0.85)
    light = np.full((sky.height, sky.width, 3), (232, 228, 226), np.uint8)
    return over(paint(_gradient(sky), high, low), light, wisps)


def _landscape(
    ground: Ground,
    above: np.ndarray,
    below: np.ndarray,
    hills: bool,
    ridge: Colour = (104, 124, 128),
) -> np.ndarray:
    """Set sky over land, with two ridges of hills in the haze where wanted."""
    if hills and above.size:
        sky = ground.split()[0]
        rng = ground.rng(8)
        for height, haze in ((rng.uniform(12, 22), 0.35), (rng.uniform(4, 10), 0.0)):
            phase = rng.uniform(0, 7, 3)
            rise = 0.5 * np.sin(sky.x / 31 + phase[0]) + 0.3 * np.sin(sky.x / 13 + phase[1])
            crest = ground.horizon - height * (
                0.7 + 0.5 * rise + 0.06 * np.sin(sky.x / 4 + phase[2])
            )
            share = np.clip((sky.y - crest) / ground.pixel + 0.5, 0, 1)
            colour = mix(ridge, (196, 206, 214), haze)
            slope = paint(sky.noise(12, 4, stream=9), mix(colour, (0, 0, 0), 0.2), colour)
            above = over(above, slope, share)
    return np.concatenate([above, shade(below, _far(ground))])


def _far(ground: Ground) -> np.ndarray:
    soil = ground.split()[1]
    return np.asarray(np.clip(1.08 - 0.04 * (soil.depth() - 1), 0.8, 1.08) + 0 * soil.x)


_BLUR_BITS = 4


def _lights(ground: Ground, hollow: bool) -> np.ndarray:
    rng = ground.rng()
    night = vary(rng, _pick(rng, ((44, 48, 74), (58, 48, 60), (40, 60, 66))), 8)
    image = paint(ground.noise(60, 3), mix(night, (0, 0, 0), 0.3), mix(night, (160, 140, 150), 0.4))
    lamps: tuple[Colour, ...] = (
        (255, 204, 128),
        (255, 150, 96),
        (170, 200, 255),
        (255, 244, 214),
        (140, 224, 190),
    )
    # Lamps are spread wider than any frame is, so that all frames see the same ones.
    for _ in range(70):
        x, y = rng.uniform(-160, 160), rng.uniform(-100, 100)
        radius, power = rng.uniform(3, 12), rng.uniform(0.15, 0.6)
        red, green, blue = (power * c for c in lamps[int(rng.integers(len(lamps)))])
        at = ((x - ground.left) / ground.pixel, (y - ground.top) / ground.pixel)
        size = radius / ground.pixel
        if not (-size < at[0] < ground.width + size and -size < at[1] < ground.height + size):
            continue
        box = [slice(max(0, int(c - size - 2)), max(0, int(c + size + 3))) for c in (at[1], at[0])]
        patch = image[box[0], box[1]]
        disc = np.zeros(patch.shape, np.uint8)
        fixed = 1 << _BLUR_BITS
        centre = (
            round((at[0] - box[1].start - 0.5) * fixed),
            round((at[1] - box[0].start - 0.5) * fixed),
        )
        thickness = max(1, round(0.3 * size)) if hollow else -1
        inner = 0.85 * size if hollow else size
        colour = (red, green, blue)
        cv2.circle(disc, centre, round(inner * fixed), colour, thickness, cv2.LINE_AA, _BLUR_BITS)
        cv2.add(patch, disc, dst=patch)
    return image
