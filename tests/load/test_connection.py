"""Frames counted in passing and messages handed on, however the bytes are cut."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.client.scripted import ScriptedServer

from reelcast.load import connection as module
from reelcast.load.connection import Arena, Connection
from reelcast.net.shortcut import Shortcut
from reelcast.rtp.arrivals import Arrivals
from reelcast.rtp.packet import Packet
from reelcast.rtsp.message import Frame, Headers, Response
from reelcast.rtsp.reader import MAX_HEAD_BYTES
from reelcast.rtsp.url import RtspUrl

URL = RtspUrl.parse("rtsp://host/movie")
RTP, RTCP, STRANGE = 0, 1, 8
FLOW = 5


class Taker(Connection):
    """A connection without a transport, and all that comes of it; made while a loop runs."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, int, int]] = []
        self.reports: list[bytes] = []
        self.messages: list[bytes] = []
        self.arena = Arena(self._take)
        super().__init__(URL, 1.0, self.arena)
        self.receive_on((RTP, RTCP), FLOW, self.reports.append)

    def data_received(self, data: bytes) -> None:
        self.messages.append(data)
        super().data_received(data)

    def feed(self, data: bytes) -> None:
        while data:
            buffer = self.get_buffer(-1)
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            self.buffer_updated(count)
            data = data[count:]

    def _take(self, arrivals: Arrivals) -> None:
        columns = arrivals.flows.tolist(), arrivals.headers["sequence"].tolist(), arrivals.sizes.tolist()
        self.packets.extend(zip(*columns, strict=True))


def taken(chunks: Iterable[bytes]) -> Taker:
    async def take() -> Taker:
        taker = Taker()
        for chunk in chunks:
            taker.feed(chunk)
        taker.arena.hand_over()
        return taker

    return asyncio.run(take())


def packet(sequence: int, payload: bytes = b"media") -> bytes:
    return Packet(96, sequence, 0, 1, False, payload).to_bytes()


def framed(sequence: int, payload: bytes = b"media") -> bytes:
    return Frame(RTP, packet(sequence, payload)).to_bytes()


def response(cseq: int, body: bytes = b"") -> bytes:
    return Response(200, "OK", Headers([("CSeq", str(cseq))]), body).to_bytes()


PIECES = st.one_of(
    st.builds(framed, st.integers(0, 0xFFFF), st.binary(max_size=30)),
    st.builds(lambda data: Frame(RTCP, data).to_bytes(), st.binary(max_size=30)),
    st.builds(lambda data: Frame(STRANGE, data).to_bytes(), st.binary(max_size=30)),
    st.builds(response, st.integers(1, 99), st.binary(max_size=30)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=12), st.lists(st.integers(0, 600), max_size=8))
def test_all_is_found_however_it_is_cut(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    taker = taken(data[start:end] for start, end in itertools.pairwise(places))
    frames = [piece for piece in pieces if piece[:1] == b"$"]
    rtp = [piece[4:] for piece in frames if piece[1] == RTP]
    assert taker.packets == [(FLOW, int.from_bytes(data[2:4]), len(data)) for data in rtp]
    assert taker.reports == [piece[4:] for piece in frames if piece[1] == RTCP]
    assert taker.messages == [piece for piece in pieces if piece[:1] != b"$"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=10))
def test_any_bytes_are_taken(chunks: list[bytes]) -> None:
    taken(chunks)


def test_a_short_packet_at_the_very_end_is_told_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ARENA_BYTES", 64)
    monkeypatch.setattr(module, "READ_BYTES", 64)
    data = framed(1, bytes(64 - 4 - 12 - 6)) + b"$\x00\x00\x02\x80\x60"
    assert len(data) == 64
    assert [size for _, _, size in taken([data]).packets] == [46 + 8, 2]


def test_a_full_arena_is_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ARENA_BYTES", 4096)
    monkeypatch.setattr(module, "READ_BYTES", 1000)
    data = b"".join(framed(number, bytes(100)) for number in range(300))
    taker = taken(data[start : start + 777] for start in range(0, len(data), 777))
    assert [sequence for _, sequence, _ in taker.packets] == list(range(300))


@pytest.mark.parametrize("lost", [b"junk\r\n\r\n", b"\x80" * (MAX_HEAD_BYTES - 10)])
def test_where_framing_is_lost_the_dialogue_goes_on(lost: bytes) -> None:
    taker = taken([framed(1), lost, framed(2), framed(3)])
    assert [sequence for _, sequence, _ in taker.packets] == [1, 2, 3]


def test_a_body_that_is_too_large_is_the_dialogues_affair() -> None:
    taker = taken([b"RTSP/1.0 200 OK\r\nContent-Length: 999999\r\n\r\n", framed(1)])
    assert taker.packets == []


async def test_a_dialogue_with_media_in_between_by_both_ways() -> None:
    async with ScriptedServer() as server:
        server.answers["X"] = lambda request: framed(1) + Response.to(request, 200).to_bytes() + framed(2)
        taker = Taker()
        connection = Connection(RtspUrl.parse(server.url), 5.0, taker.arena)
        await connection.open()
        connection.receive_on((RTP, RTCP), FLOW, taker.reports.append)
        shortcut = Shortcut()
        for _ in range(2):
            assert (await connection.ask("X", "*")).status == 200
            connection.hurry(shortcut)
        taker.arena.hand_over()
        assert [sequence for _, sequence, _ in taker.packets] == [1, 2, 1, 2]
        shortcut.close()
        connection.close()


async def test_without_a_connection_there_is_nothing_to_hurry() -> None:
    shortcut = Shortcut()
    Taker().hurry(shortcut)
    shortcut.close()
