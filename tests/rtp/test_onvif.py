"""The extension of ONVIF replay: written, read, and what is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.clock import unix_to_ntp
from reelcast.rtp.onvif import (
    MAX_REACH,
    PROFILE,
    SIZE,
    CameraClock,
    ReplayExtension,
    beneath,
    dated,
    replay_extension,
)
from reelcast.rtp.packet import Packet

NTP = 0xE0000000_80000000
PLAIN = ReplayExtension(NTP, clean=False, end=False, discontinuity=False, terminal=False, cseq=7)
PACKET = Packet(96, 1, 2, 3, True, b"payload", (PROFILE, PLAIN.to_bytes()))

FLAGS = {
    "none": (0x00, PLAIN),
    "C": (0x80, replace(PLAIN, clean=True)),
    "E": (0x40, replace(PLAIN, end=True)),
    "D": (0x20, replace(PLAIN, discontinuity=True)),
    "T": (0x10, replace(PLAIN, terminal=True)),
    "C and D, and bits that must be zero": (0xAF, replace(PLAIN, clean=True, discontinuity=True)),
}


@pytest.mark.parametrize(("flags", "expected"), FLAGS.values(), ids=FLAGS)
def test_flags(flags: int, expected: ReplayExtension) -> None:
    """Conformance O5."""
    data = NTP.to_bytes(8) + bytes((flags, 7, 0, 0))
    assert replay_extension(replace(PACKET, extension=(PROFILE, data))) == expected


def test_what_stands_behind_it_is_for_others() -> None:
    data = PLAIN.to_bytes() + b"\xff\xd8\0\0"
    assert replay_extension(replace(PACKET, extension=(PROFILE, data))) == PLAIN


@pytest.mark.parametrize(
    "extension", [None, (PROFILE, b""), (PROFILE, PLAIN.to_bytes()[:8]), (0xBEDE, PLAIN.to_bytes())]
)
def test_packets_without_one(extension: tuple[int, bytes] | None) -> None:
    assert replay_extension(replace(PACKET, extension=extension)) is None


bits = st.booleans()


@given(st.builds(ReplayExtension, st.integers(0, 2**64 - 1), bits, bits, bits, bits, st.integers(0, 255)))
def test_round_trip_over_the_wire(extension: ReplayExtension) -> None:
    packet = Packet.parse(replace(PACKET, extension=(PROFILE, extension.to_bytes())).to_bytes())
    assert packet is not None
    assert packet.payload == b"payload"
    assert replay_extension(packet) == extension


@pytest.mark.parametrize(
    "burst",
    [
        lay_out([b"one", b"three", b"two"], 96, 7, 5, keyframe=False, duration=3),
        lay_out([b"one"], 96, 1 << 33 | 7, 5, extension=(0xFFD8, b"size")),
    ],
)
def test_a_burst_that_says_when_it_was(burst: Burst) -> None:
    after = dated(burst, WALL)
    assert after[2:] == burst[2:]
    first, *others = cut(after)
    was, *rest = cut(burst)
    assert others == rest
    assert len(first.to_bytes()) == after.sizes[0] == burst.sizes[0] + SIZE
    assert replace(first, extension=None) == replace(was, extension=None)
    assert beneath(first.extension) == was.extension
    told = replay_extension(first)
    assert told == replace(PLAIN, ntp=unix_to_ntp(WALL), clean=burst.keyframe, cseq=0)


def cut(burst: Burst) -> list[Packet]:
    """The packets of a burst, parsed."""
    stops = list(accumulate(burst.sizes, initial=0))
    packets = [Packet.parse(burst.data[start:stop]) for start, stop in pairwise(stops)]
    return [packet for packet in packets if packet is not None]


WALL = 1_700_000_000.0
RATE = 8_000


def told(timestamp: int, wall: float | None) -> Packet:
    extension = replace(PLAIN, ntp=0 if wall is None else unix_to_ntp(wall))
    return replace(PACKET, timestamp=timestamp & 0xFFFFFFFF, extension=(PROFILE, extension.to_bytes()))


def test_time_of_each_unit() -> None:
    """Conformance O5."""
    clock = CameraClock(RATE)
    assert clock.unix(0) is None
    clock.take(told(-800, WALL))
    clock.take(replace(PACKET, timestamp=0, extension=None))
    # A piece of the recording ends here; the next is an hour later.
    clock.take(told(800, WALL + 3600))
    assert clock.unix(-800 & 0xFFFFFFFF) == WALL
    assert clock.unix(0) == pytest.approx(WALL + 0.1)
    assert clock.unix(800) == WALL + 3600
    assert clock.unix(1_600) == pytest.approx(WALL + 3600.1)


@pytest.mark.parametrize("timestamp", [800 - RATE, 801 + int(MAX_REACH * RATE), 800 + 2**31])
def test_times_that_nobody_told(timestamp: int) -> None:
    clock = CameraClock(RATE)
    clock.take(told(800, WALL))
    assert clock.unix(timestamp & 0xFFFFFFFF) is None


def test_a_camera_that_knows_no_time() -> None:
    clock = CameraClock(RATE)
    clock.take(told(0, None))
    assert clock.unix(0) is None
