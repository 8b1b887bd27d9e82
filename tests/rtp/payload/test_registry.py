"""Every codec is found by its name and by the one SDP has for it."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.wire import packets_of, receive, send

from reelcast.errors import PayloadError
from reelcast.rtp.burst import MAX_PACKET_SIZE
from reelcast.rtp.packet import Run
from reelcast.rtp.payload import depacketizer_for, format_by_encoding, format_of, packetizer_for
from reelcast.rtp.payload.latm import LatmDepacketizer
from reelcast.rtp.payload.registry import FORMATS
from reelcast.track import AccessUnit, Codec, Track


def test_every_codec_has_a_format() -> None:
    assert {one.codec for one in FORMATS} == set(get_args(Codec))


@pytest.mark.parametrize(
    "encoding",
    [
        *("H264", "H265", "VP8", "VP9", "AV1", "JPEG", "MP2T", "MPEG4-GENERIC", "opus", "MPA"),
        *("PCMU", "PCMA", "G722", "L16"),
    ],
)
def test_by_encoding(encoding: str) -> None:
    found = format_by_encoding(encoding)
    assert found is not None
    assert found is format_by_encoding(encoding.lower()) is format_of(found.codec)
    assert found.encoding == encoding


@pytest.mark.parametrize("encoding", ["", "H266", "vnd.onvif.metadata"])
def test_unknown_encoding(encoding: str) -> None:
    assert format_by_encoding(encoding) is None


def test_aac_has_two() -> None:
    """What is sent is of RFC 3640 in any case."""
    latm, usual = format_by_encoding("mp4a-latm"), format_of("aac")
    assert latm is not None
    assert (latm.encoding, usual.encoding) == ("MP4A-LATM", "MPEG4-GENERIC")
    assert latm.packetizer is usual.packetizer
    track = Track("audio", "aac", 48_000, 96, 2, config=bytes.fromhex("1190"), latm=True)
    assert isinstance(depacketizer_for(track), LatmDepacketizer)


def test_unknown_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelcast.rtp.payload.registry._BY_CODEC", {"h264": FORMATS[0]})
    with pytest.raises(PayloadError, match="no RTP payload format for aac; there are h264"):
        format_of("aac")


def test_made_for_a_track() -> None:
    """Conformance R11."""
    track = Track("video", "h264", 90000, 96)
    unit = AccessUnit(b"\0\0\0\1\x65\x88" + b"a" * 5000, 7, 7)
    whole, small = (
        packets_of(send(packetizer, [unit]))
        for packetizer in (packetizer_for(track), packetizer_for(track, 500))
    )
    assert max(len(one.to_bytes()) for one in whole) == MAX_PACKET_SIZE
    assert max(len(one.to_bytes()) for one in small) == 500
    assert receive(depacketizer_for(track), small) == [unit]


PIECES = st.builds(
    bytes.__add__,
    st.sampled_from(
        [
            b"",
            b"\x7c\x85\x88",
            b"\x7c\x05",
            b"\x7c\x45",
            b"\x65\x88",
            b"\x18\0\2\x67\x42",
            b"\x62\1\x93",
            b"\x62\1\x53",
        ]
    ),
    st.binary(max_size=12),
)
"""Payloads; of H.264 and H.265 some are fragments and aggregates."""


@pytest.mark.parametrize("codec", [found.codec for found in FORMATS])
@given(
    st.lists(
        st.tuples(
            st.integers(-2, 2), st.integers(0, 1), st.booleans(), st.lists(PIECES, min_size=1, max_size=5)
        ),
        max_size=8,
    )
)
@settings(max_examples=50)
def test_a_run_gives_what_its_packets_give(
    codec: Codec, rows: list[tuple[int, int, bool, list[bytes]]]
) -> None:
    """Each run follows on the one before, or a few places from there."""
    track = Track(format_of(codec).kind, codec, 8_000, 96, channels=1)
    one, other = depacketizer_for(track), depacketizer_for(track)
    number = timestamp = 0
    for gap, step, marker, payloads in rows:
        timestamp += 100 * step
        run = Run(96, number + gap & 0xFFFF, timestamp, 1, marker, payloads)
        assert other.receive_run(run) == receive(one, run.packets())
        number = run.sequence + len(payloads)
