"""`critic label`: JSON lines of scores to the rows that trainers take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from critic_service.cli.failures import Failure, bad_usage, reporting
from critic_service.cli.output import note, print_line

if TYPE_CHECKING:
    from critic_client.labels import Pair, Reject, Sample
    from critic_client.labels.checklist import Checklist
    from critic_client.labels.exports import Row
    from critic_client.labels.presets import Labels

RowT = TypeVar("RowT")


class Preset(StrEnum):
    """Whose rules; see `critic_client.labels.presets`."""

    ipo = "ipo"
    dual_ipo = "dual-ipo"
    vpo = "vpo"
    visionreward_mpo = "visionreward-mpo"
    lift = "lift"
    ai_feedback = "ai-feedback"


class Form(StrEnum):
    """How pairs are written."""

    trl = "trl"
    diffusion = "diffusion"
    chat = "chat"


class Level(StrEnum):
    """Where dominance is looked for."""

    question = "question"
    subdimension = "subdimension"
    dimension = "dimension"


def label(
    preset: Annotated[Preset, typer.Argument(help="Whose rules.")],
    scores: Annotated[
        Path, typer.Argument(metavar="SCORES.jsonl", readable=False, help="One clip a line.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new files; none is ever overwritten.")],
    checklist: Annotated[
        Path | None, typer.Option(readable=False, help="Questions: one a line, or JSON.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(readable=False, help="Their weights, a JSON list.")
    ] = None,
    level: Annotated[Level, typer.Option(help="For visionreward-mpo.")] = Level.dimension,
    criterion: Annotated[str | None, typer.Option(help="For ipo: whose grades make signs.")] = None,
    form: Annotated[Form, typer.Option(help="Of pairs.")] = Form.trl,
    column: Annotated[
        str | None,
        typer.Option(help="Train on this column, an optimised prompt say, and not on the clip."),
    ] = None,
) -> None:
    """Turn scores into pairs, signs and weights by the rules of a published system."""
    with reporting():
        for path in (scores, checklist, weights):
            if path is not None and not path.is_file():
                raise bad_usage(f"{path} is not a file")
        if form == Form.chat and column is None:
            raise bad_usage("--form chat needs --column: a conversation holds text, not a clip")
        if form == Form.diffusion and column is not None:
            raise bad_usage("--form diffusion trains on clips and has no --column")
        try:
            labels = _labels(preset, scores, _checklist(checklist, weights), level, criterion)
            _write(out, labels, _writer(form, column))
        except FileExistsError as error:
            raise bad_usage(f"{error} exists; labels are never overwritten") from None
        except (ValueError, UnicodeDecodeError) as error:
            raise Failure("bad_input", str(error)) from error


def _labels(
    preset: Preset,
    path: Path,
    checklist: Checklist | None,
    level: Level,
    criterion: str | None,
) -> Labels:
    from critic_client.labels import presets, replies

    with path.open(encoding="utf-8") as lines:
        if preset == Preset.dual_ipo:
            comparisons, rejects = _parted(replies.read_comparisons(lines))
            labels = presets.dual_ipo(comparisons)
        else:
            samples, rejects = _parted(replies.read_samples(lines))
            labels = _by_samples(preset, samples, checklist, level, criterion)
    return replace(labels, rejects=(*rejects, *labels.rejects))


def _by_samples(
    preset: Preset,
    samples: list[Sample],
    checklist: Checklist | None,
    level: Level,
    criterion: str | None,
) -> Labels:
    from critic_client.labels import presets

    if preset == Preset.ipo:
        return presets.ipo(samples, criterion)
    if preset == Preset.lift:
        return presets.lift(samples)
    if preset == Preset.ai_feedback:
        return presets.ai_feedback(samples)
    if checklist is None:
        raise bad_usage(f"{preset.value} needs --checklist")
    if preset == Preset.vpo:
        return presets.vpo(samples, checklist)
    return presets.visionreward_mpo(samples, checklist, level.value)


def _parted(rows: Iterator[RowT | Reject]) -> tuple[list[RowT], list[Reject]]:
    from critic_client.labels import Reject

    good: list[RowT] = []
    rejects: list[Reject] = []
    for row in rows:
        if isinstance(row, Reject):
            rejects.append(row)
        else:
            good.append(row)
    return good, rejects


def _checklist(questions: Path | None, weights: Path | None) -> Checklist | None:
    from critic_client.labels.checklist import read_checklist

    if questions is None:
        if weights is not None:
            raise bad_usage("--weights needs --checklist")
        return None
    return read_checklist(questions, weights)


def _writer(form: Form, column: str | None) -> Callable[[Pair], Row]:
    from critic_client.labels import exports

    content = exports.column(column) if column else exports.clip_of
    if form == Form.diffusion:
        return exports.diffusion_preference
    if form == Form.chat:
        return lambda pair: exports.chat_preference(pair, content)
    return lambda pair: exports.trl_preference(pair, content)


def _write(out: Path, labels: Labels, write_pair: Callable[[Pair], Row]) -> None:
    from critic_client.labels import exports, signs
    from critic_client.labels.weights import effective_sample_size

    files: dict[str, Iterable[Row]] = {}
    if labels.pairs:
        files["pairs"] = map(write_pair, labels.pairs)
    if labels.signed:
        files["signed"] = map(exports.kto, labels.signed)
        counts = signs.balance(labels.signed)
        note(f"{counts.desirable} desirable, {counts.undesirable} undesirable")
    if labels.weighted:
        files["weighted"] = map(exports.reward_weighted, labels.weighted)
        size = effective_sample_size(row.weight for row in labels.weighted)
        note(f"{len(labels.weighted)} weights amount to {size:.1f} equal ones")
    if labels.rejects:
        files["rejects"] = map(exports.reject, labels.rejects)
    for name in files:
        if (out / f"{name}.jsonl").exists():
            raise FileExistsError(out / f"{name}.jsonl")
    for name, rows in files.items():
        count = exports.write_json_lines(out / f"{name}.jsonl", rows)
        print_line(f"{count} {'row' if count == 1 else 'rows'} in {out / f'{name}.jsonl'}")
    if not (labels.pairs or labels.signed or labels.weighted):
        raise Failure("no_labels", "no label came of these scores; rejects.jsonl says why")
