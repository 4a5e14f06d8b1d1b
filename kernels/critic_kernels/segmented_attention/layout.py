"""Which rows of a packed sequence see which: compact tables, built on the host once a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch


@dataclass(frozen=True, eq=False)
class SegmentLayout:
    """Consecutive segments that cover a packed sequence of `num_tokens` rows.

    Segment `i` is the rows `[starts[i], ends[i])`. A row sees its own segment (all of it, or up to
    itself when `causal`) and every row of `[prefix_starts[i], prefix_ends[i])`, which lies before
    the segment and may be empty. A vision tower uses segments without prefixes, not causal; a
    language model with shared-prefix branches uses a causal segment for each prefix and one for
    each branch that names it.

    Attributes:
        starts, ends, prefix_starts, prefix_ends: int64 `[S]`.
        causal: whether rows of a segment see only rows up to themselves.
        device_tables: a kernel's copies of its tables, made by the first layer that needs them.

    Raises:
        ValueError: where the tables do not describe such a sequence.
    """

    starts: np.ndarray
    ends: np.ndarray
    prefix_starts: np.ndarray
    prefix_ends: np.ndarray
    causal: bool
    device_tables: dict[tuple[int, torch.device], tuple[torch.Tensor, ...]] = field(
        default_factory=dict, repr=False
    )

    def __post_init__(self) -> None:
        tables = (self.starts, self.ends, self.prefix_starts, self.prefix_ends)
        if any(t.ndim != 1 or t.shape != self.starts.shape for t in tables):
            raise ValueError("segment tables must be one-dimensional and of equal length")
        if len(self.starts) == 0:
            return
        if self.starts[0] != 0 or np.any(self.starts[1:] != self.ends[:-1]):
            raise ValueError("segments must cover the sequence without gaps or overlaps")
        if np.any(self.ends < self.starts) or np.any(self.prefix_ends < self.prefix_starts):
            raise ValueError("a segment or prefix ends before it starts")
        if np.any(self.prefix_starts < 0):
            raise ValueError("a prefix starts before the sequence")
        has_prefix = self.prefix_ends > self.prefix_starts
        if np.any(self.prefix_ends[has_prefix] > self.starts[has_prefix]):
            raise ValueError("a prefix must lie before the segment that sees it")

    @property
    def num_tokens(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def num_segments(self) -> int:
        return len(self.starts)

    @classmethod
    def packed(cls, lengths: Sequence[int], *, causal: bool = False) -> SegmentLayout:
        """Build independent segments of the given lengths, one after another."""
        ends = np.cumsum(np.asarray(lengths, dtype=np.int64))
        starts = ends - np.asarray(lengths, dtype=np.int64)
        none = np.zeros_like(starts)
        return cls(starts, ends, none, none, causal)

    @classmethod
    def tree(cls, groups: Sequence[tuple[int, Sequence[int]]]) -> SegmentLayout:
        """Build causal prefixes with causal branches.

        Args:
            groups: for each prefix its length and the lengths of its branches; the packed order is
                prefix, its branches, next prefix, its branches, and so on.
        """
        lengths: list[int] = []
        prefixes: list[tuple[int, int]] = []
        row = 0
        for prefix_length, branch_lengths in groups:
            prefix = (row, row + prefix_length)
            lengths += [prefix_length, *branch_lengths]
            prefixes += [(0, 0)] + [prefix] * len(branch_lengths)
            row += prefix_length + sum(branch_lengths)
        ends = np.cumsum(np.asarray(lengths, dtype=np.int64))
        starts = ends - np.asarray(lengths, dtype=np.int64)
        table = np.asarray(prefixes, dtype=np.int64).reshape(-1, 2)
        return cls(starts, ends, table[:, 0].copy(), table[:, 1].copy(), causal=True)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Group consecutive segments that can be computed together, once for all layers."""
        return tuple(_blocks(self))

    def mask(self) -> torch.Tensor:
        """Return the dense bool mask `[L, L]` (True where a row sees a column); for tests."""
        rows = np.arange(self.num_tokens)
        visible = np.zeros((self.num_tokens, self.num_tokens), dtype=bool)
        for start, end, p0, p1 in zip(
            self.starts, self.ends, self.prefix_starts, self.prefix_ends, strict=True
        ):
            own = rows[start:end]
            visible[start:end, p0:p1] = True
            visible[start:end, start:end] = (own[:, None] >= own[None]) if self.causal else True
        return torch.from_numpy(visible)


@dataclass(frozen=True, eq=False)
class Block:
    """Rows `[start, end)` computed in one call.

    Either `count` equal segments without a prefix (`mask` is None), or all segments that share one
    prefix. Their keys are the rows `[prefix_start, prefix_end)` and then `[start, end)`; `mask`,
    bool `[end - start, keys]`, says which of them each row sees, for all layers.
    """

    start: int
    end: int
    count: int
    prefix_start: int
    prefix_end: int
    mask: torch.Tensor | None


def _blocks(layout: SegmentLayout) -> Iterator[Block]:
    tables = np.stack([layout.starts, layout.ends, layout.prefix_starts, layout.prefix_ends], 1)
    keys = [
        ("prefix", p0, p1) if p1 > p0 else ("alone", end - start, 0)
        for start, end, p0, p1 in tables.tolist()
    ]
    first = 0
    for i in range(1, len(keys) + 1):
        if i < len(keys) and keys[i] == keys[first]:
            continue
        rows = tables[first:i]
        start, end = int(rows[0, 0]), int(rows[-1, 1])
        if end > start:
            p0, p1 = int(rows[0, 2]), int(rows[0, 3])
            own = rows[:, :2] - start
            mask = _branch_mask(own, p1 - p0, layout.causal) if p1 > p0 else None
            yield Block(start, end, i - first, p0, p1, mask)
        first = i


def _branch_mask(bounds: np.ndarray, prefix_length: int, causal: bool) -> torch.Tensor:
    size = int(bounds[-1, 1])
    segment = np.repeat(np.arange(len(bounds)), bounds[:, 1] - bounds[:, 0])
    own = segment[:, None] == segment[None]
    if causal:
        own &= np.tri(size, dtype=bool)
    whole_prefix = np.ones((size, prefix_length), dtype=bool)
    return torch.from_numpy(np.concatenate([whole_prefix, own], axis=1))
