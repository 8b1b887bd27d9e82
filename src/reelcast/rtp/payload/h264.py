"""H.264 (RFC 6184), packetization mode 1: single NAL units, STAP-A and FU-A; see `nal_units`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reelcast.rtp.payload.base import PayloadFormat
from reelcast.rtp.payload.h264_sps import parse_sps
from reelcast.rtp.payload.nal_units import (
    NalDepacketizer,
    NalPacketizer,
    NalSyntax,
    read_parameter_sets,
    write_parameter_sets,
)
from reelcast.track import Track

__all__ = ["FORMAT", "SYNTAX", "H264Depacketizer", "H264Packetizer"]

_SPS, _PPS = 7, 8


def _joint_header(nals: list[bytes]) -> bytes:
    """The forbidden bit of any, the highest importance of all (RFC 6184 section 5.7)."""
    forbidden = 0x80 if any(nal[0] & 0x80 for nal in nals) else 0
    return bytes((forbidden | max(nal[0] & 0x60 for nal in nals),))


SYNTAX = NalSyntax(
    name="H.264",
    header=1,
    shift=0,
    mask=0x1F,
    coded=range(1, 24),
    pictures=range(1, 6),
    keyframes=range(5, 6),
    parameter_sets=(_SPS, _PPS),
    sequence=_SPS,
    delimiter=9,
    aggregate=24,
    fragment=28,
    joint_header=_joint_header,
)
"""NAL unit types: H.264 table 7-1, and RFC 6184 table 1 from 24 on."""


class H264Packetizer(NalPacketizer):
    """Access units of one H.264 track into bursts."""

    syntax = SYNTAX


class H264Depacketizer(NalDepacketizer):
    """Packets of one H.264 track into access units."""

    syntax = SYNTAX


def _format_parameters(track: Track) -> dict[str, str]:
    """RFC 6184 section 8.1; parameter sets stand here and in-band, as peers need one or both."""
    parameters = {"packetization-mode": "1"}
    sets = track.parameter_sets
    sps = next((nal for nal in sets if len(nal) >= 4 and SYNTAX.kind(nal) == _SPS), None)
    if sps is not None:
        parameters["profile-level-id"] = sps[1:4].hex().upper()
        parameters["sprop-parameter-sets"] = write_parameter_sets(sets)
    return parameters


def _apply_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    sets = read_parameter_sets(SYNTAX, parameters.get("sprop-parameter-sets", ""))
    info = next((parse_sps(nal) for nal in sets if SYNTAX.kind(nal) == _SPS), None)
    if info is None or not any(SYNTAX.kind(nal) == _PPS for nal in sets):
        return track
    return replace(track, parameter_sets=tuple(sets), width=info.width, height=info.height)


FORMAT = PayloadFormat(
    codec="h264",
    kind="video",
    encoding="H264",
    packetizer=H264Packetizer,
    depacketizer=H264Depacketizer,
    format_parameters=_format_parameters,
    apply_parameters=_apply_parameters,
)
