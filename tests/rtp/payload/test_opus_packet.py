"""Opus packets by the letter: durations from the table of RFC 6716, frames of every code."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.rtp.payload.opus_packet import MAX_DURATION, duration_of, split_frames


def toc(config: int, code: int = 0) -> bytes:
    return bytes((config << 3 | code,))


@pytest.mark.parametrize(
    ("configs", "milliseconds"),
    [
        ((0, 4, 8, 12, 14, 18, 22, 26, 30), 10),
        ((1, 5, 9, 13, 15, 19, 23, 27, 31), 20),
        ((2, 6, 10), 40),
        ((3, 7, 11), 60),
        ((16, 20, 24, 28), 2.5),
        ((17, 21, 25, 29), 5),
    ],
)
def test_duration_of_one_frame(configs: tuple[int, ...], milliseconds: float) -> None:
    assert {duration_of(toc(config)) for config in configs} == {48 * milliseconds}


@pytest.mark.parametrize(
    ("packet", "duration"),
    [
        (b"", 0),
        (toc(31, 1) + b"ab", 1920),
        (toc(31, 2) + b"\1ab", 1920),
        (toc(31, 3), 0),
        (toc(31, 3) + b"\0", 0),
        (toc(31, 3) + b"\3abc", 2880),
        (toc(31, 3) + b"\6", 5760),
        (toc(31, 3) + b"\7", 0),
        (toc(16, 3) + b"\x30", 5760),
        (toc(16, 3) + b"\x31", 0),
        (toc(3, 3) + b"\3", 0),
    ],
)
def test_duration_of_several(packet: bytes, duration: int) -> None:
    assert duration_of(packet) == duration


LONG = bytes(range(256))
TWO_BYTES = bytes((252, 1))
"""A length of 256."""


@pytest.mark.parametrize(
    ("code", "rest", "frames"),
    [
        (0, b"abc", [b"abc"]),
        (0, b"", [b""]),
        (1, b"abcd", [b"ab", b"cd"]),
        (2, b"\1abc", [b"a", b"bc"]),
        (2, b"\0abc", [b"", b"abc"]),
        (2, TWO_BYTES + LONG + b"x", [LONG, b"x"]),
        (3, b"\2abcd", [b"ab", b"cd"]),
        (3, b"\x83\1\2abbccc", [b"a", b"bb", b"ccc"]),
        (3, b"\x42\3abcd\0\0\0", [b"ab", b"cd"]),
        (3, b"\xc2\2\1abc\0\0", [b"a", b"bc"]),
        (3, b"\x41\xff\x01a" + bytes(255), [b"a"]),
    ],
)
def test_frames(code: int, rest: bytes, frames: list[bytes]) -> None:
    assert split_frames(toc(20, code) + rest) == [toc(20) + frame for frame in frames]


@pytest.mark.parametrize(
    ("code", "rest"),
    [
        (0, bytes(1276)),
        (1, b"abc"),
        (2, b""),
        (2, b"\2a"),
        (2, b"\xfc"),
        (3, b""),
        (3, b"\2abc"),
        (3, b"\x83\1"),
        (3, b"\x41"),
        (3, b"\x41\3ab"),
        (3, b"\x41\xff\xff"),
    ],
)
def test_malformed(code: int, rest: bytes) -> None:
    assert split_frames(toc(20, code) + rest) == []


@settings(max_examples=200)
@given(
    st.binary(max_size=60)
    | st.tuples(st.integers(0, 31), st.binary(max_size=60)).map(lambda t: toc(t[0], 3) + t[1])
)
def test_any_bytes(packet: bytes) -> None:
    assert 0 <= duration_of(packet) <= MAX_DURATION
    frames = split_frames(packet)
    assert sum(map(duration_of, frames)) == (duration_of(packet) if frames else 0)
    assert sum(len(frame) - 1 for frame in frames) < max(len(packet), 1)


def test_frames_sound_as_the_packet_does() -> None:
    """Packets of 60 ms, as they are and one frame a packet: the decoder makes the same samples of them."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = 48_000, "s16", "stereo"
    encoder.bit_rate = 192_000
    encoder.options = {"frame_duration": "60"}
    noise = np.random.default_rng(1).integers(-9000, 9000, (1, 2 * 48_000), np.int16)
    frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="stereo")
    frame.sample_rate = 48_000
    packets = [bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None))]
    assert len(packets) > 10
    assert all(len(split_frames(packet)) == 3 for packet in packets)
    whole = decoded(packets)
    assert decoded([single for packet in packets for single in split_frames(packet)]) == whole


def decoded(packets: list[bytes]) -> bytes:
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 48_000, "stereo"
    frames = [frame for data in packets for frame in decoder.decode(av.Packet(data))]
    return b"".join(frame.to_ndarray().tobytes() for frame in frames)
