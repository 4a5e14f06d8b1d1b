"""IPO in small: three rounds of Diffusion-DPO, and of Diffusion-KTO, on a critic's preferences.

`python -m examples.ipo` starts a service with critic-nano, teaches a generator on footage of which
half has each defect, and lets it make, have judged and learn, with the real-data term of IPO
(arXiv 2502.02088). Labels come from `critic_client.labels.presets.ipo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from critic_client.labels import Pair, Sample, Signed, presets
from torch import Tensor

from examples.common import loop, objectives
from examples.common.critic import Critic, open_critic
from examples.common.footage import MOVING
from examples.common.generator import Generator
from examples.common.loop import Scale, Stage
from examples.common.objectives import Batch, PairBatch

REWARD = {"exposure_stability": 1.0, "steadiness": 1.0}
DPO_BETA, KTO_BETA, RATE = 40.0, 40.0, 2e-4
CHOSEN_WEIGHT, REAL_WEIGHT = 0.1, 0.5
"""Of the likelihoods of preferred clips and of real ones; the source's own are not published."""

ABOUT = (
    "A generator that was taught on flickering and shaking footage as well as on good footage, "
    "improved by a critic's preferences among its own clips, in rounds. Real data is the footage "
    "of pretraining, defects included, so that its term holds the generator and teaches nothing "
    "new. Reward is the critic's; all other figures are measured without it on fresh clips."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the loop and write its report."""
    options = loop.read_options("ipo", ABOUT, REWARD, arguments)
    diary = loop.Diary("ipo", "IPO: preferences in rounds", ABOUT, options)
    with open_critic(options.url, options.reward) as critic:
        for seed in options.seeds:
            stage = loop.set_stage(MOVING, options.scale, seed)
            diary.note_stage(stage, critic, options.scale, seed)
            start = loop.evaluate(stage, critic, stage.base, options.scale)
            for arm in ("dpo", "kto"):
                diary.note(arm, 0, seed, start)
                model = stage.copy_of_base()
                for number in range(1, options.scale.rounds + 1):
                    improve(stage, critic, model, options.scale, arm, number, seed)
                    figures = loop.evaluate(stage, critic, model, options.scale)
                    diary.note(arm, number, seed, figures)
        diary.write(critic)


def improve(
    stage: Stage,
    critic: Critic,
    model: Generator,
    scale: Scale,
    arm: str,
    number: int,
    seed: int,
) -> None:
    """Do one round: make candidates, have them judged, label them and learn."""
    prompts = [
        stage.subjects[group % len(stage.subjects)].prompt
        for group in range(scale.groups)
        for _ in range(scale.candidates)
    ]
    latents = model.sample(prompts, 10_000 * (seed + 1) + number)
    samples = critic.judge(
        stage.latents.decode(latents), prompts, round=number, generator=f"{arm}-{number - 1}"
    )
    pairs, signed = label(samples, scale.candidates)
    if not (signed if arm == "kto" else pairs):
        return  # nothing was told apart, and there is nothing to learn
    reference, real = model.frozen(), stage.real

    def loss(rng: torch.Generator) -> Tensor:
        held = REAL_WEIGHT * objectives.likelihood(model, real.draw(scale.batch, rng), rng)
        if arm == "kto":
            batch = objectives.balanced(signs_of(signed, latents), scale.batch, rng)
            return objectives.diffusion_kto(model, reference, batch, KTO_BETA, rng) + held
        chosen = pairs_of(pairs, latents).draw(scale.batch, rng)
        liked = objectives.likelihood(model, Batch(chosen.chosen, chosen.captions), rng)
        preferred = objectives.diffusion_dpo(model, reference, chosen, DPO_BETA, rng)
        return preferred + CHOSEN_WEIGHT * liked + held

    objectives.train(model, loss, scale.steps, RATE, seed + number)


def label(samples: Sequence[Sample], candidates: int) -> tuple[list[Pair], list[Signed]]:
    """Label each group of candidates by the preset.

    critic-nano answers yes or no and has no grades, so thirds of the round's rewards stand for
    good, normal and bad.
    """
    graded = by_thirds(samples)
    groups = [graded[i : i + candidates] for i in range(0, len(graded), candidates)]
    made = [presets.ipo(group, "reward") for group in groups]
    return [p for m in made for p in m.pairs], [s for m in made for s in m.signed]


def by_thirds(samples: Sequence[Sample]) -> list[Sample]:
    """Grade samples by their place among the rewards; what has no reward has no grade."""
    ranked = sorted(
        (i for i, sample in enumerate(samples) if sample.reward is not None),
        key=lambda i: samples[i].reward or 0.0,
    )
    grades = {
        index: ("bad", "normal", "good")[min(3 * place // len(ranked), 2)]
        for place, index in enumerate(ranked)
    }
    return [
        replace(sample, grades={"reward": grades[i]}) if i in grades else sample
        for i, sample in enumerate(samples)
    ]


def pairs_of(pairs: Sequence[Pair], latents: Tensor) -> PairBatch:
    """Find the clips of pairs, which are named by their positions."""
    chosen = latents[[int(pair.chosen.clip) for pair in pairs]]
    rejected = latents[[int(pair.rejected.clip) for pair in pairs]]
    return PairBatch(chosen, rejected, [pair.prompt for pair in pairs])


def signs_of(signed: Sequence[Signed], latents: Tensor) -> Batch:
    """Find the clips of signs: one for desirable, minus one for not."""
    clips = latents[[int(row.sample.clip) for row in signed]]
    signs = torch.tensor([1.0 if row.desirable else -1.0 for row in signed])
    return Batch(clips, [row.sample.prompt for row in signed], signs)


if __name__ == "__main__":
    main()
