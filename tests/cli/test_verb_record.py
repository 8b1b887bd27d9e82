"""The verb `record`: files from our own server and from one that is scripted, and how it ends."""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import av
import pytest
from rich.console import Console
from scripts.movies.marks import read_mark
from tests.archive.live_camera import Camera
from tests.archive.takes import NOON, Takes
from tests.cli.verbs import call, serving
from tests.client.scripted import SDP, ScriptedServer, audio, goodbye, reply
from tests.media.conftest import RECIPES, make_movie
from tests.server.raw import until

from reelcast.archive.index import Index
from reelcast.archive.recording import Recording
from reelcast.archive.shelf import Shelf
from reelcast.cli import record as module
from reelcast.client.stream import connect
from reelcast.media.demux import open_demuxer
from reelcast.server.app import Server
from reelcast.server.live import Live


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


def marks(path: Path) -> list[int | None]:
    with av.open(str(path)) as container:
        return [
            read_mark(frame.to_ndarray(format="gray").astype("uint8")) for frame in container.decode(video=0)
        ]


def units(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux())


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
async def test_a_movie(
    movies: Path,
    tmp_path: Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / f"a{suffix}"
    async with serving(movies / "movie-bframes.mp4") as url:
        assert await call(monkeypatch, "record", url, str(path), "--duration", "0.8") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.splitlines()[0] == f"recording {path} over udp"
    assert output.out.splitlines()[1].startswith(f"{path}: 0:00:00.8, 0.")
    assert "; video h264 640x360 " in output.out
    assert output.out.endswith("; 0 packets lost\n")
    assert len(output.out.splitlines()) == 2
    found = marks(path)
    # The last may be without the B-frames between them.
    assert found[:16] == list(range(16))
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


async def test_without_sound(movies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    async with serving(movies / "movie.mp4") as url:
        options = ("--no-audio", "--duration", "0.2", "--transport", "tcp", "--quiet")
        assert await call(monkeypatch, "record", url, str(path), *options) == 0
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


async def test_a_stream_to_its_end(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(*map(audio, range(20)))
        server.send_media(goodbye(), channel=1)

    server.on_play = play
    path = tmp_path / "a.mkv"
    assert await call(monkeypatch, "record", server.url, str(path), "--transport", "tcp", "--quiet") == 0
    assert units(path) == 20
    assert capsys.readouterr() == ("", "")
    assert server.methods[-1] == "TEARDOWN"


async def test_a_lost_camera_leaves_a_file_that_plays(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(*map(audio, range(20)))
        server.hang_up()

    server.on_play = play
    path = tmp_path / "a.mkv"
    assert await call(monkeypatch, "record", server.url, str(path), "--transport", "tcp") == 1
    output = capsys.readouterr()
    assert output.out.splitlines()[1].endswith("; audio pcmu 20 units; 0 packets lost")
    assert output.err == f"reelcast: {server.url}: the server closed the connection\n"
    assert units(path) == 20


async def test_a_camera_that_comes_back(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(*map(audio, range(20)))
        if server.connections == 1:
            server.hang_up()
        else:
            server.send_media(goodbye(), channel=1)

    server.answers["DESCRIBE"] = reply(200, body=SDP.replace(b"npt=0-8", b"npt=now-"))
    server.on_play = play
    path = tmp_path / "a.mkv"
    options = ("--transport", "tcp", "--reconnect")
    assert await call(monkeypatch, "record", server.url, str(path), *options) == 0
    assert units(path) == 40
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"recording {path} over tcp"
    assert lines[1] == f"{server.url}: the server closed the connection; recording goes on when it is back"
    assert lines[2] == f"recording {path} over tcp"


async def test_the_time_to_end_comes_though_nothing_else_does(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is lost and looked for may be so for ever."""

    def play(server: ScriptedServer) -> None:
        server.send_media(*map(audio, range(20)))

    server.on_play = play
    path = tmp_path / "a.mkv"
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(module, "unix_now", lambda: 5e9 if path.exists() else 0.0)
    options = ("--transport", "tcp", "--reconnect", "--to", "2100-01-01T00:00:00Z")
    assert await call(monkeypatch, "record", server.url, str(path), *options) == 0
    assert units(path) > 0


async def test_nothing_came(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(goodbye(), channel=1)

    server.on_play = play
    path = tmp_path / "a.mkv"
    url = server.url.replace("//", "//user:secret@")
    assert await call(monkeypatch, "record", url, str(path), "--transport", "tcp") == 1
    complaint = f"reelcast: {server.url}: {path}: nothing was recorded: no keyframe came\n"
    output = capsys.readouterr()
    assert output.err == complaint
    assert "secret" not in output.out
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("a.avi", "a.avi: a recording is .mp4, .mov, .mkv, .webm or .ts: not .avi\n"),
        ("old.mp4", "old.mp4: is there already; choose another name, or --force\n"),
        ("a.ts", "a.ts: .ts cannot hold pcmu audio: record to .mp4, .mov or .mkv\n"),
    ],
)
async def test_what_cannot_be_recorded(
    server: ScriptedServer,
    tmp_path: Path,
    name: str,
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.on_play = lambda server: server.send_media(audio(0))
    (tmp_path / "old.mp4").write_bytes(b"old")
    assert await call(monkeypatch, "record", server.url, str(tmp_path / name), "--transport", "tcp") == 1
    assert capsys.readouterr().err == f"reelcast: {tmp_path}/{complaint}"
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


async def test_force(server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(audio(0), audio(1))
        server.send_media(goodbye(), channel=1)

    server.on_play = play
    path = tmp_path / "old.mp4"
    path.write_bytes(b"old")
    assert await call(monkeypatch, "record", server.url, str(path), "--transport", "tcp", "-f", "-q") == 0
    assert units(path) >= 1


async def test_progress(server: ScriptedServer, tmp_path: Path) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(*map(audio, range(20)))
        server.send_media(goodbye(), channel=1)

    server.on_play = play
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=200)
    path = tmp_path / "a.mkv"
    stream = connect(server.url, transport="tcp", reconnect=False)
    await module._record(stream, module._Order(server.url, path, None, None, True), console)
    assert f"{path}: 0:00:00.4, " in terminal.getvalue()
    assert " Mbit/s  0 lost" in terminal.getvalue()


async def test_segments(
    movies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "recordings"
    async with serving(movies / "movie.mp4") as url:
        options = ("--segment", "1", "--duration", "2.2")
        assert await call(monkeypatch, "record", url, str(folder), *options) == 0
        (tmp_path / "taken").touch()
        assert await call(monkeypatch, "record", url, str(tmp_path / "taken"), "--segment", "1") == 1
    output = capsys.readouterr()
    assert output.out.splitlines()[1].startswith(f"{folder}: 0:00:02.")
    assert "taken: is a file; with --segment, name a folder" in output.err.replace("\n", " ")
    with Index(folder, read_only=True) as index:
        (name,) = index.names()
        segments = index.segments(name)
    assert url.endswith(name)
    # A keyframe each two seconds.
    assert [first.end for first in segments[:-1]] == [second.start for second in segments[1:]]
    found = [mark for each in segments for mark in marks(each.path)]
    assert len(segments) == 2
    assert found[:50] == list(range(50))


def wait_for(path: Path) -> None:
    """Until there is a whole fragment in a file: a second of media."""
    while not (path.exists() and path.stat().st_size > 20_000):
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
async def test_a_signal_ends_a_recording_in_good_order(
    movies: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    path = tmp_path / "a.mp4"
    async with serving(movies / "movie-bframes.mp4", live=True) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reelcast", "record", url, str(path)), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == f"recording {path} over udp\n".encode()
        await asyncio.to_thread(wait_for, path)
        process.send_signal(number)
        rest = await process.stdout.read()
        assert await process.wait() == code
    assert rest.startswith(f"{path}: 0:00:0".encode())
    found = marks(path)
    assert len(found) >= 20
    assert None not in found


async def test_sound_that_was_announced_and_never_comes(movies: Path, tmp_path: Path) -> None:
    """The file plays all the same, whenever its recording is killed."""
    path = tmp_path / "a.mp4"
    live = Live("/cam")
    server = Server("127.0.0.1", 0)
    server.mount("/cam", live)
    takes = Takes(tmp_path / "expected", movies / "movie-bframes.mp4")
    takes.units = [each for each in takes.units if each[0].kind == "video"]
    async with server:
        url = f"rtsp://127.0.0.1:{server.port}/cam"
        camera = Camera(url, takes, live, Recording(live, tmp_path), time.monotonic())
        publishing = asyncio.create_task(camera.publish(rounds=20))
        await until(lambda: [track.kind for track in live.tracks] == ["video", "audio"])
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reelcast", "record", url, str(path)), stderr=asyncio.subprocess.PIPE
        )
        await asyncio.to_thread(wait_for, path)
        process.kill()
        assert process.stderr is not None
        assert await process.stderr.read() == b"aac audio is left out: nothing of it came\n"
        await process.wait()
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
    takes.index.close()
    found = marks(path)
    assert len(found) >= 20
    assert None not in found


@pytest.mark.parametrize(
    ("since", "until", "seconds"),
    [
        (("--from", "2023-11-14T22:13:21.5Z"), "22:13:22.5", 1.5),
        # A minute of nothing stands between.
        (("--from", "2023-11-14T22:13:23Z"), "22:14:21.5", 3.5),
        (("--from", "2023-11-14T22:13:23Z"), "22:14:00", 1.0),
        (("--start", "3"), "22:14:21.5", 3.5),
    ],
)
async def test_what_was_recorded_from_then_to_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, since: tuple[str, str], until: str, seconds: float
) -> None:
    make_movie(tmp_path / "movie.mp4", replace(RECIPES["movie.mp4"], frames=150, keyframe_every=25))
    takes = Takes(tmp_path / "recordings", tmp_path / "movie.mp4")
    takes.take(NOON, 0.0, 2.0)
    takes.take(NOON + 2.0, 2.0, 4.0)
    takes.take(NOON + 60.0, 4.0, 6.0)
    server = Server("127.0.0.1", 0)
    shelf = Shelf(takes.index)
    server.play_back(shelf)
    part = tmp_path / "part.mp4"
    async with server:
        url = f"rtsp://127.0.0.1:{server.port}/cam?recorded"
        times = *since, "--to", f"2023-11-14T{until}Z"
        assert await call(monkeypatch, "record", url, str(part), *times) == 0
    shelf.close()
    takes.index.close()
    demuxer = open_demuxer(part)
    # From the keyframe before on; of the gap, a second.
    assert demuxer.duration == pytest.approx(seconds, abs=0.2)
    demuxer.close()


async def test_two_ways_to_say_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = "--start", "3", "--from", "22:13"
    assert await call(monkeypatch, "record", "rtsp://127.0.0.1:1/", "a.mp4", *times) == 1
    assert "--start and --from" in capsys.readouterr().err
    assert await call(monkeypatch, "record", "rtsp://127.0.0.1:1/", "a.mp4", "--from", "noon") == 2
