"""A critic from a directory: what loads, what does not, and what its scores depend on."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from critic_models.engine import Engine, EngineOptions
from critic_models.engine.budget import MOST_TOKENS
from critic_models.errors import CheckpointError, PromptError, UnknownName
from critic_models.judging import Judge
from critic_models.types import Clip
from critic_models.vlm.families import FAMILIES
from critic_models.vlm.spec import SPEC_FILE, CriticSpec, Platt, zero_shot_spec
from safetensors.torch import load_file, save_file
from tiny_critics import FAMILY_NAMES, save_tiny_checkpoint

CRITERIA = ["text_alignment", "sharpness", "visual_quality"]


def clip(seed: int, num_frames: int = 5, height: int = 60, width: int = 90) -> Clip:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)
    times = np.arange(num_frames) / 8
    return Clip(
        frames=frames,
        times_s=times,
        source_indices=np.arange(num_frames),
        source_num_frames=num_frames,
        source_fps=8.0,
        duration_s=num_frames / 8,
        clip_id=f"clip-{seed}",
        sampling="all",
    )


@pytest.fixture(scope="module", params=FAMILY_NAMES)
def judge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    directory = tmp_path_factory.mktemp("critic") / request.param
    save_tiny_checkpoint(directory, request.param)
    return Judge.load(str(directory), device="cpu")


def raw_scores(judge: Judge, clips: list[Clip], prompt: str = "a fox") -> list[list[float]]:
    items = [judge.pointwise(judge.prepare(c), prompt, CRITERIA) for c in clips]
    rows = []
    for answers in judge.run(items):
        assert isinstance(answers, tuple)
        rows.append([x for a in answers for x in a.logits])
    return rows


def test_a_general_checkpoint_is_a_zero_shot_judge(judge: Judge) -> None:
    assert judge.spec.positions == "mrope-v4"
    assert judge.fingerprint.dtype == "float32"
    items = [judge.pointwise(judge.prepare(clip(1)), "a fox")]
    (answers,) = judge.run(items)
    assert isinstance(answers, tuple)
    assert [a.criterion for a in answers] == list(judge.spec.default_criteria)
    for score in judge.scores(answers).values():
        assert (score.raw is None) == (score.reason is not None)
        assert score.answer_mass is None or 0 <= score.answer_mass <= 1


def test_neighbours_do_not_move_a_score(judge: Judge) -> None:
    """Measured in fp32 on a CPU: matrix products of other sizes may round differently."""
    alone = np.asarray(raw_scores(judge, [clip(1)]))
    neighbours = [clip(2, 9, 120, 50), clip(1), clip(3, 3)]
    together = np.asarray(raw_scores(judge, neighbours))
    assert np.abs(together[1] - alone[0]).max() < 2e-5
    shuffled = np.asarray(raw_scores(judge, neighbours[::-1]))
    assert np.abs(shuffled[::-1] - together).max() < 2e-5
    assert np.abs(together[0] - together[1]).max() > 1e-2, "other clips must score differently"


@pytest.mark.parametrize("model_type", FAMILY_NAMES)
def test_a_deterministic_judge_is_moved_by_no_neighbour(model_type: str, tmp_path: Path) -> None:
    directory = str(save_tiny_checkpoint(tmp_path / model_type, model_type))
    judge = Judge.load(directory, "cpu", options=EngineOptions(deterministic=True))
    assert judge.fingerprint.attention == "critic_flash_segmented/reference+deterministic"
    neighbours = [clip(2, 9, 120, 50), clip(1), clip(3, 3)]
    together = raw_scores(judge, neighbours)
    assert together == [raw_scores(judge, [each])[0] for each in neighbours]
    assert together == raw_scores(judge, neighbours[::-1])[::-1]


def test_a_clip_asked_about_again_is_not_encoded_again(judge: Judge) -> None:
    before = judge.engine_stats.vision_cache
    fresh = [clip(101), clip(102)]
    once = raw_scores(judge, fresh)
    assert raw_scores(judge, fresh) == once
    after = judge.engine_stats.vision_cache
    assert (after.hits - before.hits, after.misses - before.misses) == (2, 2)
    assert after.num_bytes > before.num_bytes


def test_options_reach_the_engine(directory: Path) -> None:
    options = EngineOptions(max_batch_tokens=300, vision_cache_bytes=0)
    judge = Judge.load(str(directory), "cpu", "float32", options)
    assert judge.max_batch_tokens == 300
    raw_scores(judge, [clip(1), clip(2), clip(1)])
    stats = judge.engine_stats
    assert stats.forwards > 1
    assert stats.max_batch_tokens == 300
    assert stats.vision_cache.max_bytes == 0
    assert Judge.load(str(directory), "cpu").max_batch_tokens == MOST_TOKENS["cpu"]


def test_what_was_chosen_runs_or_loading_fails(directory: Path) -> None:
    with pytest.raises(CheckpointError, match="attention 'flash' cannot run"):
        Judge.load(str(directory), "cpu", options=EngineOptions(attention="flash"))
    with pytest.raises(UnknownName, match="needs a CUDA device"):
        Judge.load(str(directory), "cpu", options=EngineOptions(frame_patches="triton"))


def test_frames_cut_by_the_engine_score_as_patches_cut_before(judge: Judge) -> None:
    """The way of a GPU, to which frames go as they are, on a CPU."""
    clips = [clip(1), clip(2, 9, 120, 50), clip(3, 3)]
    expected = raw_scores(judge, clips)
    as_frames = Judge(
        judge._model,
        judge._tokenizer,
        judge.spec,
        judge.revision,
        replace(EngineOptions().on(judge._model.device, torch.float32), frame_patches="triton"),
    )
    as_frames._engine = Engine(judge._model, 1 << 20, frame_patches="reference")
    prepared = as_frames.prepare(clips[0])
    assert prepared.patches is None
    assert prepared.frames is not None
    assert raw_scores(as_frames, clips) == expected


def test_the_prompt_moves_only_what_asks_for_it(judge: Judge) -> None:
    fox = np.asarray(raw_scores(judge, [clip(1)], "a fox")[0])
    dog = np.asarray(raw_scores(judge, [clip(1)], "a dog on ice")[0])
    assert np.abs(fox - dog)[:2].max() > 1e-4
    assert np.abs(fox - dog)[2:].max() < 2e-5


def test_both_orders_swap_exactly(judge: Judge) -> None:
    a, b = judge.prepare(clip(1)), judge.prepare(clip(2))
    ab = judge.run(judge.pairwise(a, b, "a fox", CRITERIA))
    ba = judge.run(judge.pairwise(b, a, "a fox", CRITERIA))
    assert all(isinstance(x, tuple) for x in (*ab, *ba))
    one = judge.preferences(*ab)  # type: ignore[arg-type]
    other = judge.preferences(*ba)  # type: ignore[arg-type]
    for name in CRITERIA:
        if one[name].p_win is None:
            continue
        assert one[name].p_win == pytest.approx(other[name].p_lose, abs=1e-6)
        assert one[name].p_tie == pytest.approx(other[name].p_tie, abs=1e-6)


def test_unknown_names_say_what_exists(judge: Judge) -> None:
    with pytest.raises(UnknownName) as raised:
        judge.pointwise(judge.prepare(clip(1)), "a fox", ["beauty"])
    assert "sharpness" in raised.value.details["allowed"]
    with pytest.raises(PromptError, match="text_alignment"):
        judge.pointwise(judge.prepare(clip(1)), None)
    with pytest.raises(UnknownName, match="critic-nano"):
        Judge.load("no-such-critic")
    with pytest.raises(UnknownName, match="no device"):
        Judge.load(str(Path(__file__).parent), device="abacus")


def test_a_prompt_of_too_many_tokens_is_refused(judge: Judge) -> None:
    """Characters are no bound: an emoji can be four tokens, and attention pays their square."""
    prepared = judge.prepare(clip(1))
    with pytest.raises(PromptError, match="at most 2048") as raised:
        judge.pointwise(prepared, "\N{VIDEO CAMERA}" * 2_000)
    assert raised.value.details["limit"] == "max_question_tokens"
    with pytest.raises(PromptError, match="at most 2048"):
        judge.pairwise(prepared, prepared, "\N{VIDEO CAMERA}" * 2_000)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return save_tiny_checkpoint(tmp_path / "critic")


def test_a_head_that_would_be_random_is_an_error(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="lm_head"):
        Judge.load(str(directory), device="cpu")


def test_pickled_weights_are_not_loaded(directory: Path) -> None:
    weights = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    torch.save(weights, directory / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="pickles are not loaded"):
        Judge.load(str(directory), device="cpu")


def test_other_architectures_are_refused_by_name(directory: Path) -> None:
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))
    with pytest.raises(CheckpointError, match="'llama' are not supported"):
        Judge.load(str(directory), device="cpu")


@pytest.mark.parametrize("file", ["config.json", SPEC_FILE])
@pytest.mark.parametrize("content", ["{", "[]", "3"])
def test_files_that_are_no_json_objects_are_named(directory: Path, file: str, content: str) -> None:
    (directory / file).write_text(content)
    with pytest.raises(CheckpointError, match=file):
        Judge.load(str(directory), device="cpu")


def test_the_revision_follows_the_weights(directory: Path) -> None:
    before = Judge.load(str(directory), device="cpu").revision
    weights = load_file(directory / "model.safetensors")
    weights["lm_head.weight"][0, 0] += 1
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    assert Judge.load(str(directory), device="cpu").revision != before


def spec() -> CriticSpec:
    return zero_shot_spec(Path("general"), FAMILIES["qwen3_vl"])


def test_specification_round_trips() -> None:
    content = json.loads(json.dumps(spec().to_json()))
    content["calibration"] = {"sharpness": {"scale": 0.5, "shift": 0.1}}
    again = CriticSpec.from_json(content)
    assert again.calibration["sharpness"] == Platt(0.5, 0.1)
    assert again.template_hash == spec().template_hash
    assert again.calibration_hash != spec().calibration_hash
    tighter = CriticSpec.from_json({**content, "tie_margin": 0.1})
    assert tighter.calibration_hash != again.calibration_hash
    assert again.sampling == spec().sampling


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format"),
        ({"surprise": 1}, "surprise"),
        ({"sampling": "sometimes"}, "sometimes"),
        ({"positions": "none"}, "positions"),
        ({"calibration": {"beauty": {"scale": 1, "shift": 0}}}, "beauty"),
        ({"calibration": {"sharpness": {"scale": -1, "shift": 0}}}, "rise"),
        ({"pairwise_answers": ["A", "B"]}, "tie"),
        ({"min_pixels": 0}, "pixel"),
    ],
)
def test_bad_specifications_are_refused(
    directory: Path, change: dict[str, object], message: str
) -> None:
    (directory / SPEC_FILE).write_text(json.dumps({**spec().to_json(), **change}))
    with pytest.raises(CheckpointError, match=message):
        Judge.load(str(directory), device="cpu")


def test_the_template_hash_follows_the_questions() -> None:
    content = spec().to_json()
    content["criteria"][0]["question"] += " Really?"
    assert CriticSpec.from_json(content).template_hash != spec().template_hash


def test_calibrations_are_monotone_and_bounded() -> None:
    platt = Platt(0.5, -1.0)
    values = [platt(x) for x in (-1e4, -3.0, 0.0, 3.0, 1e4)]
    assert values == sorted(values)
    assert all(0 <= v <= 1 and math.isfinite(v) for v in values)
