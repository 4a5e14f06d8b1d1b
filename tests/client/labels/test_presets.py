"""Presets reproduce the arithmetic of their sources; nothing unjudged becomes a label."""

from __future__ import annotations

import pytest
from critic_client.labels import Origin, Pair, Sample, presets
from critic_client.labels.checklist import Checklist, Question
from critic_client.labels.pairs import Comparison

WEIGHTS = {"sharp": 0.45, "steady": 0.25, "fits": 0.35, "safe": 0.0}
LIST = Checklist(
    tuple(
        Question(name, "?", weight, dimension)
        for (name, weight), dimension in zip(
            WEIGHTS.items(), ["quality", "quality", "alignment", "safety"], strict=True
        )
    )
)


def answered(clip: str, answers: str, prompt: str = "a cat") -> Sample:
    values = {name: float(a == "y") for name, a in zip(WEIGHTS, answers, strict=True)}
    return Sample(clip, prompt, answers=values)


def names(pairs: tuple[Pair, ...]) -> list[tuple[str, str]]:
    return [(p.chosen.clip, p.rejected.clip) for p in pairs]


def test_vpo_takes_the_first_pair_that_dominates_by_more_than_one_half() -> None:
    samples = [
        answered("a", "nnny"),
        answered("b", "ynny"),  # dominates a, but by .45
        answered("c", "nyyn"),  # .60 above a, but it fails a question that a answers
        answered("d", "yyny"),  # dominates a by .70: the first that qualifies
        answered("e", "yyyy"),  # dominates all, later in the order
    ]
    labels = presets.vpo(samples, LIST)
    assert names(labels.pairs) == [("d", "a")]
    assert labels.pairs[0].margin == pytest.approx(0.70)
    assert labels.rejects == ()


def test_vpo_gives_at_most_one_pair_a_query_and_says_which_gave_none() -> None:
    samples = [answered("a", "nnny", "one"), answered("b", "ynny", "one"), answered("c", "y" * 4)]
    labels = presets.vpo(samples, LIST)
    assert labels.pairs == ()
    assert [(r.prompt, r.reason) for r in labels.rejects] == [
        ("one", "no pair of this prompt qualifies"),
        ("a cat", "one clip alone"),
    ]


def test_mpo_compares_dimensions_and_its_margin_falls_with_the_level() -> None:
    samples = [answered("a", "yyyy"), answered("b", "nyyy"), answered("c", "nyny")]
    assert names(presets.visionreward_mpo(samples, LIST).pairs) == [("a", "c")]
    blurred = samples[:2]
    assert presets.visionreward_mpo(blurred, LIST).pairs == ()
    assert names(presets.visionreward_mpo(blurred, LIST, "question").pairs) == [("a", "b")]


def test_an_unanswered_question_is_a_reject_not_a_no() -> None:
    broken = Sample("b", "a cat", answers={"sharp": 1.0}, reason="too short")
    labels = presets.vpo([answered("a", "yyyy"), answered("c", "nnnn"), broken], LIST)
    assert names(labels.pairs) == [("a", "c")]
    assert [(r.clips, r.reason) for r in labels.rejects] == [(("b",), "too short")]


def test_text_pairs_replace_video_pairs_of_their_query() -> None:
    def pair(prompt: str, clip: str) -> Pair:
        return Pair(Sample(clip, prompt), Sample("other", prompt), None)

    merged = presets.merge_text_and_video(
        [pair("one", "text")], [pair("one", "video"), pair("two", "video")]
    )
    assert [(p.prompt, p.chosen.clip) for p in merged] == [("one", "text"), ("two", "video")]


def test_merging_keeps_one_pair_of_each_query() -> None:
    """As VPO's code does: rows with equal `messages` are dropped, whichever level they are of."""

    def pair(prompt: str, clip: str) -> Pair:
        return Pair(Sample(clip, prompt), Sample("other", prompt), None)

    merged = presets.merge_text_and_video(
        [pair("one", "t1"), pair("one", "t2")], [pair("two", "v1"), pair("two", "v2")]
    )
    assert [(p.prompt, p.chosen.clip) for p in merged] == [("one", "t1"), ("two", "v1")]


def test_ipo_pairs_the_ends_and_signs_the_grades() -> None:
    def row(clip: str, reward: float | None, grade: str | None) -> Sample:
        return Sample(
            clip,
            "a cat",
            reward,
            grades={"fits": grade},
            reason=None if reward is not None else "the file is empty",
        )

    samples = [row("a", 0.2, "bad"), row("b", 0.9, "good"), row("c", 0.5, "normal")]
    labels = presets.ipo([*samples, row("d", None, None)], "fits")
    assert names(labels.pairs) == [("b", "a")]
    assert [(r.sample.clip, r.desirable) for r in labels.signed] == [("a", False), ("b", True)]
    assert [(r.clips, r.reason) for r in labels.rejects] == [(("d",), "the file is empty")]
    assert presets.ipo(samples).signed == ()


def test_dual_ipo_weighs_pairs_by_certainty_and_drops_the_uncertain() -> None:
    a, b = Sample("a", "p"), Sample("b", "p")
    comparisons = [
        Comparison(a, b, 0.1, 0.1, 0.8),
        Comparison(a, b, 0.45, 0.3, 0.25),
        Comparison(a, b, 0.5, 0.25, 0.25),
    ]
    labels = presets.dual_ipo(comparisons)
    assert [(p.chosen.clip, p.weight) for p in labels.pairs] == [("b", 0.8)]
    assert len(labels.rejects) == 2


def test_lift_refuses_what_its_released_parser_reads_as_good() -> None:
    grades = dict.fromkeys(presets.LIFT_CRITERIA, "good")
    whole = Sample("a", "p", grades=grades)
    holes = Sample("b", "p", grades={**grades, "video fidelity": None})
    labels = presets.lift([whole, holes])
    assert [(r.sample.clip, r.weight) for r in labels.weighted] == [("a", 0.9)]
    assert labels.rejects[0].clips == ("b",)
    mixed = Sample("c", "p", grades={**grades, "video fidelity": "normal"})
    assert presets.lift([whole, mixed], method="rejection").weighted[0].sample is whole


def test_ai_feedback_binary_and_metric() -> None:
    samples = [Sample(c, "p", r) for c, r in (("a", 0.9), ("b", 0.4), ("c", 0.6), ("d", 0.5))]
    labels = presets.ai_feedback(samples)
    assert [r.weight for r in labels.weighted] == [1.0, 0.0, 1.0, 0.0]
    assert names(labels.pairs) == [("a", "b"), ("a", "d"), ("c", "b"), ("c", "d")]
    metric = presets.ai_feedback(samples, binary=False, scale=2.0, shift=0.1, most_pairs=1)
    assert [round(r.weight, 6) for r in metric.weighted] == [1.9, 0.9, 1.3, 1.1]
    assert names(metric.pairs) == [("a", "b")]


def test_every_label_carries_where_it_comes_from() -> None:
    origin = Origin("nano", "r1", "f1", round=3, generator="g", seed=7)
    samples = [Sample("a", "p", 1.0, origin=origin), Sample("b", "p", 0.0, origin=origin)]
    (pair,) = presets.ipo(samples).pairs
    assert pair.chosen.origin == origin
    labels = presets.ai_feedback(samples)
    assert {row.sample.origin for row in labels.weighted} == {origin}
