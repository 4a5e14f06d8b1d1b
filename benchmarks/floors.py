"""The least time a batch could take on a device: its matrix products and its bytes, at real shapes.

The work is cut into parts that run one after another. A part takes at least its floating-point
operations over the device's measured matrix rate, and at least its bytes over the measured
bandwidth; the floor is the sum over the parts of the larger of the two.

Counted are products with weights (2 operations a weight and row), attention over the pairs of rows
that see each other (4 operations a pair and channel: scores, and their mix), and as bytes the
weights, read once a forward, and attention's queries, keys, values and results. Everything
elementwise counts as fused into its neighbours, for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from critic_kernels import SegmentLayout
from critic_models.engine import WorkItem
from torch import nn
from transformers.vision_utils import get_vision_window_index


@dataclass(frozen=True)
class Part:
    """One part of a forward: floating-point operations, and bytes to and from memory."""

    name: str
    flops: float
    bytes: float


@dataclass(frozen=True)
class Rates:
    """Measured on the device: floating-point operations, and bytes read and written, per second."""

    flops_per_s: float
    bytes_per_s: float

    def floor_ms(self, parts: Iterable[Part]) -> float:
        times = (max(p.flops / self.flops_per_s, p.bytes / self.bytes_per_s) for p in parts)
        return 1e3 * sum(times)


def total_flops(parts: Iterable[Part]) -> float:
    return sum(part.flops for part in parts)


def forward_parts(network: Any, items: Sequence[WorkItem]) -> tuple[Part, ...]:
    """Count one shared-prefix forward: clips and prefixes once each, and every question."""
    grids = list({clip.key: clip.patch_grid for i in items for clip in i.clips}.values())
    groups: dict[tuple[str, ...], tuple[int, list[int]]] = {}
    for item in items:
        _, questions = groups.setdefault(item.prefix_key, (len(item.prefix.ids), []))
        questions += [len(branch.ids) for branch in item.branches]
    return (
        *_vision(network, grids),
        *_language(network, SegmentLayout.tree(list(groups.values()))),
        _products("answers", network.lm_head, sum(len(i.branches) for i in items)),
    )


def visible_pairs(layout: SegmentLayout) -> int:
    """Count pairs of a row and a row that it sees."""
    own = layout.ends - layout.starts
    within = own * (own + 1) // 2 if layout.causal else own * own
    return int((within + own * (layout.prefix_ends - layout.prefix_starts)).sum())


def _vision(network: Any, grids: Sequence[tuple[int, int, int]]) -> tuple[Part, Part, Part]:
    tower, config = network.model.visual, network.config.vision_config
    rows = sum(t * h * w for t, h, w in grids)
    whole = SegmentLayout.packed([h * w for t, h, w in grids for _ in range(t)])
    layouts = [whole] * len(tower.blocks)
    if getattr(config, "window_size", None):
        windows = SegmentLayout.packed(_window_lengths(grids, config))
        layouts = [
            whole if i in config.fullatt_block_indexes else windows
            for i in range(len(tower.blocks))
        ]
    mergers = nn.ModuleList(m for name, m in tower.named_children() if "merger" in name)
    width = tower.blocks[0].attn.qkv.in_features
    layers = nn.ModuleList([tower.patch_embed, tower.blocks])
    return (
        _products("vision", layers, rows),
        _products("mergers", mergers, rows // config.spatial_merge_size**2),
        _attention("vision attention", layouts, width, width, network.lm_head.weight.dtype),
    )


def _language(network: Any, layout: SegmentLayout) -> tuple[Part, Part]:
    layers = network.model.language_model.layers
    first = layers[0].self_attn
    return (
        _products("language", layers, layout.num_tokens),
        _attention(
            "language attention",
            [layout] * len(layers),
            first.q_proj.out_features,
            first.k_proj.out_features,
            network.lm_head.weight.dtype,
        ),
    )


def _products(name: str, module: nn.Module, rows: int) -> Part:
    weights = [m.weight for m in module.modules() if isinstance(m, nn.Linear | nn.Conv3d)]
    return Part(
        name,
        flops=2.0 * rows * sum(w.numel() for w in weights),
        bytes=float(sum(w.numel() * w.element_size() for w in weights)),
    )


def _attention(
    name: str, layouts: Sequence[SegmentLayout], width: int, kv_width: int, dtype: torch.dtype
) -> Part:
    rows = sum(layout.num_tokens for layout in layouts)
    return Part(
        name,
        flops=4.0 * width * sum(visible_pairs(layout) for layout in layouts),
        bytes=2.0 * (width + kv_width) * rows * dtype.itemsize,
    )


def _window_lengths(grids: Sequence[tuple[int, int, int]], config: Any) -> list[int]:
    _, ends = get_vision_window_index(
        torch.tensor(grids), config.spatial_merge_size, config.window_size, config.patch_size
    )
    return [int(n) for n in ends.diff()]
