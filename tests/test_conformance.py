"""docs/conformance.md is what the tests say of themselves, and every must in it has a test."""

from __future__ import annotations

from scripts.conformance import DOCUMENT, named, rendered, shown

TEXT = DOCUMENT.read_text()


def test_the_document_is_up_to_date() -> None:
    assert rendered(TEXT, shown())[0] == TEXT, "run: python -m scripts.conformance"


def test_every_must_has_a_test() -> None:
    assert [line for line in TEXT.splitlines() if "| !! |" in line and line.endswith("|  |")] == []


def test_every_row_that_a_test_names_is_there_once() -> None:
    rows = rendered(TEXT, {})[1]
    assert len(rows) == len(set(rows))
    assert sorted(shown().keys() - set(rows)) == []


def test_rows_are_named_in_docstrings() -> None:
    source = '''
class TestIt:
    async def test_one(self): "Cameras (conformance T5, R9)."
def test_two():
    """Conformance M1."""
def test_three():
    """F3, F4: cameras; not H264 or F5."""
    "conformance M2"
'''
    assert sorted(named(source)) == ["F3", "F4", "M1", "R9", "T5"]
    assert rendered("| M1 | !! | what | old |\n| M2 | · | else |  |", {"M1": "`new`"}) == (
        "| M1 | !! | what | `new` |\n| M2 | · | else |  |",
        ["M1", "M2"],
    )
