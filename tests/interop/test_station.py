"""A station whose configuration changes again and again, while ffmpeg publishes and ffmpeg and our client read."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from scripts.movies.encode import Mp4
from tests.interop.peers import ARRIVAL
from tests.interop.test_ffmpeg import contents, copy
from tests.interop.test_publish import FRAMES, Film, by_ffmpeg
from tests.server.raw import until

from reelcast.archive.index import Index
from reelcast.client.stream import connect
from reelcast.rtp.intake import ReceivedUnit
from reelcast.server.passwords import Password
from reelcast.station import operation as module
from reelcast.station.operation import Operation
from reelcast.station.toml_file import Flags

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

LOCAL = Flags({"listen": {"host": "127.0.0.1", "port": 0}})
STUDIO = """
[live]
patience = 6
[record]
folder = "recordings"
[anyone]
read = ["/studio"]
[paths.studio]
publish = true
record = true
"""


def user(name: str, rights: str) -> str:
    return f'[users.{name}]\nha1 = "{Password.of(name, "secret").md5}"\n{rights}\n'


ALICE = user("alice", 'publish = ["/studio"]')
BOB = user("bob", "")
OTHER = "[paths.other]\nlive_file = 'movie.mp4'\n"
SAVED = [
    STUDIO + ALICE + BOB + OTHER,
    STUDIO + ALICE + BOB.replace("ha1", "ha2"),
    STUDIO.replace("patience = 6", "patience = 7") + ALICE,
    "[paths.studio\n",
    STUDIO + ALICE.replace('["/studio"]', '["/**"]') + OTHER.replace("live_file", "file"),
    STUDIO + ALICE,
]
"""What the file becomes: paths and users come and go, and twice it is wrong."""


def save(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


async def test_nobody_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Every picture arrives, bit by bit, and is recorded."""
    caplog.set_level("INFO", "reelcast.station")
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    movie, file = tmp_path / "movie.mp4", tmp_path / "station.toml"
    Mp4(320, 192, bit_rate=400_000, gop=FRAMES, b_frames=3).write(movie, FRAMES)
    film, original = Film(movie), await copy(movie, tmp_path / "file")
    save(file, STUDIO + ALICE)
    operation = Operation(file, LOCAL)
    server, stop = operation.station.server, asyncio.Event()
    serving = asyncio.create_task(operation.serve_until_signal(stop=stop))
    await until(lambda: server.port > 0, ARRIVAL)
    place = f"127.0.0.1:{server.port}/studio"
    publishing = asyncio.create_task(by_ffmpeg(movie, "tcp", f"rtsp://alice:secret@{place}"))
    await until(lambda: any(live.feeding is not None for live in server.live_paths()), ARRIVAL)
    reading = asyncio.gather(
        received_by_us(f"rtsp://{place}"),
        copy(f"rtsp://{place}", tmp_path / "tcp.frames", "tcp"),
    )
    for number, text in enumerate(SAVED, 1):
        save(file, text)
        await until(partial(has_answers, caplog, number), ARRIVAL)
    await publishing
    received, copied = await reading
    assert [line.endswith("stays as it was") for line in caplog.messages].count(True) == 2
    assert len(film.apart(received)) == 1
    assert contents(copied, 0) == contents(original, 0)
    stop.set()
    await serving
    with Index(tmp_path / "recordings", read_only=True) as index:
        (segment,) = index.segments("/studio")
    assert contents(await copy(segment.path, tmp_path / "recorded"), 0) == contents(original, 0)


def has_answers(caplog: pytest.LogCaptureFixture, count: int) -> bool:
    """Whether the file was read so often, with whatever came of it."""
    said = "was read again", "stays as it was"
    return sum(any(words in line for words in said) for line in caplog.messages) >= count


async def received_by_us(url: str) -> list[ReceivedUnit]:
    async with connect(url, transport="udp", reconnect=False) as stream:
        return [each async for each in stream.units()]
