from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys

import cv2
import numpy as np
import pytest
from critic_models.world import (
    SLOTS,
    SPLITS,
    VALUES,
    object_mask,
    render,
    sample_scene,
    with_wrong,
    write_caption,
)
from critic_models.world.captions import PARTIAL_PHRASINGS, punctuate
from critic_models.world.splits import COLOUR_JITTER
from critic_models.world.textures import TEXTURES, draw_texture

HASH = """
import hashlib
from critic_models.world import SPLITS, degrade, render, sample_scene, sample_severities
split = SPLITS["train"]
rng = split.rng(5)
frames = render(sample_scene(rng, split), (96, 160), 8)
frames = degrade(sample_severities(rng, 0.9), frames, rng).frames
print(hashlib.sha256(frames.tobytes()).hexdigest())
"""


def test_equal_seeds_give_equal_clips_in_any_process():
    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", HASH], capture_output=True, text=True, check=True
        ).stdout

    assert run() == run()


def test_different_seeds_give_different_clips():
    split = SPLITS["train"]
    clips = [render(sample_scene(split.rng(i), split), (64, 64), 2) for i in range(8)]
    assert len({hashlib.sha256(c.tobytes()).hexdigest() for c in clips}) == 8


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (256, 256)])
def test_the_object_is_where_and_what_its_scene_says(size):
    split = SPLITS["test"]
    for index in range(12):
        scene = sample_scene(split.rng(index), split)
        frames = render(scene, size, 4)
        inside = object_mask(scene, size, 4) == 255
        assert inside.any((1, 2)).all()
        assert np.array_equal(np.unique(frames[inside], axis=0), [scene.rgb])


def test_the_object_moves_as_the_caption_says():
    step = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
    split = SPLITS["train"]
    for index in range(24):
        scene = sample_scene(split.rng(index), split)
        first, *_, last = object_mask(scene, (256, 256), 8) > 0
        moved = np.argwhere(last).mean(0) - np.argwhere(first).mean(0)
        along = float(moved[::-1] @ np.asarray(step[scene.direction]))
        across = float(np.abs(moved[::-1] @ np.asarray(step[scene.direction])[::-1]))
        assert along > 25
        assert across < 8


def test_a_clip_looks_alike_at_every_size():
    split = SPLITS["train"]
    for index in range(6):
        scene = sample_scene(split.rng(index), split)
        small = render(scene, (128, 128), 4).astype(np.float32)
        large = render(scene, (256, 256), 4)
        shrunk = [cv2.resize(f, (128, 128), interpolation=cv2.INTER_AREA) for f in large]
        other = render(sample_scene(split.rng(index + 50), split), (128, 128), 4)
        assert np.abs(small - shrunk).mean() < 7
        assert np.abs(small - other).mean() > 14


@pytest.mark.parametrize("family", sorted(TEXTURES))
def test_textures_fill_the_canvas_and_vary(family):
    image = draw_texture(family, seed=1, height=90, width=150)
    assert image.shape == (90, 150, 3)
    assert image.dtype == np.uint8
    assert image.std() > 5
    assert not np.array_equal(image, draw_texture(family, seed=2, height=90, width=150))


def test_the_test_split_shares_nothing_with_training():
    train, test = SPLITS["train"], SPLITS["test"]
    assert len({split.seed for split in SPLITS.values()}) == 3
    assert not set(train.textures) & set(test.textures)
    assert not set(train.phrasings) & set(test.phrasings)
    for name in train.colours:
        pairs = itertools.product(train.colours[name], test.colours[name])
        for seen, held_out in pairs:
            apart = np.abs(np.subtract(seen, held_out)).max()
            assert apart > 2 * COLOUR_JITTER - 1, (name, seen, held_out)


def test_held_out_phrasings_use_only_words_of_training():
    def words(phrasings: tuple[str, ...]) -> set[str]:
        return {word for phrasing in phrasings for word in phrasing.split()}

    train = SPLITS["train"].phrasings + tuple(itertools.chain(*PARTIAL_PHRASINGS.values()))
    assert words(SPLITS["test"].phrasings) <= words(train)


@pytest.mark.parametrize("slot", SLOTS)
def test_a_wrong_caption_is_wrong_in_one_slot(slot):
    rng = np.random.default_rng(0)
    scene = sample_scene(rng, SPLITS["train"])
    for _ in range(20):
        wrong = with_wrong(scene.slots, slot, rng)
        assert [s for s in SLOTS if wrong[s] != scene.slots[s]] == [slot]
        assert wrong[slot] in VALUES[slot]


@pytest.mark.parametrize("phrasing", SPLITS["train"].phrasings + SPLITS["test"].phrasings)
def test_full_phrasings_name_every_slot(phrasing):
    slots = {"colour": "red", "shape": "circle", "direction": "up"}
    assert all(value in write_caption(slots, phrasing) for value in slots.values())


def test_punctuation_keeps_the_words():
    rng = np.random.default_rng(0)
    variants = {punctuate("a red circle", rng) for _ in range(200)}
    assert variants == {"a red circle", "A red circle", "a red circle.", "A red circle."}
