"""Clips that were encoded, kept for whoever asks about them next.

A trainer asks about the same clip again and again: each clip of a group by itself, then in pairs,
then against another prompt. The vision tower is half of the work of a small critic or more.

A clip takes its visual tokens times the width of the language model, once and again for every
deepstack layer: 16 frames of 448x448 are 51 MB for Qwen3-VL-8B (1,568 tokens of 4,096, four times,
in bfloat16) and 15 MB for Qwen2.5-VL-7B (2,048 tokens of 3,584).

On a CPU features are the same to the last bit whether they were kept or not. On a GPU clips are
encoded together, and what was kept may have been rounded in other company; see `invariance`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from critic_models.vlm.features import VisionFeatures


@dataclass(frozen=True)
class CacheStats:
    """What a cache did so far (hits, misses, evictions), and what it holds now."""

    hits: int
    misses: int
    evictions: int
    num_clips: int
    num_bytes: int
    max_bytes: int


class VisionCache:
    """Features of the clips that were used last, at most `max_bytes` of them; 0 keeps none.

    Features stay where the vision tower left them. For one thread at a time; `stats` may be read
    from any.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[str, VisionFeatures] = OrderedDict()
        self._num_bytes = 0
        self._hits = self._misses = self._evictions = 0

    @property
    def stats(self) -> CacheStats:
        return CacheStats(
            self._hits,
            self._misses,
            self._evictions,
            len(self._entries),
            self._num_bytes,
            self.max_bytes,
        )

    def find(self, keys: Collection[str]) -> dict[str, VisionFeatures]:
        """Return what is there of some clips, and count each as a hit or a miss."""
        if not self.max_bytes:
            return {}
        found = {key: self._entries[key] for key in keys if key in self._entries}
        for key in found:
            self._entries.move_to_end(key)
        self._hits += len(found)
        self._misses += len(keys) - len(found)
        return found

    def store(self, encoded: Mapping[str, VisionFeatures], in_use: Collection[str]) -> None:
        """Keep copies of what was encoded, in place of the clips that were used longest ago.

        A batch never drives out a clip that it shows itself: of a batch with more clips than there
        is room for, the first ones are kept. Asked about such a batch twice, a cache that always
        kept the last ones would not have a single clip of it.

        Args:
            encoded: features by key.
            in_use: the keys of all clips of the batch.
        """
        fixed = sum(self._entries[key].num_bytes for key in in_use if key in self._entries)
        for key, features in encoded.items():
            num_bytes = features.num_bytes
            if key in self._entries or fixed + num_bytes > self.max_bytes:
                continue
            while self._num_bytes + num_bytes > self.max_bytes:
                self._drop(next(old for old in self._entries if old not in in_use))
            # A slice would keep the features of its whole batch alive.
            self._entries[key] = features.copy()
            self._num_bytes += num_bytes
            fixed += num_bytes

    def clear(self) -> None:
        """Let go of everything; the counts stay."""
        self._entries.clear()
        self._num_bytes = 0

    def _drop(self, key: str) -> None:
        self._num_bytes -= self._entries.pop(key).num_bytes
        self._evictions += 1
