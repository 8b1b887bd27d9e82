"""Wall-clock times against the clocks of their servers: to 5 ms, from the first sender report on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from tests.interop.peers import DEBIAN_PYTHON, waiting_lines

from reelcast.client.frame import Frame
from reelcast.client.redirection import describe
from reelcast.client.stream import connect
from reelcast.rtp.clock import ntp_to_unix
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtp.rtcp import SenderReport
from reelcast.rtp.rtcp import parse as parse_rtcp
from reelcast.sdp import parse as parse_sdp
from reelcast.server import broadcast
from reelcast.server.app import Server
from reelcast.server.broadcast import Broadcast
from reelcast.server.reports import ntp_at

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

Way = Literal["udp", "tcp"]
TRANSPORTS: tuple[Way, ...] = ("udp", "tcp")
TOLERANCE = 0.005
UNITS = 60
CLOCK_RATE = 90_000
PLAUSIBLE = 10.0
"""Seconds between a server's clock and ours, which are one: a busy machine is late with what it is asked."""
GST_SERVER = Path(__file__).with_name("gst_server.py")
GST_LIVE = (
    "videotestsrc is-live=true ! video/x-raw,width=160,height=96,framerate=25/1"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96"
)


async def timed(url: str, transport: Way, enough: Callable[[list[ReceivedUnit]], bool]) -> list[ReceivedUnit]:
    """What has come behind the first sender reports, when that is enough."""
    found: list[ReceivedUnit] = []
    async with connect(url, transport=transport, timeout=20.0, reconnect=False) as stream:
        async for received in stream.units():
            if received.clock == "sender":
                found.append(received)
            if enough(found):
                break
    return found


def both_tracks(found: list[ReceivedUnit]) -> bool:
    """Whether there is a good deal of each."""
    video = sum(each.track.kind == "video" for each in found)
    return min(video, len(found) - video) >= UNITS


def by_timestamp(found: list[ReceivedUnit]) -> dict[tuple[str, int], float]:
    """The wall-clock times of units, by what both readers of one stream call them."""
    return {(each.track.codec, each.unit.pts): each.time for each in found if each.time is not None}


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: a server that is late moves its timeline, and what was said does not hold."""
    monkeypatch.setattr(broadcast, "MAX_LATE", 60.0)


async def test_the_times_are_those_of_our_server(movies: Path) -> None:
    async with Server(host="127.0.0.1", port=0) as server:
        server.mount("/live", movies / "movie-bframes.mp4", live=True)
        found = await server._mounts.find(["live"])
        assert found is not None
        live = found.source
        assert isinstance(live, Broadcast)
        url = f"rtsp://127.0.0.1:{server.port}/live"
        readers = await asyncio.gather(*(timed(url, transport, both_tracks) for transport in TRANSPORTS))
        codecs = [track.codec for track in live.tracks]
        for each in (unit for reader in readers for unit in reader):
            sender = live.senders[codecs.index(each.track.codec)]
            # The encoder's first unit of sound begins before the picture, at a negative time.
            ticks = (each.unit.pts - sender.offset + (1 << 31)) % (1 << 32) - (1 << 31)
            at = live._epoch + ticks / sender.clock_rate
            assert each.time == pytest.approx(ntp_to_unix(ntp_at(at)), abs=TOLERANCE)
    first, second = map(by_timestamp, readers)
    both = first.keys() & second.keys()
    assert {codec for codec, _ in both} == {"h264", "aac"}
    assert [first[unit] for unit in both] == [pytest.approx(second[unit], abs=TOLERANCE) for unit in both]


async def test_frames_have_the_times_of_their_units(movies: Path) -> None:
    """Also of pictures that are decoded out of order."""
    async with Server(host="127.0.0.1", port=0) as server:
        server.mount("/live", movies / "movie-bframes.mp4", live=True)
        frames: list[Frame] = []
        async with connect(f"rtsp://127.0.0.1:{server.port}/live", reconnect=False) as stream:
            async for frame in stream.frames(every=True):
                if frame.clock == "sender":
                    frames.append(frame)
                if len(frames) == UNITS:
                    break
    began = [frame.time - frame.pts for frame in frames if frame.time is not None]
    assert began == [pytest.approx(began[0], abs=TOLERANCE)] * UNITS


async def listen_in(url: str, reports: list[SenderReport], playing: asyncio.Event) -> None:
    """Collect the sender reports of a server's first track, by no more than a conversation."""
    dialogue, response = await describe(url, 20.0)
    try:
        base = dialogue.url.base(None)
        control = parse_sdp(response.body).media[0].attribute("control") or "*"
        offer = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1")
        dialogue.channels[1] = lambda frames: reports.extend(
            each for data in frames for each in parse_rtcp(data) if isinstance(each, SenderReport)
        )
        await dialogue.demand("SETUP", base.join(control).request_uri, [offer])
        await dialogue.demand("PLAY", base.request_uri)
        playing.set()
        await asyncio.get_running_loop().create_future()
    finally:
        dialogue.close()


async def test_the_times_are_those_of_gst_rtsp_server() -> None:
    """Three readers of one live encoder: one has nothing but its reports, and the others go by them."""
    reports: list[SenderReport] = []
    playing = asyncio.Event()
    with waiting_lines(1, DEBIAN_PYTHON, GST_SERVER, "", "", GST_LIVE) as (port,):
        url = f"rtsp://127.0.0.1:{port}/movie"
        listening = asyncio.create_task(listen_in(url, reports, playing))
        # It refuses who comes while it prepares a pipeline for another.
        await asyncio.wait_for(playing.wait(), 20.0)
        begun = asyncio.Event()

        def enough(found: list[ReceivedUnit]) -> bool:
            begun.set()
            return len(found) >= UNITS and bool(reports)

        first_reader = asyncio.create_task(timed(url, "udp", enough))
        # One by one: two that change its pipeline at once may bring GStreamer's assertions down (seen with 1.22).
        await asyncio.wait_for(begun.wait(), 20.0)
        readers = await asyncio.gather(first_reader, timed(url, "tcp", enough))
        clock = time.time() - time.monotonic()
        listening.cancel()
    for received in (unit for reader in readers for unit in reader):
        assert received.time is not None
        assert received.time == pytest.approx(clock + received.arrival, abs=PLAUSIBLE)
        said = [ntp_to_unix(report.ntp) + (received.unit.pts - report.rtp) / CLOCK_RATE for report in reports]
        assert min(abs(received.time - each) for each in said) < TOLERANCE
    first, second = map(by_timestamp, readers)
    both = first.keys() & second.keys()
    assert len(both) >= UNITS // 2
    assert [first[unit] for unit in both] == [pytest.approx(second[unit], abs=TOLERANCE) for unit in both]
