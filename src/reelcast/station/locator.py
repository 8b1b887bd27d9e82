"""Where the keys of a TOML document stand: tomllib says what they are worth, and not on which lines.

One pass over the tokens. The document has been parsed by tomllib before, so nothing is checked here; of any other
text something is found, or nothing.
"""

from __future__ import annotations

import re
import tomllib
from typing import Literal

__all__ = ["Place", "locate"]

Place = tuple[str | int, ...]
"""The keys that lead to a value; the index stands for the element of an array."""

# In strings of several lines, up to two quotes may stand before the closing three.
_TOKEN = re.compile(
    r"""
    (?P<text> \"{3} (?:[^\\]|\\.)*? \"{3,5} | '{3} .*? '{3,5} | \"(?:[^"\\\n]|\\.)*\" | '[^'\n]*' )
  | (?P<comment> \#[^\n]* )
  | (?P<newline> \n )
  | (?P<mark> [][{}=,.] )
  | (?P<bare> [^]\s[{}=,.\#"']+ )
  | (?P<rest> \s | . )
    """,
    re.VERBOSE | re.DOTALL,
)


def locate(document: str) -> dict[Place, int]:
    """The line, from 1 on, that each key and each array element of a document first stands on."""
    locator = _Locator()
    line = 1
    for match in _TOKEN.finditer(document):
        kind, token = match.lastgroup, match[0]
        if kind == "newline":
            locator.end_line()
        elif kind == "mark":
            locator.mark(token, line)
        elif kind in ("bare", "text"):
            locator.word(token, line)
        line += token.count("\n")
    locator.end_line()
    return locator.lines


class _Locator:
    """Reads tokens: keys, headers of tables, and values, as far as they hold more keys."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self._reads: Literal["key", "header", "value"] = "key"
        self._parts: list[str] = []
        self._line = 0
        self._table: Place = ()
        self._elements: dict[Place, int] = {}
        # Of the arrays and inline tables that are open: the place of each, and the index of an array's element.
        self._open: list[tuple[Place, int | None]] = []
        self._place: Place = ()
        self._double = False

    def word(self, token: str, line: int) -> None:
        """A key, or a scalar."""
        if self._reads == "value":
            self._note(self._place, line)
            return
        if not self._parts:
            self._line = line
        self._parts.append(_plain(token))

    def mark(self, token: str, line: int) -> None:
        """One of the marks that hold a document together."""
        if self._reads == "value":
            self._in_value(token, line)
        elif token == "=" and self._reads == "key":
            self._key()
        elif token == "[":
            self._double = self._reads == "header"
            self._reads = "header"
        elif token == "}":
            self._close()
        elif token == ",":
            self._parts.clear()

    def end_line(self) -> None:
        """A line ends, and with it a header, or a value that is not open."""
        if self._reads == "header":
            self._header()
        if not self._open:
            self._reads = "key"
            self._parts.clear()

    def _in_value(self, token: str, line: int) -> None:
        if token in "[{":
            self._note(self._place, line)
            self._open.append((self._place, 0 if token == "[" else None))
            if token == "[":
                self._place = (*self._place, 0)
            else:
                self._reads = "key"
        elif token in "]}":
            self._close()
        elif token == "," and self._open:
            place, index = self._open[-1]
            if index is None:
                self._reads = "key"
            else:
                self._open[-1] = place, index + 1
                self._place = (*place, index + 1)

    def _close(self) -> None:
        """An array or an inline table ends; what follows is the rest of a value."""
        if self._open:
            self._place, _ = self._open.pop()
            self._reads = "value"
        self._parts.clear()

    def _key(self) -> None:
        base = self._open[-1][0] if self._open else self._table
        for count in range(1, len(self._parts) + 1):
            self._place = (*base, *self._parts[:count])
            self._note(self._place, self._line)
        self._reads = "value"
        self._parts.clear()

    def _header(self) -> None:
        """The name of a table, or of one more table of an array."""
        place: Place = ()
        for number, part in enumerate(self._parts, 1):
            place = (*place, part)
            self._note(place, self._line)
            if self._double and number == len(self._parts):
                self._elements[place] = self._elements.get(place, -1) + 1
            if place in self._elements:
                place = (*place, self._elements[place])
                self._note(place, self._line)
        self._table = place

    def _note(self, place: Place, line: int) -> None:
        self.lines.setdefault(place, line)


def _plain(token: str) -> str:
    """A key without its quotes."""
    if token[0] not in "\"'":
        return token
    try:
        return str(tomllib.loads(f"key = {token}")["key"])
    except tomllib.TOMLDecodeError:
        return token
