from __future__ import annotations

import cv2
import numpy as np
import pytest
from critic_models.world.stage import SPLITS
from critic_models.world.stage.__main__ import main
from critic_models.world.stage.catalogue import SLOTS
from critic_models.world.stage.sheet import write_sheets


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
