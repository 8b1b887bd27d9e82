from __future__ import annotations

import asyncio
import io
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.verbs import call
from tests.client.recorder import RecordingServer
from tests.client.scripted import reply
from tests.media.conftest import Recipe, make_movie

from reelcast.cli import publish as module
from reelcast.client.options import Options
from reelcast.client.timeouts import Timeouts
from reelcast.errors import MediaError
from reelcast.media.capture import Capture

SMALL = ("--size", "64x48", "--fps", "25")


@pytest.fixture
async def server() -> AsyncIterator[RecordingServer]:
    async with RecordingServer() as server:
        yield server


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.mp4"
    make_movie(path, Recipe(frames=10, b_frames=0))
    return path


async def test_a_test_pattern(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await call(monkeypatch, "publish", "pattern", server.url, *SMALL, "--duration", "0.5") == 0
    output = capsys.readouterr()
    assert output.err == ""
    first, last = output.out.splitlines()
    assert first == f"publishing pattern to {server.url} over udp"
    assert re.fullmatch(
        r"published 0:00:0\d\.\d: video h264 64x48 \d+ units, audio aac \d+ units, 0\.\d MB; 0 packets lost.*",
        last,
    )
    assert [(track.codec, track.frame_rate) for track in server.tracks] == [("h264", 25.0), ("aac", 0.0)]
    assert len(server.units(0)) >= 8
    assert server.units(1)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_file_as_it_is(
    server: RecordingServer,
    short: Path,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await call(monkeypatch, "publish", str(short), server.url, "--transport", transport) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"publishing {short} to {server.url} over {transport}"
    assert ": video h264 160x120 10 units, audio aac " in last
    assert last.endswith("; 0 packets lost")
    assert len(server.units(0)) == 10


async def test_a_file_over_and_over(
    server: RecordingServer, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--loop", "--duration", "1", "--quiet")
    assert await call(monkeypatch, "publish", str(short), server.url, *options) == 0
    assert len(server.units(0)) > 20


async def test_a_file_that_is_encoded_again(
    server: RecordingServer, short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--codec", "jpeg", "--no-audio", "--size", "80x60", "--bit-rate", "0.5M", "--quiet")
    assert await call(monkeypatch, "publish", str(short), server.url, *options) == 0
    assert capsys.readouterr() == ("", "")
    assert [(track.codec, track.width) for track in server.tracks] == [("jpeg", 80)]
    assert server.units(0)


@pytest.mark.parametrize(
    ("recipe", "suffix", "codecs"),
    [
        (Recipe(video="mpeg4", audio="ac3", frames=10, b_frames=0), ".avi", ["h264", "aac"]),
        (Recipe(video="", audio="ac3", frames=10), ".mkv", ["aac"]),
        (Recipe(video="", audio="pcm_mulaw", frames=10, rate=8_000), ".wav", ["pcmu"]),
    ],
)
async def test_files_that_rtp_does_not_carry_are_encoded_again(
    server: RecordingServer,
    tmp_path: Path,
    recipe: Recipe,
    suffix: str,
    codecs: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / f"old{suffix}"
    make_movie(path, recipe)
    assert await call(monkeypatch, "publish", str(path), server.url, "--quiet") == 0
    assert [track.codec for track in server.tracks] == codecs
    assert server.units(0)


async def test_a_webcam(
    server: RecordingServer, short: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import av

    asked: list[object] = []

    def stand_in(*arguments: object, **options: object) -> Capture:
        asked.append((arguments, options))
        return Capture("webcam /dev/video3", av.open(str(short)), 25.0)

    monkeypatch.setattr(module, "open_device", stand_in)
    code = await call(monkeypatch, "publish", "webcam:/dev/video3", server.url, "--fps", "15")
    output = capsys.readouterr()
    assert asked == [(("webcam", "/dev/video3"), {"fps": 15.0, "size": None})]
    # It ends where the device does, which is none that should.
    assert code == 1
    assert output.err == "reelcast: webcam /dev/video3 gives no more pictures\n"
    assert server.units(0)


async def test_a_server_that_is_away_for_a_while(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = asyncio.ensure_future(
        call(monkeypatch, "publish", "pattern", server.url, *SMALL, "--duration", "2", "--transport", "tcp")
    )
    await server.until(lambda: len(server.parsed()) > 3)
    server.hang_up()
    await server.until(lambda: server.methods.count("RECORD") == 2)
    assert await command == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("; going on when it is back")
    assert lines[2] == lines[0]


async def test_a_server_that_is_not_waited_for(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on_record = lambda server: server.hang_up()
    options = (*SMALL, "--no-reconnect", "--transport", "tcp")
    assert await call(monkeypatch, "publish", "pattern", server.url, *options) == 1
    assert capsys.readouterr().err.startswith(f"reelcast: {server.url}: the ")


async def test_a_server_that_refuses(
    server: RecordingServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["ANNOUNCE"] = reply(403)
    url = server.url.replace("//", "//user:secret@")
    assert await call(monkeypatch, "publish", "pattern", url, *SMALL) == 1
    output = capsys.readouterr()
    assert "secret" not in output.out + output.err
    assert output.err == (
        f"reelcast: {server.url}: the server answered 403 Forbidden to ANNOUNCE; "
        "ask who runs the server whether this user and this address may have it\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("nothing.mp4",), 1, "reelcast: nothing.mp4: no such file\n"),
        (("pattern", "--size", "large"), 2, "'large' is no size such as 1280x720"),
        (("pattern", "--size", "1280x9000"), 2, "'1280x9000' is no size"),
        (("pattern", "--size", "10x720"), 2, "'10x720' is no size such as 1280x720, from 16x16"),
        (("pattern", "--timeout", "0"), 2, "'0' is no number of seconds"),
        (("pattern", "--bit-rate", "0"), 2, "'0' is no bit rate such as 2M or 800k"),
        (("pattern", "--codec", "mpeg4"), 2, "'mpeg4' is not one of"),
        (("webcam:/dev/none",), 1, "reelcast: webcam /dev/none cannot be had: "),
    ],
)
async def test_what_cannot_be_published(
    arguments: tuple[str, ...],
    code: int,
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, *options = arguments
    found = await call(monkeypatch, "publish", source, "rtsp://127.0.0.1:1/x", *options)
    errors = re.sub(r"[│╭╮╰╯─\s]+", " ", capsys.readouterr().err) if code == 2 else capsys.readouterr().err
    assert found == code
    assert complaint in errors


async def test_progress(server: RecordingServer, short: Path) -> None:
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=200)
    order = module._Order(str(short), None, None, None, None, None, True, False, None)
    await module._publish(order, server.url, Options(Timeouts(), "tcp"), console)
    assert " Mbit/s over tcp  0 packets lost" in terminal.getvalue()
    assert " fps  " in terminal.getvalue()


async def test_a_file_that_is_replaced(server: RecordingServer, short: Path) -> None:
    order = module._Order(str(short), None, None, None, None, None, True, True, None)
    work = asyncio.ensure_future(
        module._publish(order, server.url, Options(Timeouts(), "tcp"), Console(quiet=True))
    )
    await server.until(lambda: len(server.parsed()) > 3)
    await asyncio.to_thread(short.write_bytes, b"something else")
    with pytest.raises(MediaError):
        await work


async def test_ctrl_c_ends_it_in_good_order(server: RecordingServer) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "reelcast", "publish", "pattern", server.url, *SMALL),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await server.until(lambda: len(server.parsed()) > 3)
    process.send_signal(signal.SIGINT)
    output, errors = await process.communicate()
    assert process.returncode == 130
    assert errors == b""
    assert output.splitlines()[-1].startswith(b"published 0:00:0")
    await server.until(lambda: server.goodbyes(0) == 1)
    assert server.methods[-1] == "TEARDOWN"
