from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from itertools import islice, pairwise
from pathlib import Path

import pytest
from tests.media.conftest import Recipe, make_movie

from reelcast.errors import MediaError
from reelcast.media.decoded_file import DecodedFile

Movie = Callable[[str], Path]


def times(path: Path, *, fps: float | None = None) -> tuple[list[float], float]:
    """Of all pictures; and seconds of sound."""
    with closing(DecodedFile(path, fps=fps)) as file:
        pictures, sound = [], 0
        for shot in file.shots():
            assert shot.pts is not None
            if shot.picture is not None:
                pictures.append(shot.pts)
            if shot.samples is not None:
                assert shot.samples.shape[1] == file.channels
                sound += len(shot.samples)
        return pictures, sound / (file.sample_rate or 1)


@pytest.mark.parametrize("name", ["movie.mp4", "movie.mkv", "b-frames.avi", "mixed.mkv"])
def test_pictures_and_sound(movie: Movie, name: str) -> None:
    pictures, sound = times(movie(name))
    with closing(DecodedFile(movie(name))) as file:
        assert (file.fps, file.sample_rate, file.channels) == (25.0, 48_000, 2)
    assert len(pictures) == (10 if name == "mixed.mkv" else 75)
    assert all(abs(later - earlier - 0.04) < 0.002 for earlier, later in pairwise(pictures))
    assert abs(sound - len(pictures) / 25) < 0.1


def test_fewer_pictures_where_fewer_are_wanted(movie: Movie) -> None:
    pictures, _ = times(movie("movie.mp4"), fps=10)
    assert len(pictures) in (30, 31)
    assert all(0.07 < later - earlier < 0.13 for earlier, later in pairwise(pictures))
    with closing(DecodedFile(movie("movie.mp4"), fps=100)) as file:
        assert file.fps == 25


def test_codecs_that_rtp_does_not_carry(tmp_path: Path) -> None:
    path = tmp_path / "old.avi"
    make_movie(path, Recipe(video="mpeg4", audio="ac3", frames=10, b_frames=0))
    pictures, _ = times(path)
    assert len(pictures) == 10


def test_sound_alone(movie: Movie) -> None:
    with closing(DecodedFile(movie("sound.wav"))) as file:
        assert file.fps == 0.0
        assert file.sample_rate == 44_100
    pictures, sound = times(movie("surround.flac"))
    assert pictures == []
    assert sound == 2.0


def test_pictures_alone(movie: Movie) -> None:
    with closing(DecodedFile(movie("raw.h264"))) as file:
        assert file.sample_rate is None


def test_a_movie_of_the_classroom(movies: Path) -> None:
    with closing(DecodedFile(movies / "movie.Mjpeg", loop=True)) as file:
        assert (file.fps, file.sample_rate) == (25.0, None)
        pictures = [shot.pts for shot in islice(file.shots(), 510)]
    assert pictures == pytest.approx([number / 25 for number in range(510)])


def test_over_and_over(tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    make_movie(path, Recipe(audio="", frames=5, b_frames=0))
    with closing(DecodedFile(path, loop=True)) as file:
        pictures = [shot.pts for shot in islice(file.shots(), 23)]
    assert pictures == pytest.approx([number / 25 for number in range(23)], abs=0.002)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        DecodedFile(tmp_path / "nothing.mp4")
    with pytest.raises(MediaError, match="not a regular file"):
        DecodedFile(tmp_path)
    text = tmp_path / "text.mp4"
    text.write_text("no movie")
    with pytest.raises(MediaError, match="cannot be read"):
        DecodedFile(text)


def test_a_file_with_nothing_to_decode(movie: Movie, tmp_path: Path) -> None:
    path = tmp_path / "torn.mkv"
    path.write_bytes(movie("movie.mkv").read_bytes()[:1200])
    with closing(DecodedFile(path)) as file, pytest.raises(MediaError, match="nothing in it can be decoded"):
        next(file.shots())
