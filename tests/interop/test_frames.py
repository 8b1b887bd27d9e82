"""Frames as applications see them, of gst-rtsp-server and of ours: every one, in order, evenly spaced."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scripts.movies.encode import Mp4
from scripts.movies.marks import FRAME_RATE, beep_starts, read_mark
from scripts.movies.scene import FRAMES
from tests.interop.peers import DEBIAN_PYTHON, find_program, serving, waiting_lines

from reelcast.client.frame import Frame
from reelcast.client.stream import connect
from reelcast.media.decode import Picture, Samples

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

Way = Literal["udp", "tcp"]
TRANSPORTS: tuple[Way, ...] = ("udp", "tcp")
SECONDS = 3
WIDTH, HEIGHT = 320, 192
"""RTP has the size of JPEG images in eights of pixels (RFC 2435 section 3.1.5)."""
GST_SERVER = Path(__file__).with_name("gst_server.py")
X265 = "keyint=25:bframes=2:pools=none:log-level=none"
DEMUX = "qtdemux name=d d. ! queue ! avdec_h264 ! videoconvert"
SOUND = "d. ! queue ! avdec_aac ! audioconvert ! audioresample"
GST_PIPELINES = {
    "h264 aac": f"{DEMUX} ! x264enc speed-preset=superfast key-int-max=25 bframes=2"
    " ! rtph264pay name=pay0 pt=96 config-interval=-1"
    f" {SOUND} ! voaacenc ! rtpmp4gpay name=pay1 pt=97",
    "h265 opus": f"{DEMUX} ! x265enc speed-preset=ultrafast option-string={X265}"
    " ! rtph265pay name=pay0 pt=96 config-interval=-1"
    f" {SOUND} ! opusenc ! rtpopuspay name=pay1 pt=97",
    "jpeg pcmu": f"{DEMUX} ! video/x-raw,format=I420 ! jpegenc ! rtpjpegpay name=pay0 pt=26"
    f" {SOUND} ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay1 pt=0",
    "pcma": "qtdemux ! avdec_aac ! audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1"
    " ! alawenc ! rtppcmapay name=pay0 pt=8",
}
"""From the marked movie, by the codecs of their tracks."""
G711 = ("-ar", "8000", "-ac", "1", "-c:a")
OUR_FILES = {
    "h264 aac": ("movie.mp4", "-c", "copy"),
    "h265 opus": (
        "movie.mkv",
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        X265,
        "-c:a",
        "libopus",
    ),
    "jpeg pcmu": ("movie.avi", "-c:v", "mjpeg", "-q:v", "4", "-huffman", "default", *G711, "pcm_mulaw"),
    "pcma": ("sound.wav", "-vn", *G711, "pcm_alaw"),
}
"""The same made by ffmpeg: a file's name, and how."""
AUDIO_RATES = {"aac": 48_000, "opus": 48_000, "pcmu": 8000, "pcma": 8000}
BEEP_TOLERANCE = 0.05
"""Seconds; encoders begin with a few hundredths of silence."""
TICK = 0.0011
"""Seconds that two frames may be nearer or further than they should: Matroska has whole milliseconds."""


@dataclass
class Seen:
    """All frames of one stream, by the kind of their track; packets lost and units not taken."""

    video: list[tuple[float, int | None, tuple[int, ...]]] = field(default_factory=list)
    audio: list[tuple[float, Samples, NDArray[Any]]] = field(default_factory=list)
    codecs: list[str] = field(default_factory=list)
    lost: int = 0

    def take(self, frame: Frame) -> None:
        """Read what a frame shows, and forget its pixels."""
        assert not frame.corrupt
        if isinstance(frame.picture, Picture):
            image = frame.to_ndarray("bgr24")
            self.video.append((frame.pts, read_mark(image.mean(axis=2).astype(np.uint8)), image.shape))
        else:
            self.audio.append((frame.pts, frame.picture, frame.to_ndarray()))

    def assert_pictures(self, count: int, shape: tuple[int, int]) -> None:
        """Every one of them, in order and evenly spaced."""
        assert [mark for _, mark, _ in self.video] == list(range(count))
        assert {shape for _, _, shape in self.video} == {(*shape, 3)}
        times = [time for time, _, _ in self.video]
        assert times[0] == pytest.approx(0.0, abs=0.1)
        assert [after - before for before, after in pairwise(times)] == [
            pytest.approx(1 / FRAME_RATE, abs=TICK) for _ in times[1:]
        ]

    def assert_sound(self, rate: int, seconds: int) -> None:
        """Samples without a gap, with a beep on each second."""
        assert {samples.rate for _, samples, _ in self.audio} == {rate}
        # GStreamer's first unit of Opus lasts less than it decodes to: what its decoder has to skip is not counted.
        for (before, _, samples), (after, _, _) in pairwise(self.audio[1:]):
            assert after - before == pytest.approx(len(samples) / rate, abs=TICK)
        sound = np.concatenate([samples for _, _, samples in self.audio])
        assert len(sound) / rate == pytest.approx(seconds, abs=0.2)
        assert beep_starts(sound.T, rate)[:seconds] == pytest.approx(range(seconds), abs=BEEP_TOLERANCE)


async def watch(url: str, transport: Way) -> Seen:
    """The whole stream, as an application sees it."""
    seen = Seen()
    async with connect(url, transport=transport, timeout=20.0, reconnect=False) as stream:
        seen.codecs = [track.codec for track in stream.tracks]
        async for frame in stream.frames(("video", "audio"), every=True):
            seen.take(frame)
        seen.lost = sum(each.packets.lost + each.dropped for each in stream.statistics())
    return seen


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of the marked movie, small."""
    path = tmp_path_factory.mktemp("frames") / "movie.mp4"
    Mp4(WIDTH, HEIGHT, bit_rate=400_000, gop=25, b_frames=3).write(path, SECONDS * FRAME_RATE)
    return path


def convert(source: Path, target: Path, *options: str) -> None:
    ffmpeg = (find_program("ffmpeg"), "-nostdin", "-v", "error", "-i", source)
    subprocess.run((*ffmpeg, *options, target), check=True)


@pytest.fixture(scope="module")
def theirs(movie: Path) -> Iterator[dict[str, str]]:
    """URLs of gst-rtsp-server by codecs, each encoding for each of its readers."""
    with ExitStack() as stack:
        command = (DEBIAN_PYTHON, GST_SERVER, movie, "")
        ports = {
            codecs: stack.enter_context(waiting_lines(1, *command, pipeline))
            for codecs, pipeline in GST_PIPELINES.items()
        }
        yield {codecs: f"rtsp://127.0.0.1:{port}/movie" for codecs, (port,) in ports.items()}


@pytest.fixture(scope="module")
def ours(movie: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """URLs of our server, of files with the same codecs."""
    folder = tmp_path_factory.mktemp("files")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda file: convert(movie, folder / file[0], *file[1:]), OUR_FILES.values()))
    with serving(*(folder / name for name, *_ in OUR_FILES.values())) as url:
        yield {codecs: f"{url}/{name}" for codecs, (name, *_) in OUR_FILES.items()}


async def watch_all(urls: dict[str, str]) -> dict[str, list[Seen]]:
    """All streams over both transports, at once."""
    calls = [(codecs, transport) for codecs in urls for transport in TRANSPORTS]
    found = await asyncio.gather(*(watch(urls[codecs], transport) for codecs, transport in calls))
    return {
        codecs: [seen for (name, _), seen in zip(calls, found, strict=True) if name == codecs]
        for codecs in urls
    }


def assert_whole(codecs: str, seen: Seen) -> None:
    assert seen.lost == 0
    assert seen.codecs == codecs.split()
    if len(seen.codecs) == 2:
        seen.assert_pictures(SECONDS * FRAME_RATE, (HEIGHT, WIDTH))
    seen.assert_sound(AUDIO_RATES[seen.codecs[-1]], SECONDS)


async def test_frames_of_gst_rtsp_server(theirs: dict[str, str]) -> None:
    for codecs, streams in (await watch_all(theirs)).items():
        for seen in streams:
            assert_whole(codecs, seen)


async def test_frames_of_our_server(ours: dict[str, str]) -> None:
    for codecs, streams in (await watch_all(ours)).items():
        for seen in streams:
            assert_whole(codecs, seen)


async def test_every_frame_of_the_movie(rtsp: str) -> None:
    """All 500, read back from their pixels, over both transports at once."""
    for seen in await asyncio.gather(*(watch(f"{rtsp}/movie.mp4", transport) for transport in TRANSPORTS)):
        assert seen.lost == 0
        seen.assert_pictures(FRAMES, (360, 640))
        assert len(seen.audio) > 0
