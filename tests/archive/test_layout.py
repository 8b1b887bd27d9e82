"""Where recordings lie: names that nobody minds, and names that somebody chose to do harm with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.archive.layout import find_files, folder_of, name_of, place_of, start_of

HALF_PAST_TWO = datetime(2026, 11, 22, 14, 30, 0, 123456, UTC).timestamp()


def test_a_segment_has_its_place() -> None:
    place = place_of("/cam", HALF_PAST_TWO, ".mp4")
    assert place == Path("cam/2026-11-22/14-30-00.123456Z.mp4")
    assert start_of(place) == HALF_PAST_TWO
    assert name_of(place) == "/cam"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("/cam", "cam"),
        ("/garden/front door", "garden/front%20door"),
        ("/../../etc", "%2E%2E/%2E%2E/etc"),
        ("/./x", "%2E/x"),
        ("/...", "%2E%2E%2E"),
        ("/a.b", "a.b"),
        ("//a//b/", "a/b"),
        ("/C:\\temp", "C%3A%5Ctemp"),
        ("/nul\0", "nul%00"),
        ("/küche", "k%C3%BCche"),
        ("/", "%2F"),
    ],
)
def test_what_a_path_becomes(name: str, folder: str) -> None:
    assert folder_of(name).as_posix() == folder


def test_long_names_are_cut_and_told_apart() -> None:
    one, other = folder_of("/" + 300 * "a"), folder_of("/" + 301 * "a")
    assert one != other
    assert len(one.name) == len(other.name) < 255


@given(st.text(max_size=60))
def test_any_path_stays_in_the_folder_and_is_found_again(text: str) -> None:
    name = "/" + "/".join(part for part in text.split("/") if part)
    place = place_of(name, HALF_PAST_TWO, ".mkv")
    assert not place.is_absolute()
    assert ".." not in place.parts
    assert all("\0" not in part for part in place.parts)
    if all("~" not in part for part in place.parts):
        assert name_of(place) == name


@pytest.mark.parametrize(
    "place",
    [
        "cam/2026-11-22/14-30-00.123456Z.txt",
        "cam/2026-11-22/14-30-00.123Z.mp4",
        "cam/2026-13-22/14-30-00.123456Z.mp4",
        "cam/2026-11-22/holiday.mp4",
        "cam/x/14-30-00.123456Z.mp4",
    ],
)
def test_what_is_no_segment(place: str) -> None:
    assert start_of(Path(place)) is None


def test_files_are_found_by_path(tmp_path: Path) -> None:
    places = [place_of(name, HALF_PAST_TWO, ".mp4") for name in ("/cam", "/cam/2", "/other")]
    for place in (*places, Path("cam/2026-11-22/holiday.mp4")):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    assert sorted(find_files(tmp_path)) == sorted(places)
    assert list(find_files(tmp_path, "/cam")) == places[:1]
    assert list(find_files(tmp_path, "/nobody")) == []
