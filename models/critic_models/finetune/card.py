"""The card of a trained critic: what it is, how it was made, how good it is, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from critic_models.finetune.config import TrainConfig
from critic_models.finetune.evaluate import BAR, Accuracy
from critic_models.vlm.spec import CriticSpec

_INTRODUCTION = """\
# {name}

{description}

- Architecture: `Qwen3VLForConditionalGeneration`, {millions:.1f} M parameters, bfloat16.
- Input: {num_frames} frames at even steps over the clip, each resized to about 128×128 pixels.
- Weights and tokenizer were made by this project's recipe from random numbers and rendered clips;
  no other data or model was used. Licence: Apache-2.0, as the project's.

## Limits

{limits}

## How it was trained

{clips:,} rendered clips in {steps:,} steps of {batch} ({minutes:.0f} minutes on {threads} CPU
threads), seed {seed}. First the vision tower alone, by dense heads that ask every token for what
the renderer knows (where the object is, its colour, shape and direction, motion, gain, severity of
the defects), then language model and tower together, all questions about a clip as branches of one
forward. `training.json` has every setting; `critic train training.json --out DIR` repeats the run.
{notes}
## How good it is

A defect's figure is how often a clean clip scores above the same clip with that defect at a
severity uniform in [0.1, 1]; the overall criteria meet all defects of the picture, or of motion,
in turn. A caption's figure is how often the true caption scores above one that is wrong in that
slot. Guessing gives 0.5. Intervals are Wilson's at 95%. The test split has seeds, families of
background texture, colour values and phrasings that training never showed; no setting was chosen
by looking at it.
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
    tables: Mapping[str, Mapping[str, Accuracy]],
) -> str:
    """Write the card as Markdown; `tables` are figures by the heading they belong under."""
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
        threads=config.threads,
        seed=config.seed,
        notes=f"\n{facts.notes}\n" if facts.notes else "",
    )
    for heading, figures in tables.items():
        text += f"\n### {heading}\n\n| figure | accuracy | 95% interval | pairs | bar |\n"
        text += "|---|---|---|---|---|\n"
        for name, accuracy in figures.items():
            low, high = accuracy.interval
            bar = f"{BAR[name]:.2f}" if name in BAR else ""
            text += (
                f"| {name} | {accuracy.share:.3f} | {low:.3f} to {high:.3f} | {accuracy.total} "
                f"| {bar} |\n"
            )
    return text
