"""The classroom's client programs at our server: byte for byte as they speak, and as nobody should."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.media.conftest import RECIPES, make_movie
from tests.pupil import Pupil
from tests.server.raw import Client, Ports, until

from reelcast.media.frames import JpegFrames
from reelcast.media.mjpeg import MjpegDemuxer, write_frames
from reelcast.rtp.classroom import MAX_JPEG_BYTES
from reelcast.rtsp.classroom import MAX_JUNK_BYTES
from reelcast.server import care
from reelcast.server import classroom as served
from reelcast.server.app import Server
from reelcast.server.limits import Limits
from reelcast.server.playback import Playback

FRAMES = [b"\xff\xd8" + number.to_bytes(4) + bytes(5000 + number) + b"\xff\xd9" for number in range(8)]
LARGEST = b"\xff\xd8" + bytes(MAX_JPEG_BYTES - 4) + b"\xff\xd9"
TOO_LARGE = b"\xff\xd8" + bytes(MAX_JPEG_BYTES - 3) + b"\xff\xd9"


@pytest.fixture(autouse=True)
def no_errors(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged as an error: neither ours nor asyncio's."""
    caplog.set_level(logging.INFO, "reelcast")
    yield
    worst = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in worst] == []


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with short.Mjpeg, made of FRAMES; large.mjpeg, with frames that no datagram holds; and others."""
    folder = tmp_path_factory.mktemp("school")
    write_frames(folder / "short.Mjpeg", FRAMES)
    write_frames(folder / "large.mjpeg", [FRAMES[0], TOO_LARGE, TOO_LARGE, LARGEST])
    (folder / "broken.Mjpeg").write_bytes(b"no movie at all" * 100)
    (folder / "a folder").mkdir()
    write_frames(folder / "a folder" / "a film.Mjpeg", FRAMES)
    make_movie(folder / "jpeg.avi", RECIPES["jpeg.avi"])
    make_movie(folder / "brief.mp4", RECIPES["film.mp4"])
    return folder


@pytest_asyncio.fixture
async def server(school: Path, movies: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    """A server that is as it was when the test is over."""
    monkeypatch.setattr(care, "CARE_SECONDS", 0.02)
    server = Server("127.0.0.1", 0)
    server.mount("/", school)
    server.mount("/movie.Mjpeg", movies / "movie.Mjpeg")
    async with server:
        tasks = len(asyncio.all_tasks())
        yield server
        await until(lambda: not server._connections and len(asyncio.all_tasks()) <= tasks)
        assert len(server._sessions) == 0
        assert server._mounts._users == {}


def images(path: Path, count: int) -> list[bytes]:
    with contextlib.closing(MjpegDemuxer(path)) as demuxer:
        return [unit.data for _, (_, unit) in zip(range(count), demuxer.units(), strict=False)]


async def test_setup_play_pause_play_teardown(
    server: Server, movies: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Pupil(server.port) as pupil:
        assert await pupil.ask("SETUP") == 200
        assert pupil.replies == [["RTSP/1.0 200 OK", "CSeq: 1", f"Session: {pupil.session}"]]
        assert 100_000 <= pupil.session <= 999_999
        began, clock = time.time(), time.monotonic()
        assert await pupil.ask("PLAY") == 200
        frames = await pupil.frames(12)
        # The first leaves with the reply; a tick is 8 ms.
        assert time.monotonic() - clock > 11 / 25 - 0.02
        assert await pupil.ask("PAUSE") == 200
        frames += pupil.waiting()
        await asyncio.sleep(0.1)
        assert pupil.waiting() == []
        assert await pupil.ask("PLAY") == 200
        frames += await pupil.frames(4)
        assert await pupil.ask("TEARDOWN") == 200
        pupil.waiting()
        await asyncio.sleep(0.06)
        assert pupil.waiting() == []
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    assert [frame.image for frame in frames] == images(movies / "movie.Mjpeg", len(frames))
    assert {(frame.version, frame.marker, frame.payload_type, frame.ssrc) for frame in frames} == {
        (2, 0, 26, 0)
    }
    assert all(int(began) <= frame.timestamp <= time.time() for frame in frames)
    assert "SETUP movie.Mjpeg -> 200 (classroom dialect, UDP" in caplog.text


@pytest.mark.parametrize("size", [1, 2, 9, 40])
@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n"])
async def test_split_reads(server: Server, size: int, end: str) -> None:
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        for method in ("SETUP", "PLAY", "PAUSE", "TEARDOWN"):
            data = pupil.request(method) + end.encode()
            for at in range(0, len(data), size):
                await pupil.send(data[at : at + size])
                await asyncio.sleep(0)
            assert await pupil.reply() == 200


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n\r\n"])
async def test_merged_reads(server: Server, between: bytes) -> None:
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 200
        methods = ("PLAY", "PAUSE", "PLAY", "TEARDOWN")
        await pupil.send(between.join(pupil.request(method) for method in methods))
        data = b""
        while data.count(b"Session: %d" % pupil.session) < len(methods):
            data += await asyncio.get_running_loop().sock_recv(pupil.tcp, 1024)
        assert re.findall(rb"RTSP/1.0 (\d+) OK\nCSeq: (\d)\n", data) == [
            (b"200", b"%d" % cseq) for cseq in (2, 3, 4, 5)
        ]


@pytest.mark.parametrize(
    "request_line",
    [
        "SETUP short.Mjpeg RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/UDP; client_port= {}\r\n\r\n",
        "  SETUP   short.Mjpeg   RTSP/1.0  \n CSeq :  1\nTransport:RTP/UDP;client_port = {}",
        "SETUP a folder/a film.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= {}",
        "SETUP short.Mjpeg RTSP/1.0\nTransport: RTP/UDP; client_port= {}\nCSeq: 1",
        "SETUP jpeg.avi RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= {}",
    ],
)
async def test_other_ways_to_say_it(server: Server, request_line: str) -> None:
    async with Pupil(server.port) as pupil:
        pupil.cseq = 1
        await pupil.send(request_line.format(pupil.rtp_port).encode())
        assert await pupil.reply() == 200
        assert await pupil.ask("PLAY") == 200
        (frame,) = await pupil.frames(1)
        assert frame.image[:2] == b"\xff\xd8"
        assert frame.image[-2:] == b"\xff\xd9"


async def test_a_port_of_four_digits_is_whole_when_nothing_follows(server: Server) -> None:
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        pupil.rtp_port = 5001
        assert await pupil.ask("SETUP") == 200
        assert [session.deliveries[0].ports is not None for session in server._sessions] == [True]
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        pupil.rtp_port = 5001
        await pupil.send(pupil.request("SETUP"))
        pupil.tcp.shutdown(1)
        assert await pupil.reply() == 200
        await pupil.gone()


@pytest.mark.parametrize(
    ("file", "port", "status"),
    [
        ("missing.Mjpeg", 25000, 404),
        ("../short.Mjpeg", 25000, 404),
        ("test_server_classroom.py", 25000, 404),
        ("a folder", 25000, 404),
        ("broken.Mjpeg", 25000, 415),
        ("brief.mp4", 25000, 415),
        ("short.Mjpeg", 0, 461),
        ("short.Mjpeg", 80, 461),
        ("short.Mjpeg", 70000, 461),
        ("short.Mjpeg", "", 461),
    ],
)
async def test_what_is_refused(server: Server, file: str, port: object, status: int) -> None:
    async with Pupil(server.port, file) as pupil:
        request = f"SETUP {file} RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= {port}\n"
        pupil.cseq = 1
        await pupil.send(request.encode())
        assert await pupil.reply() == status
        assert pupil.replies[0][2] == "Session: 0"
        assert await pupil.ask("PLAY") == 454
        pupil.file = "short.Mjpeg"
        assert await pupil.ask("SETUP") == 200
        assert await pupil.ask("PAUSE") == 455
        assert await pupil.ask("DESCRIBE") == 405
        assert await pupil.ask("REWIND") == 501
        await pupil.send(b"PLAY short.Mjpeg RTSP/1.0\n\n")
        pupil.cseq = 0
        assert await pupil.reply() == 400
        assert await pupil.ask("PLAY") == 200


async def test_a_session_is_its_connections_own(server: Server) -> None:
    async with Pupil(server.port, "short.Mjpeg") as one, Pupil(server.port, "short.Mjpeg") as other:
        assert await one.ask("SETUP") == 200
        assert await other.ask("SETUP") == 200
        mine, other.session = other.session, one.session
        await other.send(other.request("PLAY"))
        other.session = mine
        assert await other.reply() == 454
        assert one.waiting() == other.waiting() == []


async def test_set_up_again(server: Server) -> None:
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        for _ in range(3):
            assert await pupil.ask("SETUP") == 200
            assert await pupil.ask("PLAY") == 200
            assert (await pupil.frame()).number == 1
            assert len(server._sessions) == 1
            pupil.session, pupil.file = 0, f"rtsp://127.0.0.1:{server.port}/short.Mjpeg"
            await pupil.send(pupil.request("SETUP"))
            assert await pupil.reply() == 200
            pupil.waiting()
            assert await pupil.ask("TEARDOWN") == 200
            pupil.session = 0


async def test_behind_the_end_it_is_quiet(server: Server) -> None:
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 200
        assert await pupil.ask("PLAY") == 200
        assert [frame.image for frame in await pupil.frames(len(FRAMES))] == FRAMES
        for method in ("PLAY", "PAUSE", "PLAY"):
            assert await pupil.ask(method) == 200
            await asyncio.sleep(0.05)
            assert pupil.waiting() == []
        (session,) = server._sessions
        assert isinstance(session, Playback)
        assert session.player is not None
        assert session.player.ended


async def test_a_frame_that_no_datagram_holds_is_left_out(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async with Pupil(server.port, "large.mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 200
        assert await pupil.ask("PLAY") == 200
        frames = await pupil.frames(2)
        assert [(frame.number, frame.image) for frame in frames] == [(1, FRAMES[0]), (4, LARGEST)]
    lines = [line for line in caplog.messages if "left out" in line]
    assert len(lines) == 1
    assert "frame 2 has 65496 bytes" in lines[0]


async def test_a_session_outlives_the_timeout_and_not_its_connection(
    school: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care, "CARE_SECONDS", 0.02)
    server = Server("127.0.0.1", 0, timeout=0)
    server.mount("/", school)
    async with server, Pupil(server.port, "short.Mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 200
        (session,) = server._sessions
        session.last_seen -= 3600
        (ours,) = server._connections
        ours.heard -= 3600
        await until(lambda: session.last_seen > time.monotonic() - 60)
        assert await pupil.ask("PLAY") == 200
        pupil.tcp.close()
        await until(lambda: len(server._sessions) == 0)


async def test_a_port_where_nobody_listens_ends_the_session(server: Server) -> None:
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 200
        pupil.udp.close()
        assert await pupil.ask("PLAY") == 200
        await until(lambda: len(server._sessions) == 0)
        pupil.session = 0
        assert await pupil.ask("PAUSE") == 454


async def test_one_that_leaves_while_the_file_is_opened(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, may_open, opened = threading.Event(), threading.Event(), []

    def slow(path: Path) -> JpegFrames:
        begun.set()
        may_open.wait(5)
        opened.append(JpegFrames(path))
        return opened[0]

    monkeypatch.setattr(served, "JpegFrames", slow)
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        await pupil.send(pupil.request("SETUP"))
        await until(begun.is_set)
        pupil.reset()
    await until(lambda: not server._connections)
    may_open.set()
    await until(lambda: bool(opened))
    await until(lambda: opened[0].read(1, 1) == [])


async def test_the_server_stops_while_it_plays(school: Path) -> None:
    server = Server("127.0.0.1", 0)
    server.mount("/", school)
    async with server, Pupil(server.port, "short.Mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 200
        assert await pupil.ask("PLAY") == 200
        await pupil.frame()
        await server.stop()
        await pupil.gone()


async def test_no_room_for_a_session(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server._sessions, "limits", Limits(sessions=1))
    async with Pupil(server.port, "short.Mjpeg") as first, Pupil(server.port, "short.Mjpeg") as second:
        assert await first.ask("SETUP") == 200
        assert await second.ask("SETUP") == 453


async def test_a_fault_of_ours(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(path: Path) -> JpegFrames:
        raise KeyError(path)

    monkeypatch.setattr(served, "JpegFrames", fail)
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 500
        assert "SETUP failed: KeyError" in caplog.text
    caplog.clear()


async def test_beside_rtsp_itself(server: Server, ports: Ports) -> None:
    async with Pupil(server.port) as pupil, await Client.connect(server.port) as client:
        assert await pupil.ask("SETUP") == 200
        answer = await client.ask("SETUP", "/movie.Mjpeg/trackID=1", ports.transport)
        assert (await client.ask("PLAY", "/movie.Mjpeg", f"Session: {answer.session}")).status == 200
        assert await pupil.ask("PLAY") == 200
        frames, packets = await pupil.frames(3), await ports.packets(3)
        assert [frame.number for frame in frames] == [1, 2, 3]
        assert {packet.ssrc for packet in packets} == {int(answer.transport("ssrc"), 16)}
        await client.ask("TEARDOWN", "/movie.Mjpeg", f"Session: {answer.session}")


@pytest.mark.parametrize(
    "data",
    [
        b"\n" + b"x: y\n" * MAX_JUNK_BYTES,
        b"PLAY " + b"x" * 100_000,
        b"\nPLAY x RTSP/1.0\n" + b"a: b\n" * 1000,
        bytes(range(256)) * 400,
    ],
    ids=["junk", "endless line", "endless headers", "garbage"],
)
async def test_what_is_no_dialect_any_more_is_closed(server: Server, data: bytes) -> None:
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 200
        with contextlib.suppress(ConnectionError):
            await pupil.send(data)
        await pupil.gone()


async def test_a_request_that_is_never_finished(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server._care, "_limits", Limits(message_seconds=0.1))
    async with Pupil(server.port, "short.Mjpeg") as pupil:
        assert await pupil.ask("SETUP") == 200
        await pupil.send(b"PLAY short.Mj")
        await pupil.gone()


async def test_ipv6(school: Path) -> None:
    server = Server("::1", 0)
    server.mount("/", school)
    async with server, Pupil(server.port, "short.Mjpeg", "::1") as pupil:
        assert await pupil.ask("SETUP") == 200
        assert await pupil.ask("PLAY") == 200
        assert (await pupil.frame()).image == FRAMES[0]
