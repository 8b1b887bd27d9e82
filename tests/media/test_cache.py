"""The cache of groups: bounded, the least recently used go first."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.groups import TRACKS, VIDEO, burst

from reelcast.media.cache import DEFAULT_CACHE_BYTES, GroupCache
from reelcast.rtp.group import Group


def group(index: int, size: int = 1000) -> Group:
    return Group.build(index, [(0, burst(VIDEO, 0, (size,)))], TRACKS, last=False)


ONE = group(0).nbytes


def test_get_and_put() -> None:
    cache = GroupCache()
    assert cache.max_bytes == DEFAULT_CACHE_BYTES
    assert cache.get("film", 3) is None
    kept = group(3)
    cache.put("film", kept)
    assert cache.get("film", 3) is kept
    assert cache.get("film", 2) is None
    assert cache.get("other film", 3) is None
    assert cache.nbytes == kept.nbytes


def test_the_least_recently_used_goes_first() -> None:
    cache = GroupCache(3 * ONE)
    for index in range(3):
        cache.put("film", group(index))
    assert cache.get("film", 0) is not None
    cache.put("film", group(3))
    assert [index for index in range(4) if cache.get("film", index)] == [0, 2, 3]
    assert cache.nbytes == 3 * ONE


def test_a_large_one_takes_the_room_of_several() -> None:
    cache = GroupCache(4 * ONE)
    for index in range(4):
        cache.put("film", group(index))
    cache.put("film", group(4, 2500))
    assert [index for index in range(5) if cache.get("film", index)] == [2, 3, 4] or cache.nbytes <= 4 * ONE
    assert cache.nbytes <= cache.max_bytes


def test_one_that_is_too_large_stays_until_the_next_comes() -> None:
    cache = GroupCache(ONE)
    cache.put("film", group(0))
    cache.put("film", group(1, 50_000))
    assert cache.get("film", 0) is None
    assert cache.get("film", 1) is not None
    cache.put("film", group(2))
    assert cache.get("film", 1) is None
    assert cache.nbytes == ONE


def test_put_again() -> None:
    cache = GroupCache()
    cache.put("film", group(0, 5000))
    again = group(0)
    cache.put("film", again)
    assert cache.get("film", 0) is again
    assert cache.nbytes == ONE


def test_forget() -> None:
    cache = GroupCache()
    for name in ("film", "other film"):
        for index in range(3):
            cache.put(name, group(index))
    cache.forget("film")
    assert not any(cache.get("film", index) for index in range(3))
    assert all(cache.get("other film", index) for index in range(3))
    assert cache.nbytes == 3 * ONE
    cache.forget("film")
    cache.forget("other film")
    assert cache.nbytes == 0


@settings(max_examples=100)
@given(
    st.integers(0, 6 * ONE),
    st.lists(st.tuples(st.sampled_from("gpf"), st.sampled_from("ab"), st.integers(0, 3), st.integers(1, 4))),
)
def test_bounded(max_bytes: int, steps: list[tuple[str, str, int, int]]) -> None:
    cache = GroupCache(max_bytes)
    sizes: dict[tuple[str, int], int] = {}
    for what, source, index, size in steps:
        if what == "p":
            kept = group(index, 800 * size)
            cache.put(source, kept)
            sizes[source, index] = kept.nbytes
            assert cache.get(source, index) is kept
        elif what == "f":
            cache.forget(source)
            assert cache.get(source, index) is None
        else:
            cache.get(source, index)
    held = [size for (source, index), size in sizes.items() if cache.get(source, index) is not None]
    assert cache.nbytes == sum(held)
    assert cache.nbytes <= max_bytes or len(held) == 1
