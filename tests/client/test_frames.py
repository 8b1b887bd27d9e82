"""From units to frames: what losses leave whole, the order of what is shown, and how much is kept."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scripts.movies.marks import read_mark
from tests.server.raw import until

from reelcast.client.frame import Frame
from reelcast.client.frames import AHEAD, Frames, _Decoding, check_kinds
from reelcast.client.queue import UnitQueue
from reelcast.errors import MediaError, TransportError
from reelcast.media.decode import decoder_for
from reelcast.media.demux import open_demuxer
from reelcast.rtp.intake import Intake, ReceivedUnit
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import packetizer_for
from reelcast.track import AccessUnit, Track

WALL = 1_750_000_000.0
COUNT = 200
"""Frames of a movie that are looked at: four groups of pictures."""


class Movie:
    """The video of a sample movie, as packets, and as decoded without loss.

    Timestamps wrap after some frames, and sequence numbers too.
    """

    def __init__(self, path: Path) -> None:
        self.packets: list[tuple[float, bytes]] = []
        demuxer = open_demuxer(path)
        number = next(at for at, track in enumerate(demuxer.tracks) if track.kind == "video")
        self.track = demuxer.tracks[number]
        units = [unit for at, unit in demuxer.units() if at == number][:COUNT]
        demuxer.close()
        packetizer = packetizer_for(self.track)
        sequence = 65_000
        for unit in units:
            for burst in packetizer.packetize(unit):
                at = 0
                for size in burst.sizes:
                    packet = Packet.parse(burst.data[at : at + size])
                    assert packet is not None
                    at += size
                    timestamp = packet.timestamp + 2**32 - 200_000 & 0xFFFFFFFF
                    packet = replace(packet, sequence=sequence & 0xFFFF, timestamp=timestamp, ssrc=7)
                    self.packets.append((burst.dts / self.track.clock_rate, packet.to_bytes()))
                    sequence += 1
        decoder = decoder_for(self.track)
        pictures = [picture for unit in units for picture in decoder.decode(unit)] + [*decoder.flush()]
        self.pixels = {mark(picture): pixels(picture) for picture in pictures}


def mark(shown: Any) -> int | None:
    return read_mark(shown.to_ndarray("gray8"))


def pixels(shown: Any) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = shown.to_ndarray("rgb24")
    return array


@pytest.fixture(scope="module", params=["movie.mp4", "movie-bframes.mp4"])
def movie(movies: Path, request: pytest.FixtureRequest) -> Movie:
    return Movie(movies / request.param)


def received(movie: Movie, loss: float, *, segment: int = 0) -> Iterator[ReceivedUnit]:
    """The units of a movie whose packets are lost by chance, always the same ones."""
    chance = random.Random(7)
    intake = Intake(movie.track, ordered=False, ssrc=9, cname="me")
    for time, packet in movie.packets:
        if chance.random() >= loss:
            for unit in intake.take((packet,), time, WALL + time):
                yield replace(unit, segment=segment)
    yield from (replace(unit, segment=segment) for unit in intake.flush(math.inf, 0.0, WALL))


def decoded(movie: Movie, loss: float, *, flag: bool = False) -> list[Frame]:
    decoding = _Decoding(("video",), flag)
    frames = [frame for unit in received(movie, loss) for frame in decoding.decode(unit)]
    return frames + decoding.flush()


def test_without_loss_all_of_it(movie: Movie) -> None:
    frames = decoded(movie, 0.0)
    assert [mark(frame) for frame in frames] == list(range(COUNT))
    assert [frame.pts for frame in frames] == [pytest.approx(number / 25) for number in range(COUNT)]
    assert all(frame.time == pytest.approx(WALL + frame.pts, abs=0.25) for frame in frames)
    assert not any(frame.corrupt for frame in frames)


def test_no_picture_is_lost_where_times_stand_still(movie: Movie) -> None:
    decoding = _Decoding(("video",), False)
    units = [replace(unit, pts=round(unit.pts * 25) // 2 / 12.5) for unit in received(movie, 0.0)]
    frames = [frame for unit in units for frame in decoding.decode(unit)] + decoding.flush()
    assert [mark(frame) for frame in frames] == list(range(COUNT))
    assert [frame.pts for frame in frames] == [pytest.approx(number // 2 / 12.5) for number in range(COUNT)]


@pytest.mark.parametrize("flag", [False, True], ids=["drop", "flag"])
def test_what_is_not_called_corrupt_is_whole(movie: Movie, flag: bool) -> None:
    """Two packets of a hundred are lost: each picture is as it was coded, to the pixel, or is said not to be."""
    frames = decoded(movie, 0.02, flag=flag)
    whole = [frame for frame in frames if not frame.corrupt]
    assert len(whole) > 20
    for frame in whole:
        number = round(frame.pts * 25)
        assert mark(frame) == number
        assert np.array_equal(pixels(frame), movie.pixels[number])
    times = [frame.pts for frame in frames]
    assert times == sorted(set(times))
    assert (len(frames) > len(whole)) is flag


def test_what_a_decoder_holds_back_is_shown_when_another_session_begins(movie: Movie) -> None:
    decoding = _Decoding(("video",), False)
    units = [*received(movie, 0.0), *received(movie, 0.0, segment=1)]
    frames = [frame for unit in units for frame in decoding.decode(unit)] + decoding.flush()
    assert [mark(frame) for frame in frames] == [*range(COUNT), *range(COUNT)]
    assert [frame.segment for frame in frames] == [0] * COUNT + [1] * COUNT


async def test_what_a_decoder_holds_back_is_shown_before_an_error(movie: Movie) -> None:
    queue = UnitQueue()
    units = list(received(movie, 0.0))[:30]
    for unit in units:
        queue.put(unit)
    queue.end(TransportError("the server closed the connection"))
    frames = Frames(queue, ("video",), every=True, flag=False)
    shown = [await anext(frames) for _ in units]
    assert len({mark(frame) for frame in shown}) == len(units)
    with pytest.raises(TransportError, match="closed"):
        await anext(frames)


# What is decoded before it is asked for

SOUND = Track("audio", "pcmu", 8_000, 0, channels=1)


def sound(number: int, segment: int = 0) -> ReceivedUnit:
    unit = AccessUnit(bytes(160), 160 * number, 160 * number)
    return ReceivedUnit(SOUND, unit, number / 50, None, "estimated", 0.0, segment=segment)


def filled(count: int) -> UnitQueue:
    queue = UnitQueue()
    for number in range(count):
        queue.put(sound(number))
    return queue


async def test_a_few_frames_are_decoded_ahead() -> None:
    queue = filled(20)
    frames = Frames(queue, ("audio",), every=True, flag=False)
    await anext(frames)
    await until(lambda: len(frames._shelf._frames) == AHEAD)
    # One more is in hand, and waits for room.
    await until(lambda: len(queue) == 20 - 1 - AHEAD - 1)
    assert len(frames._shelf._frames) == AHEAD
    frames.close()


async def test_what_is_forgotten_is_not_shown() -> None:
    """Neither what was decoded ahead, nor what is being decoded."""
    queue = filled(20)
    frames = Frames(queue, ("audio",), every=True, flag=False)
    await anext(frames)
    await until(lambda: len(frames._shelf._frames) == AHEAD)
    queue.keep(1)
    frames.forget(0)
    queue.put(sound(100, segment=1))
    assert (await anext(frames)).pts == 2.0
    frames.close()


def test_what_is_printed_of_it() -> None:
    (frame,) = _Decoding(("audio",), False).decode(sound(0))
    assert repr(frame) == "<Frame of pcmu at 0.000 s, estimated time None key>"


@pytest.mark.timeout(20)
async def test_a_reader_that_was_replaced_before_it_began_has_nothing() -> None:
    queue = UnitQueue()
    first = Frames(queue, ("video",), every=True, flag=False)
    first.close()
    assert [frame async for frame in first] == []


VIDEO = Track(kind="video", codec="h264", clock_rate=90_000, payload_type=96)
AUDIO = Track(kind="audio", codec="aac", clock_rate=48_000, payload_type=97)


@pytest.mark.parametrize(
    ("kinds", "tracks", "kind", "message"),
    [
        ("video", (VIDEO,), ValueError, r"kinds must be a tuple such as \('video',\), not 'video'"),
        ((), (VIDEO,), ValueError, "kinds must be a tuple"),
        (("vidoe",), (VIDEO,), ValueError, "kinds must be one of 'video', 'audio', not 'vidoe'"),
        (("video",), (AUDIO, AUDIO), MediaError, "rtsp://cam/: there is no video in it, but audio$"),
        (("audio",), (VIDEO,), MediaError, "there is no audio in it, but video$"),
    ],
)
def test_kinds_that_are_not_there(
    kinds: Any, tracks: tuple[Track, ...], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        check_kinds(kinds, tracks, "rtsp://cam/")


def test_kinds_that_are_there() -> None:
    check_kinds(("video", "audio"), (AUDIO,), "rtsp://cam/")
    check_kinds(("video",), (), "rtsp://cam/")  # nothing is known of what is not open
