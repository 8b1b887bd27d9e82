"""Which paths a pattern means."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.server.rights import MAX_PATTERN, READ_ALL, PathPattern, Right, Rights

SEGMENTS = st.lists(st.text(min_size=1, max_size=4), max_size=5)


def segments(path: str) -> tuple[str, ...]:
    return tuple(unquote(part) for part in path.split("/") if part)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("/cam", ["/cam", "/cam/", "//cam"], ["/", "/cam/x", "/Cam", "/cam1", "/x/cam"]),
        ("/cam/", ["/cam"], ["/cam/x"]),
        ("/", ["/"], ["/cam"]),
        ("/*", ["/cam", "/a b", "/.x", "/%0a"], ["/", "/a/b"]),
        ("/**", ["/", "/cam", "/a/b/c"], []),
        ("/a/**", ["/a", "/a/b", "/a/b/c"], ["/", "/b", "/ab"]),
        ("/**/b", ["/b", "/a/b", "/a/b/b"], ["/", "/a", "/b/a"]),
        ("/a/**/z", ["/a/z", "/a/b/c/z", "/a/z/z"], ["/a", "/z", "/a/b"]),
        ("/**/a/**/b/**", ["/a/b", "/x/a/y/b/z"], ["/b/a", "/a", "/b"]),
        ("/a**", ["/a", "/abc"], ["/a/b"]),
        ("/cam?", ["/cam1", "/camx"], ["/cam", "/cam12"]),
        ("/cam[12]", ["/cam1", "/cam2"], ["/cam3", "/cam12"]),
        ("/cam[[]1", ["/cam[1"], ["/cam1"]),
        ("/a b", ["/a b", "/a%20b"], ["/a+b"]),
        ("/a.b", ["/a.b"], ["/axb"]),
        ("/x*x*x", ["/xxx", "/xaxbx"], ["/xx", "/x/xx"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    """Conformance A8."""
    assert [path for path in yes + no if PathPattern(pattern).matches(segments(path))] == yes


@given(SEGMENTS, SEGMENTS)
@settings(max_examples=100)
def test_any_depth(above: list[str], below: list[str]) -> None:
    assert PathPattern("/**").matches(above)
    plain = [part for part in above if not set(part) & set("/*?[") and part.strip("/")]
    assert PathPattern("/" + "/".join([*plain, "**"])).matches([*plain, *below])


def test_patterns_take_no_time() -> None:
    """However they are made, and whatever is asked for: the work is bounded by the product of both."""
    pattern = PathPattern("/**" * 200 + "/x")
    assert not pattern.matches(["a"] * 200)
    assert not PathPattern("/" + "*a" * 400 + "b").matches(["a" * 4000])


@pytest.mark.parametrize("text", ["", "cam", "**", " /cam", "/" + "x" * MAX_PATTERN, "/a[b", "/[x/]"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="no pattern of paths"):
        PathPattern(text)
    with pytest.raises(ValueError, match="no pattern of paths"):
        Rights(publish=(text,))


def test_rights() -> None:
    rights = Rights(read=("/a", "/b/**"), publish=("/b/c",))
    assert rights.allow(Right.READ, ["b", "c"])
    assert rights.allow(Right.PUBLISH, ["b", "c"])
    assert not rights.allow(Right.PUBLISH, ["a"])
    assert bool(rights)
    assert not Rights()
    assert not Rights().allow(Right.READ, [])
    assert READ_ALL.allow(Right.READ, ["any", "thing"])
    assert not READ_ALL.allow(Right.PUBLISH, [])
    assert rights == Rights(read=("/a", "/b/**"), publish=("/b/c",))
