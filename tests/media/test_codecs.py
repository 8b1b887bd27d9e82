from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import av
import pytest
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from reelcast.errors import PayloadError
from reelcast.media.codecs import adapt, name_of, wants_first
from reelcast.media.lane import Lane

Movie = Callable[[str], Path]


def adapted(
    path: Path, kind: Literal["video", "audio"], extradata: bytes | None, first: bytes | None = None
) -> Lane:
    """The lane of a file's stream, its header's words replaced; `first` is its first packet if not given."""
    with av.open(str(path)) as container:
        stream = container.streams.best(kind)
        assert isinstance(stream, VideoStream | AudioStream)
        if first is None:
            first = next(bytes(packet) for packet in container.demux(stream))
        stream.codec_context.extradata = extradata
        assert wants_first(stream)
        return adapt(stream, first)


@pytest.mark.parametrize("extradata", [None, b"", b"\1\2\3", b"\0\0\0\1\x67"])
def test_parameter_sets_come_from_the_first_keyframe(movie: Movie, extradata: bytes | None) -> None:
    lane = adapted(movie("movie.ts"), "video", extradata)
    assert [nal[0] & 0x1F for nal in lane.track.parameter_sets] == [7, 8]
    assert lane.length is None


def test_h264_without_parameter_sets(movie: Movie) -> None:
    with pytest.raises(PayloadError, match="no SPS and PPS"):
        adapted(movie("movie.mp4"), "video", None)


def test_an_image_that_cannot_be_carried(movie: Movie) -> None:
    with pytest.raises(PayloadError, match="JPEG"):
        adapted(movie("jpeg.avi"), "video", None, b"")


def test_other_codecs(movie: Movie) -> None:
    with av.open(str(movie("ac3.mkv"))) as container:
        stream = container.streams.audio[0]
        assert name_of(stream) == "ac3"
        with pytest.raises(PayloadError, match="no RTP payload format"):
            adapt(stream, b"")
