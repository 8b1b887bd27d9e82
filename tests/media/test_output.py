"""Containers as they are written: whole fragments on disk, and broken units passed over."""

from __future__ import annotations

import io
import os
import shutil
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from tests.media.coded import audio, quiet, video

from reelcast.errors import MediaError
from reelcast.media.output import (
    RECORDING_SUFFIXES,
    Output,
    _Sink,
    check_path,
    check_tracks,
    held_as,
    plays_with_all,
)
from reelcast.media.parameters import template


def test_what_is_written_waits_until_all_of_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    sink = _Sink(path)
    assert sink.write(b"abc") == 3
    assert (sink.tell(), path.read_bytes(), sink.size) == (3, b"", 0)
    sink.write(b"def")
    sink.sync()
    sink.sync()
    assert (sink.tell(), path.read_bytes(), sink.size) == (6, b"abcdef", 6)
    # Going elsewhere brings to disk what waits behind.
    sink.write(b"g")
    assert sink.seek(1) == 1
    assert (sink.tell(), path.read_bytes(), sink.size) == (1, b"abcdefg", 7)
    sink.write(b"B")
    assert sink.seek(0, io.SEEK_END) == 7
    assert (path.read_bytes(), sink.size) == (b"aBcdefg", 7)
    assert not sink.closed
    sink.close()
    assert sink.closed


class Short(io.FileIO):
    """Takes three bytes at a time, and eight in all."""

    def write(self, data: Any) -> int:
        if self.tell() >= 8:
            raise OSError(28, "No space left on device")
        return super().write(bytes(data[:3])[: 8 - self.tell()])


def test_half_of_a_fragment_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda self, mode, buffering: Short(self, mode))
        sink = _Sink(path)
    sink.write(b"abcdef")
    sink.sync()
    sink.write(b"ghi")
    sink.sync()
    assert sink.failure is not None
    # Nothing is written any more.
    assert sink.write(b"jkl") == 3
    sink.seek(0)
    sink.sync()
    sink.close()
    assert (path.read_bytes(), sink.size) == (b"abcdef", 6)


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be removed there")
def test_a_file_that_is_removed_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    sink = _Sink(path)
    fstat = os.fstat
    with monkeypatch.context() as patch:
        # As some file systems have it, which count no links.
        patch.setattr(os, "fstat", lambda fd: os.stat_result((*fstat(fd)[:3], 0, *fstat(fd)[4:])))
        sink.write(b"abc")
        sink.sync()
        assert sink.failure is None
    path.unlink()
    sink.write(b"def")
    sink.sync()
    assert sink.failure is not None
    assert sink.failure.strerror == "somebody has removed the file"
    sink.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be removed there")
def test_a_folder_that_is_removed_meanwhile(tmp_path: Path) -> None:
    track, units = audio("aac")
    path = tmp_path / "folder" / "a.ts"
    path.parent.mkdir()
    output = Output(path)
    number = output.add(track, template(track, None))
    output.put(number, units[0], Fraction(1, track.clock_rate))
    shutil.rmtree(path.parent)
    with pytest.raises(MediaError, match=r"recording stopped: somebody has removed the file$"):
        output.close()
    output.abandon()


def test_a_broken_unit_is_passed_over(tmp_path: Path) -> None:
    track, units = audio("aac")
    path = tmp_path / "a.ts"
    source = template(track, None)
    output = Output(path)
    number = output.add(track, source)
    source.container.close()
    with quiet():
        for place, unit in enumerate(units):
            # MPEG-TS wraps AAC in ADTS, and looks at it.
            broken = replace(unit, data=b"\0") if place in (3, len(units) - 1) else unit
            output.put(number, replace(broken, pts=1024 * place, dts=1024 * place), Fraction(1, 48_000))
        output.close()
    assert output.skipped == 2
    assert output.written == path.stat().st_size
    with av.open(str(path)) as container:
        assert sum(packet.size > 0 for packet in container.demux()) == len(units) - 2


def test_a_file_that_nothing_came_into_is_not_left_behind(tmp_path: Path) -> None:
    output = Output(tmp_path / "a.mp4")
    output.close()
    assert not (tmp_path / "a.mp4").exists()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.mp4: cannot be written: No such file or directory"):
        Output(tmp_path / "nowhere" / "a.mp4")


def test_names_and_tracks_are_looked_at_before() -> None:
    check_path(Path("recording.MKV"))
    check_tracks(Path("recording.MKV"), [video("h264")[0], audio("pcmu")[0]])
    assert (held_as(".mov", "pcmu"), held_as(".mkv", "pcmu"), held_as(".ts", "pcmu")) == ("pcmu", "l16", None)


def test_which_files_wait_for_all_tracks() -> None:
    waiting = {suffix for suffix in RECORDING_SUFFIXES if plays_with_all(suffix)}
    assert waiting == {".mp4", ".mov"}
