"""AudioSpecificConfig: known ones, round trips, anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.errors import PayloadError
from reelcast.rtp.payload.aac_config import AudioConfig, adts_blocks, build_config, parse_config


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("1190", AudioConfig(2, 48000, 2)),
        ("1210", AudioConfig(2, 44100, 2)),
        ("1408", AudioConfig(2, 16000, 1)),
        ("119056e500", AudioConfig(2, 48000, 2)),
        ("1194", AudioConfig(2, 48000, 2, 960)),
        ("1180", AudioConfig(2, 48000, 0)),
        ("11b8", AudioConfig(2, 48000, 8)),
        # Explicit SBR: 22,050 Hz that become 44,100; with parametric stereo below.
        ("2b920800", AudioConfig(2, 22050, 2)),
        ("eb8a0800", AudioConfig(2, 22050, 1)),
        # 12,345 Hz, spelt out; and xHE-AAC, whose type is escaped.
        ("1780181c90", AudioConfig(2, 12345, 2)),
        ("f94640", AudioConfig(42, 48000, 2)),
    ],
)
def test_read(data: str, expected: AudioConfig) -> None:
    assert parse_config(bytes.fromhex(data)) == expected


@pytest.mark.parametrize("data", ["", "11", "17", "1788", "1690", "0190", "11c0", "2b92", "1780000010"])
def test_not_read(data: str) -> None:
    assert parse_config(bytes.fromhex(data)) is None


def test_common_ones_written() -> None:
    assert build_config(48000, 2) == bytes.fromhex("1190")
    assert build_config(44100, 2) == bytes.fromhex("1210")
    assert build_config(16000, 1) == bytes.fromhex("1408")


@given(
    st.sampled_from([48000, 44100, 7350]) | st.integers(1, 2**24 - 1),
    st.sampled_from([1, 2, 3, 4, 5, 6, 8]),
    st.sampled_from([1, 2, 3, 4, 17, 23]),
)
def test_round_trip(rate: int, channels: int, object_type: int) -> None:
    assert parse_config(build_config(rate, channels, object_type)) == AudioConfig(object_type, rate, channels)


@pytest.mark.parametrize(
    ("rate", "channels", "object_type"),
    [(0, 2, 2), (1 << 24, 2, 2), (48000, 0, 2), (48000, 7, 2), (48000, 9, 2), (48000, 2, 0), (48000, 2, 31)],
)
def test_not_written(rate: int, channels: int, object_type: int) -> None:
    with pytest.raises(PayloadError, match="no AudioSpecificConfig for"):
        build_config(rate, channels, object_type)


@pytest.mark.parametrize(
    ("config", "clock_rate", "ticks"),
    [
        (AudioConfig(2, 48000, 2), 48000, 1024),
        (AudioConfig(2, 48000, 2, 960), 48000, 960),
        (AudioConfig(2, 22050, 2), 44100, 2048),
    ],
)
def test_frame_ticks(config: AudioConfig, clock_rate: int, ticks: int) -> None:
    assert config.frame_ticks(clock_rate) == ticks


def adts(block: bytes, *, checked: bool = False) -> bytes:
    """One ADTS frame of AAC-LC, 48 kHz, two channels; `checked`: with a CRC."""
    size = 7 + 2 * checked + len(block)
    head = bytes(
        (0xFF, 0xF0 if checked else 0xF1, 0x4C, 0x80 | size >> 11, size >> 3 & 0xFF, size << 5 & 0xE0 | 31)
    )
    return head + b"\xfc" + b"\1\2" * checked + block


@pytest.mark.parametrize(
    ("data", "blocks"),
    [
        (adts(b"abc"), [b"abc"]),
        (adts(b"abc", checked=True), [b"abc"]),
        (adts(b"a" * 8000), [b"a" * 8000]),
        (adts(b"abc") + adts(b"de", checked=True), [b"abc", b"de"]),
        (b"", []),
        (b"abc", []),
        (adts(b"abc") + b"x", []),
        (adts(b"abc")[:-1], []),
        (adts(b"abc")[:6], []),
        (adts(b""), []),
        (b"\xff\xf3" + adts(b"abc")[2:], []),
    ],
)
def test_adts(data: bytes, blocks: list[bytes]) -> None:
    assert adts_blocks(data) == blocks


@given(st.binary(max_size=16))
def test_any_bytes(data: bytes) -> None:
    assert all(adts_blocks(data))
    config = parse_config(data)
    assert config is None or (config.rate > 0 and config.frame_ticks(48000) >= 0)
