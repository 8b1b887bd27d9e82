from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reelcast.errors import MediaError
from reelcast.media.decode import AudioDecoder
from reelcast.media.encode_audio import AUDIO_CODECS, AudioEncoder, to_sound
from reelcast.track import AccessUnit, Codec

EPOCH = 1_800_000_000.0
TONE_HZ = 1000


def tone(start: int, count: int, rate: int, channels: int) -> NDArray[np.float32]:
    wave = 0.5 * np.sin(2 * np.pi * TONE_HZ / rate * np.arange(start, start + count))
    return np.repeat(wave[:, np.newaxis], channels, axis=1).astype(np.float32)


def encoded(encoder: AudioEncoder, rate: int, channels: int, *, pieces: int = 25) -> list[AccessUnit]:
    """A second of a tone in pieces, the times of which are those of its samples."""
    size = rate // pieces
    units: list[AccessUnit] = []
    for piece in range(pieces):
        units += encoder.encode(tone(piece * size, size, rate, channels), EPOCH + piece / pieces)
    return units + encoder.flush()


@pytest.mark.parametrize("codec", AUDIO_CODECS)
@pytest.mark.parametrize(("rate", "channels"), [(48_000, 2), (44_100, 1), (8_000, 1)])
def test_units_follow_one_another_from_the_first_sample_on(codec: Codec, rate: int, channels: int) -> None:
    encoder = AudioEncoder(codec, rate, channels)
    track = encoder.track
    units = encoded(encoder, rate, channels)
    place = (units[0].pts - EPOCH * track.clock_rate) / track.clock_rate
    # What primes the decoder of a lossy codec comes before.
    assert -0.13 <= place <= 0
    for unit, following in pairwise(units):
        # MPEG audio has frames that are no whole number of ticks.
        assert abs(following.pts - unit.pts - unit.duration) <= (codec == "mpa")
    assert all(unit.pts == unit.dts and unit.keyframe for unit in units)
    end = (units[-1].pts + units[-1].duration) / track.clock_rate - EPOCH
    assert 0.99 <= end <= 1.04


@pytest.mark.parametrize("codec", AUDIO_CODECS)
def test_what_is_heard_is_what_was_written(codec: Codec) -> None:
    encoder = AudioEncoder(codec, 48_000, 2)
    decoder = AudioDecoder(encoder.track)
    heard = np.concatenate(
        [samples.to_ndarray() for unit in encoded(encoder, 48_000, 2) for samples in decoder.decode(unit)]
    )
    rate = {"pcmu": 8000, "pcma": 8000, "g722": 16000}.get(codec, 48_000)
    middle = heard[rate // 4 : rate // 2, 0]
    spectrum = np.abs(np.fft.rfft(middle))
    assert abs(int(spectrum.argmax()) * rate / len(middle) - TONE_HZ) < 10
    assert 0.3 < np.abs(middle).max() < 0.7


@pytest.mark.parametrize(
    ("codec", "given", "clock", "channels"),
    [
        ("aac", (44_100, 2), 44_100, 2),
        ("aac", (192_000, 6), 48_000, 2),
        ("opus", (16_000, 1), 48_000, 1),
        ("mpa", (8_000, 1), 90_000, 1),
        ("pcmu", (48_000, 2), 8_000, 1),
        ("g722", (48_000, 2), 8_000, 1),
        ("l16", (22_050, 1), 22_050, 1),
    ],
)
def test_rates_and_channels_are_those_of_the_codec(
    codec: Codec, given: tuple[int, int], clock: int, channels: int
) -> None:
    track = AudioEncoder(codec, *given).track
    assert (track.clock_rate, track.channels) == (clock, channels)


def test_uneven_calls_leave_no_gap_but_missing_samples_do() -> None:
    encoder = AudioEncoder("pcmu", 8_000, 1)
    quiet = np.zeros((800, 1), np.int16)
    places = []
    for seconds in (100.0, 100.25, 100.19, 100.9, 101.0):
        units = encoder.encode(quiet, seconds)
        places.append(units[0].pts / 8_000 if units else None)
    # By count: 100.0, 100.1, 100.2, and behind the gap by the time that is told.
    assert places == pytest.approx([100.0, 100.1, 100.2, 100.9, 101.0], abs=0.021)


def test_nothing_encoded_is_nothing_to_flush() -> None:
    assert AudioEncoder("aac", 48_000, 1).flush() == []


@pytest.mark.parametrize("shape", [(10,), (10, 1)])
def test_samples_are_copied(shape: tuple[int, ...]) -> None:
    array = np.ones(shape, np.int16)
    sound = to_sound(array, 1)
    array[:] = 0
    assert sound.shape == (10, 1)
    assert sound.all()


def test_what_is_too_loud_is_cut() -> None:
    sound = to_sound(np.array([-1e9, -1.0, 0.5, 1e30], np.float32), 1)
    assert sound.dtype == np.float32
    assert sound.tolist() == [[-1.0], [-1.0], [0.5], [1.0]]
    assert AudioEncoder("aac", 48_000, 1).encode(np.tile(sound, (1_000, 1)), 0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(value: float) -> None:
    with pytest.raises(ValueError, match="these hold NaN or an infinity"):
        to_sound(np.array([0.0, value], np.float32), 1)


@pytest.mark.parametrize("what", [None, [0.0, 0.0], b"1234"])
def test_what_is_no_array(what: Any) -> None:
    with pytest.raises(
        ValueError, match=f"samples are an array, int16 or float32 .*, not {type(what).__name__}"
    ):
        to_sound(what, 1)


@pytest.mark.parametrize(
    "array", [np.zeros((10, 2), np.float64), np.zeros(10, np.int16), np.zeros((10, 1), np.int16)]
)
def test_arrays_that_are_no_samples(array: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"samples are int16 or float32 shaped \(samples, 2\), not "):
        to_sound(array, 2)


@pytest.mark.parametrize(
    ("codec", "rate", "channels", "complaint"),
    [
        ("h264", 48_000, 2, "h264 is no codec of audio that can be encoded; use one of aac"),
        ("aac", 0, 2, "2 channels at 0 Hz are not possible"),
        ("aac", 48_000, 9, "9 channels at 48000 Hz are not possible"),
    ],
)
def test_what_cannot_be_encoded(codec: Codec, rate: int, channels: int, complaint: str) -> None:
    with pytest.raises(MediaError, match=complaint):
        AudioEncoder(codec, rate, channels)


def test_what_an_encoder_refuses_is_an_error_of_ours() -> None:
    encoder = AudioEncoder("aac", 48_000, 1)
    encoder.encode(np.zeros((1024, 1), np.int16), 0.0)
    encoder.flush()
    with pytest.raises(MediaError, match="samples cannot be encoded as aac"):
        encoder.encode(np.zeros((4096, 1), np.int16), 1.0)
