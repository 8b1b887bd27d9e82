"""The classroom's server played: its datagrams, its silence, its ways to disappoint."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from tests.free_port import free_port
from tests.pupil import Teacher, cut, rtp
from tests.server.raw import until

from reelcast.client import classroom, events
from reelcast.client.classroom import ClassroomReception, ClassroomSession
from reelcast.client.lifetime import Outlets
from reelcast.client.stream import connect
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance
from reelcast.errors import DeadlineError, ProtocolError, ReelcastError, RemoteError, TransportError
from reelcast.media.mjpeg import write_frames
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.states import State
from reelcast.server.app import Server

IMAGES = [b"\xff\xd8" + bytes([number]) * (6000 + number) + b"\xff\xd9" for number in range(1, 9)]
WHOLE = [rtp(number, image) for number, image in enumerate(IMAGES, 1)]
TIMEOUTS = Timeouts()
PATIENCE = 20.0


class Hearer:
    """What a session hands on."""

    def __init__(self) -> None:
        self.units: list[ReceivedUnit] = []
        self.ends: list[ReelcastError | None] = []
        self.said: list[Utterance] = []
        self.outlets = Outlets(self.units.append, self.ends.append)

    @property
    def images(self) -> list[bytes]:
        return [unit.unit.data for unit in self.units]


@asynccontextmanager
async def playing(teacher: Teacher, hearer: Hearer) -> AsyncIterator[ClassroomSession]:
    """A session that is set up."""
    session = await ClassroomSession.open(
        "127.0.0.1", teacher.port, "movie.Mjpeg", TIMEOUTS, hearer.outlets, hearer.said.append
    )
    try:
        await session.set_up()
        yield session
    finally:
        await session.close()


async def test_setup_play_pause_play_teardown() -> None:
    hearer = Hearer()
    async with Teacher(WHOLE, pace=0.02) as teacher:
        async with playing(teacher, hearer) as session:
            states = [session.state]
            await session.play(None, None, 1)
            await session.first(PATIENCE)
            states.append(session.state)
            await session.play(None, None, 1)
            await until(lambda: len(hearer.units) >= 3)
            await session.pause()
            states.append(session.state)
            count = len(hearer.units)
            await asyncio.sleep(0.1)
            assert len(hearer.units) == count
            await session.play(None, None, 2)
            await until(lambda: len(hearer.units) == len(IMAGES))
        await until(lambda: len(teacher.requests) == 5)
        await session.close()
    port = int(teacher.requests[0][2].rpartition(" ")[2])
    assert teacher.requests == [
        ["SETUP movie.Mjpeg RTSP/1.0", "CSeq: 1", f"Transport: RTP/UDP; client_port= {port}"],
        ["PLAY movie.Mjpeg RTSP/1.0", "CSeq: 2", "Session: 451917"],
        ["PAUSE movie.Mjpeg RTSP/1.0", "CSeq: 3", "Session: 451917"],
        ["PLAY movie.Mjpeg RTSP/1.0", "CSeq: 4", "Session: 451917"],
        ["TEARDOWN movie.Mjpeg RTSP/1.0", "CSeq: 5", "Session: 451917"],
    ]
    assert hearer.images == IMAGES
    assert hearer.units[0].pts == 0.0
    assert all(one.pts < other.pts for one, other in pairwise(hearer.units))
    assert hearer.units[-1].pts == session.position
    # Time passes while it is paused, but not the movie's.
    assert hearer.units[count].pts - hearer.units[count - 1].pts == pytest.approx(0.05)
    assert {unit.segment for unit in hearer.units} == {1, 2}
    (reception,) = session.receptions
    assert (reception.units, reception.packets.received, reception.packets.lost) == (8, 8, 0)
    assert reception.packets.jitter < 1
    assert [said.text.partition(" ")[0] for said in hearer.said[:3]] == ["SETUP", "RTSP/1.0", "PLAY"]
    assert hearer.ends == []
    assert [*states, session.state] == [State.READY, State.PLAYING, State.PAUSED, State.INIT]


async def test_images_in_pieces() -> None:
    hearer = Hearer()
    pieces = [(piece, at == 4) for image in IMAGES for at, piece in enumerate(cut(image, 1300))]
    datagrams = [rtp(number, piece, marker=last) for number, (piece, last) in enumerate(pieces, 1)]
    async with Teacher(datagrams) as teacher, playing(teacher, hearer) as session:
        await session.play(None, None, 1)
        await until(lambda: len(hearer.units) == len(IMAGES))
    assert hearer.images == IMAGES


async def test_a_frame_that_is_lost_is_counted_and_holds_up_nothing() -> None:
    hearer = Hearer()
    async with Teacher([*WHOLE[:3], *WHOLE[4:]]) as teacher, playing(teacher, hearer) as session:
        await session.play(None, None, 1)
        await until(lambda: len(hearer.units) == len(IMAGES) - 1)
        assert session.receptions[0].packets.lost == 1
    assert hearer.images == IMAGES[:3] + IMAGES[4:]


async def test_silence_behind_the_last_frame_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    hearer = Hearer()
    async with Teacher(WHOLE) as teacher, playing(teacher, hearer) as session:
        await session.play(None, None, 1)
        await until(lambda: len(hearer.units) == len(IMAGES))
        monkeypatch.setattr(classroom, "END_SILENCE", 0.1)
        await until(lambda: bool(hearer.ends))
        assert hearer.ends == [None]
        assert hearer.images == IMAGES
        # Who pauses and plays on meets the end again.
        await session.pause()
        await session.play(None, None, 2)
        await until(lambda: len(hearer.ends) == 2)


async def _ask(session: ClassroomSession, method: str) -> None:
    if method == "SETUP":
        await session.set_up()
    elif method == "PLAY":
        await session.play(None, None, 1)
    else:
        await session.pause()


@pytest.mark.parametrize("method", ["SETUP", "PLAY", "PAUSE"])
async def test_a_request_that_nobody_answers(method: str) -> None:
    async with Teacher(WHOLE) as teacher:
        teacher.silent = {method, "TEARDOWN"}
        outlets = Hearer().outlets
        session = await ClassroomSession.open("127.0.0.1", teacher.port, "movie.Mjpeg", TIMEOUTS, outlets)
        for step in ("SETUP", "PLAY")[: ("SETUP", "PLAY", "PAUSE").index(method)]:
            await _ask(session, step)
        session._dialogue._timeout = 0.05
        with pytest.raises(DeadlineError, match=f"/movie.Mjpeg: no answer to {method} within") as caught:
            await _ask(session, method)
        assert caught.value.step == method
        await session.close()


async def test_no_frame_comes() -> None:
    hearer = Hearer()
    async with Teacher([]) as teacher, playing(teacher, hearer) as session:
        await session.play(None, None, 1)
        with pytest.raises(DeadlineError, match=r"no media within 0.05 s") as caught:
            await session.first(0.05)
        assert "even where it has no such file" in caught.value.advice
    assert hearer.ends == []


async def test_a_refusal() -> None:
    async with Teacher(WHOLE) as teacher:
        teacher.status["SETUP"] = "404 FILE_NOT_FOUND"
        with pytest.raises(RemoteError, match="the server answered 404 FILE_NOT_FOUND to SETUP") as caught:
            async with playing(teacher, Hearer()):
                pass
        assert caught.value.status == 404
    assert teacher.methods == ["SETUP"]


async def test_a_server_that_hangs_up() -> None:
    hearer = Hearer()
    async with Teacher(WHOLE) as teacher, playing(teacher, hearer) as session:
        await session.play(None, None, 1)
        await session.first(PATIENCE)
        teacher.hang_up()
        await until(lambda: bool(hearer.ends))
        (error,) = hearer.ends
        assert isinstance(error, TransportError)
        assert "the server closed the connection" in str(error)
        with pytest.raises(TransportError, match="the server closed"):
            await session.pause()


async def test_a_server_that_hangs_up_before_anything_came() -> None:
    hearer = Hearer()
    async with Teacher([]) as teacher, playing(teacher, hearer) as session:
        await session.play(None, None, 1)
        teacher.hang_up()
        with pytest.raises(TransportError, match="the server closed the connection"):
            await session.first(PATIENCE)
    assert hearer.ends == []


async def test_a_server_that_hangs_up_instead_of_answering() -> None:
    async with Teacher(WHOLE) as teacher:
        teacher.silent = {"SETUP"}

        async def hang_up() -> None:
            await until(lambda: bool(teacher.requests))
            teacher.hang_up()

        hanging_up = asyncio.create_task(hang_up())
        with pytest.raises(TransportError, match="the server closed the connection"):
            async with playing(teacher, Hearer()):
                pass
        await hanging_up


async def test_no_server() -> None:
    with pytest.raises(TransportError, match="cannot connect: Connection refused"):
        await ClassroomSession.open("127.0.0.1", free_port(), "movie.Mjpeg", TIMEOUTS, Hearer().outlets)


def worded(template: str) -> Callable[[list[str]], bytes]:
    return lambda lines: template.replace("N", lines[1].split(" ")[1]).encode()


@pytest.mark.parametrize(
    "template",
    [
        "RTSP/1.0 200 OK\nCSeq: N\nSession: 451917",
        "RTSP/1.0 200 OK\nCSeq: N\r\nSession: 451917\r\n\r\n",
        "RTSP/1.0 200 OK\nCSeq: 99\nSession: 451917RTSP/1.0 200 OK\nCSeq: N\nSession: 451917",
        "RTSP/1.0 200 OK\nCSeq: N\nSession: 45",
        "RTSP/1.0 200 OK\nCSeq: N",
    ],
)
async def test_ways_to_answer(template: str) -> None:
    hearer = Hearer()
    async with Teacher(WHOLE) as teacher:
        teacher.reply = worded(template)
        async with playing(teacher, hearer) as session:
            await session.play(None, None, 1)
            await session.first(PATIENCE)
        session_line = {lines[2] for lines in teacher.requests[1:]}
        assert len(session_line) == 1


async def test_an_answer_that_is_none() -> None:
    async with Teacher(WHOLE) as teacher:
        teacher.reply = lambda _: b"what?\n" * 10_000
        with pytest.raises(ProtocolError, match="nothing of the classroom dialect"):
            async with playing(teacher, Hearer()):
                pass


async def test_the_port_that_is_asked_for() -> None:
    hearer = Hearer()
    async with Teacher(WHOLE) as teacher:
        session = await ClassroomSession.open("127.0.0.1", teacher.port, "x", TIMEOUTS, hearer.outlets)
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            with pytest.raises(TransportError, match=rf"cannot bind UDP port {port} .*; choose another$"):
                await session.set_up(port)
        await session.close()


async def test_an_odd_port() -> None:
    hearer = Hearer()
    async with Teacher(WHOLE) as teacher:
        for port in range(25_001, 25_101, 2):
            session = await ClassroomSession.open("127.0.0.1", teacher.port, "x", TIMEOUTS, hearer.outlets)
            try:
                await session.set_up(port)
                await session.play(None, None, 1)
                await session.first(PATIENCE)
                assert teacher.requests[0][2].endswith(f" {port}")
                break
            except TransportError:
                continue
            finally:
                await session.close()
    assert hearer.images[:1] == IMAGES[:1]


async def test_what_that_server_cannot_do() -> None:
    async with Teacher(WHOLE) as teacher, playing(teacher, Hearer()) as session:
        for at, scale in ((5.0, None), (None, 2.0)):
            with pytest.raises(ProtocolError, match="no seeking and no other speed") as caught:
                await session.play(at, scale, 1)
            assert caught.value.status == 456
        session.hold_back(True)
        await session.play(0.0, 1.0, 1)


async def test_a_name_that_would_break_out_of_its_line() -> None:
    async with Teacher(WHOLE) as teacher:
        session = await ClassroomSession.open(
            "127.0.0.1", teacher.port, "x RTSP/1.0\nCSeq: 9", TIMEOUTS, Hearer().outlets
        )
        with pytest.raises(ProtocolError, match="control character"):
            await session.set_up()
        await session.close()
    assert teacher.requests == []


async def test_our_own_server(tmp_path: Path) -> None:
    write_frames(tmp_path / "movie.Mjpeg", IMAGES)
    hearer = Hearer()
    server = Server("127.0.0.1", 0)
    server.mount("/", tmp_path)
    async with server:
        session = await ClassroomSession.open(
            "localhost", server.port, "movie.Mjpeg", TIMEOUTS, hearer.outlets
        )
        await session.set_up()
        await session.play(None, None, 1)
        await until(lambda: len(hearer.units) == len(IMAGES))
        await session.close()
        assert len(server._sessions) == 0
    assert hearer.images == IMAGES


# Frames, without a socket


def heard(datagrams: list[tuple[float, bytes]]) -> tuple[ClassroomReception, list[ReceivedUnit]]:
    """What comes of datagrams at times; what waits is flushed every 10 ms."""
    reception = ClassroomReception()
    reception.play(1)
    units: list[ReceivedUnit] = []
    last = 0.0
    for when, data in [*datagrams, (datagrams[-1][0] + 1, b"")]:
        while last < when:
            units += reception.flush(last, last, 0.0)
            last += 0.01
        units += reception.media(data, when, 0.0) if data else []
    return reception, units


def test_late_and_repeated_frames_are_dropped() -> None:
    order = [0, 1, 1, 3, 2, 5, 6, 4, 7]
    times = [0, 0.05, 0.05, 0.15, 0.16, 0.25, 0.3, 0.31, 0.35]
    reception, units = heard([(when, WHOLE[at]) for when, at in zip(times, order, strict=True)])
    assert [unit.unit.data for unit in units] == [IMAGES[at] for at in (0, 1, 2, 3, 5, 6, 7)]
    statistics = reception.packets
    assert (statistics.late, statistics.duplicates, statistics.reordered, statistics.lost) == (1, 1, 1, 0)
    assert all(one.pts < other.pts for one, other in pairwise(units))


def test_jitter_is_how_uneven_the_frames_come() -> None:
    even, _ = heard([(at * 0.04, WHOLE[at]) for at in range(8)])
    uneven, _ = heard([(at * 0.04 + 0.03 * (at % 2), WHOLE[at]) for at in range(8)])
    assert even.packets.jitter < 0.005 < uneven.packets.jitter < 0.05


def test_what_is_no_rtp() -> None:
    reception, units = heard([(0.0, b"\x80"), (0.1, b"no RTP at all, but long enough"), (0.2, WHOLE[0])])
    assert len(units) == 1
    assert reception.packets.invalid == 2


def test_numbers_that_stay_the_same_are_one_frame() -> None:
    reception, units = heard([(at * 0.05, rtp(1, image)) for at, image in enumerate(IMAGES)])
    assert [unit.unit.data for unit in units] == IMAGES[:1]
    assert reception.packets.duplicates == len(IMAGES) - 1


# As `connect` has it


async def test_a_stream_in_the_dialect() -> None:
    """Its times go on over a pause, as if there had been none."""
    async with Teacher(WHOLE, pace=0.02) as teacher:
        url = f"rtsp://127.0.0.1:{teacher.port}/movie.Mjpeg"
        async with connect(url, dialect="classroom", rtp_port=0) as stream:
            assert (stream.transport, stream.duration) == ("classroom", None)
            units = stream.units()
            received = [await anext(units) for _ in range(3)]
            await stream.pause()
            await stream.play()
            received += [await anext(units) for _ in range(len(IMAGES) - 3)]
            assert [each.unit.data for each in received] == IMAGES
            assert received[-1].pts < 5.0
            (statistics,) = stream.statistics()
            assert (statistics.units, statistics.packets.lost) == (len(IMAGES), 0)
    assert teacher.methods[-1] == "TEARDOWN"


async def test_a_server_is_found_to_speak_the_dialect(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who never answers to OPTIONS is asked as the assignment's client asks, on another connection."""
    monkeypatch.setattr("reelcast.client.session.PROBE", 0.1)
    told: list[events.Event] = []
    async with Teacher(WHOLE, pace=0.02) as teacher:
        teacher.silent.add("OPTIONS")
        url = f"rtsp://127.0.0.1:{teacher.port}/movie.Mjpeg"
        async with connect(url, dialect="auto", on_event=told.append) as stream:
            assert (await anext(stream.units())).unit.data == IMAGES[0]
    assert isinstance(told[0], events.FellBack)
    assert told[1] == events.Connected("classroom")
    assert teacher.connections == 2
