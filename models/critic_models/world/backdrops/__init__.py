"""Backdrops: procedural pictures of places, seeded and fixed to world coordinates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from critic_models.world.backdrops import indoors, outdoors
from critic_models.world.backdrops.ground import Ground

LOOKS: dict[str, Callable[[Ground], np.ndarray]] = {
    "room_planks": indoors.room_planks,
    "room_carpet": indoors.room_carpet,
    "room_tiles": indoors.room_tiles,
    "table_wood": indoors.table_wood,
    "table_chequered": indoors.table_chequered,
    "table_marble": indoors.table_marble,
    "field_hills": outdoors.field_hills,
    "field_clouds": outdoors.field_clouds,
    "field_crops": outdoors.field_crops,
    "desert_dunes": outdoors.desert_dunes,
    "desert_stones": outdoors.desert_stones,
    "wall_bricks": indoors.wall_bricks,
    "wall_plaster": indoors.wall_plaster,
    "wall_stones": indoors.wall_stones,
    "forest_leaves": outdoors.forest_leaves,
    "forest_grass": outdoors.forest_grass,
    "lights_discs": outdoors.lights_discs,
    "lights_rings": outdoors.lights_rings,
    "sea_day": outdoors.sea_day,
    "sea_evening": outdoors.sea_evening,
    "sky_clouds": outdoors.sky_clouds,
    "sky_haze": outdoors.sky_haze,
    "sky_streaks": outdoors.sky_streaks,
}

__all__ = ["LOOKS", "Ground"]
