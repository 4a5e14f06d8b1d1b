"""Train critic-nano: the vision tower by dense supervision first, then everything by questions.

`main` is the whole recipe: train, export, calibrate, evaluate, write the card.

One process renders, one trains. A run writes a log of its losses and a snapshot every few minutes,
and continues from the last snapshot when it is started again with the same folder.
"""

from __future__ import annotations

import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from critic_models.audit.run import Audit, audit
from critic_models.audit.world_set import world_set
from critic_models.engine.device import choose_device
from critic_models.finetune.accuracy import Accuracy
from critic_models.finetune.calibrate import calibrate
from critic_models.finetune.card import RunFacts, write_card
from critic_models.finetune.checkpoint import export, write_json
from critic_models.finetune.config import TrainConfig
from critic_models.finetune.data import Batch, RenderedData, stream
from critic_models.finetune.denormals import denormals_flushed
from critic_models.finetune.forward import Learner, patches_of
from critic_models.finetune.group import Member, together
from critic_models.finetune.inherit import inherit
from critic_models.finetune.losses import answer_loss, dense_loss, rank_loss, summary_loss
from critic_models.finetune.memory import keep_freed_memory
from critic_models.finetune.model import build_network, whiten_patch_embedding
from critic_models.finetune.optimizer import Optimizer
from critic_models.finetune.tokenizer import train_tokenizer
from critic_models.judging import Judge
from critic_models.vlm.spec import SPEC_FILE
from critic_models.vlm.tokens import PromptTokenizer

log = logging.getLogger(__name__)

RUN_FOLDER = "run"
CARD_FILE = "README.md"
SNAPSHOT_FILE = "snapshot.pt"
LOG_FILE = "train.jsonl"
LOG_EVERY_STEPS = 50
_MAX_STEPS = 10_000_000

Progress = Callable[[dict[str, Any]], None]
Report = dict[str, dict[str, Accuracy]]


@dataclass
class Run:
    """Where a run stands."""

    step: int = 0
    elapsed_s: float = 0.0

    def share(self, config: TrainConfig) -> float:
        """How much of the budget is used, in [0, 1]."""
        shares = []
        if config.steps is not None:
            shares.append(self.step / config.steps)
        if config.minutes is not None:
            shares.append(self.elapsed_s / (60.0 * config.minutes))
        return min(1.0, max(shares))


def main(config: TrainConfig, out_dir: Path, progress: Progress | None = None) -> Report:
    """Train a critic and write it to `out_dir`, ready for `Judge.load`.

    Args:
        config: of the run.
        out_dir: gets the critic; its subfolder `run` gets log and snapshot, from which a run that
            was stopped continues.
        progress: called with a row of the log every few steps.

    Returns:
        Accuracies without ties on held-out clips by criterion, under one heading; empty where the
        configuration asks for none.
    """
    learner, run = train(config, out_dir / RUN_FOLDER, progress)
    export(learner.network, train_tokenizer().to_str(), config, out_dir)
    parameters = sum(p.numel() for p in learner.network.parameters())
    facts = RunFacts(run.step, run.elapsed_s / 60.0, parameters)
    audited = finish(config, out_dir, facts)
    if audited is None:
        return {}
    figures = {name: each.accuracy for name, each in audited.criteria.items()}
    return {
        "held-out clips": {
            name: Accuracy(round(each.value * each.n), each.n)
            for name, each in figures.items()
            if each is not None
        }
    }


def finish(config: TrainConfig, out_dir: Path, facts: RunFacts) -> Audit | None:
    """Calibrate an exported critic on validation clips and audit it on held-out ones.

    What was found is written beside it, as its card.
    """
    if config.calibration_pairs:
        judge = Judge.load(str(out_dir), device="cpu")
        spec = calibrate(judge, world_set(config.calibration_pairs, "val"))
        write_json(out_dir / SPEC_FILE, spec.to_json())
    judge = Judge.load(str(out_dir), device="cpu")
    audited = audit(judge, world_set(config.audit_pairs)) if config.audit_pairs else None
    (out_dir / CARD_FILE).write_text(
        write_card(judge.spec, config, facts, audited), encoding="utf-8"
    )
    return audited


def train(config: TrainConfig, out: Path, progress: Progress | None = None) -> tuple[Learner, Run]:
    """Run the schedule to its end, from the last snapshot in `out` if there is one.

    Returns:
        The trained learner, in evaluation mode, and where the run ended.
    """
    out.mkdir(parents=True, exist_ok=True)
    with together(config.processes, out, _train, config, out) as member:
        return _train(member, config, out, progress)


@denormals_flushed()
def _train(
    member: Member, config: TrainConfig, out: Path, progress: Progress | None = None
) -> tuple[Learner, Run]:
    """Be one process of a run."""
    keep_freed_memory()
    torch.set_num_threads(config.threads)
    device = choose_device(config.device)
    tokenizer_json = train_tokenizer().to_str()
    network = build_network(config.network, PromptTokenizer(tokenizer_json), config.seed)
    learner = Learner(network, config.network.summary_layer).to(device)
    optimizer = Optimizer(learner, config, member)
    run = Run()
    resumed = _resume(out, learner, optimizer, run)
    if resumed and run.share(config) >= 1.0:
        return learner.eval(), run
    if not resumed and config.start_from is not None:
        _start_from(learner, tokenizer_json, Path(config.start_from))
    elif not resumed:
        first = RenderedData(config, tokenizer_json)[0]
        whiten_patch_embedding(learner.network, patches_of(first.frames.to(device)))
    examined = RenderedData(config, tokenizer_json, "val")
    last_snapshot_s = last_exam_s = run.elapsed_s
    means: dict[str, list[float]] = defaultdict(list)
    learner.train()
    began = time.monotonic() - run.elapsed_s
    last = config.steps or _MAX_STEPS
    for drawn in stream(config, tokenizer_json, run.step, last, member.rank):
        batch = drawn.to(device)
        share = run.share(config)
        asks = share >= config.tower_share
        tower = share < 1.0 - config.fixed_tower_share
        if asks and not optimizer.asks:
            optimizer.start_asking(run.step)
        optimizer.set_rate(run.step, share)
        detached = run.step < optimizer.asks_since + config.detached_steps
        for name, value in _step(learner, optimizer, batch, config, asks, tower, detached):
            means[name].append(value)
        run.step += 1
        run.elapsed_s = member.agree(time.monotonic() - began)
        done = run.share(config) >= 1.0
        if member.leads:
            if run.step % LOG_EVERY_STEPS == 0 or run.step == config.steps:
                _report(out, config, run, means, progress)
                means.clear()
            if done or run.elapsed_s - last_snapshot_s >= config.snapshot_every_s:
                _snapshot(out, learner, optimizer, run)
                last_snapshot_s = run.elapsed_s
            if asks and run.elapsed_s - last_exam_s >= config.exam_every_s:
                _report(out, config, run, _exam(learner, examined, config, device), progress)
                last_exam_s = run.elapsed_s
        if done:
            break
    return learner.eval(), run


def _start_from(learner: Learner, tokenizer_json: str, path: Path) -> None:
    if path.is_dir():
        inherit(learner.network, tokenizer_json, path)
        return
    state = torch.load(path, weights_only=True)
    learner.load_state_dict(state["learner"])


def _step(
    learner: Learner,
    optimizer: Optimizer,
    batch: Batch,
    config: TrainConfig,
    asks: bool,
    tower: bool,
    detached: bool,
) -> Iterator[tuple[str, float]]:
    """Take one step; yields the losses by name.

    Args:
        asks: whether the language model learns.
        tower: whether the vision tower does.
        detached: whether it is then moved by the dense heads alone.
    """
    with _precision(config, batch.frames.device):
        with nullcontext() if tower else torch.no_grad():
            features = learner.look(batch)
        loss = torch.zeros((), device=batch.frames.device)
        if tower:
            loss, parts = dense_loss(learner.predict(features), batch.dense)
            yield from ((f"dense/{name}", value) for name, value in parts.items())
        if asks:
            if detached:
                features = [f.detach() for f in features]
            logits, summary = learner.answer(batch, features)
            summed, parts = summary_loss(summary, batch.dense)
            answers, each = answer_loss(
                logits, batch.answer_ids, batch.answer_shares, batch.weights
            )
            ranked, ahead = rank_loss(logits, batch.poles, batch.ranks)
            loss = (
                config.dense_weight * loss
                + config.summary_weight * summed
                + config.answer_weight * answers
                + config.rank_weight * ranked
            )
            yield from ((f"summary/{name}", value) for name, value in parts.items())
            for topics, values, weights in zip(
                batch.topics, each.tolist(), batch.weights.tolist(), strict=True
            ):
                known = zip(topics, values, weights, strict=True)
                yield from ((f"answer/{t}", v) for t, v, weight in known if weight)
            yield from _wins(batch, ahead)
    loss.backward()
    yield "gradient_norm", optimizer.step()
    yield "loss", loss.item()


def _precision(config: TrainConfig, device: torch.device) -> AbstractContextManager[Any]:
    if config.autocast == "none":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _wins(batch: Batch, ahead: torch.Tensor) -> Iterator[tuple[str, float]]:
    for topic, lead in zip(batch.rank_topics, ahead.tolist(), strict=True):
        yield f"wins/{topic}", float(lead > 0)


@torch.no_grad()
def _exam(
    learner: Learner, data: RenderedData, config: TrainConfig, device: torch.device
) -> dict[str, list[float]]:
    """Ask about validation clips; shares of pairs in the right order, by what they test."""
    learner.eval()
    wins: dict[str, list[float]] = defaultdict(list)
    for index in range(config.exam_batches):
        batch = data[index].to(device)
        with _precision(config, device):
            logits, _ = learner.answer(batch, learner.look(batch))
        _, ahead = rank_loss(logits, batch.poles, batch.ranks)
        for name, value in _wins(batch, ahead):
            wins[f"exam/{name.partition('/')[2]}"].append(value)
    learner.train()
    return wins


def _report(
    out: Path,
    config: TrainConfig,
    run: Run,
    means: Mapping[str, list[float]],
    progress: Progress | None,
) -> None:
    row: dict[str, Any] = {
        "step": run.step,
        "clips": run.step * config.batch_clips,
        "elapsed_s": round(run.elapsed_s, 1),
        "share": round(run.share(config), 4),
    }
    row |= {name: round(sum(v) / len(v), 4) for name, v in sorted(means.items())}
    with (out / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    if progress is not None:
        progress(row)


def _snapshot(out: Path, learner: Learner, optimizer: Optimizer, run: Run) -> None:
    state = {
        "learner": learner.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": run.step,
        "elapsed_s": run.elapsed_s,
    }
    partial = out / (SNAPSHOT_FILE + ".partial")
    torch.save(state, partial)
    partial.replace(out / SNAPSHOT_FILE)


def _resume(out: Path, learner: Learner, optimizer: Optimizer, run: Run) -> bool:
    path = out / SNAPSHOT_FILE
    if not path.is_file():
        return False
    state = torch.load(path, weights_only=True)
    learner.load_state_dict(state["learner"])
    optimizer.load_state_dict(state["optimizer"])
    run.step, run.elapsed_s = int(state["step"]), float(state["elapsed_s"])
    log.info("continuing from step %d", run.step)
    return True
