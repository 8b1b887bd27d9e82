"""How a PLAY is worded, and what the response to it says (RFC 2326 section 10.5)."""

from __future__ import annotations

import contextlib
from datetime import datetime

from reelcast.client.options import Moment
from reelcast.errors import ProtocolError
from reelcast.rtp.intake import Place
from reelcast.rtsp.headers import format_decimal, parse_scale
from reelcast.rtsp.message import Headers
from reelcast.rtsp.ranges import Range

__all__ = ["agreed_place", "agreed_scale", "play_headers"]


def play_headers(at: Moment | None, scale: float, before: float) -> list[tuple[str, str]]:
    """Of a PLAY from a moment, without one from where it stands, at a scale, where it was another before."""
    headers: list[tuple[str, str]] = []
    if at is not None:
        headers.append(("Range", str(_from(at))))
    if scale != 1.0 or before != 1.0:
        headers.append(("Scale", format_decimal(scale, 3)))
    return headers


def agreed_scale(headers: Headers, before: float) -> float:
    """What the server chose: normal speed where it makes no sense, and what it was where it says nothing."""
    value = headers.get("Scale")
    if value is None:
        return before
    try:
        return parse_scale(value)
    except ProtocolError:
        return 1.0


def agreed_place(
    headers: Headers,
    at: float,
    scale: float,
    segment: int,
    *,
    goes_on: bool,
    began: float | None = None,
) -> Place:
    """Where what comes begins, for all tracks; `at` where the server does not say it.

    Where it is to go on behind a PAUSE, and the server says that it does not, it is the next segment. A server that
    was asked for a clock time may say its place in the presentation too (a Range is a list, RFC 2326 section
    12.29); where it does not, that is counted from when the presentation `began`, in Unix seconds.
    """
    spans = _spans(headers, backwards=scale < 0) or [Range(start=at)]
    if goes_on and (spans[0].now or spans[0].start is None):
        goes_on, segment = False, segment + 1
    clock = next((span.start for span in spans if span.unit == "clock"), None)
    start = next((span.start for span in spans if span.unit != "clock"), None)
    if start is None:
        start = 0.0 if clock is None or began is None else max(0.0, clock - began)
    return Place(start, scale=scale, segment=segment, goes_on=goes_on, clock=clock)


def _spans(headers: Headers, *, backwards: bool) -> list[Range]:
    """The ranges of a response, without those that make no sense."""
    spans: list[Range] = []
    for value in ",".join(headers.get_all("Range")).split(","):
        with contextlib.suppress(ProtocolError):
            spans.append(Range.parse(value, backwards=backwards))
    return spans


def _from(at: Moment) -> Range:
    """The range that begins at a moment."""
    if at == "now":
        return Range(now=True)
    return Range("clock", at.timestamp()) if isinstance(at, datetime) else Range(start=at)
