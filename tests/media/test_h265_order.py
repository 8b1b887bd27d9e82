"""Orders of H.265 written slice by slice, and files with B-frames that say nothing but their slices."""

from __future__ import annotations

import itertools
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.headers import ue
from tests.rtp.payload.test_h265_slice import CRA, IDR, TRAIL, pps, slice_of, sps

from reelcast.media.container import ContainerDemuxer
from reelcast.media.h265_order import H265Counter
from reelcast.media.picture_order import PictureOrder
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Track

STEP = 10
SETS = (sps(), pps())
UNREFERENCED, RADL, RASL, BLA = 0, 7, 9, 16


def picture(kind: int, count: int = 0, *, sub_layer: int = 0) -> bytes:
    """The first slice of a picture; of the count, the lowest 8 bits are told."""
    flag = "0" if kind >= BLA else ""
    lsb = "" if kind == IDR else f"{count % 256:08b}"
    return slice_of(kind, f"1 {flag} {ue(0)} {ue(2)} {lsb}", sub_layer=sub_layer)


def unit(number: int, *nals: bytes) -> AccessUnit:
    return AccessUnit(b"".join(b"\0\0\0\1" + each for each in nals), STEP * number, STEP * number)


def shown(*pictures: bytes) -> list[int]:
    """The places at which pictures are shown, in decoding order."""
    order = PictureOrder(Track("video", "h265", 90_000, 96, parameter_sets=SETS), "film.hevc")
    units = [out for number, each in enumerate(pictures) for out in order.push(unit(number, each))]
    units += order.flush()
    return [each.pts // STEP for each in units]


P = [picture(TRAIL, count) for count in range(2000)]


@pytest.mark.parametrize(
    ("pictures", "places"),
    [
        ([picture(IDR), P[1], P[2]], [0, 1, 2]),
        # A pyramid; the unreferenced are no anchor for those that follow.
        (
            [picture(IDR), P[4], P[2], picture(UNREFERENCED, 1), picture(UNREFERENCED, 3), P[5]],
            [0, 4, 2, 1, 3, 5],
        ),
        # Nothing goes past an IDR or BLA picture.
        ([picture(IDR), P[2], P[1], picture(IDR), P[2], P[1]], [0, 2, 1, 3, 5, 4]),
        ([picture(IDR), P[2], P[1], picture(BLA, 9), P[11], P[10]], [0, 2, 1, 3, 5, 4]),
        # An open group: what is decoded behind the CRA picture is shown before it, wherever one begins.
        ([picture(IDR), P[1], picture(CRA, 4), picture(RASL, 2), picture(RADL, 3), P[5]], [0, 1, 4, 2, 3, 5]),
        ([picture(CRA, 4), picture(RASL, 2), picture(RADL, 3), P[5]], [2, 0, 1, 3]),
        # The counter turns over, in both directions.
        ([picture(IDR), *P[100:1000:100], picture(UNREFERENCED, 850)], [0, *range(1, 9), 10, 9]),
        # Pictures of higher sub-layers are no anchor.
        ([picture(IDR), P[100], picture(TRAIL, 227, sub_layer=1), P[200]], [0, 1, 3, 2]),
        # Where slices cannot be read, nothing goes past either.
        ([picture(IDR), P[2], P[1], b"\x4e\x01\x05", P[4], P[3]], [0, 2, 1, 3, 5, 4]),
    ],
)
def test_table(pictures: list[bytes], places: list[int]) -> None:
    assert shown(*pictures) == places


def test_how_far_pictures_are_reordered() -> None:
    assert H265Counter(SETS).reordering == 2
    assert H265Counter(()).reordering is None


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from([2, 0, 38, 42, 18, 66, 68]), st.binary(max_size=12)), max_size=60))
def test_any_slices(nals: list[tuple[int, bytes]]) -> None:
    order = PictureOrder(Track("video", "h265", 90_000, 96, parameter_sets=SETS), "film.hevc")
    units = [unit(number, bytes((head, 1)) + data) for number, (head, data) in enumerate(nals)]
    found = [out for each in units for out in order.push(each)] + order.flush()
    assert [each.dts for each in found] == [each.dts for each in units]
    assert all(0 <= each.pts <= STEP * len(units) for each in found)


def encode(folder: Path, params: str) -> None:
    """60 pictures by x265 as MP4, and the same raw."""
    with av.open(str(folder / "film.mp4"), "w") as container:
        stream = container.add_stream("libx265", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        groups = f"keyint=15:min-keyint=15:scenecut=0:b-adapt=0:pools=none:log-level=none:{params}"
        stream.codec_context.options = {"preset": "ultrafast", "x265-params": groups}
        for number in range(60):
            shade = ((np.arange(64 * 96) % 96 + 5 * number) % 256).astype(np.uint8).reshape(64, 96, 1)
            frame = av.VideoFrame.from_ndarray(np.repeat(shade, 3, axis=2), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(folder / "film.mp4")) as source, av.open(str(folder / "film.hevc"), "w") as target:
        original = source.streams.video[0]
        copy = target.add_stream_from_template(original)
        annex_b = BitStreamFilterContext("hevc_mp4toannexb", original, copy)
        for packet in source.demux(original):
            for each in annex_b.filter(packet if packet.size else None):
                each.stream = copy
                target.mux(each)


def coded(unit: AccessUnit) -> list[bytes]:
    return [each for each in split_nal_units(unit.data) if each[0] >> 1 < 32]


def units_of(path: Path) -> list[AccessUnit]:
    with closing(ContainerDemuxer(path)) as demuxer:
        return [unit for _, unit in demuxer.units()]


@pytest.mark.parametrize(
    "params",
    [
        "bframes=0",
        "bframes=3:b-pyramid=0:open-gop=0",
        "bframes=3:open-gop=0",
        "bframes=4:open-gop=1",
        "bframes=2:open-gop=1:slices=2:temporal-layers=2",
    ],
)
def test_raw_files_are_shown_like_mp4(tmp_path: Path, params: str) -> None:
    encode(tmp_path, params)
    expected = units_of(tmp_path / "film.mp4")
    units = units_of(tmp_path / "film.hevc")
    assert [coded(each) for each in units] == [coded(each) for each in expected]
    assert [each.pts for each in units] == [each.pts for each in expected]
    assert all(one.dts < other.dts for one, other in itertools.pairwise(units))
    assert all(each.dts <= each.pts for each in units)
    keyframes = [each for each in units if each.keyframe]
    assert len(keyframes) == 4
    with closing(ContainerDemuxer(tmp_path / "film.hevc")) as demuxer:
        assert demuxer.duration == 60 / 25
        for keyframe in keyframes:
            demuxer.seek(keyframe.pts / 90_000 + 0.1)
            assert [each for _, each in demuxer.units()] == units[units.index(keyframe) :]
