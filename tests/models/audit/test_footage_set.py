"""Defects on clips that the project did not render: cuts, labels, and what does not move."""

from __future__ import annotations

import numpy as np
import pytest
from critic_models.audit.footage_set import footage_set
from critic_models.audit.labelled import STATIC, LabelledSet
from critic_models.audit.labelling import criteria_of
from critic_models.audit.spoiled import RE_ENCODED
from critic_models.errors import ClipError, InputError
from critic_models.video.encode import encode_mp4
from critic_models.world import (
    FILMED,
    MOTION_CRITERIA,
    SPLITS,
    film,
    sample_take,
)
from critic_models.world.catalogue import NEED_MOTION
from oracle_judge import OracleJudge

FPS = 10.0


def rendered(index: int, size: tuple[int, int], num_frames: int) -> np.ndarray:
    split = SPLITS["val"]
    return film(sample_take(split.rng(index), split, 0.0), size, num_frames).frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clip of 6 s that moves, one of 1 s that does not, and a note."""
    root = tmp_path_factory.mktemp("footage")
    (root / "more").mkdir()
    picture = rendered(0, (96, 128), 1)[0]
    moving = np.stack([np.roll(picture, 2 * step, axis=1) for step in range(60)])
    still = np.repeat(moving[:1], 10, 0)
    (root / "moving.mp4").write_bytes(encode_mp4(moving, FPS))
    (root / "more" / "still.MP4").write_bytes(encode_mp4(still, FPS))
    (root / "note.txt").write_text("not a clip")
    return root


@pytest.fixture(scope="module")
def labelled(folder) -> LabelledSet:
    return footage_set(folder, 6)


def test_cuts_come_from_every_file_and_do_not_overlap(labelled, folder):
    originals = [key for key in labelled.sources if key.endswith(" s")]
    assert originals == [
        "more/still.MP4 from 0.0 s",
        *(f"moving.mp4 from {start:.1f} s" for start in (0.0, 2.0, 4.0)),
    ]
    judge = OracleJudge(lambda clip, prompt, criterion: 0.5)
    clip = labelled.sources[originals[1]](judge)
    assert clip.source_num_frames == 20
    assert clip.source_fps == pytest.approx(FPS)
    assert len(footage_set(folder, 2).sources) < len(labelled.sources)


def test_labels_compare_a_cut_only_with_itself(labelled):
    for pair in labelled.pairs:
        cut = next(key for key in labelled.sources if pair.a.clip.startswith(key))
        assert pair.b.clip.startswith(cut)
        assert pair.preference == ("tie" if pair.kind == RE_ENCODED else "a")
    assert {pair.kind for pair in labelled.pairs} == {*FILMED, RE_ENCODED}
    assert not labelled.grades_are_absolute
    assert not labelled.paraphrases
    ladder = [g for g in labelled.grades if (g.criterion, g.kind) == ("sharpness", "blur")]
    assert [g.grade for g in ladder[:3]] == sorted([g.grade for g in ladder[:3]], reverse=True)
    assert ladder[0].grade == 1.0
    assert len({g.ladder for g in ladder}) == len(ladder) / 3


def test_every_defect_of_recording_is_labelled_in_its_criteria(labelled):
    decided = {(pair.kind, pair.criterion) for pair in labelled.pairs if pair.preference == "a"}
    assert decided == {(defect, name) for defect in FILMED for name in criteria_of(defect)}
    ties = {pair.criterion for pair in labelled.pairs if pair.preference == "tie"}
    assert ties == {name for _, name in decided}, "a criterion with ties alone measures nothing"
    for pair in labelled.pairs:
        if pair.preference == "a" and pair.a.clip.count(pair.kind):
            milder, worse = (float(shown.clip.rsplit(" ", 1)[1]) for shown in (pair.a, pair.b))
            assert worse - milder >= 0.25 - 2e-3


def test_severity_is_what_tells_the_clips_of_a_ladder_apart(labelled):
    judge = OracleJudge(lambda clip, prompt, criterion: 0.5)
    cut = "moving.mp4 from 0.0 s"
    before = labelled.sources[cut](judge).frames.astype(float)
    for defect in ("blur", "noise", "exposure", "jitter"):
        keys = [key for key in labelled.sources if key.startswith(f"{cut} {defect} ")]
        away = [np.abs(labelled.sources[key](judge).frames - before).mean() for key in keys]
        assert len(away) == 2
        assert 0.0 < away[0] < away[1], defect


def test_only_what_moves_has_a_static_twin(labelled):
    assert {pair.group for pair in labelled.static_pairs} == {"moving.mp4"}
    assert not [key for key in labelled.sources if STATIC in key and "still" in key]
    assert {pair.criterion for pair in labelled.static_pairs} == set(MOTION_CRITERIA)


def test_only_what_moves_has_defects_of_motion(labelled):
    groups = {kind: {p.group for p in labelled.pairs if p.kind == kind} for kind in FILMED}
    for defect in FILMED:
        moving_only = {"moving.mp4"} if defect in NEED_MOTION else {"moving.mp4", "more/still.MP4"}
        assert groups[defect] == moving_only, defect


def test_large_frames_are_made_smaller(tmp_path):
    frames = rendered(1, (500, 640), 8)
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(encode_mp4(frames, 8.0, 30))
    judge = OracleJudge(lambda clip, prompt, criterion: 0.5)
    clip = footage_set(tmp_path, 2).sources["a.mp4 from 0.0 s"](judge)
    assert clip.frames.shape[1:3] == (480, 614)


def test_a_file_that_is_no_clip_is_named(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"this is no video")
    with pytest.raises(ClipError, match=r"broken\.mp4: "):
        footage_set(tmp_path, 4)


def test_a_folder_must_have_clips_that_last(tmp_path):
    with pytest.raises(InputError, match="has no clips"):
        footage_set(tmp_path, 4)
    frames = np.zeros((4, 64, 64, 3), np.uint8)
    (tmp_path / "short.mp4").write_bytes(encode_mp4(frames, 8.0))
    with pytest.raises(InputError, match="gives 0 cuts of 8 frames or more"):
        footage_set(tmp_path, 4)
