"""Write the tables of docs/configuration.md: every key, by what the code says of it.

Run `python -m scripts.configuration` where that has changed; tests/test_configuration.py tells when.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from reelcast.station.settings import settings_of
from reelcast.station.toml_file import NAMED_TABLES, TABLES

__all__ = ["DOCUMENT", "rendered"]

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
BEGIN: Final = "<!-- begin of the tables, which `python -m scripts.configuration` writes -->"
END: Final = "<!-- end of the tables -->"
_HEADINGS: Final = {"paths": '[paths."/NAME"]', "users": "[users.NAME]"}


def rendered(text: str) -> str:
    """The document with its tables as they should be."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    tables = "\n".join(
        line for name, table in {**TABLES, **NAMED_TABLES}.items() for line in _lines(name, table)
    )
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


def _lines(name: str, table: type) -> Iterator[str]:
    defaults = {item.name: item.default for item in dataclasses.fields(table)}
    yield f"### {_HEADINGS.get(name, f'[{name}]')}"
    yield ""
    yield inspect.cleandoc(table.__doc__ or "")
    yield ""
    yield "| key | value | if not given | meaning |"
    yield "| --- | --- | --- | --- |"
    for key, setting in settings_of(table).items():
        yield f"| `{key}` | {setting.reader.kind} | {_toml(defaults[key])} | {setting.meaning} |"
    yield ""


def _toml(value: object) -> str:
    """A default as the file would have it."""
    if value is None:
        return ""
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    return f"`{json.dumps(value)}`"


def main() -> None:
    """Bring the document up to date."""
    DOCUMENT.write_text(rendered(DOCUMENT.read_text()))


if __name__ == "__main__":
    main()
