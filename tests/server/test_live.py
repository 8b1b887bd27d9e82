"""Live streams over real sockets: what is described and answered against what then arrives, for many at once."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from tests.groups import VIDEO
from tests.net.readers import AVAILABLE, needs_ipv6
from tests.server.raw import PATIENCE, Answer, Client, Ports, Rtp, gaps, rtcp_kinds, until

from reelcast.client.stream import connect
from reelcast.net.messages import Batching
from reelcast.rtp.burst import lay_out
from reelcast.rtp.group import Group
from reelcast.server.app import Server
from reelcast.server.broadcast import Broadcast
from reelcast.server.feed import Portion
from reelcast.track import Track

TOO_SLOW = "is too slow: frames are left out until the next keyframe"


@asynccontextmanager
async def live(
    folder: Path, *, host: str = "127.0.0.1", batching: Batching | None = None
) -> AsyncIterator[Server]:
    """A server whose /live is three seconds over and over."""
    server = Server(host, 0, batching=batching)
    server.mount("/live", folder / "short.mp4", live=True)
    async with server:
        yield server


async def set_up(client: Client) -> tuple[str, list[Answer]]:
    """Set both tracks up over TCP, on channels 0 to 3: the Session header, and what was answered."""
    first = await client.setup("/live/trackID=1", 0)
    session = f"Session: {first.session}"
    return session, [first, await client.setup("/live/trackID=2", 2, session)]


async def set_up_udp(client: Client, video: Ports, audio: Ports) -> tuple[str, list[Answer]]:
    """The same over UDP."""
    first = await client.ask("SETUP", "/live/trackID=1", video.transport)
    session = f"Session: {first.session}"
    return session, [first, await client.ask("SETUP", "/live/trackID=2", audio.transport, session)]


def check_beginning(answer: Answer, set_up: list[Answer], tracks: list[list[Rtp]]) -> None:
    """Hold what SETUP and PLAY were answered to the packets that came first."""
    assert answer.status == 200
    assert answer["Range"] == "npt=now-"
    for number, (packets, (url, sequence, rtptime)) in enumerate(zip(tracks, answer.rtp_info, strict=True)):
        assert url.endswith(f"/live/trackID={number + 1}")
        assert packets[0].sequence == sequence
        assert {packet.ssrc for packet in packets} == {int(set_up[number].transport("ssrc"), 16)}
        assert gaps(packets) == []
        if number == 0:
            assert packets[0].timestamp == rtptime
            assert is_keyframe(packets[0])


def is_keyframe(packet: Rtp) -> bool:
    """Whether a packet of H.264 begins with an SPS or an IDR slice, alone, aggregated or in fragments."""
    kind = packet.payload[0] & 31
    if kind == 24:
        kind = packet.payload[3] & 31
    elif kind == 28:
        kind = packet.payload[1] & 31
    return kind in (5, 7)


async def test_it_says_that_it_is_live(folder: Path) -> None:
    """Conformance D9."""
    async with live(folder) as server, await Client.connect(server.port) as client:
        answer = await client.ask("DESCRIBE", "/live")
        assert b"a=range:npt=now-\r\n" in answer.body
        assert server.urls() == [f"rtsp://127.0.0.1:{server.port}/live"]


@pytest.mark.parametrize("wanted", [None, "npt=0-", "npt=0.000-", "npt=now-", "npt=now-20"])
async def test_tcp(folder: Path, wanted: str | None) -> None:
    """Conformance P3, P8, P11, P22, R3."""
    async with live(folder) as server, await Client.connect(server.port) as client:
        session, answers = await set_up(client)
        answer = await client.ask("PLAY", "/live/", session, *([f"Range: {wanted}"] if wanted else []))
        tracks = [await client.packets(channel, 12) for channel in (0, 2)]
        check_beginning(answer, answers, tracks)
        assert client.order.index(answer) < client.order.index(0)
        await client.until(lambda: bool(client.frames[1] and client.frames[3]))
        assert rtcp_kinds(client.frames[1][0]) == [200, 202]


async def test_a_place_cannot_be_chosen(folder: Path) -> None:
    """Conformance P11."""
    async with live(folder) as server, await Client.connect(server.port) as client:
        session, _ = await set_up(client)
        assert (await client.ask("PLAY", "/live/", session, "Range: npt=1.5-")).status == 457
        assert (await client.ask("PLAY", "/live/", session, "Range: clock=20260101T000000Z-")).status == 456
        assert (await client.ask("PLAY", "/live/", session)).status == 200
        await client.packets(0, 3)


async def test_there_is_one_pace(folder: Path) -> None:
    async with live(folder) as server, await Client.connect(server.port) as client:
        session, _ = await set_up(client)
        for headers in (["Scale: 2"], ["Scale: -1", "Speed: 4"], []):
            answer = await client.ask("PLAY", "/live/", session, *headers)
            assert answer["Range"] == "npt=now-"
            told = {name: text for name, text in answer.headers.items() if name in ("scale", "speed")}
            assert told == {header.partition(":")[0].lower(): "1.0" for header in headers}


@pytest.mark.parametrize("batching", AVAILABLE, ids=lambda value: value.name)
@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
async def test_udp(folder: Path, host: str, batching: Batching) -> None:
    """Conformance P22."""
    async with live(folder, host=host, batching=batching) as server:
        with Ports(host) as video, Ports(host) as audio:
            async with await Client.connect(server.port, host) as client:
                session, answers = await set_up_udp(client, video, audio)
                answer = await client.ask("PLAY", "/live/", session)
                tracks = [await video.packets(15), await audio.packets(8)]
                check_beginning(answer, answers, tracks)
                for ports in (video, audio):
                    assert rtcp_kinds(await ports.report()) == [200, 202]
                await client.ask("TEARDOWN", "/live/", session)
                for ports in (video, audio):
                    while 203 not in rtcp_kinds(await ports.report()):
                        pass


async def test_pause_and_play(folder: Path) -> None:
    async with live(folder) as server, await Client.connect(server.port) as client:
        session, answers = await set_up(client)
        await client.ask("PLAY", "/live/", session)
        await client.packets(0, 12)
        paused = await client.ask("PAUSE", "/live/", session)
        assert paused["Range"].startswith("npt=")
        seen = [len(client.frames[channel]) for channel in (0, 2)]
        await asyncio.sleep(1.2)
        assert [len(client.frames[channel]) for channel in (0, 2)] == seen
        answer = await client.ask("PLAY", "/live/", session)
        tracks = [
            (await client.packets(channel, before + 8))[before:]
            for channel, before in zip((0, 2), seen, strict=True)
        ]
        check_beginning(answer, answers, tracks)


async def test_a_track_leaves(folder: Path) -> None:
    async with live(folder) as server, await Client.connect(server.port) as client:
        session, _ = await set_up(client)
        await client.ask("PLAY", "/live/", session)
        await asyncio.gather(client.packets(0, 12), client.packets(2, 5))
        assert (await client.ask("TEARDOWN", "/live/trackID=2", session)).status == 200
        await client.until(lambda: 203 in rtcp_kinds(client.frames[3][-1]))
        sound, picture = len(client.frames[2]), len(client.frames[0])
        video = await client.packets(0, picture + 12)
        assert gaps(video) == []
        assert len(client.frames[2]) == sound
        assert all(203 not in rtcp_kinds(data) for data in client.frames[1])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_fifty_come_within_a_second(folder: Path, transport: str) -> None:
    """One has been watching all the time, and loses nothing."""
    async with live(folder) as server, AsyncExitStack() as stack:
        watcher = await stack.enter_async_context(await Client.connect(server.port))
        session, watched = await set_up(watcher)
        begun = await watcher.ask("PLAY", "/live/", session)
        await watcher.packets(0, 12)

        async def come(number: int) -> list[list[Rtp]]:
            await asyncio.sleep(number / 50)
            client = await stack.enter_async_context(await Client.connect(server.port))
            if transport == "tcp":
                session, answers = await set_up(client)
                answer = await client.ask("PLAY", "/live/", session)
                tracks = [await client.packets(channel, 20) for channel in (0, 2)]
            else:
                video, audio = stack.enter_context(Ports()), stack.enter_context(Ports())
                session, answers = await set_up_udp(client, video, audio)
                answer = await client.ask("PLAY", "/live/", session)
                tracks = [await ports.packets(20) for ports in (video, audio)]
            check_beginning(answer, answers, tracks)
            return tracks

        others = await asyncio.gather(*(come(number) for number in range(50)))
        tracks = [await watcher.packets(channel, 30) for channel in (0, 2)]
        check_beginning(begun, watched, tracks)
        for track, packets in enumerate(tracks):
            known = {packet.sequence: packet for packet in packets}
            for other in others:
                assert all(known.get(packet.sequence, packet) == packet for packet in other[track])


class Fast:
    """See `reelcast.server.broadcast.Feed`: four megabytes a second, a keyframe in each group of 0.4 s."""

    FRAMES = 10
    LENGTH = 0.4
    PACKETS = 112
    paced = True

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = (VIDEO,)
        self.leading = 0
        step = round(self.LENGTH / self.FRAMES * VIDEO.clock_rate)
        sizes = [bytes([number]) * 1400 for number in range(self.FRAMES)]
        frames = [
            lay_out(
                [payload] * self.PACKETS,
                VIDEO.payload_type,
                number * step,
                number * step,
                keyframe=number == 0,
                duration=step,
            )
            for number, payload in enumerate(sizes)
        ]
        self._group = Group.build(0, [(0, frame) for frame in frames], self.tracks, last=True)

    async def portions(self, elapsed: float) -> AsyncIterator[Portion]:
        rounds = int(elapsed / self.LENGTH)
        while True:
            yield Portion(self._group, rounds * self.LENGTH)
            rounds += 1

    def close(self) -> None:
        pass


class Stalling:
    """A reader over TCP that begins, reads nothing until it is told to, and then reads on."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received = bytearray()

    @classmethod
    async def begin(cls, sock: socket.socket, port: int) -> Stalling:
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        url = f"rtsp://127.0.0.1:{port}/fast"
        await loop.sock_sendall(
            sock, f"SETUP {url} RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP\r\n\r\n".encode()
        )
        session = re.search(rb"Session: (\w+)", await loop.sock_recv(sock, 65_536))
        assert session is not None
        head = f"PLAY {url} RTSP/1.0\r\nCSeq: 2\r\nSession: {session[1].decode()}\r\n\r\n"
        await loop.sock_sendall(sock, head.encode())
        return cls(sock)

    async def read_beyond_a_gap(self) -> list[Rtp]:
        """All packets until some have been left out, and the next ones."""
        packets: list[Rtp] = []
        async with asyncio.timeout(PATIENCE):
            while True:
                self._received += await asyncio.get_running_loop().sock_recv(self._sock, 1 << 20)
                came = list(self._take())
                packets += came
                if gaps(packets[-len(came) - 1 :]):
                    return packets

    def _take(self) -> Iterator[Rtp]:
        """What has come whole."""
        place = self._received.index(b"\r\n\r\n") + 4 if self._received.startswith(b"RTSP") else 0
        while len(self._received) - place >= 4:
            mark, channel, length = struct.unpack_from("!cBH", self._received, place)
            assert mark == b"$", "a frame is torn"
            data = bytes(self._received[place + 4 : place + 4 + length])
            if len(data) < length:
                break
            if channel == 0:
                yield Rtp.read(data)
            place += 4 + length
        del self._received[:place]


async def test_a_slow_reader_comes_back_at_a_keyframe(caplog: pytest.LogCaptureFixture) -> None:
    """Conformance H23."""
    server = Server("127.0.0.1", 0)
    server.mount("/fast", Broadcast(Fast()))
    caplog.set_level(logging.INFO, "reelcast")
    async with server, await Client.connect(server.port) as watcher:
        session = f"Session: {(await watcher.setup('/fast')).session}"
        await watcher.ask("PLAY", "/fast", session)
        with socket.socket() as sock:
            slow = await Stalling.begin(sock, server.port)
            await until(lambda: TOO_SLOW in caplog.text)
            packets = await slow.read_beyond_a_gap()
        seen = len(watcher.frames[0])
        watched = await watcher.packets(0, seen + Fast.FRAMES * Fast.PACKETS)
    assert gaps(watched) == []
    before, after = gaps(packets)[0]
    last, first = (next(one for one in packets if one.sequence == number) for number in (before, after))
    # What was begun was finished, and it goes on with a keyframe's first packet.
    assert last.marker
    assert first.payload[0] == 0
    assert packets[packets.index(first) - 1] is last
    assert "goes on" in caplog.text


async def test_served_as_a_command(folder: Path) -> None:
    """`reelcast serve --live`, read by our client across the seam: no unit is missing, and time never jumps."""
    command = (sys.executable, "-m", "reelcast", "serve", "--host", "127.0.0.1", "--port", "0")
    process = await asyncio.create_subprocess_exec(
        *command, "--live", f"a={folder / 'brief.mp4'}", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        assert url.endswith("/a")
        for transport in ("udp", "tcp"):
            async with asyncio.timeout(20), connect(url, transport=transport) as stream:
                assert stream.duration is None
                times: dict[str, list[float]] = {"video": [], "audio": []}
                async for unit in stream.units():
                    times[unit.track.kind].append(unit.pts)
                    if len(times["video"]) > 50:
                        break
                assert all(one.packets.lost == 0 for one in stream.statistics())
            for kind, length in (("video", 0.04), ("audio", 1024 / 48_000)):
                shown = sorted(times[kind])[3:-3]
                steps = [after - before for before, after in pairwise(shown)]
                assert all(0 < step < length + 0.1 for step in steps)
                # The sound is the longer of the two, and goes on at once; the picture stands meanwhile.
                seams = sum(step > 1.5 * length for step in steps)
                assert seams == 0 if kind == "audio" else 2 <= seams <= 7
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0
