"""docs/conformance.md is what the tests say of themselves, and every must in it has a test."""

from __future__ import annotations

from scripts.conformance import DOCUMENT, named, rendered, shown, strays

TEXT = DOCUMENT.read_text()


def test_the_document_is_up_to_date() -> None:
    assert rendered(TEXT, shown())[0] == TEXT, "run: python -m scripts.conformance"


def test_every_must_has_a_test() -> None:
    assert [line for line in TEXT.splitlines() if "| !! |" in line and line.endswith("|  |")] == []


def test_every_row_that_a_test_names_is_there_once() -> None:
    rows = rendered(TEXT, {})[1]
    assert len(rows) == len(set(rows))
    assert strays(TEXT) == []


def test_every_hostile_input_is_there() -> None:
    rows = [row for section, row in rendered(TEXT, {})[1] if section == "Hostile inputs"]
    assert rows == [f"H{number}" for number in range(1, 41)]


def test_rows_are_named_in_docstrings() -> None:
    source = '''
class TestIt:
    async def test_one(self): "Cameras (conformance T5, R9)."
def test_two():
    """Conformance M1."""
def test_three():
    """F3, F4: cameras; not H264 or F5."""
def test_three_more():
    """Conformance H26."""
    "conformance M2"
'''
    assert sorted(named(source)) == ["F3", "F4", "H26", "M1", "R9", "T5"]
    document = "## A\n| M1 | !! | what | old |\n| M2 | · | else |  |\n## B\n| M1 | ! | what | old |\n"
    assert rendered(document, {("A", "M1"): "`new`", ("B", "M2"): "`no`"}) == (
        "## A\n| M1 | !! | what | `new` |\n| M2 | · | else |  |\n## B\n| M1 | ! | what |  |\n",
        [("A", "M1"), ("A", "M2"), ("B", "M1")],
    )
