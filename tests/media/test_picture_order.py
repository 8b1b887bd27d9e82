"""Orders written slice by slice, and files with B-frames that say nothing but their slices."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from contextlib import closing, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rtp.payload.headers import Written, nal, pps, se, sps, ue

from reelcast.errors import MediaError
from reelcast.media import picture_order
from reelcast.media.container import ContainerDemuxer
from reelcast.media.picture_order import PictureOrder
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Track

STEP = 10
RESET = f"0 0 1 {ue(5)} {ue(0)}"
TYPE_1 = f"{ue(1)} 0 {se(-2)} {se(1)} {ue(2)} {se(4)} {se(6)}"


def order_of(sequence: bytes | None = None, picture: bytes | None = None) -> PictureOrder:
    sets = (sequence or sps(), picture or pps())
    return PictureOrder(Track("video", "h264", 90_000, 96, parameter_sets=sets), "film.h264")


def unit(number: int, *nals: bytes) -> AccessUnit:
    return AccessUnit(b"".join(b"\0\0\0\1" + nal for nal in nals), STEP * number, STEP * number)


def shown(pictures: Sequence[Written | bytes], order: PictureOrder) -> list[int]:
    """The places at which pictures are shown, in decoding order."""
    written = [each if isinstance(each, bytes) else each.nal() for each in pictures]
    units = [out for number, each in enumerate(written) for out in order.push(unit(number, each))]
    units += order.flush()
    assert [each.dts for each in units] == [STEP * number - order.delay for number in range(len(written))]
    return [each.pts // STEP for each in units]


def idr(field: str = "") -> Written:
    return Written(2, 0, "000000", field, idr=True, rest="0 0")


def p(lsb: int, frame_num: int = 1, rest: str = "0 0 0") -> Written:
    return Written(0, frame_num, f"{lsb % 64:06b}", rest=rest)


def b(lsb: int) -> Written:
    return Written(1, 2, f"{lsb % 64:06b}", reference=False, rest="0 0 0 0")


@pytest.mark.parametrize(
    ("pictures", "places"),
    [
        ([idr(), p(2), p(4)], [0, 1, 2]),
        ([idr(), p(6), b(2), b(4), p(12), b(8), b(10)], [0, 3, 1, 2, 6, 4, 5]),
        # A pyramid: 8 4 2 6.
        ([idr(), p(8), p(4), b(2), b(6), p(10)], [0, 4, 2, 1, 3, 5]),
        # Nothing goes past an IDR picture, nor past a picture that resets.
        ([idr(), p(4), b(2), idr(), p(4), b(2)], [0, 2, 1, 3, 5, 4]),
        ([idr(), p(30), p(20, rest=RESET), p(4), b(2)], [0, 1, 2, 4, 3]),
        # The counter turns over, and an open group is begun with.
        ([idr(), *(p(20 * number) for number in range(1, 9)), b(150)], [0, *range(1, 8), 9, 8]),
        ([p(2), b(-2), b(0), p(8), b(4)], [2, 0, 1, 4, 3]),
        # Where slices cannot be read, nothing goes past either.
        ([idr(), p(4), b(2), b"\x09\x10", p(8), b(6)], [0, 2, 1, 3, 5, 4]),
    ],
)
def test_type_0(pictures: list[Written | bytes], places: list[int]) -> None:
    assert shown(pictures, order_of()) == places


def test_type_1() -> None:
    # Expected: 4 for the first frame after the IDR, 10 for the second, 14 for the third; others 2 earlier.
    first = Written(2, 0, se(0), idr=True, rest="0 0")
    pictures = [
        first,
        Written(0, 1, se(0)),
        Written(0, 2, se(-2)),
        Written(1, 3, se(-3), reference=False, rest="0 0 0 0"),
    ]
    assert shown(pictures, order_of(sps(TYPE_1))) == [0, 1, 3, 2]
    # 16 frames on, frame_num turns over.
    frames = [Written(0, number % 16, se(0)) for number in range(1, 40)]
    assert shown([first, *frames], order_of(sps(TYPE_1))) == list(range(40))
    reset = Written(0, 3, se(0), rest=RESET)
    assert shown([first, reset, Written(0, 1, se(0))], order_of(sps(TYPE_1))) == [0, 1, 2]
    without_cycle = f"{ue(1)} 1 {se(-1)} {se(0)} {ue(0)}"
    assert shown([Written(2, 0, idr=True, rest="0 0")], order_of(sps(without_cycle))) == [0]


def test_type_2_is_the_order_of_decoding() -> None:
    frames = [Written(0, number % 16, reference=number % 2 == 0, rest="0 0 0") for number in range(1, 40)]
    assert shown([Written(2, 0, idr=True, rest="0 0"), *frames], order_of(sps(ue(2)))) == list(range(40))


def test_fields_stay_together() -> None:
    def field(kind: int, frame_num: int, lsb: int, bottom: int, idr: bool = False) -> Written:
        rest = ("0 " if kind == 1 else "") + ("0 0" if kind == 2 else "0 0 0")
        return Written(kind, frame_num, f"{lsb:06b}", f"1{bottom}", idr, kind != 1, rest=rest)

    pictures = [
        *(field(2, 0, 0, 0, idr=True), field(0, 0, 1, 1)),
        *(field(0, 1, 8, 0), field(0, 1, 9, 1)),
        *(field(1, 2, 4, 1), field(1, 2, 5, 0)),
    ]
    assert shown(pictures, order_of(sps(frames_only=False))) == [0, 1, 4, 5, 2, 3]
    # A frame, a field without its second, a frame.
    single = [idr(field="0"), field(0, 1, 4, 0), Written(0, 2, "000110", "0")]
    assert shown(single, order_of(sps(frames_only=False))) == [0, 1, 2]


def test_the_delay() -> None:
    bare = "0 0 0 0 0 0 0 0 1 1 1 1 1 1"
    told = order_of(sps(vui=f"1 {bare} {ue(3)} {ue(4)}"))
    assert told.reordering == 3
    told.learn(Fraction(90_090, 1001 * 4))
    assert told.delay == 68
    untold = order_of()
    assert untold.reordering is None
    assert shown([idr(), p(8), p(4), b(2), b(6), p(10)], untold) == [0, 4, 2, 1, 3, 5]
    untold.learn(Fraction(STEP))
    assert untold.delay == 2 * STEP
    assert shown([idr(), p(4), b(2)], untold) == [0, 2, 1]
    assert order_of(sps(vui=f"1 {bare} {ue(0)} {ue(1)}")).reordering == 0


def test_times_are_known_after_a_bounded_wait() -> None:
    order = order_of()
    counts = [len(order.push(unit(number, p(2 * number).nal()))) for number in range(40)]
    assert counts == [0] * 16 + [1] * 24
    # One that claims to be shown after all that follow: no such thing.
    order.restart()
    order.push(unit(0, idr().nal()))
    order.push(unit(1, p(31).nal()))
    held = [len(order.push(unit(number, b(2).nal()))) for number in range(2, 400)]
    assert sum(held) >= 400 - picture_order.MAX_HELD - 2


def test_what_cannot_be_known_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    order = order_of(sps(ue(3)))
    assert shown([idr(), p(4), b(2)], order) == [0, 1, 2]
    assert caplog.text.count("film.h264: some pictures do not tell their order") == 1


def test_parameter_sets_on_the_way() -> None:
    order = PictureOrder(Track("video", "h264", 90_000, 96), "film.h264")
    order.push(unit(0, sps(), pps(), idr().nal()))
    order.push(unit(1, p(4).nal()))
    assert [each.pts for each in [*order.push(unit(2, b(2).nal())), *order.flush()]] == [0, 20, 10]


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from([0x61, 0x65, 0x01, 0x67, 0x68]), st.binary(max_size=12)), max_size=60)
)
def test_any_slices(nals: list[tuple[int, bytes]]) -> None:
    order = order_of(sps(frames_only=False))
    units = [unit(number, bytes((head,)) + data) for number, (head, data) in enumerate(nals)]
    found = [out for each in units for out in order.push(each)] + order.flush()
    assert [each.dts for each in found] == [each.dts for each in units]
    assert all(0 <= each.pts <= STEP * len(units) for each in found)


def encode(path: Path, params: str, rate: Fraction = Fraction(25)) -> None:
    """60 pictures by x264 as MP4, and the same in AVI and raw."""
    with av.open(str(path / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.thread_count = 1
        groups = f"keyint=15:min-keyint=15:scenecut=0:b-adapt=0:threads=1:{params}"
        stream.options = {"preset": "ultrafast", "x264-params": groups}
        for number in range(60):
            shade = ((np.arange(64 * 96) % 96 + 5 * number) % 256).astype(np.uint8).reshape(64, 96, 1)
            frame = av.VideoFrame.from_ndarray(np.repeat(shade, 3, axis=2), format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for name in ("film.avi", "film.h264"):
        with av.open(str(path / "film.mp4")) as source, av.open(str(path / name), "w") as target:
            original = source.streams.video[0]
            copy = target.add_stream_from_template(original)
            copy.time_base = 1 / rate
            annex_b = BitStreamFilterContext("h264_mp4toannexb", original, copy)
            for packet in source.demux(original):
                for each in annex_b.filter(packet if packet.size else None):
                    each.stream = copy
                    target.mux(each)


def coded(unit: AccessUnit) -> list[bytes]:
    return [each for each in split_nal_units(unit.data) if each[0] & 0x1F in (1, 5)]


def units_of(demuxer: ContainerDemuxer) -> list[AccessUnit]:
    return [unit for _, unit in demuxer.units()]


FILMS = [
    *(f"bframes={count}" for count in range(4)),
    *(f"bframes=3:b-pyramid={pyramid}" for pyramid in ("none", "strict", "normal")),
    "bframes=3:b-pyramid=normal:open-gop=1",
    "bframes=2:ref=4:weightp=2:weightb=1:open-gop=1:slices=2",
    "bframes=3:interlaced=1",
    "bframes=0:ref=3:weightp=2",
]


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001)])
@pytest.mark.parametrize("params", FILMS)
def test_raw_and_avi_are_shown_like_mp4(tmp_path: Path, params: str, rate: Fraction) -> None:
    encode(tmp_path, params, rate)
    with closing(ContainerDemuxer(tmp_path / "film.mp4")) as demuxer:
        expected = units_of(demuxer)
    for name in ("film.avi", "film.h264"):
        with closing(ContainerDemuxer(tmp_path / name)) as demuxer:
            units = units_of(demuxer)
            assert [coded(unit) for unit in units] == [coded(unit) for unit in expected]
            # A raw file counts frames of whole units of the clock: a quarter too much each, here.
            slack = 0 if rate == 25 else len(units) // 4 + 1
            for one, other in zip(units, expected, strict=True):
                assert abs(one.pts - other.pts) <= slack
                assert abs(one.dts - other.dts) <= slack + 1
                assert one.pts >= one.dts
            assert all(one.dts < other.dts for one, other in itertools.pairwise(units))
            keyframes = [unit for unit in units if unit.keyframe]
            assert len(keyframes) == 4
            for place in (
                early + late for early in (each.pts / 90_000 for each in keyframes) for late in (0, 0.3)
            ):
                demuxer.seek(place)
                last = [unit for unit in keyframes if unit.pts <= round(place * 90_000)][-1]
                assert units_of(demuxer) == units[units.index(last) :]


def test_a_film_that_does_not_tell_how_far_it_is_reordered(tmp_path: Path) -> None:
    encode(tmp_path, "bframes=3:b-pyramid=normal")
    data = (tmp_path / "film.h264").read_bytes()
    (old,) = {each for each in split_nal_units(data) if each[0] & 0x1F == 7}
    lsb_bits = 2  # x264: 6 bits, or as many as a group needs
    with closing(ContainerDemuxer(tmp_path / "film.h264")) as demuxer:
        expected = [unit.pts for unit in units_of(demuxer)]
    size = f"{ue(5)} {ue(3)} 1 1 0 0"
    head = bytes((0x67, 77, 0, 30))
    new = nal(head, f"{ue(0)} {ue(0)} {ue(0)} {ue(lsb_bits)} {ue(4)} 0 {size}")
    path = tmp_path / "untold.h264"
    path.write_bytes(data.replace(old, new))
    with closing(ContainerDemuxer(path)) as demuxer:
        units = units_of(demuxer)
    step = units[1].dts - units[0].dts
    assert [unit.pts // step for unit in units] == [pts // 3600 for pts in expected]
    assert units[0].dts == -2 * step


def test_seeking_while_pictures_wait(tmp_path: Path) -> None:
    encode(tmp_path, "bframes=3")
    for name in ("film.avi", "film.h264"):
        with closing(ContainerDemuxer(tmp_path / name)) as demuxer:
            whole = units_of(demuxer)
            demuxer.seek(0)
            units = demuxer.units()
            next(units)
            demuxer.seek(1.3)
            assert next(units)[1] == whole[30]
            demuxer.close()
            assert list(units) == []


def test_mutated_slices(tmp_path: Path) -> None:
    encode(tmp_path, "bframes=3:b-pyramid=normal:open-gop=1")
    chance = random.Random(1)
    for name in ("film.avi", "film.h264"):
        original = (tmp_path / name).read_bytes()
        heads = [at for at in range(len(original)) if original.startswith((b"\0\0\1", b"00dc"), at)]
        for _ in range(20):
            data = bytearray(original)
            for at in chance.sample(heads, 10):
                for _ in range(3):
                    data[min(at + chance.randrange(4, 24), len(data) - 1)] = chance.randrange(256)
            path = tmp_path / f"mutated-{name}"
            path.write_bytes(data)
            with suppress(MediaError), closing(ContainerDemuxer(path)) as demuxer:
                for seconds in (0, 1.2):
                    demuxer.seek(seconds)
                    units = units_of(demuxer)
                    assert all(one.dts < other.dts for one, other in itertools.pairwise(units))
