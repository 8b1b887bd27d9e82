"""Write the last column of docs/conformance.md: which tests show a row, by what the tests say themselves.

A test names its rows in its docstring ("Conformance M3, T5", or with the rows first), a camera of the catalogue
in `Camera.rows`. What is under tests/client/ shows rows of the client, what is under tests/server/ those of the
server, everything else those of either. Run `python -m scripts.conformance` where that has changed;
tests/test_conformance.py tells when.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.client.cameras.catalogue import CAMERAS

__all__ = ["DOCUMENT", "Shown", "named", "rendered", "shown", "strays"]

ROOT = Path(__file__).resolve().parents[1]
TESTS = ROOT / "tests"
DOCUMENT = ROOT / "docs" / "conformance.md"

Shown = Mapping[tuple[str, str], str]
"""Of each section of the document and each row that a test of its side names, the last column."""

_NAMED = re.compile(r"(?:^|[Cc]onformance )([ADFHKMOPRT][0-9]{1,2}(?:, [ADFHKMOPRT][0-9]{1,2})*)\b")
_ROW = re.compile(r"(\| ([ADFHKMOPRT][0-9]{1,2}) \| (?:!!|!|·) \| [^|]+ \|)[^|]*\|")
_HEADING = "## "
_SECTIONS = ("Client", "Server", "Hostile inputs")
_SIDES = {"client": _SECTIONS[:1], "server": _SECTIONS[1:]}
_CAMERAS = "client/test_cameras.py"


def named(source: str) -> Iterator[str]:
    """The rows that the docstrings of a test file's functions name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for match in _NAMED.finditer(ast.get_docstring(node) or ""):
                yield from match[1].split(", ")


@cache
def _places() -> Mapping[str, list[tuple[str, str]]]:
    """Of each test file, below tests/, the rows that it names, each with what is said of it."""
    places: dict[str, list[tuple[str, str]]] = {}
    cameras: dict[str, list[str]] = defaultdict(list)
    for name, camera in CAMERAS.items():
        for row in camera.rows:
            cameras[row].append(name)
    for path in sorted(TESTS.rglob("test_*.py")):
        file = path.relative_to(TESTS).as_posix()
        found = [(row, f"`{file}`") for row in sorted(set(named(path.read_text())))]
        if file == _CAMERAS:
            found += [(row, f"`{file}`: {', '.join(names)}") for row, names in cameras.items()]
        places[file] = found
    return places


@cache
def shown() -> Shown:
    """What the tests say."""
    columns: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file, rows in _places().items():
        for row, text in rows:
            for section in _SIDES.get(file.partition("/")[0], _SECTIONS):
                columns[section, row].append(text)
    return {place: "; ".join(texts) for place, texts in columns.items()}


def rendered(document: str, columns: Shown) -> tuple[str, list[tuple[str, str]]]:
    """The document with its last columns as they should be, and the rows that it has, with their sections."""
    rows: list[tuple[str, str]] = []
    section = ""

    def column(match: re.Match[str]) -> str:
        rows.append((section, match[2]))
        return f"{match[1]} {columns.get((section, match[2]), '')} |"

    lines: list[str] = []
    for line in document.split("\n"):
        if line.startswith(_HEADING):
            section = line.removeprefix(_HEADING)
        lines.append(_ROW.sub(column, line))
    return "\n".join(lines), rows


def strays(document: str) -> list[str]:
    """What tests name and no section of theirs has."""
    rows = set(rendered(document, {})[1])
    return [
        f"{file} names {row}"
        for file, found in _places().items()
        for row, _ in found
        if not any((section, row) in rows for section in _SIDES.get(file.partition("/")[0], _SECTIONS))
    ]


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(DOCUMENT.read_text(), shown())[0])
