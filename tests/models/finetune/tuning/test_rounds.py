from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from critic_models.errors import InputError
from critic_models.finetune.tuning import rounds
from critic_models.finetune.tuning.rounds import (
    Candidate,
    Labelled,
    Round,
    label_pairs,
    write_round,
)
from critic_models.finetune.tuning.views import Shifted, View, draw_views, look
from critic_models.judging import Judge
from critic_models.rows import PairRow, Source, read_rows
from critic_models.types import Preference, Side
from critic_models.video.load import load_clip
from critic_models.video.sampling import AllFrames, AtRate, Middle, Uniform, chosen_indices
from hypothesis import given
from hypothesis import strategies as st

PLAIN, LATER = View(), View(phase=0.5)
CROPPED = View(crop=0.9, place=(1.0, 0.0))


@given(
    st.sampled_from([Uniform(4), Uniform(1), AtRate(2.0, 4, 64), Middle(5), AllFrames()]),
    st.floats(0, 0.999),
    st.integers(1, 60),
)
def test_a_shifted_policy_keeps_the_promises_of_its_own(policy, phase, frames):
    times = np.arange(frames) / 8.0
    plain = chosen_indices(policy, frames, 8.0, times)
    shifted = chosen_indices(Shifted(policy, phase), frames, 8.0, times)
    assert len(shifted) == len(plain)
    assert (shifted >= plain).all()
    assert Shifted(policy, phase).name != policy.name


def test_a_phase_of_one_half_shows_the_frames_between():
    times = np.arange(16) / 8.0
    assert Uniform(4).indices(16, 8.0, times).tolist() == [0, 5, 10, 15]
    assert Shifted(Uniform(4), 0.5).indices(16, 8.0, times).tolist() == [2, 7, 12, 15]


def test_views_show_other_pixels_under_another_name(clips):
    sampling = Uniform(2)
    plain = look(clips[0].path, sampling, PLAIN)
    served = load_clip(clips[0].path, sampling)
    assert plain.clip_id == served.clip_id
    assert np.array_equal(plain.frames, served.frames)
    cropped = look(clips[0].path, sampling, CROPPED)
    assert cropped.frames.shape == (2, 58, 58, 3)
    assert np.array_equal(cropped.frames, plain.frames[:, 6:, :58])
    later = look(clips[0].path, sampling, LATER)
    assert len({plain.clip_id, cropped.clip_id, later.clip_id}) == 3
    other_words = look(clips[0].path, sampling, View(wording=1))
    assert other_words.clip_id == plain.clip_id, "the same pixels are encoded once"


def test_drawn_views_begin_with_the_plain_one_and_repeat_by_seed():
    views = draw_views(6, num_wordings=3, seed=2)
    assert views[0] == PLAIN
    assert views == draw_views(6, num_wordings=3, seed=2)
    assert len(set(views)) == 6
    assert all(0.85 <= view.crop <= 1 for view in views)
    assert {view.wording for view in views} <= {0, 1, 2}


def said(side: Side, share: float) -> Preference:
    rest = (1 - share) / 2
    win, tie, lose = (share if side == s else rest for s in ("a", "tie", "b"))
    return Preference("brightness", win, tie, lose, side, 1.0, "pairwise", 1.0)


@pytest.fixture
def critics(monkeypatch: pytest.MonkeyPatch, critic: Path) -> tuple[Judge, Judge]:
    """A critic that prefers whatever its script says, and a reference without an opinion."""
    judges = Judge.load(str(critic), device="cpu"), Judge.load(str(critic), device="cpu")
    script: dict[str, list[tuple[Side, float]]] = {
        "sure": [("a", 0.98)] * 4,
        "unsure": [("b", 0.4)] * 4,
        "divided": [("a", 0.9), ("b", 0.9), ("a", 0.9), ("b", 0.9)],
        "mostly": [("tie", 0.9), ("tie", 0.9), ("tie", 0.9), ("b", 0.4)],
    }

    def compare(judge, candidate, view, settings):
        if judge is judges[1]:
            return said("a", 1 / 3)
        side, share = script[candidate.prompt][list(settings.views).index(view)]
        return said(side, share)

    monkeypatch.setattr(rounds, "_compare", compare)
    return judges


VIEWS = draw_views(4)
CANDIDATES = [
    Candidate("a.mp4", "b.mp4", prompt, "brightness")
    for prompt in ("sure", "unsure", "divided", "mostly")
]


def test_labels_that_agree_and_are_certain_are_kept_with_their_origin(critics):
    judge, reference = critics
    labelled = label_pairs(judge, reference, CANDIDATES, Round(3, VIEWS, {}))
    assert [(row.prompt, row.preference.a, row.preference.tie) for row in labelled.rows] == [
        ("sure", 1.0, 0.0),
        ("mostly", 0.0, 1.0),
    ]
    # Log-ratios against one third: ln 2.94, ln 1.2, and a mean of three views' ln 2.7 and one's
    # share of the rest; their mean is Q.
    rewards = np.log(3) + np.asarray(
        [np.log(0.98), np.log(0.4), (3 * np.log(0.9) + np.log(0.3)) / 4]
    )
    expected = 1 / (1 + np.exp(-(rewards - rewards.mean())))
    sure, mostly = labelled.rows
    assert sure.weight == pytest.approx(expected[0])
    assert mostly.weight == pytest.approx(expected[2])
    assert mostly.source["agreement"] == 0.75
    assert mostly.source["round"] == 3
    assert mostly.source["revision"] == judge.revision
    assert [(r.number, r.reason[:9]) for r in labelled.rejects] == [
        (2, "certainty"),
        (3, "0% of the"),
    ]


def test_a_critic_against_itself_labels_nothing(critics):
    judge, _ = critics
    labelled = label_pairs(judge, judge, CANDIDATES, Round(1, VIEWS, {}))
    assert not labelled.rows
    assert len(labelled.rejects) == 4


def test_real_clips_are_judged_in_every_view_and_wording(critic, clips, tmp_path):
    judge = Judge.load(str(critic), device="cpu")
    candidates = [
        Candidate(str(clips[0].path), str(clips[1].path), None, "brightness"),
        Candidate(str(clips[0].path), str(tmp_path / "absent.mp4"), None, "brightness"),
    ]
    settings = Round(
        1,
        draw_views(3, num_wordings=2),
        {"brightness": ("brightness", "exposure")},
        min_agreement=0.0,
        min_certainty=0.0,
    )
    labelled = label_pairs(judge, judge, candidates, settings)
    assert [r.number for r in labelled.rejects if "absent" in r.reason] == [2]
    assert all(row.weight == pytest.approx(0.5) for row in labelled.rows)
    # The two orders of a pair are averaged: exchanging the clips exchanges the label.
    swapped = [Candidate(str(clips[1].path), str(clips[0].path), None, "brightness")]
    other = label_pairs(judge, judge, swapped, settings)
    assert [row.preference.swapped for row in other.rows] == [
        row.preference for row in labelled.rows
    ]


def test_a_round_is_written_once_and_read_back(tmp_path, clips):
    row = PairRow(
        a=str(clips[0].path),
        b=str(clips[1].path),
        criterion="brightness",
        preference=rounds._SIDES["tie"],
        weight=0.75,
        source={"round": 1, "revision": "abc"},
    )
    path = write_round(tmp_path, 1, Labelled([row], []))
    (read,) = read_rows([Source(path, clips_root=clips[0].path.parent)]).rows
    assert isinstance(read, PairRow)
    assert (read.preference, read.weight, read.source) == (row.preference, 0.75, row.source)
    before = path.read_bytes()
    with pytest.raises(InputError, match="never written twice"):
        write_round(tmp_path, 1, Labelled([], []))
    assert path.read_bytes() == before
    write_round(tmp_path, 2, Labelled([], []))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["round-001", "round-002"]
    assert json.loads(before)["source"]["round"] == 1
