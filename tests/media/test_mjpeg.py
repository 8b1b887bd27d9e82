from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from reelcast.errors import MediaError
from reelcast.media import mjpeg
from reelcast.media.mjpeg import MAX_CLASSROOM_FRAME, MjpegDemuxer, frame_size, is_mjpeg, write_frames

JUNK = bytes(range(1, 200))


def picture(shade: int, width: int = 64, height: int = 48, **options: int) -> bytes:
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    image.putpixel((0, 0), (shade, 0, 0))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80, **options)
    return out.getvalue()


FRAMES = [picture(20 * number) for number in range(8)]
THUMBNAILED = FRAMES[0][:2] + b"\xff\xe1" + (len(FRAMES[1]) + 2).to_bytes(2) + FRAMES[1] + FRAMES[0][2:]
RESTARTING = picture(9, restart_marker_blocks=2)


def classroom(frames: list[bytes]) -> bytes:
    return b"".join(b"%05d" % len(frame) + frame for frame in frames)


def read(path: Path, data: bytes) -> list[bytes]:
    path.write_bytes(data)
    with closing(MjpegDemuxer(path)) as demuxer:
        return [unit.data for _, unit in demuxer.units()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "movie.Mjpeg"


def test_the_track(path: Path) -> None:
    path.write_bytes(classroom(FRAMES))
    demuxer = MjpegDemuxer(path)
    (track,) = demuxer.tracks
    assert (track.kind, track.codec, track.payload_type, track.clock_rate) == ("video", "jpeg", 26, 90_000)
    assert (track.width, track.height, track.frame_rate, track.control) == (64, 48, 25.0, "trackID=1")
    assert track.bit_rate == round(sum(map(len, FRAMES)) * 8 * 25 / 8)
    assert demuxer.duration == pytest.approx(8 / 25)
    demuxer.close()
    demuxer.close()


@pytest.mark.parametrize(
    "data",
    [classroom(FRAMES), b"".join(FRAMES), b"".join(frame + b"\0\0" for frame in FRAMES)],
    ids=["classroom", "plain", "padded"],
)
def test_frames_come_as_they_are(path: Path, data: bytes) -> None:
    assert read(path, data) == FRAMES


@pytest.mark.parametrize("frame", [THUMBNAILED, RESTARTING, FRAMES[0][:2] + b"\xff" + FRAMES[0][2:]])
def test_markers_within_an_image_are_no_end(path: Path, frame: bytes) -> None:
    assert read(path, frame + FRAMES[3] + frame) == [frame, FRAMES[3], frame]


def test_an_image_may_cross_the_chunks_of_the_index(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"".join([*FRAMES, RESTARTING, THUMBNAILED])
    for size in (16, 17, 61, 700):
        monkeypatch.setattr(mjpeg, "_CHUNK", size)
        assert read(path, data) == [*FRAMES, RESTARTING, THUMBNAILED]


def test_times_are_exact(path: Path) -> None:
    path.write_bytes(classroom(FRAMES))
    with closing(MjpegDemuxer(path, frame_rate=30_000 / 1001)) as demuxer:
        units = [unit for _, unit in demuxer.units()]
    assert [unit.pts for unit in units] == [3003 * number for number in range(8)]
    assert all(unit.dts == unit.pts and unit.keyframe and unit.duration == 3003 for unit in units)


@pytest.mark.parametrize(
    ("seconds", "number"),
    [(-5.0, 0), (0.0, 0), (0.039, 0), (0.04, 1), (0.2, 5), (0.21, 5), (0.28, 7), (99.0, 7)],
)
def test_seek(path: Path, seconds: float, number: int) -> None:
    path.write_bytes(classroom(FRAMES))
    with closing(MjpegDemuxer(path)) as demuxer:
        list(demuxer.units())
        demuxer.seek(seconds)
        assert [unit.data for _, unit in demuxer.units()] == FRAMES[number:]


def test_each_frame_is_found_by_its_own_time(path: Path) -> None:
    path.write_bytes(classroom(FRAMES))
    with closing(MjpegDemuxer(path, frame_rate=29.97)) as demuxer:
        for _, unit in list(demuxer.units()):
            demuxer.seek(unit.pts / 90_000)
            assert next(demuxer.units())[1] == unit


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (classroom(FRAMES)[:-1], 7),
        (classroom(FRAMES) + b"123", 8),
        (classroom(FRAMES) + JUNK, 8),
        (classroom(FRAMES) + b"00002\xff\xd8", 8),
        (b"".join(FRAMES)[:-1], 7),
        (b"".join(FRAMES) + FRAMES[0][:100], 8),
        (b"".join(FRAMES) + JUNK, 8),
    ],
)
def test_what_is_cut_short_is_left_out(
    path: Path, data: bytes, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert read(path, data) == FRAMES[:kept]
    assert len(caplog.records) == (0 if data.endswith(JUNK) and data.startswith(b"\xff") else 1)


def test_broken_images_among_plain_ones_are_skipped(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut = FRAMES[1][: len(FRAMES[1]) - 40]
    headless = b"\xff\xd8" + JUNK
    assert read(path, FRAMES[0] + cut + FRAMES[2] + headless + FRAMES[3]) == [FRAMES[0], FRAMES[2], FRAMES[3]]
    assert "2 places" in caplog.text


def test_too_long_an_image_is_left_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mjpeg, "MAX_FRAME_BYTES", len(FRAMES[0]) + 50)
    assert read(path, FRAMES[0] + THUMBNAILED + FRAMES[0]) == [FRAMES[0], FRAMES[0]]


def test_the_index_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mjpeg, "MAX_FRAMES", 3)
    assert read(path, classroom(FRAMES)) == FRAMES[:3]


def test_many_false_beginnings_cost_one_pass(path: Path) -> None:
    # Each says that a segment goes on to the next: walked again from its middle, the file would take hours.
    with pytest.raises(MediaError, match="no whole JPEG"):
        read(path, b"\xff\xd8\xff\xe0\xff\xfe" * 200_000)


def test_a_file_that_shrinks_ends(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(classroom(FRAMES))
    with closing(MjpegDemuxer(path)) as demuxer:
        units = demuxer.units()
        next(units)
        path.write_bytes(classroom(FRAMES)[:-10])
        demuxer.seek(0.2)
        assert len(list(units)) == 2
    assert "shorter" in caplog.text


def test_a_closed_file_ends(path: Path) -> None:
    path.write_bytes(classroom(FRAMES))
    demuxer = MjpegDemuxer(path)
    demuxer.close()
    assert list(demuxer.units()) == []


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"00010\xff\xd8", JUNK])
def test_nothing_in_it(path: Path, data: bytes) -> None:
    with pytest.raises(MediaError, match=r"movie\.Mjpeg: no whole JPEG"):
        read(path, data)


def test_missing_or_impossible(path: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="No such file"):
        MjpegDemuxer(path)
    path.write_bytes(classroom(FRAMES))
    for rate in (0.0, -1.0, 1e9, float("nan")):
        with pytest.raises(MediaError, match="frame rate"):
            MjpegDemuxer(path, rate)


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (FRAMES[0], True),
        (classroom(FRAMES), True),
        (b"00000\xff\xd8", False),
        (b"12a45\xff\xd8", False),
        (b"\0\0\0\x18ftyp", False),
        (b"", False),
    ],
)
def test_is_mjpeg(path: Path, head: bytes, answer: bool) -> None:
    path.write_bytes(head)
    assert is_mjpeg(path) is answer


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (picture(1, 128, 32), (128, 32)),
        (b"\xff\xd8\xff\x01\xff\xff" + picture(1)[2:], (64, 48)),
        (b"\xff\xd8\xff\xe0", (0, 0)),
        (b"\xff\xd8" + b"\xff\xe0\0\0" * 9, (0, 0)),
        (JUNK, (0, 0)),
        (b"", (0, 0)),
    ],
)
def test_frame_size(data: bytes, size: tuple[int, int]) -> None:
    assert frame_size(data) == size


def test_write_and_read_again(path: Path) -> None:
    assert write_frames(path, FRAMES) == 8
    assert path.read_bytes() == classroom(FRAMES)


def test_five_digits_are_the_end(path: Path, tmp_path: Path) -> None:
    longest = b"\xff\xd8" + bytes(MAX_CLASSROOM_FRAME - 2)
    assert write_frames(path, [longest]) == 1
    with pytest.raises(MediaError, match="frame 1 has 100000 bytes"):
        write_frames(path, [FRAMES[0], longest + b"\0"])
    with pytest.raises(MediaError):
        write_frames(tmp_path, FRAMES)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=8)), max_size=5),
    st.booleans(),
    st.integers(20, 5000),
)
def test_damaged_files(path: Path, damage: list[tuple[int, bytes]], framed: bool, chunk: int) -> None:
    data = bytearray(classroom(FRAMES[:4]) if framed else b"".join(FRAMES[:4]))
    for at, patch in damage:
        data[at : at + len(patch)] = patch
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(mjpeg, "_CHUNK", chunk)
        try:
            frames = read(path, bytes(data))
        except MediaError:
            return
    assert sum(map(len, frames)) <= len(data)
    assert all(frame.startswith(b"\xff\xd8") for frame in frames)
