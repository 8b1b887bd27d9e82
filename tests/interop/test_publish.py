"""Published by ffmpeg, GStreamer and us, read by ffmpeg, GStreamer and our client: not a bit is lost on the way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest
from scripts.movies.encode import Mp4
from scripts.movies.marks import FRAME_RATE
from tests.interop.peers import ARRIVAL, Arrivals, rtspclientsink, run
from tests.interop.test_ffmpeg import Coded, contents, copy
from tests.interop.test_gstreamer import assert_in_order, play

from reelcast.client.stream import connect
from reelcast.media.demux import open_demuxer
from reelcast.net.tls import Tls
from reelcast.rtp.alignment import STEP as MOVED
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.server.app import Server
from reelcast.server.live import LivePolicy
from reelcast.track import AccessUnit

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

Way = Literal["udp", "tcp", "tls"]
WAYS: tuple[Way, ...] = ("udp", "tcp", "tls")
SECONDS = 4
LATE = 8.0
"""Seconds for which readers that come late are waited for; all that went before is one group of pictures."""
FRAMES = SECONDS * FRAME_RATE
BESIDE = (7, 8, 9)
"""NAL units that are no part of a picture: readers are sent parameter sets before each keyframe, and GStreamer puts
delimiters in between."""
MILLISECOND = 0.001
SYNC = 0.02
"""Seconds that sound and pictures may be apart."""
MAX_LESS_SOUND = 50
"""Units of sound that may be missing: those that come before the first picture, where readers begin, and in the
end those that ffmpeg keeps back, since they do not fill a packet."""


class Studio:
    """A server, and what comes to it."""

    def __init__(self, certificate: Path) -> None:
        self.server = Server("127.0.0.1", 0, tls=Tls.self_signed(certificate, port=0))
        self.arrivals = Arrivals(self.server, LivePolicy(patience=LATE))

    def url(self, way: Way, name: str) -> str:
        if way == "tls":
            return f"rtsps://127.0.0.1:{self.server.tls_port}{name}"
        return f"rtsp://127.0.0.1:{self.server.port}{name}"


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    studio = Studio(tmp_path / "tls.pem")
    async with studio.server:
        yield studio


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first seconds of the marked movie, with B-frames."""
    path = tmp_path_factory.mktemp("published") / "movie.mp4"
    Mp4(320, 192, bit_rate=400_000, gop=FRAMES, b_frames=3).write(path, FRAMES)
    return path


async def by_ffmpeg(movie: Path, way: Way, url: str) -> None:
    transport = "udp" if way == "udp" else "tcp"
    source = ("-nostdin", "-v", "error", "-re", "-i", movie, "-c", "copy")
    await run("ffmpeg", *source, "-f", "rtsp", "-rtsp_transport", transport, url)


async def by_gstreamer(movie: Path, way: Way, url: str, whole: Awaitable[None]) -> None:
    place = (f"location={url}", f"protocols={'udp' if way == 'udp' else 'tcp'}")
    source = ("filesrc", f"location={movie}", "!", "qtdemux", "name=d")
    sink = ("rtspclientsink", "name=s", *place, "tls-validation-flags=0")
    pictures = ("d.video_0", "!", "queue", "!", "h264parse", "!", *sink)
    sound = ("d.audio_0", "!", "queue", "!", "aacparse", "!", "s.")
    await rtspclientsink(whole, *source, *pictures, *sound)


async def by_us(movie: Path, way: Way, url: str) -> None:
    options = ("--no-reconnect", "--transport", "udp" if way == "udp" else "tcp", "--trust", "anyone")
    await run(sys.executable, "-m", "reelcast", "publish", *options, movie, url)


class Film:
    """What a file holds, and what of it came."""

    def __init__(self, path: Path) -> None:
        with closing(open_demuxer(path)) as demuxer:
            self.tracks = demuxer.tracks
            self.units: list[list[AccessUnit]] = [[] for _ in self.tracks]
            for number, unit in demuxer.units():
                self.units[number].append(unit)

    def matched(self, received: Sequence[ReceivedUnit]) -> list[list[tuple[AccessUnit, ReceivedUnit]]]:
        """Of each track, what came beside what was sent: every picture bit by bit, and the sound with them."""
        assert not any(each.corrupt for each in received)
        pairs: list[list[tuple[AccessUnit, ReceivedUnit]]] = []
        for track, units in zip(self.tracks, self.units, strict=True):
            came = [each for each in received if each.track.codec == track.codec]
            if track.kind == "audio":
                assert len(came) >= len(units) - MAX_LESS_SOUND
                first = [unit.data for unit in units].index(came[0].unit.data)
                units = units[first : first + len(came)]
            assert [coded(each.unit) for each in came] == [coded(unit) for unit in units]
            pairs.append(list(zip(units, came, strict=True)))
        return pairs

    def apart(self, received: Sequence[ReceivedUnit]) -> list[float]:
        """The same units at the same intervals; how much later than the pictures the sound is, in seconds.

        Where the sound is moved on the way, how much it is then, too.
        """
        places: list[list[float]] = []
        for track, pairs in zip(self.tracks, self.matched(received), strict=True):
            # GStreamer gives the first unit of sound, which lies before the beginning, the time of the second.
            moved = [came.pts - unit.pts / track.clock_rate for unit, came in pairs[1:]]
            steps = [after for before, after in pairwise(moved) if abs(after - before) >= MILLISECOND]
            places.append([moved[0], *steps])
        (pictures,), sound = places
        return [place - pictures for place in sound]

    def assert_in_sync(self, received: Sequence[ReceivedUnit]) -> None:
        """By the publisher's reports, pictures and sound are of the same time."""
        times: list[float] = []
        for track, pairs in zip(self.tracks, self.matched(received), strict=True):
            unit, came = pairs[-1]
            assert came.clock == "sender"
            assert came.time is not None
            times.append(came.time - unit.pts / track.clock_rate)
        assert times[0] == pytest.approx(times[1], abs=SYNC)


def coded(unit: AccessUnit) -> bytes | list[bytes]:
    """What an encoder has made of it."""
    nals = list(split_nal_units(unit.data))
    return [nal for nal in nals if nal[0] & 31 not in BESIDE] or unit.data


def shift(copied: Sequence[Coded], stream: int, original: Sequence[Coded], its: int, first: int) -> float:
    """How much later the last unit is than in the original, of which the copy has all from `first` on; seconds."""
    came = [each.pts for each in copied if each.stream == stream]
    then = [each.pts for each in original if each.stream == its][first:]
    last, place = next((at, number) for number, at in reversed(list(enumerate(came))) if at is not None)
    began = then[place]
    assert began is not None
    return float(last - began)


async def by_our_client(url: str, way: Way, trust: Path) -> list[ReceivedUnit]:
    transport: Literal["udp", "tcp"] = "udp" if way == "udp" else "tcp"
    async with connect(url, transport=transport, trust=trust, timeout=ARRIVAL, reconnect=False) as stream:
        received = [each async for each in stream.units()]
        assert sum(each.packets.lost + each.dropped for each in stream.statistics()) == 0
    return received


@pytest.mark.parametrize("publisher", ["ffmpeg", "gstreamer", "us"])
async def test_all_readers_of_all_publishers(
    publisher: str, studio: Studio, movie: Path, tmp_path: Path
) -> None:
    """Conformance K12: over UDP, TCP and TLS, all at the same time."""
    film, original = Film(movie), await copy(movie, tmp_path / "file")
    certificate = tmp_path / "tls.pem"

    def publish(way: Way, name: str) -> Coroutine[None, None, None]:
        url = studio.url(way, name)
        if publisher == "gstreamer":
            return by_gstreamer(movie, way, url, studio.arrivals.pictures(name, FRAMES))
        return (by_ffmpeg if publisher == "ffmpeg" else by_us)(movie, way, url)

    async def publish_and_read(way: Way) -> None:
        name = f"/{way}"
        publishing = asyncio.create_task(publish(way, name))
        await studio.arrivals.pictures(name, 1)
        url, folder = studio.url(way, name), tmp_path / way
        transport = "udp" if way == "udp" else "tcp"
        received, copied, played, _ = await asyncio.gather(
            by_our_client(url, way, certificate),
            copy(url, tmp_path / f"{way}.frames", transport),
            play(url, transport, folder, f"trust {certificate}", "end"),
            publishing,
        )
        published = studio.arrivals.units[name]
        film.assert_in_sync(published)
        # GStreamer's first report comes late: the path begins by the times of arrival, and readers are told.
        begun, *moved = film.apart(published)
        assert publisher == "gstreamer" or (abs(begun) < SYNC and not moved)
        # What is recorded is moved once they have come.
        assert len(moved) <= 1
        assert abs([begun, *moved][-1]) < SYNC + MOVED
        (apart,) = film.apart(received)
        assert abs(apart) < abs(begun) + SYNC
        # GStreamer announces sound first.
        pictures = next(int(each.track.control[-1]) - 1 for each in received if each.track.kind == "video")
        assert contents(copied, pictures) == contents(original, 0)
        sound, all_sound = contents(copied, 1 - pictures), contents(original, 1)
        first = all_sound.index(sound[0])
        assert sound == all_sound[first : first + len(sound)]
        assert len(sound) >= len(all_sound) - MAX_LESS_SOUND
        late = shift(copied, pictures, original, 0, 0), shift(copied, 1 - pictures, original, 1, first)
        assert publisher == "gstreamer" or abs(late[0] - late[1]) < SYNC
        assert_in_order(played.marks(), 0)
        assert len(played.marks()) >= FRAMES - 1

    await asyncio.gather(*map(publish_and_read, WAYS))


G711 = ("-ar", "8000", "-ac", "1", "-c:a")
X265 = "keyint=25:bframes=2:pools=none:log-level=none"
CODECS: dict[str, tuple[str, ...]] = {
    "h265 opus.mkv": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", X265, "-c:a", "libopus"),
    "vp8.webm": ("-an", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"),
    "vp9.webm": ("-an", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"),
    "jpeg pcmu.avi": (
        "-c:v",
        "mjpeg",
        "-q:v",
        "4",
        "-huffman",
        "default",
        "-ar",
        "8000",
        "-ac",
        "1",
        "-c:a",
        "pcm_mulaw",
    ),
    "mpa.mp3": ("-vn", "-c:a", "libmp3lame", "-write_xing", "0"),
    "pcma.wav": ("-vn", *G711, "pcm_alaw"),
    "g722.wav": ("-vn", "-ar", "16000", "-ac", "1", "-c:a", "g722"),
    "l16.aiff": ("-vn", "-ar", "44100", "-ac", "2", "-c:a", "pcm_s16be"),
    "h264 aac.mp4": ("-c", "copy"),
}
"""Each publishable codec of ffmpeg 5.1, in a file that it makes."""
MAX_KEPT_BACK = 1
"""Units of MPEG audio that do not fill a packet: in the end, ffmpeg sends none such."""
START_OF_SCAN = bytes.fromhex("ffda")


def essence(codec: str, units: Iterable[AccessUnit]) -> list[object]:
    """What must arrive: JPEGs have their headers made anew, and PCM is cut in other pieces."""
    if codec in ("pcmu", "pcma", "g722", "l16"):
        return [b"".join(unit.data for unit in units)]
    if codec == "jpeg":
        return [unit.data[unit.data.index(START_OF_SCAN) :] for unit in units]
    return [coded(unit) for unit in units] if codec == "h264" else [unit.data for unit in units]


@pytest.mark.parametrize("name", CODECS)
async def test_every_codec_passes_through(name: str, studio: Studio, movie: Path, tmp_path: Path) -> None:
    """As fast as ffmpeg goes; AAC in LATM, for it is in the other way above."""
    file = tmp_path / name.replace(" ", "-")
    await run("ffmpeg", "-v", "error", "-i", movie, "-t", "1", *CODECS[name], file)
    output = ("-f", "rtsp", "-rtsp_transport", "tcp", "-rtpflags", "latm", studio.url("tcp", "/codec"))
    await run("ffmpeg", "-v", "error", "-i", file, "-c", "copy", "-strict", "experimental", *output)
    film = Film(file)
    assert [track.codec for track in film.tracks] == name.partition(".")[0].split()
    for track, units in zip(film.tracks, film.units, strict=True):
        came = [each.unit for each in studio.arrivals.units["/codec"] if each.track.codec == track.codec]
        sent, received = essence(track.codec, units), essence(track.codec, came)
        assert received == sent[: len(received)]
        assert len(received) >= len(sent) - MAX_KEPT_BACK
