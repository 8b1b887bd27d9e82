"""Tracks as SDP says them, in both directions (RFC 2326 appendix C, RFC 8866)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from reelcast.errors import PayloadError
from reelcast.rtp.payload import PayloadFormat, format_by_encoding, format_of
from reelcast.rtsp.ranges import Range
from reelcast.sdp import MediaDescription, RtpMap, SessionDescription
from reelcast.track import Codec, Track

__all__ = ["describe", "each_track", "tracks_of"]

_STATIC = {
    0: RtpMap("PCMU", 8000, 1),
    8: RtpMap("PCMA", 8000, 1),
    9: RtpMap("G722", 8000, 1),
    10: RtpMap("L16", 44100, 2),
    11: RtpMap("L16", 44100, 1),
    14: RtpMap("MPA", 90000, 0),
    26: RtpMap("JPEG", 90000, 0),
    33: RtpMap("MP2T", 90000, 0),
}
"""Payload types that need no a=rtpmap (RFC 3551 section 6), of the codecs we carry."""

_PROTOCOLS = frozenset({"RTP/AVP", "RTP/AVP/UDP", "RTP/AVP/TCP", "RTP/AVPF"})
_VIDEO_CLOCK = 90000
_USUAL_CLOCK: dict[Codec, int] = {"opus": 48000, "mpa": 90000, "pcmu": 8000, "pcma": 8000, "g722": 8000}
"""For an a=rtpmap without a rate, where the format allows one only."""
_MAX_CLOCK = 10_000_000
"""Hz: a thousand times what any format in use has; keeps arithmetic on timestamps sane."""
_MAX_CHANNELS = 64
_SIZE = re.compile(r"(\d{1,5})\s*[,x-]\s*(\d{1,5})$")
_RATE = re.compile(r"\d{1,4}(\.\d{1,6})?")

_ADDRESSES = {4: ("IP4 127.0.0.1", "IP4 0.0.0.0"), 6: ("IP6 ::1", "IP6 ::")}
"""Of an address family: in o=, where a private one does, and in c=, which says that SETUP decides."""


def describe(
    tracks: Iterable[Track],
    *,
    name: str,
    duration: float | None,
    session_id: int,
    address_family: int = 4,
    control_base: str | None = None,
    clock: Range | None = None,
) -> SessionDescription:
    """Say what a presentation is made of, as a DESCRIBE answer or an ANNOUNCE does.

    duration          seconds; None for a live source
    address_family    4 or 6, as the peer is connected
    control_base      makes the control URLs absolute, for presentations whose URL has a query: clients join
                      those in ways of their own
    clock             when it was, where that is known
    """
    origin, connection = _ADDRESSES[address_family]
    span = "now-" if duration is None else f"0-{_decimal(duration)}"
    # Most players read the first of these, and know no other unit.
    ranges = [f"npt={span}"] + ([] if clock is None else [str(clock)])
    return SessionDescription(
        origin=f"- {session_id} 1 IN {origin}",
        name=name,
        connection=f"IN {connection}",
        attributes=(("control", control_base or "*"), *(("range", each) for each in ranges)),
        media=tuple(_section(track, control_base) for track in tracks),
    )


def _section(track: Track, control_base: str | None) -> MediaDescription:
    payload_format = format_of(track.codec)
    pt = track.payload_type
    attributes: list[tuple[str, str | None]] = [
        ("rtpmap", f"{pt} {payload_format.encoding}/{track.clock_rate}{_channels(track)}")
    ]
    parameters = payload_format.format_parameters(track)
    if parameters:
        attributes.append(
            ("fmtp", f"{pt} " + ";".join(f"{key}={value}" for key, value in parameters.items()))
        )
    control = track.control if control_base is None else f"{control_base.rstrip('/')}/{track.control}"
    attributes.append(("control", control))
    if track.frame_rate:
        attributes.append(("framerate", _decimal(track.frame_rate)))
    if track.width and track.height:
        attributes.append(("x-dimensions", f"{track.width},{track.height}"))
    bandwidths = (("AS", -(-track.bit_rate // 1000)),) if track.bit_rate else ()
    return MediaDescription(track.kind, 0, "RTP/AVP", (str(pt),), tuple(attributes), "", bandwidths)


def _channels(track: Track) -> str:
    """The encoding parameter of a=rtpmap: left out for one channel, with exceptions."""
    if track.codec == "opus":
        # Whatever is sent (RFC 7587 section 7).
        return "/2"
    if track.codec == "mpa":
        # It has none (RFC 3555 section 4.1.17).
        return ""
    # AAC clients expect the channels even of mono (RFC 3640 section 4.1).
    return f"/{track.channels}" if track.channels > 1 or track.codec == "aac" else ""


def _decimal(value: float) -> str:
    """To a thousandth, without zeros at the end."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def tracks_of(description: SessionDescription) -> list[Track]:
    """The tracks of a description that we can carry, in order; sections of other codecs are left out.

    `Track.control` is the section's control attribute as sent; empty where there is none. A back channel,
    which is for us to send on, is left out.
    """
    found = [
        (track, section.attribute("sendonly") is not None)
        for section, track in zip(description.media, each_track(description), strict=True)
        if track is not None
    ]
    # "sendonly" of audio is a back channel, by ONVIF and on Reolink; but cameras that say it of video, or of all
    # they have, mean that it is they who send.
    marked = [track for track, sendonly in found if sendonly]
    meant = len(marked) < len(found) and all(track.kind == "audio" for track in marked)
    return [track for track, sendonly in found if not (sendonly and meant)]


def each_track(description: SessionDescription) -> list[Track | None]:
    """Of each section its track; None where it is of a codec, or a protocol, that we cannot carry."""
    return [_first_track(section, description) for section in description.media]


def _first_track(section: MediaDescription, description: SessionDescription) -> Track | None:
    if section.protocol.upper() not in _PROTOCOLS:
        return None
    candidates = (_track(section, text, description) for text in section.formats)
    return next((track for track in candidates if track is not None), None)


def _track(section: MediaDescription, text: str, description: SessionDescription) -> Track | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) < 128):
        return None
    pt = int(text)
    found = _encoding(section, pt)
    if found is None:
        return None
    payload_format, mapping = found
    usual = _VIDEO_CLOCK if payload_format.kind == "video" else _USUAL_CLOCK.get(payload_format.codec, 0)
    clock_rate = mapping.clock_rate or usual
    if payload_format.kind != section.kind.lower() or not 0 < clock_rate <= _MAX_CLOCK:
        return None
    width, height = _size(section)
    track = Track(
        kind=payload_format.kind,
        codec=payload_format.codec,
        clock_rate=clock_rate,
        payload_type=pt,
        channels=min(mapping.channels or 1, _MAX_CHANNELS) if payload_format.kind == "audio" else 0,
        width=width,
        height=height,
        frame_rate=_frame_rate(section),
        bit_rate=1000 * (section.bandwidth("AS") or 0),
    )
    try:
        track = payload_format.apply_parameters(track, _parameters(section, pt, description))
    except PayloadError:
        return None
    return replace(track, control=section.attribute("control") or "")


def _encoding(section: MediaDescription, pt: int) -> tuple[PayloadFormat, RtpMap] | None:
    """What a payload type stands for; a static one keeps its meaning where its a=rtpmap names no encoding."""
    said, static = section.rtpmap(pt), _STATIC.get(pt)
    if said and static and not format_by_encoding(said.encoding):
        # Hikvision's "11 PCM/48000" is L16 of that rate.
        said = RtpMap(static.encoding, said.clock_rate or static.clock_rate, said.channels or static.channels)
    mapping = said or static
    payload_format = format_by_encoding(mapping.encoding) if mapping else None
    return (payload_format, mapping) if mapping and payload_format else None


def _parameters(section: MediaDescription, pt: int, description: SessionDescription) -> dict[str, str]:
    own = section.fmtp(pt)
    if own is not None:
        return own
    # Some cameras put the video's a=fmtp into the section of another track.
    strays = (other.fmtp(pt) for other in description.media if str(pt) not in other.formats)
    stray = next((stray for stray in strays if stray is not None), None)
    if stray is None and len(section.formats) == 1:
        # Vitek's is in its place, under the number of another format.
        number = (section.attribute("fmtp") or "").partition(" ")[0]
        stray = (
            section.fmtp(int(number)) if number.isascii() and number.isdigit() and len(number) <= 3 else None
        )
    return stray or {}


def _size(section: MediaDescription) -> tuple[int, int]:
    """Pixels, from the hints of live555 (x-dimensions:640,480) or 3GPP (framesize:96 640-480)."""
    for name in ("x-dimensions", "framesize"):
        found = _SIZE.search(section.attribute(name) or "")
        if found:
            return int(found[1]), int(found[2])
    return 0, 0


def _frame_rate(section: MediaDescription) -> float:
    found = _RATE.match(section.attribute("framerate") or "")
    return float(found[0]) if found else 0.0
