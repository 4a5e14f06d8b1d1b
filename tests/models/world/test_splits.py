from __future__ import annotations

import itertools

import numpy as np
import pytest
from critic_models.world import PARTIAL_PHRASINGS, SPLITS, sample_shot
from critic_models.world.backdrops import LOOKS, Ground
from critic_models.world.catalogue import COLOURS, NOUNS, PROPS, SCENES
from critic_models.world.figures import draw_figure
from critic_models.world.shot import Figure
from critic_models.world.splits import COLOUR_JITTER
from critic_models.world.sprites import draw_sprite

TRAIN, VAL, TEST = (SPLITS[name] for name in ("train", "val", "test"))


def test_no_two_splits_share_a_seed():
    assert len({split.seed for split in SPLITS.values()}) == 3


def test_the_test_split_shares_no_look_shape_pattern_or_phrasing_with_training():
    assert set(TRAIN.looks) == set(TEST.looks) == set(SCENES)
    for scene in SCENES:
        assert not set(TRAIN.looks[scene]) & set(TEST.looks[scene])
    assert not set(TRAIN.variants) & set(TEST.variants)
    assert not set(TRAIN.patterns) & set(TEST.patterns)
    assert not set(TRAIN.phrasings) & set(TEST.phrasings)
    assert not set(PARTIAL_PHRASINGS) & set(TEST.phrasings)


def test_validation_has_the_materials_of_training():
    assert (VAL.looks, VAL.variants, VAL.patterns) == (TRAIN.looks, TRAIN.variants, TRAIN.patterns)
    assert (VAL.colours, VAL.phrasings) == (TRAIN.colours, TRAIN.phrasings)


def test_colour_values_of_the_test_split_are_held_out():
    assert set(TRAIN.colours) == set(TEST.colours) == set(COLOURS)
    for name in COLOURS:
        for seen, held_out in itertools.product(TRAIN.colours[name], TEST.colours[name]):
            apart = np.abs(np.subtract(seen, held_out)).max()
            assert apart > 2 * COLOUR_JITTER - 1, (name, seen, held_out)


def test_shots_use_what_their_split_has():
    for split in SPLITS.values():
        for index in range(60):
            shot = sample_shot(split.rng(index), split)
            assert shot.look in split.looks[shot.premise.scene]
            for body in shot.bodies:
                if body.role == "prop":
                    continue
                figure = body.figure
                assert figure.variant in split.variants
                assert figure.pattern in (*split.patterns, "plain")
                near = [
                    np.abs(np.subtract(figure.rgb, c)).max() for c in split.colours[figure.colour]
                ]
                assert min(near) <= COLOUR_JITTER


def test_held_out_phrasings_use_only_words_of_training():
    def words(phrasings) -> set[str]:
        return {word for phrasing in phrasings for word in phrasing.split()}

    assert words(TEST.phrasings) <= words(TRAIN.phrasings + PARTIAL_PHRASINGS)


def test_all_looks_belong_to_one_scene():
    named = [look for split in (TRAIN, TEST) for looks in split.looks.values() for look in looks]
    assert sorted(named) == sorted(LOOKS)


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_a_look_fills_any_part_of_the_world_and_differs_by_seed(look):
    for top, height in ((-80.0, 60), (20.0, 90), (-64.0, 128)):
        image = LOOKS[look](Ground(-70.0, top, 1.0, 150, height, 10.0, seed=1))
        assert image.shape == (height, 150, 3)
        assert image.dtype == np.uint8
    other = LOOKS[look](Ground(-70.0, -64.0, 1.0, 150, 128, 10.0, seed=2))
    assert image.std() > 4
    assert np.abs(image.astype(int) - other.astype(int)).mean() > 3


@pytest.mark.parametrize("look", sorted(LOOKS))
def test_a_look_is_fixed_to_the_world(look):
    whole = LOOKS[look](Ground(-80.0, -80.0, 1.0, 160, 160, 10.0, seed=3)).astype(int)
    part = LOOKS[look](Ground(-48.0, -64.0, 1.0, 64, 128, 10.0, seed=3)).astype(int)
    # Interpolation is done in 1/32 of a pixel, so that another corner rounds otherwise.
    assert np.abs(whole[16:144, 32:96] - part).mean() < 2.5


@pytest.mark.parametrize("noun", NOUNS)
def test_variants_of_a_noun_have_different_pictures(noun):
    def picture(variant: int) -> bytes:
        figure = Figure(noun, variant, "red", (200, 30, 30), "plain", 0, 16.0)
        return draw_sprite(figure, 16.0, -1.0).albedo.tobytes()

    assert len({picture(variant) for variant in range(5)}) == 5


@pytest.mark.parametrize("noun", NOUNS)
def test_figures_are_about_one_radius_large(noun):
    for variant in range(5):
        drawing = draw_figure(noun, variant)
        extent = np.maximum(np.abs(drawing.low), np.abs(drawing.high))
        assert (extent > 0.3).all()
        assert (extent < 1.35).all()


def test_props_are_no_nouns():
    assert not set(PROPS) & set(NOUNS)
