"""Whole transport streams: every packet once, in step with the clock in it, from wherever one begins."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from reelcast.errors import MediaError
from reelcast.media.container import ContainerDemuxer
from reelcast.media.demux import open_demuxer
from reelcast.media.pcr_index import Framing, pcr_index
from reelcast.media.whole_ts import WholeTsDemuxer
from reelcast.rtp.payload import packetizer_for
from reelcast.track import Track

Movie = Callable[[str], Path]
PLAIN = Framing(188, 0)


def test_every_packet_once(movie: Movie) -> None:
    path = movie("film.ts")
    with closing(WholeTsDemuxer(path, PLAIN)) as demuxer:
        units = [unit for _, unit in demuxer.units()]
        (track,) = demuxer.tracks
        duration = demuxer.duration
    data = path.read_bytes()
    assert b"".join(unit.data for unit in units) == data
    assert {len(unit.data) for unit in units[:-1]} == {7 * 188}
    assert track == Track("video", "mp2t", 90_000, 33, bit_rate=track.bit_rate, control="trackID=1")
    assert duration is not None
    assert track.bit_rate == pytest.approx(8 * len(data) / duration, rel=0.001)
    assert units[0].pts == 0
    assert units[-1].pts + units[-1].duration == round(duration * 90_000)
    assert all(unit.pts == unit.dts and unit.keyframe for unit in units)
    for earlier, later in pairwise(units):
        assert later.pts == earlier.pts + earlier.duration > earlier.pts


def test_units_are_due_when_the_clock_says(movie: Movie) -> None:
    """Where a unit begins with a reference, its time is that, counted from the first."""
    path = movie("film.ts")
    index = pcr_index(path, PLAIN)
    with closing(WholeTsDemuxer(path, PLAIN)) as demuxer:
        for number, (_, unit) in enumerate(demuxer.units()):
            assert unit.pts == index.time(7 * number)


def test_packets_fit_rtp(movie: Movie) -> None:
    with closing(WholeTsDemuxer(movie("film.ts"), PLAIN)) as demuxer:
        packetizer = packetizer_for(demuxer.tracks[0])
        bursts = [burst for _, unit in demuxer.units() for burst in packetizer.packetize(unit)]
    assert {burst.sizes for burst in bursts[:-1]} == {(12 + 7 * 188,)}


def test_seek(movie: Movie) -> None:
    with closing(WholeTsDemuxer(movie("film.ts"), PLAIN)) as demuxer:
        everything = [unit for _, unit in demuxer.units()]
        ends = [everything[0].pts, everything[5].pts, everything[-1].pts]
        for seconds in (*(at / 90_000 for at in ends), 0.5, 1.0, 1.777):
            demuxer.seek(seconds)
            found = [unit for _, unit in demuxer.units()]
            assert found == everything[-len(found) :]
            assert found[0].pts <= round(seconds * 90_000) < found[0].pts + found[0].duration
        for seconds, count in ((-1.0, len(everything)), (1e9, 1)):
            demuxer.seek(seconds)
            assert len(list(demuxer.units())) == count


def test_seeking_moves_a_reader_at_work(movie: Movie) -> None:
    demuxer = WholeTsDemuxer(movie("film.ts"), PLAIN)
    units = demuxer.units()
    next(units)
    demuxer.seek(1.0)
    assert next(units)[1].pts == pytest.approx(90_000, abs=3000)
    demuxer.close()
    assert list(units) == []
    demuxer.close()


def test_packets_out_of_step_are_left_out(movie: Movie, tmp_path: Path) -> None:
    path = tmp_path / "holes.ts"
    data = bytearray(movie("film.ts").read_bytes())
    data[188 * 20] = data[188 * 70] = 0
    data[188 * 70 : 188 * 77] = bytes(188 * 7)
    path.write_bytes(data)
    with closing(WholeTsDemuxer(path, PLAIN)) as demuxer:
        units = [unit for _, unit in demuxer.units()]
    sent = b"".join(unit.data for unit in units)
    assert sent == bytes(data[: 188 * 20] + data[188 * 21 : 188 * 70] + data[188 * 77 :])


def test_only_if_it_is_wanted_and_is_one(movie: Movie) -> None:
    for name, whole, kind in (
        ("film.ts", True, WholeTsDemuxer),
        ("film.ts", False, ContainerDemuxer),
        ("movie.mp4", True, ContainerDemuxer),
    ):
        with closing(open_demuxer(movie(name), whole_ts=whole)) as demuxer:
            assert isinstance(demuxer, kind)


def test_a_file_that_goes_away(movie: Movie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gone.ts"
    monkeypatch.setattr("reelcast.media.whole_ts.pcr_index", lambda *_: pcr_index(movie("film.ts"), PLAIN))
    with pytest.raises(MediaError, match=r"gone\.ts: cannot be read: No such file"):
        WholeTsDemuxer(path, PLAIN)


def test_mutated_files(movie: Movie, tmp_path: Path) -> None:
    original = movie("film.ts").read_bytes()
    path = tmp_path / "film.ts"
    chance = random.Random(7)
    for _ in range(25):
        data = bytearray(original[: chance.randrange(2000, len(original))])
        for _ in range(chance.choice((1, 30, 2000))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            demuxer = WholeTsDemuxer(path, PLAIN)
        except MediaError:
            continue
        with closing(demuxer):
            times = [unit.pts for _, unit in demuxer.units()]
        assert all(earlier < later for earlier, later in pairwise(times))
