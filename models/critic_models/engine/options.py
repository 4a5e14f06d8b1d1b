"""How an engine runs, decided in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from critic_kernels.frame_patches.api import Impl as FramePatchesImpl
from critic_kernels.segmented_attention import Impl as AttentionImpl
from critic_kernels.segmented_attention.availability import DETERMINISTIC

from critic_models.errors import UnknownName
from critic_models.vlm.model import ElementwiseImpl

CPU_VISION_CACHE_BYTES = 256 * 2**20
CUDA_VISION_CACHE_SHARE = 32
"""On a GPU the cache takes this part of its memory: one thirty-second."""

_ATTENTION = get_args(AttentionImpl)
_ELEMENTWISE = get_args(ElementwiseImpl)
_FRAME_PATCHES = get_args(FramePatchesImpl)
# The others leave it to torch how rows are computed together.
_INVARIANT_ELEMENTWISE = ("none", "triton")


@dataclass(frozen=True)
class DecidedOptions:
    """`EngineOptions` for one device, nothing left open but a budget that follows its memory."""

    attention: AttentionImpl
    elementwise: ElementwiseImpl
    frame_patches: FramePatchesImpl
    max_batch_tokens: int | None
    vision_cache_bytes: int
    deterministic: bool


@dataclass(frozen=True)
class EngineOptions:
    """What may be chosen about an engine; the defaults suit the device.

    Attributes:
        attention: implementation of segmented attention. `auto` is `triton` on CUDA and
            `reference` on a CPU. What is named runs, or loading fails: nothing falls back.
        elementwise: implementation of norms, rotary embeddings and activations: `none` is
            transformers' own, the others are those of `critic_models.vlm.fused`. `auto` is
            `triton` on CUDA and `none` on a CPU.
        frame_patches: `reference` resizes and cuts clips on the CPU, in the thread that prepares
            them; `triton` does it on the GPU, to which the frames go as they are. `auto` is
            `triton` on CUDA and `reference` on a CPU.
        max_batch_tokens: of one forward; None takes what the device's memory allows, within
            `critic_models.engine.budget.MOST_TOKENS`.
        vision_cache_bytes: of clips that were encoded, kept on the engine's device; 0 keeps none,
            None takes 256 MiB on a CPU and one thirty-second of a GPU's memory.
        deterministic: an item's answers are the same to the last bit, whatever else is in the
            batch; slower. See `critic_models.vlm.invariance`.

    Raises:
        UnknownName: where a name does not exist.
        ValueError: where a number is out of range.
    """

    attention: AttentionImpl | Literal["auto"] = "auto"
    elementwise: ElementwiseImpl | Literal["auto"] = "auto"
    frame_patches: FramePatchesImpl | Literal["auto"] = "auto"
    max_batch_tokens: int | None = None
    vision_cache_bytes: int | None = None
    deterministic: bool = False

    def __post_init__(self) -> None:
        _require_known("attention", self.attention, ("auto", *_ATTENTION))
        _require_known("elementwise", self.elementwise, ("auto", *_ELEMENTWISE))
        _require_known("frame_patches", self.frame_patches, ("auto", *_FRAME_PATCHES))
        if self.max_batch_tokens is not None and self.max_batch_tokens < 1:
            raise ValueError(f"max_batch_tokens is {self.max_batch_tokens}; at least 1 is needed")
        if self.vision_cache_bytes is not None and self.vision_cache_bytes < 0:
            raise ValueError(f"vision_cache_bytes is {self.vision_cache_bytes}; 0 keeps none")

    def on(self, device: torch.device, dtype: torch.dtype) -> DecidedOptions:
        """Decide for a device, and for weights of a dtype, what was left open.

        Raises:
            UnknownName: where what was chosen does not go together.
        """
        # The kernels have no float64, which is for comparing and not for speed.
        kernels = device.type == "cuda" and dtype != torch.float64
        attention, elementwise = self.attention, self.elementwise
        if attention == "auto":
            attention = "triton" if kernels else "reference"
        if elementwise == "auto":
            elementwise = "triton" if kernels else "none"
        if self.deterministic:
            _require_invariant("attention", attention, DETERMINISTIC)
            _require_invariant("elementwise", elementwise, _INVARIANT_ELEMENTWISE)
        frame_patches = self.frame_patches
        if frame_patches == "auto":
            frame_patches = "triton" if kernels else "reference"
        for name, chosen in (("elementwise", elementwise), ("frame_patches", frame_patches)):
            if chosen == "triton" and device.type != "cuda":
                raise UnknownName(f"{name} 'triton' needs a CUDA device, not {device}")
        cache_bytes = self.vision_cache_bytes
        return DecidedOptions(
            attention=attention,
            elementwise=elementwise,
            frame_patches=frame_patches,
            max_batch_tokens=self.max_batch_tokens,
            vision_cache_bytes=_default_cache_bytes(device) if cache_bytes is None else cache_bytes,
            deterministic=self.deterministic,
        )


def _default_cache_bytes(device: torch.device) -> int:
    if device.type != "cuda":
        return CPU_VISION_CACHE_BYTES
    total: int = torch.cuda.get_device_properties(device).total_memory
    return total // CUDA_VISION_CACHE_SHARE


def _require_known(name: str, chosen: str, allowed: tuple[str, ...]) -> None:
    if chosen not in allowed:
        raise UnknownName(
            f"no {name} {chosen!r}; use one of {', '.join(allowed)}", allowed=list(allowed)
        )


def _require_invariant(name: str, chosen: str, allowed: tuple[str, ...]) -> None:
    if chosen not in allowed:
        raise UnknownName(
            f"{name} {chosen!r} cannot be deterministic; use one of {', '.join(allowed)}",
            allowed=list(allowed),
        )
