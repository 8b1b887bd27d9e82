"""The table: what is served to whom, and what is to be reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["GSTREAMER", "LIMIT", "OURS", "ROWS", "VIDEO_LIMIT", "Row", "Stream", "Transport"]

Stream = Literal["hd", "sd", "vod"]
"""hd: live, 8 Mbit/s; sd: live, 2 Mbit/s and audio; vod: the same as sd, a playhead for each reader."""
Transport = Literal["udp", "tcp"]

OURS: Final = "reelcast"
GSTREAMER: Final = "gst-rtsp-server"
LIMIT: Final = "limit"
VIDEO_LIMIT: Final = "limit of the video"
"""Without the audio's packets, which cost as much as large ones and carry little."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    tracks      received of the presentation: 1 is video only
    to_reach    CPU seconds of the server for each GB delivered
    below_gst   how many times less than gst-rtsp-server that has to be, in the same run
    near_limit  within how many times the limit, in the same run
    limit_row   the row whose limit holds here too, for the bytes are the same
    peers       whether other servers are asked to carry it
    gentle      whether they get at most 100 readers, 10 a second: gst-rtsp-server, faced with many at once over
                TCP, stops answering
    """

    key: str
    title: str
    stream: Stream
    transport: Transport
    readers: int
    to_reach: float
    tracks: int = 2
    below_gst: float | None = None
    near_limit: float | None = None
    limit_row: str | None = None
    peers: bool = True
    gentle: bool = False


_HD, _SD, _VOD = "live, 8 Mbit/s", "live, 2 Mbit/s and audio", "VOD, 2 Mbit/s and audio"

ROWS: Final = (
    Row("live-hd-udp", f"{_HD}, UDP", "hd", "udp", 100, 1.0, tracks=1, below_gst=4.0, near_limit=1.3),
    Row("live-hd-tcp", f"{_HD}, TCP", "hd", "tcp", 100, 0.4, tracks=1, near_limit=1.5, gentle=True),
    Row("live-sd-udp", f"{_SD}, UDP", "sd", "udp", 500, 1.8, near_limit=1.3),
    Row("live-sd-tcp", f"{_SD}, TCP", "sd", "tcp", 500, 1.2, near_limit=1.5, gentle=True),
    Row("vod-udp", f"{_VOD}, UDP", "vod", "udp", 100, 4.0, below_gst=10.0, limit_row="live-sd-udp"),
    Row("vod-tcp", f"{_VOD}, TCP", "vod", "tcp", 100, 4.0, below_gst=10.0, limit_row="live-sd-tcp"),
    # More than any peer carries: what a core is good for.
    Row("vod-udp-1000", f"{_VOD}, UDP", "vod", "udp", 1000, 4.0, limit_row="live-sd-udp", peers=False),
    Row("vod-tcp-1000", f"{_VOD}, TCP", "vod", "tcp", 1000, 4.0, limit_row="live-sd-tcp", peers=False),
)
