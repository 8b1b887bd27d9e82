"""The sample movies are what the other tests rely on: sizes, counts, marks, flashes and beeps."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from itertools import combinations, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scripts.make_movies import MOVIES, SAMPLES, main
from scripts.movies import marks
from scripts.movies.encode import MAX_MJPEG_FRAME, Mjpeg, Mp4
from scripts.movies.marks import (
    FLASH_FRAMES,
    FRAME_RATE,
    MAX_NUMBER,
    Image,
    beep_starts,
    draw_border,
    draw_mark,
    flash_on,
    read_mark,
)
from scripts.movies.scene import FRAMES, SECONDS, Scene
from scripts.movies.sound import RATE, soundtrack

MP4S = ("movie.mp4", "movie-bframes.mp4")
RUN = 52
"""Frames decoded from the start of a movie: two seconds, and the third flash."""


def split(data: bytes) -> list[bytes]:
    """The JPEGs of a classroom file."""
    frames, at = [], 0
    while at < len(data):
        size = int(data[at : at + 5])
        frames.append(data[at + 5 : at + 5 + size])
        assert len(frames[-1]) == size
        at += 5 + size
    return frames


def decode(path: Path, count: int) -> list[Image]:
    """The luma of the first frames of a movie, in order of presentation."""
    with av.open(path) as container:
        frames = container.decode(video=0)
        return [next(frames).to_ndarray(format="gray").astype(np.uint8) for _ in range(count)]


def hear(path: Path) -> NDArray[np.float32]:
    """All sound of a movie, channels x samples."""
    with av.open(path) as container:
        pieces = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(pieces, axis=1, dtype=np.float32)


def squeeze(image: Image, quality: int) -> Image:
    """The image after a JPEG encoder had it."""
    file = BytesIO()
    PillowImage.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(PillowImage.open(file))


def scaled(image: Image, width: int, height: int) -> Image:
    return np.asarray(PillowImage.fromarray(image).resize((width, height), PillowImage.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(384, 288)


class TestMark:
    @pytest.mark.parametrize("number", [0, 1, 2, 255, 1365, 2730, MAX_NUMBER])
    @pytest.mark.parametrize("shape", [(288, 384, 3), (360, 640), (1080, 1920, 3), (120, 160)])
    def test_round_trip(self, shape: tuple[int, ...], number: int) -> None:
        image = np.full(shape, 90, dtype=np.uint8)
        draw_mark(image, number)
        assert read_mark(image) == number

    @pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1])
    def test_number_out_of_range(self, number: int) -> None:
        with pytest.raises(ValueError, match="frame number"):
            draw_mark(np.zeros((288, 384), dtype=np.uint8), number)

    @pytest.mark.parametrize("number", range(0, FRAMES, 31))
    def test_survives_compression_and_scaling(self, scene: Scene, number: int) -> None:
        image = scene.frame(number)
        assert read_mark(squeeze(image, 30)) == number
        assert read_mark(squeeze(scaled(image, 213, 160), 30)) == number
        assert read_mark(scaled(squeeze(image, 30), 1000, 562)) == number

    def test_limited_range_and_channel_order_do_not_matter(self, scene: Scene) -> None:
        image = scene.frame(77)
        assert read_mark((16 + image * (219 / 255)).astype(np.uint8)) == 77
        assert read_mark(image[..., ::-1]) == 77

    def test_refuses_what_is_no_mark(self, scene: Scene) -> None:
        random = np.random.default_rng(1)
        assert read_mark(np.zeros((288, 384, 3), dtype=np.uint8)) is None
        assert read_mark(random.integers(0, 256, (288, 384, 3), dtype=np.uint8)) is None
        assert read_mark(np.ascontiguousarray(scene.frame(5)[::-1])) is None
        assert read_mark(np.ascontiguousarray(scene.frame(5)[:, ::-1])) is None

    def test_refuses_a_doubtful_cell(self, scene: Scene) -> None:
        image = scene.frame(5)
        image[255:280, 100:125] = 128
        assert read_mark(image) is None

    def test_refuses_one_or_two_wrong_cells(self) -> None:
        image = np.zeros((48, 24 * 16), dtype=np.uint8)
        draw_mark(image, 1234)
        top, bottom = round(marks.MARK_TOP * 48), round(marks.MARK_BOTTOM * 48)
        edges = np.linspace(384 / 16, 384 * 15 / 16, 25).round().astype(int)
        cells = [(slice(top, bottom), slice(edges[index], edges[index + 1])) for index in range(24)]
        for wrong in (*((cell,) for cell in cells), *combinations(cells[4:22], 2)):
            broken = image.copy()
            for cell in wrong:
                broken[cell] = 255 - broken[cell]
            assert read_mark(broken) is None


class TestFlash:
    @pytest.mark.parametrize("number", range(2 * FRAME_RATE))
    def test_first_frames_of_a_second(self, scene: Scene, number: int) -> None:
        lit = flash_on(squeeze(scene.frame(number), 30))
        assert lit == (number % FRAME_RATE < FLASH_FRAMES)

    def test_needs_all_four_sides(self) -> None:
        image = np.zeros((288, 384, 3), dtype=np.uint8)
        draw_border(image, 0)
        assert flash_on(image)
        image[:, -8:] = 0
        assert not flash_on(image)


class TestBeep:
    def test_on_every_second(self) -> None:
        assert beep_starts(soundtrack(3), RATE) == pytest.approx([0, 1, 2], abs=0.0001)

    def test_integers_and_one_channel(self) -> None:
        samples = (soundtrack(2)[0, RATE // 2 :] * 32767).astype(np.int16)
        assert beep_starts(samples, RATE) == pytest.approx([0.5], abs=0.0001)

    @pytest.mark.parametrize("samples", [np.zeros(0), np.zeros((2, RATE)), soundtrack(1)[:, RATE // 2 :]])
    def test_silence_and_wind(self, samples: NDArray[np.float32]) -> None:
        assert beep_starts(samples, RATE) == []


class TestScene:
    def test_goes_on_where_it_began(self, scene: Scene) -> None:
        rows = slice(0, 190)
        first, after = scene.frame(0)[rows], scene.frame(FRAMES)[rows]
        assert np.abs(first.astype(int) - after).max() <= 1

    def test_moves_smoothly(self, scene: Scene) -> None:
        # Inside the border and above the numbers; across the seam too.
        pictures = [
            scene.frame(number)[10:190, 10:-10].astype(int) for number in range(FRAMES - 3, FRAMES + 3)
        ]
        steps = [np.abs(after - before).mean() for before, after in pairwise(pictures)]
        assert min(steps) > 0.2
        assert max(steps) < 1.5 * min(steps)


class TestMjpeg:
    def test_framing_and_sizes(self, movies: Path) -> None:
        frames = split((movies / "movie.Mjpeg").read_bytes())
        assert len(frames) == FRAMES
        for frame in frames:
            assert len(frame) < MAX_MJPEG_FRAME
            assert frame[:2] == b"\xff\xd8"
            assert frame[-2:] == b"\xff\xd9"

    def test_marks_and_flashes(self, movies: Path) -> None:
        frames = split((movies / "movie.Mjpeg").read_bytes())
        for number in (*range(0, FRAMES, 23), *range(24, 28), FRAMES - 1):
            image = np.asarray(PillowImage.open(BytesIO(frames[number])))
            assert image.shape == (288, 384, 3)
            assert read_mark(image) == number
            assert flash_on(image) == (number % FRAME_RATE < FLASH_FRAMES)

    def test_fits_rfc_2435(self, movies: Path) -> None:
        """Baseline, three components of 2x2, 1x1, 1x1, two tables, the standard Huffman codes' sizes."""
        frame = split((movies / "movie.Mjpeg").read_bytes())[100]
        segments: dict[int, list[bytes]] = {}
        at = 2
        while frame[at + 1] != 0xDA:
            size = int.from_bytes(frame[at + 2 : at + 4])
            segments.setdefault(frame[at + 1], []).append(frame[at + 4 : at + 2 + size])
            at += 2 + size
        (header,) = segments[0xC0]
        assert header[5:] == bytes((3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1))
        assert sum(map(len, segments[0xDB])) == 2 * 65
        assert sum(map(len, segments[0xC4])) == 2 * (17 + 12) + 2 * (17 + 162)
        assert 0xDD not in segments

    def test_too_large_a_frame_leaves_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="frame 0"):
            Mjpeg(384, 288, quality=99).write(tmp_path / "big.Mjpeg", 1)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", MP4S)
class TestMp4:
    def test_streams(self, movies: Path, name: str) -> None:
        with av.open(movies / name) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.frames, video.width, video.height) == (FRAMES, 640, 360)
            assert video.average_rate == FRAME_RATE
            assert video.profile in ("High", "Main")
            assert video.bit_rate is not None
            assert 600_000 <= video.bit_rate <= 800_000
            assert (audio.codec_context.name, audio.profile) == ("aac", "LC")
            assert (audio.rate, audio.channels) == (RATE, 2)
            assert audio.bit_rate == pytest.approx(128_000, rel=0.02)
            assert container.duration == SECONDS * av.time_base
            assert "creation_time" not in container.metadata

    def test_index_stands_in_front(self, movies: Path, name: str) -> None:
        data = (movies / name).read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")

    def test_groups_of_pictures(self, movies: Path, name: str) -> None:
        recipe = MOVIES[name]
        assert isinstance(recipe, Mp4)
        with av.open(movies / name) as container:
            packets = [packet for packet in container.demux(video=0) if packet.size]
        keys = [number for number, packet in enumerate(packets) if packet.is_keyframe]
        assert keys == list(range(0, FRAMES, recipe.gop))
        reordered = any(packet.pts != packet.dts for packet in packets)
        assert reordered == (recipe.b_frames > 0)

    def test_one_slice_a_frame_and_no_sei(self, movies: Path, name: str) -> None:
        with av.open(movies / name) as container:
            for packet, _ in zip(container.demux(video=0), range(60), strict=False):
                data, at, types = bytes(packet), 0, []
                while at < len(data):
                    types.append(data[at + 4] & 0x1F)
                    at += 4 + int.from_bytes(data[at : at + 4])
                assert types in ([1], [5])

    def test_marks_and_flashes(self, movies: Path, name: str) -> None:
        for number, image in enumerate(decode(movies / name, RUN)):
            assert read_mark(image) == number
            assert flash_on(image) == (number % FRAME_RATE < FLASH_FRAMES)

    def test_beeps_stand_on_the_seconds(self, movies: Path, name: str) -> None:
        assert beep_starts(hear(movies / name), RATE) == pytest.approx(list(range(SECONDS)), abs=0.001)


class TestMaking:
    @pytest.mark.parametrize("name", list(MOVIES))
    def test_same_bytes_again(self, tmp_path: Path, name: str) -> None:
        recipe = MOVIES[name]
        if isinstance(recipe, Mp4) and recipe.width > 640:
            recipe = replace(recipe, width=320, height=180)
        for run in ("one", "two"):
            recipe.write(tmp_path / run, 6)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

    def test_mark_survives_a_low_bit_rate(self, tmp_path: Path) -> None:
        Mp4(320, 180, bit_rate=40_000, gop=25, grain=4).write(tmp_path / "low.mp4", 12)
        assert [read_mark(image) for image in decode(tmp_path / "low.mp4", 12)] == list(range(12))

    def test_makes_what_is_missing_and_leaves_the_rest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("scripts.make_movies.FRAMES", 2)
        arguments = ["--out", str(tmp_path / "new")]
        main(arguments)
        assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(SAMPLES)
        assert capsys.readouterr().out.count("2 frames") == 2
        main(arguments)
        assert capsys.readouterr().out.count("is there") == 2
        main([*arguments, "--only", "movie.Mjpeg", "--force"])
        assert capsys.readouterr().out.count("2 frames") == 1
