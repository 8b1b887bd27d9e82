"""The verb `probe`: what a server says of a stream, and what comes of it in a few seconds."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reelcast.cli.progress import clock
from reelcast.cli.verb import TIMEOUT, TRANSPORT, TRUST, URL, Way, run, seconds_of
from reelcast.client.stream import Stream, TrackStatistics, connect
from reelcast.client.transcript import Utterance
from reelcast.errors import MediaError, ReelcastError
from reelcast.media.decode import Picture, decoder_for
from reelcast.rtp.intake import ReceivedUnit
from reelcast.rtsp.url import without_userinfo
from reelcast.track import Track

__all__ = ["probe"]

MEASURED: Final = 3.0
"""Seconds for which media is looked at unless told otherwise: two keyframes of most streams."""
REORDERED: Final = 4
"""Of the last pictures, those between which B-frames may be missing."""

_SERVER = re.compile(r"^Server *: *(.+)$", re.IGNORECASE | re.MULTILINE)


def probe(
    url: Annotated[str, URL],
    seconds: Annotated[
        float,
        typer.Option(
            parser=partial(seconds_of, least=0.0),
            metavar="SECONDS",
            help="For how long to look at the media; 0 only asks the server.",
        ),
    ] = MEASURED,
    transport: Annotated[Way, TRANSPORT] = Way.AUTO,
    trust: Annotated[str | None, TRUST] = None,
    timeout: Annotated[float, TIMEOUT] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the dialogue.")] = False,
) -> None:
    """Say what a stream is: its server, its tracks, and what comes of them."""
    console = Console(highlight=False)
    findings = _Findings(url)

    def hear(utterance: Utterance) -> None:
        findings.hear(utterance)
        if verbose and not as_json:
            console.print(_spoken(utterance), soft_wrap=True)

    stream = connect(
        url,
        transport=transport.value,
        timeout=timeout,
        trust=trust,
        play=False,
        reconnect=False,
        on_message=hear,
    )
    run(_probe(stream, seconds, findings, lambda: _show(findings, console, as_json, verbose)))


async def _probe(stream: Stream, seconds: float, findings: _Findings, show: Callable[[], None]) -> None:
    began = time.monotonic()
    async with stream:
        findings.describe(stream, time.monotonic() - began)
        try:
            if seconds:
                await _look(stream, seconds, findings)
        finally:
            # What the server said is worth knowing where nothing came of it, too.
            await asyncio.to_thread(findings.decode)
            show()


async def _look(stream: Stream, seconds: float, findings: _Findings) -> None:
    """Receive for so many seconds from the first unit on, or to the end."""
    began = time.monotonic()
    await stream.play()
    findings.first_packet = time.monotonic() - began
    findings.transport = stream.transport
    try:
        async with asyncio.timeout(seconds):
            async for received in stream.units():
                findings.add(received)
    except TimeoutError as error:
        if isinstance(error, ReelcastError):
            raise
    findings.statistics = stream.statistics()


class _Seen:
    """What came of one track: times of its units and keyframes, its bytes, and what its first unit shows."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.first: ReceivedUnit | None = None
        self.times: list[float] = []
        self.keyframes: list[float] = []
        self.bytes = 0
        self.shown: dict[str, Any] = {}

    def add(self, received: ReceivedUnit) -> None:
        """One more unit."""
        self.times.append(received.pts)
        self.bytes += len(received.unit.data)
        if received.unit.keyframe:
            self.keyframes.append(received.pts)
            self.first = self.first or received

    def decode(self) -> None:
        """Decode the first unit: descriptions are silent about much, and wrong at times."""
        if self.first is None:
            return
        try:
            decoder = decoder_for(self.track)
        except MediaError:
            return
        for found in [*decoder.decode(self.first.unit), *decoder.flush()][:1]:
            if isinstance(found, Picture):
                self.shown = {"width": found.width, "height": found.height, "pixel_format": found.format}
            else:
                self.shown = {"sample_rate": found.rate, "channels": found.channels}

    @property
    def rate(self) -> float:
        """Units a second, 0.0 where there were too few."""
        times = sorted(self.times)
        if len(times) > 2 * REORDERED:
            del times[-REORDERED:]
        span = times[-1] - times[0] if times else 0.0
        return (len(times) - 1) / span if span > 0 else 0.0

    def figures(self) -> dict[str, Any]:
        """What was measured; nothing of what could not be."""
        figures: dict[str, Any] = {"units": len(self.times), "bytes": self.bytes, **self.shown}
        if self.rate:
            figures |= {"units_per_second": round(self.rate, 3)}
            figures |= {"bit_rate": round(8 * self.bytes / len(self.times) * self.rate)}
        if len(self.keyframes) > 1 and self.track.kind == "video":
            span = self.keyframes[-1] - self.keyframes[0]
            figures |= {"keyframe_interval": round(span / (len(self.keyframes) - 1), 3)}
        return figures


class _Findings:
    """All that is found out about one URL."""

    def __init__(self, url: str) -> None:
        self.url = without_userinfo(url)
        self.server = ""
        self.dialogue: list[Utterance] = []
        self.opened = 0.0
        self.first_packet: float | None = None
        self.transport = ""
        self.duration: float | None = None
        self.statistics: tuple[TrackStatistics, ...] = ()
        self.seen: list[_Seen] = []

    def hear(self, utterance: Utterance) -> None:
        """Note what is said, and who the server says it is."""
        self.dialogue.append(utterance)
        if not utterance.sent and (found := _SERVER.search(utterance.text)):
            self.server = found[1].strip()

    def describe(self, stream: Stream, opened: float) -> None:
        """The stream is set up, after so many seconds."""
        self.opened = opened
        self.duration = stream.duration
        self.transport = stream.transport
        self.seen = [_Seen(track) for track in stream.tracks]

    def add(self, received: ReceivedUnit) -> None:
        """One more unit."""
        for seen in self.seen:
            if seen.track == received.track:
                seen.add(received)

    def decode(self) -> None:
        """Look at the first unit of each track."""
        for seen in self.seen:
            seen.decode()

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        losses = {each.track: each.packets for each in self.statistics}
        tracks: list[dict[str, Any]] = []
        for seen in self.seen:
            track = seen.track
            measured = seen.figures()
            if track in losses:
                packets = losses[track]
                measured |= {"packets": packets.received, "lost": packets.lost, "jitter": packets.jitter}
            tracks.append(
                {
                    "kind": track.kind,
                    "codec": track.codec,
                    "payload_type": track.payload_type,
                    "clock_rate": track.clock_rate,
                    "channels": track.channels,
                    "width": track.width,
                    "height": track.height,
                    "frame_rate": track.frame_rate,
                    "control": track.control,
                    "measured": measured,
                }
            )
        return {
            "url": self.url,
            "server": self.server,
            "live": self.duration is None,
            "duration": self.duration,
            "transport": self.transport,
            "opened_after": round(self.opened, 4),
            "first_packet_after": None if self.first_packet is None else round(self.first_packet, 4),
            "tracks": tracks,
        }


def _show(findings: _Findings, console: Console, as_json: bool, verbose: bool) -> None:
    if as_json:
        found = findings.as_dict()
        if verbose:
            found["dialogue"] = [{"sent": each.sent, "text": each.text} for each in findings.dialogue]
        console.print(json.dumps(found, indent=2), soft_wrap=True, markup=False)
        return
    console.print(Text(findings.url, style="bold"), soft_wrap=True)
    facts = Table.grid(padding=(0, 2))
    facts.add_row("server", Text(findings.server or "does not say"))
    facts.add_row("length", "live" if findings.duration is None else clock(findings.duration))
    facts.add_row("opened", f"after {findings.opened * 1000:.0f} ms")
    if findings.first_packet is not None:
        media = f"over {findings.transport} {findings.first_packet * 1000:.0f} ms after PLAY"
        facts.add_row("media", media)
    console.print(facts)
    for seen in findings.seen:
        console.print(_line(seen, findings.statistics), soft_wrap=True)


def _line(seen: _Seen, statistics: tuple[TrackStatistics, ...]) -> str:
    """One track in one line: what it is as decoded, or else as described."""
    track, figures = seen.track, seen.figures()
    parts = [f"{track.kind} {track.codec}"]
    width, height = figures.get("width", track.width), figures.get("height", track.height)
    if track.kind == "video":
        parts.append(f"{width}x{height}" if width else "size not said")
        parts.append(figures.get("pixel_format", ""))
    else:
        channels = figures.get("channels", track.channels)
        parts.append(f"{figures.get('sample_rate', track.clock_rate)} Hz")
        parts.append(f"{channels} channel{'s' if channels != 1 else ''}")
    rate = figures.get("units_per_second", track.frame_rate)
    if track.kind == "video" and rate:
        parts.append(f"{rate:.5g} fps")
    if "bit_rate" in figures:
        parts.append(f"{figures['bit_rate'] / 1e6:.2f} Mbit/s")
    if "keyframe_interval" in figures:
        parts.append(f"a keyframe every {figures['keyframe_interval']:.5g} s")
    parts += [f"{each.packets.lost} packets lost" for each in statistics if each.track == track]
    return ", ".join(part for part in parts if part)


def _spoken(utterance: Utterance) -> Text:
    """A message with an arrow before each line, coloured by its direction."""
    arrow, style = (">", "cyan") if utterance.sent else ("<", "green")
    lines = utterance.text.rstrip("\n").split("\n")
    return Text("\n".join(f"{arrow} {line}" for line in lines) + "\n", style=style)
