"""Defects on clips that the project did not render: cuts, labels, and what does not move."""

from __future__ import annotations

import numpy as np
import pytest
from critic_models.audit.footage_set import footage_set
from critic_models.audit.labelled import STATIC, LabelledSet
from critic_models.audit.spoiled import RE_ENCODED
from critic_models.errors import ClipError, InputError
from critic_models.video.encode import encode_mp4
from critic_models.world import DEFECTS, SPLITS, render, sample_scene
from oracle_judge import OracleJudge

FPS = 10.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A clip of 6 s that moves, one of 1 s that does not, and a note."""
    split = SPLITS["val"]
    root = tmp_path_factory.mktemp("footage")
    (root / "more").mkdir()
    picture = render(sample_scene(split.rng(0), split), (96, 128), 1)[0]
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
        assert pair.b.clip.startswith(pair.a.clip)
        assert pair.preference == ("tie" if pair.kind == RE_ENCODED else "a")
    assert {pair.kind for pair in labelled.pairs} == {*DEFECTS, RE_ENCODED}
    assert not labelled.grades_are_absolute
    assert not labelled.paraphrases
    ladder = [g for g in labelled.grades if (g.criterion, g.kind) == ("sharpness", "blur")]
    assert [g.grade for g in ladder[:4]] == sorted([g.grade for g in ladder[:4]], reverse=True)
    assert ladder[0].grade == 1.0
    assert len({g.ladder for g in ladder}) == len(ladder) / 4


def test_only_what_moves_has_a_static_twin(labelled):
    assert {pair.group for pair in labelled.static_pairs} == {"moving.mp4"}
    assert not [key for key in labelled.sources if STATIC in key and "still" in key]


def test_large_frames_are_made_smaller(tmp_path):
    split = SPLITS["val"]
    frames = render(sample_scene(split.rng(1), split), (500, 640), 8)
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
