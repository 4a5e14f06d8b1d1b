from __future__ import annotations

import cv2
import numpy as np
import pytest
from critic_models.video.load import load_clip
from critic_models.video.sampling import AllFrames
from critic_models.world import SPLITS
from critic_models.world.__main__ import main
from critic_models.world.catalogue import SLOTS
from critic_models.world.sheet import write_sheets


def test_the_rate_is_printed_with_and_without_defects(capsys):
    main(["--rate", "--clips", "2"])
    without, having = capsys.readouterr().out.splitlines()
    assert without.startswith("without defects: ")
    assert having.startswith("with defects: ")
    assert "clips/s of 8 frames of 128×128 on one core" in without


def test_sheets_films_and_captions_are_written(tmp_path):
    files = write_sheets(tmp_path / "new", SPLITS["test"], 1, ["rest", "fall"], ["exposure"])
    assert [path.name for path in files] == ["actions.png", "exposure.png", "captions.txt"]
    sheet = cv2.imread(str(files[0]))
    assert sheet.shape == (2 * 144, 8 * 128, 3)
    assert np.ptp(sheet) > 100
    assert len(files[2].read_text(encoding="utf-8").splitlines()) == len(SLOTS)
    assert (tmp_path / "new" / "exposure.mp4").stat().st_size > 1000


def test_one_task_is_needed(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "--sheet" in capsys.readouterr().err


def test_a_film_is_written_with_its_caption(tmp_path, capsys):
    clean, spoiled = tmp_path / "clean.mp4", tmp_path / "spoiled.mp4"
    small = ["--index", "3", "--size", "64x48", "--frames", "8"]
    main([str(clean), *small])
    main([str(spoiled), *small, "--defect", "noise=1.0"])
    first, second = capsys.readouterr().out.splitlines()
    assert first.removeprefix(str(clean)).split(";")[1] == " no defect"
    assert second.removeprefix(str(spoiled)).split(";")[1] == " noise=1.0"
    frames = [load_clip(path, AllFrames()).frames.astype(float) for path in (clean, spoiled)]
    assert frames[0].shape == (8, 48, 64, 3)
    roughness = [np.abs(np.diff(f, axis=2)).mean() for f in frames]
    assert roughness[1] > 1.5 * roughness[0]


@pytest.mark.parametrize("defect", ["scratch=1", "blur=2", "blur=x"])
def test_a_defect_that_cannot_be_is_refused(tmp_path, capsys, defect):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "out.mp4"), "--defect", defect])
    assert "error:" in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()
