"""Pictures are saved, or refused before the run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.load.figures import measurement

from reelcast.errors import ReelcastError
from reelcast.load import plot as module
from reelcast.load.plot import check_plot, save_plot


def test_png(tmp_path: Path) -> None:
    path = tmp_path / "load.png"
    check_plot(path)
    save_plot(measurement(lost=2), path)
    with Image.open(path) as image:
        assert image.size == (1650, 1080)


def test_svg_has_its_words_as_text(tmp_path: Path) -> None:
    path = tmp_path / "load.svg"
    save_plot(measurement(empty=True), path)
    drawn = path.read_text()
    for words in ("Join time", "First packet", "jitter", "Latency", "not measured", "udp and tcp"):
        assert words in drawn
    assert "secret" not in drawn


def test_who_was_dropped_is_told(tmp_path: Path) -> None:
    path = tmp_path / "load.svg"
    save_plot(replace(measurement(), dropped=3), path)
    assert "4 readers over udp and tcp, 3 dropped" in path.read_text()


@pytest.mark.parametrize("name", ["load.pdf", "load", "missing/load.png"])
def test_what_cannot_be_saved(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReelcastError, match="load"):
        check_plot(tmp_path / name)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ReelcastError, match=r"folder\.png: Is a directory"):
        save_plot(measurement(), tmp_path / "folder.png")


def test_without_matplotlib_the_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ReelcastError, match=r"pip install 'reelcast\[plot\]'"):
        check_plot(tmp_path / "load.png")
