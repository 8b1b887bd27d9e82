"""One track's intake: units with their times, reports, goodbyes; time is an argument."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.client.scripted import SSRC, audio, goodbye, sender_report
from tests.rtp.payload.wire import damaged, packets_of, places, send

from reelcast.rtp.clock import unix_to_ntp
from reelcast.rtp.intake import Intake, Place, ReceivedUnit
from reelcast.rtp.onvif import PROFILE, ReplayExtension
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import packetizer_for
from reelcast.rtp.receiver import Receiver
from reelcast.rtp.rtcp import (
    Bye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
    parse,
)
from reelcast.track import AccessUnit, Track

TRACK = Track("audio", "pcmu", 8_000, 0, channels=1)
WALL = 1_750_000_000.0


def intake(*, ordered: bool = True) -> Intake:
    return Intake(TRACK, ordered=ordered, ssrc=9, cname="me")


def take(into: Intake, *packets: bytes, now: float = 0.0) -> list[ReceivedUnit]:
    return [unit for packet in packets for unit in into.take((packet,), now, WALL + now)]


RTPTIMES = {
    "said": (16_000, 16_000 + 800, 5.1),
    "said, over the wrap": (2**32 - 400, 400, 5.1),
    "first packet before it": (16_000, 16_000 - 800, 4.9),
    "not said": (None, 123, 5.0),
    "too far off to be true": (0, 2**31, 5.0),
}


@pytest.mark.parametrize(("rtptime", "first", "pts"), RTPTIMES.values(), ids=RTPTIMES)
def test_presentation_time(rtptime: int | None, first: int, pts: float) -> None:
    """Conformance P6."""
    into = intake()
    into.play(Place(5.0, rtptime))
    assert into.position == 5.0
    received = take(into, audio(1, timestamp=first), audio(2, timestamp=first + 160 & 0xFFFFFFFF))
    assert [unit.pts for unit in received] == [pytest.approx(pts), pytest.approx(pts + 0.02)]
    assert into.position == pytest.approx(max(5.0, pts + 0.02))


def test_wall_clock_time() -> None:
    into = intake()
    (first,) = take(into, audio(1, timestamp=0), now=3.0)
    assert (first.time, first.clock) == (WALL + 3.0, "estimated")
    into.control(sender_report(8_000, unix_to_ntp(WALL - 100)), 3.5)
    (second,) = take(into, audio(2, timestamp=4_000), now=4.0)
    assert (second.time, second.clock) == (WALL - 100.5, "sender")


def test_a_new_source_goes_on_where_the_old_one_was() -> None:
    """Conformance R7."""
    into = intake()
    into.play(Place(5.0, 0))
    take(into, audio(1, timestamp=0), audio(2, timestamp=8_000))
    into.control(sender_report(0, unix_to_ntp(WALL)), 0.0)
    received = take(into, audio(700, timestamp=99, ssrc=7), audio(701, timestamp=99 + 800, ssrc=7), now=2.0)
    assert [unit.pts for unit in received] == [6.0, pytest.approx(6.1)]
    assert received[0].clock == "estimated"
    assert received[0].time == WALL + 2.0


def test_reordering_waits_for_flush() -> None:
    into = intake(ordered=False)
    assert len(take(into, audio(1), audio(3))) == 1
    assert into.flush(0.05, 0.0, WALL) == []
    assert len(into.flush(0.2, 0.0, WALL)) == 1
    assert len(take(into, audio(5))) == 0
    assert len(into.flush(math.inf, 0.0, WALL)) == 1
    assert into.statistics.lost == 2


def test_reports() -> None:
    """Conformance R6."""
    into = intake()
    assert parse(into.report(0.0)) == [ReceiverReport(9), SourceDescription(9, "me")]
    take(into, audio(5))
    into.control(compound(SenderReport(SSRC, 0x00010002_00030004, 0, 0, 0)), 10.0)
    block = ReportBlock(SSRC, 0, 0, 5, 0, 0x00020003, 65536)
    assert parse(into.report(11.0, leaving=True)) == [
        ReceiverReport(9, (block,)),
        SourceDescription(9, "me"),
        Bye((9,)),
    ]


def test_reports_are_due_by_the_interval() -> None:
    into = intake()
    assert into.report_due(0.0, 0.5) is None
    assert into.report_due(2.0, 0.5) is None
    assert into.report_due(2.1, 0.5) is not None
    assert into.report_due(6.1, 0.5) is None
    assert into.report_due(6.3, 0.5) is not None


GOODBYES = {
    "of the source": (goodbye(), True),
    "of somebody else": (goodbye(1), False),
    "of nobody": (compound(Bye(())), True),
    "junk": (b"\x81\xcb\x00\x09", False),
}


@pytest.mark.parametrize(("data", "ended"), GOODBYES.values(), ids=GOODBYES)
def test_goodbye(data: bytes, ended: bool) -> None:
    into = intake()
    take(into, audio(1))
    into.control(data, 0.0)
    assert into.ended is ended


def test_goodbye_of_a_source_that_never_spoke() -> None:
    into = intake()
    into.control(goodbye(1), 0.0)
    assert into.ended


def test_damage_until_the_next_keyframe() -> None:
    """What H.264 loses makes pictures corrupt until one that refers to no other."""
    track = Track("video", "h264", 90_000, 96)
    into = Intake(track, ordered=True, ssrc=9, cname="me")

    def picture(sequence: int, kind: int) -> list[bool]:
        packet = Packet(96, sequence, 3600 * sequence, SSRC, True, bytes((0x60 | kind,)) + b"\x88slice")
        return [unit.corrupt for unit in take(into, packet.to_bytes())]

    assert picture(1, 1) == [True], "nothing to refer to yet"
    assert picture(2, 5) == [False]
    assert picture(3, 1) == [False]
    assert picture(5, 1) == [True]
    assert picture(6, 1) == [True]
    assert picture(7, 5) == [False]


def test_a_hole_is_told_once_of_sound_too() -> None:
    into = intake()
    assert [unit.hole for number in (1, 2, 4, 5, 8) for unit in take(into, audio(number))] == [
        False,
        False,
        True,
        False,
        True,
    ]
    # Elsewhere nothing is missing.
    into.play(Place(segment=1))
    assert [unit.hole for unit in take(into, audio(70))] == [False]


def test_a_stream_that_never_has_keyframes_refreshes_bit_by_bit() -> None:
    track = Track("video", "h264", 90_000, 96)
    into = Intake(track, ordered=True, ssrc=9, cname="me")
    found = [
        unit.corrupt
        for sequence, now in enumerate((0.0, 5.0, 10.5, 11.0))
        for unit in take(
            into, Packet(96, sequence, 3600 * sequence, SSRC, True, b"\x61\x88slice").to_bytes(), now=now
        )
    ]
    assert found == [True, True, False, False]


def test_the_camera_s_own_time() -> None:
    """ONVIF's header extension is worth more than reports."""
    into = intake()
    into.control(sender_report(0, unix_to_ntp(WALL)), 0.0)
    extension = PROFILE, ReplayExtension(unix_to_ntp(WALL - 1000), True, False, False, False, 5).to_bytes()
    marked = Packet(0, 1, 160, SSRC, False, bytes(160), extension)
    first, second = take(into, marked.to_bytes(), audio(2))
    assert first.time == pytest.approx(WALL - 1000, abs=1e-6)
    assert second.time == pytest.approx(WALL - 1000 + 0.02, abs=1e-6)
    assert first.clock == second.clock == "camera"


def test_the_camera_s_own_time_is_that_of_one_place() -> None:
    """What is live carries none, and follows straight on the RTP time of the recording that was played."""
    into = intake()
    extension = PROFILE, ReplayExtension(unix_to_ntp(WALL - 1000), True, False, False, False, 5).to_bytes()
    into.play(Place(7.0, 160, 1, segment=1, clock=WALL - 2000))
    (recorded,) = take(into, Packet(0, 1, 160, SSRC, False, bytes(160), extension).to_bytes())
    assert recorded.time == pytest.approx(WALL - 1000, abs=1e-6)
    assert recorded.clock == "camera"
    into.play(Place(9.0, 320, 2, segment=2))
    (live,) = take(into, audio(2))
    assert live.clock == "estimated"


def test_a_seek_passes_over_what_was_on_its_way() -> None:
    into = intake()
    into.play(Place(0.0, 0, 0))
    take(into, audio(0), audio(1))
    into.play(Place(60.0, 480, 3, segment=1))
    assert into.position == 60.0
    received = take(into, audio(2), audio(3), audio(4))
    assert [(unit.pts, unit.segment) for unit in received] == [(60.0, 1), (pytest.approx(60.02), 1)]


def test_a_first_sequence_number_that_is_none() -> None:
    """A camera that answers a constant loses a bounded number of packets."""
    into = intake()
    take(into, audio(100))
    into.play(Place(60.0, None, 200, segment=1))
    assert [unit.unit.pts for unit in take(into, audio(300))] == [160 * 300]


def test_a_pause_loses_nothing() -> None:
    into = intake()
    into.play(Place(0.0, 0, 0, segment=1))
    take(into, audio(0), audio(1))
    into.control(sender_report(0, unix_to_ntp(WALL)), 0.0)
    into.play(Place(0.04, 320, 2, segment=1))
    (following,) = take(into, audio(2))
    assert following.pts == pytest.approx(0.04)
    assert (following.corrupt, following.segment) == (False, 1)
    assert following.clock == "estimated", "the clock went on meanwhile"


def test_what_is_live_goes_on_behind_a_pause_as_if_nothing_had_been() -> None:
    """RTP time is one, and wall-clock time is that of what is shown, whatever reports say then."""
    into = intake()
    into.play(Place(5.0, 0, 1, segment=1))
    into.control(sender_report(0, unix_to_ntp(WALL)), 0.0)
    before = take(into, audio(1, timestamp=0), audio(2, timestamp=160))
    into.play(Place(77.0, 320, 3, segment=1, goes_on=True))
    into.control(sender_report(320, unix_to_ntp(WALL + 60)), 60.0)
    after = take(into, audio(3, timestamp=320), audio(4, timestamp=480), now=60.0)
    assert [unit.pts for unit in before + after] == pytest.approx([5.0, 5.02, 5.04, 5.06])
    times = [unit.time for unit in before + after]
    assert times == pytest.approx([WALL, WALL + 0.02, WALL + 0.04, WALL + 0.06], abs=1e-5)
    assert {unit.clock for unit in after} == {"sender"}
    into.play(Place(5.06, 640, 5, segment=1, goes_on=True))
    (again,) = take(into, audio(5, timestamp=640), now=90.0)
    assert again.time == pytest.approx(WALL + 0.08, abs=1e-5)


def test_the_clock_time_of_a_recording() -> None:
    into = intake()
    into.play(Place(0.0, 800, clock=WALL - 3600))
    into.control(sender_report(800, unix_to_ntp(WALL)), 0.0)
    received = take(into, audio(1, timestamp=800), audio(2, timestamp=960))
    assert [unit.time for unit in received] == [WALL - 3600, pytest.approx(WALL - 3599.98)]
    assert received[0].clock == "sender"


def test_what_has_not_begun_cannot_go_on() -> None:
    into = intake()
    into.play(Place(5.0, 0, goes_on=True))
    (received,) = take(into, audio(1, timestamp=0))
    assert received.pts == 5.0


@pytest.mark.parametrize(("scale", "expected"), [(2.0, [5.0, 5.04]), (-1.0, [5.0, 4.98])])
def test_scale(scale: float, expected: list[float]) -> None:
    into = intake()
    into.play(Place(5.0, 0, 0, scale, 1))
    assert [unit.pts for unit in take(into, audio(0), audio(1))] == [pytest.approx(at) for at in expected]
    assert into.position == pytest.approx(expected[1])


class PacketByPacket(Receiver):
    """Takes nothing straight in."""

    def straight(self, datagrams: Sequence[bytes], start: int, now: float) -> None:
        return None


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=12), places, places, st.integers(1, 9))
@settings(max_examples=150)
def test_what_comes_at_once_is_what_comes_one_by_one(
    sizes: list[int], lost: set[int], repeated: set[int], step: int
) -> None:
    """Units, times, statistics and reports; the first frame refers to none, and every fourth."""
    track = Track("video", "h264", 90_000, 96)
    units = [
        AccessUnit(b"\0\0\0\1" + (b"\x61\x88", b"\x65\x88")[number % 4 == 0] + bytes([9]) * size, pts, pts)
        for number, size in enumerate(sizes)
        for pts in (number * 3_600,)
    ]
    sent = packets_of(send(packetizer_for(track, 300), units))
    datagrams = [packet.to_bytes() for packet in damaged(sent, lost, repeated)]
    one, other = (Intake(track, ordered=False, ssrc=9, cname="me") for _ in range(2))
    one._receiver = PacketByPacket(track.clock_rate, track.payload_type)
    for into in (one, other):
        into.play(Place(5.0, 0, 0, segment=1))
    for start in range(0, len(datagrams), step):
        now = start * 0.004
        assert other.take(datagrams[start : start + step], now, WALL + now) == one.take(
            datagrams[start : start + step], now, WALL + now
        )
        assert other.statistics == one.statistics
        assert other.position == one.position
        if start % 2:
            assert other.report(now) == one.report(now)
    assert other.flush(math.inf, 9.0, WALL) == one.flush(math.inf, 9.0, WALL)
