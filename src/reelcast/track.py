"""What a track is, and the coded frames it is made of: the words every room above shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["AccessUnit", "Codec", "Kind", "Track"]

Kind = Literal["video", "audio"]
Codec = Literal[
    "h264", "h265", "vp8", "vp9", "av1", "jpeg", "mp2t", "aac", "opus", "mpa", "pcmu", "pcma", "g722", "l16"
]


@dataclass(frozen=True, slots=True)
class Track:
    """One media stream with its codec parameters.

    codec            the registry's name of the codec (see `reelcast.rtp.payload`)
    clock_rate       RTP clock in Hz: 90000 for video and MPEG audio, the sample rate for other audio (RFC 3551);
                     G.722 counts 8000 for its 16000 samples
    payload_type     RTP payload type; static where RFC 3551 gives one, else 96 to 127
    channels         audio channels, 0 for video
    parameter_sets   what goes in-band before a keyframe. H.264, H.265: the VPS (H.265), SPS and PPS NAL units,
                     without start codes; AV1: the sequence header OBU, without a size field
    config           AAC: the AudioSpecificConfig (ISO 14496-3)
    width, height    video size in pixels, 0 where unknown
    frame_rate       frames a second, 0.0 where unknown
    bit_rate         bits a second, 0 where unknown
    control          the track's control attribute, relative to its presentation ("trackID=1")
    profile          VP9: the profile of the bitstream
    au_header        AAC: bits of AU-size, AU-Index and AU-Index-delta before each unit (RFC 3640 section 4.1)
    latm             AAC: received as LATM instead (RFC 6416 section 6); never sent so
    """

    kind: Kind
    codec: Codec
    clock_rate: int
    payload_type: int
    channels: int = 0
    parameter_sets: tuple[bytes, ...] = ()
    config: bytes = b""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    bit_rate: int = 0
    control: str = ""
    profile: int = 0
    au_header: tuple[int, int, int] = (13, 3, 3)
    latm: bool = False

    def __hash__(self) -> int:
        """Of what tells the tracks of a presentation apart: they are looked up with every unit."""
        return hash((self.codec, self.payload_type, self.control))

    @property
    def identity(self) -> tuple[Kind, Codec, str]:
        """What it keeps when its parameters change, or its stream is opened again: kind, codec, control."""
        return self.kind, self.codec, self.control

    @property
    def essence(self) -> tuple[Kind, Codec, int, int]:
        """What it is wherever it is described, in whatever file or SDP: kind, codec, clock rate, channels.

        All else is the describer's: payload types and controls are chosen, containers write a config anew, and
        pictures change their size and their parameter sets as they come.
        """
        return self.kind, self.codec, self.clock_rate, self.channels


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded frame of a track (or one audio unit).

    data       H.264, H.265: NAL units, each behind a four-byte start code (Annex B); VP8, VP9: a frame, or a
               superframe; AV1: a temporal unit in the low-overhead format; JPEG: a whole image; AAC: one raw
               data block without ADTS; Opus: one packet; MPEG audio: one frame with its header; PCMU, PCMA:
               samples; G.722: two of them a byte; L16: big-endian interleaved samples (RFC 3551);
               MPEG-TS: whole transport stream packets of 188 bytes
    pts        presentation time in units of 1/clock_rate s; of a received unit the 32-bit RTP timestamp
    dts        decoding time in the same units, on the same axis; the order in which units are sent
    keyframe   True where decoding can start
    duration   in the same units, 0 where unknown
    """

    data: bytes
    pts: int
    dts: int
    keyframe: bool = True
    duration: int = 0
