"""Training and serving compute the same: one clip, one question, two implementations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from critic_models.finetune.checkpoint import export
from critic_models.finetune.config import SMOKE
from critic_models.finetune.data import Batch, RenderedData
from critic_models.finetune.forward import Learner
from critic_models.finetune.model import build_network
from critic_models.finetune.questions import CRITERIA, PAIRWISE_QUESTION, QUALITY
from critic_models.finetune.tokenizer import train_tokenizer
from critic_models.finetune.tree import TreeShape
from critic_models.judging import Judge
from critic_models.video.load import load_clip
from critic_models.vlm.prompts import build_branch
from critic_models.vlm.tokens import PromptTokenizer

TOKENIZER = train_tokenizer().to_str()


@pytest.fixture(scope="module")
def learner() -> Learner:
    """A network whose weights are coarse enough to survive bfloat16, and its logits spread."""
    network = build_network(SMOKE.network, PromptTokenizer(TOKENIZER), seed=1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_((parameter * 4).to(torch.bfloat16).float())
    return Learner(network, SMOKE.network.summary_layer).eval()


@pytest.fixture(scope="module")
def judge(learner, tmp_path_factory) -> Judge:
    out = tmp_path_factory.mktemp("critic")
    export(learner.network, TOKENIZER, SMOKE, out)
    return Judge.load(str(out), device="cpu", dtype="float32")


@pytest.fixture(scope="module", params=[(128, 128), (96, 160)], ids=str)
def batch(request) -> Batch:
    config = dataclasses.replace(SMOKE, clip_sizes=(request.param,))
    return RenderedData(config, TOKENIZER)[5]


def served(
    judge: Judge, frames: np.ndarray, seconds: list[float], names: list[str]
) -> list[np.ndarray]:
    """Logits of the quality criteria's answers, by the engine, at the batch's timestamps."""
    prepared = judge.prepare(load_clip(frames, judge.sampling, fps=8.0))
    grid = dataclasses.replace(prepared.grid, seconds=tuple(seconds))
    item = judge.pointwise(dataclasses.replace(prepared, grid=grid), None, names)
    (answers,) = judge.run([item])
    return [np.asarray(answer.logits) for answer in answers]


def seconds_of(batch: Batch, clip: int) -> list[float]:
    """Read the timestamps back from the prompt, so that serving is asked about the same ones."""
    tokenizer = train_tokenizer()
    prefix = batch.ids[clip, : batch.tree.shape.prefix].tolist()
    text = tokenizer.decode(prefix, skip_special_tokens=True)
    return [float(part.split(" seconds")[0]) for part in text.split("<")[1:]]


@torch.no_grad()
def trained(learner: Learner, batch: Batch) -> torch.Tensor:
    return learner.answer(batch, learner.look(batch))[0]


def asked_of(batch: Batch, clip: int) -> list[str]:
    return [topic for topic in batch.topics[clip] if topic in QUALITY]


def largest_difference(learner: Learner, judge: Judge, batch: Batch) -> float:
    logits = trained(learner, batch)
    tokenizer = PromptTokenizer(TOKENIZER)
    worst = 0.0
    for clip in range(len(batch.frames)):
        names = asked_of(batch, clip)
        frames = batch.frames[clip].numpy()
        # Served clips have each frame once; the critic's sampling doubles it.
        once = np.concatenate([frames[:1], frames[1::2]])
        expected = served(judge, once, seconds_of(batch, clip), names)
        for question, name in enumerate(names):
            ids = tokenizer.answer_ids(CRITERIA[name].answers)
            ours = logits[clip, question, ids].numpy()
            worst = max(worst, float(np.abs(ours - expected[question]).max()))
    return worst


def test_training_and_serving_agree(learner, judge, batch):
    assert len(asked_of(batch, 0)) == SMOKE.quality_questions
    assert trained(learner, batch).std() > 0.3
    assert largest_difference(learner, judge, batch) < 1e-3


def test_the_comparison_notices_wrong_positions(learner, judge, batch):
    positions = batch.tree.positions.clone()
    positions[:, batch.tree.shape.prefix :] += 5
    tree = dataclasses.replace(batch.tree, positions=positions)
    assert largest_difference(learner, judge, dataclasses.replace(batch, tree=tree)) > 1e-2


def test_the_comparison_notices_branches_that_see_each_other(learner, judge, batch):
    shape = batch.tree.shape
    joined = TreeShape(shape.prefix, tuple((1, count * length) for count, length in shape.groups))
    tree = dataclasses.replace(batch.tree, shape=joined)
    assert largest_difference(learner, judge, dataclasses.replace(batch, tree=tree)) > 1e-2


def test_the_comparison_notices_frames_in_another_order(learner, judge, batch):
    swapped = dataclasses.replace(batch, frames=batch.frames.flip(1))
    logits = trained(learner, batch)
    assert (trained(learner, swapped) - logits).abs().max() > 1e-2


def test_padding_of_a_branch_is_never_seen(learner, batch):
    pad = PromptTokenizer(TOKENIZER).special_id("<|endoftext|>")
    assert (batch.ids == pad).any()
    ids = torch.where(batch.ids == pad, torch.full_like(batch.ids, pad + 1), batch.ids)
    changed = trained(learner, dataclasses.replace(batch, ids=ids))
    assert torch.equal(changed, trained(learner, batch))


def test_branches_are_what_serving_would_write(batch):
    tokenizer = PromptTokenizer(TOKENIZER)
    texts = [CRITERIA[name].question for name in asked_of(batch, 0)]
    shape = batch.tree.shape
    count, length = shape.groups[0]
    assert count == len(texts) + SMOKE.open_questions
    for index, text in enumerate(texts):
        row = shape.prefix + index * length
        branch = build_branch(tokenizer, text)
        assert batch.ids[0, row : row + len(branch)].tolist() == branch.tolist()
        assert batch.ends[0, index] == row + len(branch) - 1


def test_the_exported_critic_asks_the_pairwise_question_of_training(judge):
    assert judge.spec.pairwise_question == PAIRWISE_QUESTION


def test_heads_on_patch_ends_see_the_past_only(learner, batch):
    with torch.no_grad():
        _, summary = learner.answer(batch, learner.look(batch))
        frames = batch.frames.clone()
        frames[:, -2:] = 255 - frames[:, -2:]
        changed = dataclasses.replace(batch, frames=frames)
        _, other = learner.answer(changed, learner.look(changed))
    for name, values in summary.items():
        assert torch.allclose(values[:, :-1], other[name][:, :-1], atol=1e-6), name
    changed_by = (summary["defects"][:, -1] - other["defects"][:, -1]).abs().max()
    assert changed_by > 3e-6
    assert summary["so_far"].shape[1] == SMOKE.num_frames - 1
