"""How a stream arrives, in one line while it does, and in one line a track at the end."""

from __future__ import annotations

import time

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reelcast.client.stream import Stream, TrackStatistics
from reelcast.track import Track

__all__ = ["Progress", "clock", "name_of", "summary"]

BAR_WIDTH = 24


class Progress:
    """The line that is shown while a stream is received."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._time = time.monotonic()
        self._frames = 0
        self._bytes = 0

    def __rich__(self) -> Table:
        tracks = self._stream.statistics()
        now = time.monotonic()
        elapsed = max(now - self._time, 1e-3)
        frames = sum(track.units for track in tracks if track.track.kind == "video")
        size = sum(track.packets.bytes for track in tracks)
        lost = sum(track.packets.lost for track in tracks)
        rates = (
            f"{(frames - self._frames) / elapsed:5.1f} fps  "
            f"{(size - self._bytes) * 8e-6 / elapsed:7.2f} Mbit/s  {lost} lost  {_delays(tracks)}"
        )
        self._time, self._frames, self._bytes = now, frames, size
        line = Table.grid(padding=(0, 2))
        cells: list[RenderableType] = [Text(_place(self._stream), no_wrap=True)]
        if self._stream.duration:
            cells.append(ProgressBar(self._stream.duration, self._stream.position, width=BAR_WIDTH))
        line.add_row(*cells, Text(rates, style="red" if lost else "", no_wrap=True))
        return line


def summary(track: TrackStatistics, elapsed: float, transport: str) -> str:
    """What was received of one track in so many seconds, in one line."""
    packets = track.packets
    rate = packets.bytes * 8e-6 / max(elapsed, 1e-3)
    line = (
        f"{name_of(track.track)}: {track.units} units, {packets.received} packets over {transport}, "
        f"{rate:.2f} Mbit/s, {packets.lost} lost, jitter {packets.jitter * 1000:.1f} ms"
    )
    return f"{line}, {track.dropped} dropped here" if track.dropped else line


def name_of(track: Track) -> str:
    """A track in a few words."""
    size = f" {track.width}x{track.height}" if track.width else ""
    return f"{track.kind} {track.codec}{size}"


def clock(seconds: float) -> str:
    """Hours, minutes, seconds and tenths."""
    tenths = round(max(seconds, 0.0) * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def _place(stream: Stream) -> str:
    if stream.duration is None:
        return f"{clock(stream.position)} live"
    return f"{clock(stream.position)} / {clock(stream.duration)}"


def _delays(tracks: tuple[TrackStatistics, ...]) -> str:
    """Of the first track, mostly video: how unevenly its packets come, and how late."""
    if not tracks:
        return ""
    jitter = f"jitter {tracks[0].packets.jitter * 1000:.1f} ms"
    latency = tracks[0].latency
    return jitter if latency is None else f"{jitter}  latency {latency * 1000:.0f} ms"
