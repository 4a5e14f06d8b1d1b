"""What the loops share: options, a pretrained generator with its truth, and its evaluation."""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from examples.common import objectives, truth
from examples.common.critic import Critic, mean_reward
from examples.common.footage import NUM_FRAMES, Footage, Subject, shoot
from examples.common.generator import Generator, words_of
from examples.common.latents import Latents
from examples.common.objectives import Batch
from examples.common.report import Line, write_report

RESULTS = Path(__file__).parents[1] / "results"
_EVALUATION_SEED = 90_001
_HELD_OUT_SEED = 70_001


@dataclass(frozen=True)
class Scale:
    """How much work a run is.

    Attributes:
        clips: that the generator and the examiner are taught with.
        components: of the latents.
        pretraining, examining: steps.
        groups, candidates: prompts of a round, and clips of each.
        steps: of improving, in each round.
        batch: clips or pairs of a step.
        evaluated: clips that are measured and judged of each state.
        rounds: of the loop.
    """

    clips: int = 800
    components: int = 64
    pretraining: int = 1200
    examining: int = 300
    groups: int = 16
    candidates: int = 8
    steps: int = 80
    batch: int = 32
    evaluated: int = 64
    rounds: int = 3


SMOKE = Scale(24, 8, 4, 4, 3, 3, 2, 4, 8, 1)


@dataclass(frozen=True)
class Options:
    """What a command line asks for."""

    url: str | None
    reward: dict[str, float]
    seeds: tuple[int, ...]
    scale: Scale
    out: Path
    arguments: str


def read_options(
    name: str, what: str, reward: dict[str, float], arguments: Sequence[str] | None, rounds: int = 3
) -> Options:
    """Read the command line of one loop.

    Args:
        name: of the loop.
        what: it does, for `--help`.
        reward: if none is named.
        arguments: without the program's name; those of this process if None.
        rounds: if not said.
    """
    parser = argparse.ArgumentParser(f"python -m examples.{name}", description=what)
    parser.add_argument(
        "--url", help="a service that runs; one with critic-nano is started if none"
    )
    parser.add_argument("--reward", help="A=W,B=W,…: criteria or metrics, and their weights")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--threads", type=int, default=1, help="of this process")
    parser.add_argument("--smoke", action="store_true", help="seconds, and no figure to be kept")
    parser.add_argument("--out", type=Path, help="folder of the report; examples/results if none")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    if given.reward:
        pairs = (entry.partition("=") for entry in given.reward.split(","))
        reward = {criterion.strip(): float(weight or 1) for criterion, _, weight in pairs}
    scale = SMOKE if given.smoke else Scale(rounds=given.rounds)
    out = given.out or (Path("build/examples") if given.smoke else RESULTS)
    seeds = tuple(int(seed) for seed in given.seeds.split(","))
    return Options(
        url=given.url,
        reward=reward,
        seeds=seeds[:1] if given.smoke else seeds,
        scale=scale,
        out=out,
        arguments=" ".join(f"{key}={value}" for key, value in reward.items()),
    )


@dataclass(frozen=True, eq=False)
class Stage:
    """A generator that was taught on mixed footage, and what is true of what it makes.

    Attributes:
        subjects: that it knows.
        latents: in which it works.
        base: the generator as pretrained.
        footage: it was taught with.
        examiner: tells what clips show.
        skill: of the examiner on clips it never saw: share of right subjects, and correlation of
            shakes.
    """

    subjects: tuple[Subject, ...]
    latents: Latents
    base: Generator
    footage: Footage
    examiner: truth.Examiner
    skill: tuple[float, float]

    @property
    def real(self) -> Batch:
        """The footage of pretraining, good and bad, as the generator reads it."""
        return Batch(self.latents.encode(self.footage.frames), self.footage.captions)

    def copy_of_base(self) -> Generator:
        return copy.deepcopy(self.base)


def set_stage(subjects: Sequence[Subject], scale: Scale, seed: int) -> Stage:
    """Film footage, and teach a generator and an examiner from it."""
    footage = shoot(subjects, scale.clips, seed)
    held_out = shoot(subjects, max(scale.clips // 4, 16), _HELD_OUT_SEED + seed)
    latents = Latents.fit(footage.frames, scale.components, seed)
    torch.manual_seed(seed)
    words = (word for caption in footage.captions for word in words_of(caption))
    base = Generator(words, NUM_FRAMES, scale.components)
    data = Batch(latents.encode(footage.frames), footage.captions)
    for share, rate in ((0.7, 1e-3), (0.3, 3e-4)):
        steps = max(1, round(share * scale.pretraining))

        def loss(rng: torch.Generator) -> Tensor:
            return objectives.likelihood(base, data.draw(2 * scale.batch, rng), rng)

        objectives.train(base, loss, steps, rate, seed)
    examiner = truth.train_examiner(footage, len(subjects), seed, scale.examining)
    skill = truth.examine(examiner, held_out)
    return Stage(tuple(subjects), latents, base, footage, examiner, skill)


def evaluate(stage: Stage, critic: Critic, model: Generator, scale: Scale) -> dict[str, float]:
    """Measure and judge fresh clips of each subject; equal noise for all models.

    Args:
        stage: what the model works in.
        critic: whose reward is reported beside the truth.
        model: makes the clips.
        scale: how many.
    """
    order = np.arange(scale.evaluated) % len(stage.subjects)
    read = [stage.subjects[i].prompt for i in order]
    clips = stage.latents.decode(model.sample(read, _EVALUATION_SEED))
    return look(stage, critic, clips, order)


def look(stage: Stage, critic: Critic, clips: np.ndarray, subjects: np.ndarray) -> dict[str, float]:
    """Measure and judge clips that were to show subjects."""
    asked = [stage.subjects[i].prompt for i in subjects]
    reward = mean_reward(critic.judge(clips, asked))
    found = truth.measure(clips, subjects, stage.examiner)
    return {"reward": reward, **{name: getattr(found, name) for name in truth.NAMES}}


def yardsticks(
    stage: Stage, critic: Critic, scale: Scale, seed: int
) -> dict[str, dict[str, float]]:
    """Measure and judge what was filmed: without defects, and as the generator was taught."""
    rows = {}
    for label, rate in (("filmed without defects", 0.0), ("filmed as taught", 0.5)):
        footage = shoot(stage.subjects, scale.evaluated, _HELD_OUT_SEED + 500 + seed, rate)
        # Through the latents, because no generator can show more than they hold.
        clips = stage.latents.decode(stage.latents.encode(footage.frames))
        rows[label] = look(stage, critic, clips, footage.subjects)
    return rows


class Diary:
    """Gathers the lines of a report over seeds, and writes it."""

    def __init__(self, name: str, title: str, about: str, options: Options) -> None:
        self._name, self._title, self._about, self._options = name, title, about, options
        self._lines: list[Line] = []
        self._skills: list[tuple[float, float]] = []
        self._began_s = time.monotonic()

    def note(self, arm: str, round: int | None, seed: int, figures: dict[str, float]) -> None:
        """Keep one state of one arm; yardsticks have no round."""
        self._lines.append(Line(arm, round, seed, figures))

    def note_stage(self, stage: Stage, critic: Critic, scale: Scale, seed: int) -> None:
        """Keep the examiner's skill and the yardsticks."""
        self._skills.append(stage.skill)
        for label, figures in yardsticks(stage, critic, scale, seed).items():
            self.note(label, None, seed, figures)

    def write(self, critic: Critic) -> Path:
        """Write the report with its plot, say where it is, and return its path."""
        info = critic.client.info()
        judge = info.critics[0]
        right, shakes = (float(np.mean(column)) for column in zip(*self._skills, strict=True))
        facts = [
            f"critic: {judge.name}, revision `{judge.revision[:16]}`, "
            f"fingerprint `{judge.fingerprint.id}`",
            f"reward: {self._options.arguments}",
            f"seeds: {', '.join(map(str, self._options.seeds))}; "
            f"rounds: {self._options.scale.rounds}",
            f"examiner on unseen clips: {right:.3f} of subjects right, correlation of shakes "
            f"{shakes:.3f}",
            f"time: {time.monotonic() - self._began_s:.0f} s",
        ]
        path = self._options.out / f"{self._name}.md"
        write_report(path, self._title, self._about, facts, self._lines)
        sys.stdout.write(f"{path}\n")
        return path
