"""What readers of a live path are told of its tracks, and whether they can go on with another publisher's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from reelcast.track import Track

__all__ = ["as_told", "same_kind"]

DYNAMIC_TYPE: Final = 96
"""The first payload type that has no meaning of its own (RFC 3551 section 3)."""

HBR: Final = (13, 3, 3)
"""AAC is sent in this mode, whatever it came in (RFC 3640 section 3.3.6)."""


def as_told(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Tracks as readers are told of them: with payload types and controls of our own, each different."""
    told: list[Track] = []
    for number, track in enumerate(tracks):
        static = track.payload_type < DYNAMIC_TYPE and all(
            each.payload_type != track.payload_type for each in told
        )
        payload_type = track.payload_type if static else DYNAMIC_TYPE + number
        told.append(
            replace(
                track, payload_type=payload_type, control=f"trackID={number + 1}", au_header=HBR, latm=False
            )
        )
    return tuple(told)


def same_kind(before: Sequence[Track], after: Sequence[Track]) -> bool:
    """Whether readers of the one can go on with the other, and a file too: `as_told` both.

    Parameter sets go in-band; a config and a payload type are said once, at the beginning.
    """
    return len(before) == len(after) and all(
        (a.essence, a.config, a.payload_type) == (b.essence, b.config, b.payload_type)
        for a, b in zip(before, after, strict=True)
    )
