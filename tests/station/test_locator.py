"""The lines of keys: every key that tomllib finds has one, and it is the one it stands on."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.station.locator import Place, locate


@pytest.mark.parametrize(
    ("document", "place", "line"),
    [
        ("a = 1", ("a",), 1),
        ("# a = 1\na = 1", ("a",), 2),
        ("\r\na = 1\r\nb = 2", ("b",), 3),
        ("[table]\na = 1", ("table",), 1),
        ("[table]\na = 1", ("table", "a"), 2),
        ("\n[table]", ("table",), 2),
        ("[ one . two ] # [three]\n\na = 1", ("one", "two", "a"), 3),
        ('[paths."/cam"]\nrelay = "x"', ("paths", "/cam", "relay"), 2),
        ("[paths.'/cam = 1']\nrelay = 'x'", ("paths", "/cam = 1", "relay"), 2),
        ('paths."/cam".relay = "x"', ("paths", "/cam"), 1),
        ('"\\u00e9" = 1', ("é",), 1),
        ('a = """\nb = 1\n[c]\n"""\nd = 2', ("d",), 5),
        ('a = """\\""" ""\nb = 1"""""\nd = 2', ("d",), 3),
        ("a = '''\nb = ''\n'''\nd = 2", ("d",), 4),
        ("a = { b = 1, c = { d = 2 }, e = 3 }\nf = 4", ("a", "c", "d"), 1),
        ("a = { b = 1, c = { d = 2 }, e = 3 }\nf = 4", ("a", "e"), 1),
        ("a = { b = 1, c = { d = 2 }, e = 3 }\nf = 4", ("f",), 2),
        ("a = [\n  1,\n  2, # two\n  3]\nb = 1", ("a", 1), 3),
        ("a = [\n  1,\n  2, # two\n  3]\nb = 1", ("b",), 5),
        ("a = [\n  { b = 1 },\n  { b = 2 }\n]", ("a", 1, "b"), 3),
        ("a = [[1],\n [2,\n 3]]", ("a", 1, 1), 3),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", ("a", 0, "b"), 2),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", ("a", 1, "c", "d"), 6),
        ("1.2 = 3.4", ("1", "2"), 1),
        ("a = 1.5e3\nb = 1979-05-27T07:32:00Z", ("b",), 2),
    ],
)
def test_lines(document: str, place: Place, line: int) -> None:
    tomllib.loads(document)
    assert locate(document)[place] == line


@given(st.text(alphabet="ab1.,=[]{}\"'\\#\n\r \té"))
@settings(max_examples=200)
def test_any_text_is_gone_through(text: str) -> None:
    for line in locate(text).values():
        assert 1 <= line <= text.count("\n") + 1


WORDS = st.text(alphabet="ab\"'\\.=#[]{}, \néß", max_size=4)
KEYS = st.one_of(st.sampled_from(["a", "b", "some-key", "1"]), WORDS.map(json.dumps))
BLANKS = st.sampled_from(["", " ", "\t"])
SCALARS = st.one_of(
    st.sampled_from(["1", "-1.5", "true", "1979-05-27", "'it = [is]'", "'''\na = {\n'''", '"""\n]\\"\n"""']),
    WORDS.map(json.dumps),
)


def inside(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Arrays over several lines, and inline tables."""
    line_ends = st.sampled_from(["", "\n", " # , ]\n"])
    arrays = st.lists(st.tuples(line_ends, values, line_ends).map("".join), max_size=3)
    entries = st.lists(
        st.tuples(KEYS, BLANKS, values), max_size=3, unique_by=lambda entry: json.dumps(entry[0])
    )
    return st.one_of(
        arrays.map(lambda items: f"[{','.join(items)}]"),
        entries.map(
            lambda items: "{" + ", ".join(f"{key}{blank}={value}" for key, blank, value in items) + "}"
        ),
    )


VALUES = st.recursive(SCALARS, inside, max_leaves=5)
STATEMENTS = st.one_of(
    st.tuples(st.lists(KEYS, min_size=1, max_size=3).map(" . ".join), VALUES).map(" = ".join),
    st.lists(KEYS, min_size=1, max_size=3).map(lambda keys: f"[{'.'.join(keys)}] # = {{"),
    st.lists(KEYS, min_size=1, max_size=2).map(lambda keys: f"[[{'.'.join(keys)}]]"),
    st.sampled_from(["", "# [comment]", "   "]),
)


def places(value: object, place: Place = ()) -> Iterator[Place]:
    """All places in a parsed document."""
    if place:
        yield place
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*place, index))


@given(st.lists(STATEMENTS, max_size=5))
@settings(max_examples=200)
def test_every_key_of_a_document_is_found_on_its_line(statements: list[str]) -> None:
    document, starts = "", []
    parsed: dict[str, object] = {}
    for statement in statements:
        longer = f"{document}{statement}\n"
        try:
            now = tomllib.loads(longer)
        except tomllib.TOMLDecodeError:
            continue
        before = set(places(parsed))
        first, last = document.count("\n") + 1, longer.count("\n")
        starts += [(place, first, last) for place in places(now) if place not in before]
        document, parsed = longer, now
    lines = locate(document)
    assert set(lines) == set(places(parsed))
    for place, first, last in starts:
        assert first <= lines[place] <= last
