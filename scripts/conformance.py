"""Write the last column of docs/conformance.md: which tests show a row, by what the tests say themselves.

A test names its rows in its docstring ("Conformance M3, T5", or with the rows first), a camera of the catalogue
in `Camera.rows`. Run `python -m scripts.conformance` where that has changed; tests/test_conformance.py tells when.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.client.cameras.catalogue import CAMERAS

__all__ = ["DOCUMENT", "Shown", "named", "rendered", "shown"]

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "conformance.md"

Shown = Mapping[str, str]
"""Of each row that is named anywhere, the last column."""

_NAMED = re.compile(r"(?:^|[Cc]onformance )([ADFKMOPRT][0-9]{1,2}(?:, [ADFKMOPRT][0-9]{1,2})*)\b")
_ROW = re.compile(r"(\| ([ADFKMOPRT][0-9]{1,2}) \| (?:!!|!|·) \| [^|]+ \|)[^|]*\|")
_CAMERAS = "client/test_cameras.py"


def named(source: str) -> Iterator[str]:
    """The rows that the docstrings of a test file's functions name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for match in _NAMED.finditer(ast.get_docstring(node) or ""):
                yield from match[1].split(", ")


@cache
def shown() -> Shown:
    """What the tests say."""
    files: dict[str, list[str]] = defaultdict(list)
    cameras: dict[str, list[str]] = defaultdict(list)
    for name, camera in CAMERAS.items():
        for row in camera.rows:
            cameras[row].append(name)
    for row, names in cameras.items():
        files[row].append(f"`{_CAMERAS}`: {', '.join(names)}")
    tests = ROOT / "tests"
    for path in sorted(tests.rglob("test_*.py")):
        for row in sorted(set(named(path.read_text()))):
            files[row].append(f"`{path.relative_to(tests).as_posix()}`")
    return {row: "; ".join(places) for row, places in files.items()}


def rendered(document: str, columns: Shown) -> tuple[str, list[str]]:
    """The document with its last columns as they should be, and the rows that it has."""
    rows: list[str] = []

    def column(match: re.Match[str]) -> str:
        rows.append(match[2])
        return f"{match[1]} {columns.get(match[2], '')} |"

    return _ROW.sub(column, document), rows


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(DOCUMENT.read_text(), shown())[0])
