from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelcast.errors import MediaError
from reelcast.media import library as library_module
from reelcast.media.library import MAX_DEPTH, Library


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A library with neighbours that must not be reached."""
    root = tmp_path / "root"
    for name in (
        "b.mp4",
        "a movie #1?.mkv",
        "sub/deep/c.MP4",
        "sub/é%2e.ts",
        "notes.txt",
        ".hidden.mp4",
        ".git/d.mp4",
        "sub/.cache/e.mp4",
        "12:30.wav",
        "movie.Mjpeg",
        "no-suffix",
        "folder.mp4/inside.mp4",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "root-beside").mkdir()
    (tmp_path / "root-beside" / "secret.mp4").write_bytes(b"secret")
    return root


def test_paths_are_listed_sorted_and_encoded(root: Path) -> None:
    library = Library(root)
    paths = library.paths()
    assert paths == sorted(paths)
    assert set(paths) == {
        "b.mp4",
        "a%20movie%20%231%3F.mkv",
        "sub/deep/c.MP4",
        "sub/%C3%A9%252e.ts",
        "12%3A30.wav",
        "movie.Mjpeg",
        "folder.mp4/inside.mp4",
    }


def test_what_is_listed_is_found(root: Path) -> None:
    library = Library(root)
    for path in library.paths():
        found = library.find([unquote(segment) for segment in path.split("/")])
        assert found is not None
        assert found.is_file()
        assert found.is_relative_to(library.root)


@pytest.mark.parametrize(
    "segments",
    [
        [],
        [""],
        ["", "b.mp4"],
        ["b.mp4", ""],
        ["."],
        [".", "b.mp4"],
        [".."],
        ["..", "secret.mp4"],
        ["sub", "..", "b.mp4"],
        ["sub", "..", "..", "secret.mp4"],
        ["..", "root-beside", "secret.mp4"],
        ["../secret.mp4"],
        ["/etc/passwd"],
        ["sub/deep/c.MP4"],
        ["sub\\deep\\c.MP4"],
        ["..\\secret.mp4"],
        ["C:\\secret.mp4"],
        ["%2e%2e", "secret.mp4"],
        ["b.mp4\0"],
        ["b.mp4\0.txt"],
        ["\0"],
        ["b.mp4", "b.mp4"],
        [".hidden.mp4"],
        [".git", "d.mp4"],
        ["sub", ".cache", "e.mp4"],
        ["notes.txt"],
        ["no-suffix"],
        ["sub"],
        ["folder.mp4"],
        ["missing.mp4"],
        ["a" * 256 + ".mp4"],
        ["é" * 126 + ".mp4"],
        ["a" * 4096],
        ["sub"] * (MAX_DEPTH + 1) + ["b.mp4"],
        ["\udcff.mp4"],
        ["~", "b.mp4"],
    ],
)
def test_what_must_not_be_found(root: Path, segments: list[str]) -> None:
    """Conformance H26."""
    assert Library(root).find(segments) is None


def test_links_are_followed_inside_only(root: Path, tmp_path: Path) -> None:
    """Conformance H26."""
    (root / "inside.mp4").symlink_to(root / "sub" / "deep" / "c.MP4")
    (root / "outside.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "beside.mp4").symlink_to(tmp_path / "root-beside" / "secret.mp4")
    (root / "up").symlink_to(tmp_path)
    (root / "again").symlink_to(root)
    (root / "circle.mp4").symlink_to(root / "circle.mp4")
    (root / "dangling.mp4").symlink_to(root / "gone.mp4")
    library = Library(root)
    assert library.find(["inside.mp4"]) == root / "sub" / "deep" / "c.MP4"
    assert library.find(["again", "b.mp4"]) == root / "b.mp4"
    for segments in (
        ["outside.mp4"],
        ["beside.mp4"],
        ["up", "secret.mp4"],
        ["circle.mp4"],
        ["dangling.mp4"],
    ):
        assert library.find(segments) is None
    links = {"inside.mp4", "outside.mp4", "beside.mp4", "circle.mp4", "dangling.mp4"}
    assert links & set(library.paths()) == {"inside.mp4"}
    assert not any(path.startswith(("up/", "again/")) for path in library.paths())


def test_a_root_behind_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert Library(tmp_path / "link").find(["b.mp4"]) == root / "b.mp4"


def test_only_regular_files(root: Path) -> None:
    """Conformance H26."""
    os.mkfifo(root / "fifo.mp4")
    (root / "device.mp4").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "s.mp4"))
        library = Library(root)
        assert [library.find([name]) for name in ("fifo.mp4", "device.mp4", "s.mp4")] == [None] * 3
        assert not {"fifo.mp4", "device.mp4", "s.mp4"} & set(library.paths())


def test_names_that_are_no_text_are_skipped(root: Path) -> None:
    (root / os.fsdecode(b"\xff.mp4")).write_bytes(b"x")
    assert len(Library(root).paths()) == 7


def test_lists_are_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library(root)
    monkeypatch.setattr(library_module, "MAX_FILES", 2)
    assert len(library.paths()) == 2
    monkeypatch.setattr(library_module, "MAX_ENTRIES", 1)
    assert library.paths() == []
    monkeypatch.undo()
    monkeypatch.setattr(library_module, "MAX_DEPTH", 1)
    assert "sub/deep/c.MP4" not in library.paths()


@pytest.mark.parametrize("name", ["missing", "file.mp4", "nul\0"])
def test_a_root_that_is_no_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.mp4").write_bytes(b"x")
    with pytest.raises(MediaError):
        Library(tmp_path / name)


SEGMENT = st.one_of(
    st.sampled_from(["..", ".", "", "sub", "root", "secret.mp4", "b.mp4", "/", "up", "root-beside"]),
    st.text(max_size=12),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SEGMENT, max_size=6))
def test_nothing_outside_is_reached(root: Path, segments: list[str]) -> None:
    """Conformance H26."""
    if not (root / "up").is_symlink():
        (root / "up").symlink_to(root.parent)
    found = Library(root).find(segments)
    assert found is None or found.is_relative_to(root.resolve())
