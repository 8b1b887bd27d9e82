"""The verb `snapshot`: a picture from our own server, and streams without one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts.movies.marks import read_mark
from tests.cli.verbs import call, serving
from tests.client.scripted import SDP, ScriptedServer, audio, goodbye, reply

from reelcast.cli import snapshot as module
from reelcast.errors import DeadlineError
from reelcast.rtp.packet import Packet

VIDEO_SDP = SDP.replace(b"m=audio 0 RTP/AVP 0", b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.mark.parametrize("name", ["movie-bframes.mp4", "movie.Mjpeg"])
@pytest.mark.parametrize("file", ["a.jpg", "a.png"])
async def test_a_picture(
    movies: Path,
    tmp_path: Path,
    name: str,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / file
    async with serving(movies / name) as url:
        assert await call(monkeypatch, "snapshot", url, str(path)) == 0
    with Image.open(path) as image:
        assert read_mark(np.asarray(image.convert("RGB"))) == 0
        width, height = image.size
    codec = "jpeg" if name.endswith("Mjpeg") else "h264"
    assert capsys.readouterr() == (f"{path}: {width}x{height}, {codec}\n", "")


async def test_from_the_middle(movies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    async with serving(movies / "movie.mp4") as url:
        assert await call(monkeypatch, "snapshot", url, str(path), "--start", "10", "--quiet") == 0
    with Image.open(path) as image:
        assert read_mark(np.asarray(image.convert("RGB"))) == 250


async def complaint(
    server: ScriptedServer,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *options: str,
) -> str:
    assert await call(monkeypatch, "snapshot", server.url, str(path), "--transport", "tcp", *options) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert path.name not in os.listdir(path.parent)
    assert output.err.count("\n") == 1
    return output.err.removeprefix(f"reelcast: {server.url}: ")


async def test_no_video(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.on_play = lambda server: server.send_media(audio(0))
    found = await complaint(server, tmp_path / "a.png", monkeypatch, capsys)
    assert found == "there is no video in it, and so no picture\n"


async def test_no_whole_picture(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(Packet(96, 0, 0, 0x1234, True, b"\x41junk").to_bytes())
        server.send_media(goodbye(), channel=1)

    server.answers["DESCRIBE"] = reply(200, body=VIDEO_SDP)
    server.on_play = play
    found = await complaint(server, tmp_path / "a.png", monkeypatch, capsys)
    assert found == "it ended before there was a whole picture\n"


@pytest.mark.parametrize("error", [TimeoutError(), DeadlineError("silence", 0.3)])
async def test_deadlines(
    error: Exception,
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def first(*_: object) -> None:
        raise error

    server.answers["DESCRIBE"] = reply(200, body=VIDEO_SDP)
    server.on_play = lambda server: server.send_media(Packet(96, 0, 0, 0x1234, True, b"\x41").to_bytes())
    monkeypatch.setattr(module, "_first", first)
    await call(monkeypatch, "snapshot", server.url, str(tmp_path / "a.png"), "--transport", "tcp")
    expected = "silent for 0.3 s" if isinstance(error, DeadlineError) else "no frame within 10 s; give it"
    assert expected in capsys.readouterr().err


async def test_a_name_that_will_not_do(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await call(monkeypatch, "snapshot", server.url, str(tmp_path / "a.gif")) == 1
    assert capsys.readouterr().err.endswith("a.gif: a picture is saved as .jpg or .png, not as .gif\n")
    assert server.connections == 0
