"""Video of every codec out of every container: tracks, framing, times, and what a header may leave out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from reelcast.errors import PayloadError
from reelcast.media.codecs import adapt, name_of, wants_first
from reelcast.media.demux import open_demuxer
from reelcast.media.lane import Lane
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import depacketizer_for, packetizer_for
from reelcast.rtp.payload.av1_obu import TEMPORAL_DELIMITER, kind_of, split_obus
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Codec, Track

FRAMES, EVERY = 30, 15
FRAME = 3600
"""Ticks of the clock, at 25 frames a second."""
SIZE = (160, 120)


@dataclass(frozen=True)
class Recipe:
    """What a movie is encoded with."""

    encoder: str
    options: dict[str, str]


RECIPES: dict[Codec, Recipe] = {
    "h265": Recipe(
        "libx265",
        {
            "preset": "ultrafast",
            "x265-params": f"keyint={EVERY}:min-keyint={EVERY}:open-gop=0:bframes=3:b-adapt=0"
            ":pools=none:log-level=none",
        },
    ),
    "vp8": Recipe("libvpx", {"deadline": "realtime", "cpu-used": "8", "g": str(EVERY)}),
    "vp9": Recipe("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": str(EVERY)}),
    "av1": Recipe("libsvtav1", {"preset": "12", "g": str(EVERY)}),
}
Movie = Callable[[Codec, str], Path]


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Movie:
    """The path of a movie of a codec in a container, made when first asked for."""
    folder = tmp_path_factory.mktemp("coded")

    def find(codec: Codec, container: str) -> Path:
        path = folder / f"{codec}.{container}"
        if not path.exists():
            encode(path, RECIPES[codec])
        return path

    return find


def encode(path: Path, recipe: Recipe) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(recipe.encoder, rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = recipe.options
        for number in range(FRAMES):
            shade = (np.arange(SIZE[0], dtype=np.int64) + 5 * number) % 256
            pixels = np.broadcast_to(shade[None, :, None], (SIZE[1], SIZE[0], 3)).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def units_of(path: Path, seconds: float = 0.0) -> tuple[Track, list[AccessUnit]]:
    demuxer = open_demuxer(path)
    demuxer.seek(seconds)
    units = [unit for _, unit in demuxer.units()]
    demuxer.close()
    return demuxer.tracks[0], units


def carried(track: Track, units: list[AccessUnit]) -> list[AccessUnit]:
    """The units through RTP."""
    packetizer, depacketizer = packetizer_for(track), depacketizer_for(track)
    received: list[AccessUnit] = []
    sequence = 0
    for unit in units:
        for burst in packetizer.packetize(unit):
            place = 0
            for size in burst.sizes:
                packet = Packet.parse(burst.data[place : place + size])
                assert packet is not None
                packet = Packet(
                    packet.payload_type, sequence, packet.timestamp, 0, packet.marker, packet.payload
                )
                received += depacketizer.receive(packet)
                place, sequence = place + size, (sequence + 1) & 0xFFFF
    return received


CONTAINERS: list[tuple[Codec, str]] = [
    *(("h265", container) for container in ("mp4", "mov", "mkv", "ts", "flv")),
    *(("vp8", container) for container in ("webm", "mkv", "ivf", "avi")),
    *(("vp9", container) for container in ("webm", "mp4", "ivf", "flv")),
    *(("av1", container) for container in ("mp4", "mkv", "webm", "ivf")),
]


@pytest.mark.parametrize(("codec", "container"), CONTAINERS)
def test_every_unit_is_there_in_time_and_passes_through_rtp(
    coded: Movie, codec: Codec, container: str
) -> None:
    track, units = units_of(coded(codec, container))
    assert (track.codec, track.width, track.height, track.clock_rate) == (codec, *SIZE, 90_000)
    assert sorted(unit.pts for unit in units) == [FRAME * number for number in range(FRAMES)]
    assert [unit.dts for unit in units] == sorted({unit.dts for unit in units})
    assert all(unit.dts <= unit.pts for unit in units)
    assert [unit.pts for unit in units if unit.keyframe] == [0, FRAME * EVERY]
    received = carried(track, units)
    assert [unit.pts for unit in received] == [unit.pts for unit in units]
    assert [unit.keyframe for unit in received] == [unit.keyframe for unit in units]
    for ours, theirs in zip(received, units, strict=True):
        # Parameter sets may have come before a keyframe.
        assert ours.data == theirs.data or (ours.keyframe and len(ours.data) > len(theirs.data))


@pytest.mark.parametrize(("codec", "container"), CONTAINERS)
def test_a_seek_lands_on_the_keyframe(coded: Movie, codec: Codec, container: str) -> None:
    _, units = units_of(coded(codec, container), 0.9)
    assert units[0].keyframe
    assert units[0].pts == FRAME * EVERY
    assert len(units) == FRAMES - EVERY


@pytest.mark.parametrize("container", ["mp4", "ts"])
def test_reordered_pictures_of_h265(coded: Movie, container: str) -> None:
    _, units = units_of(coded("h265", container))
    assert [unit.pts // FRAME for unit in units[:5]] == [0, 4, 2, 1, 3]
    assert [unit.dts // FRAME for unit in units[:5]] == [-2, -1, 0, 1, 2]


@pytest.mark.parametrize("container", ["mp4", "ts"])
def test_a_keyframe_of_h265_has_its_parameter_sets(coded: Movie, container: str) -> None:
    track, units = units_of(coded("h265", container))
    assert [nal[0] >> 1 for nal in track.parameter_sets] == [32, 33, 34]
    keyframe = next(unit for unit in carried(track, units) if unit.keyframe)
    kinds = [nal[0] >> 1 for nal in split_nal_units(keyframe.data)]
    assert [kind for kind in kinds if 32 <= kind <= 34] == [32, 33, 34]


@pytest.mark.parametrize("container", ["mp4", "ivf"])
def test_a_unit_of_av1_has_one_delimiter(coded: Movie, container: str) -> None:
    track, units = units_of(coded("av1", container))
    for unit in units:
        assert unit.data.startswith(TEMPORAL_DELIMITER)
        assert [kind_of(each) for each in split_obus(unit.data)].count(2) == 1
    assert [kind_of(each) for each in track.parameter_sets] == [1]


def adapted(path: Path, extradata: bytes | None, first: bytes | None = None) -> Lane:
    """The lane of a file's stream, its header's words replaced; `first` is its first packet if not given."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if first is None:
            first = next(bytes(packet) for packet in container.demux(stream))
        stream.codec_context.extradata = extradata
        assert wants_first(stream)
        return adapt(stream, first)


@pytest.mark.parametrize("extradata", [None, b"", b"\0\0\1\x40\1", b"\1" * 22])
def test_parameter_sets_of_h265_come_from_the_first_keyframe(coded: Movie, extradata: bytes | None) -> None:
    lane = adapted(coded("h265", "ts"), extradata)
    assert [nal[0] >> 1 for nal in lane.track.parameter_sets] == [32, 33, 34]


def test_parameter_sets_of_h265_behind_lengths(coded: Movie) -> None:
    """As in an MP4 track of the kind hev1, whose configuration record has none."""
    record = b"\1\1" + bytes(19) + b"\xff\0"
    sets = [b"\x40\1vps", b"\x42\1sps", b"\x44\1pps"]
    first = b"".join(len(nal).to_bytes(4) + nal for nal in sets)
    lane = adapted(coded("h265", "ts"), record, first)
    assert list(lane.track.parameter_sets) == sets
    assert list(split_nal_units(lane.convert(first))) == sets


@pytest.mark.parametrize("extradata", [b"\1" * 30, b"\1" * 23])
def test_h265_without_parameter_sets(coded: Movie, extradata: bytes) -> None:
    with pytest.raises(PayloadError, match="it has no VPS, SPS and PPS at its beginning"):
        adapted(coded("h265", "ts"), extradata)


@pytest.mark.parametrize("extradata", [None, b"\x81\0\0\0", b"\x81\0\0\0\x0a\x09a", b"\x0a"])
def test_the_sequence_header_comes_from_the_first_keyframe(coded: Movie, extradata: bytes | None) -> None:
    lane = adapted(coded("av1", "mp4"), extradata)
    assert [kind_of(each) for each in lane.track.parameter_sets] == [1]


@pytest.mark.parametrize("first", [b"", b"\x12\0", b"\x32\x09a"])
def test_av1_without_a_sequence_header(coded: Movie, first: bytes) -> None:
    with pytest.raises(PayloadError, match="it has no sequence header at its beginning"):
        adapted(coded("av1", "mp4"), None, first)


def test_the_profile_of_vp9_comes_from_the_first_keyframe(coded: Movie) -> None:
    path = coded("vp9", "webm")
    assert adapted(path, None).track.profile == 0
    assert adapted(path, None, b"\xa2\x49\x83\x42").track.profile == 1


def test_vp8_needs_nothing(coded: Movie) -> None:
    with av.open(str(coded("vp8", "webm"))) as container:
        stream = container.streams.video[0]
        assert name_of(stream) == "vp8"
        assert not wants_first(stream)


def test_a_codec_without_a_payload_format(tmp_path: Path) -> None:
    encode(tmp_path / "old.avi", Recipe("mpeg4", {}))
    with (
        av.open(str(tmp_path / "old.avi")) as container,
        pytest.raises(PayloadError, match="no RTP payload format"),
    ):
        adapt(container.streams.video[0], b"")
