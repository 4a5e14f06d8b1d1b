"""AI feedback in small: binary and metric rewards, by weights and by pairs, of falls and hits.

`python -m examples.ai_feedback` compares reward-weighted regression and DPO (Furuta et al., arXiv
2412.02617), each on the critic's accept or reject and on a metric, with training on all of its own
clips alike. Labels come from `critic_client.labels.presets.ai_feedback`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from critic_client.labels import Pair, Sample, Weighted, presets
from torch import Tensor

from examples.common import loop, objectives
from examples.common.critic import Critic, open_critic
from examples.common.footage import DYNAMIC
from examples.common.generator import Generator
from examples.common.loop import Scale, Stage
from examples.common.objectives import Batch, PairBatch

REWARD = {"exposure_stability": 1.0, "steadiness": 1.0}
METRIC = "metric.flow_magnitude.opencv"
BETA, RATE, PAIRS_PER_GROUP = 40.0, 2e-4, 8

ABOUT = (
    "A generator of falling and colliding balls, improved on its own clips by weights (RWR) and by "
    "pairs (DPO). Binary: a clip is accepted where the critic says yes to every criterion of the "
    f"reward. Metric: the reward is `{METRIC}`, scaled and shifted to [0, 1] in each round. The "
    "arm `alike` learns from all of its clips with equal weight, and shows what training on one's "
    "own clips does without any feedback. Reward is the critic's, for every arm; all other figures "
    "are measured without it on fresh clips."
)


@dataclass(frozen=True)
class Arm:
    """One way to learn.

    Attributes:
        name: in the report.
        binary: whether the critic accepts or rejects; otherwise a metric is the reward.
        pairs: whether DPO learns from pairs; otherwise clips are weighted.
        blind: whether all clips weigh alike, whatever was said of them.
    """

    name: str
    binary: bool
    pairs: bool
    blind: bool = False


ARMS = (
    Arm("alike", binary=True, pairs=False, blind=True),
    Arm("rwr, binary", binary=True, pairs=False),
    Arm("dpo, binary", binary=True, pairs=True),
    Arm("rwr, metric", binary=False, pairs=False),
    Arm("dpo, metric", binary=False, pairs=True),
)


def main(arguments: Sequence[str] | None = None, metric: str = METRIC) -> None:
    """Run the loop and write its report.

    Args:
        arguments: of the command line; those of this process if None.
        metric: that is the reward of the metric arms.
    """
    options = loop.read_options("ai_feedback", ABOUT, REWARD, arguments, rounds=2)
    diary = loop.Diary("ai_feedback", "AI feedback: binary and metric rewards", ABOUT, options)
    with open_critic(options.url, options.reward) as critic:
        for seed in options.seeds:
            stage = loop.set_stage(DYNAMIC, options.scale, seed)
            diary.note_stage(stage, critic, options.scale, seed)
            start = loop.evaluate(stage, critic, stage.base, options.scale)
            for arm in ARMS:
                diary.note(arm.name, 0, seed, start)
                model = stage.copy_of_base()
                for number in range(1, options.scale.rounds + 1):
                    improve(stage, critic, model, options.scale, arm, metric, number, seed)
                    figures = loop.evaluate(stage, critic, model, options.scale)
                    diary.note(arm.name, number, seed, figures)
        diary.write(critic)


def improve(
    stage: Stage,
    critic: Critic,
    model: Generator,
    scale: Scale,
    arm: Arm,
    metric: str,
    number: int,
    seed: int,
) -> None:
    """Do one round: make clips, have them judged, label them and learn."""
    prompts = [
        stage.subjects[group % len(stage.subjects)].prompt
        for group in range(scale.groups)
        for _ in range(scale.candidates)
    ]
    latents = model.sample(prompts, 20_000 * (seed + 1) + number)
    samples = critic.judge(
        stage.latents.decode(latents),
        prompts,
        round=number,
        generator=f"{arm.name}-{number - 1}",
        reward=None if arm.binary else {metric: 1.0},
    )
    pairs, weighted = label(samples, scale.candidates, binary=arm.binary)
    reference = model.frozen()
    if arm.blind:
        weighted = [Weighted(row.sample, 1.0, "alike") for row in weighted]
    if not (pairs if arm.pairs else any(row.weight for row in weighted)):
        return  # nothing was told apart, and there is nothing to learn

    def loss(rng: torch.Generator) -> Tensor:
        if arm.pairs:
            drawn = pairs_of(pairs, latents).draw(scale.batch, rng)
            return objectives.diffusion_dpo(model, reference, drawn, BETA, rng)
        return objectives.likelihood(
            model, weights_of(weighted, latents).draw(scale.batch, rng), rng
        )

    objectives.train(model, loss, scale.steps, RATE, seed + number)


def label(
    samples: Sequence[Sample], candidates: int, *, binary: bool
) -> tuple[list[Pair], list[Weighted]]:
    """Label each group of candidates by the preset; what could not be judged is no label.

    A metric's weights are its rewards brought to [0, 1] over the round, which is the choice of
    scale and shift that the source leaves open.
    """
    judged = [accepted(sample) if binary else sample for sample in samples]
    rewards = [sample.reward for sample in judged if sample.reward is not None]
    scale, shift = 1.0, 0.0
    if not binary and rewards and max(rewards) > min(rewards):
        scale = 1 / (max(rewards) - min(rewards))
        # The least weight is zero, and not a rounding error below it.
        shift = -scale * min(rewards) + 1e-9
    made = [
        presets.ai_feedback(
            judged[i : i + candidates],
            binary=binary,
            scale=scale,
            shift=shift,
            most_pairs=PAIRS_PER_GROUP,
        )
        for i in range(0, len(judged), candidates)
    ]
    return [p for m in made for p in m.pairs], [w for m in made for w in m.weighted]


def accepted(sample: Sample) -> Sample:
    """Let the reward be P(yes) of the worst criterion, as all of them must accept a clip."""
    answers = [answer for answer in sample.answers.values() if answer is not None]
    if len(answers) < len(sample.answers) or not answers:
        return sample.with_reward(None, sample.reason or "a criterion has no yes or no")
    return sample.with_reward(min(answers))


def pairs_of(pairs: Sequence[Pair], latents: Tensor) -> PairBatch:
    """Find the clips of pairs, which are named by their positions."""
    chosen = latents[[int(pair.chosen.clip) for pair in pairs]]
    rejected = latents[[int(pair.rejected.clip) for pair in pairs]]
    return PairBatch(chosen, rejected, [pair.prompt for pair in pairs])


def weights_of(weighted: Sequence[Weighted], latents: Tensor) -> Batch:
    """Find the clips of weights, which are brought to a mean of one."""
    clips = latents[[int(row.sample.clip) for row in weighted]]
    weights = torch.tensor([row.weight for row in weighted])
    return Batch(clips, [row.sample.prompt for row in weighted], weights / weights.mean())


if __name__ == "__main__":
    main()
