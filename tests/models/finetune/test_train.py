from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from critic_models.finetune.config import SMOKE
from critic_models.finetune.data import RenderedData, stream
from critic_models.finetune.forward import Learner, patches_of
from critic_models.finetune.group import Member
from critic_models.finetune.model import build_network, whiten_patch_embedding
from critic_models.finetune.optimizer import Optimizer
from critic_models.finetune.tokenizer import train_tokenizer
from critic_models.finetune.train import LOG_FILE, RUN_FOLDER, SNAPSHOT_FILE, main, train
from critic_models.judging import Judge
from critic_models.video.load import load_clip
from critic_models.vlm.tokens import PromptTokenizer

TOKENIZER = train_tokenizer().to_str()

STORED = {"dense/roles": 0.6881, "dense/thing": 2.9528, "summary/defects": 0.6386}
"""Mean losses of a smoke run; they change with the recipe and with nothing else."""


def rows_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / LOG_FILE).read_text().splitlines()]


@pytest.fixture(scope="module")
def critic(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("critic")
    assert main(SMOKE, out) == {}
    return out


def test_the_recipe_gives_the_stored_losses(critic):
    (row,) = rows_of(critic / RUN_FOLDER)
    assert row["step"] == SMOKE.steps
    assert {name: row[name] for name in STORED} == pytest.approx(STORED, rel=0.01)


def test_training_leaves_the_processor_as_it_was(critic):
    """Flushed denormals would be zero in all that the process does later."""
    smallest = torch.tensor([torch.finfo(torch.float32).tiny / 4])
    assert (smallest * 1.0).item() > 0.0


def test_the_exported_critic_judges(critic):
    judge = Judge.load(str(critic), device="cpu")
    frames = np.random.default_rng(0).integers(0, 256, (8, 48, 64, 3), np.uint8)
    item = judge.pointwise(
        judge.prepare(load_clip(frames, judge.sampling, fps=8.0)), "a red circle moves left"
    )
    (answers,) = judge.run([item])
    assert set(judge.scores(answers)) == set(judge.spec.default_criteria)


def test_the_export_is_small_and_complete(critic):
    names = {path.name for path in critic.iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "critic.json",
        "model.safetensors",
        "run",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    }


@pytest.mark.slow
def test_a_run_ends_with_calibration_audit_and_card(tmp_path):
    config = dataclasses.replace(SMOKE, calibration_pairs=2, audit_pairs=2)
    report = main(config, tmp_path)
    judge = Judge.load(str(tmp_path), device="cpu")
    (figures,) = report.values()
    criteria = set(judge.spec.criteria)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    # A network of a few steps answers little; what it does not answer has no figure.
    assert set(figures) <= criteria
    assert set(judge.spec.calibration) <= criteria
    assert "## How good it is" in card
    assert all(f"| {name} |" in card for name in criteria)
    assert "critic audit critic-nano --pairs 2" in card


def test_a_stopped_run_continues_as_if_it_had_not(tmp_path):
    whole, _ = train(SMOKE, tmp_path / "whole")
    # A budget of the same length, so that the schedule is the same; stopped by a full disk.
    stopping = dataclasses.replace(SMOKE, snapshot_every_s=0.0)

    class FullDisk(Exception):
        pass

    import critic_models.finetune.train as recipe

    def stop_at_four(out, learner, optimizer, run, snapshot=recipe._snapshot):
        snapshot(out, learner, optimizer, run)
        if run.step == 4:
            raise FullDisk

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "_snapshot", stop_at_four)
        with pytest.raises(FullDisk):
            train(stopping, tmp_path / "parts")
    state = torch.load(tmp_path / "parts" / SNAPSHOT_FILE, weights_only=True)
    assert state["step"] == 4
    resumed, run = train(SMOKE, tmp_path / "parts")
    assert run.step == SMOKE.steps
    for (name, a), (_, b) in zip(
        whole.state_dict().items(), resumed.state_dict().items(), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-5), name


def test_a_finished_run_is_not_trained_further(tmp_path):
    config = dataclasses.replace(SMOKE, steps=2, minutes=1e-9)
    first, run = train(config, tmp_path)
    assert run.step == 1
    again, run = train(config, tmp_path)
    assert run.step == 1
    for (name, a), (_, b) in zip(
        first.state_dict().items(), again.state_dict().items(), strict=True
    ):
        assert torch.equal(a, b), name


def test_batches_are_a_function_of_their_step():
    first, again = RenderedData(SMOKE, TOKENIZER)[3], RenderedData(SMOKE, TOKENIZER)[3]
    assert torch.equal(first.frames, again.frames)
    assert torch.equal(first.ids, again.ids)
    assert torch.equal(first.answer_shares, again.answer_shares)
    assert not torch.equal(first.frames, RenderedData(SMOKE, TOKENIZER)[4].frames)


def test_a_worker_process_renders_the_same_batches():
    (rendered,) = stream(dataclasses.replace(SMOKE, workers=1), TOKENIZER, 3, 4)
    here = RenderedData(SMOKE, TOKENIZER)[3]
    assert torch.equal(rendered.frames, here.frames)
    assert torch.equal(rendered.ids, here.ids)
    assert rendered.tree.shape == here.tree.shape


def test_answers_of_a_batch_are_distributions():
    batch = RenderedData(SMOKE, TOKENIZER)[1]
    sums = batch.answer_shares.sum(-1)
    assert torch.allclose(sums[batch.weights > 0], torch.ones(()))
    assert (sums[batch.weights == 0] == 0).all()
    assert batch.answer_shares.min() >= 0


def test_ranks_of_a_batch_name_what_is_better():
    batch = RenderedData(SMOKE, TOKENIZER)[1]
    assert len(batch.ranks) == len(batch.rank_topics) > 0
    for (clip, question, other, instead), topic in zip(
        batch.ranks.tolist(), batch.rank_topics, strict=True
    ):
        # The better one leans more to the first pole.
        shares = []
        for row, column in ((clip, question), (other, instead)):
            ids = batch.answer_ids[row, column].tolist()
            sign = dict(zip(batch.poles[row, column].tolist(), (1.0, -1.0), strict=True))
            share = batch.answer_shares[row, column].tolist()
            shares.append(sum(s * sign.get(i, 0.0) for i, s in zip(ids, share, strict=True)))
        assert shares[0] > shares[1], topic


def test_whitening_gives_every_filter_unit_variance():
    network = build_network(SMOKE.network, PromptTokenizer(TOKENIZER), seed=0)
    patches = patches_of(RenderedData(SMOKE, TOKENIZER)[0].frames)
    whiten_patch_embedding(network, patches)
    response = network.model.visual.patch_embed(patches)
    assert response.mean(0).abs().max() < 1e-2
    assert ((response.std(0) - 1).abs() < 0.2).float().mean() > 0.9


def test_every_parameter_is_moved_by_one_optimiser():
    network = build_network(SMOKE.network, PromptTokenizer(TOKENIZER), seed=0)
    learner = Learner(network, SMOKE.network.summary_layer)
    optimizer = Optimizer(learner, SMOKE, Member())
    groups = [g for o in (optimizer._muon, optimizer._adamw) for g in o.param_groups]
    held = [id(p) for group in groups for p in group["params"]]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in learner.parameters()}


def test_the_learning_rate_warms_up_holds_and_falls():
    config = dataclasses.replace(SMOKE, warmup_steps=10, decay_share=0.4, fixed_tower_share=0.3)
    network = build_network(SMOKE.network, PromptTokenizer(TOKENIZER), seed=0)
    learner = Learner(network, SMOKE.network.summary_layer)
    optimizer = Optimizer(learner, config, Member())

    def rates(step: int, share: float) -> dict[str, float]:
        optimizer.set_rate(step, share)
        groups = optimizer._adamw.param_groups
        return {group["part"]: group["lr"] / config.other_lr for group in groups}

    assert rates(0, 0.0)["language"] == pytest.approx(0.1)
    assert rates(20, 0.3)["language"] == pytest.approx(1.0)
    assert rates(90, 0.8)["language"] == pytest.approx(0.5)
    assert 0 < rates(100, 1.0)["language"] < 0.05
    # The tower has come to rest where it is left as it is.
    assert rates(65, 0.65)["tower"] == pytest.approx(0.5)
    assert 0 < rates(70, 0.7)["tower"] < 0.05
