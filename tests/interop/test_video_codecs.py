"""H.265, VP8, VP9 and AV1: our server's read by ffmpeg, libavformat and GStreamer, GStreamer's by our client."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, TypeVar

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scripts.movies.marks import read_mark
from tests.interop.peers import DEBIAN_PYTHON, find_program, run, serving, waiting_lines
from tests.interop.test_ffmpeg import MAX_OVERTAKEN, parse_framemd5
from tests.interop.test_gstreamer import play

from reelcast.client.stream import connect
from reelcast.media.demux import open_demuxer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

FRAMES, GOP = 30, 15
MARKS = list(range(FRAMES))
Way = Literal["udp", "tcp"]
TRANSPORTS: tuple[Way, ...] = ("udp", "tcp")
CODECS = {
    "h265.mp4": (
        *("-c:v", "libx265", "-preset", "ultrafast"),
        *("-x265-params", f"keyint={GOP}:min-keyint={GOP}:bframes=3:b-adapt=0:pools=none:log-level=none"),
    ),
    "vp8.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-g", str(GOP)),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "5", "-b:v", "1M", "-g", str(GOP)),
    "av1.mp4": ("-c:v", "libsvtav1", "-preset", "12", "-g", str(GOP)),
}
"""B-frames, frames that are never shown, and what encoders do by default."""
GST_SERVER = Path(__file__).with_name("gst_server.py")
GST_PIPELINES = {
    "h265.mp4": "qtdemux ! h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "vp8.webm": "matroskademux ! rtpvp8pay name=pay0 pt=96 picture-id-mode=15-bit",
    "vp9.webm": "matroskademux ! rtpvp9pay name=pay0 pt=96 picture-id-mode=15-bit",
}
GST_LEAST = 10
PATIENCE = 30
"""Seconds for a packet."""
FFMPEG_READS = ("h265.mp4", "vp8.webm", "vp9.webm")
"""Debian's ffmpeg 5.1 and GStreamer 1.22 have no AV1 in RTP; libavformat in PyAV has."""


ENCODERS, READERS = 2, 4
"""That run at a time: the readers of so small movies mostly wait."""
T = TypeVar("T")


async def few_at_a_time(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What the calls return, made by a few at a time."""
    turn = asyncio.Semaphore(READERS)

    async def take(call: Coroutine[Any, Any, T]) -> T:
        async with turn:
            return await call

    return await asyncio.gather(*map(take, calls))


@pytest.fixture(scope="module")
def folder(short_movie: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of the marked movie in each codec."""
    folder = tmp_path_factory.mktemp("codecs")

    def encode(name: str) -> None:
        source = ("-i", short_movie, "-an", "-frames:v", str(FRAMES))
        subprocess.run(
            [find_program("ffmpeg"), "-v", "error", *source, *CODECS[name], folder / name], check=True
        )

    with ThreadPoolExecutor(ENCODERS) as pool:
        list(pool.map(encode, CODECS))
    return folder


@pytest.fixture(scope="module")
def rtsp(folder: Path) -> Iterator[str]:
    """The URL that the names of the movies are put behind."""
    with serving(*(folder / name for name in CODECS)) as url:
        yield url


async def decode(source: str | Path, target: Path, transport: str | None = None) -> list[str]:
    """The digests of all pictures that ffmpeg decodes."""
    way = ("-rtsp_transport", transport) if transport else ()
    await run(
        *("ffmpeg", "-v", "error", *way, "-i", source, "-fps_mode", "passthrough", "-f", "framemd5", target)
    )
    return [frame.digest for frame in parse_framemd5(target)]


async def test_ffmpeg_decodes_what_the_file_holds(rtsp: str, folder: Path, tmp_path: Path) -> None:
    calls = [(name, transport) for name in FFMPEG_READS for transport in TRANSPORTS]
    received = await few_at_a_time(
        decode(f"{rtsp}/{name}", tmp_path / f"{name}.{transport}", transport) for name, transport in calls
    )
    originals = {name: await decode(folder / name, tmp_path / name) for name in FFMPEG_READS}
    for (name, transport), digests in zip(calls, received, strict=True):
        assert len(originals[name]) == FRAMES
        assert_all_decoded(digests, originals[name], transport)


def assert_all_decoded(found: Sequence[object], expected: Sequence[object], transport: str) -> None:
    """In order; over UDP those that came last may be missing, which are not always those shown last."""
    assert found == [each for each in expected if each in found]
    assert len(found) >= len(expected) - (MAX_OVERTAKEN if transport == "udp" else 0)


def marks_in(source: str, options: dict[str, str]) -> list[int | None]:
    """The marks of all pictures, decoded by libavformat and its friends as PyAV has them."""
    with av.open(source, options=options, timeout=PATIENCE) as container:
        return [marked(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


def marked(image: NDArray[Any]) -> int | None:
    return read_mark(image.astype(np.uint8))


async def test_libavformat_reads_them(rtsp: str) -> None:
    calls = [(name, transport) for name in CODECS for transport in TRANSPORTS]
    found = await few_at_a_time(
        asyncio.to_thread(marks_in, f"{rtsp}/{name}", {"rtsp_transport": transport})
        for name, transport in calls
    )
    for (_, transport), marks in zip(calls, found, strict=True):
        assert_all_decoded(marks, MARKS, transport)


async def test_gstreamer_plays_them(rtsp: str, tmp_path: Path) -> None:
    plays = await few_at_a_time(
        play(f"{rtsp}/{name}", transport, tmp_path / f"{name}.{transport}", "end")
        for name in FFMPEG_READS
        for transport in TRANSPORTS
    )
    for played in plays:
        # rtspsrc times pictures by the arrival of packets; on a busy machine those of so short a movie
        # drift past its end, and are cut off.
        assert len(played.marks()) >= GST_LEAST
        assert played.marks() == MARKS[: len(played.marks())]


async def watch(url: str, transport: Way, start: float | None = None) -> list[int | None]:
    """The marks of all pictures that our own client decodes; nothing may be lost on the way."""
    async with connect(url, transport=transport, at=start, reconnect=False) as stream:
        marks = [marked(frame.to_ndarray("gray8")) async for frame in stream.frames(every=True)]
        assert sum(track.packets.lost + track.dropped for track in stream.statistics()) == 0
    return marks


async def test_our_client_reads_them(rtsp: str) -> None:
    """From the beginning, and from the second keyframe."""
    whole, half = await asyncio.gather(
        few_at_a_time(watch(f"{rtsp}/{name}", "udp") for name in CODECS),
        few_at_a_time(watch(f"{rtsp}/{name}", "tcp", GOP / 25) for name in CODECS),
    )
    assert whole == [MARKS] * len(CODECS)
    assert half == [MARKS[GOP:]] * len(CODECS)


@pytest.mark.parametrize("name", GST_PIPELINES)
async def test_our_client_reads_gst_rtsp_server(folder: Path, name: str) -> None:
    with waiting_lines(1, DEBIAN_PYTHON, GST_SERVER, folder / name, "", GST_PIPELINES[name]) as (port,):
        url = f"rtsp://127.0.0.1:{port}/movie"
        found = await few_at_a_time(watch(url, transport) for transport in TRANSPORTS)
    assert found == [MARKS, MARKS]


async def test_b_frames_of_h265_in_avi(folder: Path, tmp_path: Path) -> None:
    """AVI has no presentation times: what ffmpeg copies there from MP4 is shown as it is in MP4."""
    avi = tmp_path / "h265.avi"
    await run("ffmpeg", "-v", "error", "-i", folder / "h265.mp4", "-c", "copy", avi)
    times = []
    for path in (folder / "h265.mp4", avi):
        with closing(open_demuxer(path)) as demuxer:
            times.append([unit.pts for _, unit in demuxer.units()])
    assert sorted(times[0]) != times[0]
    assert times[1] == times[0]
