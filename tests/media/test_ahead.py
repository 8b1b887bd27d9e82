"""What reading ahead finds, and that everything is still there to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from reelcast.media import ahead
from reelcast.media.ahead import (
    Served,
    first_decoding_time,
    first_packets,
    frame_step,
    learn_order,
    presentation_time,
)
from reelcast.media.lane import Lane
from reelcast.media.picture_order import PictureOrder
from reelcast.media.reader import PacketReader
from reelcast.media.timeline import Splice, Timeline
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Track

Movie = Callable[[str], Path]


@contextmanager
def reading(path: Path) -> Iterator[PacketReader]:
    """A reader; in the end, all is still there."""
    with closing(PacketReader(path)) as reader:
        yield reader
        after = [(packet.stream_index, packet.size) for packet in iter(reader.read, None)]
        reader.rewind()
        assert [(packet.stream_index, packet.size) for packet in iter(reader.read, None)] == after


def served(reader: PacketReader, *, ordered: bool = True) -> tuple[Served, PictureOrder]:
    stream = reader.container.streams.video[0]
    sets = split_nal_units(bytes(stream.codec_context.extradata or b""))
    track = Track("video", "h264", 90_000, 96, parameter_sets=tuple(sets), frame_rate=25.0)
    order = PictureOrder(track, "a film")
    time_base = stream.time_base or Fraction(1, 25)
    timeline = Timeline(90_000, time_base, Fraction(0), 3600, Splice())
    return Served(0, stream.index, Lane(track, bytes), timeline, time_base, order if ordered else None), order


def test_first_packets(movie: Movie, monkeypatch: pytest.MonkeyPatch) -> None:
    with reading(movie("movie.mp4")) as reader:
        found = first_packets(reader, {0, 1})
        assert sorted(found) == [0, 1]
        assert first_packets(reader, set()) == {}
        monkeypatch.setattr(ahead, "MAX_PEEK_PACKETS", 1)
        assert sorted(first_packets(reader, {0, 1})) == [0]
        monkeypatch.setattr(ahead, "MAX_PEEK_PACKETS", 100)
        monkeypatch.setattr(ahead, "MAX_PEEK_BYTES", 1)
        assert sorted(first_packets(reader, {0, 1})) == [0]


@pytest.mark.parametrize("name", ["b-frames.avi", "b-frames.h264"])
def test_order_is_learned(movie: Movie, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with reading(movie(name)) as reader:
        lane, order = served(reader)
        learn_order(reader, lane, order)
        assert order.delay == 2 * 3600
        # One picture tells no length: that of the track's rate is taken.
        monkeypatch.setattr(ahead, "MAX_PROBED", 1)
        before = order.delay
        learn_order(reader, lane, order)
        assert order.delay == before


def test_a_keyframe_is_shown_in_its_turn(movie: Movie) -> None:
    with reading(movie("b-frames.avi")) as reader:
        lane, order = served(reader)
        keyframe = reader.read()
        assert keyframe is not None
        assert (keyframe.stream_index, keyframe.is_keyframe) == (lane.stream, True)
        assert presentation_time(reader, lane, order, keyframe) == lane.timeline.ticks(keyframe.dts or 0)
        reader.put_back([keyframe])


def test_decoding_times_left_out(movie: Movie) -> None:
    with reading(movie("movie.mp4")) as reader:
        assert first_decoding_time(reader, served(reader)[0]) is None
    with reading(movie("movie.mkv")) as reader:
        assert first_decoding_time(reader, served(reader)[0]) == -2 * 3600


def test_units_without_an_order_pass_at_once(movie: Movie) -> None:
    with reading(movie("b-frames.avi")) as reader:
        lane, _ = served(reader, ordered=False)
        unit = AccessUnit(b"", 0, 0)
        assert (lane.arrange(unit), lane.rest()) == ([unit], [])
        # What holds no slice is shown at once, with an order too.
        lane, _ = served(reader)
        assert (lane.arrange(unit), lane.rest()) == ([unit], [])


def test_frame_step() -> None:
    track = Track("video", "h264", 90_000, 96)
    assert frame_step(Lane(track, bytes)) == 3600
    assert frame_step(Lane(replace(track, frame_rate=30.0), bytes)) == 3000
