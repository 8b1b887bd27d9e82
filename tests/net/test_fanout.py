"""Fan-outs: all readers of a stream are sent the same, wherever they are and however slow the others."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.groups import AUDIO, VIDEO, burst, group_of
from tests.net.links import Recorder, linked
from tests.net.readers import AVAILABLE, BEST, HOSTS, Calls, Reader, bound, closed_port

from reelcast.net import fanout, interleaved_fanout
from reelcast.net.carrier import Carrier, InterleavedCarrier, UdpCarrier
from reelcast.net.fanout import MESSAGE_BYTES, FanOut, UdpFanOut
from reelcast.net.flight import Aired, Layout
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.interleaved_fanout import MAX_QUEUE_BYTES, InterleavedFanOut
from reelcast.net.messages import Batching, Destination
from reelcast.net.udp import UdpPair
from reelcast.rtp.group import MAX_RUN_PACKETS
from reelcast.rtp.sender import Sender

SO_NO_CHECK = 11
BOTH = (0, 0, 1), (1, 2, 3)
each_way = pytest.mark.parametrize("batching", AVAILABLE, ids=lambda value: value.name)


def aired() -> Aired:
    """Runs 0 to 2 are a keyframe, 3 a sound, 4 and 5 a frame, 6 a single packet, 7 a sound."""
    group = group_of(
        [
            (0, burst(VIDEO, 0, (1400,) * 2 * MAX_RUN_PACKETS + (9,), duration=9000)),
            (1, burst(AUDIO, 0, (160,), duration=160)),
            (0, burst(VIDEO, 9000, (700, 700, 30, 40), duration=9000, keyframe=False)),
            (0, burst(VIDEO, 18_000, (30,), duration=9000, keyframe=False)),
            (1, burst(AUDIO, 1600, (150,), duration=160)),
        ]
    )
    senders = {0: Sender(1, 0xFFF0, 0, 90_000), 1: Sender(2, 0, 0, 8_000)}
    return Aired(0, group, senders, 0.0)


AIRED = aired()
RUNS = AIRED.group.runs
assert len(RUNS) == 8
VIDEO_RUNS = [number for number, run in enumerate(RUNS) if run.track == 0]


def packets_of(*runs: int, layout: Layout = None) -> list[bytes]:
    flight = AIRED.flight(layout)
    return [packet for run in runs for packet in flight.packets(RUNS[run].first, RUNS[run].count)]


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def fan_out_to(
    sockets: ExitStack, batching: Batching, *destinations: Destination, host: str = "127.0.0.1"
) -> UdpFanOut:
    fan_out = UdpFanOut(bound(sockets, host), batching)
    for destination in destinations:
        fan_out.add(destination)
    return fan_out


class TestUdp:
    @each_way
    @HOSTS
    def test_all_are_sent_the_same(self, sockets: ExitStack, batching: Batching, host: str) -> None:
        readers = [Reader(sockets, host) for _ in range(3)]
        fan_out = fan_out_to(sockets, batching, *(reader.destination for reader in readers), host=host)
        assert len(fan_out) == 3
        for number in VIDEO_RUNS:
            fan_out.send(AIRED, number)
        fan_out.send_datagram(b"report")
        for reader in readers:
            assert reader.received() == [*packets_of(*VIDEO_RUNS), b"report"]

    @each_way
    def test_nobody(self, sockets: ExitStack, batching: Batching) -> None:
        fan_out = fan_out_to(sockets, batching)
        fan_out.send(AIRED, 0)
        fan_out.send_datagram(b"report")
        assert len(fan_out) == 0

    @each_way
    def test_more_than_there_was_room_for(self, sockets: ExitStack, batching: Batching) -> None:
        readers = [Reader(sockets) for _ in range(200)]
        fan_out = fan_out_to(sockets, batching)
        for reader in readers[:100]:
            fan_out.add(reader.destination)
        fan_out.send(AIRED, 4)
        for reader in readers[100:]:
            fan_out.add(reader.destination)
        fan_out.send(AIRED, 6)
        fan_out.send(AIRED, 4)
        for number, reader in enumerate(readers):
            assert reader.received() == packets_of(*((4, 6, 4) if number < 100 else (6, 4)))

    @each_way
    def test_nobody_listens_at_some(self, sockets: ExitStack, batching: Batching) -> None:
        readers = [Reader(sockets) for _ in range(5)]
        fan_out = fan_out_to(sockets, batching)
        for reader in readers:
            fan_out.add(closed_port(sockets))
            fan_out.add(reader.destination)
        fan_out.add(Destination(socket.AF_INET, ("192.0.2.1", 5000)))
        for number in (4, 5, 6):
            fan_out.send(AIRED, number)
        fan_out.send_datagram(b"report")
        for reader in readers:
            assert reader.received() == [*packets_of(4, 5, 6), b"report"]

    @each_way
    @settings(max_examples=20)
    @given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30))
    def test_coming_and_going(self, batching: Batching, steps: list[tuple[bool, int]]) -> None:
        with ExitStack() as sockets:
            readers = [Reader(sockets) for _ in range(6)]
            fan_out = fan_out_to(sockets, batching)
            here: set[int] = set()
            expected: list[list[bytes]] = [[] for _ in readers]
            for comes, who in steps:
                if not comes:
                    # Leaving twice is no error.
                    fan_out.remove(readers[who].destination)
                    here.discard(who)
                elif who not in here:
                    fan_out.add(readers[who].destination)
                    here.add(who)
                assert len(fan_out) == len(here)
                fan_out.send(AIRED, 4)
                for who in here:
                    expected[who] += packets_of(4)
            assert [reader.received() for reader in readers] == expected


@pytest.mark.skipif(BEST is not Batching.SEGMENTED, reason="no segmentation offload here")
class TestSegmentation:
    def test_one_call_for_all(self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        readers = [Reader(sockets) for _ in range(3)]
        fan_out = fan_out_to(sockets, BEST, *(reader.destination for reader in readers))
        calls = Calls(fan_out._messages)
        monkeypatch.setattr(fan_out._messages, "_sendmmsg", calls)
        fan_out.send(AIRED, 0)
        assert calls.messages == [3]

    def test_a_path_that_refuses(self, sockets: ExitStack, caplog: pytest.LogCaptureFixture) -> None:
        sock = bound(sockets)
        fan_out = UdpFanOut(sock, BEST)
        readers = [Reader(sockets) for _ in range(3)]
        for reader in readers:
            fan_out.add(reader.destination)
        sock.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        with caplog.at_level(logging.INFO):
            for number in (4, 6, 4):
                fan_out.send(AIRED, number)
            fan_out.send_datagram(b"report")
        assert caplog.text.count("no segmentation offload") == 3
        assert len(fan_out) == 3
        for reader in readers:
            assert reader.received() == [*packets_of(4, 6, 4), b"report"]
        fan_out.remove(readers[1].destination)
        fan_out.remove(readers[1].destination)
        fan_out.send(AIRED, 4)
        assert [len(reader.received()) for reader in readers] == [3, 0, 3]

    def test_the_others_keep_it(self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        readers = [Reader(sockets) for _ in range(3)]
        fan_out = fan_out_to(sockets, BEST, *(reader.destination for reader in readers))
        odd = readers[0].destination.pointer
        calls = Calls(fan_out._messages, lambda name, _: 22 if name == odd else 0)
        monkeypatch.setattr(fan_out._messages, "_sendmmsg", calls)
        for _ in range(2):
            fan_out.send(AIRED, 4)
        assert calls.messages == [2, 2]
        assert [reader.received() for reader in readers] == 3 * [packets_of(4, 4)]
        assert [reader.destination.segmented for reader in readers] == [False, True, True]

    def test_a_single_packet_says_nothing_about_it(
        self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reader = Reader(sockets)
        fan_out = fan_out_to(sockets, BEST, reader.destination)
        monkeypatch.setattr(fan_out._messages, "_sendmmsg", Calls(fan_out._messages, lambda *_: 22))
        fan_out.send(AIRED, 6)
        assert reader.received() == packets_of(6)
        assert reader.destination.segmented


def test_headers_lie_as_the_kernel_has_them(sockets: ExitStack) -> None:
    fan_out = fan_out_to(sockets, Batching.PLAIN, *(Reader(sockets).destination for _ in range(65)))
    assert fan_out._headers.strides == (64,)
    assert np.count_nonzero(fan_out._headers["name"]) == 65


def writers(count: int) -> tuple[list[Recorder], list[InterleavedWriter]]:
    transports = [Recorder() for _ in range(count)]
    return transports, [InterleavedWriter(transport) for transport in transports]


def joined(*runs: int, layout: Layout = BOTH) -> bytes:
    return b"".join(packets_of(*runs, layout=layout))


class TestInterleaved:
    def test_all_are_sent_the_same(self) -> None:
        transports, (first, second) = writers(2)
        fan_out = InterleavedFanOut(BOTH)
        fan_out.add(first)
        fan_out.send(AIRED, 0, 4, entry=True)
        fan_out.add(second)
        fan_out.write(1, b"report")
        fan_out.send(AIRED, 4, 8)
        later = b"$\x03\x00\x06report" + joined(4, 5, 6, 7)
        assert [transport.written for transport in transports] == [joined(0, 1, 2, 3) + later, later]
        fan_out.remove(first)
        fan_out.remove(first)
        assert len(fan_out) == 1

    def test_one_track(self) -> None:
        (transport,), (writer,) = writers(1)
        layout = ((1, 4, 5),)
        fan_out = InterleavedFanOut(layout)
        fan_out.add(writer)
        fan_out.send(AIRED, 0, 3, entry=True)
        fan_out.write(0, b"report")
        assert transport.written == b""
        fan_out.send(AIRED, 0, 8, entry=True)
        fan_out.write(1, b"report")
        assert transport.written == joined(3, 7, layout=layout) + b"$\x05\x00\x06report"

    def test_what_waits_keeps_its_order(self) -> None:
        (transport,), (writer,) = writers(1)
        fan_out = InterleavedFanOut(BOTH)
        fan_out.add(writer)
        transport.waiting = MAX_QUEUE_BYTES - 1
        fan_out.send(AIRED, 4, 6)
        transport.waiting = 0
        fan_out.send(AIRED, 6, 7)
        assert transport.written == joined(4, 5, 6)

    def test_a_slow_one_goes_on_at_a_keyframe(self, caplog: pytest.LogCaptureFixture) -> None:
        (slow, other), both = writers(2)
        fan_out = InterleavedFanOut(BOTH)
        for writer in both:
            fan_out.add(writer)
        slow.waiting = MAX_QUEUE_BYTES
        fan_out.send(AIRED, 4, 6)
        assert slow.written == b""
        assert "too slow" in caplog.text
        assert len(fan_out) == 2
        # Not before it has taken all that waits, even at a keyframe.
        slow.waiting = 1
        fan_out.send(AIRED, 0, 3, entry=True)
        slow.waiting = 0
        # Not with a frame, with sound, or with the rest of a keyframe.
        for first, stop in ((4, 6), (3, 4), (1, 3)):
            fan_out.send(AIRED, first, stop)
            fan_out.write(0, b"report")
        assert slow.written == b""
        fan_out.send(AIRED, 0, 3, entry=True)
        fan_out.send(AIRED, 3, 6)
        assert slow.written == joined(0, 1, 2, 3, 4, 5)
        assert other.written.endswith(joined(0, 1, 2, 3, 4, 5))
        assert len(fan_out) == 2

    def test_what_waits_is_bounded_by_its_age_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that takes little by little, but falls behind."""
        now = 100.0
        monkeypatch.setattr(interleaved_fanout, "time", SimpleNamespace(monotonic=lambda: now))
        (transport,), (writer,) = writers(1)
        fan_out = InterleavedFanOut(BOTH)
        fan_out.add(writer)
        size = len(joined(4, 5))
        for waiting in (1, 1, 1, 1, 2):
            transport.waiting = waiting * size
            fan_out.send(AIRED, 4, 6)
            now += 1.0
        assert transport.written == joined(4, 5) * 5
        assert fan_out.shed == 0
        transport.waiting = 3 * size
        fan_out.send(AIRED, 4, 6)
        assert transport.written == joined(4, 5) * 5
        assert fan_out.shed == 1

    def test_a_slow_one_goes(self) -> None:
        (transport,), (writer,) = writers(1)
        fan_out = InterleavedFanOut(BOTH)
        fan_out.add(writer)
        transport.waiting = MAX_QUEUE_BYTES
        fan_out.send(AIRED, 4, 6)
        fan_out.remove(writer)
        transport.waiting = 0
        fan_out.send(AIRED, 0, 3, entry=True)
        assert transport.written == b""
        assert len(fan_out) == 0


async def test_straight_into_the_socket() -> None:
    fan_out = InterleavedFanOut(BOTH)
    async with linked(direct=True, buffer=1 << 16) as fast, linked(direct=True) as slow:
        for link in (fast, slow):
            assert link.writer.send is not None
            fan_out.add(link.writer)
        whole = joined(*range(8))
        for _ in range(3):
            fan_out.send(AIRED, 0, 3, entry=True)
            fan_out.send(AIRED, 3, 8)
            await fast.read_all(len(fast.received) + len(whole))
        assert not slow.writer.idle
        for link in (slow, fast):
            assert await link.read_all(3 * len(whole)) == 3 * whole


async def test_a_connection_that_breaks_is_its_own_trouble() -> None:
    fan_out = InterleavedFanOut(BOTH)
    async with linked(direct=True, buffer=1 << 16) as whole, linked(direct=True) as broken:
        for link in (broken, whole):
            fan_out.add(link.writer)
        broken.reset()
        for _ in range(3):
            fan_out.send(AIRED, 3, 8)
        assert await whole.read_all(3 * len(joined(*range(3, 8)))) == 3 * joined(*range(3, 8))
        await broken.lost.gone.wait()


def _ignore(*_: object) -> None: ...


@asynccontextmanager
async def pair_of(batching: Batching) -> AsyncIterator[tuple[UdpPair, ExitStack]]:
    pair = await UdpPair.open("127.0.0.1", 0, batching, _ignore, _ignore)
    with ExitStack() as stack:
        stack.callback(pair.close)
        yield pair, stack


@each_way
async def test_readers_of_all_kinds(batching: Batching) -> None:
    async with pair_of(batching) as (pair, stack):
        rtp, rtcp = [[Reader(stack) for _ in range(3)] for _ in range(2)]
        ports = [(media.destination, report.destination) for media, report in zip(rtp, rtcp, strict=True)]
        transports, (same, also, other) = writers(3)
        swapped = (0, 2, 3), (1, 0, 1)
        carriers: list[Carrier] = [
            UdpCarrier(pair, {0: ports[0], 1: ports[1]}),
            UdpCarrier(pair, {0: ports[2]}),
            InterleavedCarrier(same, {0: (0, 1), 1: (2, 3)}),
            InterleavedCarrier(also, {0: (0, 1), 1: (2, 3)}),
            InterleavedCarrier(other, {0: (2, 3), 1: (0, 1)}),
        ]
        fan_out = FanOut()
        assert not len(fan_out)
        for carrier in carriers:
            carrier.join(fan_out)
        assert len(fan_out) == 3 + 3
        fan_out.begin(AIRED, 0, 4, entry=True)
        assert fan_out.left == fan_out.weight(RUNS[:4])
        fan_out.begin(AIRED, 4, 8)
        fan_out.report(1, b"report")
        video, audio = packets_of(*VIDEO_RUNS), packets_of(3, 7)
        assert [reader.received() for reader in rtp] == [video, audio, video]
        assert [reader.received() for reader in rtcp] == [[], [b"report"], []]
        whole = joined(*range(8)) + b"$\x03\x00\x06report"
        assert transports[0].written == transports[1].written == whole
        assert transports[2].written == joined(*range(8), layout=swapped) + b"$\x01\x00\x06report"
        assert carriers[0].flight(AIRED) is AIRED.flight()
        assert carriers[4].flight(AIRED) is AIRED.flight(swapped)
        for carrier in carriers:
            carrier.leave(fan_out)
        assert not len(fan_out)
        fan_out.begin(AIRED, 0, 8, entry=True)
        assert not fan_out.left
        assert not fan_out.weight(RUNS)
        fan_out.report(0, b"report")
        assert not any(reader.received() for reader in (*rtp, *rtcp))
        assert transports[0].written == whole


@pytest.fixture
def shares_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "SHARE", 2)


@pytest.mark.usefixtures("shares_of_two")
class TestParts:
    def join(
        self, fan_out: FanOut, count: int, *, swapped: bool = False
    ) -> tuple[list[Recorder], list[Carrier]]:
        transports, joining = writers(count)
        channels = {0: (2, 3), 1: (0, 1)} if swapped else {0: (0, 1), 1: (2, 3)}
        carriers: list[Carrier] = [InterleavedCarrier(writer, channels) for writer in joining]
        for carrier in carriers:
            carrier.join(fan_out)
        return transports, carriers

    def test_a_share_at_a_time(self) -> None:
        fan_out = FanOut()
        transports, _ = self.join(fan_out, 5)
        whole = joined(*range(8))
        fan_out.begin(AIRED, 0, 8, entry=True)
        assert not any(transport.written for transport in transports)
        weight = fan_out.weight(RUNS)
        assert fan_out.left == weight > 5 * len(whole)
        for left, served in ((3, 2), (1, 4), (0, 5)):
            fan_out.proceed(1)
            assert fan_out.left == left * weight / 5
            assert [transport.written for transport in transports] == [whole] * served + [b""] * (5 - served)
        fan_out.proceed(1)
        assert fan_out.left == 0

    def test_as_many_shares_as_the_limit_allows(self) -> None:
        fan_out = FanOut()
        transports, _ = self.join(fan_out, 4)
        self.join(fan_out, 1, swapped=True)
        size = AIRED.group.runs[6].size + MESSAGE_BYTES
        fan_out.begin(AIRED, 6, 7)
        fan_out.proceed(4 * size)
        assert fan_out.left == size
        assert all(transport.written == joined(6) for transport in transports)
        fan_out.finish()
        fan_out.begin(AIRED, 6, 7)
        fan_out.proceed(5 * size)
        assert not fan_out.left

    def test_what_is_begun_meanwhile_follows(self) -> None:
        fan_out = FanOut()
        transports, _ = self.join(fan_out, 3)
        fan_out.begin(AIRED, 0, 3, entry=True)
        fan_out.proceed(1)
        fan_out.begin(AIRED, 3, 4)
        while fan_out.left:
            fan_out.proceed(1)
        assert all(transport.written == joined(0, 1, 2, 3) for transport in transports)

    def test_who_comes_and_goes_meanwhile_finds_it_finished(self) -> None:
        fan_out = FanOut()
        transports, carriers = self.join(fan_out, 5)
        fan_out.begin(AIRED, 0, 3, entry=True)
        fan_out.proceed(1)
        late, _ = self.join(fan_out, 1)
        assert all(transport.written == joined(0, 1, 2) for transport in transports)
        fan_out.begin(AIRED, 3, 4)
        fan_out.proceed(1)
        carriers[4].leave(fan_out)
        assert transports[4].written == joined(0, 1, 2, 3)
        assert late[0].written == joined(3)
        fan_out.begin(AIRED, 4, 5)
        fan_out.proceed(1)
        fan_out.report(0, b"report")
        assert late[0].written == joined(3, 4) + b"$\x01\x00\x06report"
        assert len(fan_out) == 5

    def test_places_that_are_left_are_taken(self) -> None:
        fan_out = FanOut()
        _, carriers = self.join(fan_out, 4)
        carriers[0].leave(fan_out)
        self.join(fan_out, 1)
        fan_out.begin(AIRED, 0, 8, entry=True)
        fan_out.proceed(1)
        assert fan_out.left
        fan_out.proceed(1)
        assert not fan_out.left

    def test_a_connection_may_have_two_sessions(self) -> None:
        fan_out = FanOut()
        (transport,), (writer,) = writers(1)
        first = InterleavedCarrier(writer, {0: (0, 1), 1: (2, 3)})
        second = InterleavedCarrier(writer, {0: (4, 5)})
        for carrier in (first, second):
            carrier.join(fan_out)
        assert len(fan_out) == 2
        fan_out.begin(AIRED, 4, 5)
        fan_out.finish()
        alone = joined(4, layout=((0, 4, 5),))
        assert transport.written == joined(4) + alone
        first.leave(fan_out)
        fan_out.begin(AIRED, 4, 5)
        fan_out.finish()
        assert transport.written == joined(4) + alone * 2
        second.leave(fan_out)
        assert len(fan_out) == 0

    async def test_a_run_goes_to_all_before_the_next(self) -> None:
        async with pair_of(BEST) as (pair, stack):
            readers = [Reader(stack) for _ in range(3)]
            fan_out = FanOut()
            for reader in readers:
                UdpCarrier(pair, {0: (reader.destination, Reader(stack).destination)}).join(fan_out)
            fan_out.begin(AIRED, 4, 6)
            for heard in (((4,), (4,), ()), ((), (), (4,)), ((5,), (5,), ()), ((), (), (5,))):
                fan_out.proceed(1)
                assert [reader.received() for reader in readers] == [packets_of(*runs) for runs in heard]
