"""What a reader among many needs of a description: what to set up, and the clocks of the timestamps.

Codecs do not matter here: every RTP section is received, known to reelcast or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from reelcast import sdp
from reelcast.errors import ReelcastError

__all__ = ["Description", "Section", "read_description"]

_STATIC_RATES: Final = {10: 44100, 11: 44100, 14: 90000}
"""Of static payload types whose clock is not their kind's usual one (RFC 3551 section 6)."""
_USUAL_RATES: Final = {"audio": 8000}
_VIDEO_RATE: Final = 90_000


@dataclass(frozen=True, slots=True)
class Section:
    """One stream: its control attribute, empty where there is none, and its RTP clock in Hz."""

    control: str
    clock_rate: int


@dataclass(frozen=True, slots=True)
class Description:
    """What can be received, and the aggregate control attribute."""

    control: str
    sections: tuple[Section, ...]


@lru_cache(maxsize=16)
def read_description(body: bytes) -> Description:
    """Read the body of a DESCRIBE response, once for all readers that get the same.

    ReelcastError where it has no RTP section.
    """
    description = sdp.parse(body)
    sections = tuple(
        Section(media.attribute("control") or "", _clock_rate(media))
        for media in description.media
        if media.protocol.upper().startswith("RTP/")
    )
    if not sections:
        raise ReelcastError("the description has no RTP stream")
    return Description(description.attribute("control") or "*", sections)


def _clock_rate(media: sdp.MediaDescription) -> int:
    text = media.formats[0] if media.formats else ""
    payload_type = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1
    mapping = media.rtpmap(payload_type)
    if mapping is not None and mapping.clock_rate:
        return mapping.clock_rate
    return _STATIC_RATES.get(payload_type) or _USUAL_RATES.get(media.kind.lower(), _VIDEO_RATE)
