"""The card of a tuned critic: from what, on what, how, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from critic_models.finetune.tuning.config import PARTS, RowsConfig
from critic_models.finetune.tuning.evaluate import Figures
from critic_models.finetune.tuning.prepare import Prepared
from critic_models.vlm.spec import CriticSpec

_TEXT = """\
# {name}

{description}

## Limits

{limits}

## How it was trained

From `{base}` (revision {revision}), by {parts}; {steps:,} steps of {cases_per_step} cases, seed
{seed}. `training.json` has every setting.

{train_rows:,} rows were learned and {validation_rows:,} held out, which share no prompt and no clip
with them; the rows form {groups:,} groups by prompt and clip, the largest of {largest:,}.
{rejected:,} rows could not be used; `run/rejects.jsonl` has the reasons.
{uncalibrated}
## How good it is

On the held-out rows. Intervals are Wilson's at 95%. With ties, the critic has to say a tie where
the label is one; without ties, rows labelled a tie are left out. What the critic did not answer
counts as wrong{unanswered}. `compare` uses the method `{method}`. Calibration and the tie margin
were fitted on the same rows.
"""


@dataclass(frozen=True)
class RunFacts:
    """What a finished run did.

    Attributes:
        base, revision: the checkpoint it began with.
        steps: of the optimiser.
        prepared: what it learned and was measured on.
        unanswered: number of validation questions without an answer, by criterion.
    """

    base: str
    revision: str
    steps: int
    prepared: Prepared
    unanswered: Mapping[str, int]


def write_card(spec: CriticSpec, config: RowsConfig, facts: RunFacts, figures: Figures) -> str:
    """Write the card as Markdown."""
    parts = [f"{config.part(p).tuning} tuning of the {p}" for p in PARTS]
    parts = [p for p in parts if not p.startswith("frozen")]
    raw = [name for name in spec.criteria if name not in spec.calibration]
    missing = ", ".join(f"{count} of {name}" for name, count in facts.unanswered.items())
    text = _TEXT.format(
        name=spec.name,
        description=spec.description,
        limits=spec.limits,
        base=facts.base,
        revision=facts.revision,
        parts=" and ".join(parts),
        steps=facts.steps,
        cases_per_step=config.cases_per_step,
        seed=config.seed,
        train_rows=facts.prepared.num_train_rows,
        validation_rows=facts.prepared.num_validation_rows,
        groups=facts.prepared.num_groups,
        largest=facts.prepared.largest_group,
        rejected=len(facts.prepared.rejects),
        uncalibrated=f"\nNot calibrated, for want of labels: {', '.join(raw)}.\n" if raw else "",
        unanswered=f" ({missing})" if missing else "",
        method=spec.pairwise_method,
    )
    for heading, group in figures.items():
        text += f"\n### {heading}\n\n| criterion | accuracy | 95% interval | rows |\n"
        text += "|---|---|---|---|\n"
        for name, accuracy in group.items():
            low, high = accuracy.interval
            text += (
                f"| {name} | {accuracy.share:.3f} | {low:.3f} to {high:.3f} | {accuracy.total} |\n"
            )
    return text
