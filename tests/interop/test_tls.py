"""RTSPS with the peers, both ways: ffmpeg, which believes every server, and GStreamer, which is told whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import suppress
from pathlib import Path

import pytest
from scripts.movies.encode import Mp4
from scripts.movies.marks import FRAME_RATE, read_mark
from tests.interop.conftest import SHORT_SECONDS
from tests.interop.peers import DEBIAN_PYTHON, Arrivals, rtspclientsink, run
from tests.interop.test_ffmpeg import assert_same, copy
from tests.interop.test_gstreamer import CUT, PLAYER, assert_in_order, play

from reelcast.client.stream import connect
from reelcast.errors import RemoteError
from reelcast.net.tls import Tls
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.server.app import Server
from reelcast.server.live import LivePolicy

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

IN_A_PACKET = 10
FRAMES = SHORT_SECONDS * FRAME_RATE
WITH_SOUND_FRAMES = 75


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of our own making."""
    return tmp_path_factory.mktemp("tls") / "tls.pem"


@pytest.fixture(scope="session")
def with_sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of pictures and sound, in one group: who comes late to what is published is sent all of it."""
    path = tmp_path_factory.mktemp("sound") / "sound.mp4"
    Mp4(320, 192, bit_rate=400_000, gop=WITH_SOUND_FRAMES, b_frames=3).write(path, WITH_SOUND_FRAMES)
    return path


@pytest.fixture
def server(short_movie: Path, with_sound: Path, certificate: Path) -> Server:
    server = Server("127.0.0.1", 0, tls=Tls.self_signed(certificate, port=0))
    server.mount("/short.mp4", short_movie)
    server.mount("/sound.mp4", with_sound)
    return server


@pytest.fixture
def arrivals(server: Server) -> Arrivals:
    return Arrivals(server, LivePolicy(patience=3.0))


@pytest.fixture
async def rtsps(server: Server) -> AsyncIterator[str]:
    """The URL that the names of the movies are put behind."""
    async with server:
        yield f"rtsps://127.0.0.1:{server.tls_port}"


async def test_movies_arrive_unchanged(
    rtsps: str, with_sound: Path, certificate: Path, tmp_path: Path
) -> None:
    """All of them at the same time: ffmpeg to its own end, GStreamer and our client with a look at who it is."""

    async def ours() -> list[int | None]:
        async with connect(f"{rtsps}/short.mp4", trust=certificate) as stream:
            return [read_mark(frame.to_ndarray("gray8")) async for frame in stream.frames(every=True)]

    copied, played, marks = await asyncio.gather(
        copy(f"{rtsps}/sound.mp4", tmp_path / "received", "tcp"),
        play(f"{rtsps}/short.mp4", "tcp", tmp_path / "gst", f"trust {certificate}", "end"),
        ours(),
    )
    assert_same(copied, await copy(with_sound, tmp_path / "file"))
    assert_in_order(played.marks(), 0)
    assert len(played.marks()) >= FRAMES - CUT * FRAME_RATE
    assert marks == list(range(FRAMES))


async def test_rtspsrc_falls_back_from_udp(rtsps: str, certificate: Path, tmp_path: Path) -> None:
    """UDP, which it offers first, is refused with 461."""
    played = await play(f"{rtsps}/short.mp4", "udp+tcp", tmp_path / "gst", f"trust {certificate}", "show 25")
    assert_in_order(played.marks(), 0)


async def test_rtspsrc_that_does_not_trust(rtsps: str, tmp_path: Path) -> None:
    await run(DEBIAN_PYTHON, PLAYER, f"{rtsps}/short.mp4", "tcp", tmp_path / "gst", "run 1", code=1)


async def published(url: str, trust: Path, publishing: Coroutine[None, None, object]) -> list[ReceivedUnit]:
    """What comes of a stream, to its end, while it is published."""
    publisher = asyncio.create_task(publishing)
    try:
        # Before anybody publishes, there is nothing.
        stream = connect(url, trust=trust, timeout=20.0, reconnect=False)
        while not publisher.done():
            with suppress(RemoteError):
                await stream.open()
                break
        async with stream:
            return [received async for received in stream.units()]
    finally:
        await publisher


def slices(units: Iterable[ReceivedUnit]) -> list[bytes]:
    """The coded pictures, without what may stand before them."""
    return [
        b"".join(nal for nal in split_nal_units(unit.unit.data) if nal[0] & 31 in range(1, 6))
        for unit in units
        if unit.track.codec == "h264"
    ]


async def test_what_is_published_arrives_unchanged(
    arrivals: Arrivals, rtsps: str, with_sound: Path, certificate: Path
) -> None:
    """By ffmpeg and by rtspclientsink, and read while it is."""
    by_ffmpeg, by_gst = f"{rtsps}/by-ffmpeg", f"{rtsps}/by-gst"
    over_tls = "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", by_ffmpeg
    pipeline = (
        f"filesrc location={with_sound} ! qtdemux name=demux"
        f" rtspclientsink name=sink location={by_gst} protocols=tcp tls-validation-flags=0"
        " demux.video_0 ! queue ! h264parse ! sink.sink_0"
    )
    came = arrivals.pictures("/by-gst", WITH_SOUND_FRAMES)
    first, second, whole = await asyncio.gather(
        published(by_ffmpeg, certificate, run("ffmpeg", "-v", "error", "-re", "-i", with_sound, *over_tls)),
        published(by_gst, certificate, rtspclientsink(came, *pipeline.split())),
        _units_of(f"{rtsps}/sound.mp4", certificate),
    )
    pictures = slices(whole)
    assert len(pictures) == WITH_SOUND_FRAMES
    assert slices(first) == slices(second) == pictures
    # Readers who come late begin with the picture. ffmpeg puts several units of sound into a packet, and does not
    # send the last one that is not full.
    sound, whole_sound = _sound(first), _sound(whole)
    begun = whole_sound.index(sound[0])
    assert begun < IN_A_PACKET
    assert sound == whole_sound[begun : begun + len(sound)]
    assert begun + len(sound) > len(whole_sound) - IN_A_PACKET


def _sound(units: Iterable[ReceivedUnit]) -> list[bytes]:
    return [unit.unit.data for unit in units if unit.track.codec == "aac"]


async def _units_of(url: str, trust: Path) -> list[ReceivedUnit]:
    async with connect(url, trust=trust) as stream:
        return [received async for received in stream.units()]
