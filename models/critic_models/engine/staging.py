"""A packed batch on its way to the engine's device, while the device works on the one before.

On CUDA everything goes up through pinned memory on a stream of its own: frames of all clips in one
copy, and the tables that the host built. The stream of the forwards waits for these copies, the
host does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from critic_kernels.frame_patches import FrameBatch

from critic_models.engine.packing import PackedBatch
from critic_models.vlm.features import VisionFeatures
from critic_models.vlm.model import CriticModel
from critic_models.vlm.patches import PreparedClip
from critic_models.vlm.vision_inputs import VisionInputs

Move = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class TowerRun:
    """One pass of some clips through the vision tower, on its device.

    Attributes:
        keys, lengths: of the clips, and how many visual tokens each has.
        pixels: their patches, or the frames to cut them from.
        inputs: what the tower needs besides.
    """

    keys: tuple[str, ...]
    lengths: tuple[int, ...]
    pixels: torch.Tensor | FrameBatch
    inputs: VisionInputs


@dataclass(frozen=True, eq=False)
class StagedBatch:
    """A packed batch on the device, with the passes of the tower that it needs.

    Attributes:
        batch: its tensors on the device.
        tower: passes over the clips that are not known yet.
        known: features of the others, by key.
    """

    batch: PackedBatch
    tower: tuple[TowerRun, ...]
    known: dict[str, VisionFeatures]


class Staging:
    """Bring packed batches to the device of a model."""

    def __init__(self, model: CriticModel) -> None:
        self._model = model
        self._device = model.device
        on_cuda = self._device.type == "cuda"
        self._stream = torch.cuda.Stream(self._device) if on_cuda else None

    def stage(self, batch: PackedBatch, known: dict[str, VisionFeatures]) -> StagedBatch:
        """Copy a batch to the device; on CUDA without waiting for the copies.

        Args:
            known: features of the clips that need not be encoded.
        """
        with self._copies() as move:
            tower = tuple(self._tower_run(*each, move) for each in self._passes(batch))
            return StagedBatch(batch.moved(move), tower, known)

    def _passes(self, batch: PackedBatch) -> Iterator[tuple[Sequence[PreparedClip], torch.Tensor]]:
        """Say which clips, and patches, go through the tower together.

        A GPU takes all at once. A CPU gains little from that, and one by one a clip's features are
        the same to the last bit whatever it is encoded with, now or for an earlier batch.
        """
        if self._stream is not None:
            if batch.to_encode:
                yield batch.to_encode, batch.patches
            return
        row = 0
        for clip in batch.to_encode:
            end = min(row + math.prod(clip.patch_grid), len(batch.patches))
            yield [clip], batch.patches[row:end]
            row = end

    def _tower_run(
        self, clips: Sequence[PreparedClip], patches: torch.Tensor, move: Move
    ) -> TowerRun:
        pixels: torch.Tensor | FrameBatch
        if len(patches):
            pixels = move(patches)
        else:
            frames = [clip.frames for clip in clips if clip.frames is not None]
            together = FrameBatch.of(frames, pin_memory=self._stream is not None)
            pixels = FrameBatch(move(together.pixels), together.shapes)
        inputs = self._model.vision_inputs([clip.patch_grid for clip in clips])
        return TowerRun(
            keys=tuple(clip.key for clip in clips),
            lengths=tuple(clip.num_tokens for clip in clips),
            pixels=pixels,
            inputs=inputs.moved(move),
        )

    @contextmanager
    def _copies(self) -> Iterator[Move]:
        if self._stream is None:
            yield lambda tensor: tensor.to(self._device)
            return
        copies: list[torch.Tensor] = []

        def move(tensor: torch.Tensor) -> torch.Tensor:
            if tensor.device != self._device:
                tensor = tensor.pin_memory().to(self._device, non_blocking=True)
            copies.append(tensor)
            return tensor

        with torch.cuda.stream(self._stream):
            yield move
        forwards = torch.cuda.current_stream(self._device)
        forwards.wait_stream(self._stream)
        for copy in copies:
            copy.record_stream(forwards)
