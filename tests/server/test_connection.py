"""One connection: order, chunks, limits, and the ways in which clients leave."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.server.raw import Client, until

from reelcast.net import event_loop
from reelcast.net.udp import Address
from reelcast.rtsp.message import Request, Response
from reelcast.rtsp.reader import MAX_BODY_BYTES
from reelcast.server import connection as connection_module
from reelcast.server.connection import MAX_WAITING, READ_AT_ONCE, Connection, Reply

OPTIONS = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"


class Handler:
    """Answers when it is let, and keeps account of connections."""

    def __init__(self) -> None:
        self.room = True
        self.patient = False
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked: list[Request] = []
        self.connections: list[Connection] = []
        self.frames = 0
        self.after: list[int] = []

    async def answer(self, connection: Connection, request: Request) -> Reply:
        self.asked.append(request)
        await self.may_answer.wait()
        body = b"x" * int(request.headers.get("Wanted") or 0)
        number = len(self.asked)
        return Reply(Response.to(request, 200, body=body), lambda: self.after.append(number))

    def alive(self, connection: Connection) -> None:
        self.frames += 1
        if self.patient:
            connection.be_patient()

    def opened(self, connection: Connection) -> bool:
        if self.room:
            self.connections.append(connection)
        return self.room

    def closed(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)


@asynccontextmanager
async def connected(handler: Handler) -> AsyncIterator[Client]:
    """A client of a connection without a server behind it."""
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(lambda: Connection(handler, direct=True), "127.0.0.1", 0)
    address: Address = listener.sockets[0].getsockname()
    async with await Client.connect(address[1]) as client:
        yield client
    listener.close()
    await until(lambda: not handler.connections)


async def test_answers_come_in_the_order_of_requests() -> None:
    """Conformance H9, M2."""
    handler = Handler()
    async with connected(handler) as client:
        for _ in range(1000):
            client.say("OPTIONS", "*")
        answers = [await client.answer() for _ in range(1000)]
        assert [int(answer["CSeq"]) for answer in answers] == list(range(1, 1001))
        assert handler.after == list(range(1, 1001))


async def test_one_byte_at_a_time() -> None:
    """Conformance H9, M4, M11."""
    async with connected(Handler()) as client:
        for byte in b"\r\n\n" + OPTIONS + b"$\0\0\3abc" + OPTIONS.replace(b"\r\n", b"\n"):
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert [(await client.answer()).status for _ in range(2)] == [200, 200]


async def test_frames_are_a_sign_of_life_and_no_request() -> None:
    """Conformance H11, M11, M12."""
    handler = Handler()
    async with connected(handler) as client:
        client.send(b"$\0\0\0$\1\0\4abcd$\xff\xff\xff" + bytes(65_535) + OPTIONS)
        assert (await client.answer()).status == 200
        assert handler.frames >= 1
        assert len(handler.asked) == 1


async def test_who_reports_may_be_patient_who_publishes_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    deferred: list[int] = []
    monkeypatch.setattr(connection_module, "defer", deferred.append)
    handler = Handler()
    handler.patient = True
    async with connected(handler) as client:
        for inlets, expected in (({0: lambda _: None}, 0), ({}, 1), ({}, 1)):
            await until(lambda: bool(handler.connections))
            handler.connections[0].inlets = inlets
            client.send(b"$\0\0\4abcd" + OPTIONS)
            assert (await client.answer()).status == 200
            assert len(deferred) == expected


def test_who_is_patient_is_answered_and_may_leave() -> None:
    async def talk() -> None:
        handler = Handler()
        handler.patient = True
        async with connected(handler) as client:
            for number in range(1, 4):
                client.send(b"$\0\0\4abcd" + OPTIONS)
                assert (await client.answer()).status == 200
                assert len(handler.asked) == number

    event_loop.run(talk())


async def test_responses_are_passed_over() -> None:
    handler = Handler()
    async with connected(handler) as client:
        client.send(b"RTSP/1.0 200 OK\r\nCSeq: 9\r\n\r\n" + OPTIONS)
        assert (await client.answer())["CSeq"] == "1"
        assert len(handler.asked) == 1


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "RTSP/1.0 400 Bad Request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n", "RTSP/1.0 400 Bad Request"),
        (
            b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 9999999\r\n\r\n",
            "RTSP/1.0 413 Request Entity Too Large",
        ),
        (b"OPTIONS * RTSP/1.0\r\nX: " + b"y" * 20_000, "RTSP/1.0 400 Bad Request"),
    ],
)
async def test_what_is_no_rtsp_is_answered_and_closed(data: bytes, line: str) -> None:
    """Conformance H2, H5, H10, M5, M18."""
    handler = Handler()
    async with connected(handler) as client:
        client.send(data + b"and more of it")
        answer = await client.answer()
        assert (answer.line, answer["Connection"]) == (line, "close")
        await client.gone()
    assert handler.asked == []


async def test_what_was_asked_before_is_answered_before() -> None:
    """Conformance M2."""
    handler = Handler()
    handler.may_answer.clear()
    async with connected(handler) as client:
        client.send(OPTIONS + b"\x01\x02\r\n\r\n" + OPTIONS)
        await until(lambda: bool(handler.asked))
        handler.may_answer.set()
        assert [(await client.answer()).status for _ in range(3)] == [200, 400, 200]


async def test_a_client_that_says_no_more_still_gets_its_answers() -> None:
    """Conformance H21, K2."""
    handler = Handler()
    handler.may_answer.clear()
    async with connected(handler) as client:
        client.send(OPTIONS * 3)
        client.finish_writing()
        await until(lambda: bool(handler.asked))
        handler.may_answer.set()
        assert [(await client.answer()).status for _ in range(3)] == [200] * 3
        await client.gone()


async def test_a_client_that_says_nothing_and_leaves() -> None:
    async with connected(Handler()) as client:
        client.finish_writing()
        await client.gone()


async def test_an_answer_to_nobody() -> None:
    handler = Handler()
    handler.may_answer.clear()
    async with connected(handler) as client:
        client.send(OPTIONS * 3)
        await until(lambda: bool(handler.asked))
        client.reset()
        await until(lambda: not handler.connections)
        handler.may_answer.set()
    assert len(handler.asked) == 1
    assert handler.after == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"x" * 10_000 + b"\r\n\r\n",
        OPTIONS,
        b"this is no request\r\nCSeq: 1\r\n\r\n",
    ],
    ids=["large", "small", "malformed"],
)
async def test_it_reads_only_so_far_ahead_of_what_it_answers(request_bytes: bytes) -> None:
    """Conformance H9: whatever one reading of the socket holds, a few messages are taken apart at once."""
    handler = Handler()
    handler.may_answer.clear()
    async with connected(handler) as client:
        await until(lambda: bool(handler.connections))
        served = handler.connections[0]
        client.send(OPTIONS)
        await until(lambda: bool(handler.asked))
        taken = len(handler.asked)
        client.send(request_bytes * 400)
        await until(lambda: len(served._waiting) > MAX_WAITING)
        await asyncio.sleep(0.05)
        assert len(served._waiting) <= MAX_WAITING + READ_AT_ONCE
        assert len(handler.asked) == taken
        handler.may_answer.set()
        status = 400 if request_bytes.startswith(b"this") else 200
        assert [(await client.answer()).status for _ in range(401)] == [200, *[status] * 400]


async def test_it_reads_only_so_many_bytes_ahead_of_what_it_answers() -> None:
    handler = Handler()
    handler.may_answer.clear()
    async with connected(handler) as client:
        await until(lambda: bool(handler.connections))
        served = handler.connections[0]
        client.send(OPTIONS)
        await until(lambda: bool(handler.asked))
        for _ in range(8):
            client.say("SET_PARAMETER", "*", body=bytes(MAX_BODY_BYTES))
        await until(lambda: len(served._waiting) == 2)
        await asyncio.sleep(0.05)
        # The first of them is as much as may wait, the second had come with it.
        assert sum(len(request.body) for request in served._waiting if isinstance(request, Request)) == (
            2 * MAX_BODY_BYTES
        )
        handler.may_answer.set()
        assert [(await client.answer()).status for _ in range(9)] == [200] * 9
        assert served._waiting_bytes == 0


async def test_who_leaves_while_much_of_what_it_said_waits() -> None:
    handler = Handler()
    handler.may_answer.clear()
    async with connected(handler) as client:
        await until(lambda: bool(handler.connections))
        served = handler.connections[0]
        client.send(OPTIONS * 1000)
        await until(lambda: len(served._waiting) > MAX_WAITING)
        handler.may_answer.set()
        served.abort()
        await client.gone()


async def test_who_does_not_read_answers_is_asked_nothing_more() -> None:
    """Conformance H22."""
    handler = Handler()
    async with connected(handler) as client:
        await until(lambda: bool(handler.connections))
        served = handler.connections[0]
        client.stop_reading()
        client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nWanted: 100000\r\n\r\n" * 2000)
        await until(lambda: served._full)
        count = len(handler.asked)
        await asyncio.sleep(0.05)
        assert len(handler.asked) == count < 100
        # How long it has taken nothing is known from one look to the next.
        now = time.monotonic()
        served.stalled_for(now)
        assert served.stalled_for(now + 60) >= 60
        served.abort()


async def test_who_takes_something_is_not_stalled() -> None:
    handler = Handler()
    async with connected(handler):
        await until(lambda: bool(handler.connections))
        served = handler.connections[0]
        waiting = iter((0, 500, 700, 699, 699, 0))
        served.writer.queued = lambda: next(waiting)
        stalled = [served.stalled_for(float(now)) for now in range(6)]
        assert stalled == [0, 1, 2, 0, 1, 0]


async def test_who_reads_late_gets_all_answers() -> None:
    handler = Handler()
    async with connected(handler) as client:
        for _ in range(60):
            client.say("OPTIONS", "*", "Wanted: 100000")
        await until(lambda: len(handler.asked) > 10)
        answers = [await client.answer() for _ in range(60)]
        assert {len(answer.body) for answer in answers} == {100_000}
        assert (await client.ask("OPTIONS", "*")).status == 200


async def test_no_room() -> None:
    """Conformance T23."""
    handler = Handler()
    handler.room = False
    async with connected(handler) as client:
        client.send(OPTIONS)
        assert (await client.answer()).status == 503
        await client.gone()
    assert handler.asked == []


async def test_a_message_that_is_begun_is_to_be_finished() -> None:
    handler = Handler()
    async with connected(handler) as client:
        await until(lambda: bool(handler.connections))
        served = handler.connections[0]
        await client.ask("OPTIONS", "*")
        assert served.unfinished_for(time.monotonic() + 60) == 0
        client.send(OPTIONS[:10])
        await until(lambda: served.unfinished_for(time.monotonic()) > 0)
        begun = served.heard
        client.send(OPTIONS[10:12])
        await until(lambda: served.heard > begun)
        assert served.unfinished_for(begun + 60) == 60
        client.send(OPTIONS[12:])
        await client.answer()
        assert served.unfinished_for(begun + 60) == 0


async def test_what_is_not_read_is_not_overdue() -> None:
    handler = Handler()
    handler.may_answer.clear()
    async with connected(handler) as client:
        await until(lambda: bool(handler.connections))
        served = handler.connections[0]
        client.send(OPTIONS * (MAX_WAITING + 2) + OPTIONS[:10])
        await until(lambda: len(served._waiting) > MAX_WAITING)
        assert served.unfinished_for(time.monotonic() + 60) == 0
        handler.may_answer.set()
        for _ in range(MAX_WAITING + 2):
            await client.answer()
        # Only from here on could it have been read.
        assert 60 <= served.unfinished_for(time.monotonic() + 60) < 65
        client.send(OPTIONS[10:])
        await client.answer()


async def test_the_dialogue_is_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "reelcast.dialogue")
    async with connected(Handler()) as client:
        await client.ask(
            "DESCRIBE", "rtsp://user:secret@127.0.0.1/x", "Authorization: Basic c2VjcmV0", body=b"hidden"
        )
        text = caplog.text
        assert "< DESCRIBE 127.0.0.1/x | CSeq: 1 | Authorization: …" in text
        assert "(6 bytes)" in text
        assert "> 200 OK | CSeq: 1" in text
        assert "secret" not in text
        assert "c2VjcmV0" not in text
