"""Whole audits of critics whose faults are known: each fault shows in its own figure."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from critic_models.audit.document import to_document
from critic_models.audit.labelled import STATIC, LabelledGrade, LabelledPair, LabelledSet, Shown
from critic_models.audit.run import audit
from critic_models.audit.verdict import Rule
from critic_models.errors import ClipUnreadable, InputError
from oracle_judge import OracleJudge, clip_called, labelled_clips, truth

GROUPS = 40
NAMES = ["text_alignment", "sharpness", "motion_continuity", "steadiness"]


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch):
    """The width of a bootstrap interval hardly matters here, and its time does."""
    monkeypatch.setattr("critic_models.audit.intervals.RESAMPLES", 100)


@pytest.fixture(scope="module")
def labelled() -> LabelledSet:
    return labelled_clips(GROUPS)


def _log_odds(p):
    return math.log(p / (1 - p))


def run(labelled, opinion=truth, method="scores", **facts):
    judge = OracleJudge(opinion, **facts)
    return audit(judge, labelled, NAMES, method)


def test_an_ideal_critic_is_safe(labelled):
    found = run(labelled)
    for name in NAMES[:3]:
        figures = found.criteria[name]
        assert found.verdicts[name].standing == "safe", found.verdicts[name].reasons
        assert figures.accuracy is not None
        assert figures.accuracy.value == 1.0
        assert figures.with_ties is not None
        assert figures.with_ties.held_out.value == 1.0
        assert figures.orders is not None
        assert figures.orders.consistency is not None
        assert figures.orders.consistency.value == 1.0
        assert figures.orders.consistency.n == figures.n
        assert figures.ece is None or figures.ece.value < 0.01
        assert set(figures.by_part) == {"even", "odd"}
    assert found.criteria["sharpness"].spearman is not None
    assert found.criteria["sharpness"].spearman.value == pytest.approx(1.0)
    assert found.criteria["sharpness"].n == GROUPS * 4
    preference_ece = found.criteria["text_alignment"].preference_ece
    assert preference_ece is not None
    assert preference_ece.value < 0.01
    (curve,) = found.criteria["sharpness"].curves.values()
    assert [step.accuracy.value for step in curve] == [1.0] * 5
    assert [step.value.value for step in curve if step.value is not None] == pytest.approx(
        [1 - step.severity for step in curve]
    )
    assert found.verdicts["steadiness"].standing == "not measured"
    assert found.limits == ["steadiness was not measured: the set has no labels for it."]


def test_a_critic_that_is_the_wrong_way_round(labelled):
    found = run(labelled, lambda *about: 1 - truth(*about))
    figures = found.criteria["sharpness"]
    assert figures.accuracy is not None
    assert figures.accuracy.value == 0.0
    assert figures.spearman is not None
    assert figures.spearman.value == pytest.approx(-1.0)
    assert found.verdicts["sharpness"].standing == "unsafe"
    assert all(case.is_wrong for case in figures.worst)
    assert figures.static_wins is None
    motion = found.criteria["motion_continuity"].static_wins
    assert motion is not None
    assert motion.value == 1.0
    preference_ece = found.criteria["text_alignment"].preference_ece
    assert preference_ece is not None
    assert preference_ece.value > 0.99, "sure, and wrong"


def test_the_worst_cases_are_the_worst(labelled):
    def wrong_about_two(clip, prompt, criterion):
        p = truth(clip, prompt, criterion)
        return {"g5": 0.4, "g9": 0.3}.get(clip, p) if criterion == "sharpness" else p

    worst = run(labelled, wrong_about_two).criteria["sharpness"].worst
    assert [case.pair.group for case in worst] == ["g9", "g5", "g9"]
    assert [case.is_wrong for case in worst] == [True] * 3
    assert worst[0].comparison.margin == pytest.approx(-_log_odds(0.8) + _log_odds(0.3))


def test_a_critic_that_says_the_same_of_everything(labelled):
    found = run(labelled, lambda *about: 0.5)
    figures = found.criteria["sharpness"]
    assert figures.accuracy is not None
    assert figures.accuracy.value == 0.0, "a draw is not right"
    assert figures.with_ties is not None
    # It calls all a tie, and is right in those that are.
    assert figures.with_ties.held_out.value == pytest.approx(figures.with_ties.tie_share)
    assert figures.spearman is not None
    assert figures.spearman.value == 0.0
    assert {step.accuracy.value for step in figures.curves["sharpness!"]} == {0.0}
    assert found.verdicts["sharpness"].standing == "unsafe"


def test_no_answer_is_neither_right_nor_wrong(labelled):
    def shy(clip, prompt, criterion):
        index = int(clip.split(" ")[0][1:])
        return None if index % 4 == 0 else truth(clip, prompt, criterion)

    found = run(labelled, shy)
    figures = found.criteria["sharpness"]
    assert figures.accuracy is not None
    assert figures.accuracy.value == 1.0
    assert figures.n == GROUPS * 4 * 3 / 4
    assert figures.answered is not None
    assert figures.answered.value == 0.75
    (reason,) = figures.reasons
    assert "of its probability on yes, no" in reason
    assert figures.reasons[reason] == GROUPS * 8 / 4
    assert found.verdicts["sharpness"].standing == "unsafe"
    assert "answered labels" in found.verdicts["sharpness"].reasons[0]


def test_a_critic_that_never_answers_has_no_figures(labelled):
    found = run(labelled, lambda *about: None)
    figures = found.criteria["sharpness"]
    assert figures.n == 0
    assert (figures.accuracy, figures.with_ties, figures.spearman, figures.ece) == (None,) * 4
    assert found.verdicts["sharpness"].standing == "unsafe"
    json.dumps(to_document(found), allow_nan=False)


def test_an_item_that_fails_is_unanswered_with_its_reason(labelled):
    found = run(labelled, fails=lambda item: item.clips[0].startswith("g7 sharpness"))
    assert found.criteria["sharpness"].reasons == {"the forward went wrong": 6}
    found = run(labelled, method="both_orders", fails=lambda item: item.clips == ("g7", "g7 again"))
    assert found.criteria["sharpness"].reasons == {"the forward went wrong": 1}
    assert found.criteria["sharpness"].n == GROUPS * 4 - 1


def test_one_blind_spot_is_not_hidden_by_the_average(labelled):
    def blind_to_little(clip, prompt, criterion):
        return 0.999 if " 0.2" in clip else truth(clip, prompt, criterion)

    found = run(labelled, blind_to_little)
    assert found.verdicts["sharpness"].standing == "unsafe"
    pairs = [
        replace(pair, kind="small") if " 0.2" in pair.a.clip + pair.b.clip else pair
        for pair in labelled.pairs
    ]
    wide = replace(labelled, pairs=tuple(pairs))
    found = audit(
        OracleJudge(blind_to_little),
        wide,
        ["sharpness"],
        "scores",
        rule=Rule(min_accuracy=0.5, min_gain_with_ties=0.0),
    )
    unmet = [each.what for each in found.verdicts["sharpness"].unmet]
    assert unmet == ["accuracy on “small”"]


def test_a_critic_that_loves_stillness(labelled):
    def lazy(clip, prompt, criterion):
        return 0.9995 if STATIC in clip else truth(clip, prompt, criterion)

    found = run(labelled, lazy)
    assert [each.what for each in found.verdicts["motion_continuity"].unmet] == [
        "wins of static twins"
    ]
    assert any("stands still" in sentence for sentence in found.limits)


def test_a_critic_whose_values_are_off_may_still_order(labelled):
    found = run(labelled, lambda *about: truth(*about) ** 3)
    verdict = found.verdicts["sharpness"]
    assert verdict.standing == "order only", verdict.reasons
    assert [each.what for each in verdict.unmet] == ["calibration error"]


def test_a_grade_that_stands_alone_is_for_calibration_only(labelled):
    """Clips that nobody compares must not be ranked as if they were rungs of a ladder."""
    alone = tuple(
        LabelledGrade(
            Shown(f"g{index}", "true caption"),
            "sharpness",
            0.1 * index,
            "apart",
            ladder,
            f"g{index}",
        )
        for index, ladder in enumerate([None] * 8)
    )
    with_them = run(replace(labelled, grades=(*labelled.grades, *alone))).criteria["sharpness"]
    without = run(labelled).criteria["sharpness"]
    assert with_them.ladders == without.ladders
    assert with_them.ece is not None
    assert without.ece is not None
    assert with_them.ece.n == without.ece.n + len(alone)
    assert with_them.ece.value > without.ece.value
    ranked = tuple(replace(grade, ladder="one") for grade in alone)
    mutant = run(replace(labelled, grades=(*labelled.grades, *ranked))).criteria["sharpness"]
    assert mutant.spearman is not None
    assert mutant.spearman.value < 0.5


def test_few_answers_prove_nothing():
    found = run(labelled_clips(4))
    verdict = found.verdicts["text_alignment"]
    assert verdict.standing == "unproven"
    assert all("too few to be sure" in reason for reason in verdict.reasons)


def test_pairs_are_asked_in_both_orders(labelled):
    judge = OracleJudge(truth)
    found = audit(judge, labelled, NAMES, "both_orders")
    figures = found.criteria["sharpness"]
    assert figures.orders is not None
    assert figures.orders.consistency is not None
    assert figures.orders.consistency.value == pytest.approx(1.0)
    assert figures.orders.first_shown_advantage is not None
    assert figures.orders.first_shown_advantage.value == pytest.approx(0.0, abs=1e-12)
    assert found.criteria["text_alignment"].orders is None, "one clip and two prompts is no pair"
    asked = {item.clips for item in judge.asked if len(item.clips) == 2}
    assert {(b, a) for a, b in asked} == asked


@pytest.mark.parametrize(("bonus", "sign"), [(1.5, 1), (-1.5, -1)])
def test_a_critic_that_favours_a_place(labelled, bonus, sign):
    found = run(labelled, method="both_orders", first_bonus=bonus)
    orders = found.criteria["sharpness"].orders
    assert orders is not None
    assert orders.first_shown_advantage is not None
    assert sign * orders.first_shown_advantage.value > 0.1
    assert orders.consistency is not None
    assert orders.consistency.value < 0.9
    whats = [each.what for each in found.verdicts["sharpness"].unmet]
    assert {"order consistency", "position bias"} <= set(whats)
    assert found.criteria["sharpness"].accuracy == run(labelled).criteria["sharpness"].accuracy


def test_scores_are_compared_in_both_orders(labelled):
    """A readout that gives the first of two scores an advantage does not go unnoticed."""

    class Leaning(OracleJudge):
        def preferences_from_scores(self, a, b):
            raised = {n: replace(s, raw=s.raw + 1.5, value=None) for n, s in a.items()}
            raised = {n: replace(s, value=1 / (1 + math.exp(-s.raw))) for n, s in raised.items()}
            return super().preferences_from_scores(raised, b)

    even = run(labelled).criteria["sharpness"].orders
    leaning = audit(Leaning(truth), labelled, NAMES, "scores").criteria["sharpness"].orders
    assert even is not None
    assert leaning is not None
    assert even.consistency is not None
    assert leaning.consistency is not None
    assert (even.consistency.value, even.consistency.low) == (1.0, 1.0)
    assert leaning.consistency.value < 0.9
    assert even.first_shown_advantage is not None
    assert leaning.first_shown_advantage is not None
    assert even.first_shown_advantage.value == 0.0
    assert leaning.first_shown_advantage.value > 0.1


def test_a_confusion_is_named_and_an_expected_effect_is_not(labelled):
    def hazy(clip, prompt, criterion):
        if criterion == "steadiness":
            return truth(clip, prompt, "sharpness")
        return truth(clip, prompt, criterion)

    found = run(labelled, hazy)
    effects = {(e.change, e.criterion): e for e in found.effects}
    assert not effects["sharpness!", "steadiness"].labelled
    assert effects["sharpness!", "sharpness"].labelled
    delta = effects["sharpness!", "steadiness"].delta
    drop = effects["sharpness!", "steadiness"].value_drop
    assert delta is not None
    assert drop is not None
    assert delta.value == 1.0
    assert drop.value == pytest.approx(0.499)
    assert [s for s in found.limits if "also lowered" in s] == [
        "steadiness is also lowered by “sharpness!”: Cliff's delta 1.00 (1.00 to 1.00), its value "
        "falls by 0.50 on average."
    ]
    either_way = replace(labelled, open_effects=frozenset({("sharpness!", "steadiness")}))
    found_open = run(either_way, hazy)
    assert not [s for s in found_open.limits if "also lowered" in s], "nobody can say it should not"
    assert [(e.change, e.criterion) for e in found_open.effects if e.is_open] == [
        ("sharpness!", "steadiness")
    ]
    faint = run(labelled, lambda *about: 0.5 + 0.1 * hazy(*about))
    assert not [s for s in faint.limits if "also lowered" in s], "it hardly moves a reward"
    same = found.agreement
    at = same.criteria.index("steadiness"), same.criteria.index("sharpness")
    assert same.matrix[at[0]][at[1]] == pytest.approx(1.0)


def test_phrasing_matters_where_it_moves_the_value(labelled):
    def picky(clip, prompt, criterion):
        p = truth(clip, prompt, criterion)
        return p - 0.2 if prompt == "true words" else p

    spread = run(labelled, picky).criteria["text_alignment"].rephrasing_spread
    assert spread is not None
    assert spread.value == pytest.approx(0.2)
    steady = run(labelled).criteria["text_alignment"].rephrasing_spread
    assert steady is not None
    assert steady.value == 0.0


def test_a_clip_that_cannot_be_read_is_reported(labelled):
    def unreadable(judge):
        raise ClipUnreadable("half a file")

    sources = {**labelled.sources, "g3": unreadable}
    found = run(replace(labelled, sources=sources))
    assert dict(found.unreadable) == {"g3": "half a file"}
    assert found.criteria["sharpness"].n == GROUPS * 4 - 4
    asked = run(replace(labelled, sources=sources), method="both_orders")
    assert asked.criteria["sharpness"].reasons == {"half a file": 5}
    everything = dict.fromkeys(labelled.sources, unreadable)
    with pytest.raises(InputError, match=r"none of .* clips can be read; g0: half a file"):
        run(replace(labelled, sources=everything))


def test_a_prompt_that_is_missing_is_no_answer():
    shown = Shown("g0"), Shown("g1")
    pair = LabelledPair(*shown, "text_alignment", "a", "row", "g")
    grade = LabelledGrade(shown[0], "sharpness", 1.0, "row", "g", "g")
    sources = {name: clip_called(name) for name in ("g0", "g1")}
    found = run(LabelledSet("two", "", sources, (pair,), (grade,)))
    (reason,) = found.criteria["text_alignment"].reasons
    assert "needs a prompt" in reason


def test_nothing_to_measure_is_refused(labelled):
    judge = OracleJudge(truth)
    with pytest.raises(InputError, match="no labels for visual_quality; it has for sharpness"):
        audit(judge, labelled, ["visual_quality"])


def test_the_document_has_the_agreed_fields(labelled):
    document = to_document(run(labelled, method="both_orders"))
    json.dumps(document, allow_nan=False)
    assert {"critic", "revision", "criteria", "verdict"} <= set(document)
    wanted = {"accuracy_no_ties", "accuracy_with_ties", "spearman", "ece", "order_consistency", "n"}
    for each in document["criteria"].values():
        assert wanted <= set(each)
        assert set(each["intervals"]) == wanted - {"n"}
        for name, interval in each["intervals"].items():
            assert (interval is None) == (each[name] is None)
            assert interval is None or interval[0] <= each[name] <= interval[1]
    assert document["criteria"]["sharpness"]["accuracy_no_ties"] == 1.0
    verdict = document["verdict"]
    standings = ("safe", "order_only", "unproven", "unsafe", "not_measured")
    assert sorted(name for standing in standings for name in verdict[standing]) == sorted(NAMES)
