"""Text-level pairs by VPO's rule, on hand-worked cases."""

from __future__ import annotations

import pytest
from critic_client import CriticClient
from critic_client.labels import Sample, exports, presets
from critic_client.labels.prompts import prompt_samples, text_pairs
from critic_client.testing import FakeCritic


def sample(text: str, reward: float | None, query: str = "a fox") -> Sample:
    reason = None if reward is not None else "the judge timed out"
    return Sample(text, query, reward, reason=reason, columns={"optimised_prompt": text})


def names(labels: presets.Labels) -> list[tuple[str, str]]:
    return [(each.chosen.clip, each.rejected.clip) for each in labels.pairs]


def test_a_bad_prompt_loses_to_its_refinement() -> None:
    labels = text_pairs([(sample("bad", 0.5), sample("better", None))])
    assert names(labels) == [("better", "bad")]
    assert labels.pairs[0].margin is None
    row = exports.trl_preference(labels.pairs[0], exports.column("optimised_prompt"))
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("a fox", "better", "bad")


@pytest.mark.parametrize(
    ("bad", "refined", "judge_refined", "why"),
    [
        (sample("good", 0.51), sample("x", 0.9), False, "nothing to refine"),
        (sample("mute", None), sample("x", 0.9), False, "timed out"),
        (sample("bad", 0.1), sample("two\nlines", 0.9), False, "one line"),
        (sample("bad", 0.1), sample(" ", 0.9), False, "one line"),
        (sample("bad", 0.1), sample("bad ", 0.9), False, "the same"),
        (sample("bad", 0.1), sample("x", None), True, "timed out"),
        (sample("bad", 0.1), sample("x", 0.5), True, "bad too"),
    ],
)
def test_what_makes_no_pair_is_a_reject_with_a_reason(
    bad: Sample, refined: Sample, judge_refined: bool, why: str
) -> None:
    labels = text_pairs([(bad, refined)], judge_refined=judge_refined)
    assert labels.pairs == ()
    assert why in labels.rejects[0].reason


def test_one_pair_of_each_query_and_the_first() -> None:
    attempts = [
        (sample("b1", 0.1), sample("c1", 0.9)),
        (sample("b2", 0.2), sample("c2", 0.9)),
        (sample("b3", 0.2, "a hen"), sample("c3", 0.9, "a hen")),
    ]
    labels = text_pairs(attempts, judge_refined=True)
    assert names(labels) == [("c1", "b1"), ("c3", "b3")]
    assert labels.pairs[0].margin == pytest.approx(0.8)
    assert len(labels.rejects) == 1


def test_from_a_reply_to_rows() -> None:
    queries, prompts = ["a", "a", "b"], ["one", "two", "three"]
    with FakeCritic() as critic, CriticClient(critic.url) as client:
        reply = client.score_prompts(queries, prompts)
    samples = prompt_samples(reply, queries, prompts, round=2)
    assert [each.reward for each in samples] == [each.least for each in reply.results]
    assert samples[0].origin.fingerprint == reply.judge.id
    assert samples[2].origin.round == 2
    assert samples[1].columns == {"optimised_prompt": "two"}
    with pytest.raises(ValueError, match="3 results"):
        prompt_samples(reply, queries, prompts[:2])


def test_a_prompt_without_a_judgement_has_a_reason(call: object, service: object) -> None:
    reply = call("score_prompts", "a", ["x", "y"])  # type: ignore[operator]
    judged, mute = prompt_samples(reply, ["a", "a"], ["x", "y"])
    assert judged.reward == 0.6
    assert mute.reward is None
    assert "not a video" in (mute.reason or "")
