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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from critic_models.finetune.calibrate import calibrate
from critic_models.finetune.card import RunFacts, write_card
from critic_models.finetune.checkpoint import export, nano_spec, write_json
from critic_models.finetune.config import TrainConfig
from critic_models.finetune.data import Batch, stream
from critic_models.finetune.evaluate import Accuracy, evaluate
from critic_models.finetune.forward import Learner, patches_of
from critic_models.finetune.losses import answer_loss, dense_loss
from critic_models.finetune.memory import keep_freed_memory
from critic_models.finetune.model import build_network, whiten_patch_embedding
from critic_models.finetune.optimizer import Optimizer
from critic_models.finetune.scoring import ENCODED, RENDERED, Presentation
from critic_models.finetune.tokenizer import train_tokenizer
from critic_models.judging import Judge
from critic_models.vlm.spec import SPEC_FILE
from critic_models.vlm.tokens import PromptTokenizer
from critic_models.world.splits import SplitName

log = logging.getLogger(__name__)

RUN_FOLDER = "run"
CARD_FILE = "README.md"
EVALUATED: tuple[tuple[SplitName, Presentation], ...] = (
    ("val", RENDERED),
    ("test", RENDERED),
    ("test", ENCODED),
)
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
        Accuracies by split and presentation, empty where the configuration asks for no evaluation.
    """
    learner, run = train(config, out_dir / RUN_FOLDER, progress)
    export(learner.network, train_tokenizer().to_str(), config, out_dir)
    parameters = sum(p.numel() for p in learner.network.parameters())
    facts = RunFacts(run.step, run.elapsed_s / 60.0, parameters)
    return finish(config, out_dir, facts)


def finish(config: TrainConfig, out_dir: Path, facts: RunFacts) -> Report:
    """Calibrate and evaluate an exported critic, and write what was found beside it."""
    judge = Judge.load(str(out_dir), device="cpu")
    if config.calibration_clips:
        calibration = calibrate(judge, config.calibration_clips)
        spec = nano_spec(config.num_frames, calibration)
        write_json(out_dir / SPEC_FILE, spec.to_json())
    report: Report = {}
    if config.evaluation_pairs:
        for split, presentation in EVALUATED:
            heading = f"{split}: {presentation.name}"
            report[heading] = evaluate(judge, split, config.evaluation_pairs, presentation)
    card = write_card(judge.spec, config, facts, report)
    (out_dir / CARD_FILE).write_text(card, encoding="utf-8")
    return report


def train(config: TrainConfig, out: Path, progress: Progress | None = None) -> tuple[Learner, Run]:
    """Run the schedule to its end, from the last snapshot in `out` if there is one.

    Returns:
        The trained learner, in evaluation mode, and where the run ended.
    """
    keep_freed_memory()
    torch.set_num_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer_json = train_tokenizer().to_str()
    learner = Learner(build_network(config.network, PromptTokenizer(tokenizer_json), config.seed))
    optimizer = Optimizer(learner, config)
    run = Run()
    resumed = _resume(out, learner, optimizer, run)
    if resumed and run.share(config) >= 1.0:
        return learner.eval(), run
    last_snapshot_s = run.elapsed_s
    means: dict[str, list[float]] = defaultdict(list)
    learner.train()
    began = time.monotonic() - run.elapsed_s
    for batch in stream(config, tokenizer_json, run.step, config.steps or _MAX_STEPS):
        if not resumed and run.step == 0:
            whiten_patch_embedding(learner.network, patches_of(batch.frames))
        share = run.share(config)
        asks = share >= config.tower_share
        if asks and not optimizer.asks:
            optimizer.start_asking(run.step)
        optimizer.set_rate(run.step, share)
        for name, value in _step(learner, optimizer, batch, config, asks).items():
            means[name].append(value)
        run.step += 1
        run.elapsed_s = time.monotonic() - began
        if run.step % LOG_EVERY_STEPS == 0 or run.step == config.steps:
            _report(out, config, run, means, progress)
            means.clear()
        if run.elapsed_s - last_snapshot_s >= config.snapshot_every_s:
            _snapshot(out, learner, optimizer, run)
            last_snapshot_s = run.elapsed_s
        if run.share(config) >= 1.0:
            break
    _snapshot(out, learner, optimizer, run)
    return learner.eval(), run


def _step(
    learner: Learner, optimizer: Optimizer, batch: Batch, config: TrainConfig, asks: bool
) -> dict[str, float]:
    """Take one step; returns the losses by name."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = learner.look(batch)
        loss, parts = dense_loss(learner.predict(features), batch.dense)
        losses = {f"dense/{name}": value for name, value in parts.items()}
        if asks:
            if batch.step < optimizer.asks_since + config.detached_steps:
                features = [f.detach() for f in features]
            logits = learner.answer(batch, features)
            weights = torch.tensor([config.weight_of(topic) for topic in batch.topics])
            answers, each = answer_loss(logits, batch.answer_ids, batch.answer_shares, weights)
            loss = config.dense_weight * loss + config.answer_weight * answers
            losses |= {f"answer/{t}": v for t, v in zip(batch.topics, each.tolist(), strict=True)}
    loss.backward()
    losses["gradient_norm"] = optimizer.step()
    losses["loss"] = loss.item()
    return losses


def _report(
    out: Path,
    config: TrainConfig,
    run: Run,
    means: dict[str, list[float]],
    progress: Progress | None,
) -> None:
    row: dict[str, Any] = {
        "step": run.step,
        "clips": run.step * config.batch_clips,
        "elapsed_s": round(run.elapsed_s, 1),
        "share": round(run.share(config), 4),
    }
    row |= {name: round(sum(values) / len(values), 4) for name, values in means.items()}
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
