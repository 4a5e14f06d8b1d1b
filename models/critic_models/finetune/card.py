"""The card of a trained critic: what it is, how it was made, how good it is, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from critic_models.audit.figures import CriterionFigures
from critic_models.audit.intervals import Estimate
from critic_models.audit.run import Audit
from critic_models.audit.verdict import STANDINGS, by_standing
from critic_models.finetune.config import TrainConfig
from critic_models.vlm.spec import CriticSpec

_INTRODUCTION = """\
# {name}

{description}

- Architecture: `Qwen3VLForConditionalGeneration`, {millions:.1f} M parameters, bfloat16.
- Input: the steps between {num_frames} frames at even distances over the clip, each frame resized
  to about 128×128 pixels.
- Weights and tokenizer were made by this project's recipe from random numbers and rendered clips;
  no other data or model was used. Licence: Apache-2.0, as the project's.

## Limits

{limits}

## How it was trained

{clips:,} rendered clips in {steps:,} steps of {batch} ({minutes:.0f} minutes on {processes}
processes of {threads} threads, {device}), seed {seed}. First the vision tower alone, by heads that
ask every visual token for what the renderer knows (what is there, how it moves, what was done to
the frame, how far a thing is from where it would lawfully be); then language model and tower
together: heads on the ends of temporal patches ask for what has happened so far, questions are
branches of one forward, and pairs of clips, or of captions, are ranked by the log-odds of their
answers; at last the language model alone. `training.json` has every setting;
`critic train training.json --out DIR` repeats the run.
{notes}"""

_FIGURES = """
## How good it is

`critic audit {name} --pairs {pairs}` repeats these figures: {description}

Accuracy without ties is how often the better clip scores higher (guessing: 0.5); with ties, how
often the outcome is right above what can be reached without looking. Spearman's correlation of raw
score and grade is that of the weakest defect. Intervals are at 95%.

| criterion | without ties | with ties, gain | Spearman | calibration error | still wins | n |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class RunFacts:
    """What a finished run did."""

    steps: int
    minutes: float
    parameters: int
    notes: str = ""


def write_card(
    spec: CriticSpec,
    config: TrainConfig,
    facts: RunFacts,
    audit: Audit | None = None,
    sections: Mapping[str, str] | None = None,
) -> str:
    """Write the card as Markdown.

    Args:
        spec, config, facts: of the critic and of its run.
        audit: on held-out clips.
        sections: more headings with their text, to go behind the figures.
    """
    text = _INTRODUCTION.format(
        name=spec.name,
        description=spec.description,
        limits=spec.limits,
        millions=facts.parameters / 1e6,
        num_frames=config.num_frames,
        clips=facts.steps * config.batch_clips,
        steps=facts.steps,
        batch=config.batch_clips,
        minutes=facts.minutes,
        processes=config.processes,
        threads=config.threads,
        device=config.device,
        seed=config.seed,
        notes=f"\n{facts.notes}\n" if facts.notes else "",
    )
    if audit is not None:
        text += "".join(_audited(spec, config, audit))
    for heading, body in (sections or {}).items():
        text += f"\n## {heading}\n\n{body}\n"
    return text


def _audited(spec: CriticSpec, config: TrainConfig, audit: Audit) -> Iterator[str]:
    yield _FIGURES.format(
        name=spec.name, pairs=config.audit_pairs, description=audit.set_description
    )
    for name, each in audit.criteria.items():
        ties = each.with_ties
        gain = "" if ties is None else f"{ties.held_out.value - ties.chance:+.3f}"
        yield (
            f"| {name} | {_cell(each.accuracy)} | {gain} | {_cell(each.spearman)} "
            f"| {_cell(each.ece)} | {_cell(each.static_wins)} | {each.n} |\n"
        )
    yield "\n### By what was wrong\n\n| kind | criterion | without ties | Spearman |\n"
    yield "|---|---|---|---|\n"
    for name, each in audit.criteria.items():
        for kind in each.by_kind:
            yield f"| {kind} | {name} | {_cell(each.by_kind[kind])} | {_ladder(each, kind)} |\n"
    yield "\n### Verdict\n\n"
    for standing, meaning in STANDINGS.items():
        if names := by_standing(audit.verdicts, standing):
            yield f"- **{standing}** ({meaning}): {', '.join(names)}\n"
    yield "\n### What it cannot judge\n\n"
    yield from (f"- {sentence}\n" for sentence in audit.limits)


def _ladder(figures: CriterionFigures, kind: str) -> str:
    ladder = figures.ladders.get(kind)
    return "" if ladder is None else _cell(ladder.figure)


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
