"""Many questions about clips: shared-prefix forwards against what people run today.

Cases, for every model: 1, 16, 29 and 64 questions about one clip; `29-over-1`, the engine against
itself; `packed-8`, 16 questions about each of 8 clips in one forward; `pair`, 8 questions about two
clips in both orders. The baselines are described in `benchmarks.baselines`. Where one can use more
than one attention the fastest counts, and the row names it. `variants-16` compares the engine's
other attentions, other elementwise operations and its deterministic mode with its default.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from critic_models.engine import WorkItem

from benchmarks.floors import Rates, forward_parts, total_flops
from benchmarks.measure import (
    TIMING_S,
    Finding,
    Refusal,
    Row,
    commit,
    copy_bandwidth,
    device_name,
    matrix_rate,
    significant,
    versions,
)
from benchmarks.plan import Plan
from benchmarks.shapes import Shape, default_shapes
from benchmarks.subject import (
    KV_EXPAND,
    LOOPS,
    Contender,
    Failure,
    Subject,
    Trial,
    Variant,
    default_variant,
    other_variants,
)
from benchmarks.workload import clip, work_item

PACKED_CLIPS, PACKED_QUESTIONS, PAIR_QUESTIONS = 8, 16, 8
ONE_QUESTION, CLIP_BY_CLIP = "questions-1", "clip-by-clip"
VARIANTS = "variants-16"
# A loop may take a minute for what takes the engine a second: it is timed less often.
RIVAL_S = 8.0


@dataclass(frozen=True)
class Case:
    """A batch, and the names of what it is compared with."""

    name: str
    items: Sequence[WorkItem]
    rivals: tuple[str, ...] = LOOPS


def cases(shape: Shape, device: torch.device, dtype: torch.dtype) -> list[Case]:
    """List the cases of a model, the most telling first."""
    clips = [clip(shape, seed, device, dtype) for seed in range(PACKED_CLIPS)]

    def about(count: int) -> list[WorkItem]:
        return [work_item(shape, clips[:1], count)]

    packed = [work_item(shape, [each], PACKED_QUESTIONS) for each in clips]
    pair = [work_item(shape, order, PAIR_QUESTIONS) for order in (clips[:2], clips[1::-1])]
    return [
        Case("questions-29", about(29)),
        Case("29-over-1", about(29), (ONE_QUESTION,)),
        Case("packed-8", packed, (KV_EXPAND, CLIP_BY_CLIP)),
        Case("questions-16", about(16)),
        Case("questions-64", about(64)),
        Case("questions-1", about(1)),
        Case("pair", pair),
        Case(VARIANTS, about(16), ()),
    ]


def run(
    device: torch.device,
    dtype: torch.dtype,
    repeats: int,
    plan: Plan | None = None,
    shapes: Sequence[Shape] = (),
    max_layers: int | None = None,
) -> Iterator[Finding]:
    """Measure models in turn; one row for each baseline of each case.

    Args:
        plan: which cases to start; all of them by default.
        shapes: models; by default those that suit the device.
        max_layers: cut the two halves of every model to so many layers.
    """
    plan = plan or Plan()
    rates = Rates(matrix_rate(device, dtype), copy_bandwidth(device))
    for shape in shapes or default_shapes(device):
        chosen = [case for case in cases(shape, device, dtype) if plan.asks_for(case.name)]
        if plan.out_of_time:
            plan.skipped += [f"{shape.name}/{case.name}" for case in chosen]
        elif chosen:
            subject = Subject(shape, device, dtype, [c.items for c in chosen], max_layers)
            yield from Bench(subject, repeats, rates).run(chosen, plan)


class Bench:
    """The cases of one model, and the rows they become."""

    def __init__(self, subject: Subject, repeats: int, rates: Rates) -> None:
        self.subject = subject
        self.repeats = repeats
        self.rates = rates

    def run(self, chosen: Sequence[Case], plan: Plan) -> Iterator[Finding]:
        first = default_variant(self.subject.device, self.subject.dtype)
        engine = self.subject.engine(first)
        for case in chosen:
            if case.name == VARIANTS:
                yield from self._variants(case, first, engine, plan)
            elif plan.starts(case.name, f"{self.subject.label}/{case.name}"):
                yield from self._case(case, engine)

    def _case(self, case: Case, engine: Contender) -> Iterator[Finding]:
        mine = self.subject.trial(engine, case.items, self.repeats, TIMING_S)
        if isinstance(mine, Failure):
            yield self._refusal(case, mine)
            return
        for name in case.rivals:
            rivals, items = self._rivals(name, engine, case.items)
            yield from self._against(case, mine, name, rivals, items)

    def _variants(
        self, case: Case, first: Variant, engine: Contender, plan: Plan
    ) -> Iterator[Finding]:
        for variant in other_variants(first):
            if not plan.starts(case.name, f"{self.subject.label}/{case.name}/{variant}"):
                continue
            try:
                other = self.subject.engine(variant)
            except ValueError as error:
                yield self._refusal(case, Failure(str(variant), str(error), red=False))
                continue
            mine = self.subject.trial(other, case.items, self.repeats, TIMING_S)
            if isinstance(mine, Failure):
                yield self._refusal(case, mine)
            else:
                yield from self._against(case, mine, engine.name, [engine], case.items)

    def _rivals(
        self, name: str, engine: Contender, items: Sequence[WorkItem]
    ) -> tuple[list[Contender], Sequence[WorkItem]]:
        if name == ONE_QUESTION:
            (item,) = items
            return [replace(engine, name=name)], [replace(item, branches=item.branches[:1])]
        if name == CLIP_BY_CLIP:

            def clip_by_clip(items: Sequence[WorkItem]) -> torch.Tensor:
                return torch.cat([engine.answer([item]) for item in items])

            return [replace(engine, name=name, answer=clip_by_clip)], items
        return self.subject.loops(name), items

    def _against(
        self,
        case: Case,
        mine: Trial,
        name: str,
        rivals: Sequence[Contender],
        items: Sequence[WorkItem],
    ) -> Iterator[Finding]:
        trials = []
        for rival in rivals:
            outcome = self.subject.trial(rival, items, self.repeats, RIVAL_S)
            if isinstance(outcome, Failure):
                yield self._refusal(case, outcome)
            else:
                trials.append(outcome)
        if trials:
            yield self._row(case, mine, min(trials, key=lambda t: t.timing.median_ms), items)
        elif not rivals:
            yield self._refusal(
                case, Failure(name, "flash attention needs a CUDA device", red=False)
            )

    def _row(self, case: Case, mine: Trial, rival: Trial, rival_items: Sequence[WorkItem]) -> Row:
        subject, time_ms = self.subject, mine.timing.median_ms
        parts = forward_parts(subject.network, case.items)
        floor_ms = self.rates.floor_ms(parts)
        ratio = rival.timing.median_ms / time_ms
        details: dict[str, float | str] = {
            "clip": subject.shape.clip_label,
            "clips_per_s": significant(len(_distinct_clips(case.items)) / time_ms * 1e3),
            "matrix_fraction": significant(
                total_flops(parts) / self.rates.flops_per_s / time_ms * 1e3
            ),
            "spread_ms": significant(mine.timing.spread_ms),
            "baseline_attention": rival.contender.attention,
        }
        if rival.memory_mb is not None:
            details["baseline_peak_memory_mb"] = rival.memory_mb
        if rival_items is not case.items:
            least_ms = self.rates.floor_ms(forward_parts(subject.network, rival_items))
            details["times_the_baseline"] = significant(1 / ratio)
            details["times_the_baseline_at_the_floor"] = significant(floor_ms / least_ms)
        return Row(
            bench="engine",
            case=case.name,
            impl=mine.contender.name,
            device=device_name(subject.device),
            dtype=str(subject.dtype).removeprefix("torch."),
            time_ms=significant(time_ms),
            floor_ms=significant(floor_ms),
            fraction_of_floor=significant(floor_ms / time_ms),
            baseline=rival.contender.name,
            ratio=significant(ratio),
            repeats=mine.timing.repeats,
            versions=versions(),
            commit=commit(),
            model=subject.label,
            baseline_ms=significant(rival.timing.median_ms),
            baseline_repeats=rival.timing.repeats,
            max_error=significant(mine.verdict.error),
            error_bound=significant(mine.verdict.bound),
            peak_memory_mb=mine.memory_mb,
            details=details,
        )

    def _refusal(self, case: Case, failure: Failure) -> Refusal:
        return Refusal(
            "engine", case.name, failure.name, failure.reason, failure.red, self.subject.label
        )


def _distinct_clips(items: Sequence[WorkItem]) -> set[str]:
    return {clip.key for item in items for clip in item.clips}
