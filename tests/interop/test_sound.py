"""Sound of every codec and container, from our server to ffmpeg and GStreamer, and from GStreamer to our client."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.interop.peers import DEBIAN_PYTHON, run, serving, waiting_lines
from tests.interop.test_ffmpeg import Coded, assert_all_came, assert_shifted, contents, parse_framemd5
from tests.interop.test_readers import TRANSPORTS, receive

from reelcast.rtp.intake import ReceivedUnit
from reelcast.server.app import Server

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

PLAYER = Path(__file__).with_name("gst_player.py")
GST_SERVER = Path(__file__).with_name("gst_server.py")
SECONDS = 1.5
SETTLED_SECONDS = 0.3
RATE = 48_000
TOLERANCE = 0.0015
"""Seconds: WebM and FLV count milliseconds."""
OVERTAKEN = RATE // 4
"""Samples that ffmpeg may not see in the end over UDP: see `MAX_OVERTAKEN`."""
AT_ONCE = 3
PICTURES = ("-f", "lavfi", "-i", f"testsrc2=size=160x120:rate=25:duration={SECONDS}")
TONE = ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate={RATE}:duration={SECONDS}")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "2")
THREE_CODECS = (
    "wavparse ! tee name=sound"
    " sound. ! queue ! audioconvert ! opusenc ! rtpopuspay name=pay0 pt=96"
    " sound. ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1"
    " ! mulawenc ! rtppcmupay name=pay1"
    " sound. ! queue ! audioconvert ! audioresample ! audio/x-raw,rate=8000,channels=1"
    " ! alawenc ! rtppcmapay name=pay2"
)
"""What gst-rtsp-server makes of a file."""

T = TypeVar("T")


@dataclass(frozen=True)
class Recipe:
    """What ffmpeg makes a file of, and whether we pass its sound as it is or decode it."""

    options: tuple[str, ...]
    video: tuple[str, ...] = ()
    passed: bool = True
    filters: tuple[str, ...] = ()
    """Bitstream filters that make of the file's packets what RTP carries."""


FILES = {
    "opus.webm": Recipe(("-c:a", "libopus"), ("-c:v", "libvpx", "-deadline", "realtime", "-g", "25")),
    "opus.ogg": Recipe(("-c:a", "libopus", "-ac", "2")),
    "opus.mka": Recipe(("-c:a", "libopus", "-frame_duration", "60")),
    "sound.mp3": Recipe(("-c:a", "libmp3lame", "-q:a", "4", "-ar", "44100", "-ac", "2")),
    "sound.mp2": Recipe(("-c:a", "mp2", "-b:a", "384k")),
    "sound.aac": Recipe(("-c:a", "aac", "-f", "adts"), filters=("-bsf:a", "aac_adtstoasc")),
    "film.flv": Recipe(("-c:a", "aac"), X264),
    "g722.wav": Recipe(("-c:a", "g722", "-ar", "16000"), passed=False),
    "sound.flac": Recipe(("-c:a", "flac", "-ar", "44100"), passed=False),
    "s24.wav": Recipe(("-c:a", "pcm_s24le", "-ac", "2"), passed=False),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, made by ffmpeg."""
    path = tmp_path_factory.mktemp("sound")
    for name, one in FILES.items():
        inputs = (*(PICTURES if one.video else ()), *TONE)
        subprocess.run(["ffmpeg", "-v", "error", *inputs, *one.video, *one.options, path / name], check=True)
    return path


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serving(*(folder / name for name in FILES)) as found:
        yield found


async def some_at_once(*work: Coroutine[Any, Any, T]) -> list[T]:
    """All of it, a few at a time: more than that, and a busy machine plays out of time."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(job: Coroutine[Any, Any, T]) -> T:
        async with turn:
            return await job

    return await asyncio.gather(*map(one, work))


async def packets(
    source: str | Path, target: Path, *options: str, after: tuple[str, ...] = ()
) -> list[Coded]:
    """The packets of a file or stream as ffmpeg sees them: sound is stream 0, pictures are behind it."""
    copied = ("-copyts", "-map", "0:a", "-map", "0:v?", "-c", "copy")
    await run(
        "ffmpeg", "-y", "-v", "error", *options, "-i", source, *copied, *after, "-f", "framemd5", target
    )
    return list(parse_framemd5(target))


async def samples(source: str | Path, target: Path, *options: str) -> NDArray[np.int16]:
    """The sound as ffmpeg decodes it to 16 bits."""
    coding = ("-map", "0:a", "-c:a", "pcm_s16le", "-f", "s16le")
    await run("ffmpeg", "-y", "-v", "error", *options, "-i", source, *coding, target)
    return np.fromfile(target, np.int16)


async def test_ffmpeg_gets_every_packet(folder: Path, url: str, tmp_path: Path) -> None:
    """The same packets as in the file, and sound and pictures as far apart as there."""
    names = [name for name, one in FILES.items() if one.passed]
    calls = [(name, transport) for name in names for transport in TRANSPORTS]
    copies = await some_at_once(
        *(packets(f"{url}/{name}", tmp_path / f"{name}-{way}", "-rtsp_transport", way) for name, way in calls)
    )
    originals = await some_at_once(
        *(packets(folder / name, tmp_path / name, after=FILES[name].filters) for name in names)
    )
    for (name, transport), received in zip(calls, copies, strict=True):
        original = originals[names.index(name)]
        assert_all_came(contents(received, 0), contents(original, 0), transport)
        # ffmpeg reckons the first times of an RTSP stream back from later ones, not always well.
        assert_shifted(received, original, TOLERANCE, SETTLED_SECONDS)


async def test_ffmpeg_hears_every_sample(folder: Path, url: str, tmp_path: Path) -> None:
    """What is decoded on the way, or coded with a memory, comes out as ffmpeg decodes the file itself."""
    names = [name for name, one in FILES.items() if not one.passed]
    calls = [(name, transport) for name in names for transport in TRANSPORTS]
    copies = await some_at_once(
        *(samples(f"{url}/{name}", tmp_path / f"{name}-{way}", "-rtsp_transport", way) for name, way in calls)
    )
    for (name, transport), received in zip(calls, copies, strict=True):
        original = await samples(folder / name, tmp_path / name)
        np.testing.assert_array_equal(received, original[: len(received)], name)
        assert len(received) >= len(original) - (OVERTAKEN if transport == "udp" else 0)


async def listen(url: str, transport: str, target: Path, step: str = "hear 1") -> NDArray[np.int16]:
    """What GStreamer plays."""
    await run(DEBIAN_PYTHON, PLAYER, url, transport, target, step)
    return np.fromfile(target / "sound", np.int16)


def pitch(sound: NDArray[Any], rate: int) -> float:
    """The strongest frequency, in Hz."""
    strength = np.abs(np.fft.rfft(sound.astype(np.float64)))
    return float(np.argmax(strength)) * rate / len(sound)


async def test_gstreamer_plays_all_codecs(folder: Path, tmp_path: Path) -> None:
    """As live streams, for the end of a short file is there before rtspsrc is ready, on a busy machine."""
    server = Server("127.0.0.1", 0)
    for name in FILES:
        server.mount(f"/{name}", folder / name, live=True)
    calls = [(name, TRANSPORTS[place % 2]) for place, name in enumerate(FILES)]
    async with server:
        url = f"rtsp://127.0.0.1:{server.port}"
        played = await some_at_once(*(listen(f"{url}/{name}", way, tmp_path / name) for name, way in calls))
    for (name, _), sound in zip(calls, played, strict=True):
        assert pitch(sound, RATE) == pytest.approx(440, abs=3), name


def decoded(units: list[ReceivedUnit]) -> NDArray[np.float64]:
    """The first channel of a track."""
    track = units[0].track
    codec = {"opus": "libopus", "pcmu": "pcm_mulaw", "pcma": "pcm_alaw"}[track.codec]
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = track.clock_rate, "mono" if track.channels == 1 else "stereo"
    frames = [frame for unit in units for frame in decoder.decode(av.Packet(unit.unit.data))]
    return np.concatenate([frame.to_ndarray().reshape(-1)[:: track.channels] for frame in frames])


async def test_our_client_hears_gst_rtsp_server(folder: Path) -> None:
    """Opus and both kinds of G.711, made of one file."""
    server = (DEBIAN_PYTHON, GST_SERVER, folder / "s24.wav", "", THREE_CODECS)
    with waiting_lines(1, *server) as (port,):
        url = f"rtsp://127.0.0.1:{port}/movie"
        streams = await asyncio.gather(*(receive(url, way) for way in TRANSPORTS))
    for received in streams:
        assert received.lost == 0
        for codec in ("opus", "pcmu", "pcma"):
            units = [unit for unit in received.units if unit.track.codec == codec]
            rate = units[0].track.clock_rate
            assert sum(unit.unit.duration for unit in units) == pytest.approx(SECONDS * rate, abs=rate // 20)
            assert pitch(decoded(units), rate) == pytest.approx(440, abs=2)
