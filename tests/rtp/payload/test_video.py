"""Whole streams of every video format, there and back, and through losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload import test_av1 as av1
from tests.rtp.payload import test_h264 as h264
from tests.rtp.payload import test_h265 as h265
from tests.rtp.payload import test_vp8 as vp8
from tests.rtp.payload import test_vp9 as vp9
from tests.rtp.payload.wire import goes_round, loses_only_what_is_hit, places

from reelcast.rtp.payload import depacketizer_for, packetizer_for
from reelcast.track import AccessUnit, Track


@dataclass(frozen=True)
class Format:
    """How to make a stream of one format.

    sent, received   its track at either end
    picture          a unit's data: of about so many bytes, a keyframe or not, with which extras (0 to 5)
    safe             units before losses begin: as many as it takes to know the stream
    """

    sent: Track
    received: Track
    picture: Callable[[int, bool, int], bytes]
    safe: int = 0


def of_h264(size: int, keyframe: bool, extras: int) -> bytes:
    """One to three slices, behind a delimiter or not."""
    slices = (
        h264.nal(0x65 if keyframe else 0x41, size + 2 * part, first=part == 0)
        for part in range(1 + extras // 2)
    )
    sets = (h264.SPS, h264.PPS, h264.SEI) if keyframe else ()
    return h264.annex_b(*[h264.AUD][: extras % 2], *sets, *slices)


def of_h265(size: int, keyframe: bool, extras: int) -> bytes:
    """One to three slices, behind a delimiter or not."""
    kind = h265.IDR if keyframe else h265.TRAIL
    slices = (h265.nal(kind, size + 2 * part, first=part == 0) for part in range(1 + extras // 2))
    sets = (*h265.SETS, h265.SEI) if keyframe else ()
    return h265.annex_b(*[h265.AUD][: extras % 2], *sets, *slices)


def of_av1(size: int, keyframe: bool, extras: int) -> bytes:
    """A frame, alone or between metadata and padding."""
    frame = av1.frame(size, keyframe=keyframe)
    sequence = (av1.SEQUENCE,) if keyframe else ()
    return av1.temporal_unit(*sequence, *((av1.METADATA, frame, av1.PADDING) if extras % 2 else (frame,)))


# Nothing is known of the first three before a unit of each kind was seen.
FORMATS = {
    "h264": Format(h264.TRACK, h264.TRACK, of_h264, safe=2),
    "h265": Format(h265.TRACK, h265.BARE, of_h265, safe=2),
    "av1": Format(av1.TRACK, av1.BARE, of_av1, safe=2),
    "vp8": Format(vp8.TRACK, vp8.TRACK, lambda size, keyframe, _: vp8.frame(size, keyframe=keyframe)),
    "vp9": Format(vp9.TRACK, vp9.TRACK, lambda size, keyframe, _: vp9.frame(size, keyframe=keyframe)),
}

sizes = st.lists(st.integers(4, 1500), min_size=1, max_size=12)
extras = st.integers(0, 5)
packet_sizes = st.integers(268, 1500)


def units_of(format: Format, sizes: list[int], extras: int) -> list[AccessUnit]:
    """What a single encoder makes: all keyframes open alike, and so do all others."""
    return [
        AccessUnit(format.picture(size, place % 5 == 0, extras), 3000 * place, 3000 * place, place % 5 == 0)
        for place, size in enumerate(sizes)
    ]


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
@settings(max_examples=100)
@given(sizes, extras, packet_sizes)
def test_round_trip(format: Format, sizes: list[int], extras: int, packet_size: int) -> None:
    coder = packetizer_for(format.sent, packet_size), depacketizer_for(format.received)
    goes_round(coder, units_of(format, sizes, extras), packet_size)


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
@settings(max_examples=100)
@given(sizes, extras, packet_sizes, places, places)
def test_losses(
    format: Format, sizes: list[int], extras: int, packet_size: int, lost: set[int], repeated: set[int]
) -> None:
    coder = packetizer_for(format.sent, packet_size), depacketizer_for(format.received)
    loses_only_what_is_hit(coder, units_of(format, sizes, extras), lost, repeated, safe=format.safe)
