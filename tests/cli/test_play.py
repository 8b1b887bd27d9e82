"""The verb `play` without a window: what it prints, and how it ends; against a scripted server."""

from __future__ import annotations

import asyncio
import io
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from rich.console import Console
from tests.client.scripted import SDP, ScriptedServer, audio, goodbye, reply

from reelcast import player
from reelcast.cli import play as module
from reelcast.cli import progress
from reelcast.cli.main import main
from reelcast.cli.play import play as verb
from reelcast.cli.verb import Way
from reelcast.client.stream import TrackStatistics
from reelcast.errors import DeadlineError
from reelcast.player.source import Source
from reelcast.rtp.receiver import Statistics
from reelcast.track import Track


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


def play(server: ScriptedServer) -> None:
    server.send_media(audio(0), audio(1), audio(3))
    server.send_media(goodbye(), channel=1)


async def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The command in a thread of its own, for it runs an event loop; its exit code."""

    def command() -> int:
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    monkeypatch.setattr("sys.argv", ["reelcast", "play", "--headless", *arguments])
    return await asyncio.to_thread(command)


async def test_a_stream_to_its_end(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on_play = play
    assert await run(monkeypatch, server.url, "--transport", "tcp", "--start", "0") == 0
    output = capsys.readouterr()
    assert output.out.startswith("audio pcmu: 3 units, 3 packets over tcp, ")
    assert " 1 lost, jitter " in output.out
    assert output.out.count("\n") == 1
    assert output.err == ""
    assert server.methods[-1] == "TEARDOWN"


async def test_quiet(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on_play = play
    assert await run(monkeypatch, server.url, "--transport", "tcp", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


async def test_duration(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.on_play = lambda server: server.send_media(audio(0))
    assert await run(monkeypatch, server.url, "--transport", "tcp", "--duration", "0.05") == 0
    assert server.methods[-1] == "TEARDOWN"


async def test_a_duration_hides_no_silence(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fall_silent(*_: object) -> None:
        raise DeadlineError("silence", 5.0, url=server.url, advice="look at the camera")

    server.on_play = lambda server: server.send_media(audio(0))
    monkeypatch.setattr(module, "_receive", fall_silent)
    assert await run(monkeypatch, server.url, "--transport", "tcp", "--duration", "30") == 1
    assert capsys.readouterr().err == f"reelcast: {server.url}: silent for 5 s; look at the camera\n"


async def test_an_error_is_one_line(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["DESCRIBE"] = reply(404)
    assert await run(monkeypatch, server.url) == 1
    expected = (
        f"reelcast: {server.url}: the server answered 404 Not Found to DESCRIBE; check the path of the URL; "
        "a live one is there while somebody publishes to it\n"
    )
    assert capsys.readouterr() == ("", expected)


async def test_a_lost_connection(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begin(server: ScriptedServer) -> None:
        server.send_media(audio(0))
        server.hang_up()

    server.on_play = begin
    assert await run(monkeypatch, server.url, "--transport", "tcp") == 1
    output = capsys.readouterr()
    assert output.err == f"reelcast: {server.url}: the server closed the connection\n"
    assert output.out.startswith("audio pcmu: 1 units")


def test_sigterm_closes_a_window_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def run_window(*_: object, **__: object) -> int:
        before = signal.signal(signal.SIGINT, lambda *_: told.append("closed"))
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.signal(signal.SIGINT, before)
        return 0

    monkeypatch.setattr(player, "check_installed", lambda: None)
    monkeypatch.setattr(player, "available", lambda: None)
    monkeypatch.setattr(player, "run", run_window)
    before = signal.signal(signal.SIGTERM, lambda *_: told.append("terminated"))
    try:
        with pytest.raises(SystemExit):
            module.show(Source("rtsp://host/movie"))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == ["closed", "terminated"]


def test_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_play", interrupted)
    with pytest.raises(SystemExit) as caught:
        verb("rtsp://host/", headless=True)
    assert caught.value.code == 130


LIVE_SDP = SDP.replace(b"a=range:npt=0-8\r\n", b"a=range:npt=now-\r\n")


@pytest.mark.parametrize(
    ("sdp", "place"), [(SDP, "0:00:00.1 / 0:00:08.0"), (LIVE_SDP, "0:00:00.1 live")], ids=["movie", "live"]
)
async def test_progress(server: ScriptedServer, sdp: bytes, place: str) -> None:
    server.answers["DESCRIBE"] = reply(200, body=sdp)
    server.on_play = play
    terminal = io.StringIO()
    console = Console(file=terminal, force_terminal=True, width=100)
    await module._play(Source(server.url, "tcp", timeout=5.0), console)
    output = terminal.getvalue()
    assert place in output
    assert "  0.0 fps " in output
    assert " Mbit/s  1 lost" in output


def test_summary_of_video_that_was_too_much() -> None:
    track = Track("video", "h264", 90_000, 96, width=640, height=360)
    statistics = TrackStatistics(
        track=track,
        units=50,
        corrupt=0,
        dropped=2,
        packets=Statistics(received=500, bytes=250_000, lost=3, jitter=0.0123),
        latency=None,
        clock="estimated",
    )
    assert progress.summary(statistics, 2.0, "udp") == (
        "video h264 640x360: 50 units, 500 packets over udp, 1.00 Mbit/s, 3 lost, jitter 12.3 ms, 2 dropped here"
    )


@pytest.mark.parametrize(
    ("option", "value", "source"),
    [
        ("--start", "12.5", Source("rtsp://host/", at=12.5)),
        ("--from", "2026-11-22T14:00:00Z", Source("rtsp://host/", at=datetime(2026, 11, 22, 14, tzinfo=UTC))),
        ("--duration", "3", Source("rtsp://host/", duration=3.0)),
    ],
)
def test_a_window_begins_and_ends_where_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, option: str, value: str, source: Source
) -> None:
    shown: list[Source | None] = []
    monkeypatch.setattr(module, "show", lambda source, *, play_at_once: shown.append(source))
    monkeypatch.setattr("sys.argv", ["reelcast", "play", "rtsp://host/", option, value])
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    assert shown == [source]


async def test_without_a_window_there_must_be_a_url(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(monkeypatch) == 1
    assert capsys.readouterr().err == "reelcast: there is nothing to play: give a URL\n"


def test_a_window_plays_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[Source | None, bool]] = []

    def run(source: Source | None, *, play: bool) -> int:
        opened.append((source, play))
        return 0

    monkeypatch.setattr(player, "available", lambda: None)
    monkeypatch.setattr(player, "run", run)
    for url in ("rtsp://host/", None):
        with pytest.raises(SystemExit) as left:
            verb(url, transport=Way.TCP)
        assert left.value.code == 0
    assert opened == [(Source("rtsp://host/", "tcp"), True), (None, True)]
