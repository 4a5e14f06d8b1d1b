"""Which rows of a packed sequence see which: compact tables, built on the host once a batch."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

Span = tuple[int, int]


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
        device_tables: an implementation's own tables, made by the first layer that needs them.

    Raises:
        ValueError: where the tables do not describe such a sequence.
    """

    starts: np.ndarray
    ends: np.ndarray
    prefix_starts: np.ndarray
    prefix_ends: np.ndarray
    causal: bool
    device_tables: dict[Hashable, Any] = field(default_factory=dict, repr=False)

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

    def groups(self) -> Iterator[tuple[Span, list[Span]]]:
        """Yield consecutive segments, as first and end row, that share a prefix or have none.

        Yields:
            The prefix, `(0, 0)` where there is none, and its segments that are not empty.
        """
        tables = (self.starts, self.ends, self.prefix_starts, self.prefix_ends)
        shared: Span = (0, 0)
        group: list[Span] = []
        for start, end, lo, hi in zip(*(table.tolist() for table in tables), strict=True):
            if start == end:
                continue
            prefix = (lo, hi) if hi > lo else (0, 0)
            if group and prefix != shared:
                yield shared, group
                group = []
            shared = prefix
            group.append((start, end))
        if group:
            yield shared, group

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Group consecutive segments that can be computed together, once for all layers."""
        return tuple(block for group in self.groups() for block in _blocks(*group, self.causal))

    @cached_property
    def blocks_alone(self) -> tuple[Block, ...]:
        """Make a block of every segment, so that it is computed as if there were no other."""
        return tuple(
            block
            for prefix, segments in self.groups()
            for segment in segments
            for block in _blocks(prefix, [segment], self.causal)
        )

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


def _blocks(prefix: Span, segments: Sequence[Span], causal: bool) -> Iterator[Block]:
    if prefix != (0, 0):
        start = segments[0][0]
        mask = _branch_mask(np.array(segments) - start, prefix[1] - prefix[0], causal)
        yield Block(start, segments[-1][1], len(segments), *prefix, mask)
        return
    first = 0
    for i in range(1, len(segments) + 1):
        if i == len(segments) or _length(segments[i]) != _length(segments[first]):
            yield Block(segments[first][0], segments[i - 1][1], i - first, 0, 0, None)
            first = i


def _length(span: Span) -> int:
    return span[1] - span[0]


def _branch_mask(bounds: np.ndarray, prefix_length: int, causal: bool) -> torch.Tensor:
    size = int(bounds[-1, 1])
    segment = np.repeat(np.arange(len(bounds)), bounds[:, 1] - bounds[:, 0])
    own = segment[:, None] == segment[None]
    if causal:
        own &= np.tri(size, dtype=bool)
    whole_prefix = np.ones((size, prefix_length), dtype=bool)
    return torch.from_numpy(np.concatenate([whole_prefix, own], axis=1))
