"""H.265 (RFC 7798): single NAL units, aggregation packets and fragmentation units; see `nal_units`.

Units go in decoding order and without DONL fields, as they do unless sprop-max-don-diff says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reelcast.errors import PayloadError
from reelcast.rtp.payload.base import PayloadFormat
from reelcast.rtp.payload.h265_sps import parse_sps
from reelcast.rtp.payload.nal_units import (
    NalDepacketizer,
    NalPacketizer,
    NalSyntax,
    read_parameter_sets,
    write_parameter_sets,
)
from reelcast.track import Track

__all__ = ["FORMAT", "SYNTAX", "H265Depacketizer", "H265Packetizer"]

_VPS, _SPS, _PPS = 32, 33, 34
_SPROPS = {"sprop-vps": _VPS, "sprop-sps": _SPS, "sprop-pps": _PPS}


def _joint_header(nals: list[bytes]) -> bytes:
    """The forbidden bit of any, the lowest layer and temporal sub-layer of all (RFC 7798 section 4.4.2)."""
    forbidden = 0x8000 if any(nal[0] & 0x80 for nal in nals) else 0
    headers = [nal[0] << 8 | nal[1] for nal in nals]
    layer = min(header & 0x01F8 for header in headers)
    sub_layer = min(header & 0x0007 for header in headers)
    return (forbidden | layer | sub_layer).to_bytes(2)


SYNTAX = NalSyntax(
    name="H.265",
    header=2,
    shift=1,
    mask=0x3F,
    coded=range(48),
    pictures=range(32),
    keyframes=range(16, 24),
    parameter_sets=(_VPS, _SPS, _PPS),
    sequence=_SPS,
    delimiter=35,
    aggregate=48,
    fragment=49,
    joint_header=_joint_header,
)
"""NAL unit types: H.265 table 7-1, and RFC 7798 section 1.1.4 from 48 on."""


class H265Packetizer(NalPacketizer):
    """Access units of one H.265 track into bursts."""

    syntax = SYNTAX


class H265Depacketizer(NalDepacketizer):
    """Packets of one H.265 track into access units."""

    syntax = SYNTAX


def _format_parameters(track: Track) -> dict[str, str]:
    """RFC 7798 section 7.1; parameter sets stand here and in-band, as peers need one or both."""
    parameters: dict[str, str] = {}
    for nal in track.parameter_sets:
        info = parse_sps(nal)
        if info is not None:
            parameters["profile-id"] = str(info.profile)
            parameters["tier-flag"] = str(info.tier)
            parameters["level-id"] = str(info.level)
            break
    for name, kind in _SPROPS.items():
        nals = [nal for nal in track.parameter_sets if SYNTAX.kind(nal) == kind]
        if nals:
            parameters[name] = write_parameter_sets(nals)
    return parameters


def _apply_parameters(track: Track, parameters: Mapping[str, str]) -> Track:
    distance = parameters.get("sprop-max-don-diff", "0")
    if distance.isdecimal() and int(distance[:9]):
        raise PayloadError(
            "the H.265 stream has decoding order numbers (sprop-max-don-diff), which we do not read"
        )
    sets = [nal for name in _SPROPS for nal in read_parameter_sets(SYNTAX, parameters.get(name, ""))]
    info = next((found for nal in sets if (found := parse_sps(nal)) is not None), None)
    if info is None:
        return track
    track = replace(track, width=info.width, height=info.height)
    # TP-Link cameras leave one or two of the three out: then those in-band have to do.
    if {SYNTAX.kind(nal) for nal in sets} != set(SYNTAX.parameter_sets):
        return track
    return replace(track, parameter_sets=tuple(sorted(sets, key=SYNTAX.kind)))


FORMAT = PayloadFormat(
    codec="h265",
    kind="video",
    encoding="H265",
    packetizer=H265Packetizer,
    depacketizer=H265Depacketizer,
    format_parameters=_format_parameters,
    apply_parameters=_apply_parameters,
)
