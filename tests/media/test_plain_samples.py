"""G.711 and G.722 become plain samples, and plain samples become what they were."""

from __future__ import annotations

import numpy as np
import pytest

from reelcast.media.plain_samples import TELEPHONY, Expander, compressor_for, cut, expanded
from reelcast.track import AccessUnit, Codec, Track

OCTETS = bytes(range(256))
NEGATIVE_ZERO, ZERO = 0x7F, 0xFF
"""Of mu-law."""


def telephone(codec: Codec, *, rate: int = 8000, channels: int = 1) -> Track:
    return Track("audio", codec, rate, 96, channels=channels)


@pytest.mark.parametrize(
    ("codec", "expected"),
    [("pcma", OCTETS), ("pcmu", OCTETS.replace(bytes([NEGATIVE_ZERO]), bytes([ZERO])))],
)
@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 2)])
def test_every_octet_of_g711_finds_back(codec: Codec, expected: bytes, rate: int, channels: int) -> None:
    track = telephone(codec, rate=rate, channels=channels)
    plain = Expander(track)(OCTETS)
    assert len(plain) == 512
    unit = compressor_for(track)(AccessUnit(plain, 320, 300, duration=256 // channels))
    assert unit == AccessUnit(expected, 320, 300, duration=256 // channels)


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_other_samples_become_the_nearest(codec: Codec) -> None:
    track = telephone(codec)
    levels = np.frombuffer(Expander(track)(OCTETS), ">i2").astype(np.int64)
    samples = np.arange(-32_768, 32_768, 7)
    plain = samples.astype(">i2").tobytes()
    coded = compressor_for(track)(AccessUnit(plain, 0, 0)).data
    away = np.abs(levels[np.frombuffer(coded, np.uint8)] - samples)
    nearest = np.abs(levels[:, np.newaxis] - samples).min(axis=0)
    assert (away == nearest).all()


@pytest.mark.parametrize(
    ("codec", "channels", "ticks", "octets"),
    [("pcmu", 1, 3, 3), ("pcma", 2, 3, 6), ("l16", 1, 3, 6), ("l16", 2, 1, 4), ("g722", 1, 11, 11)],
)
def test_a_unit_is_cut_between_samples(codec: Codec, channels: int, ticks: int, octets: int) -> None:
    track = telephone(codec, channels=channels)
    parts = cut(track, AccessUnit(OCTETS, 160, 150), ticks)
    assert parts is not None
    first, second = parts
    assert (first.pts, first.dts, first.duration, first.data) == (160, 150, ticks, OCTETS[:octets])
    assert (second.pts, second.dts, second.data) == (160 + ticks, 150 + ticks, OCTETS[octets:])
    assert second.duration == 256 * ticks // octets - ticks


@pytest.mark.parametrize(
    ("codec", "ticks"), [("l16", 0), ("l16", -5), ("l16", 128), ("pcmu", 256), ("aac", 5), ("opus", 5)]
)
def test_what_cannot_be_cut(codec: Codec, ticks: int) -> None:
    assert cut(telephone(codec), AccessUnit(OCTETS, 160, 150), ticks) is None


def test_tracks_as_plain_samples() -> None:
    assert {codec: expanded(telephone(codec)).essence[1:] for codec in TELEPHONY} == {
        "pcmu": ("l16", 8000, 1),
        "pcma": ("l16", 8000, 1),
        "g722": ("l16", 16_000, 1),
    }


@pytest.mark.parametrize("length", [320, 640, 100, 2])
def test_units_of_g722_have_half_the_clock(length: int) -> None:
    compress = compressor_for(telephone("g722"))
    unit = compress(AccessUnit(bytes(2 * length), 960, 960, duration=length))
    assert (len(unit.data), unit.pts, unit.dts, unit.duration) == (length // 2, 480, 480, length // 2)
    # Nothing was kept.
    assert len(compress(AccessUnit(bytes(640), 1280, 1280)).data) == 160


def test_g722_sounds_as_before() -> None:
    times = np.arange(16_000) / 16_000
    samples = (8000 * np.sin(2 * np.pi * 440 * times)).astype(np.int16)
    compress = compressor_for(telephone("g722"))
    expand = Expander(telephone("g722"))
    heard = b""
    for start in range(0, len(samples), 320):
        plain = samples[start : start + 320].astype(">i2").tobytes()
        heard += expand(compress(AccessUnit(plain, start, start)).data)
    received = np.frombuffer(heard, ">i2").astype(np.float64)
    delay = 22  # samples, of the filters
    error = received[1600 + delay :] - samples[1600 : len(samples) - delay]
    assert np.sqrt(np.mean(error**2)) < 0.03 * 8000


def test_what_is_broken_is_nothing() -> None:
    assert Expander(telephone("pcmu"))(b"") == b""
