"""Every target of scripts/fuzz with what its corpus has, and with what hypothesis makes of that."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripts.fuzz.corpus import seeds
from scripts.fuzz.targets import TARGETS, packed, unpacked

from reelcast.rtp.packet import Packet
from reelcast.rtp.payload.registry import FORMATS

EXAMPLES = 60
PIECE_BYTES = 200


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_tables_have(name: str) -> None:
    """Conformance R8, R9, F14."""
    for data in seeds(name):
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name: str) -> None:
    """Conformance R8, R9, F14: pieces of what is valid, in any order, with anything between them."""
    valid = [data[:PIECE_BYTES] for data in seeds(name)] or [b""]
    pieces = st.sampled_from(valid) | st.binary(max_size=20)

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(pieces, max_size=6).map(b"".join))
    def attempt(data: bytes) -> None:
        TARGETS[name](data)

    attempt()


def test_every_payload_format_is_a_target() -> None:
    assert {f"payload-{one.codec}" for one in FORMATS} <= TARGETS.keys()


def test_the_corpus_is_of_our_tables() -> None:
    assert any(b"Content-Length" in data for data in seeds("reader"))
    for name in (
        "header-transport",
        "header-range",
        "url",
        "sdp",
        "rtp",
        "rtcp",
        "payload-h264",
        "payload-opus",
    ):
        assert seeds(name), name


def test_packets_are_packed_and_unpacked() -> None:
    sent = [
        Packet(96, 1, 3000, 1, True, b"first"),
        Packet(96, 1, 6000, 1, False, b"again"),
        Packet(96, 3, 6000, 1, False, bytes(160 * 2)),
    ]
    steps = [
        Packet(96, one.sequence, step, 1, one.marker, one.payload)
        for one, step in zip(sent, (1, 1, 0), strict=True)
    ]
    assert list(unpacked(packed(steps))) == sent
