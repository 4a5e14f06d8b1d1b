"""How many tokens one forward may have: from the device's memory, and from what became of it.

The cost of a token is an estimate by arithmetic over the network's configuration, raised to what a
warm-up forward was measured to take. A forward holds one layer's intermediate values at a time, of
the vision tower or of the language model, whichever is larger; with widths `h` (stream), `m` (MLP),
`q` and `k` (query and key heads together) and `e` bytes an element, a row of a layer takes

    2 h e                         the stream, and its normed copy
    + the largest of
        3 h * 4                   a norm in fp32: copy, square, product
        (q + 2 k) e + 3 (q + k) 4   attention: q, k, v, and q and k while they are rotated in fp32
        3 m e, or 2 m e           a gated MLP: gate, up, product; a plain one: both sides

A visual token is `merge_size ** 2` rows of the tower, and carries besides its pixels in fp32 and in
the network's dtype, and its features twice: as encoded, and as gathered for the language model.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch

from critic_models.engine.work import WorkItem

log = logging.getLogger(__name__)

MOST_TOKENS = {"cpu": 2_048, "cuda": 32_768}
"""Of one forward, whatever the memory: every item of a forward waits for all of it. On a CPU larger
ones are slower besides: their intermediate values lie outside the caches, on pages that the system
must clear for every layer.
"""

ALLOCATOR_SLACK = 1.25
"""For what the allocator has free, but not in one piece."""

RESERVE_BYTES = 2**30
RESERVE_SHARE = 20
"""Kept free: a gigabyte, or a twentieth of the memory where that is more."""

RECOVERY_FORWARDS = 32
RECOVERY_FACTOR = 1.25


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes of a device: what could be allocated now, and all there are."""

    free_bytes: int
    total_bytes: int

    @classmethod
    def of(cls, device: torch.device) -> DeviceMemory:
        """Ask a CUDA device; what torch holds in reserve counts as free."""
        free, total = torch.cuda.mem_get_info(device)
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return cls(free + idle, total)


@dataclass(frozen=True)
class ForwardCost:
    """Bytes that a forward takes beside the weights, for each token of its items."""

    bytes_per_token: int

    def tokens_of(self, item: WorkItem) -> int:
        """Return an item's cost; raw frames, and their resized copy, count in tokens too."""
        return item.num_tokens + -(-2 * item.frame_bytes // self.bytes_per_token)

    def raised_to(self, measured_bytes: int, num_tokens: int) -> ForwardCost:
        """Return this cost, or what a forward of so many tokens was measured to take if more."""
        return ForwardCost(max(self.bytes_per_token, -(-measured_bytes // num_tokens)))


def estimate_cost(config: Any, dtype: torch.dtype) -> ForwardCost:
    """Estimate by the arithmetic above.

    Args:
        config: of one of the supported networks.
        dtype: of its weights and activations.
    """
    text, vision = config.text_config, config.vision_config
    element = dtype.itemsize
    width = text.hidden_size
    head_dim = getattr(text, "head_dim", None) or width // text.num_attention_heads
    queries, keys = head_dim * text.num_attention_heads, head_dim * text.num_key_value_heads
    language_row = _row_bytes(width, queries, keys, 3 * text.intermediate_size, element)

    # Qwen2-VL calls the tower's width `embed_dim` and the language model's `hidden_size`.
    seen = getattr(vision, "embed_dim", None) or vision.hidden_size
    inner = getattr(vision, "intermediate_size", None) or int(seen * vision.mlp_ratio)
    sides = 3 if getattr(vision, "window_size", None) else 2
    vision_row = _row_bytes(seen, seen, seen, sides * inner, element)

    rows = vision.spatial_merge_size**2
    pixels = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    layers = 1 + len(getattr(vision, "deepstack_visual_indexes", None) or ())
    carried = rows * pixels * (4 + element) + 2 * layers * width * element
    return ForwardCost(int(ALLOCATOR_SLACK * (max(language_row, rows * vision_row) + carried)))


def tokens_that_fit(memory: DeviceMemory, cost: ForwardCost, cache_bytes: int, most: int) -> int:
    """Divide what is free, less a reserve and the room of the vision cache, by a token's cost.

    Returns:
        From 1, with which every item runs alone, to `most`.
    """
    reserve = max(RESERVE_BYTES, memory.total_bytes // RESERVE_SHARE)
    room = memory.free_bytes - reserve - cache_bytes
    if room < cost.bytes_per_token:
        log.warning(
            "%d MiB are free, of which %d MiB are a reserve and %d MiB the vision cache's: "
            "every item runs alone",
            memory.free_bytes >> 20,
            reserve >> 20,
            cache_bytes >> 20,
        )
    return min(most, max(1, room // cost.bytes_per_token))


class TokenBudget:
    """The present budget of one forward: halved when memory ran out, slowly whole again.

    After `RECOVERY_FORWARDS` forwards in a row that fitted it grows by a quarter, and so on until
    it is `limit` again. An item that does not even fit alone says nothing about the others and
    leaves the budget as it is.

    Attributes:
        limit: the budget as long as all goes well.
        tokens: the budget now.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.tokens = limit
        self._in_a_row = 0

    def halve(self, failed_tokens: int) -> None:
        """Memory ran out in a forward of several items with so many tokens together."""
        self.tokens = max(1, min(self.tokens, failed_tokens) // 2)
        self._in_a_row = 0

    def fitted(self) -> None:
        """A forward went through."""
        self._in_a_row += 1
        if self._in_a_row >= RECOVERY_FORWARDS:
            self._in_a_row = 0
            self.tokens = min(self.limit, max(self.tokens + 1, int(self.tokens * RECOVERY_FACTOR)))


def _row_bytes(width: int, queries: int, keys: int, mlp: int, element: int) -> int:
    norm = 3 * width * 4
    attention = (queries + 2 * keys) * element + 3 * (queries + keys) * 4
    return 2 * width * element + max(norm, attention, mlp * element)
