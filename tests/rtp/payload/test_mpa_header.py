"""Headers of MPEG audio frames, against the tables of the standard and files of real encoders."""

from __future__ import annotations

import io
import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.rtp.payload.mpa_header import FrameHeader, parse_header


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("fffb9000", FrameHeader(3, 44_100, 2, 1152, 417)),
        ("fffb9200", FrameHeader(3, 44_100, 2, 1152, 418)),
        ("fffa90c0", FrameHeader(3, 44_100, 1, 1152, 417)),
        ("fffbe400", FrameHeader(3, 48_000, 2, 1152, 960)),
        ("fffb1800", FrameHeader(3, 32_000, 2, 1152, 144)),
        ("fff38000", FrameHeader(3, 22_050, 2, 576, 208)),
        ("ffe31000", FrameHeader(3, 11_025, 2, 576, 52)),
        ("ffe31800", FrameHeader(3, 8_000, 2, 576, 72)),
        ("fffda400", FrameHeader(2, 48_000, 2, 1152, 576)),
        ("fff5a4c0", FrameHeader(2, 24_000, 1, 1152, 576)),
        ("ffffe600", FrameHeader(1, 48_000, 2, 384, 452)),
        ("fff7e400", FrameHeader(1, 24_000, 2, 384, 512)),
    ],
)
def test_headers(head: str, expected: FrameHeader) -> None:
    assert parse_header(bytes.fromhex(head)) == expected
    assert parse_header(b"xyz" + bytes.fromhex(head) + b"more", 3) == expected


@pytest.mark.parametrize(
    "head",
    [
        "",
        "fffb90",
        "00fb9000",
        "ff1b9000",
        # A version, a layer and a sample rate that are reserved; the free format; a bit rate that is forbidden.
        "ffeb9000",
        "fff99000",
        "fffb9c00",
        "fffb0000",
        "fffbf000",
    ],
)
def test_no_header(head: str) -> None:
    assert parse_header(bytes.fromhex(head)) is None


@given(st.binary(max_size=8), st.integers(0, 8))
def test_any_bytes(data: bytes, start: int) -> None:
    header = parse_header(data, start)
    assert header is None or 0 < header.size < 3000


@pytest.mark.parametrize(
    ("codec", "rate", "layout"),
    [
        *(("libmp3lame", rate, "stereo") for rate in (8000, 11025, 12000, 16000, 22050, 24000)),
        *(("libmp3lame", rate, "mono") for rate in (32000, 44100, 48000)),
        *(("mp2", rate, "stereo") for rate in (16000, 22050, 24000, 32000, 44100, 48000)),
    ],
)
def test_frames_of_encoders(codec: str, rate: int, layout: str) -> None:
    """Every packet of an encoder is a frame as long as its header says, and lasts as long as that says."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp2" if codec == "mp2" else "mp3") as container:
        stream = container.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = layout
        samples = np.zeros((1, len(stream.codec_context.layout.channels) * (rate // 2)), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        packets = [*stream.encode(frame), *stream.encode(None)]
        assert len(packets) > 5
        for packet, following in itertools.pairwise(packets):
            header = parse_header(bytes(packet))
            assert header is not None
            assert (header.size, header.rate) == (packet.size, rate)
            assert header.channels == len(stream.codec_context.layout.channels)
            assert packet.pts is not None
            assert following.pts is not None
            assert packet.time_base is not None
            assert (following.pts - packet.pts) * packet.time_base * rate == header.samples
