"""Golden scores of the shipped critic hold, and anything that moves a score breaks them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from critic_models.audit import golden as golden_module
from critic_models.audit.golden import (
    GOLDEN_FILE,
    SAFETY,
    check_golden,
    make_golden,
    read_golden,
    write_golden,
)
from critic_models.audit.golden_clips import golden_file, golden_frames
from critic_models.errors import CheckpointError, InputError
from critic_models.judging import EMBEDDED, Judge
from critic_models.video.sampling import Uniform
from critic_models.vlm.spec import Platt
from oracle_judge import OracleJudge

PATH = EMBEDDED["critic-nano"] / GOLDEN_FILE


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load("critic-nano", "cpu", "float32")


@pytest.fixture(scope="module")
def golden():
    return read_golden(PATH)


def changed(judge: Judge, **spec) -> Judge:
    return Judge(judge._model, judge._tokenizer, replace(judge.spec, **spec), judge.revision)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_shipped_critic_still_says_what_it_said(golden, dtype):
    found = check_golden(Judge.load("critic-nano", "cpu", dtype), golden)
    assert not found.moved, (found.largest_share, found.changes)
    assert len(found.compared) == len(golden.clip_ids) * len(golden.scores["file"]) * 3


@pytest.mark.parametrize(
    "mutant",
    [
        {"sampling": Uniform(7)},
        {"max_pixels": 15_000},
        {"min_pixels": 14_000},
        {"system": "You are strict."},
        {"min_answer_mass": 1.0},
    ],
    ids=lambda mutant: next(iter(mutant)),
)
def test_another_preparation_is_caught(judge, golden, mutant):
    found = check_golden(changed(judge, **mutant), golden)
    assert found.moved
    assert found.largest_share > 100


def test_another_calibration_is_caught_in_every_dtype(judge, golden):
    shifted = Platt(judge.spec.calibration["sharpness"].scale, 0.08)
    calibration = {**judge.spec.calibration, "sharpness": shifted}
    for dtype in ("float32", "bfloat16"):
        coarse = changed(Judge.load("critic-nano", "cpu", dtype), calibration=calibration)
        moved = check_golden(coarse, golden).moved
        assert {each.criterion for each in moved} == {"sharpness"}
        assert "calibration" in {each.quantity for each in moved}


def test_one_weight_that_drifts_is_caught(golden):
    """A kernel that is wrong in one place of one layer, as far as scores can tell."""
    judge = Judge.load("critic-nano", "cpu", "float32")
    with torch.no_grad():
        layer = judge._model.network.model.language_model.layers[1]
        layer.self_attn.v_proj.weight.mul_(1.001)
    assert check_golden(judge, golden).moved


def test_a_resize_by_another_rule_is_caught(judge, golden, monkeypatch):
    from critic_models.vlm import patches

    rule = patches.qwen_smart_resize

    def other_rule(height, width, factor, low, high):
        found = rule(height, width, factor, low, high)
        return found if height == width else found[::-1]

    monkeypatch.setattr(patches, "qwen_smart_resize", other_rule)
    assert check_golden(judge, golden).moved


def test_scores_of_other_things_are_not_compared(judge, golden):
    other = replace(golden, fingerprint=replace(golden.fingerprint, revision="another"))
    with pytest.raises(InputError, match="another; this is critic-nano"):
        check_golden(judge, other)
    with pytest.raises(InputError, match="no tolerance for float32; there is for float16"):
        check_golden(judge, replace(golden, tolerances={"float16": {}}))
    with pytest.raises(InputError, match="other clips"):
        check_golden(judge, replace(golden, clip_ids={**golden.clip_ids, "file": "0"}))
    criteria = {k: v for k, v in judge.spec.criteria.items() if k != "sharpness"}
    fewer = changed(judge, criteria=criteria, calibration={})
    with pytest.raises(InputError, match="other criteria; differing: sharpness"):
        check_golden(fewer, golden)


def test_tolerances_are_the_errors_of_the_dtype(judge, golden):
    """float32 again on this machine errs about as much as it did where the file was written."""
    found = check_golden(judge, golden)
    measured = [each.share for each in found.compared if each.quantity != "calibration"]
    assert 1 / SAFETY / 10 < max(measured) <= 1.0
    assert golden.tolerances["float32"]["yes_no raw"] < 1e-2
    assert golden.fingerprint.dtype == "float64"


def test_writing_and_reading_are_inverse(golden, tmp_path):
    write_golden(golden, tmp_path / "golden.json")
    assert read_golden(tmp_path / "golden.json") == golden
    assert PATH.stat().st_size < 64 * 2**10


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format": 1}', b"\xff"])
def test_what_is_no_golden_file_is_refused(tmp_path, data):
    path = tmp_path / "golden.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match="not a file of golden scores"):
        read_golden(path)
    content = json.loads(PATH.read_text())
    path.write_text(json.dumps({**content, "format": 2}))
    with pytest.raises(InputError, match="of format 2, not 1"):
        read_golden(path)


def test_the_clips_are_the_same_everywhere(golden):
    """Integers from a seed: these hashes hold on every processor, or NumPy's stream has changed."""
    digest = hashlib.sha256()
    for frames, fps in golden_frames().values():
        assert frames.dtype == np.uint8
        digest.update(frames.tobytes() + str(fps).encode())
    assert digest.hexdigest()[:16] == "abb78646f20bed85"
    sizes = {frames.shape[:3] for frames, _ in golden_frames().values()}
    assert (8, 128, 128) in sizes
    assert len(sizes) >= 3
    assert golden_file()[4:8] == b"ftyp"
    assert golden.file[4:8] == b"ftyp"


def test_a_tolerance_is_a_multiple_of_the_error_of_its_dtype():
    errors = {"float64": 0.0, "float32": 1e-6, "bfloat16": 1e-3}
    made = make_golden(lambda dtype: OracleJudge(lambda *about: 0.5 + errors[dtype]))
    for dtype in ("float32", "bfloat16"):
        assert made.tolerances[dtype] == pytest.approx(
            {"value": SAFETY * errors[dtype], "yes_no raw": SAFETY * 4 * errors[dtype]}, rel=1e-4
        )


def test_an_answer_that_is_lost_or_found_has_moved():
    class Sometimes(OracleJudge):
        answers = True

    judge = Sometimes(lambda clip, prompt, criterion: 0.75)
    judge.spec = replace(judge.spec, sampling=Uniform(8))
    made = make_golden(lambda dtype: judge)
    assert made.tolerances["float32"] == {"yes_no raw": 0.0, "value": 0.0}
    with_dtype = replace(made, tolerances={"float64": made.tolerances["float32"]})
    assert not check_golden(judge, with_dtype).moved
    silent = OracleJudge(lambda clip, prompt, criterion: None)
    silent.spec = judge.spec
    found = check_golden(silent, with_dtype)
    assert len(found.moved) == len(found.compared) * 2 / 3
    assert {each.found for each in found.moved} == {None}
    assert found.largest_share == float("inf")
    assert found.to_document()["moved"][0]["found"] is None


def test_a_dtype_that_loses_an_answer_cannot_be_golden():
    judges = {
        "float64": OracleJudge(lambda *about: 0.75),
        "float32": OracleJudge(lambda *about: None),
    }
    with pytest.raises(CheckpointError, match="answered in one of float64 and float32 only"):
        make_golden(judges.__getitem__)
    assert golden_module.DTYPES[0] == "float32"
