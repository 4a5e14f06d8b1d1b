"""VPO in small: a prompt optimiser, taught by example and then by feedback on words and on clips.

`python -m examples.vpo` teaches a writer on prompts good and bad, lets it write, has its words
checked by `/v1/prompts/score` and the clips of its prompts judged by the critic, merges both kinds
of pairs by `critic_client.labels.presets` (arXiv 2503.20491) and learns from them by DPO. The
generator of clips stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from critic_client.labels import Pair, Sample, presets, prompts
from critic_client.labels.checklist import Checklist, Question

from examples.common import loop
from examples.common.critic import Critic, open_critic
from examples.common.footage import DYNAMIC, MOVING
from examples.common.loop import Scale, Stage
from examples.vpo.policy import PromptOptimiser, dpo, sft, split
from examples.vpo.writing import Query, queries_of, refine, vocabulary, write_prompt

REWARD = {"exposure_stability": 1.0, "steadiness": 1.0}
TEMPERATURE, BETA = 0.9, 0.3
SFT_RATE, DPO_RATE = 2e-3, 1e-4
SFT_WEIGHT = 0.1
"""Of the likelihood of chosen prompts beside DPO, as VPO's settings allow for."""

SFT_STEPS_PER_STEP = 4
LOOKED_AT = 2
"""Prompts that are written for each query when the writer is measured."""

ABOUT = (
    "A writer of prompts for a generator that does not change. It learns from prompts of which "
    "some begin badly, some forget what was asked for, a few have the wrong colour, and all speak "
    "of light and camera at random (round 0), and then by DPO from pairs: the refined prompt over "
    "one that fails a check, and of prompts for one query the first whose clip is nowhere worse "
    "and somewhere better. `query` is what users wrote. Passes is the share that pass every "
    "check; reward is the critic's; all other figures are measured without it on fresh clips."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the loop and write its report."""
    options = loop.read_options("vpo", ABOUT, REWARD, arguments, rounds=4)
    diary = loop.Diary("vpo", "VPO: optimised prompts", ABOUT, options)
    subjects = (*MOVING, *DYNAMIC)
    queries = queries_of(subjects)
    with open_critic(options.url, options.reward) as critic:
        for seed in options.seeds:
            stage = loop.set_stage(subjects, options.scale, seed)
            diary.note_stage(stage, critic, options.scale, seed)
            several = [query for query in queries for _ in range(LOOKED_AT)]
            asked = [query.text for query in several]
            diary.note("query", None, seed, look(stage, critic, several, asked, seed))
            writer = taught(stage, options.scale, seed)
            for number in range(options.scale.rounds + 1):
                if number:
                    improve(stage, critic, writer, queries, options.scale, number, seed)
                written = writer.write(asked, TEMPERATURE, seed)
                diary.note("vpo", number, seed, look(stage, critic, several, written, seed))
        diary.write(critic)


def taught(stage: Stage, scale: Scale, seed: int) -> PromptOptimiser:
    """Teach a writer by example."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    queries = queries_of(stage.subjects)
    writer = PromptOptimiser(split(vocabulary(stage.subjects)))
    optimizer = torch.optim.AdamW(writer.parameters(), SFT_RATE)
    for _ in range(SFT_STEPS_PER_STEP * scale.steps):
        chosen = [queries[i] for i in rng.integers(len(queries), size=scale.batch)]
        examples = [write_prompt(stage.subjects[query.subject], rng) for query in chosen]
        optimizer.zero_grad()
        sft(writer, [query.text for query in chosen], examples).backward()
        optimizer.step()
    return writer


def improve(
    stage: Stage,
    critic: Critic,
    writer: PromptOptimiser,
    queries: Sequence[Query],
    scale: Scale,
    number: int,
    seed: int,
) -> None:
    """Do one round: write, have words and clips judged, merge the pairs and learn."""
    asked = [query for query in queries for _ in range(per_query(scale))]
    written = writer.write(
        [query.text for query in asked], TEMPERATURE, 30_000 * (seed + 1) + number
    )
    text = text_pairs(stage, critic, asked, written, number)
    video = video_pairs(stage, critic, asked, written, number, seed)
    pairs = presets.merge_text_and_video(text, video)
    if not pairs:
        return
    reference, rng = writer.frozen(), np.random.default_rng([seed, number])
    optimizer = torch.optim.AdamW(writer.parameters(), DPO_RATE)
    for _ in range(scale.steps):
        drawn = [pairs[i] for i in rng.integers(len(pairs), size=scale.batch)]
        optimizer.zero_grad()
        told = [pair.prompt for pair in drawn]
        chosen = [str(pair.chosen.columns[prompts.COLUMN]) for pair in drawn]
        rejected = [str(pair.rejected.columns[prompts.COLUMN]) for pair in drawn]
        preferred = dpo(writer, reference, told, chosen, rejected, BETA)
        (preferred + SFT_WEIGHT * sft(writer, told, chosen)).backward()
        optimizer.step()


def per_query(scale: Scale) -> int:
    """Return how many prompts are written for a query in a round; two at least make a pair."""
    return max(2, scale.candidates // 2)


def text_pairs(
    stage: Stage, critic: Critic, asked: Sequence[Query], written: Sequence[str], number: int
) -> Sequence[Pair]:
    """Pair each prompt that fails a check with what it should have been.

    critic-nano judges no words, so the checks alone decide, one where all pass and zero otherwise.
    """
    attempts = []
    for query, prompt, good in zip(asked, written, passing(critic, asked, written), strict=True):
        bad = _sample(query, prompt, float(good), number)
        refined = _sample(query, refine(stage.subjects[query.subject], prompt), None, number)
        attempts.append((bad, refined))
    return prompts.text_pairs(attempts).pairs


def video_pairs(
    stage: Stage,
    critic: Critic,
    asked: Sequence[Query],
    written: Sequence[str],
    number: int,
    seed: int,
) -> Sequence[Pair]:
    """Pair prompts of one query by their clips, which are judged by what the user asked for.

    Prompts of one query begin with the same noise, so that their clips differ by the words alone.
    """
    noise = 40_000 * (seed + 1) + number
    alike = len(asked) // len({query.text for query in asked})
    clips = stage.latents.decode(stage.base.sample(written, noise, alike=alike))
    samples = critic.judge(clips, [query.text for query in asked], round=number)
    named = [
        replace(sample, columns={prompts.COLUMN: prompt})
        for sample, prompt in zip(samples, written, strict=True)
        if prompt.strip()
    ]
    checklist = Checklist(
        tuple(Question(name, name, weight) for name, weight in critic.reward.items())
    )
    return [
        pair
        for pair in presets.vpo(named, checklist).pairs
        if pair.chosen.columns[prompts.COLUMN] != pair.rejected.columns[prompts.COLUMN]
    ]


def passing(critic: Critic, asked: Sequence[Query], written: Sequence[str]) -> list[bool]:
    """Say of each prompt whether it passes every check; an empty one does not."""
    there = [i for i, prompt in enumerate(written) if prompt.strip()]
    good = [False] * len(written)
    for start in range(0, len(there), 128):
        part = there[start : start + 128]
        reply = critic.client.score_prompts(
            [asked[i].text for i in part], [written[i] for i in part], judge="none"
        )
        for i, result in zip(part, reply.results, strict=True):
            good[i] = result.passes_checks
    return good


def look(
    stage: Stage, critic: Critic, queries: Sequence[Query], written: Sequence[str], seed: int
) -> dict[str, float]:
    """Measure what comes of prompts, and check their words."""
    clips = stage.latents.decode(stage.base.sample(written, 50_000 + seed))
    order = np.asarray([query.subject for query in queries])
    share = float(np.mean(passing(critic, queries, written)))
    return {**loop.look(stage, critic, clips, order), "passes": share}


def _sample(query: Query, prompt: str, reward: float | None, number: int) -> Sample:
    return replace(
        Sample(prompt, query.text, reward, columns={prompts.COLUMN: prompt}),
        reason=None if reward is not None else "a refinement is trusted, as in VPO",
    )


if __name__ == "__main__":
    main()
