"""Backdrops indoors: rooms and tables in perspective, and walls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from critic_models.world.backdrops.ground import Colour, Ground, mix, over, paint, shade, vary

_Top = Callable[[Ground, np.random.Generator], np.ndarray]

_WALLS: tuple[Colour, ...] = (
    (196, 186, 168),
    (150, 168, 176),
    (172, 158, 142),
    (138, 154, 132),
    (184, 164, 160),
    (120, 128, 146),
)
_WOODS: tuple[Colour, ...] = ((150, 108, 72), (118, 84, 58), (176, 140, 98), (104, 88, 78))


def room_planks(ground: Ground) -> np.ndarray:
    """A painted wall over a floor of boards that run away from the camera."""
    wall, floor = ground.split()
    rng = ground.rng()
    boards = _boards(floor, vary(rng, _pick(rng, _WOODS)), rng.uniform(7, 12))
    return _stack(_painted_wall(wall, rng), _skirting(wall), boards)


def room_carpet(ground: Ground) -> np.ndarray:
    """A papered wall over a carpet."""
    wall, floor = ground.split()
    rng = ground.rng()
    colour = vary(rng, _pick(rng, _WALLS))
    paper = paint(wall.noise(30, 4), mix(colour, (0, 0, 0), 0.12), colour)
    period = rng.uniform(8, 18)
    stripes = np.sin(wall.x * (2 * np.pi / period)) > rng.uniform(-0.4, 0.4)
    paper = shade(paper, np.where(stripes, 1.0, rng.uniform(0.82, 0.92)) + 0 * wall.y)
    fibre = vary(rng, _pick(rng, ((132, 74, 66), (82, 92, 112), (122, 112, 96), (78, 100, 82))))
    pile = _ground_noise(floor, 0.35, 3) + 0.4 * floor.noise(18, 3)
    carpet = paint(pile, mix(fibre, (0, 0, 0), 0.3), fibre, mix(fibre, (255, 255, 255), 0.18))
    return _stack(paper, _skirting(wall), carpet)


def room_tiles(ground: Ground) -> np.ndarray:
    """A panelled wall over a floor of square tiles."""
    wall, floor = ground.split()
    rng = ground.rng()
    colour = vary(rng, _pick(rng, _WALLS))
    flat = paint(wall.noise(40, 5), mix(colour, (0, 0, 0), 0.14), colour)
    period = rng.uniform(20, 34)
    across = np.abs(np.mod(wall.x, period) / period - 0.5)
    up = np.abs(np.mod(wall.y - ground.horizon, 1.5 * period) / (1.5 * period) - 0.5)
    groove = np.maximum(across, up)
    flat = shade(flat, 1.0 - 0.22 * np.clip((groove - 0.42) * 30, 0, 1) * (groove < 0.47))
    depth = floor.depth()
    size = rng.uniform(16, 26)
    u, v = floor.x * depth / size, 6.0 * depth + 0 * floor.x
    light, dark = vary(rng, (196, 190, 178)), vary(rng, (104, 100, 100))
    chequer = np.where((np.floor(u) + np.floor(v)) % 2 > 0, 1.2, -1.2).astype(np.float32)
    chequer *= np.clip(1.6 - depth / 8, 0.15, 1.0).astype(np.float32)
    tiles = paint(chequer + 0.15 * _ground_noise(floor, 0.08, 4), dark, light)
    return _stack(flat, _skirting(wall), tiles)


def table_wood(ground: Ground) -> np.ndarray:
    """A wooden top whose grain runs from side to side, before a room out of focus."""
    return _table(ground, _grain)


def table_chequered(ground: Ground) -> np.ndarray:
    """A table under a chequered cloth."""
    return _table(ground, _gingham)


def table_marble(ground: Ground) -> np.ndarray:
    """A top of veined marble."""
    return _table(ground, _marble)


def wall_bricks(ground: Ground) -> np.ndarray:
    """Courses of bricks in running bond."""
    rng = ground.rng()
    length, height = rng.uniform(20, 30), rng.uniform(8, 11)
    row = np.floor(ground.y / height)
    along = ground.x / length + 0.5 * np.mod(row, 2)
    column = np.floor(along)
    tone = np.sin(row * 91.7 + column * 37.3) * np.cos(row * 13.1 - column * 71.9)
    clay = vary(rng, _pick(rng, ((150, 86, 68), (164, 122, 96), (136, 112, 104))))
    texture = 0.7 * tone.astype(np.float32) + 0.45 * ground.noise(10, 4)
    bricks = paint(texture, mix(clay, (20, 10, 10), 0.35), clay, mix(clay, (255, 230, 200), 0.3))
    gap = 0.9
    edge_x = (0.5 - np.abs(along - column - 0.5)) * length
    edge_y = (0.5 - np.abs(ground.y / height - row - 0.5)) * height
    joint = np.clip((gap - np.minimum(edge_x, edge_y)) / ground.pixel + 0.5, 0, 1)
    mortar = paint(ground.noise(6, 3), (132, 128, 120), (178, 172, 162))
    return over(bricks, mortar, joint)


def wall_plaster(ground: Ground) -> np.ndarray:
    """Rough plaster in slanting light."""
    rng = ground.rng()
    colour = vary(rng, _pick(rng, _WALLS))
    rough = 0.6 * ground.noise(60, 3) + 0.5 * ground.noise(9, 4, gain=0.7, stream=1)
    image = paint(rough, mix(colour, (0, 0, 0), 0.3), colour, mix(colour, (255, 255, 255), 0.25))
    return shade(image, 1.0 + rng.uniform(-0.002, 0.002) * (ground.x + 0.5 * ground.y))


def wall_stones(ground: Ground) -> np.ndarray:
    """Irregular stones: nearest of scattered points, darker at the joints."""
    rng = ground.rng()
    size = rng.uniform(16, 24)
    warp_x, warp_y = ground.noise(20, 2, stream=1), ground.noise(20, 2, stream=2)
    u, v = (ground.x + 1.5 * warp_x) / size, (ground.y + 1.5 * warp_y) / (0.7 * size)
    first = np.full(u.shape, 9.0, np.float32)
    second, tone = first.copy(), np.zeros_like(first)
    cell_u, cell_v = np.floor(u), np.floor(v)
    for du in (-1, 0, 1):
        for dv in (-1, 0, 1):
            a, b = cell_u + du, cell_v + dv
            hashed = np.sin(a * 12.99 + b * 78.23) * 43.76
            jitter = hashed - np.floor(hashed)
            gap = np.hypot(u - a - 0.2 - 0.6 * jitter, v - b - 0.8 + 0.6 * jitter)
            nearer = gap < first
            second = np.where(nearer, first, np.minimum(second, gap))
            tone = np.where(nearer, 2 * jitter - 1, tone)
            first = np.minimum(first, gap)
    stone = vary(rng, _pick(rng, ((140, 136, 128), (152, 138, 116), (118, 124, 130))))
    texture = (0.8 * tone + 0.5 * ground.noise(8, 4)).astype(np.float32)
    image = paint(texture, mix(stone, (0, 0, 0), 0.35), stone, mix(stone, (255, 255, 255), 0.25))
    return shade(image, np.clip(0.45 + 5.0 * (second - first), 0.45, 1.0))


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _stack(upper: np.ndarray, edge: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return np.concatenate([shade(upper, edge), lower])


def _painted_wall(wall: Ground, rng: np.random.Generator) -> np.ndarray:
    colour = vary(rng, _pick(rng, _WALLS))
    glow = wall.noise(70, 6, gain=0.5) + rng.uniform(-0.012, 0.012) * wall.x
    return paint(glow, mix(colour, (0, 0, 0), 0.25), colour, mix(colour, (255, 255, 255), 0.2))


def _skirting(wall: Ground) -> np.ndarray:
    """A light board along the foot of a wall, with a shadow above it."""
    above = wall.horizon - wall.y
    factor = np.where(above < 4.5, 1.14, np.where(above < 5.4, 0.72, 1.0))
    return np.asarray(factor + 0 * wall.x)


def _ground_noise(floor: Ground, fineness: float, octaves: int, stream: int = 5) -> np.ndarray:
    """Noise that lies on the ground in perspective."""
    depth = floor.depth()
    u = (floor.x * depth * fineness).astype(np.float32)
    v = (np.broadcast_to(160.0 * fineness * depth, u.shape)).astype(np.float32)
    return floor.noise_at(u, v, octaves, stream)


def _boards(floor: Ground, wood: Colour, width: float) -> np.ndarray:
    depth = floor.depth()
    u = floor.x * depth / width
    board = np.floor(u)
    tone = np.sin(board * 57.31) * 0.7
    grain = floor.noise_at(
        (u * 5).astype(np.float32),
        np.broadcast_to(2.5 * depth, u.shape).astype(np.float32) + board.astype(np.float32) * 9,
        3,
        6,
    )
    values = (tone + 0.5 * grain).astype(np.float32)
    image = paint(values, mix(wood, (0, 0, 0), 0.4), wood, mix(wood, (255, 235, 200), 0.35))
    edge = (0.5 - np.abs(u - board - 0.5)) * width / depth
    return shade(image, np.clip(0.5 + edge / 1.2, 0.55, 1.0))


def _table(ground: Ground, top: _Top) -> np.ndarray:
    behind, board = ground.split()
    rng = ground.rng()
    room = vary(rng, _pick(rng, _WALLS))
    blurred = behind.noise(46, 2) + 0.5 * behind.noise(90, 1, stream=1)
    back = paint(blurred, mix(room, (20, 20, 30), 0.55), room, mix(room, (255, 255, 240), 0.35))
    near = np.clip(1.05 - 0.3 * (board.depth() - 1) / 6, 0.7, 1.05) + 0 * board.x
    return np.concatenate([back, shade(top(board, rng), near)])


def _grain(board: Ground, rng: np.random.Generator) -> np.ndarray:
    wood = vary(rng, _pick(rng, _WOODS))
    depth = board.depth()
    u = (0.05 * board.x * depth).astype(np.float32)
    v = np.broadcast_to(26.0 * depth, u.shape).astype(np.float32)
    grain = board.noise_at(u, v, 4, 7)
    return paint(grain, mix(wood, (20, 8, 0), 0.45), wood, mix(wood, (255, 230, 190), 0.3))


def _gingham(board: Ground, rng: np.random.Generator) -> np.ndarray:
    depth = board.depth()
    size = rng.uniform(9, 14)
    u, v = board.x * depth / size, 10.0 * depth
    fade = np.clip(1.5 - depth / 7, 0.1, 1.0)
    weave = (np.sign(np.sin(np.pi * u)) + np.sign(np.sin(np.pi * v))) * 0.6 * fade
    dye = vary(rng, _pick(rng, ((168, 66, 62), (70, 96, 152), (84, 130, 88), (176, 148, 92))))
    values = weave.astype(np.float32) + 0.25 * _ground_noise(board, 0.3, 3)
    return paint(values, mix(dye, (0, 0, 0), 0.1), mix(dye, (255, 255, 255), 0.5), (226, 222, 212))


def _marble(board: Ground, rng: np.random.Generator) -> np.ndarray:
    stone = vary(rng, _pick(rng, ((206, 204, 198), (96, 100, 104), (168, 148, 138))))
    bend = _ground_noise(board, 0.02, 5)
    veins = 1.0 - 2.4 * np.abs(np.sin(2.2 * bend + 0.03 * board.x * board.depth())) ** 0.5
    values = (-veins).astype(np.float32) + 0.3 * _ground_noise(board, 0.12, 3, stream=8)
    return paint(values, mix(stone, (40, 40, 50), 0.55), stone, mix(stone, (255, 255, 255), 0.3))
