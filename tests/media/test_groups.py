"""Groups of a file: all of it, each unit once, the same bytes in whatever order they are read."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from tests.groups import packets_in
from tests.rtp.payload.wire import packets_of, receive, send

from reelcast.errors import MediaError
from reelcast.media import groups as groups_module
from reelcast.media.demux import Demuxer, open_demuxer
from reelcast.media.groups import GROUP_SECONDS, MAX_CURSORS, GroupReader, leading_track
from reelcast.rtp.group import Group
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import depacketizer_for, packetizer_for
from reelcast.track import AccessUnit, Track

Movie = Callable[[str], Path]
Unit = tuple[int, AccessUnit]
SAMPLES = ("movie.mp4", "movie-bframes.mp4", "movie.Mjpeg")
SMALL = (
    *("movie.mkv", "movie.ts", "movie.avi", "film.mp4", "film.flv", "raw.h264"),
    *("mulaw.wav", "s24.wav", "sound.m4a", "sound.mp3", "opus.ogg"),
)
VIDEO = Track("video", "h264", 90_000, 96)
AUDIO = Track("audio", "pcmu", 8_000, 0)
AAC = Track("audio", "aac", 48_000, 97, channels=1, config=b"\x11\x88")


@pytest.fixture(params=[*SAMPLES, *SMALL])
def path(request: pytest.FixtureRequest, movies: Path, movie: Movie) -> Path:
    name: str = request.param
    return movies / name if name in SAMPLES else movie(name)


def in_sequence(reader: GroupReader) -> list[Group]:
    groups: list[Group] = []
    while (group := reader.read(len(groups))) is not None:
        groups.append(group)
    return groups


def assert_same(one: Group | None, other: Group) -> None:
    assert one is not None
    assert one.data == other.data
    assert one.runs == other.runs
    for name in ("tracks", "flags", "timestamps", "offsets", "sizes", "sequences"):
        assert getattr(one.columns, name).tolist() == getattr(other.columns, name).tolist()
    assert (one.index, one.end, one.last, one.dues) == (other.index, other.end, other.last, other.dues)


def received(groups: list[Group], tracks: tuple[Track, ...]) -> dict[int, list[tuple[int, bytes]]]:
    """What a receiver makes of the groups: timestamp and data of each unit, by track."""
    depacketizers = [depacketizer_for(track) for track in tracks]
    counts = [0] * len(tracks)
    found: dict[int, list[tuple[int, bytes]]] = {index: [] for index in range(len(tracks))}
    for group in groups:
        for track, packet in packets_in(group):
            numbered: Packet = replace(packet, sequence=counts[track] & 0xFFFF)
            counts[track] += 1
            units = depacketizers[track].receive(numbered)
            found[track] += [(unit.pts & 0xFFFFFFFF, unit.data) for unit in units]
    return found


def sent_whole(path: Path) -> dict[int, list[tuple[int, bytes]]]:
    """What a receiver makes of the file when it is packetised in one go, without groups."""
    with closing(open_demuxer(path)) as demuxer:
        units, tracks = list(demuxer.units()), demuxer.tracks
    found: dict[int, list[tuple[int, bytes]]] = {}
    for index, track in enumerate(tracks):
        bursts = send(packetizer_for(track), (unit for number, unit in units if number == index))
        received_units = receive(depacketizer_for(track), packets_of(bursts))
        found[index] = [(unit.pts & 0xFFFFFFFF, unit.data) for unit in received_units]
    return found


def test_every_unit_once(path: Path) -> None:
    with closing(GroupReader(path)) as reader:
        found = received(in_sequence(reader), reader.tracks)
        pcm = {index for index, track in enumerate(reader.tracks) if track.codec in ("pcmu", "l16")}
    whole = sent_whole(path)
    assert found.keys() == whole.keys()
    for index, units in whole.items():
        assert units
        if index in pcm:
            # Samples are cut anew where a group begins.
            assert b"".join(data for _, data in found[index]) == b"".join(data for _, data in units)
            assert found[index][0][0] == units[0][0]
        else:
            assert found[index] == units


def test_by_seeking_as_in_sequence(path: Path) -> None:
    with closing(GroupReader(path)) as reader:
        groups = in_sequence(reader)
        assert len(groups) > 1
        assert [group.last for group in groups] == [False] * (len(groups) - 1) + [True]
        assert [group.index for group in groups] == list(range(len(groups)))
    with closing(GroupReader(path)) as reader:
        for group in reversed(groups):
            assert_same(reader.read(group.index), group)
        assert reader.read(len(groups)) is None
        assert reader.read(len(groups) + 100) is None
        assert_same(reader.read(1), groups[1])


def test_whole_transport_streams(movie: Movie) -> None:
    """One track of many packets, each with a time of its own; the same by seeking as in sequence."""
    path = movie("film.ts")
    with closing(GroupReader(path, whole_ts=True)) as reader:
        groups = in_sequence(reader)
        (units,) = received(groups, reader.tracks).values()
        assert reader.duration == pytest.approx(groups[-1].end, abs=0.001)
    assert b"".join(data for _, data in units) == path.read_bytes()
    assert len({time for time, _ in units}) == len(units)
    with closing(GroupReader(path, whole_ts=True)) as reader:
        for group in reversed(groups):
            assert_same(reader.read(group.index), group)
        assert reader.keyframe_before(1.5) == pytest.approx(1.5, abs=0.1)


def test_the_grid(path: Path) -> None:
    with closing(GroupReader(path)) as reader:
        groups = in_sequence(reader)
        tracks, duration = reader.tracks, reader.duration
    for group in groups:
        for run in group.runs:
            # What is cut of one unit of PCM is in the group in which the unit begins.
            late = 0.0 if tracks[run.track].codec != "pcmu" else 0.3
            assert run.due < (group.index + 1) * GROUP_SECONDS + late
            assert group.index == 0 or run.due >= group.index * GROUP_SECONDS - 1e-9
    assert duration == pytest.approx(max(group.end for group in groups), abs=0.05)
    first = next(run for run in groups[0].runs if run.track == leading_track(tracks))
    assert first.keyframe
    assert first.pts == pytest.approx(0.0, abs=0.1)


def test_keyframe_before(movies: Path) -> None:
    path = movies / "movie-bframes.mp4"
    with closing(GroupReader(path)) as reader:
        keyframes = sorted(
            {
                (run.pts, run.due)
                for group in in_sequence(reader)
                for run in group.runs
                if run.track == 0 and run.keyframe
            }
        )
        assert len(keyframes) > 3
        for shown, due in keyframes:
            assert reader.keyframe_before(shown + 0.01) == pytest.approx(due)
        assert reader.keyframe_before(0.0) == pytest.approx(keyframes[0][1])
        assert reader.keyframe_before(1000.0) == pytest.approx(keyframes[-1][1])


def test_closed_and_read_again(movie: Movie) -> None:
    reader = GroupReader(movie("movie.mp4"))
    first = reader.read(0)
    assert first is not None
    assert reader.keyframe_before(1.5) == pytest.approx(1.0, abs=0.1)
    reader.close()
    reader.close()
    assert_same(reader.read(0), first)
    assert reader.keyframe_before(1.5) == pytest.approx(1.0, abs=0.1)
    reader.close()


def test_the_file_goes(movie: Movie, tmp_path: Path) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(movie("movie.mp4").read_bytes())
    with closing(GroupReader(path)) as reader:
        groups = in_sequence(reader)
        path.unlink()
        with pytest.raises(MediaError, match=r"movie\.mp4: no such file"):
            reader.read(1)
        with pytest.raises(MediaError, match=r"movie\.mp4: no such file"):
            reader.keyframe_before(1.0)
        path.write_bytes(movie("movie.mp4").read_bytes())
        assert_same(reader.read(1), groups[1])
    with pytest.raises(MediaError, match="no such file"):
        GroupReader(tmp_path / "none.mp4")


@pytest.mark.parametrize("other", ["movie.mkv", "film.mp4", "mulaw.wav"])
def test_another_file_comes_in_its_place(movie: Movie, tmp_path: Path, other: str) -> None:
    """Conformance H35: what is open is played to its end, and the two are not mixed."""
    path, coming = tmp_path / "movie", tmp_path / "coming"
    path.write_bytes(movie("movie.mp4").read_bytes())
    coming.write_bytes(movie(other).read_bytes())
    with closing(GroupReader(movie("movie.mp4"))) as undisturbed:
        groups = in_sequence(undisturbed)
    with closing(GroupReader(path)) as reader:
        assert_same(reader.read(0), groups[0])
        coming.replace(path)
        with pytest.raises(MediaError, match=r"movie: another file has come in its place"):
            reader.read(0)
        with pytest.raises(MediaError, match=r"movie: another file has come in its place"):
            reader.keyframe_before(1.0)
        assert_same(reader.read(1), groups[1])


def test_a_file_that_grows_is_the_same(movie: Movie, tmp_path: Path) -> None:
    path, whole = tmp_path / "movie.ts", movie("movie.ts").read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half])
    with closing(GroupReader(path)) as reader:
        first = reader.read(0)
        with path.open("ab") as growing:
            growing.write(whole[half:])
        assert first is not None
        assert_same(reader.read(0), first)


def test_from_several_threads(movie: Movie) -> None:
    with closing(GroupReader(movie("movie.mp4"))) as reader:
        groups = in_sequence(reader)
        found: dict[int, Group | None] = {}

        def read(index: int) -> None:
            found[index] = reader.read(index)

        threads = [threading.Thread(target=read, args=(group.index,)) for group in groups]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for group in groups:
            assert_same(found[group.index], group)


class FakeDemuxer:
    """Units by hand; a seek goes to the last keyframe of the first track."""

    def __init__(self, tracks: tuple[Track, ...], units: list[Unit], log: list[str]) -> None:
        self.tracks = tracks
        self.duration = None
        self._units = units
        self._log = log
        self._from = 0
        log.append("open")

    def seek(self, seconds: float) -> None:
        self._log.append(f"seek {seconds:g}")
        self._from = 0
        for place, (track, unit) in enumerate(self._units):
            if track == 0 and unit.keyframe and unit.dts <= seconds * self.tracks[0].clock_rate:
                self._from = place

    def units(self) -> Iterator[Unit]:
        yield from self._units[self._from :]

    def close(self) -> None:
        self._log.append("close")


def frame(number: int, *, keyframe: bool = False) -> Unit:
    data = b"\0\0\0\1" + bytes([0x65 if keyframe else 0x61, number % 256])
    return 0, AccessUnit(data, 9000 * number, 9000 * number, keyframe, 9000)


def coded_sound(number: int) -> Unit:
    return 1, AccessUnit(bytes([number]) * 20, 1024 * number, 1024 * number, True, 1024)


def sound(number: int) -> Unit:
    return 1, AccessUnit(bytes([number % 256]) * 800, 800 * number, 800 * number, True, 800)


def fake(
    monkeypatch: pytest.MonkeyPatch, units: list[Unit], tracks: tuple[Track, ...] = (VIDEO, AUDIO)
) -> tuple[GroupReader, list[str]]:
    log: list[str] = []

    def opener(_: Path, *, whole_ts: bool) -> Demuxer:
        assert not whole_ts
        return FakeDemuxer(tracks, units, log)

    monkeypatch.setattr(groups_module, "open_demuxer", opener)
    return GroupReader(Path("film")), log


def times(group: Group | None, track: int) -> list[float]:
    assert group is not None
    return [round(run.pts, 3) for run in group.runs if run.track == track]


class TestByHand:
    def test_places_that_are_kept_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, log = fake(monkeypatch, [frame(number, keyframe=number % 5 == 0) for number in range(100)])
        for index in (0, 1, 2):
            reader.read(index)
        assert log == ["open"]
        for index in (7, 3, 8, 4):
            reader.read(index)
        assert log == ["open", "open", "seek 6"]
        log.clear()
        for index in (1, 4, 6, 8):
            reader.read(index)
        # One at 5 moved to the end, those at 9 too; a fifth has the oldest closed.
        assert log.count("open") - log.count("close") <= MAX_CURSORS - 2
        reader.close()
        assert log.count("close") == log.count("open") + 2

    def test_a_track_that_ends_early(self, monkeypatch: pytest.MonkeyPatch) -> None:
        units = [unit for number in range(150) for unit in ([frame(number), sound(number)])]
        units = [unit for unit in units if unit[0] == 0 or unit[1].dts < 800 * 12]
        reader, _ = fake(monkeypatch, units)
        groups = in_sequence(reader)
        assert len(groups) == 15
        assert times(groups[1], 1) == pytest.approx([1.0 + 0.02 * number for number in range(10)])
        assert times(groups[2], 1) == []
        assert_same(reader.read(14), groups[14])

    def test_a_track_that_stands_later_in_the_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Video runs three seconds ahead.
        units = [frame(number, keyframe=number % 10 == 0) for number in range(30)]
        for number in range(60):
            units += [frame(30 + number, keyframe=number % 10 == 0), sound(number)]
        reader, _ = fake(monkeypatch, units)
        group = reader.read(2)
        assert times(group, 0) == pytest.approx([2 + number / 10 for number in range(10)])
        assert len(times(group, 1)) == 50

    def test_a_gap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        units = [frame(number, keyframe=True) for number in (*range(10), *range(35, 40))]
        reader, _ = fake(monkeypatch, units, (VIDEO,))
        groups = in_sequence(reader)
        assert [len(group) for group in groups] == [10, 0, 0, 5]
        assert [group.last for group in groups] == [False, False, False, True]
        assert_same(reader.read(2), groups[2])

    def test_no_unit_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, _ = fake(monkeypatch, [])
        assert reader.read(0) is None
        assert reader.keyframe_before(3.0) == 0.0

    def test_units_before_the_start_are_in_the_first_group(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, _ = fake(monkeypatch, [frame(number, keyframe=True) for number in range(-3, 5)], (VIDEO,))
        assert times(reader.read(0), 0) == pytest.approx([number / 10 for number in range(-3, 5)])

    def test_audio_shares_no_packet_across_a_keyframe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        units = [frame(number, keyframe=number in (0, 6)) for number in range(10)]
        units += [coded_sound(number) for number in range(46)]
        reader, _ = fake(monkeypatch, units, (VIDEO, AAC))
        # Four units share a packet; 29 is the first that is heard after the keyframe at 0.6.
        firsts = [0, 4, 8, 12, 16, 20, 24, 28, 29, 33, 37, 41, 45]
        assert times(reader.read(0), 1) == [round(1024 * first / 48_000, 3) for first in firsts]

    def test_a_place_is_given_up_after_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, log = fake(monkeypatch, [frame(number, keyframe=True) for number in range(30)], (VIDEO,))
        reader.read(0)

        def fail(*_: object, **__: object) -> Group:
            raise MediaError("the disk is gone")

        with monkeypatch.context() as patch:
            patch.setattr(Group, "build", fail)
            with pytest.raises(MediaError, match="the disk is gone"):
                reader.read(1)
        assert log == ["open", "close"]
        assert times(reader.read(1), 0) == pytest.approx([1 + number / 10 for number in range(10)])

    def test_what_cannot_be_carried_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        units = [unit for number in range(10) for unit in (frame(number), coded_sound(number))]
        units[5] = (1, replace(units[5][1], data=bytes(10_000)))
        reader, _ = fake(monkeypatch, units, (VIDEO, AAC))
        group = reader.read(0)
        assert len(times(group, 0)) == 10
        assert times(group, 1) == [0.0, 0.064, 0.149]
        assert "10000 bytes" in caplog.text


@pytest.mark.parametrize(
    ("tracks", "leading"),
    [((VIDEO,), 0), ((AUDIO,), 0), ((AUDIO, VIDEO, VIDEO), 1), ((AUDIO, AUDIO), 0), ((VIDEO, AUDIO), 0)],
)
def test_leading_track(tracks: tuple[Track, ...], leading: int) -> None:
    assert leading_track(tracks) == leading
