"""ffmpeg and ffprobe as readers: every byte of every frame, in time, over both transports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scripts.movies.marks import FRAME_RATE, beep_starts, flash_on, read_mark
from scripts.movies.scene import FRAMES
from scripts.movies.sound import RATE
from tests.interop.peers import run

from reelcast.net.messages import Batching
from reelcast.server.app import Server

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

TRANSPORTS = ("udp", "tcp")
MP4S = ("movie.mp4", "movie-bframes.mp4")
SLICES = "filter_units=pass_types=1-5"
"""What is compared of H.264: slices. Where parameter sets stand is another matter in MP4 than in RTP."""
GOP_SECONDS = 2.0
MILLISECOND = 0.001
MAX_OVERTAKEN = 12
"""Frames: ffmpeg reads reports before media, so that where it was held up it ends before what came with a goodbye.
As many as there may be in a packet of sound."""
MAX_HELD_UP = 5
"""Times that a machine may be held up; were it every frame, their times would be wrong."""


@dataclass(frozen=True)
class Coded:
    """One line of ffmpeg's framemd5: pts is in seconds, None where ffmpeg has none."""

    stream: int
    pts: float | None
    size: int
    digest: str


def parse_framemd5(path: Path) -> Iterator[Coded]:
    bases: dict[int, float] = {}
    for line in path.read_text().splitlines():
        if line.startswith("#tb "):
            stream, _, base = line.removeprefix("#tb ").partition(": ")
            numerator, _, denominator = base.partition("/")
            bases[int(stream)] = int(numerator) / int(denominator)
        elif not line.startswith("#"):
            number, _, pts, _, size, digest = (field.strip() for field in line.split(",")[:6])
            # The first picture of an RTSP stream has no pts in ffmpeg, whatever the server.
            known = int(pts) > -(1 << 62)
            yield Coded(int(number), int(pts) * bases[int(number)] if known else None, int(size), digest)


async def copy(source: str | Path, target: Path, transport: str | None = None) -> list[Coded]:
    """The coded frames of a file or stream, to its end, as ffmpeg sees them."""
    slices = SLICES if transport else f"h264_mp4toannexb,{SLICES}"
    await run(
        *("ffmpeg", "-y", "-v", "error", "-copyts"),
        *(("-rtsp_transport", transport) if transport else ()),
        *("-i", source, "-map", "0", "-c", "copy", "-bsf:v", slices, "-f", "framemd5", target),
    )
    return list(parse_framemd5(target))


def contents(frames: list[Coded], stream: int) -> list[tuple[int, str]]:
    return [(frame.size, frame.digest) for frame in frames if frame.stream == stream]


def assert_same(received: list[Coded], original: list[Coded], transport: str = "tcp") -> None:
    """The same frames in the same order, and both tracks shifted by the same times."""
    for stream in (0, 1):
        assert_all_came(contents(received, stream), contents(original, stream), transport)
    assert_shifted(received, original, MILLISECOND)


def assert_all_came(received: Sequence[object], original: Sequence[object], transport: str) -> None:
    """Each of them, in order, to the end; over UDP ffmpeg may not see the last of them."""
    assert received == original[: len(received)]
    assert len(received) >= len(original) - (MAX_OVERTAKEN if transport == "udp" else 0)


def assert_shifted(
    received: list[Coded], original: list[Coded], tolerance: float, settled: float = 0.0
) -> None:
    """All of one time, unless the machine was held up: then what comes behind that is later, on both tracks.

    ffmpeg goes by the sender's reports, and these say so. What is before `settled` is not looked at.
    """
    levels: list[list[float]] = [[], []]
    for stream, shifts in enumerate(levels):
        for ours, theirs in zip(
            (frame for frame in received if frame.stream == stream),
            (frame for frame in original if frame.stream == stream),
            strict=False,
        ):
            if ours.pts is None or theirs.pts is None or theirs.pts < settled:
                continue
            shift = ours.pts - theirs.pts
            if not shifts or abs(shift - shifts[-1]) > tolerance:
                shifts.append(shift)
    pictures, sound = levels
    if pictures and sound:
        assert pictures == pytest.approx(sound, abs=tolerance)
    for shifts in levels:
        assert shifts == sorted(shifts)
        assert len(shifts) <= MAX_HELD_UP


async def test_whole_movies_arrive_unchanged(rtsp: str, movies: Path, tmp_path: Path) -> None:
    """Both MP4s and the MJPEG over both transports, at the same time; ffmpeg ends by itself, at the BYE."""
    mp4s = {
        (name, transport): copy(f"{rtsp}/{name}", tmp_path / f"{name}.{transport}", transport)
        for name in MP4S
        for transport in TRANSPORTS
    }
    jpegs = [decode_jpegs(f"{rtsp}/movie.Mjpeg", tmp_path / transport, transport) for transport in TRANSPORTS]
    *copies, over_udp, over_tcp = await asyncio.gather(*mp4s.values(), *jpegs)
    originals = {name: await copy(movies / name, tmp_path / f"{name}.file") for name in MP4S}
    for (name, transport), received in zip(mp4s, copies, strict=True):
        assert_same(received, originals[name], transport)
    # The file is frames behind five digits; ffmpeg finds the JPEGs in it by itself.
    original = await decode_jpegs(movies / "movie.Mjpeg", tmp_path / "file", None)
    assert len(original) == FRAMES
    for transport, received in zip(TRANSPORTS, (over_udp, over_tcp), strict=True):
        assert_all_came(contents(received, 0), contents(original, 0), transport)
        times = [frame.pts for frame in received if frame.pts is not None]
        assert {round((later - earlier) * FRAME_RATE, 3) for earlier, later in pairwise(times)} == {1.0}


async def decode_jpegs(source: str | Path, target: Path, transport: str | None) -> list[Coded]:
    """The decoded pictures of an MJPEG."""
    options = ("-rtsp_transport", transport) if transport else ("-f", "mjpeg")
    await run("ffmpeg", "-v", "error", *options, "-i", source, "-f", "framemd5", target)
    return list(parse_framemd5(target))


@pytest.mark.parametrize("batching", [Batching.PLAIN, Batching.MESSAGES])
async def test_other_ways_to_send(batching: Batching, short_movie: Path, tmp_path: Path) -> None:
    """What systems without segmentation offload use, carries the same."""
    server = Server("127.0.0.1", 0, batching=batching)
    server.mount("/short", short_movie)
    async with server:
        (url,) = server.urls()
        copies = [copy(url, tmp_path / transport, transport) for transport in TRANSPORTS]
        original = await copy(short_movie, tmp_path / "file")
        for transport, received in zip(TRANSPORTS, await asyncio.gather(*copies), strict=True):
            assert_same(received, original, transport)


@dataclass(frozen=True)
class Scene:
    """What was seen and heard: the marks and flashes with their times, the times of the beeps."""

    marks: list[int | None]
    times: list[float]
    flashes: list[float]
    beeps: list[float]


async def watch(url: str, target: Path, transport: str, start: float, seconds: float) -> Scene:
    """Seek, then decode from the keyframe on."""
    await run(
        *("ffmpeg", "-v", "error", "-noaccurate_seek", "-ss", str(start), "-rtsp_transport", transport),
        *("-copyts", "-i", url, "-t", str(seconds), "-vf", "scale=192:108", "-pix_fmt", "gray"),
        *("-fps_mode", "passthrough", "-c:v", "rawvideo", "-c:a", "pcm_s16le", "-f", "nut", target),
    )
    return look(target)


def look(path: Path) -> Scene:
    marks: list[int | None] = []
    times: list[float] = []
    flashes: list[float] = []
    sound: list[NDArray[np.int16]] = []
    heard_from: float | None = None
    with av.open(path) as container:
        for frame in container.decode():
            assert frame.time is not None
            if isinstance(frame, av.VideoFrame):
                image = frame.to_ndarray().astype(np.uint8)
                marks.append(read_mark(image))
                times.append(frame.time)
                flashes += [frame.time] if flash_on(image) else []
            elif isinstance(frame, av.AudioFrame):
                heard_from = frame.time if heard_from is None else heard_from
                sound.append(frame.to_ndarray().reshape(-1, 2).T.astype(np.int16))
    assert heard_from is not None
    beeps = [heard_from + beep for beep in beep_starts(np.concatenate(sound, axis=1), RATE)]
    return Scene(marks, times, flashes, beeps)


async def test_seek_starts_at_the_keyframe_in_sync(rtsp: str, tmp_path: Path) -> None:
    """ffmpeg seeks a little before what it is asked for: none of these is just behind a keyframe."""
    seeks = [
        ("movie.mp4", "udp", 7.3),
        ("movie.mp4", "tcp", 4.3),
        ("movie-bframes.mp4", "udp", 13.96),
        ("movie-bframes.mp4", "tcp", 0.5),
        ("movie-bframes.mp4", "tcp", 18.5),
    ]
    scenes = await asyncio.gather(
        *(
            watch(f"{rtsp}/{name}", tmp_path / f"{index}", transport, start, start + 1.4)
            for index, (name, transport, start) in enumerate(seeks)
        )
    )
    for scene, (_, _, start) in zip(scenes, seeks, strict=True):
        keyframe = int(start // GOP_SECONDS * GOP_SECONDS * FRAME_RATE)
        assert scene.marks == list(range(keyframe, keyframe + len(scene.marks)))
        steps = [after - before for before, after in pairwise(scene.times[1:])]
        even = [step for step in steps if step == pytest.approx(1 / FRAME_RATE, abs=MILLISECOND)]
        # Where the machine was held up, what comes behind that is later.
        assert min(steps) == pytest.approx(1 / FRAME_RATE, abs=MILLISECOND)
        assert len(even) > len(steps) - MAX_HELD_UP
        # The first picture has no pts in ffmpeg, and the decoder's first sound is half a sound.
        flashes = [
            time
            for time, earlier in zip(scene.flashes[2:], scene.flashes[1:], strict=False)
            if time - earlier > 0.5
        ]
        assert flashes
        assert scene.beeps[1:] == pytest.approx(flashes, abs=MILLISECOND)


async def probe(url: str, transport: str) -> list[dict[str, object]]:
    output = await run(
        "ffprobe", "-v", "error", "-rtsp_transport", transport, "-of", "json", "-show_streams", url
    )
    streams: list[dict[str, object]] = json.loads(output)["streams"]
    return streams


async def test_ffprobe_knows_the_tracks(rtsp: str) -> None:
    h264 = {"codec_name": "h264", "profile": "High", "width": 640, "height": 360, "avg_frame_rate": "25/1"}
    aac = {"codec_name": "aac", "profile": "LC", "sample_rate": "48000", "channels": 2}
    jpeg = {"codec_name": "mjpeg", "width": 384, "height": 288, "avg_frame_rate": "25/1"}
    expected = {"movie.mp4": [h264, aac], "movie-bframes.mp4": [h264, aac], "movie.Mjpeg": [jpeg]}
    calls = [(name, transport) for name in expected for transport in TRANSPORTS]
    answers = await asyncio.gather(*(probe(f"{rtsp}/{name}", transport) for name, transport in calls))
    for (name, _), streams in zip(calls, answers, strict=True):
        assert [
            {key: stream.get(key) for key in wanted}
            for stream, wanted in zip(streams, expected[name], strict=True)
        ] == expected[name]
