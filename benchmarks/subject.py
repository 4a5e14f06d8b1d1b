"""One model on one device, and everything that answers questions with it.

Nothing is timed before its answers passed the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from critic_kernels.segmented_attention import Impl as AttentionImpl
from critic_models.engine import Engine, EngineOptions, WorkItem
from critic_models.engine.budget import MOST_TOKENS
from critic_models.engine.options import CPU_VISION_CACHE_BYTES
from critic_models.errors import CriticError
from critic_models.vlm.model import CriticModel, ElementwiseImpl
from critic_models.vlm.patches import PreparedClip

from benchmarks.baselines import Baseline, flash_backend, kv_expand, one_by_one, use_attention
from benchmarks.gate import Gate, Verdict
from benchmarks.measure import Timing, measure, peak_memory_mb
from benchmarks.shapes import Shape, build, copied

ONE_BY_ONE_FLASH, KV_EXPAND, ONE_BY_ONE_SDPA = "one-by-one-flash", "kv-expand", "one-by-one-sdpa"
LOOPS = (ONE_BY_ONE_FLASH, KV_EXPAND, ONE_BY_ONE_SDPA)


@dataclass(frozen=True)
class Variant:
    """One way for the engine to compute: which attention, and which elementwise operations."""

    attention: AttentionImpl
    elementwise: ElementwiseImpl
    deterministic: bool = False

    def __str__(self) -> str:
        mode = ["deterministic"] * self.deterministic
        return "+".join([self.attention, self.elementwise, *mode])


@dataclass(frozen=True)
class Contender:
    """An implementation: answer logits `[B, A]` of items.

    Attributes:
        alone: whether every question is a forward of its own, so that the first and the last can
            stand for all wherever nothing is timed.
    """

    name: str
    attention: str
    answer: Baseline
    alone: bool = False

    def sample(self, items: Sequence[WorkItem]) -> Sequence[WorkItem]:
        """The items that tell as much as all of them of what is not time."""
        return [_ends(item) for item in items] if self.alone else items


@dataclass(frozen=True)
class Trial:
    """How long a contender took, how far its answers were off, and what memory it needed."""

    contender: Contender
    timing: Timing
    verdict: Verdict
    memory_mb: float | None


@dataclass(frozen=True)
class Failure:
    """Why there is no trial; red unless the machine lacks memory, a device or a package."""

    name: str
    reason: str
    red: bool


class Subject:
    """A model's shape with random weights on a device.

    Args:
        batches: what contenders will be judged on; stock transformers answers it at once.
        max_layers: cut both halves of the model to so many layers.
    """

    def __init__(
        self,
        shape: Shape,
        device: torch.device,
        dtype: torch.dtype,
        batches: Sequence[Sequence[WorkItem]],
        max_layers: int | None = None,
    ) -> None:
        self.shape = shape
        self.device = device
        self.dtype = dtype
        self.label = shape.label(max_layers)
        self.network = build(shape, device, dtype, max_layers)
        self.gate = Gate(self.network, batches)
        self._clips_here: dict[str, PreparedClip] = {}

    def engine(self, variant: Variant) -> Contender:
        """This project's engine; its logits are on the host when it returns.

        On a GPU a batch must go through in one forward; on a CPU the engine cuts it as it serves.

        Raises:
            ValueError: where the variant cannot run on this device, with the reason.
        """
        model = CriticModel(
            copied(self.network),
            self.shape.family,
            variant.attention,
            elementwise=variant.elementwise,
            deterministic=variant.deterministic,
        )
        engine = Engine(
            model, MOST_TOKENS[self.device.type], vision_cache_bytes=CPU_VISION_CACHE_BYTES
        )

        def answer(items: Sequence[WorkItem]) -> torch.Tensor:
            engine.forget_clips()
            before = engine.stats.forwards
            rows: list[Sequence[float]] = []
            for answers in engine.run(items):
                if isinstance(answers, CriticError):
                    raise answers
                rows += [answer.logits for answer in answers]
            if self.device.type == "cuda" and engine.stats.forwards != before + 1:
                raise RuntimeError("the batch did not fit into one forward")
            return torch.tensor(rows, dtype=torch.float64)

        return Contender(f"shared-prefix/{model.numerics}", variant.attention, answer)

    def loops(self, name: str) -> list[Contender]:
        """A loop around transformers with every attention that it can use here; may be none."""
        flash = flash_backend(self.device)
        attentions = [flash] if flash and name != ONE_BY_ONE_SDPA else []
        if name != ONE_BY_ONE_FLASH:
            attentions.append("sdpa")
        loop = kv_expand if name == KV_EXPAND else one_by_one
        return [self._loop(name, loop, attention) for attention in attentions]

    def _loop(
        self, name: str, loop: Callable[[Any, Sequence[WorkItem]], torch.Tensor], attention: str
    ) -> Contender:
        network = use_attention(copied(self.network), attention)

        def answer(items: Sequence[WorkItem]) -> torch.Tensor:
            return loop(network, [self._with_clips_here(item) for item in items])

        return Contender(name, attention, answer, alone=loop is one_by_one)

    def _with_clips_here(self, item: WorkItem) -> WorkItem:
        """The same with its clips on the device, so that loops need not send them every time."""
        for clip in item.clips:
            if clip.key not in self._clips_here:
                patches = clip.patches.to(self.device)
                self._clips_here[clip.key] = replace(clip, patches=patches)
        return replace(item, clips=tuple(self._clips_here[clip.key] for clip in item.clips))

    def trial(
        self, contender: Contender, items: Sequence[WorkItem], repeats: int, limit_s: float
    ) -> Trial | Failure:
        """Judge a contender, then time it; less often where that would take longer."""
        sample = contender.sample(items)
        try:
            verdict = self.gate.check(contender.answer, sample)
            if verdict.red:
                return Failure(contender.name, str(verdict), red=True)
            timing = measure(
                lambda: contender.answer(items),
                self.device,
                repeats,
                warm_up=(lambda: contender.answer(sample)) if contender.alone else None,
                limit_s=limit_s,
            )
            memory_mb = peak_memory_mb(lambda: contender.answer(sample), self.device)
        except Exception as error:
            # Whatever a contender fails with, the others are still measured.
            cause = error.__cause__ or error
            lacking = isinstance(cause, torch.OutOfMemoryError | ModuleNotFoundError)
            reason = f"{type(cause).__name__}: {cause}"
            return Failure(contender.name, reason, red=not lacking)
        return Trial(contender, timing, verdict, memory_mb)


def default_variant(device: torch.device, dtype: torch.dtype) -> Variant:
    """What an engine runs if nothing is chosen."""
    options = EngineOptions().on(device, dtype)
    return Variant(options.attention, options.elementwise)


def other_variants(first: Variant) -> list[Variant]:
    """Every variant that differs from another in one thing."""
    attentions = (replace(first, attention=name) for name in get_args(AttentionImpl))
    fused = (replace(first, elementwise=name) for name in get_args(ElementwiseImpl))
    changed = [*attentions, *fused, replace(first, deterministic=True)]
    return [variant for variant in changed if variant != first]


def _ends(item: WorkItem) -> WorkItem:
    last = len(item.branches) - 1
    return replace(item, branches=tuple(item.branches[i] for i in sorted({0, last})))
