"""Samples from replies and lines, rows to files, and rounds side by side."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from critic_client import Fingerprint, Preference, Reason, Score, ScoreReply, ScoreResult
from critic_client._models import CompareReply, CompareResult
from critic_client.labels import Origin, Pair, Reject, Sample, exports, replies, rounds
from critic_client.labels.rows import Signed, Weighted
from hypothesis import given
from hypothesis import strategies as st

FINGERPRINT = Fingerprint("f1", "nano", "r1", "t", "s", "p", "c", "float32", "cpu", "a", {})
ORIGIN = Origin("nano", "r1", "f1", 2, "gen-b", 5)
SEEN = Score(0.4, 0.7, "graded", {"good": 0.6, "bad": 0.4}, 1.0)


def reply(*results: ScoreResult) -> ScoreReply:
    return ScoreReply("r", "nano", results, {}, FINGERPRINT)


def test_samples_of_a_reply_keep_reasons_seeds_and_grades() -> None:
    lost = ScoreResult(1, None, {}, None, Reason("bad_clip", "the file is empty"))
    good, bad = replies.samples_of(
        reply(ScoreResult(0, "h", {"fits": SEEN}, 0.7), lost),
        ["a.mp4", "b.mp4"],
        ["p", "q"],
        round=2,
        generator="gen-b",
        seeds=[5, 6],
    )
    assert good == Sample("a.mp4", "p", 0.7, {"fits": 0.7}, grades={"fits": "good"}, origin=ORIGIN)
    assert (bad.reward, bad.reason, bad.origin.seed) == (None, "the file is empty", 6)


def test_numbers_of_clips_and_results_must_agree() -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        replies.samples_of(reply(), ["a.mp4"], ["p"])


def test_comparisons_of_a_reply() -> None:
    said = Preference(0.7, 0.1, 0.2, "a", 0.9, "pairwise", 1.0)
    mute = Preference(None, None, None, None, None, "pairwise", 0.1, Reason("x", "no answer"))
    answer = CompareReply(
        "r",
        "nano",
        (
            CompareResult(0, "x", "y", {"fits": said}, "a"),
            CompareResult(1, "x", "y", {"fits": mute}, None),
        ),
        FINGERPRINT,
    )
    a, b = Sample("a", "p"), Sample("b", "p")
    found, rejects = replies.comparisons_of(answer, [a, a], [b, b], "fits")
    assert [(c.p_win, c.p_lose) for c in found] == [(0.7, 0.2)]
    assert rejects == [Reject("p", ("a", "b"), "no answer")]
    with pytest.raises(ValueError, match="no preference on 'motion'"):
        replies.comparisons_of(answer, [a, a], [b, b], "motion")


def test_lines_become_samples_and_bad_lines_rejects() -> None:
    lines = [
        json.dumps(
            {
                "clip": "a",
                "prompt": "p",
                "reward": 1,
                "answers": {"q1": "Yes", "q2": 0.2, "q3": None},
                "origin": {"round": 4},
                "query": "cat",
            }
        ),
        "",
        "{",
        '{"clip": "b", "prompt": "p", "reward": NaN}',
        '{"clip": "b", "prompt": "p", "answers": {"q1": "N/A"}}',
        '{"clip": "b"}',
        '{"clip": "b", "prompt": "p", "origin": {"rond": 1}}',
    ]
    good, *bad = list(replies.read_samples(lines))
    assert isinstance(good, Sample)
    assert good.answers == {"q1": 1.0, "q2": 0.2, "q3": None}
    assert (good.reward, good.origin.round, good.columns) == (1.0, 4, {"query": "cat"})
    reasons = [r.reason for r in bad if isinstance(r, Reject)]
    assert [r.split(":")[0] for r in reasons] == [f"line {n}" for n in (3, 4, 5, 6, 7)]
    assert "NaN" in reasons[1]
    assert "'answers.q1'" in reasons[2]


@given(st.text(max_size=60))
def test_any_line_is_a_sample_or_a_reject(line: str) -> None:
    assert all(isinstance(row, (Sample, Reject)) for row in replies.read_samples([line]))


def pair() -> Pair:
    chosen = Sample("a.mp4", "a {cat}", 0.9, origin=ORIGIN, columns={"optimised": "a fine cat"})
    rejected = Sample("b.mp4", "a {cat}", 0.1, origin=ORIGIN, columns={"optimised": "cat"})
    return Pair(chosen, rejected, 0.8, rule="best-and-worst")


def test_forms_of_a_pair() -> None:
    trl = exports.trl_preference(pair())
    assert (trl["prompt"], trl["chosen"], trl["rejected"]) == ("a {cat}", "a.mp4", "b.mp4")
    assert exports.read_origin(trl) == ORIGIN
    diffusion = exports.diffusion_preference(pair())
    assert (diffusion["caption"], diffusion["label_0"]) == ("a {cat}", 1.0)
    chat = exports.chat_preference(pair(), exports.column("optimised"), "Improve {x}: {prompt}")
    assert chat["messages"] == [{"role": "user", "content": "Improve {x}: a {cat}"}]
    assert chat["chosen"] == {"role": "assistant", "content": "a fine cat"}
    assert chat["rejected"] == {"role": "assistant", "content": "cat"}
    with pytest.raises(ValueError, match="no text column 'refined'"):
        exports.trl_preference(pair(), exports.column("refined"))


def test_forms_of_single_clips() -> None:
    sample = pair().chosen
    assert exports.kto(Signed(sample, True))["label"] is True
    assert exports.reward_weighted(Weighted(sample, 0.38))["score"] == 0.38


def test_files_are_written_whole_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "round-1" / "pairs.jsonl"
    assert exports.write_json_lines(path, [exports.trl_preference(pair())] * 2) == 2
    assert len(path.read_text().splitlines()) == 2
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        exports.write_json_lines(path, [])
    assert path.read_bytes() == before
    broken = tmp_path / "broken.jsonl"
    with pytest.raises(ValueError, match="JSON"):
        exports.write_json_lines(broken, [{"a": 1.0}, {"a": float("nan")}])
    assert os.listdir(tmp_path) == ["round-1"]
    assert os.listdir(tmp_path / "round-1") == ["pairs.jsonl"]


def test_rounds_are_compared_by_prompt() -> None:
    def row(prompt: str, reward: float | None, of: int, print_of: str = "f1") -> Sample:
        why = None if reward is not None else "lost"
        return Sample(
            f"{prompt}{of}", prompt, reward, reason=why, origin=Origin("n", "r", print_of, of)
        )

    before = [row("p", 0.2, 1), row("p", 0.4, 1), row("q", 0.5, 1), row("old", 0.1, 1)]
    after = [row("p", 0.6, 2), row("q", 0.4, 2), row("q", None, 2), row("new", 1.0, 2)]
    found = rounds.compare_rounds(before, after)
    assert found.mean_before == pytest.approx((0.3 + 0.5) / 2)
    assert found.mean_after == pytest.approx((0.6 + 0.4) / 2)
    assert (found.prompts, found.better, found.worse) == (2, 1, 1)
    assert (found.only_before, found.only_after) == (("old",), ("new",))
    assert found.same_critic
    assert not rounds.compare_rounds(before, [row("p", 0.6, 2, "f2")]).same_critic


def test_pairs_of_two_critics_are_compared() -> None:
    def of(*clips: str) -> list[Pair]:
        return [Pair(Sample(c[0], "p"), Sample(c[1], "p"), None) for c in clips]

    found = rounds.compare_pairs(of("ab", "ac", "cd"), of("ab", "dc", "ef", "eg"))
    assert (found.kept, found.flipped, found.only_before, found.only_after) == (1, 1, 1, 2)


def test_parquet_is_never_overwritten(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "pairs.parquet"
    assert exports.write_parquet(path, [exports.trl_preference(pair())]) == 1
    assert parquet.read_table(path).to_pylist()[0]["chosen"] == "a.mp4"
    with pytest.raises(FileExistsError):
        exports.write_parquet(path, [])
