"""Decoding: every frame of the movies through our own packets, every codec, and what is broken."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts.movies.marks import read_mark
from tests.media.coded import (
    AUDIO,
    FRAME_TICKS,
    FRAMES,
    SIZE,
    STEP,
    TONE_HZ,
    TONE_LEVEL,
    VIDEO,
    audio,
    quiet,
    video,
)
from tests.rtp.payload.wire import packets_of, receive, send

from reelcast.errors import MediaError, ReelcastError
from reelcast.media import decode
from reelcast.media.decode import AudioDecoder, Picture, PixelFormat, VideoDecoder, decoder_for
from reelcast.media.demux import open_demuxer
from reelcast.rtp.payload import depacketizer_for, packetizer_for
from reelcast.track import AccessUnit, Track


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield


def levels(pictures: Iterable[Picture]) -> list[int]:
    """Which frame of `coded.video` each picture is, by its grey."""
    return [round((float(picture.to_ndarray("rgb24").mean()) - 40) / STEP) for picture in pictures]


def decoded(decoder: VideoDecoder, units: Iterable[AccessUnit]) -> list[Picture]:
    return [picture for unit in units for picture in decoder.decode(unit)] + decoder.flush()


@pytest.mark.parametrize("name", ["movie.mp4", "movie-bframes.mp4", "movie.Mjpeg"])
def test_every_frame_of_a_movie_through_our_own_packets(movies: Path, name: str) -> None:
    demuxer = open_demuxer(movies / name)
    track = demuxer.tracks[0]
    units = [unit for index, unit in demuxer.units() if index == 0]
    received = receive(depacketizer_for(track), packets_of(send(packetizer_for(track), units)))
    demuxer.close()
    decoder = VideoDecoder(track)
    marks: list[int | None] = []
    shown: list[int] = []
    for number, unit in enumerate(received):
        pictures = decoder.decode(unit)
        # One run of B-frames is all that is ever waited for.
        assert number + 1 - len(marks) - len(pictures) <= 2
        marks += [read_mark(picture.to_ndarray()) for picture in pictures]
        shown += [picture.pts for picture in pictures]
    rest = decoder.flush()
    marks += [read_mark(picture.to_ndarray()) for picture in rest]
    shown += [picture.pts for picture in rest]
    assert marks == list(range(500))
    assert shown == sorted(unit.pts & 0xFFFFFFFF for unit in units)
    assert decoder.errors == 0


@pytest.mark.parametrize("codec", VIDEO)
def test_video(codec: str) -> None:
    track, units = video(codec)
    decoder = VideoDecoder(track)
    # Any pts will do: far beyond 32 bits, and below zero.
    for shift in (0, 1 << 40, -(1 << 33)):
        pictures: list[Picture] = []
        for unit in units:
            pictures += decoder.decode(replace(unit, pts=unit.pts + shift))
            assert len(pictures) == (unit.pts // FRAME_TICKS) + 1  # nothing is held back
        assert decoder.flush() == []
        assert [picture.pts - shift for picture in pictures] == [number * 3600 for number in range(FRAMES)]
        assert levels(pictures) == list(range(FRAMES))
        assert [picture.key for picture in pictures] == [unit.keyframe for unit in units]
        assert not any(picture.corrupt for picture in pictures)
    assert decoder.errors == 0


@pytest.mark.parametrize("size", [(130, 66), (98, 50)])
def test_arrays_have_no_margins(size: tuple[int, int]) -> None:
    track, units = video("h264", size)
    (picture,) = VideoDecoder(track).decode(units[0])
    formats: tuple[PixelFormat, ...] = ("bgr24", "rgb24", "bgra", "rgba", "gray8")
    assert all(picture.to_ndarray(format).flags.c_contiguous for format in formats)


def test_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    track, units = video("h264")
    (picture,) = VideoDecoder(track).decode(units[0])
    width, height = SIZE
    assert (picture.width, picture.height, picture.format) == (width, height, "yuv420p")
    assert picture.to_ndarray().shape == picture.to_ndarray("rgb24").shape == (height, width, 3)
    assert picture.to_ndarray("bgra").shape == picture.to_ndarray("rgba").shape == (height, width, 4)
    assert picture.to_ndarray("gray8").shape == (height, width)
    assert picture.to_ndarray("gray8").dtype == np.uint8
    array = picture.to_ndarray()
    array[:] = 0
    assert picture.to_ndarray().any()
    image = picture.to_image()
    assert (image.mode, image.size) == ("RGB", SIZE)
    assert (np.asarray(image) == picture.to_ndarray("rgb24")).all()
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(ReelcastError, match=r"images need Pillow: pip install 'reelcast\[image\]'"):
        picture.to_image()


def test_channels_stand_in_order() -> None:
    track, units = video("jpeg")
    (picture,) = VideoDecoder(track).decode(units[0])
    frame = picture.frame
    for plane, value in zip(frame.planes, (76, 85, 255), strict=True):  # red, in full range
        plane.update(bytes([value]) * plane.buffer_size)
    red, green, blue = picture.to_ndarray("rgb24")[0, 0].tolist()
    assert red > 250
    assert max(green, blue) < 5
    assert picture.to_ndarray("bgr24")[0, 0].tolist() == [blue, green, red]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_parameter_sets_in_band_or_of_the_track(codec: str) -> None:
    track, units = video(codec)
    bare = replace(track, parameter_sets=())
    assert len(decoded(VideoDecoder(bare), units)) == FRAMES
    assert len(decoded(VideoDecoder(replace(track, parameter_sets=(b"\x67junk", b"\xff"))), units)) == FRAMES
    stripped = units[0].data
    for nal in track.parameter_sets:
        stripped = stripped.replace(b"\0\0\0\1" + nal, b"").replace(b"\0\0\1" + nal, b"")
    units = (replace(units[0], data=stripped), *units[1:6])
    assert len(decoded(VideoDecoder(track), units)) == 6
    assert decoded(VideoDecoder(bare), units) == []


def test_parameter_sets_that_came_once_outlive_damage() -> None:
    track, units = video("h264")
    sets = b"".join(b"\0\0\0\1" + nal for nal in track.parameter_sets)
    bare = [replace(unit, data=unit.data.replace(sets, b"")) for unit in units]
    for first in ([units[0]], [AccessUnit(sets, 0, 0, False), bare[0]]):
        decoder = VideoDecoder(replace(track, parameter_sets=()))
        pictures = [picture for unit in (*first, bare[1]) for picture in decoder.decode(unit)]
        decoder.lose()
        assert levels(pictures + decoded(decoder, bare[3:])) == [0, 1, *range(6, FRAMES)]


def test_what_damage_leaves_in_a_decoder_spoils_nothing() -> None:
    track, units = video("h264")
    broken = replace(units[1], data=units[1].data[:40] + b"\x18" + units[1].data[60:])
    for keep_corrupt in (False, True):
        decoder = VideoDecoder(track, keep_corrupt=keep_corrupt)
        pictures = decoder.decode(units[0]) + decoder.decode(broken) + decoded(decoder, units[6:])
        whole = [picture for picture in pictures if not picture.corrupt]
        assert len(pictures) == 7 + keep_corrupt
        assert levels(whole) == [0, *range(6, FRAMES)]


@pytest.mark.parametrize("codec", VIDEO)
def test_the_resolution_changes_in_band(codec: str) -> None:
    track, small = video(codec)
    _, large = video(codec, (320, 192))
    pictures = decoded(VideoDecoder(track), [*small, *large, *small])
    assert [(each.width, each.height) for each in pictures[::FRAMES]] == [SIZE, (320, 192), SIZE]
    assert levels(pictures) == 3 * list(range(FRAMES))


@pytest.mark.parametrize("codec", [codec for codec in VIDEO if codec != "jpeg"])
@pytest.mark.parametrize("how", ["garbage", "half", "missing"])
def test_damage_lasts_to_the_next_keyframe(codec: str, how: str) -> None:
    track, units = video(codec)
    broken = replace(units[2], data=b"\xff\0garbage" if how == "garbage" else units[2].data[:4])
    decoder = VideoDecoder(track)
    pictures = [picture for unit in units[:2] for picture in decoder.decode(unit)]
    pictures += decoder.lose() if how == "missing" or codec in ("h264", "h265") else decoder.decode(broken)
    pictures += decoded(decoder, units[3:])
    assert levels(pictures) == [0, 1, *range(6, FRAMES)]
    assert not any(picture.corrupt for picture in pictures)
    assert codec in ("h264", "h265") or decoder.errors > 0


def test_damaged_pictures_are_left_out_or_marked(movies: Path) -> None:
    demuxer = open_demuxer(movies / "movie.mp4")
    units = [unit for index, unit in demuxer.units() if index == 0][:60]
    demuxer.close()
    keys = [number for number, unit in enumerate(units) if unit.keyframe]
    assert len(keys) > 1
    torn = keys[1] - 3
    units[torn] = replace(units[torn], data=units[torn].data[: len(units[torn].data) // 2])
    strict = VideoDecoder(demuxer.tracks[0])
    whole = {picture.pts for picture in decoded(strict, units)}
    assert [number for number, unit in enumerate(units) if unit.pts not in whole] == [
        torn,
        torn + 1,
        torn + 2,
    ]
    assert strict.errors > 0
    lax = VideoDecoder(demuxer.tracks[0], keep_corrupt=True)
    pictures = decoded(lax, units)
    assert len(pictures) == 60
    assert [number for number, each in enumerate(pictures) if each.corrupt] == [torn, torn + 1, torn + 2]
    assert lax.errors == 1


def test_a_loss_is_marked() -> None:
    track, units = video("h264")
    decoder = VideoDecoder(track, keep_corrupt=True)
    pictures = [picture for unit in units[:2] for picture in decoder.decode(unit)]
    assert decoder.lose() == []
    pictures += decoded(decoder, units[4:])
    assert [each.corrupt for each in pictures] == [False] * 2 + [True] * 2 + [False] * (FRAMES - 6)


def test_units_without_a_picture_tear_nothing() -> None:
    track, units = video("h264")
    decoder = VideoDecoder(track)
    sets = AccessUnit(b"".join(b"\0\0\0\1" + nal for nal in track.parameter_sets), 0, 0, False)
    pictures = [picture for unit in units[:3] for picture in decoder.decode(unit)]
    pictures += decoder.decode(sets)
    assert levels(pictures + decoded(decoder, units[3:])) == list(range(FRAMES))
    # A slice that cannot be read tears.
    slice_alone = AccessUnit(b"\0\0\0\1\x41\xff", 0, 0, False)
    pictures = [picture for unit in (*units[:3], slice_alone, *units[3:]) for picture in decoder.decode(unit)]
    assert levels(pictures) == [0, 1, 2, *range(6, FRAMES)]


def test_reset_begins_anew() -> None:
    track, units = video("h264")
    decoder = VideoDecoder(track)
    assert len(decoder.decode(units[0])) == 1
    decoder.reset()
    assert levels(decoded(decoder, units[1:])) == list(range(6, FRAMES))


def test_waiting_pictures_come_out_at_a_loss(movies: Path) -> None:
    demuxer = open_demuxer(movies / "movie-bframes.mp4")
    units = [unit for index, unit in demuxer.units() if index == 0][:10]
    demuxer.close()
    decoder = VideoDecoder(demuxer.tracks[0])
    count = sum(len(decoder.decode(unit)) for unit in units)
    assert count < 10
    assert count + len(decoder.lose()) == 10


def test_pictures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 320 * 192 - 1)
    track, large = video("h264", (320, 192))
    decoder = VideoDecoder(track)
    assert decoded(decoder, large) == []
    assert decoder.errors > 0
    assert levels(decoded(decoder, video("h264")[1])) == list(range(FRAMES))


@pytest.mark.parametrize("codec", AUDIO)
def test_audio(codec: str) -> None:
    track, units = audio(codec)
    decoder = AudioDecoder(track)
    _, rate, channels, _ = AUDIO[codec]
    for shift in (0, 1 << 40, -(1 << 33)):
        runs = [run for unit in units for run in decoder.decode(replace(unit, pts=unit.pts + shift))]
        runs += decoder.flush()
        assert [run.pts - shift for run in runs] == [unit.pts for unit in units]
        assert {(run.rate, run.channels) for run in runs} == {(rate, channels)}
        wave = np.concatenate([run.to_ndarray() for run in runs])
        assert wave.dtype == np.float32
        assert wave.shape[1] == channels
        tone = wave[len(wave) // 4 : len(wave) // 2, -1]
        assert np.abs(tone).max() == pytest.approx(TONE_LEVEL, rel=0.2)
        crossings = np.count_nonzero(np.diff(np.signbit(tone)))
        assert crossings == pytest.approx(2 * TONE_HZ * len(tone) / rate, rel=0.02)
    assert decoder.errors == 0


def test_samples_stand_in_order_of_channels() -> None:
    track = Track("audio", "l16", 44_100, 10, channels=2)
    (run,) = AudioDecoder(track).decode(AccessUnit(bytes.fromhex("4000 c000 7fff 8000"), 7, 7))
    assert run.to_ndarray().tolist() == [[0.5, -0.5], [pytest.approx(1, abs=1e-4), -1.0]]
    (run,) = AudioDecoder(replace(track, channels=0)).decode(AccessUnit(bytes.fromhex("4000 c000"), 7, 7))
    assert run.to_ndarray().tolist() == [[0.5], [-0.5]]


@pytest.mark.parametrize("codec", ["aac", "opus", "mpa"])
def test_a_broken_audio_unit_is_left_out(codec: str) -> None:
    track, units = audio(codec)
    decoder = AudioDecoder(track)
    broken = [replace(unit, data=b"\xff" * 5) if place == 9 else unit for place, unit in enumerate(units)]
    runs = [run for unit in broken for run in decoder.decode(unit)]
    assert len(runs) >= len(units) - 2
    assert decoder.errors >= 1


def test_without_a_configuration_aac_is_what_the_track_says() -> None:
    track, units = audio("aac")
    for config in (b"", b"\xff\xff"):
        decoder = AudioDecoder(replace(track, config=config))
        runs = [run for unit in units for run in decoder.decode(unit)]
        assert len(runs) == len(units)
        assert {(run.rate, run.channels) for run in runs} == {(48_000, 2)}


def test_decoder_for() -> None:
    assert isinstance(decoder_for(video("h264")[0]), VideoDecoder)
    assert isinstance(decoder_for(audio("aac")[0]), AudioDecoder)
    with pytest.raises(MediaError, match="there is no decoder for mp2t video here"):
        decoder_for(Track("video", "mp2t", 90_000, 33))
    with pytest.raises(MediaError, match="there is no decoder for h264 audio here"):
        decoder_for(Track("audio", "h264", 90_000, 96))


def test_a_decoder_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(decode._AUDIO, "pcmu", "adpcm_g722")
    with pytest.raises(MediaError, match="there is no decoder for pcmu audio here"):
        decoder_for(audio("pcmu")[0])
    monkeypatch.setitem(decode._AUDIO, "pcmu", "wmav2")
    with pytest.raises(MediaError, match="the decoder for pcmu audio cannot be opened"):
        decoder_for(audio("pcmu")[0])


@pytest.mark.parametrize("codec", [*VIDEO, *AUDIO])
@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=80), st.integers(0, 3), st.booleans()), max_size=8))
def test_any_bytes(codec: str, damages: list[tuple[bytes, int, bool]]) -> None:
    track, units = video(codec) if codec in VIDEO else audio(codec)
    decoder = decoder_for(replace(track, config=damages[0][0]) if damages and damages[0][1] == 0 else track)
    for junk, number, alone in damages:
        data = junk if alone else units[number].data[:40] + junk + units[number].data[60:]
        decoder.decode(AccessUnit(data, number, number))
    decoder.flush()
    if codec in VIDEO:
        assert isinstance(decoder, VideoDecoder)
        assert levels(decoded(decoder, units)) == list(range(FRAMES))
