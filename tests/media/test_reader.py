from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import av.error
import pytest
from av.packet import Packet
from av.stream import Stream

from reelcast.errors import MediaError
from reelcast.media import reader as reader_module
from reelcast.media.reader import MAX_FAILURES, PacketReader, reason_of

Movie = Callable[[str], Path]


def everything(reader: PacketReader) -> list[tuple[int, int | None]]:
    packets = []
    while (packet := reader.read()) is not None:
        packets.append((packet.stream_index, packet.pts))
    return packets


def test_packets_in_file_order(movie: Movie) -> None:
    with closing(PacketReader(movie("movie.mp4"))) as reader:
        assert "mp4" in reader.formats
        packets = everything(reader)
        assert len(packets) > 200
        assert all(pts is not None for _, pts in packets)
        assert reader.read() is None
        assert reader.failure is None


def test_what_is_put_back_is_read_first(movie: Movie) -> None:
    with closing(PacketReader(movie("movie.mp4"))) as reader:
        first, second, third = (reader.read() for _ in range(3))
        assert first is not None
        assert second is not None
        assert third is not None
        reader.put_back([second, third])
        reader.put_back([first])
        assert [reader.read() for _ in range(3)] == [first, second, third]
        reader.put_back([first])
        assert reader.seek(0, 0)
        again = reader.read()
        assert again is not None
        assert again is not first


def test_seek_by_time_and_by_byte(movie: Movie) -> None:
    with closing(PacketReader(movie("movie.mp4"))) as reader:
        assert reader.seek(12_800 + 10, 0)
        assert reader.read() is not None
        assert not reader.seek(2**70, 0)
    with closing(PacketReader(movie("raw.h264"))) as reader:
        packets = [packet for packet in iter(reader.read, None) if packet.is_keyframe]
        position = packets[1].pos
        assert position is not None
        assert reader.seek(position)
        assert len(everything(reader)) == 50


def test_rewind(movie: Movie) -> None:
    with closing(PacketReader(movie("movie.ts"))) as reader:
        packets = everything(reader)
        reader.rewind()
        assert everything(reader) == packets


def test_errors_are_skipped_until_there_are_too_many(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(PacketReader(movie("sound.wav"))) as reader:
        demux = reader._demux
        failures = 0

        def broken() -> Iterator[Packet[Stream]]:
            nonlocal failures
            failures += 1
            if failures % 3:
                raise av.error.InvalidDataError(1, "broken") if failures % 2 else IndexError
            yield from demux()

        monkeypatch.setattr(reader, "_demux", broken)
        assert reader.seek(0, 0)
        packets = everything(reader)
        assert len(packets) == 22
        assert isinstance(reader.failure, IndexError)

        def hopeless() -> Iterator[Packet[Stream]]:
            nonlocal failures
            failures += 1
            raise av.error.InvalidDataError(1, "broken")
            yield

        def endless() -> Iterator[Packet[Stream]]:
            nonlocal failures
            failures += 1
            raise av.error.ExitError(1, "timed out")
            yield

        failures = 0
        monkeypatch.setattr(reader, "_demux", endless)
        assert reader.seek(0, 0)
        assert everything(reader) == []
        assert failures == 1
        failures = 0
        monkeypatch.setattr(reader, "_demux", hopeless)
        assert reader.seek(0, 0)
        assert everything(reader) == []
        assert failures == MAX_FAILURES


def test_too_large_a_packet_is_skipped(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "MAX_UNIT_BYTES", 3000)
    with closing(PacketReader(movie("sound.wav"))) as reader:
        assert len(everything(reader)) < 3


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with pytest.raises(MediaError, match=r"film\.mp4: cannot be read: No such file"):
        PacketReader(path)
    path.write_bytes(b"\0" * 500)
    with pytest.raises(MediaError, match=r"film\.mp4: cannot be read: "):
        PacketReader(path)


def test_reasons_are_short() -> None:
    assert reason_of(av.error.InvalidDataError(1, "Invalid data", "/a/path")) == "Invalid data"
    assert reason_of(ValueError("odd")) == "odd"
    assert reason_of(ValueError()) == "ValueError"
