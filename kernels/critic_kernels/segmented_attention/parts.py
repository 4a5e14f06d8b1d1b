"""Trees for kernels that know packed sequences only: attend in two parts, then merge them.

In the first part every segment sees itself; in the second the rows behind a prefix see that prefix.
Softmax over the keys of both is the mean of the two results, weighted by their sums of exponentials
(Juravsky et al., 2024, "Hydragen"), so a part must return the logarithms of these sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from critic_kernels.segmented_attention.layout import SegmentLayout, Span


@dataclass(frozen=True, eq=False)
class Part:
    """Packed sequences of queries, each of which sees one packed sequence of keys.

    Attributes:
        query_bounds, key_bounds: int32 `[N + 1]`, where the sequences start and end.
        max_queries, max_keys: of the longest sequence.
        causal: whether a query sees only keys up to its own place; both sequences are then equal.
    """

    query_bounds: torch.Tensor
    key_bounds: torch.Tensor
    max_queries: int
    max_keys: int
    causal: bool


@dataclass(frozen=True, eq=False)
class Behind:
    """The rows behind prefixes, and the rows of the prefixes that they see: int64 indices."""

    part: Part
    query_rows: torch.Tensor
    key_rows: torch.Tensor


# Called with query, key, value, part and scale; returns the result `[n, H, D]` and the logarithms
# of the sums of exponentials `[H, n]`, in fp32 or wider.
AttendPart = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, Part, float], tuple[torch.Tensor, torch.Tensor]
]


def attend_in_parts(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SegmentLayout,
    scale: float,
    attend_part: AttendPart,
) -> torch.Tensor:
    """Compute what `critic_kernels.segmented_attention` promises; shapes as there."""
    if query.shape[0] == 0:
        return query.new_empty(0, query.shape[1], value.shape[2])
    own, behind = parts(layout, query.device)
    out, lse = attend_part(query, key, value, own, scale)
    if behind is None:
        return out
    rows, seen = behind.query_rows, behind.key_rows
    other, other_lse = attend_part(query[rows], key[seen], value[seen], behind.part, scale)
    return out.index_copy(0, rows, merge(out[rows], lse[:, rows], other, other_lse))


def merge(
    out: torch.Tensor, lse: torch.Tensor, other: torch.Tensor, other_lse: torch.Tensor
) -> torch.Tensor:
    """Merge attention over two disjoint sets of keys, in the dtype of the sums.

    Args:
        out, other: `[n, H, D]`.
        lse, other_lse: `[H, n]`, logarithms of the sums of exponentials.
    """
    share = torch.sigmoid(lse - other_lse).transpose(0, 1)[..., None]
    return (share * out + (1 - share) * other).to(out.dtype)


def parts(layout: SegmentLayout, device: torch.device) -> tuple[Part, Behind | None]:
    """Cut a layout into its segments, and the rows behind prefixes; once for all layers."""
    at = ("parts", device)
    if at not in layout.device_tables:
        groups = list(layout.groups())
        segments = [segment for _, group in groups for segment in group]
        prefixes = [prefix for prefix, _ in groups if prefix != (0, 0)]
        rows = [(group[0][0], group[-1][1]) for prefix, group in groups if prefix != (0, 0)]
        own = _part(segments, segments, layout.causal, device)
        behind = (
            Behind(
                _part(rows, prefixes, False, device),
                _indices(rows, device),
                _indices(prefixes, device),
            )
            if prefixes
            else None
        )
        layout.device_tables[at] = (own, behind)
    own, behind = layout.device_tables[at]
    return own, behind


def _part(
    queries: Sequence[Span], keys: Sequence[Span], causal: bool, device: torch.device
) -> Part:
    def bounds(spans: Sequence[Span]) -> tuple[torch.Tensor, int]:
        lengths = np.array([end - start for start, end in spans])
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return torch.from_numpy(ends).to(device), int(lengths.max())

    query_bounds, max_queries = bounds(queries)
    key_bounds, max_keys = bounds(keys)
    return Part(query_bounds, key_bounds, max_queries, max_keys, causal)


def _indices(spans: Sequence[Span], device: torch.device) -> torch.Tensor:
    rows = np.concatenate([np.arange(start, end) for start, end in spans])
    return torch.from_numpy(rows).to(device)
