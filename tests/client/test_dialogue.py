"""The client's half of a conversation: pairing, deadlines, the server's requests, logins."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tests.client.scripted import CREDENTIALS, LOGIN, SDP, ScriptedServer, guard, reply, with_login

from reelcast.client import dialogue as module
from reelcast.client.dialogue import Dialogue
from reelcast.client.redirection import describe
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance
from reelcast.errors import (
    AuthenticationError,
    DeadlineError,
    ProtocolError,
    ReelcastError,
    RemoteError,
    TransportError,
)
from reelcast.rtsp.authentication import Challenge, digest_response
from reelcast.rtsp.message import Frame, Request, Response


async def test_a_request_and_its_response(server: ScriptedServer, dialogue: Dialogue) -> None:
    server.answers["X"] = reply(299, ("A", "b"), body=b"c")
    response = await dialogue.ask("X", "*", [("D", "e")], b"f")
    assert (response.status, response.headers.get("A"), response.body) == (299, "b", b"c")
    (request,) = server.requests
    assert (request.method, request.uri, request.headers.get("D"), request.body) == ("X", "*", "e", b"f")
    assert request.headers.get("User-Agent") == "reelcast"
    assert dialogue.hosts == ("127.0.0.1", "127.0.0.1")


async def test_responses_are_paired_by_cseq(server: ScriptedServer, dialogue: Dialogue) -> None:
    """Conformance M1."""
    held: list[bytes] = []

    def hold(request: Request) -> bytes | None:
        held.insert(0, Response.to(request, 200, [("Method", request.method)]).to_bytes())
        return b"".join(held) if len(held) == 2 else None

    server.answers |= {"A": hold, "B": hold}
    responses = await asyncio.gather(dialogue.ask("A", "*"), dialogue.ask("B", "*"))
    assert [response.headers.get("Method") for response in responses] == ["A", "B"]


async def test_strange_responses_are_passed_over(server: ScriptedServer, dialogue: Dialogue) -> None:
    def answer(request: Request) -> bytes:
        strange = [
            b"RTSP/1.0 404 Other\r\nCSeq: 99\r\n\r\n",
            Response.to(request, 100).to_bytes(),
            b"junk\r\n\r\n",
        ]
        return b"".join(strange) + Response.to(request, 200).to_bytes() * 2

    server.answers["X"] = answer
    assert (await dialogue.ask("X", "*")).status == 200
    assert (await dialogue.ask("X", "*")).status == 200


async def test_a_response_without_cseq_has_one_request(server: ScriptedServer, dialogue: Dialogue) -> None:
    """Conformance M1."""
    server.answers["X"] = lambda _: b"RTSP/1.0 404 Not Found\r\n\r\n"
    assert (await dialogue.ask("X", "*")).status == 404


async def test_silence_is_an_error(server: ScriptedServer, dialogue: Dialogue) -> None:
    server.answers["X"] = lambda _: None
    dialogue.timeouts = Timeouts.of(0.02)
    with pytest.raises(DeadlineError, match=r"^rtsp://h/p: no answer to X within 0.02 s$") as caught:
        await dialogue.ask("X", "rtsp://h/p")
    assert (caught.value.step, caught.value.peer) == ("X", f"127.0.0.1:{server.port}")
    dialogue.timeouts = Timeouts.of(5.0)
    assert (await dialogue.ask("OPTIONS", "*")).status == 200


async def test_frames_are_handed_on_while_a_response_is_awaited(
    server: ScriptedServer, dialogue: Dialogue
) -> None:
    """Conformance M11."""
    received: list[bytes] = []
    dialogue.channels[3] = received.extend

    def answer(request: Request) -> bytes:
        frames = [Frame(3, b"one"), Frame(4, b"nobody's"), Frame(3, b"")]
        return b"".join(frame.to_bytes() for frame in frames) + Response.to(request, 200).to_bytes()

    server.answers["X"] = answer
    await dialogue.ask("X", "*")
    assert received == [b"one", b""]


@pytest.mark.parametrize(
    ("method", "status"),
    [("OPTIONS", 200), ("GET_PARAMETER", 200), ("SET_PARAMETER", 200), ("ANNOUNCE", 501), ("PLAY", 501)],
)
async def test_the_server_may_ask_too(
    server: ScriptedServer, dialogue: Dialogue, method: str, status: int
) -> None:
    """Conformance M15."""
    await dialogue.ask("OPTIONS", "*")
    server.send(f"{method} * RTSP/1.0\r\nCSeq: 77\r\n\r\n".encode())
    await server.until(lambda: bool(server.responses))
    (response,) = server.responses
    assert (response.status, response.cseq) == (status, 77)
    assert ("Public" in response.headers) is (method == "OPTIONS")


async def test_a_server_that_asks_and_does_not_listen(
    server: ScriptedServer, dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UNSENT", 0)
    await dialogue.ask("OPTIONS", "*")
    server.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n")
    await dialogue.ask("OPTIONS", "*")
    assert server.responses == []


async def test_demand(server: ScriptedServer, dialogue: Dialogue) -> None:
    with pytest.raises(RemoteError, match="the server answered 501 Not Implemented") as caught:
        await dialogue.demand("RECORD", "rtsp://h/p")
    assert caught.value.status == 501
    assert (caught.value.method, caught.value.url) == ("RECORD", "rtsp://h/p")


async def test_the_session_goes_with_every_request(server: ScriptedServer, dialogue: Dialogue) -> None:
    server.answers["SETUP"] = reply(200, ("Session", "   abc;timeout=20"))
    await dialogue.demand("SETUP", "*")
    server.answers["SETUP"] = reply(200, ("Session", "def"))
    await dialogue.demand("SETUP", "*")
    server.answers["SETUP"] = reply(200)
    await dialogue.demand("SETUP", "*")
    await dialogue.teardown("*")
    await dialogue.ask("OPTIONS", "*")
    assert [request.headers.get("Session") for request in server.requests] == [
        None,
        "abc",
        "def",
        "def",
        None,
    ]
    assert server.methods[-2] == "TEARDOWN"


async def test_teardown_without_session_or_answer(
    server: ScriptedServer, dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FAREWELL", 0.02)
    await dialogue.teardown("*")
    assert server.methods == []
    await dialogue.demand("SETUP", "*", [("Transport", "RTP/AVP/TCP;interleaved=0-1")])
    server.answers["TEARDOWN"] = lambda _: None
    await dialogue.teardown("*")
    assert dialogue.session is None


async def test_the_end_of_the_connection(server: ScriptedServer, dialogue: Dialogue) -> None:
    lost: list[ReelcastError] = []
    dialogue.on_lost = lost.append
    server.answers["X"] = lambda _: server.hang_up()
    with pytest.raises(
        TransportError, match=r"^rtsp://127.0.0.1:\d+/movie: the server closed the connection$"
    ):
        await dialogue.ask("X", "*")
    assert len(lost) == 1
    with pytest.raises(TransportError):
        await dialogue.ask("X", "*")
    dialogue.send_frame(0, b"too late")
    dialogue.hold_back(True)
    await dialogue.teardown("*")


async def test_what_is_no_rtsp_ends_the_connection(server: ScriptedServer, dialogue: Dialogue) -> None:
    server.answers["X"] = lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n"
    with pytest.raises(ProtocolError, match=r"^rtsp://.*: the other side speaks HTTP, not RTSP$"):
        await dialogue.ask("X", "*")


async def test_closing_is_no_loss(server: ScriptedServer, dialogue: Dialogue) -> None:
    lost: list[ReelcastError] = []
    dialogue.on_lost = lost.append
    asking = asyncio.create_task(dialogue.ask("OPTIONS", "*"))
    await asyncio.sleep(0)
    dialogue.close()
    dialogue.close()
    with pytest.raises(TransportError):
        await asking
    assert lost == []


async def test_frames_are_sent(server: ScriptedServer, dialogue: Dialogue) -> None:
    dialogue.send_frame(1, b"report")
    await server.until(lambda: bool(server.frames))
    assert server.frames == [(1, b"report")]


async def test_reading_can_be_held_back(server: ScriptedServer, dialogue: Dialogue) -> None:
    dialogue.hold_back(True)
    asking = asyncio.create_task(dialogue.ask("OPTIONS", "*"))
    await server.until(lambda: bool(server.requests))
    assert not asking.done()
    dialogue.hold_back(False)
    assert (await asking).status == 200


async def test_no_connection_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", never)
    with pytest.raises(DeadlineError, match=r"^rtsp://host/: no connection within 0.01 s$") as caught:
        await describe("rtsp://host/", 0.01)
    assert (caught.value.step, caught.value.peer) == ("connect", "host:554")


async def test_who_is_asked_says_who_it_is(server: ScriptedServer) -> None:
    """Conformance A6."""
    guard(server, 'Digest realm="r", nonce="n"', accept=lambda said: said.startswith("Digest "))
    dialogue, response = await describe(with_login(server.url), 5.0)
    assert response.status == 200
    track = f"{server.url}/track1"
    await dialogue.demand("SETUP", track, [("Transport", "RTP/AVP/TCP;interleaved=0-1")])
    await dialogue.ask("OPTIONS", server.url)
    await dialogue.teardown(server.url)
    dialogue.close()
    assert server.methods == ["OPTIONS", "DESCRIBE", "DESCRIBE", "SETUP", "OPTIONS", "TEARDOWN"]
    challenge = Challenge("r", "n")
    for request in server.requests[2:]:
        said = request.headers.get("Authorization") or ""
        assert f'uri="{request.uri}"' in said
        assert digest_response(challenge, CREDENTIALS, request.method, request.uri) in said
    assert [request.cseq for request in server.requests] == [1, 2, 3, 4, 5, 6]
    assert not any("admin" in request.uri for request in server.requests)


async def test_what_is_refused_gives_way_to_what_is_weaker(server: ScriptedServer) -> None:
    """Conformance A5."""
    offers = 'Digest realm="r", nonce="n", Basic realm="r"', 'Digest realm="r", nonce="m", algorithm=SHA-256'
    guard(server, *offers, accept=lambda said: said.startswith("Basic "))
    dialogue, _ = await describe(server.url, 5.0, credentials=CREDENTIALS)
    dialogue.close()
    said = [headers.get("Authorization") or "" for headers in server.asked("DESCRIBE")]
    assert [value.partition(" ")[0] for value in said] == ["", "Digest", "Digest", "Basic"]
    assert ["SHA-256" in value for value in said] == [False, True, False, False]


async def test_a_stale_nonce_is_nobodys_business(server: ScriptedServer, dialogue: Dialogue) -> None:
    fresh = "1"
    asking = Dialogue(dialogue.url, 5.0, credentials=CREDENTIALS)
    await asking.open()

    def answer(request: Request) -> Response:
        known = f'nonce="{fresh}"' in (request.headers.get("Authorization") or "")
        challenge = f'Digest realm="r", nonce="{fresh}", stale=true, qop="auth"'
        return Response.to(request, 200 if known else 401, [("WWW-Authenticate", challenge)])

    server.answers["X"] = answer
    assert (await asking.ask("X", "*")).status == 200
    fresh = "2"
    assert [
        response.status for response in await asyncio.gather(asking.ask("X", "*"), asking.ask("X", "*"))
    ] == [
        200,
        200,
    ]
    asking.close()


REFUSED = {
    "nobody": ("", 'Basic realm="r"', 1, "put user and password into the URL"),
    "somebody else": (LOGIN, 'Basic realm="r"', 2, "check user and password"),
    "in other words": (LOGIN, "Negotiate abcdef==", 1, "not known here"),
    "in many words": (LOGIN, 'Digest realm="r", nonce="n", stale=true, Basic realm="r"', 3, "check user"),
}


@pytest.mark.parametrize(("login", "challenge", "attempts", "advice"), REFUSED.values(), ids=REFUSED)
async def test_who_is_not_let_in(
    server: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
    login: str,
    challenge: str,
    attempts: int,
    advice: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    guard(server, challenge, accept=lambda _: False)
    with pytest.raises(AuthenticationError) as caught:
        await describe(server.url.replace("//", f"//{login}"), 5.0)
    assert str(caught.value) == f"{server.url}: the server answered 401 Unauthorized to DESCRIBE"
    assert advice in caught.value.advice
    assert len(server.asked("DESCRIBE")) == attempts
    assert "admin" not in caplog.text + "".join(map(str, vars(caught.value).values()))


async def test_every_message_is_told(server: ScriptedServer) -> None:
    told: list[Utterance] = []
    guard(server, 'Basic realm="r"', accept=bool)
    dialogue, _ = await describe(with_login(server.url), 5.0, on_message=told.append)
    server.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n")
    await server.until(lambda: bool(server.responses))
    dialogue.close()
    lines = [(line.sent, line.text.partition("\n")[0]) for line in told]
    assert lines == [
        (True, f"OPTIONS {server.url} RTSP/1.0"),
        (False, "RTSP/1.0 200 OK"),
        (True, f"DESCRIBE {server.url} RTSP/1.0"),
        (False, "RTSP/1.0 401 Unauthorized"),
        (True, f"DESCRIBE {server.url} RTSP/1.0"),
        (False, "RTSP/1.0 200 OK"),
        (False, "OPTIONS * RTSP/1.0"),
        (True, "RTSP/1.0 200 OK"),
    ]
    assert "Authorization: Basic ***" in told[4].text
    assert told[5].text.endswith(SDP.decode().replace("\r\n", "\n"))
    assert [line.time for line in told] == sorted(line.time for line in told)
