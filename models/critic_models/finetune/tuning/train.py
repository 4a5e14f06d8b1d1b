"""Train a Qwen-VL checkpoint on labelled rows; `main` is the whole recipe.

Read and check the rows, train with accelerate on as many devices as it was launched on, merge and
export, calibrate on validation rows, measure the export, write the card.

Everything random in a step is a function of seed, step and device, and so is the choice of cases: a
run that is taken up again from its snapshot goes on as if it had not stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from critic_models.errors import EngineError, InputError
from critic_models.finetune.tuning.calibration import calibrate
from critic_models.finetune.tuning.card import RunFacts, write_card
from critic_models.finetune.tuning.clips import check_clips
from critic_models.finetune.tuning.config import PARTS, RowsConfig
from critic_models.finetune.tuning.data import Classroom, StepLessons, stream
from critic_models.finetune.tuning.evaluate import (
    Answered,
    Figures,
    answer_cases,
    better_method,
    measure,
    unanswered,
)
from critic_models.finetune.tuning.export import export, tuned_spec, write_spec
from critic_models.finetune.tuning.lessons import Lesson, case_weight
from critic_models.finetune.tuning.libraries import require
from critic_models.finetune.tuning.parts import optimizer, tune
from critic_models.finetune.tuning.plan import (
    cases_of_step,
    learning_rate_share,
    num_steps,
    spread,
)
from critic_models.finetune.tuning.prepare import prepare
from critic_models.finetune.tuning.snapshot import load_snapshot, run_key, save_snapshot
from critic_models.finetune.tuning.student import TERMS, Student
from critic_models.judging import EMBEDDED, Judge
from critic_models.rows.read import write_rejects
from critic_models.video.sampling import Sampling
from critic_models.vlm.families import family_of
from critic_models.vlm.model import load_model
from critic_models.vlm.spec import load_spec, read_json_object
from critic_models.vlm.tokens import PromptTokenizer

log = logging.getLogger(__name__)

RUN_FOLDER = "run"
CARD_FILE = "README.md"
LOG_FILE = "train.jsonl"
REJECTS_FILE = "rejects.jsonl"
PROGRESS_EVERY_STEPS = 10
_WAIT_FOR_OTHERS = datetime.timedelta(hours=6)

Progress = Callable[[dict[str, Any]], None]


def main(config: RowsConfig, out_dir: Path, progress: Progress | None = None) -> Figures:
    """Train a critic and write it to `out_dir`, ready for `Judge.load`.

    Args:
        config: of the run.
        out_dir: gets the critic; its subfolder `run` gets log, rejects and snapshot, from which a
            run that was stopped continues.
        progress: called with every tenth row of the log and with every evaluation, in the process
            of the first device.

    Returns:
        Accuracies of the exported critic on validation rows; on other processes, nothing.

    Raises:
        InputError: where configuration or rows cannot be used, or a library is missing.
        CheckpointError: where the checkpoint to begin with cannot be used.
        EngineError: where gradients are not finite.
    """
    run = Run(config, out_dir, progress)
    run.train()
    return run.finish()


class Run:
    """One run, from the checkpoint it begins with to the critic it exports."""

    def __init__(self, config: RowsConfig, out_dir: Path, progress: Progress | None) -> None:
        accelerate = require("accelerate")
        if any(config.part(part).tuning == "lora" for part in PARTS):
            require("peft")
        self.config = config
        self.out = out_dir
        self._progress = progress
        # Precision is the student's own: accelerate's is one for all runs of a process.
        self._accelerator = accelerate.Accelerator(
            mixed_precision="no",
            kwargs_handlers=[accelerate.InitProcessGroupKwargs(timeout=_WAIT_FOR_OTHERS)],
        )
        if config.cases_per_step < self._accelerator.num_processes:
            raise InputError("cases_per_step must be at least the number of devices")
        self._broadcast = accelerate.utils.broadcast_object_list
        self._gather = accelerate.utils.gather_object
        self._folder.mkdir(parents=True, exist_ok=True)

        self._base = EMBEDDED.get(config.critic, Path(config.critic))
        if not self._base.is_dir():
            raise InputError(f"no critic {config.critic!r} to begin with: it is no folder")
        self.tokenizer = PromptTokenizer.from_directory(self._base)
        family = family_of(read_json_object(self._base / "config.json").get("model_type"))
        spec = load_spec(self._base, family)
        self.prepared = prepare(config, spec, self.tokenizer, self._bad_clips)
        if self._is_first:
            write_rejects(self._folder / REJECTS_FILE, self.prepared.rejects)
        dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[config.weight_dtype]
        self.critic, self._revision = load_model(self._base, self._accelerator.device, dtype)

    @property
    def _folder(self) -> Path:
        return self.out / RUN_FOLDER

    @property
    def _is_first(self) -> bool:
        return bool(self._accelerator.is_main_process)

    def train(self) -> None:
        """Take all steps, from the last snapshot if there is one."""
        config, accelerator, cases = self.config, self._accelerator, self.prepared.train
        self.tuned = tune(self.critic.network, config)
        moves = optimizer(self.tuned, config)
        key = run_key(config, self._revision, cases)
        start = load_snapshot(self._folder, key, self.tuned, moves)
        if config.gradient_checkpointing:
            _checkpoint_activations(self.critic.network)
        student = Student(
            self.critic,
            config.losses.tie_theta,
            recompute_answers=config.gradient_checkpointing,
            low_precision=config.precision == "bf16",
        )
        student, moves = accelerator.prepare(student, moves)
        steps = num_steps(config, len(cases))
        lessons = StepLessons(
            self._classroom(), cases, accelerator.process_index, accelerator.num_processes
        )
        began = time.monotonic()
        student.train()
        for step, taught in enumerate(stream(lessons, start, steps, config.workers), start):
            for group in moves.param_groups:
                group["lr"] = group["peak"] * learning_rate_share(config, step, steps)
            row = self._step(student, moves, step, taught)
            done = step + 1
            self._log(
                {"step": done, "share": done / steps, "elapsed_s": time.monotonic() - began, **row}
            )
            if _due(done, config.evaluate_every_steps) and done < steps:
                self._log({"step": done, "share": done / steps, **self._evaluate(student)})
            if done == steps or _due(done, config.snapshot_every_steps):
                accelerator.wait_for_everyone()
                if self._is_first:
                    save_snapshot(self._folder, key, done, self.tuned, moves)
        self.steps = steps

    def _step(
        self, student: Any, moves: Any, step: int, lessons: Sequence[Lesson]
    ) -> dict[str, float]:
        """Take one step; returns the losses by name, over all devices."""
        accelerator, config = self._accelerator, self.config
        cases = self.prepared.train
        total = sum(
            case_weight(cases[i], config.losses) for i in cases_of_step(config, len(cases), step)
        )
        if total == 0:
            raise InputError("the weights of the losses leave nothing to learn from these rows")
        torch.manual_seed(_seed(config.seed, step, accelerator.process_index))
        sums: dict[str, torch.Tensor] = {}
        for position, lesson in enumerate(lessons):
            last = position == len(lessons) - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(student):
                terms = student(lesson)
                # Gradients are averaged over devices; the loss is a mean over the whole step.
                loss = sum(terms[term] for term in TERMS) * (accelerator.num_processes / total)
                accelerator.backward(loss)
            for name, value in terms.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach()
        norm = accelerator.clip_grad_norm_(
            list(self.tuned.parameters.values()), config.clip_gradient
        )
        if not torch.isfinite(norm):
            raise EngineError(f"the gradients of step {step} are not finite")
        moves.step()
        moves.zero_grad()
        everywhere = accelerator.reduce(torch.stack([sums[n].float() for n in sorted(sums)]))
        found = dict(zip(sorted(sums), everywhere.tolist(), strict=True))
        row = {"loss": sum(found[term] for term in TERMS) / total, "gradient_norm": float(norm)}
        return row | {t: found[t] / found[f"{t}_weight"] for t in TERMS if found[f"{t}_weight"] > 0}

    def _evaluate(self, student: Any) -> dict[str, Any]:
        """Measure the network as it is on some validation cases, each device its share."""
        cases = spread(self.prepared.validation, self.config.evaluation_cases)
        rank, world = self._accelerator.process_index, self._accelerator.num_processes
        spec = tuned_spec(self.prepared.spec, self.config, self.prepared.train)
        student.eval()
        judge = Judge(self.critic, self.tokenizer, self.prepared.spec, "in training")
        own = answer_cases(judge, cases[rank::world])
        student.train()
        answered = Answered(self._gather(list(own.points)), self._gather(list(own.pairs)))
        figures = measure(answered, spec)
        return {
            f"{heading}: {name}": accuracy.share
            for heading, group in figures.items()
            for name, accuracy in group.items()
        }

    def finish(self) -> Figures:
        """Export, calibrate and measure the critic, and write what was found beside it."""
        self._accelerator.wait_for_everyone()
        if not self._is_first:
            return {}
        config, prepared = self.config, self.prepared
        spec = tuned_spec(prepared.spec, config, [*prepared.train, *prepared.validation])
        network = self.tuned.merge()
        export(network, self.critic.family, self._base, spec, config, self.out)
        # Room for the critic that is loaded from the files.
        network.to("cpu")
        self._accelerator.free_memory()
        judge = Judge.load(str(self.out), device=self._accelerator.device.type)
        answered = answer_cases(judge, prepared.validation)
        spec = calibrate(spec, answered)
        figures = measure(answered, spec)
        if config.pairwise_method is None:
            spec = dataclasses.replace(spec, pairwise_method=better_method(figures))
        write_spec(spec, self.out)
        facts = RunFacts(
            base=config.critic,
            revision=self._revision,
            steps=self.steps,
            prepared=prepared,
            unanswered=unanswered(answered),
        )
        card = write_card(spec, config, facts, figures)
        (self.out / CARD_FILE).write_text(card, encoding="utf-8")
        return figures

    def _bad_clips(self, paths: Sequence[str], sampling: Sampling) -> dict[str, str]:
        """Check all clips on one process, and tell the others."""
        found: list[Any] = [None]
        if self._is_first:
            found = [check_clips(paths, sampling, max(1, self.config.workers))]
        self._broadcast(found)
        reasons: dict[str, str] = found[0]
        return reasons

    def _classroom(self) -> Classroom:
        return Classroom(
            config=self.config,
            spec=self.prepared.spec,
            tokenizer_json=(self._base / "tokenizer.json").read_text(encoding="utf-8"),
            model_type=self.critic.family.model_type,
            shape=self.critic.vision_shape,
            patch_dtype=self.critic.dtype,
        )

    def _log(self, row: dict[str, Any]) -> None:
        if not self._is_first:
            return
        row = {k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()}
        with (self._folder / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        shown = "loss" not in row or row["step"] % PROGRESS_EVERY_STEPS == 0 or row["share"] == 1.0
        if self._progress is not None and shown:
            self._progress(row)


def _checkpoint_activations(network: Any) -> None:
    # transformers renamed it in 5.23; the arguments are the same.
    enable = getattr(network, "activation_checkpointing_enable", None)
    (enable or network.gradient_checkpointing_enable)({"use_reentrant": False})


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _seed(seed: int, step: int, rank: int) -> int:
    state = np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)
    return int(state[0]) % 2**63
