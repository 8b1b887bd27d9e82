"""docs/configuration.md says what the code takes, and its examples are taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts.configuration import DOCUMENT, rendered

from reelcast.station.toml_file import read_configuration

TEXT = DOCUMENT.read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def test_the_document_is_up_to_date() -> None:
    assert rendered(TEXT) == TEXT, "run: python -m scripts.configuration"


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 2


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_are_taken(example: str, tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(example)
    read_configuration(file)
