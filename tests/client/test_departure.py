from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import pytest

from reelcast.client import departure as module
from reelcast.client.departure import Departure
from reelcast.net.clock import unix_now
from reelcast.net.fanout import FanOut
from reelcast.net.flight import Aired, Flight
from reelcast.rtp.clock import compact_ntp, ntp_to_unix
from reelcast.rtp.group import MAX_RUN_PACKETS, Group
from reelcast.rtp.packet import Packet
from reelcast.rtp.rtcp import (
    Bye,
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    parse,
)
from reelcast.rtsp.headers import TransportSpec
from reelcast.track import AccessUnit, Track

VIDEO = Track("video", "vp8", 90_000, 96)
LARGE, PACKETS = 168_000, 117
"""Bytes of a picture that is sent in parts, and its packets."""
AUDIO = Track("audio", "aac", 48_000, 97, channels=2, config=b"\x11\x90")


class Way:
    """Both an exit and a carrier; `batches` has the packets of each flush, `reports` what was reported."""

    channels: Mapping[int, int] | None = None
    eager = False
    max_lag = 0.1
    ready = True

    def __init__(self, *, spread: bool = True) -> None:
        self.batches: list[list[Packet]] = []
        self.reports: list[Report] = []
        self.closed = False
        self.flushed = asyncio.Event()
        self._spread = spread
        self._batch: list[Packet] = []

    async def open(self) -> TransportSpec:
        return TransportSpec()

    def agree(self, answer: str | None) -> Way:
        return self

    def dues(self, group: Group) -> Sequence[float]:
        return group.spread if self._spread else group.dues

    def send(self, flight: Flight, start: int, stop: int) -> None:
        for run in flight.group.runs[start:stop]:
            for data in flight.packets(run.first, run.count):
                packet = Packet.parse(data)
                assert packet is not None
                self._batch.append(packet)

    def report(self, track: int, data: bytes) -> None:
        assert track == 0
        self.reports += parse(data)

    def flight(self, aired: Aired) -> Flight:
        raise NotImplementedError

    def join(self, fan_out: FanOut) -> None:
        raise NotImplementedError

    def leave(self, fan_out: FanOut) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        if self._batch:
            self.batches.append(self._batch)
            self._batch = []
        self.flushed.set()

    def close(self) -> None:
        self.closed = True

    @property
    def packets(self) -> list[Packet]:
        return [packet for batch in self.batches for packet in batch]


def unit(number: int, size: int = 100, *, track: Track = VIDEO) -> AccessUnit:
    step = 3600 if track is VIDEO else 1024
    place = round(1_800_000_000 * track.clock_rate) + number * step
    return AccessUnit(b"\0" + bytes([number]) * (size - 1), place, place, number == 0, step)


async def test_units_leave_stamped_and_counted() -> None:
    way = Way()
    departure = Departure(VIDEO, way, way, "us")
    for number in range(3):
        departure.send(unit(number, 3000))
    assert [len(batch) for batch in way.batches] == [3, 3, 3]
    first = way.packets[0].sequence
    assert [(packet.sequence - first) & 0xFFFF for packet in way.packets] == list(range(9))
    assert len({packet.ssrc for packet in way.packets}) == 1
    stamps = [packet.timestamp for packet in way.packets[::3]]
    assert [(stamp - stamps[0]) & 0xFFFFFFFF for stamp in stamps] == [0, 3600, 7200]
    assert (departure.units, departure.packets) == (3, 9)
    assert departure.octets == sum(len(packet.payload) for packet in way.packets)
    other = Way()
    Departure(VIDEO, other, other, "us").send(unit(0))
    assert other.packets[0].ssrc != way.packets[0].ssrc


async def test_a_large_picture_is_spread_and_the_next_does_not_overtake_it() -> None:
    way = Way()
    departure = Departure(VIDEO, way, way, "us")
    departure.send(unit(0, LARGE))
    # The first part leaves at once, the rest when it is due.
    assert len(way.packets) == MAX_RUN_PACKETS
    while len(way.packets) < PACKETS:
        way.flushed.clear()
        await way.flushed.wait()
    assert len(way.batches) >= 2
    departure.send(unit(1, LARGE))
    departure.send(unit(2, 100))
    assert [len(batch) for batch in way.batches[-1:]] == [PACKETS - MAX_RUN_PACKETS + 1]
    sequences = [packet.sequence for packet in way.packets]
    assert [(number - sequences[0]) & 0xFFFF for number in sequences] == list(range(2 * PACKETS + 1))


async def test_over_tcp_it_leaves_at_once() -> None:
    way = Way(spread=False)
    Departure(VIDEO, way, way, "us").send(unit(0, LARGE))
    assert len(way.batches) == 1


async def test_what_waits_at_the_end_is_sent() -> None:
    way = Way()
    departure = Departure(VIDEO, way, way, "us")
    departure.begin()
    departure.send(unit(0, LARGE))
    departure.goodbye()
    assert len(way.packets) == PACKETS
    assert [type(report) for report in way.reports[-3:]] == [SenderReport, SourceDescription, Bye]
    departure.close()
    assert way.closed


async def test_what_is_closed_sends_no_more() -> None:
    way = Way()
    departure = Departure(VIDEO, way, way, "us")
    departure.send(unit(0, LARGE))
    departure.close()
    await asyncio.sleep(0.05)
    assert len(way.packets) == MAX_RUN_PACKETS


async def test_nothing_is_said_where_nothing_was_begun() -> None:
    way = Way()
    departure = Departure(VIDEO, way, way, "us")
    departure.report_if_due()
    departure.goodbye()
    assert way.reports == []


async def test_sound_waits_to_share_a_packet_until_it_is_to_go() -> None:
    way = Way()
    departure = Departure(AUDIO, way, way, "us")
    departure.send(unit(0, track=AUDIO))
    departure.send(unit(1, track=AUDIO))
    assert way.packets == []
    departure.flush()
    assert len(way.packets) == 1
    departure.flush()
    assert len(way.packets) == 1


async def test_units_that_no_packet_carries_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    way = Way()
    departure = Departure(VIDEO, way, way, "us")
    departure.send(AccessUnit(b"", 0, 0))
    departure.send(unit(0))
    assert departure.units == 1
    assert "the VP8 frame is empty" in caplog.text


async def test_reports_tie_timestamps_to_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    intervals = [0.0, 1000.0, 1000.0]
    monkeypatch.setattr(module, "next_interval", lambda _: intervals.pop(0))
    way = Way()
    departure = Departure(VIDEO, way, way, "our name")
    before = unix_now()
    departure.begin()
    departure.send(unit(0))
    departure.report_if_due()
    departure.report_if_due()
    # At once, and when it was due.
    assert len(way.reports) == 4
    report, description = way.reports[:2]
    assert isinstance(report, SenderReport)
    assert isinstance(description, SourceDescription)
    assert description.cname == "our name"
    assert (report.packets, report.octets) == (0, 0)
    again = way.reports[2]
    assert isinstance(again, SenderReport)
    assert (again.packets, again.octets) == (1, departure.octets)
    told = ntp_to_unix(report.ntp)
    assert before - 0.001 <= told <= unix_now() + 0.001
    assert abs(told - time.time()) < 60
    # Of any timestamp, the time that its unit has.
    packet = way.packets[0]
    ticks = (packet.timestamp - report.rtp) & 0xFFFFFFFF
    behind = round((1_800_000_000 - told) * 90_000) & 0xFFFFFFFF
    assert min((ticks - behind) & 0xFFFFFFFF, (behind - ticks) & 0xFFFFFFFF) <= 2


async def test_what_the_server_says() -> None:
    way = Way()
    departure = Departure(VIDEO, way, way, "us")
    departure.begin()
    departure.send(unit(0))
    ssrc = way.packets[0].ssrc
    report = way.reports[0]
    assert isinstance(report, SenderReport)

    def tell(ssrc: int, last_sr: int = 0, delay: int = 0) -> None:
        block = ReportBlock(ssrc, 0, 7, 1, 90, last_sr, delay)
        departure.control(compound(ReceiverReport(1, (block,)), SourceDescription(1, "them")))

    tell(ssrc ^ 1)
    assert departure.told is None
    tell(ssrc)
    assert departure.told is not None
    assert departure.told.cumulative_lost == 7
    assert departure.round_trip is None
    tell(ssrc, compact_ntp(report.ntp))
    assert departure.round_trip is not None
    assert 0 <= departure.round_trip < 30
    # A server whose clock runs fast waited longer than it took.
    tell(ssrc, compact_ntp(report.ntp), 3600 * 65_536)
    assert departure.round_trip == 0.0
    departure.control(b"nonsense")
