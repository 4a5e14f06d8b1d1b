"""Captions are true, and wrong ones surely wrong: judged from the bodies, not from the facts."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from critic_models.world import (
    PARTIAL_PHRASINGS,
    SLOTS,
    SPLITS,
    Shot,
    contrasted_slots,
    facts_of,
    make_take,
    punctuate,
    sample_caption,
    sample_caption_pair,
    sample_clip_pair,
    sample_contrast,
    sample_shot,
    spoil,
    write_caption,
    wrong_values,
)
from critic_models.world.captions import fits, slots_in
from critic_models.world.catalogue import (
    ACTIONS,
    COLOURS,
    DIRECTIONS,
    NOUNS,
    NUMBERS,
    RELATIONS,
    SCENES,
    alike,
)
from critic_models.world.phrasings import PLACES, PLURALS, SLOTS_OF, WORDINGS
from critic_models.world.truth import find_truth

ALL = SPLITS["train"].phrasings + SPLITS["test"].phrasings + PARTIAL_PHRASINGS


def shots(count: int, split: str = "train", **more) -> list[Shot]:
    part = SPLITS[split]
    return [sample_shot(part.rng(index, 8), part, **more) for index in range(count)]


def objects(shot: Shot) -> list[tuple[str, str]]:
    """Noun and colour of every object that is there, as drawn."""
    return [(b.figure.noun, b.figure.colour) for b in shot.bodies if b.role != "prop"]


def relations_seen(shot: Shot) -> set[str]:
    """Relations of the subject to the first other object, by their boxes and who covers whom."""
    truth = find_truth(shot, (128, 128), 2)
    one, two = truth.world_boxes[0, 0], truth.world_boxes[0, 1]
    body, other = shot.bodies[:2]
    gap_x = max(one[0], two[0]) - min(one[2], two[2])
    gap_y = max(one[1], two[1]) - min(one[3], two[3])
    left, higher = one[0] + one[2] < two[0] + two[2], one[1] + one[3] < two[1] + two[3]
    seen = set()
    if gap_x > 0:
        seen.add("left of" if left else "right of")
    if gap_y > 0 and gap_x < 0:
        seen.add("above" if higher else "below")
    if not shot.on_floor:
        return seen
    raised = [b.floor(np.zeros(1))[0] < max(body.depth, other.depth) - 12 for b in (body, other)]
    if raised[0]:
        seen.add("on")
    elif raised[1]:
        seen.add("under")
    elif gap_x < 0 and gap_y < 0:
        seen.add("in front of" if body.depth > other.depth else "behind")
    return seen


def test_relations_are_as_the_premise_says():
    counted = dict.fromkeys(RELATIONS, 0)
    for shot in shots(260, actions=["rest"]):
        if shot.premise.relation is not None:
            assert shot.premise.relation in relations_seen(shot), shot.premise
            counted[shot.premise.relation] += 1
    assert min(counted.values()) >= 3


def relations_that_may_be_seen(shot: Shot) -> set[str]:
    """The same to a careless eye: overlapping things are left or right of each other too, and
    what has its foot higher in the frame is above what it overlaps.
    """
    truth = find_truth(shot, (128, 128), 2)
    one, two = truth.world_boxes[0, 0], truth.world_boxes[0, 1]
    seen = relations_seen(shot)
    if max(one[0], two[0]) > min(one[2], two[2]):
        return seen
    aside, size = (one[0] + one[2] - two[0] - two[2]) / 2, (one[2] - one[0] + two[2] - two[0]) / 2
    if abs(aside) > 0.4 * size:
        seen.add("left of" if aside < 0 else "right of")
    if abs(one[3] - two[3]) > 3:
        seen.add("above" if one[3] < two[3] else "below")
    return seen


def test_wrong_relations_are_not_seen():
    for shot in shots(200, actions=["rest"]):
        for value in wrong_values(facts_of(shot), "relation", bound=True):
            assert value not in relations_that_may_be_seen(shot), (shot.premise, value)


def test_wrong_objects_and_colours_are_not_there():
    for shot in shots(120):
        facts, there = facts_of(shot), objects(shot)
        subject = (shot.premise.noun, shot.premise.colour)
        for value in wrong_values(facts, "object", bound=True):
            assert (value, subject[1]) not in there
        for value in wrong_values(facts, "colour", bound=True):
            assert (subject[0], value) not in there
        for value in wrong_values(facts, "object", bound=False):
            assert not any(alike("object", value, noun) for noun, _ in there)
        for value in wrong_values(facts, "colour", bound=False):
            assert not any(alike("colour", value, colour) for _, colour in there)


def test_some_wrong_captions_name_what_another_object_is():
    """The binding of colour to object is asked for, not only what there is."""
    bound = 0
    for shot in shots(120):
        others = objects(shot)[shot.premise.count :]
        values = wrong_values(facts_of(shot), "colour", bound=True)
        bound += any(colour in values for _, colour in others)
    assert bound > 20


def test_wrong_counts_are_not_the_count():
    for shot in shots(120):
        count = sum(body.role == "subject" for body in shot.bodies)
        facts = facts_of(shot)
        assert facts.count == NUMBERS[count - 1]
        values = wrong_values(facts, "count", bound=True)
        assert facts.count not in values
        assert "one" not in values, "of three balls one may say that there is a ball"


STEP = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


def test_the_subject_goes_where_the_caption_says_in_the_world_and_on_the_screen():
    for shot in shots(150, actions=["move", "push"]):
        truth = find_truth(shot, (128, 128), 8)
        way = shot.premise.direction
        for box in (truth.world_boxes[:, 0], truth.boxes[:, 0]):
            centre, width = (box[:, :2] + box[:, 2:]) / 2, box[:, 2] - box[:, 0]
            if way in STEP:
                moved = centre[-1] - centre[0]
                along = float(moved @ np.asarray(STEP[way]))
                assert along > 20
                assert along > 2.5 * abs(float(moved @ np.asarray(STEP[way])[::-1]))
                assert 0.7 < width[-1] / width[0] < 1.4
            elif way == "closer":
                assert width[-1] > 1.8 * width[0]
            else:
                assert width[-1] < 0.56 * width[0]


def test_wrong_directions_are_other_ones():
    for shot in shots(60, actions=["move"]):
        facts = facts_of(shot)
        values = wrong_values(facts, "direction", bound=True)
        assert facts.direction not in values
        assert len(values) >= 3
        if facts.direction in ("closer", "away"):
            assert not {"up", "down"} & set(values) or facts.direction not in values


@pytest.mark.parametrize("own", sorted(ACTIONS))
def test_wrong_actions_exclude_each_other(own):
    shot = shots(1, actions=[own])[0]
    for value in wrong_values(facts_of(shot), "action", bound=True):
        assert value != own
        assert value not in ACTIONS[own].also
        assert own not in ACTIONS[value].also


def test_no_two_actions_are_written_alike():
    texts = [text for wordings in WORDINGS.values() for wording in wordings for text in wording]
    assert len(texts) == len(set(texts))
    assert set(WORDINGS) == set(ACTIONS)


def test_no_two_values_of_a_slot_are_the_same_word():
    for values in (NOUNS, COLOURS, NUMBERS, DIRECTIONS, RELATIONS, tuple(PLACES.values())):
        assert len(values) == len(set(values))
    assert set(PLACES) == set(SCENES)
    assert set(PLURALS) == set(NOUNS)


def words_of(caption: str) -> list[str]:
    return re.findall(r"[a-z]+", caption.lower())


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_caption_pair_differs_in_one_slot(slot, split):
    part = SPLITS[split]
    for index in range(12):
        pair = sample_caption_pair(slot, part.rng(index), part)
        assert pair.true != pair.wrong
        facts = facts_of(pair.take.shot)
        values = wrong_values(facts, slot, bound=True)
        if slot in ("object", "colour", "direction", "relation"):
            said = [value for value in values if f" {value} " in f" {pair.wrong} "]
            plural = [v for v in values if slot == "object" and PLURALS[v] in words_of(pair.wrong)]
            assert said or plural, pair
        elif slot == "scene":
            assert any(PLACES[value] in pair.wrong for value in values)
            assert PLACES[str(facts.scene)] in pair.true
        elif slot == "count":
            assert any(value in words_of(pair.wrong) for value in values)


@pytest.mark.parametrize("slot", SLOTS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_clip_pair_differs_in_one_slot(slot, split):
    part = SPLITS[split]
    for index in range(16):
        pair = sample_clip_pair(slot, part.rng(index), part)
        one, other = pair.better.shot.premise, pair.worse.shot.premise
        field = {"object": "noun"}.get(slot, slot)
        assert getattr(one, field) != getattr(other, field)
        allowed = {field} | ({"direction"} if slot == "action" else set())
        different = {
            name for name in one.__dataclass_fields__ if getattr(one, name) != getattr(other, name)
        }
        assert different <= allowed
        assert one.seed == other.seed
        better, worse = (facts_of(take.shot) for take in (pair.better, pair.worse))
        assert worse.value(slot) in wrong_values(better, slot, bound=True)
        assert better.value(slot) in wrong_values(worse, slot, bound=True)


@pytest.mark.parametrize("phrasing", ALL)
def test_phrasings_name_only_what_exists_and_can_be_written(phrasing):
    fields = set(re.findall(r"\{(\w+)\}", phrasing))
    assert fields
    assert fields <= set(SLOTS_OF)
    written = 0
    for shot in shots(80):
        facts = facts_of(shot)
        if fits(phrasing, facts):
            caption = write_caption(facts, phrasing, wording=1)
            assert "{" not in caption
            assert "None" not in caption
            assert "nothing" not in caption
            written += 1
    assert written


def test_every_slot_is_said_by_some_phrasing_of_every_split():
    for part in SPLITS.values():
        facts = [facts_of(sample_shot(part.rng(i), part)) for i in range(120)]
        assert set().union(*(contrasted_slots(each, part.phrasings) for each in facts)) == set(
            SLOTS
        )


def test_articles_and_plurals():
    facts = facts_of(shots(1, actions=["fall"])[0])
    one = replace(facts, object="ball", colour="orange", count="one", action="fall")
    assert write_caption(one, "{there} {subject} {acting}") == "there is an orange ball falling"
    assert write_caption(one, "{subject} {acts}") == "an orange ball falls"
    three = replace(one, object="box", count="three")
    assert (
        write_caption(three, "{there} {subject} {acting}") == "there are three orange boxes falling"
    )
    assert write_caption(three, "{things} that {be} {colour}") == "three boxes that are orange"
    moving = replace(one, action="move", direction="left", colour="red")
    assert write_caption(moving, "{subject} {acts}", 1) == "a red ball goes left"
    met = replace(one, action="collide", others=(("cat", "green"),), colour="red")
    assert write_caption(met, "{subject} {acts}") == "a red ball bumps into a green cat"
    assert "other" in slots_in("{subject} {acts}", met)


def test_a_hand_does_not_make_a_wrong_caption_true():
    """Something does come into view: the hand that pushes."""
    facts = facts_of(shots(1, actions=["push"])[0])
    assert "enter" in wrong_values(replace(facts, action="fall"), "action", bound=False)
    assert "enter" not in wrong_values(facts, "action", bound=False)
    assert "rest" not in wrong_values(facts, "action", bound=False)


@pytest.mark.parametrize(
    ("defect", "doubtful"),
    [
        ("subject_colour", "colour"),
        ("subject_shape", "object"),
        ("background_switch", "scene"),
        ("stillness", "action"),
        ("teleport", "action"),
        ("vanish", "count"),
    ],
)
def test_what_a_defect_makes_doubtful_is_not_asked(defect, doubtful):
    shot = shots(1, actions=["move"])[0]
    facts = facts_of(spoil(shot, {defect: 0.5}, 1))
    assert facts.value(doubtful) is None
    assert wrong_values(facts, doubtful, bound=True) == ()
    assert facts_of(shot).value(doubtful) is not None
    assert sample_caption(
        facts, SPLITS["train"].phrasings + PARTIAL_PHRASINGS, np.random.default_rng(0)
    )


def test_what_cannot_be_said_is_refused():
    facts = facts_of(shots(1, actions=["fall"])[0])
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no phrasing can be wrong in the relation"):
        sample_contrast(facts, "relation", SPLITS["train"].phrasings, rng)
    with pytest.raises(ValueError, match="no phrasing has words"):
        sample_caption(replace(facts, colour=None), ["{subject} {acts}"], rng)


def test_punctuation_keeps_the_words():
    rng = np.random.default_rng(0)
    variants = {punctuate("a red ball", rng) for _ in range(200)}
    assert variants == {"a red ball", "A red ball", "a red ball.", "A red ball."}


def test_captions_of_a_take_are_those_of_its_clean_shot():
    shot = shots(1, actions=["move"])[0]
    assert facts_of(make_take(shot, {"blur": 0.5}, 1).shot) == facts_of(shot)
