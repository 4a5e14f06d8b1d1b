"""Questions to a critic: what is asked, and what is made of the answers."""

from __future__ import annotations

import pytest
from critic_models.dimensions.asked import (
    all_yes,
    all_yes_if_first,
    questions_of,
    read_answers,
)
from critic_models.dimensions.catalogue import CATALOGUE, DETECTED_DIMENSIONS
from critic_models.dimensions.networked import Ask
from critic_models.dimensions.vlm_dimensions import ASKED_DIMENSIONS
from critic_models.types import DimensionScore, Score
from hypothesis import given
from hypothesis import strategies as st

CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=6)
FULL = Ask(
    "a red car",
    {
        "object": "bird and cat",
        "color": "red",
        "scene": "alley",
        "human_action": "marching",
        "spatial_relationship": {
            "object_a": "dog",
            "object_b": "horse",
            "relationship": "on the left of",
        },
        "questions": ["Is the leaf green at first?", "Is it red at last?"],
    },
)


def answered(
    name: str, ask: Ask, chances: list[float | None]
) -> tuple[DimensionScore, dict[str, str]]:
    dimension = ASKED_DIMENSIONS[name]
    questions, reasons = questions_of([dimension], ask)
    assert not reasons
    answers = {
        key: Score(key, chance, chance, "yes_no", {}, 0.9, None if chance is not None else "mute")
        for key, chance in zip(questions, chances, strict=True)
    }
    return read_answers([dimension], ask, answers, 8)[name], questions


@given(CHANCES)
def test_the_boolean_is_the_continuous_number_above_one_half(chances: list[float]) -> None:
    reading = all_yes(chances)
    assert reading.continuous is not None
    assert reading.raw == float(reading.continuous > 0.5)
    assert reading.raw == float(all(chance > 0.5 for chance in chances))


def test_neither_the_mean_nor_one_yes_would_do() -> None:
    assert all_yes([0.9, 0.9, 0.4]).raw == 0.0
    assert all_yes([0.9, 0.9, 0.4]).continuous == 0.4


def test_the_first_question_decides_whether_there_is_a_number() -> None:
    no = all_yes_if_first([0.3, 0.9])
    assert (no.raw, no.weight) == (None, None)
    assert no.reason is not None
    yes = all_yes_if_first([0.8, 0.9, 0.7])
    assert (yes.raw, yes.continuous, yes.per_frame) == (1.0, 0.7, (0.8, 0.9, 0.7))
    # What can be judged is not judged by the question whether it can.
    assert all_yes_if_first([0.6, 0.9]).continuous == 0.9
    assert all_yes_if_first([0.3]).raw == 0.0


@pytest.mark.parametrize(
    ("name", "chances", "raw", "continuous"),
    [
        ("vlm.multiple_objects", [0.9, 0.8], 1.0, 0.8),
        ("vlm.multiple_objects", [0.9, 0.2], 0.0, 0.2),
        ("vlm.color", [0.9, 0.2], 0.0, 0.2),
        ("vlm.spatial_relationship", [0.9, 0.8, 0.4], 0.0, 0.4),
        ("vlm.scene", [0.7], 1.0, 0.7),
        ("vlm.human_action", [0.1], 0.0, 0.1),
        ("vlm.human_clothes", [0.9, 0.8, 0.7], 1.0, 0.7),
        ("vlm.dynamic_attribute", [0.9, 0.3], 0.0, 0.3),
        ("vlm.mechanics", [0.9, 0.6], 1.0, 0.6),
        ("vlm.composition", [0.9, 0.4], 0.5, 0.65),
    ],
)
def test_answers_become_numbers(
    name: str, chances: list[float | None], raw: float, continuous: float
) -> None:
    score, _ = answered(name, FULL, chances)
    assert score.raw == raw
    assert score.continuous == pytest.approx(continuous)
    assert score.per_frame == tuple(chances)
    assert score.num_frames == 8


@pytest.mark.parametrize("name", ["vlm.color", "vlm.mechanics", "vlm.human_clothes"])
def test_what_cannot_be_judged_counts_in_no_mean(name: str) -> None:
    number = len(ASKED_DIMENSIONS[name].questions(FULL))
    score, _ = answered(name, FULL, [0.1] + [0.9] * (number - 1))
    assert (score.raw, score.weight) == (None, None)


def test_a_question_that_is_not_answered_is_no_no() -> None:
    score, _ = answered("vlm.multiple_objects", FULL, [0.9, None])
    assert (score.raw, score.reason) == (None, "mute")


def test_composition_follows_its_flags() -> None:
    def with_flags(one_creature: bool, all_count: bool) -> Ask:
        facts = {"questions": ["a wing", "a hoof"], "judge": (one_creature, all_count)}
        return Ask(None, facts)

    assert answered("vlm.composition", with_flags(False, True), [0.9, 0.4])[0].raw == 0.0
    assert answered("vlm.composition", with_flags(False, True), [0.9, 0.6])[0].raw == 1.0
    score, questions = answered("vlm.composition", with_flags(True, False), [0.2, 0.9, 0.9])
    assert "one creature" in next(iter(questions.values()))
    assert score.raw == 0.5, "without the one creature one description of two counts"
    assert answered("vlm.composition", with_flags(True, False), [0.8, 0.9, 0.9])[0].raw == 1.0


def test_questions_name_what_was_asked_for() -> None:
    def said(name: str, ask: Ask = FULL) -> list[str]:
        return list(questions_of([ASKED_DIMENSIONS[name]], ask)[0].values())

    assert [q.split(": ")[-1] for q in said("vlm.multiple_objects")] == ["bird?", "cat?"]
    car = Ask("a red car", {"color": "red"})
    assert said("vlm.color", car)[1] == "In this video, is the car red?"
    assert said("vlm.spatial_relationship")[2] == (
        "In this video, is the dog on the left of the horse?"
    )
    assert said("vlm.motion_rationality") == FULL.known("questions")
    walk = Ask("A person is walking the dog.")
    assert said("vlm.human_action", walk)[0].endswith(": walking the dog?")
    nested = Ask(None, {"scene": {"scene": "alley"}})
    assert said("vlm.scene") == said("vlm.scene", nested)


@pytest.mark.parametrize("name", sorted(set(ASKED_DIMENSIONS) - {"vlm.human_clothes"}))
def test_what_is_not_known_cannot_be_asked(name: str) -> None:
    questions, reasons = questions_of([ASKED_DIMENSIONS[name]], Ask())
    assert not questions
    assert "needed" in reasons[name] or "must name" in reasons[name]


def test_a_stand_in_never_has_the_name_of_what_it_stands_for() -> None:
    for name, facts in ASKED_DIMENSIONS.items():
        assert name.startswith("vlm.")
        assert facts.name == name
        assert facts.scale is None, "it must have no part in VBench's totals"
        assert not facts.source.startswith("VBench")
    assert {f"vlm.{name}" for name in DETECTED_DIMENSIONS} <= set(ASKED_DIMENSIONS)
    assert set(ASKED_DIMENSIONS) <= set(CATALOGUE)
