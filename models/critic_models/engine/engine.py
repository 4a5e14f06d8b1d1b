"""The engine: packs work, runs the network, reads answers. One thread at a time; no futures.

A run is cut into forwards by the token budget. While the device computes one of them, the host
packs the next and sends it up; a forward never waits for the device, and its answers come back in
one copy. There are no CUDA graphs: a graph has fixed shapes, and hardly two batches have the same
lengths, numbers of clips and numbers of questions. Padded to a few sizes, a graph would save
launches and pay for rows that nobody asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from critic_kernels.frame_patches import FrameBatch
from critic_kernels.frame_patches.api import Impl as FramePatchesImpl

from critic_models.engine.answers import Answers, PendingAnswers
from critic_models.engine.budget import (
    MOST_TOKENS,
    DeviceMemory,
    TokenBudget,
    estimate_cost,
    tokens_that_fit,
)
from critic_models.engine.cache import CacheStats, VisionCache
from critic_models.engine.memory import is_out_of_memory, release, too_large
from critic_models.engine.packing import pack, split_by_budget
from critic_models.engine.staging import StagedBatch, Staging, TowerRun
from critic_models.engine.warm_up import synthetic_item
from critic_models.engine.work import WorkItem
from critic_models.errors import CriticError, EngineError, OutOfMemory
from critic_models.vlm.features import VisionFeatures
from critic_models.vlm.model import CriticModel
from critic_models.vlm.patches import patches_of_frames

log = logging.getLogger(__name__)

Results = list[Answers | CriticError]


@dataclass(frozen=True)
class EngineStats:
    """What an engine did so far.

    Attributes:
        forwards: those that went through.
        out_of_memory: those for which memory ran out.
        max_batch_tokens: the present budget of one forward.
        vision_cache: hits, misses, and what it holds.
    """

    forwards: int
    out_of_memory: int
    max_batch_tokens: int
    vision_cache: CacheStats


class Engine:
    """Answer every question of many items in as few forwards as the token budget allows.

    Args:
        model: the critic's network.
        max_batch_tokens: of one forward; a larger single item still runs, alone. None takes what
            fits on the device.
        vision_cache_bytes: of encoded clips that are kept; 0 keeps none.
        frame_patches: what cuts the patches of clips that come as frames.
    """

    def __init__(
        self,
        model: CriticModel,
        max_batch_tokens: int | None = None,
        *,
        vision_cache_bytes: int = 0,
        frame_patches: FramePatchesImpl = "reference",
    ) -> None:
        self.model = model
        self._frame_patches = frame_patches
        self._cost = estimate_cost(model.config, model.dtype)
        self._cache = VisionCache(vision_cache_bytes)
        self._staging = Staging(model)
        self._chosen_tokens = max_batch_tokens
        self._budget = TokenBudget(max_batch_tokens or self._tokens_that_fit())
        self._forwards = self._out_of_memory = 0

    @property
    def max_batch_tokens(self) -> int:
        """The budget of one forward as long as memory does not run out."""
        return self._budget.limit

    def forget_clips(self) -> None:
        """Let go of all clips that were encoded, as if none had been seen."""
        self._cache.clear()

    @property
    def stats(self) -> EngineStats:
        """Counts since the engine was made; may be read from any thread."""
        return EngineStats(
            self._forwards, self._out_of_memory, self._budget.tokens, self._cache.stats
        )

    def run(self, items: Sequence[WorkItem]) -> Results:
        """Answer all items, in order.

        Where memory runs out in a forward its items run again in halves, and the budget of those
        to come is halved; `TokenBudget` says how it recovers.

        Returns:
            For each item the answers to its branches, or the error of that item alone:
            `OutOfMemory` where it does not even fit on the device by itself.

        Raises:
            EngineError: where a whole forward failed for another reason.
        """
        results: Results = []
        running: tuple[Sequence[WorkItem], PendingAnswers] | None = None
        first = 0
        while first < len(items):
            batch = self._next_batch(items[first:])
            first += len(batch)
            pending = self._launch(batch)
            if running is not None:
                results += self._finish(*running)
            running = None if pending is None else (batch, pending)
            if pending is None:
                results += self._run_in_halves(batch)
        if running is not None:
            results += self._finish(*running)
        return results

    def warm_up(self, peak_bytes: Callable[[Callable[[], object]], int]) -> None:
        """Run once, so that kernels are compiled, and learn what a token takes at most.

        Args:
            peak_bytes: runs a function and returns how much device memory it took at its peak.

        Raises:
            EngineError: where the forward failed.
        """
        item = synthetic_item(self.model, as_frames=self._frame_patches != "reference")
        results: Results = []
        measured = peak_bytes(lambda: results.extend(self._run_again([item])))
        failed = next((result for result in results if isinstance(result, CriticError)), None)
        if failed is not None and not isinstance(failed, OutOfMemory):
            raise failed
        if failed is None:
            log.info(
                "a forward of %d tokens takes %d MiB, %d bytes a token were estimated",
                item.num_tokens,
                measured >> 20,
                self._cost.bytes_per_token,
            )
            self._cost = self._cost.raised_to(measured, item.num_tokens)
        else:
            log.warning("a forward of %d tokens does not fit on the device", item.num_tokens)
        self._cache = VisionCache(self._cache.max_bytes)
        self._budget = TokenBudget(self._chosen_tokens or self._tokens_that_fit())
        self._forwards = self._out_of_memory = 0

    def _tokens_that_fit(self) -> int:
        device = self.model.device
        most = MOST_TOKENS[device.type]
        if device.type != "cuda":
            return most
        return tokens_that_fit(DeviceMemory.of(device), self._cost, self._cache.max_bytes, most)

    def _next_batch(self, items: Sequence[WorkItem]) -> Sequence[WorkItem]:
        run = split_by_budget(items, self._budget.tokens, self._cost.tokens_of)[0]
        return items[: len(run)]

    def _launch(self, items: Sequence[WorkItem]) -> PendingAnswers | None:
        """Begin a forward; None where memory ran out, of which nothing is held any more."""
        try:
            return self._forward(items)
        except Exception as error:
            # Triton's errors have no base but this one.
            if not is_out_of_memory(error):
                log.exception("forward over %d items failed", len(items))
                raise EngineError("the critic's forward failed", items=len(items)) from error
        # Outside of the handler, whose error still holds the tensors of the failed forward.
        self._out_of_memory += 1
        self._cache.clear()
        release(self.model.device)
        return None

    def _finish(self, items: Sequence[WorkItem], pending: PendingAnswers) -> Results:
        try:
            results = pending.for_items(items)
        except RuntimeError as error:
            log.exception("forward over %d items failed", len(items))
            raise EngineError("the critic's forward failed", items=len(items)) from error
        self._forwards += 1
        self._budget.fitted()
        return results

    def _run_in_halves(self, items: Sequence[WorkItem]) -> Results:
        """Run what did not fit together; an item that was alone runs once more, caches empty."""
        if len(items) == 1:
            pending = self._launch(items)
            if pending is None:
                error = too_large(items[0], self.model.device)
                log.warning(error.message)
                return [error]
            return self._finish(items, pending)
        self._budget.halve(sum(self._cost.tokens_of(item) for item in items))
        log.warning(
            "%d items did not fit together; forwards now have %d tokens",
            len(items),
            self._budget.tokens,
        )
        middle = len(items) // 2
        return self._run_again(items[:middle]) + self._run_again(items[middle:])

    def _run_again(self, items: Sequence[WorkItem]) -> Results:
        pending = self._launch(items)
        return self._run_in_halves(items) if pending is None else self._finish(items, pending)

    @torch.inference_mode()
    def _forward(self, items: Sequence[WorkItem]) -> PendingAnswers:
        device = self.model.device
        # Kernels are launched on the thread's present device, wherever their tensors lie.
        with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
            return self._forward_on_device(items)

    def _forward_on_device(self, items: Sequence[WorkItem]) -> PendingAnswers:
        keys = list(dict.fromkeys(key for item in items for key in item.prefix_key))
        known = self._cache.find(keys)
        staged = self._staging.stage(pack(items, known), known)
        batch, model = staged.batch, self.model
        hidden = model.encode_text(
            batch.ids,
            batch.positions,
            batch.layout,
            batch.visual_rows,
            self._features(staged).select(batch.vision_rows),
        )
        return PendingAnswers.of(model.read_answers(hidden[batch.branch_ends], batch.answer_ids))

    def _features(self, staged: StagedBatch) -> VisionFeatures:
        """Encode the clips that are not known, keep them, and put all of the batch in order."""
        encoded: dict[str, VisionFeatures] = {}
        for tower in staged.tower:
            features = self.model.encode_clips(
                self._patches(tower), tower.inputs.grids, tower.inputs
            )
            encoded.update(zip(tower.keys, features.split(tower.lengths), strict=True))
        self._cache.store(encoded, staged.batch.clips)
        known = staged.known | encoded
        return VisionFeatures.joined([known[key] for key in staged.batch.clips])

    def _patches(self, tower: TowerRun) -> torch.Tensor:
        if not isinstance(tower.pixels, FrameBatch):
            return tower.pixels
        model = self.model
        narrow = model.dtype if model.dtype != torch.float64 else torch.float32
        return patches_of_frames(
            tower.pixels,
            tower.inputs.grids,
            model.family,
            model.vision_shape,
            narrow,
            self._frame_patches,
        )
