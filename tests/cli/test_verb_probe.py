"""The verb `probe`: what it finds out, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.verbs import call, serving
from tests.client.scripted import SDP, ScriptedServer, audio, goodbye, reply

from reelcast.client.stream import Stream
from reelcast.errors import DeadlineError
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtp.packet import Packet
from reelcast.track import AccessUnit


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


def play(server: ScriptedServer) -> None:
    server.send_media(*map(audio, range(20)))
    server.send_media(goodbye(), channel=1)


async def test_a_movie(
    movies: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(movies / "movie-bframes.mp4") as url:
        assert await call(monkeypatch, "probe", url, "--seconds", "0.9", "--transport", "tcp") == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = [line.rstrip() for line in output.out.splitlines()]
    assert lines[0] == url
    assert re.fullmatch(r"server +reelcast/\S+", lines[1])
    assert re.fullmatch(r"length +0:00:20\.0", lines[2])
    assert re.fullmatch(r"opened +after \d+ ms", lines[3])
    assert re.fullmatch(r"media +over tcp \d+ ms after PLAY", lines[4])
    assert re.fullmatch(r"video h264, 640x360, yuv420p, 25 fps, [\d.]+ Mbit/s, 0 packets lost", lines[5])
    assert re.fullmatch(r"audio aac, 48000 Hz, 2 channels, 0\.\d+ Mbit/s, 0 packets lost", lines[6])
    assert len(lines) == 7


async def test_for_programs(
    movies: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(movies / "movie.mp4", live=True) as url:
        user = url.replace("//", "//user:secret@")
        assert await call(monkeypatch, "probe", user, "--seconds", "1", "--json", "--verbose") == 0
    text = capsys.readouterr().out
    assert "secret" not in text
    found: dict[str, Any] = json.loads(text)
    assert (found["url"], found["live"], found["duration"], found["transport"]) == (url, True, None, "udp")
    assert found["server"].startswith("reelcast/")
    assert 0 < found["opened_after"] < 60
    assert 0 < found["first_packet_after"] < 60
    video, sound = found["tracks"]
    assert (video["kind"], video["codec"], video["clock_rate"], video["width"]) == (
        "video",
        "h264",
        90_000,
        640,
    )
    measured = video["measured"]
    assert (measured["width"], measured["height"], measured["pixel_format"]) == (640, 360, "yuv420p")
    assert measured["units_per_second"] == pytest.approx(25, abs=0.1)
    assert (measured["lost"], measured["packets"] > 10) == (0, True)
    assert (sound["codec"], sound["channels"], sound["measured"]["sample_rate"]) == ("aac", 2, 48_000)
    said = [each["text"].split()[0] for each in found["dialogue"] if each["sent"]]
    assert said[-2:] == ["PLAY", "TEARDOWN"] or said[-1] == "PLAY"


async def test_the_server_alone_is_asked(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = SDP.replace(b"a=range:npt=0-8\r\n", b"")
    server.answers["DESCRIBE"] = reply(200, body=live)
    options = ("--seconds", "0", "--transport", "tcp")
    assert await call(monkeypatch, "probe", server.url, *options, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert "dialogue" not in found
    assert found["first_packet_after"] is None
    assert found["tracks"][0]["measured"] == {"units": 0, "bytes": 0}
    assert await call(monkeypatch, "probe", server.url, *options) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:3] == ["server  does not say", "length  live"]
    assert lines[-1] == "audio pcmu, 8000 Hz, 1 channel"
    assert "PLAY" not in server.methods


async def test_the_dialogue(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on_play = play
    server.answers["OPTIONS"] = reply(200, ("Public", "DESCRIBE, PLAY"), ("Server", "[bold]odd[/] one/1.0"))
    assert await call(monkeypatch, "probe", server.url, "-v", "--transport", "tcp") == 0
    text = capsys.readouterr().out
    assert f"> OPTIONS {server.url} RTSP/1.0\n> CSeq: 1\n" in text
    assert "< RTSP/1.0 200 OK\n" in text
    assert "\nserver  [bold]odd[/] one/1.0" in text
    assert "audio pcmu, 8000 Hz, 1 channel, 0.06 Mbit/s, 0 packets lost\n" in text


async def test_what_is_known_is_shown_where_no_media_comes(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers["PLAY"] = reply(454)
    assert await call(monkeypatch, "probe", server.url, "--transport", "tcp") == 1
    output = capsys.readouterr()
    assert "audio pcmu, 8000 Hz, 1 channel\n" in output.out
    assert output.err.startswith(f"reelcast: {server.url}")
    assert "454" in output.err


async def test_silence_on_the_way_is_an_error(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def silent(stream: Stream) -> AsyncIterator[ReceivedUnit]:
        for number in range(2):
            unit = AccessUnit(bytes(160), 0, 0, duration=160)
            yield ReceivedUnit(stream.tracks[0], unit, number * 0.02, None, "estimated", 0.0)
        raise DeadlineError("silence", 5.0, url=server.url)

    server.on_play = play
    monkeypatch.setattr(Stream, "units", silent)
    assert await call(monkeypatch, "probe", server.url, "--transport", "tcp", "--seconds", "30") == 1
    output = capsys.readouterr()
    assert "audio pcmu, 8000 Hz, 1 channel, 0.06 Mbit/s" in output.out
    assert output.err == f"reelcast: {server.url}: silent for 5 s\n"


async def test_a_codec_that_cannot_be_decoded(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def send(server: ScriptedServer) -> None:
        packet = Packet(33, 0, 0, 0x1234, True, b"\x47" + bytes(187))
        server.send_media(packet.to_bytes())
        server.send_media(goodbye(), channel=1)

    server.answers["DESCRIBE"] = reply(200, body=SDP.replace(b"m=audio 0 RTP/AVP 0", b"m=video 0 RTP/AVP 33"))
    server.on_play = send
    assert await call(monkeypatch, "probe", server.url, "--transport", "tcp") == 0
    assert "video mp2t, size not said, 0 packets lost\n" in capsys.readouterr().out


async def test_keyframes(
    movies: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(movies / "movie.Mjpeg") as url:
        assert await call(monkeypatch, "probe", url, "--seconds", "0.3") == 0
    assert ", 25 fps, " in (output := capsys.readouterr().out)
    assert ", a keyframe every 0.04 s, 0 packets lost\n" in output
