"""What a publisher says it will send: the description of an ANNOUNCE (RFC 2326 section 10.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from reelcast import sdp
from reelcast.errors import ProtocolError
from reelcast.rtp.description import each_track
from reelcast.rtsp.url import RtspUrl
from reelcast.track import Track

__all__ = ["MAX_TRACKS", "Announcement"]

MAX_TRACKS: Final = 16
"""Of one publisher, each with ports or channels of its own: several cameras' worth in one presentation."""

_Place = tuple[tuple[str, ...], str | None]
"""What tells two URLs of one server apart: the segments of the path, and the query."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A description, section by section.

    tracks     what each section describes; None where we cannot receive it
    encodings  what each section calls its encoding
    """

    tracks: tuple[Track | None, ...]
    encodings: tuple[str, ...]
    _places: tuple[frozenset[_Place], ...]

    @classmethod
    def parse(cls, url: RtspUrl, body: bytes) -> Announcement:
        """Read the body of an ANNOUNCE of `url`.

        Raises ProtocolError 400 where it describes nothing, or not where its tracks are to be set up; 413 where
        it is too long, or describes too much; 415 where nothing in it can be received.
        """
        if len(body) > sdp.MAX_BYTES:
            raise ProtocolError(f"a description of more than {sdp.MAX_BYTES} bytes", 413)
        description = sdp.parse(body)
        sections = description.media
        if not sections:
            raise ProtocolError("the description names no media (m=)")
        if len(sections) > MAX_TRACKS:
            raise ProtocolError(f"a description of more than {MAX_TRACKS} tracks", 413)
        # What is for us alone to send on is no track of the publisher's.
        tracks = tuple(
            None if section.attribute("recvonly") is not None else track
            for section, track in zip(sections, each_track(description), strict=True)
        )
        encodings = tuple(map(_encoding, sections))
        if not any(tracks):
            raise ProtocolError(f"nothing of it can be received: {', '.join(encodings)[:200]}", 415)
        controls = [section.attribute("control") or "" for section in sections]
        if len(sections) > 1 and ("" in controls or len(set(controls)) < len(controls)):
            raise ProtocolError("each track needs a control attribute of its own (a=control)")
        places = [frozenset(_places(url, control)) for control in controls]
        if len(places) == 1:
            places = [places[0] | {_place(url)}]
        return cls(tracks, encodings, tuple(places))

    def track_at(self, url: RtspUrl) -> int:
        """The number of the section that a SETUP of `url` means; ProtocolError 404 where it means none."""
        place = _place(url)
        for number, places in enumerate(self._places):
            if place in places:
                return number
        raise ProtocolError("no track was announced with this URL", 404)


def _place(url: RtspUrl) -> _Place:
    return url.segments(), url.query


def _places(url: RtspUrl, control: str) -> Iterator[_Place]:
    """What a publisher may call a track: ffmpeg puts the control attribute behind the query, others before it."""
    yield _place(url.join(control))
    if url.query is not None:
        plain = replace(url, query=None).join(control)
        yield _place(plain)
        yield _place(replace(plain, query=url.query))


def _encoding(section: sdp.MediaDescription) -> str:
    """The encoding of a section, for a person."""
    for text in section.formats:
        mapping = section.rtpmap(int(text)) if text.isascii() and text.isdigit() and len(text) <= 3 else None
        if mapping is not None:
            return mapping.encoding
    return " ".join((section.kind, section.protocol, *section.formats))
