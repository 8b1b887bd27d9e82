"""The verb `publish`: a file, a webcam, a screen or a test pattern to an RTSP server."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Coroutine
from contextlib import closing, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple, Protocol

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from reelcast.cli.progress import clock, name_of
from reelcast.cli.verb import DURATION, TRANSPORT, TRUST, Way, run, seconds_of, url_of
from reelcast.client import events
from reelcast.client.departure import PublishedTrack
from reelcast.client.options import Options, check
from reelcast.client.publish import Publisher
from reelcast.client.reconnect import Reconnect
from reelcast.client.replay import Replay
from reelcast.client.timeouts import Timeouts
from reelcast.client.trust import Trust
from reelcast.errors import MediaError
from reelcast.media.capture import DeviceKind, open_device
from reelcast.media.decoded_file import DecodedFile
from reelcast.media.demux import open_demuxer
from reelcast.media.encode import MIN_SIDE
from reelcast.media.pattern import Pattern
from reelcast.media.programme import Programme
from reelcast.media.shots import Shot, Shots
from reelcast.media.studio import Studio
from reelcast.rtsp.url import without_userinfo

__all__ = ["publish"]

REFRESHES: Final = 4
"""Looks at the progress line in a second."""
PATTERN_SIZE: Final = (1280, 720)
PATTERN_FPS: Final = 25.0
MAX_SIDE: Final = 8192
"""Pixels: what the highest levels of H.264 and H.265 allow."""

_SIZE: Final = re.compile(r"(\d{2,5})x(\d{2,5})")
_BIT_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)([kM]?)")
_UNITS: Final = {"": 1, "k": 1_000, "M": 1_000_000}


class VideoCodec(StrEnum):
    """Codecs of pictures (see `reelcast.media.encode`)."""

    H264 = "h264"
    H265 = "h265"
    VP8 = "vp8"
    VP9 = "vp9"
    AV1 = "av1"
    JPEG = "jpeg"


class AudioCodec(StrEnum):
    """Codecs of sound (see `reelcast.media.encode_audio`)."""

    AAC = "aac"
    OPUS = "opus"
    MPA = "mpa"
    PCMU = "pcmu"
    PCMA = "pcma"
    G722 = "g722"
    L16 = "l16"


class Size(NamedTuple):
    """Of pictures, in pixels."""

    width: int
    height: int


def _size(text: str) -> Size:
    found = _SIZE.fullmatch(text)
    size = found and Size(int(found[1]), int(found[2]))
    if not size or min(size) < MIN_SIDE or max(size) > MAX_SIDE:
        bounds = f"from {MIN_SIDE}x{MIN_SIDE} up to {MAX_SIDE}x{MAX_SIDE}"
        raise typer.BadParameter(f"{text!r} is no size such as 1280x720, {bounds}")
    return size


def _bit_rate(text: str) -> int:
    found = _BIT_RATE.fullmatch(text)
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"{text!r} is no bit rate such as 2M or 800k")
    return round(float(found[1]) * _UNITS[found[2]])


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be published, where, and how."""

    source: str
    codec: VideoCodec | None
    audio_codec: AudioCodec | None
    fps: float | None
    size: Size | None
    bit_rate: int | None
    audio: bool
    loop: bool
    duration: float | None

    @property
    def as_it_is(self) -> bool:
        """Whether nothing asks for other pictures or sound than those of a file."""
        wishes = self.codec, self.audio_codec, self.fps, self.size, self.bit_rate
        return self.audio and all(wish is None for wish in wishes)


class _Sent(Protocol):
    """What is being published."""

    @property
    def transport(self) -> str:
        """How."""

    @property
    def dropped(self) -> int:
        """Pictures that were left out here."""

    def statistics(self) -> tuple[PublishedTrack, ...]:
        """By track."""


def publish(
    source: Annotated[
        str,
        typer.Argument(
            help="A file; webcam or webcam:DEVICE; screen or screen:DISPLAY; pattern, which needs nothing."
        ),
    ],
    url: Annotated[
        str,
        typer.Argument(
            callback=url_of, help="Where to: rtsp://\\[user:password@]host[:port]/path, or rtsps://"
        ),
    ],
    codec: Annotated[
        VideoCodec | None, typer.Option(help="Of the pictures; a file's own, or h264, if not given.")
    ] = None,
    audio_codec: Annotated[
        AudioCodec | None, typer.Option(help="Of the sound; a file's own, or aac, if not given.")
    ] = None,
    fps: Annotated[float | None, typer.Option(min=0.1, max=240, help="Pictures a second.")] = None,
    size: Annotated[
        Size | None,
        typer.Option(parser=_size, metavar="WxH", help="Of the pictures."),
    ] = None,
    bit_rate: Annotated[
        int | None,
        typer.Option(parser=_bit_rate, metavar="BITS", help="Of the pictures, a second: 2M or 800k."),
    ] = None,
    audio: Annotated[bool, typer.Option(help="Publish sound too.")] = True,
    loop: Annotated[bool, typer.Option("--loop", help="Play a file over and over.")] = False,
    duration: Annotated[float | None, DURATION] = None,
    transport: Annotated[Way, TRANSPORT] = Way.AUTO,
    trust: Annotated[str | None, TRUST] = None,
    timeout: Annotated[
        float, typer.Option(parser=seconds_of, metavar="SECONDS", help="Seconds to wait for the server.")
    ] = 10.0,
    reconnect: Annotated[bool, typer.Option(help="Go on when the server was lost and is back.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Publish to an RTSP server; a file is not encoded again unless something asks for it."""
    console = Console(quiet=quiet, highlight=False)

    def tell(event: events.Event) -> None:
        if isinstance(event, events.Disconnected):
            console.print(f"{event.error}; going on when it is back", soft_wrap=True)
        elif isinstance(event, events.Connected):
            console.print(
                f"publishing {source} to {without_userinfo(url)} over {event.transport}", soft_wrap=True
            )

    check(url=url, transport=transport.value)
    options = Options(
        Timeouts.of(timeout),
        transport.value,
        reconnect=Reconnect.of(reconnect),
        on_event=tell,
        trust=Trust.of(trust),
    )
    order = _Order(
        source,
        codec,
        audio_codec,
        fps,
        size,
        bit_rate,
        audio,
        loop,
        duration,
    )
    run(_publish(order, url, options, console))


async def _publish(order: _Order, url: str, options: Options, console: Console) -> None:
    sent: Replay | Publisher
    if order.as_it_is and await asyncio.to_thread(_can_be_carried, Path(order.source)):
        async with Replay(Path(order.source), url, options, loop=order.loop) as sent:
            await _watched(sent, sent.run(order.duration), console)
        return
    with closing(await asyncio.to_thread(_open, order)) as shots:
        programme = Programme(
            fps=shots.fps or PATTERN_FPS,
            codec=(order.codec or VideoCodec("h264")).value if shots.fps else None,
            size=order.size,
            bit_rate=order.bit_rate,
            audio_codec=(order.audio_codec or AudioCodec("aac")).value,
            sample_rate=shots.sample_rate if order.audio else None,
            channels=shots.channels,
        )
        async with Publisher(url, options, programme) as sent:
            await _watched(sent, _perform(shots, sent, programme, order.duration), console)


def _can_be_carried(path: Path) -> bool:
    """Whether a file is one, and all that is to be seen or heard of it can be sent as it is."""
    if _device(str(path)) is not None or str(path) == "pattern":
        return False
    try:
        with closing(open_demuxer(path)) as demuxer:
            kinds = {track.kind for track in demuxer.tracks}
    except MediaError:
        kinds = set()
    if "video" in kinds:
        return True
    with closing(DecodedFile(path)) as decoded:
        return "audio" in kinds and not decoded.fps


def _device(source: str) -> tuple[DeviceKind, str] | None:
    """The kind and the name of the device that is meant, if one is."""
    name, _, rest = source.partition(":")
    if name in ("webcam", "screen"):
        return ("webcam" if name == "webcam" else "screen"), rest
    return None


def _open(order: _Order) -> Shots:
    device = _device(order.source)
    if device is not None:
        return open_device(*device, fps=order.fps, size=order.size)
    if order.source == "pattern":
        return Pattern(*(order.size or PATTERN_SIZE), order.fps or PATTERN_FPS)
    return DecodedFile(Path(order.source), fps=order.fps, loop=order.loop)


async def _perform(shots: Shots, out: Publisher, programme: Programme, duration: float | None) -> None:
    """Write shot after shot when it is due, in a thread, for a source may block."""
    stop = threading.Event()

    def perform() -> None:
        begun = time.monotonic()
        for shot in shots.shots():
            place = time.monotonic() - begun if shot.pts is None else shot.pts
            if duration is not None and place >= duration:
                return
            if stop.wait(max(0.0, begun + place - time.monotonic())):
                return
            out.hand_in(partial(_write, shot, programme))

    work = asyncio.ensure_future(asyncio.to_thread(perform))
    try:
        await asyncio.shield(work)
    finally:
        stop.set()
        # The source must not be closed while it is read.
        await asyncio.wait([work])


def _write(shot: Shot, programme: Programme, studio: Studio) -> None:
    if shot.picture is not None and programme.codec is not None:
        studio.write(shot.picture, pts=shot.pts)
    if shot.samples is not None and programme.sample_rate is not None:
        studio.write_audio(shot.samples, pts=shot.pts)


async def _watched(sent: _Sent, work: Coroutine[object, object, None], console: Console) -> None:
    """Do it with a line that tells how it goes, and one at the end."""
    live = Live(_Progress(sent), console=console, refresh_per_second=REFRESHES, transient=True)
    begun = time.monotonic()
    try:
        with live if console.is_terminal and not console.quiet else nullcontext():
            await work
    finally:
        console.print(_summary(sent, time.monotonic() - begun), soft_wrap=True)


class _Progress:
    """What is shown meanwhile."""

    def __init__(self, sent: _Sent) -> None:
        self._sent = sent
        self._begun = self._time = time.monotonic()
        self._units = self._bytes = 0

    def __rich__(self) -> Text:
        tracks, now = self._sent.statistics(), time.monotonic()
        units = tracks[0].units if tracks else 0
        size = sum(track.bytes for track in tracks)
        elapsed = max(now - self._time, 1e-3)
        rate = (size - self._bytes) * 8e-6 / elapsed
        line = (
            f"{clock(now - self._begun)}  {(units - self._units) / elapsed:5.1f} fps  "
            f"{rate:7.2f} Mbit/s over {self._sent.transport}  {_losses(self._sent)}"
        )
        self._time, self._units, self._bytes = now, units, size
        return Text(line, no_wrap=True)


def _losses(sent: _Sent) -> str:
    lost = sum(track.lost or 0 for track in sent.statistics())
    dropped = sent.dropped
    return f"{lost} packets lost, {dropped} dropped here" if dropped else f"{lost} packets lost"


def _summary(sent: _Sent, elapsed: float) -> str:
    """All of it in one line."""
    tracks = sent.statistics()
    what = ", ".join(f"{name_of(each.track)} {each.units} units" for each in tracks) or "nothing"
    size = sum(each.bytes for each in tracks) / 1e6
    return f"published {clock(elapsed)}: {what}, {size:.1f} MB; {_losses(sent)}"
