"""What a DESCRIBE response says: the tracks that can be received, and the URIs to ask for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reelcast import sdp
from reelcast.errors import ProtocolError, ReelcastError
from reelcast.rtp.description import tracks_of
from reelcast.rtsp.headers import RtpInfo, parse_rtp_info
from reelcast.rtsp.message import Response
from reelcast.rtsp.ranges import Range
from reelcast.rtsp.url import RtspUrl
from reelcast.track import Track

__all__ = ["Presentation"]

DYNAMIC: Final = range(96, 128)
"""Payload types that mean what the description says (RFC 3551 section 6)."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """One presentation, from the client's side.

    base      what the control attributes of tracks are relative to (RFC 2326 appendix C.1.1); where the session's
              own is an absolute URL, that, as every peer has it
    uri       the aggregate control URI, for PLAY and TEARDOWN (appendix C.3)
    tracks    those whose codec we know, in the order described
    duration  in seconds, None for a live source
    began     when its beginning was, in Unix seconds, where it can be played by the clock; else None
    free      dynamic payload types that the description gives no meaning
    """

    base: RtspUrl
    uri: str
    tracks: tuple[Track, ...]
    duration: float | None
    began: float | None = None
    free: frozenset[int] = frozenset()

    @classmethod
    def of(cls, response: Response, url: RtspUrl) -> Presentation:
        """Read the response to a DESCRIBE of `url`; ReelcastError where nothing in it can be received.

        The Content-Type is not asked for: some cameras leave it out.
        """
        description = sdp.parse(response.body)
        tracks = tuple(tracks_of(description))
        if not tracks:
            kinds = ", ".join(media.kind for media in description.media) or "no media at all"
            message = f"no track has a codec that can be received ({kinds})"
            raise ReelcastError(message, url=url.request_uri)
        base = url.base(response.headers.get("Content-Base") or response.headers.get("Content-Location"))
        control = description.attribute("control") or "*"
        aggregate = _joined(base, control)
        if "://" in control:
            base = aggregate
        ranges = [_range(value) for name, value in description.attributes if name == "range" and value]
        units = [span for span in ranges if span is not None]
        duration = next((_duration(span) for span in units if span.unit != "clock"), None)
        began = next((span.start for span in units if span.unit == "clock"), None)
        formats = {text for media in description.media for text in media.formats}
        free = frozenset(number for number in DYNAMIC if str(number) not in formats)
        return cls(base, aggregate.request_uri, tracks, duration, began, free)

    def uri_of(self, track: Track) -> str:
        """The URI for SETUP of one track."""
        return _joined(self.base, track.control).request_uri

    def stand_ins(self, track: Track) -> frozenset[int]:
        """Payload types that can only be this track's, if they come where it is received.

        None where a static one is described: another one is another codec (RFC 3551 section 6).
        """
        return self.free if track.payload_type in DYNAMIC else frozenset()

    def rtp_info(self, value: str | None) -> list[RtpInfo | None]:
        """Of each track, what the RTP-Info of a PLAY response says; None where it says nothing.

        Entries whose URLs fit no track are taken in order.
        """
        entries = [_believed(entry) for entry in parse_rtp_info(value or "")]
        by_url = {_joined(self.base, entry.url).request_uri: entry for entry in entries}
        uris = [self.uri_of(track) for track in self.tracks]
        if len(entries) == len(uris) and by_url.keys().isdisjoint(uris):
            return list(entries)
        return [by_url.get(uri) for uri in uris]


def _joined(base: RtspUrl, control: str) -> RtspUrl:
    """The URL of a control attribute; one that makes no sense stands for the base itself."""
    try:
        return base.join(control)
    except ProtocolError:
        return base


def _believed(entry: RtpInfo) -> RtpInfo:
    # Hikvision (DS-2CD2032-I), TP-Link and Laureii say 0 of both numbers, or 1 and 0, and send others. Where it is
    # the truth, the first packet says the same.
    made_up = entry.rtptime == 0 and entry.seq in (0, 1)
    return RtpInfo(entry.url) if made_up else entry


def _range(value: str) -> Range | None:
    try:
        return Range.parse(value)
    except ProtocolError:
        return None


def _duration(span: Range) -> float | None:
    # A live camera's "npt=0-0" says as little as "npt=0-".
    return None if span.end is None else (span.end - (span.start or 0.0)) or None
