"""What each method answers, and what then arrives: a real server on loopback, and a client of bare bytes."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from tests.server.raw import Answer, Client, Ports

from reelcast.server.app import Server
from reelcast.server.limits import Limits
from reelcast.server.mounts import Found, Mounts
from reelcast.server.session import Sessions

METHODS = "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
TCP = "Transport: RTP/AVP/TCP;unicast"
UDP = "Transport: RTP/AVP;unicast;client_port=50000-50001"


async def play_short(client: Client, *headers: str) -> tuple[str, Answer, Answer, Answer]:
    """Set both tracks of short.mp4 up over TCP and play it; the Session header, and the three answers."""
    video = await client.setup("/short.mp4/trackID=1")
    session = f"Session: {video.session}"
    audio = await client.setup("/short.mp4/trackID=2", None, session)
    return session, video, audio, await client.ask("PLAY", "/short.mp4/", session, *headers)


# Every status


@pytest.mark.parametrize(
    ("status", "method", "uri", "headers", "body"),
    [
        (200, "OPTIONS", "*", [], b""),
        (200, "OPTIONS", "/nothing/here", [], b""),
        (200, "OPTIONS", "rtsp://127.0.0.1:8554", [], b""),
        (200, "OPTIONS", "*", ["User-Agent: a", "User-Agent: b", "ClientChallenge: 9e26d3"], b""),
        (200, "OPTIONS", "*", ["Require: play.basic"], b""),
        (200, "GET_PARAMETER", "*", [], b""),
        (200, "SET_PARAMETER", "/short.mp4", [], b""),
        (200, "DESCRIBE", "/short.mp4", [], b""),
        (200, "DESCRIBE", "/short.mp4/", ["Accept: application/rtsl, application/sdp;level=-2"], b""),
        (200, "DESCRIBE", "/short.mp4", ["Accept: */*"], b""),
        (200, "DESCRIBE", "/short.mp4/trackID=1", [], b""),
        (200, "DESCRIBE", "/sub/a%20movie%20%231.mp4", [], b""),
        (200, "DESCRIBE", "rtsp://name-of-a-host/short.mp4", [], b""),
        (200, "DESCRIBE", "rtsp://user:secret@127.0.0.1/short.mp4", [], b""),
        (400, "DESCRIBE", "http://127.0.0.1/short.mp4", [], b""),
        (400, "DESCRIBE", "/short%2.mp4", [], b""),
        (400, "DESCRIBE", "/short.mp4%00", [], b""),
        (404, "DESCRIBE", "/", [], b""),
        (404, "DESCRIBE", "*", [], b""),
        (404, "DESCRIBE", "/none.mp4", [], b""),
        (404, "DESCRIBE", "/sub", [], b""),
        (404, "DESCRIBE", "/short.mp4/trackID=3", [], b""),
        (404, "DESCRIBE", "/short.mp4/trackID=1/trackID=1", [], b""),
        (404, "SETUP", "/none.mp4/trackID=1", [TCP], b""),
        (404, "SETUP", "/short.mp4/trackID=0", [TCP], b""),
        (405, "ANNOUNCE", "/short.mp4", ["Content-Type: application/sdp"], b"v=0\r\nm=audio 0 RTP/AVP 0\r\n"),
        (405, "REDIRECT", "/short.mp4", [], b""),
        (406, "DESCRIBE", "/short.mp4", ["Accept: text/html"], b""),
        (415, "DESCRIBE", "/broken.mp4", [], b""),
        (415, "SETUP", "/broken.mp4/trackID=1", [TCP], b""),
        (415, "GET_PARAMETER", "*", ["Content-Type: application/json"], b"{}"),
        (451, "GET_PARAMETER", "*", ["Content-Type: text/parameters"], b"packets_received\r\n"),
        (451, "SET_PARAMETER", "*", [], b"barparam: barstuff\r\n"),
        (454, "OPTIONS", "*", ["Session: 1234567890"], b""),
        (454, "SETUP", "/short.mp4/trackID=1", [TCP, "Session: 1234567890"], b""),
        (454, "PLAY", "/short.mp4", [], b""),
        (454, "PLAY", "/short.mp4", ["Session: 1234567890"], b""),
        (454, "PLAY", "/short.mp4", ["Session: "], b""),
        (454, "PLAY", "/short.mp4", ["Session: two words"], b""),
        (454, "PLAY", "/short.mp4", [f"Session: {'x' * 500}"], b""),
        (454, "PAUSE", "/short.mp4", ["Session: 1234567890"], b""),
        (454, "TEARDOWN", "/short.mp4", [], b""),
        (454, "RECORD", "/short.mp4", [], b""),
        (454, "RECORD", "/short.mp4", ["Session: 1234567890"], b""),
        (454, "GET_PARAMETER", "/short.mp4", ["Session: 1234567890"], b""),
        (459, "SETUP", "/short.mp4", [TCP], b""),
        (501, "DANCE", "/short.mp4", [], b""),
        (501, "options", "*", [], b""),
        (551, "OPTIONS", "*", ["Require: www.onvif.org/ver20/backchannel"], b""),
        (551, "DESCRIBE", "/short.mp4", ["Proxy-Require: sausages"], b""),
        (551, "SETUP", "/short.mp4/trackID=1", [TCP, "Require: play.basic, rice"], b""),
    ],
)
async def test_status(
    server: Server, sessions: Sessions, status: int, method: str, uri: str, headers: list[str], body: bytes
) -> None:
    """Conformance D1, D2, D22, K7, M6, M7, M9, M10, P1, T12, T13, T15."""
    async with await Client.connect(server.port) as client:
        answer = await client.ask(method, uri, *headers, body=body)
        assert answer.status == status
        if status != 200:
            assert "session" not in answer.headers
        # Whatever it was, the connection stays, and nothing of a session has come to be.
        assert (await client.ask("OPTIONS", "*")).status == 200
        assert not list(sessions)


@pytest.mark.parametrize(
    ("request_lines", "line", "cseq"),
    [
        (["OPTIONS * RTSP/1.0"], "RTSP/1.0 400 Bad Request", None),
        (["OPTIONS * RTSP/1.0", "CSeq: one"], "RTSP/1.0 400 Bad Request", None),
        (["OPTIONS * RTSP/2.0", "CSeq: 7"], "RTSP/1.0 505 RTSP Version not supported", "7"),
        (["OPTIONS * RTSP/9.9", "CSeq: 7"], "RTSP/1.0 505 RTSP Version not supported", "7"),
        (["OPTIONS *", "CSeq: 7"], "RTSP/1.0 400 Bad Request", "7"),
        (["OPTIONS * RTSP/1.0", "cseq :   007  "], "RTSP/1.0 200 OK", "007"),
        (["OPTIONS * RTSP/1.0", "CSeq: 7", "Timestamp: 3.5"], "RTSP/1.0 200 OK", "7"),
        (["OPTIONS * RTSP/1.0", "CSeq: 7", "Require: a,", "  b"], "RTSP/1.0 551 Option not supported", "7"),
    ],
)
async def test_bare_requests(server: Server, request_lines: list[str], line: str, cseq: str | None) -> None:
    """Conformance M1, M3, M4, M8, M9, M13."""
    async with await Client.connect(server.port) as client:
        client.send("\r\n".join([*request_lines, "", ""]).encode())
        answer = await client.answer()
        assert (answer.line, answer.headers.get("cseq")) == (line, cseq)
        if "Timestamp: 3.5" in request_lines:
            assert answer["Timestamp"].startswith("3.5")
        if answer.status == 551:
            assert answer["Unsupported"] == "a, b"
        assert (await client.ask("OPTIONS", "*")).status == 200


async def test_refusals_say_what_there_is(server: Server) -> None:
    """Conformance D1, K7, M7, M9."""
    async with await Client.connect(server.port) as client:
        assert (await client.ask("OPTIONS", "*"))["Public"] == METHODS
        assert (await client.ask("DANCE", "*"))["Public"] == METHODS
        assert (await client.ask("REDIRECT", "/x"))["Allow"] == (
            "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
        )
        rice = await client.ask("DESCRIBE", "/short.mp4", "Require: play.basic, rice", "Require: beans")
        assert rice["Unsupported"] == "rice, beans"
        unknown = await client.ask("GET_PARAMETER", "*", body=b"rice\r\nbeans: 1\r\n")
        assert (unknown["Content-Type"], unknown.body) == ("text/parameters", b"rice\r\nbeans\r\n")


# DESCRIBE


async def test_a_description(server: Server) -> None:
    """Conformance D4, D7, D9, D10, M14."""
    async with await Client.connect(server.port) as client:
        answer = await client.ask("DESCRIBE", "/short.mp4", "Accept: application/sdp")
        assert answer["Content-Type"] == "application/sdp"
        assert answer["Content-Base"] == client.url("/short.mp4/")
        lines = answer.body.decode().split("\r\n")
        assert lines.pop() == ""
        assert [line for line in lines if line.startswith("a=control")] == [
            "a=control:*",
            "a=control:trackID=1",
            "a=control:trackID=2",
        ]
        assert "a=range:npt=0-3" in lines
        assert [line[:7] for line in lines if line.startswith("m=")] == ["m=video", "m=audio"]
        again = await client.ask("DESCRIBE", "/short.mp4/")
        assert again.body == answer.body


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        ("/short.mp4/trackID=2", "rtsp://127.0.0.1:{port}/short.mp4/"),
        ("rtsp://name:8554/short.mp4", "rtsp://name:8554/short.mp4/"),
        ("rtsp://name/short.mp4", "rtsp://name/short.mp4/"),
        ("rtsp://user:secret@name/short.mp4", "rtsp://name/short.mp4/"),
        ("/sub//a%20movie%20%231.mp4", "rtsp://127.0.0.1:{port}/sub/a%20movie%20%231.mp4/"),
    ],
)
async def test_the_base_is_the_presentation_as_the_client_names_its_server(
    server: Server, uri: str, base: str
) -> None:
    """Conformance A10, D4."""
    async with await Client.connect(server.port) as client:
        answer = await client.ask("DESCRIBE", uri)
        assert answer["Content-Base"] == base.format(port=server.port)


async def test_a_path_alone_is_a_request_too(server: Server) -> None:
    """Conformance M10."""
    async with await Client.connect(server.port) as client:
        client.send(b"DESCRIBE /short.mp4 RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        assert (await client.answer())["Content-Base"] == client.url("/short.mp4/")


async def test_behind_a_query_controls_are_absolute(server: Server) -> None:
    """Conformance D6."""
    async with await Client.connect(server.port) as client:
        answer = await client.ask("DESCRIBE", "/short.mp4?channel=1&subtype=0")
        controls = re.findall(r"a=control:(\S+)", answer.body.decode())
        base = client.url("/short.mp4/")
        assert answer["Content-Base"] == base
        assert controls == [base, f"{base}trackID=1", f"{base}trackID=2"]
        assert (await client.ask("SETUP", controls[1], TCP)).status == 200
        # ffmpeg and others that append to the query find the track neither.
        assert (await client.ask("SETUP", "/short.mp4/trackID=1?channel=1", TCP)).status == 200


# SETUP


@pytest.mark.parametrize(
    "transport",
    [
        "",
        "RTP/AVP",
        "RTP/AVP;unicast",
        "RTP/AVP;multicast;client_port=50000-50001",
        "RTP/AVP;multicast",
        "RTP/SAVP;unicast;client_port=50000-50001",
        "RTP/AVPF;unicast;client_port=50000-50001",
        "RAW/RAW/UDP;unicast;client_port=50000-50001",
        "RTP/AVP;unicast;client_port=0-0",
        "RTP/AVP;unicast;client_port=0-1",
        "RTP/AVP;unicast;client_port=22-23",
        "RTP/AVP;unicast;client_port=1023-1024",
        "RTP/AVP;unicast;client_port=9001-9000",
        "RTP/AVP;unicast;client_port=65535",
        "RTP/AVP;unicast;client_port=65535-65536",
        "RTP/AVP;unicast;client_port=99999999999-5",
        "RTP/AVP;unicast;client_port=-5",
        "RTP/AVP;unicast;client_port=a-b",
        "RTP/AVP/TCP;unicast;interleaved=255-256",
        "RTP/AVP/TCP;unicast;interleaved=0-0",
        "RTP/AVP/TCP;unicast;interleaved=3-2",
        "RTP/AVP/TCP;unicast;interleaved=x",
        "RTP/AVP;unicast;client_port=50000-50001;ttl=999",
        ";;;,,,===",
        ",".join(["RTP/AVP;unicast"] * 1000),
    ],
)
async def test_transports_that_are_refused(server: Server, sessions: Sessions, transport: str) -> None:
    """Conformance H12, H34, T2, T10, T15."""
    async with await Client.connect(server.port) as client:
        answer = await client.ask("SETUP", "/short.mp4/trackID=1", f"Transport: {transport}")
        assert answer.status == 461
        assert "session" not in answer.headers
        assert not list(sessions)
        assert (await client.ask("SETUP", "/short.mp4/trackID=1", TCP)).status == 200


async def test_a_setup_without_transport(server: Server) -> None:
    """Conformance T2."""
    async with await Client.connect(server.port) as client:
        assert (await client.ask("SETUP", "/short.mp4/trackID=1")).status == 461


@pytest.mark.parametrize(
    ("transport", "agreed"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", "RTP/AVP/TCP;unicast;interleaved=0-1"),
        ("RTP/AVP/TCP;interleaved=4-5", "RTP/AVP/TCP;unicast;interleaved=4-5"),
        ("RTP/AVP/TCP;unicast;interleaved=7-8", "RTP/AVP/TCP;unicast;interleaved=7-8"),
        ("RTP/AVP/TCP;unicast", "RTP/AVP/TCP;unicast;interleaved=0-1"),
        ("rtp/avp/tcp;UNICAST;INTERLEAVED=2-3", "RTP/AVP/TCP;unicast;interleaved=2-3"),
        (
            'RTP/AVP/TCP;unicast;junk;what="a,b;c";interleaved=2;mode=play',
            "RTP/AVP/TCP;unicast;interleaved=2-3",
        ),
        (
            "RTP/SAVP;unicast;client_port=50000-50001, RTP/AVP/TCP;unicast;interleaved=2-3",
            "RTP/AVP/TCP;unicast;interleaved=2-3",
        ),
        (
            "RTP/AVP;multicast,RTP/AVP;unicast;client_port=50000-50001,RTP/AVP/TCP;unicast;interleaved=0-1",
            "RTP/AVP;unicast;client_port=50000-50001",
        ),
        ("RTP/AVP/UDP;unicast;client_port=50000-50001", "RTP/AVP;unicast;client_port=50000-50001"),
        ("RTP/AVP;client_port=5001-5002", "RTP/AVP;unicast;client_port=5001-5002"),
        ("RTP/AVP;unicast;client_port=50000", "RTP/AVP;unicast;client_port=50000-50001"),
        (
            "RTP/AVP;unicast;destination=10.1.2.3;client_port=50000-50001",
            "RTP/AVP;unicast;client_port=50000-50001",
        ),
    ],
)
async def test_transports_that_are_agreed(server: Server, transport: str, agreed: str) -> None:
    """Conformance H12, T1, T3, T4, T6, T7, T9, T11."""
    async with await Client.connect(server.port) as client:
        answer = await client.ask("SETUP", "/short.mp4/trackID=1", f"Transport: {transport}")
        assert answer.status == 200
        assert answer["Transport"].startswith(agreed + ";")
        assert re.search(r';ssrc=[0-9A-F]{8};mode="PLAY"$', answer["Transport"])
        assert re.fullmatch(r"[0-9a-f]{16};timeout=60", answer["Session"])


async def test_several_transport_headers_are_one_list(server: Server) -> None:
    """Conformance T1."""
    async with await Client.connect(server.port) as client:
        answer = await client.ask("SETUP", "/short.mp4/trackID=1", "Transport: RTP/SAVP;unicast", TCP)
        assert answer["Transport"].startswith("RTP/AVP/TCP;")


async def test_a_track_alone_may_be_set_up_as_the_whole(server: Server) -> None:
    """Conformance T16."""
    async with await Client.connect(server.port) as client:
        answer = await client.setup("/video.mp4/")
        session = f"Session: {answer.session}"
        played = await client.ask("PLAY", "/video.mp4", session)
        assert [url for url, _, _ in played.rtp_info] == [client.url("/video.mp4/")]
        assert await client.packets(0, 5)


async def test_channels_in_use_are_replaced_by_free_ones(server: Server) -> None:
    """Conformance H13, T6, T14."""
    async with await Client.connect(server.port) as client:
        first = await client.setup("/short.mp4/trackID=1", 0)
        session = f"Session: {first.session}"
        second = await client.setup("/short.mp4/trackID=2", 0, session)
        other = await client.setup("/brief.mp4/trackID=1", 1)
        assert [answer.pair("interleaved") for answer in (first, second, other)] == [(0, 1), (2, 3), (4, 5)]
        # What a track has itself is free for it, and what it leaves is free for others.
        again = await client.setup("/short.mp4/trackID=2", 2, session)
        moved = await client.setup("/short.mp4/trackID=1", 8, session)
        other = await client.setup("/brief.mp4/trackID=2", 0, f"Session: {other.session}")
        assert [answer.pair("interleaved") for answer in (again, moved, other)] == [(2, 3), (8, 9), (0, 1)]


async def test_there_are_128_pairs_of_channels(server: Server) -> None:
    """Conformance T6."""
    async with await Client.connect(server.port) as client:
        answers = [await client.setup("/video.mp4/trackID=1") for _ in range(129)]
        assert [answer.status for answer in answers] == [200] * 128 + [461]
        assert answers[127].pair("interleaved") == (254, 255)


async def test_the_same_track_again_and_again(server: Server, sessions: Sessions) -> None:
    """Conformance H29, T14."""
    async with await Client.connect(server.port) as client:
        first = await client.setup("/short.mp4/trackID=1")
        session = f"Session: {first.session}"
        ssrcs = {first.transport("ssrc")}
        for _ in range(200):
            client.say("SETUP", "/short.mp4/trackID=1", TCP, session)
        for _ in range(200):
            answer = await client.answer()
            assert (answer.status, answer.pair("interleaved")) == (200, (0, 1))
            ssrcs.add(answer.transport("ssrc"))
        assert len(list(sessions)) == 1
        await client.ask("PLAY", "/short.mp4/", session)
        packets = await client.packets(0, 5)
        assert {packet.ssrc for packet in packets} == {int(answer.transport("ssrc"), 16)}


async def test_all_tracks_of_a_session_go_the_same_way(
    server: Server, ports: Ports, more_ports: Ports
) -> None:
    """Conformance T12, T15."""
    async with await Client.connect(server.port) as client, await Client.connect(server.port) as other:
        tcp = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"
        assert (await client.ask("SETUP", "/short.mp4/trackID=2", ports.transport, tcp)).status == 461
        assert (await other.setup("/short.mp4/trackID=2", None, tcp)).status == 461
        udp = await client.ask("SETUP", "/short.mp4/trackID=1", ports.transport)
        session = f"Session: {udp.session}"
        assert (await client.setup("/short.mp4/trackID=2", None, session)).status == 461
        assert (await other.ask("SETUP", "/short.mp4/trackID=2", more_ports.transport, session)).status == 200
        assert (await other.ask("SETUP", "/video.mp4", TCP, session)).status == 459
        assert (await client.ask("PLAY", "/short.mp4", session)).status == 200
        await asyncio.gather(ports.packets(5), more_ports.packets(5))


async def test_a_session_that_ends_while_a_track_is_looked_for(
    server: Server, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H18, H20: nothing of it is left."""
    find = Mounts.find
    async with await Client.connect(server.port) as client, await Client.connect(server.port) as other:
        session = f"Session: {(await client.setup('/short.mp4/trackID=1')).session}"

        async def find_slowly(mounts: Mounts, segments: list[str]) -> Found | None:
            found = await find(mounts, segments)
            assert (await other.ask("TEARDOWN", "/short.mp4", session)).status == 200
            return found

        monkeypatch.setattr(Mounts, "find", find_slowly)
        assert (await client.setup("/short.mp4/trackID=2", None, session)).status == 454
        assert not list(sessions)
        assert all(not connection.channels for connection in server._connections)


async def test_a_file_that_is_replaced_between_its_tracks(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    """Conformance H35: the session is for the one that it began with."""
    shutil.copy(folder / "short.mp4", tmp_path / "a.mp4")
    shutil.copy(folder / "video.mp4", tmp_path / "b.mp4")
    server.mount("/folder", tmp_path)
    async with await Client.connect(server.port) as client:
        session = f"Session: {(await client.setup('/folder/a.mp4/trackID=1')).session}"
        (tmp_path / "b.mp4").replace(tmp_path / "a.mp4")
        assert (await client.setup("/folder/a.mp4/trackID=3", None, session)).status == 404
        assert (await client.setup("/folder/a.mp4/trackID=2", None, session)).status == 200
        playing = await client.ask("PLAY", "/folder/a.mp4", session)
        assert (playing.status, len(playing.rtp_info)) == (200, 2)
        await client.packets(2, 5)


async def test_a_track_alone_may_change_its_transport(server: Server, ports: Ports) -> None:
    """Conformance T14."""
    async with await Client.connect(server.port) as client, await Client.connect(server.port) as other:
        first = await client.ask("SETUP", "/short.mp4/trackID=1", ports.transport)
        session = f"Session: {first.session}"
        assert (await other.setup("/short.mp4/trackID=1", None, session)).status == 461
        assert (await client.setup("/short.mp4/trackID=1", None, session)).status == 200
        await client.ask("PLAY", "/short.mp4", session)
        await client.packets(0, 5)
        await client.ask("PAUSE", "/short.mp4", session)
        assert ports.waiting() == []
        assert (await client.ask("SETUP", "/short.mp4/trackID=1", ports.transport, session)).status == 200
        count = len(client.frames[0])
        await client.ask("PLAY", "/short.mp4", session)
        await ports.packets(5)
        assert len(client.frames[0]) == count


async def test_too_many_sessions(server: Server, sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance H14, T23."""
    monkeypatch.setattr(sessions, "limits", Limits(sessions=2))
    async with await Client.connect(server.port) as client:
        for status in (200, 200, 453):
            answer = await client.setup("/short.mp4/trackID=1")
            assert answer.status == status
        assert len(list(sessions)) == 2
