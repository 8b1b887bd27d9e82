"""`reelcast publish` to servers of others: ffmpeg that listens, and gst-rtsp-server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests.free_port import free_port
from tests.interop.peers import DEBIAN_PYTHON, find_program, run, waiting_lines

from reelcast.media.demux import open_demuxer
from reelcast.rtp.payload.h264 import SYNTAX
from reelcast.rtp.payload.nal_units import split_nal_units

pytestmark = pytest.mark.interop

RECORDER = Path(__file__).with_name("gst_recorder.py")
TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])
PATIENCE = 20.0
"""Seconds for ffmpeg to begin to listen, and to end behind its publisher."""
LEAST = 25
"""Pictures of more than a second: the last of them may be lost on the way through a peer's queues."""


def pictures(path: Path) -> list[bytes]:
    """The slices of each picture of a file."""
    demuxer = open_demuxer(path)
    found = []
    for index, unit in demuxer.units():
        if demuxer.tracks[index].codec == "h264":
            nals = split_nal_units(unit.data)
            found.append(b"".join(nal for nal in nals if SYNTAX.kind(nal) in SYNTAX.pictures))
    demuxer.close()
    return found


def sounds(path: Path) -> list[bytes]:
    demuxer = open_demuxer(path)
    found = [unit.data for index, unit in demuxer.units() if demuxer.tracks[index].codec == "aac"]
    demuxer.close()
    return found


def check(movie: Path, video: Path, audio: Path) -> None:
    """What came is what was sent, bit by bit."""
    for sent, got in ((pictures(movie), pictures(video)), (sounds(movie), sounds(audio))):
        assert len(got) >= LEAST
        assert got == sent[: len(got)]


async def publish(*arguments: str | Path) -> str:
    return await run(sys.executable, "-m", "reelcast", "publish", "--no-reconnect", *arguments)


async def listening(port: int, *output: str | Path) -> asyncio.subprocess.Process:
    """An ffmpeg that waits to be published to; it says so to nobody, so it is asked until it answers."""
    process = await asyncio.create_subprocess_exec(
        *(find_program("ffmpeg"), "-hide_banner", "-loglevel", "error", "-y", "-rtsp_flags", "listen"),
        *("-timeout", "30", "-i", f"rtsp://127.0.0.1:{port}/movie", *map(str, output)),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            while process.returncode is None:
                if await asyncio.to_thread(is_listened_to, port):
                    return process
                await asyncio.sleep(0.05)
    except TimeoutError:
        process.kill()
    _, errors = await process.communicate()
    pytest.fail(f"ffmpeg does not listen on port {port}: {errors.decode(errors='replace')[-2000:]}")


def is_listened_to(port: int) -> bool:
    """Whether something listens on a TCP port; without a connection, which would count as the publisher's."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(line[1] == f"0100007F:{port:04X}" and line[3] == "0A" for line in lines)


async def ended(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@TRANSPORTS
async def test_a_file_to_ffmpeg(short_movie: Path, tmp_path: Path, transport: str) -> None:
    port, video, audio = free_port(), tmp_path / "out.h264", tmp_path / "out.aac"
    process = await listening(port, "-map", "0:v", "-c", "copy", video, "-map", "0:a", "-c", "copy", audio)
    url = f"rtsp://127.0.0.1:{port}/movie"
    await publish(short_movie, url, "--duration", "1.2", "--transport", transport)
    await ended(process)
    check(short_movie, video, audio)


@TRANSPORTS
async def test_a_file_to_gstreamer(short_movie: Path, tmp_path: Path, transport: str) -> None:
    video, audio = tmp_path / "out.h264", tmp_path / "out.aac"
    with waiting_lines(1, DEBIAN_PYTHON, RECORDER, video, audio) as lines:
        url = f"rtsp://127.0.0.1:{lines[0]}/movie"
        await publish(short_movie, url, "--duration", "1.2", "--transport", transport)
    check(short_movie, video, audio)


@pytest.mark.parametrize(
    ("codec", "audio"),
    [("h265", "opus"), ("vp9", "pcmu"), ("jpeg", "l16")],
)
async def test_what_is_encoded_here_ffmpeg_decodes(codec: str, audio: str, tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "out.txt"
    process = await listening(port, "-f", "framecrc", path)
    url = f"rtsp://127.0.0.1:{port}/movie"
    options = ("--codec", codec, "--audio-codec", audio, "--size", "320x180", "--fps", "25")
    await publish("pattern", url, *options, "--duration", "1.5", "--transport", "tcp")
    await ended(process)
    lines = path.read_text().splitlines()
    assert sum(line.startswith("0,") for line in lines) >= 10
    assert sum(line.startswith("1,") for line in lines) >= 10
