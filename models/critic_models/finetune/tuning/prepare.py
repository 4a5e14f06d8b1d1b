"""From a configuration to checked cases on two sides: everything before the first forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from critic_models.errors import InputError
from critic_models.finetune.tuning.config import RowsConfig
from critic_models.finetune.tuning.export import tuned_spec
from critic_models.finetune.tuning.questions import Case, cases_of, check_rows, with_checklists
from critic_models.rows import Reject, Row, leaks, read_rows, split_rows
from critic_models.video.sampling import Sampling
from critic_models.vlm.spec import CriticSpec
from critic_models.vlm.tokens import PromptTokenizer

CheckClips = Callable[[Sequence[str], Sampling], dict[str, str]]
"""Reasons by path of the clips that cannot be used."""


@dataclass(frozen=True)
class Prepared:
    """What a run learns and is measured on.

    Attributes:
        spec: the checkpoint's, with all criteria that the rows ask for.
        train, validation: cases.
        num_train_rows, num_validation_rows: rows behind them.
        num_groups, largest_group: groups of rows that share prompts or clips, before the split,
            and the rows of the largest; of training rows alone where validation rows were given.
        rejects: rows that cannot be used.
    """

    spec: CriticSpec
    train: Sequence[Case]
    validation: Sequence[Case]
    num_train_rows: int
    num_validation_rows: int
    num_groups: int
    largest_group: int
    rejects: Sequence[Reject]


def prepare(
    config: RowsConfig, spec: CriticSpec, tokenizer: PromptTokenizer, check_clips: CheckClips
) -> Prepared:
    """Read, check and split the rows of a run.

    Raises:
        InputError: where files cannot be read, too many rows are rejects, nothing is left, or
            validation rows share prompts or clips with training rows.
        CheckpointError: where the critic that the run asks for could not be.
    """
    read = [read_rows(config.rows), read_rows(config.validation_rows)]
    rejects = [reject for found in read for reject in found.rejects]
    spec = spec_for(config, spec, [row for found in read for row in found.rows], tokenizer)
    sides: list[list[Row]] = []
    for found in read:
        good, bad = check_rows(found.rows, spec, tokenizer)
        rejects += bad
        sides.append(good)
    paths = [clip for side in sides for row in side for clip in row.clips]
    trouble = check_clips(paths, spec.sampling)
    for position, side in enumerate(sides):
        sides[position], bad = _without_bad_clips(side, trouble)
        rejects += bad
    train, validation = sides
    _check_rejects(rejects, len(train) + len(validation), config.max_rejected_share)
    held_out = 0.0 if config.validation_rows else config.validation_share
    split = split_rows(train, held_out, config.seed)
    validation = [*validation, *split.validation]
    shared = leaks(split.train, validation)
    if shared:
        raise InputError(
            f"{len(shared)} prompts or clips are among both training and validation rows, such as "
            f"{shared[0]!r}; what a critic has learned by heart measures nothing"
        )
    if not split.train:
        raise InputError("there is no row to train on")
    cases = cases_of(split.train, spec)
    tuned_spec(spec, config, cases).check()
    return Prepared(
        spec=spec,
        train=cases,
        validation=cases_of(validation, spec),
        num_train_rows=len(split.train),
        num_validation_rows=len(validation),
        num_groups=split.num_groups,
        largest_group=split.largest_group,
        rejects=tuple(rejects),
    )


def spec_for(
    config: RowsConfig, spec: CriticSpec, rows: Sequence[Row], tokenizer: PromptTokenizer
) -> CriticSpec:
    """Bring a specification to what a run asks for, criteria of checklists among its rows included.

    Raises:
        CheckpointError: where it is not valid, or an answer is not one token of the tokenizer.
    """
    criteria = {**spec.criteria, **{c.name: c for c in config.criteria}}
    chosen = {
        "sampling": config.sampling,
        "min_pixels": config.min_pixels,
        "max_pixels": config.max_pixels,
    }
    content = spec.to_json() | {name: v for name, v in chosen.items() if v is not None}
    # By way of the file's form, which checks every field.
    content["criteria"] = [asdict(c) for c in criteria.values()]
    asked = with_checklists(CriticSpec.from_json(content), rows)
    for answers in (asked.pairwise_answers, *(c.answers for c in asked.criteria.values())):
        tokenizer.answer_ids(answers)
    return asked


def _without_bad_clips(
    rows: Sequence[Row], trouble: dict[str, str]
) -> tuple[list[Row], list[Reject]]:
    good: list[Row] = []
    rejects: list[Reject] = []
    for row in rows:
        bad = [clip for clip in row.clips if clip in trouble]
        if bad:
            reason = f"{bad[0]}: {trouble[bad[0]]}"
            rejects.append(Reject(row.origin.file, row.origin.number, reason))
        else:
            good.append(row)
    return good, rejects


def _check_rejects(rejects: Sequence[Reject], num_good: int, most: float) -> None:
    share = len(rejects) / max(1, len(rejects) + num_good)
    if share > most:
        first = rejects[0]
        raise InputError(
            f"{len(rejects)} of {len(rejects) + num_good} rows cannot be used; at most {most:.1%} "
            f"are allowed. The first: {first.file}, {first.number}: {first.reason}"
        )
