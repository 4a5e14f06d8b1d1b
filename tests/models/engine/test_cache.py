"""The cache of encoded clips: bounded by bytes, and of use to whoever comes again."""

from __future__ import annotations

import pytest
import torch
from critic_models.engine.cache import VisionCache
from critic_models.vlm.features import VisionFeatures
from hypothesis import given
from hypothesis import strategies as st

WIDTH = 4


def features(tokens: int, value: float = 0.0, layers: int = 1) -> VisionFeatures:
    rows = torch.full((tokens, WIDTH), float(value))
    return VisionFeatures(rows, tuple(rows + 1 + i for i in range(layers)))


ONE = features(1).num_bytes


def show(cache: VisionCache, *names: str, tokens: int = 1) -> set[str]:
    """Look a batch of clips up and encode what was not there; return what was."""
    found = cache.find(names)
    cache.store({n: features(tokens, ord(n)) for n in names if n not in found}, names)
    return set(found)


def test_bytes_are_those_of_all_layers() -> None:
    assert features(3, layers=2).num_bytes == 3 * WIDTH * 4 * 3


def test_the_clip_used_longest_ago_makes_room() -> None:
    cache = VisionCache(2 * ONE)
    show(cache, "a")
    show(cache, "b")
    assert show(cache, "a") == {"a"}
    show(cache, "c")
    assert set(cache.find("abc")) == {"a", "c"}
    assert cache.stats.evictions == 1


def test_hits_misses_and_bytes_are_counted() -> None:
    cache = VisionCache(10 * ONE)
    show(cache, "a", "b")
    show(cache, "b", "c", tokens=2)
    stats = cache.stats
    assert (stats.hits, stats.misses, stats.evictions) == (1, 3, 0)
    assert (stats.num_clips, stats.num_bytes, stats.max_bytes) == (3, 4 * ONE, 10 * ONE)
    cache.clear()
    assert (cache.stats.num_clips, cache.stats.num_bytes, cache.stats.hits) == (0, 0, 1)


def test_of_a_batch_that_is_too_long_the_first_clips_stay() -> None:
    """A cache that kept the last ones would not have one of them when the batch comes again."""
    cache = VisionCache(2 * ONE)
    assert show(cache, "a", "b", "c", "d") == set()
    assert show(cache, "a", "b", "c", "d") == {"a", "b"}
    assert show(cache, "x") == set()
    assert show(cache, "a", "b", "c") == {"b"}


def test_a_clip_of_the_batch_is_never_driven_out_by_another_of_it() -> None:
    cache = VisionCache(2 * ONE)
    show(cache, "a", "b")
    assert show(cache, "b", "c", "a") == {"a", "b"}
    assert set(cache.find("abc")) == {"a", "b"}


def test_a_clip_larger_than_the_cache_is_not_kept_and_drives_nothing_out() -> None:
    cache = VisionCache(2 * ONE)
    show(cache, "a")
    show(cache, "b", tokens=3)
    assert set(cache.find("ab")) == {"a"}


def test_nothing_is_kept_or_counted_when_off() -> None:
    cache = VisionCache(0)
    assert show(cache, "a") == show(cache, "a") == set()
    assert (cache.stats.misses, cache.stats.num_bytes) == (0, 0)


def test_what_is_kept_shares_no_memory_with_its_batch() -> None:
    batch = features(100)
    part = batch.split([1, 99])[0]
    cache = VisionCache(10 * ONE)
    cache.store({"a": part}, {"a"})
    kept = cache.find("a")["a"]
    assert kept.tokens.untyped_storage().nbytes() == WIDTH * 4
    batch.tokens.fill_(7.0)
    assert kept.tokens.sum() == 0


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True), max_size=12),
    st.integers(0, 6),
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 3)),
)
def test_it_never_holds_more_than_it_may_and_never_another_clip(
    batches: list[list[str]], room: int, sizes: dict[str, int]
) -> None:
    cache = VisionCache(room * ONE)
    for names in batches:
        found = cache.find(names)
        for name, kept in found.items():
            assert kept.tokens.tolist() == [[ord(name)] * WIDTH] * sizes.get(name, 1)
        missing = [n for n in names if n not in found]
        cache.store({n: features(sizes.get(n, 1), ord(n)) for n in missing}, names)
        assert cache.stats.num_bytes <= cache.max_bytes
        assert set(found) <= set(cache.find(names))
    held = cache.find("abcdefgh").values()
    assert cache.stats.num_bytes == sum(each.num_bytes for each in held)


@pytest.mark.parametrize("layers", [0, 2])
def test_features_survive_being_cut_and_joined(layers: int) -> None:
    whole = features(6, layers=layers)
    whole.tokens.copy_(torch.arange(6.0)[:, None].expand(-1, WIDTH))
    again = VisionFeatures.joined(whole.split([1, 2, 3]))
    assert torch.equal(again.tokens, whole.tokens)
    assert len(again.deepstack) == layers
    assert all(torch.equal(a, b) for a, b in zip(again.deepstack, whole.deepstack, strict=True))
