"""Our own client against our server, over real sockets: in sync, undisturbed by others, a hundred at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pytest
from scripts.movies.marks import FRAME_RATE, beep_starts, flash_on, read_mark
from scripts.movies.sound import RATE
from tests.interop.conftest import SHORT_SECONDS
from tests.interop.peers import DEBIAN_PYTHON, serving, waiting_lines

from reelcast.client.stream import connect
from reelcast.rtp.intake import ReceivedUnit

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

Way = Literal["udp", "tcp"]
TRANSPORTS: tuple[Way, ...] = ("udp", "tcp")
READERS = 100
PATIENCE = 40.0
"""Seconds for the opening; a hundred open at once."""
REORDERED = 4
"""Frames that a picture may stand behind its place, with three B-frames in a row."""
AAC_UNIT = 1024
"""Samples of one AAC access unit."""
SYNC_TOLERANCE = 0.005
"""Seconds between a flash and its beep, on a machine that does other things too."""
GST_SERVER = Path(__file__).with_name("gst_server.py")


@dataclass(frozen=True)
class Received:
    """All units of one stream, and how many packets were lost on their way."""

    units: list[ReceivedUnit]
    lost: int

    def of(self, kind: str) -> list[ReceivedUnit]:
        return [unit for unit in self.units if unit.track.kind == kind]

    def marks(self) -> list[int | None]:
        return [mark for _, mark, _ in self.pictures()]

    def pictures(self) -> list[tuple[float, int | None, bool]]:
        """Of each decoded picture: its wall-clock time, its mark, whether it flashes."""
        units = self.of("video")
        codec = av.CodecContext.create("h264", "r")
        codec.extradata = b"".join(b"\0\0\0\1" + each for each in units[0].track.parameter_sets)
        times = {index: unit.time for index, unit in enumerate(units)}
        found: list[tuple[float, int | None, bool]] = []
        packets: Sequence[av.Packet[Any] | None] = [
            self._packet(index, unit) for index, unit in enumerate(units)
        ]
        for packet in (*packets, None):
            for frame in codec.decode(packet):
                assert isinstance(frame, av.VideoFrame)
                image = frame.to_ndarray()[: frame.height, : frame.width].astype(np.uint8)
                time = times[frame.pts] if frame.pts is not None else None
                found.append((time or 0.0, read_mark(image), flash_on(image)))
        return found

    @staticmethod
    def _packet(index: int, unit: ReceivedUnit) -> av.Packet[Any]:
        packet = av.Packet(unit.unit.data)
        packet.pts = index
        return packet

    def beeps(self) -> list[float]:
        """The wall-clock time of each beep."""
        units = self.of("audio")
        codec = av.CodecContext.create("aac", "r")
        codec.extradata = units[0].track.config
        sound = [frame.to_ndarray() for unit in units for frame in codec.decode(av.Packet(unit.unit.data))]
        found: list[float] = []
        for at in beep_starts(np.concatenate(sound, axis=1), RATE):
            number, within = divmod(at * RATE, AAC_UNIT)
            found.append((units[int(number)].time or 0.0) + within / RATE)
        return found


async def receive(
    url: str, transport: Way, start: float | None = None, until: float | None = None
) -> Received:
    """Receive a stream to its end, or up to a place in it; both in seconds."""
    units: list[ReceivedUnit] = []
    async with connect(url, transport=transport, at=start, timeout=PATIENCE, reconnect=False) as stream:
        async for unit in stream.units():
            units.append(unit)
            if until is not None and unit.pts >= until:
                break
        lost = sum(track.packets.lost + track.dropped for track in stream.statistics())
    return Received(units, lost)


async def test_sight_and_sound_have_the_same_clock(short_movie: Path) -> None:
    """By the sender reports, each flash and its beep happen within a millisecond."""
    with serving(short_movie) as url:
        streams = await asyncio.gather(*(receive(f"{url}/short.mp4", each) for each in TRANSPORTS))
    for received in streams:
        assert received.lost == 0
        pictures = received.pictures()
        assert [mark for _, mark, _ in pictures] == list(range(SHORT_SECONDS * FRAME_RATE))
        flashes = [
            time for time, mark, flash in pictures if flash and mark is not None and mark % FRAME_RATE == 0
        ]
        # What came before the first report has an estimated time.
        assert len(flashes) == SHORT_SECONDS
        assert received.beeps()[1:] == pytest.approx(flashes[1:], abs=SYNC_TOLERANCE)
        assert all(unit.clock == "sender" for unit in received.units if unit.pts > 1.0)


async def test_two_readers_at_two_places(rtsp: str) -> None:
    """Readers of one file do not disturb each other, wherever they are."""
    url = f"{rtsp}/movie-bframes.mp4"
    ahead, behind, elsewhere = await asyncio.gather(
        receive(url, "udp", start=15.0), receive(url, "udp", until=5.0), receive(url, "tcp", 7.0, 12.0)
    )
    for received, keyframe, least in ((ahead, 350, 150), (behind, 0, 100), (elsewhere, 150, 100)):
        # Where a stream is left, its last pictures are out of order: those between them have not come.
        marks = received.marks()[:-REORDERED]
        assert received.lost == 0
        assert len(marks) >= least - REORDERED
        assert marks == list(range(keyframe, keyframe + len(marks)))
        assert received.of("video")[0].pts == pytest.approx(keyframe / FRAME_RATE, abs=0.001)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_hundred_readers(short_movie: Path, transport: Way) -> None:
    """Every reader gets every frame of both tracks, the same as everybody else."""
    with serving(short_movie) as url:
        everybody = await asyncio.gather(*(receive(f"{url}/short.mp4", transport) for _ in range(READERS)))
    assert [received.lost for received in everybody] == [0] * READERS
    video, audio = ([unit.unit.data for unit in everybody[0].of(kind)] for kind in ("video", "audio"))
    assert len(video) == SHORT_SECONDS * FRAME_RATE
    assert len(audio) >= SHORT_SECONDS * RATE // AAC_UNIT
    for received in everybody:
        assert [unit.unit.data for unit in received.of("video")] == video
        assert [unit.unit.data for unit in received.of("audio")] == audio
        assert all(later.pts > earlier.pts for earlier, later in pairwise(received.of("audio")))


async def test_reads_from_gst_rtsp_server(short_movie: Path) -> None:
    """Another server's stream, to its end over both transports."""
    with waiting_lines(1, DEBIAN_PYTHON, GST_SERVER, short_movie) as (port,):
        url = f"rtsp://127.0.0.1:{port}/movie"
        streams = await asyncio.gather(*(receive(url, transport) for transport in TRANSPORTS))
    for received in streams:
        assert received.lost == 0
        assert received.marks() == list(range(SHORT_SECONDS * FRAME_RATE))
        assert received.of("video")[-1].pts == pytest.approx(SHORT_SECONDS, abs=0.2)
        assert len(received.of("audio")) >= SHORT_SECONDS * RATE // AAC_UNIT
