"""Pictures and sound of a program as an RTSP stream: encoded here, published to any server.

    with reelcast.publish("rtsp://server/studio", fps=25) as out:
        while True:
            out.write(picture)          # uint8, (height, width, 3), BGR

    async with reelcast.publishing("rtsp://server/studio", fps=25, sample_rate=48000) as out:
        await out.write(picture)
        await out.write_audio(samples)  # int16 or float32, (samples, channels)

What is written is encoded in a thread of its own and sent from an event loop: nobody who writes waits for the
network. The server hears of the stream with the first picture, which says how large it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from reelcast.client import events
from reelcast.client.departure import PublishedTrack
from reelcast.client.options import Options, Transport, check
from reelcast.client.reconnect import Reconnect
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance
from reelcast.client.trust import Trust
from reelcast.client.uplink import Uplink, Valves
from reelcast.errors import DeadlineError, ReelcastError
from reelcast.media.encode import AnyPicture, ArrayFormat
from reelcast.media.programme import Programme
from reelcast.media.studio import Outlets, Studio
from reelcast.net.handover import Handover
from reelcast.rtsp.authentication import Credentials
from reelcast.rtsp.states import State
from reelcast.track import AccessUnit, Codec, Track

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Publisher", "publishing"]

CLOSE_SECONDS: Final = 5.0
"""For what was written last to be encoded, and for the server to come back if it is away."""


def publishing(
    url: str,
    *,
    fps: float = 25.0,
    codec: Codec | None = "h264",
    size: tuple[int, int] | None = None,
    bit_rate: int | None = None,
    keyframe_seconds: float = 2.0,
    pixel_format: ArrayFormat = "bgr24",
    sample_rate: int | None = None,
    channels: int = 1,
    audio_codec: Codec = "aac",
    audio_bit_rate: int | None = None,
    transport: Transport = "auto",
    timeout: float | Timeouts = 10.0,
    credentials: Credentials | None = None,
    trust: Trust | Path | str | None = None,
    reconnect: bool | Reconnect = True,
    on_event: Callable[[events.Event], None] | None = None,
    on_message: Callable[[Utterance], None] | None = None,
) -> Publisher:
    """A stream that this program makes, published to an RTSP URL; nothing happens until `async with`.

    fps                 pictures a second, as near as it is known: what the bit rate is reckoned by
    codec               "h264", "h265", "vp8", "vp9", "av1" or "jpeg"; None for sound alone
    size                (width, height) to scale pictures to; that of the first one if not given
    bit_rate            bits a second; what suits size and fps if not given
    keyframe_seconds    between two pictures that decoding can start with
    pixel_format        order of the channels in arrays: "bgr24", as OpenCV has them, or "rgb24"
    sample_rate         of the sound in Hz; there is none if not given
    channels            of the sound
    audio_codec         "aac", "opus", "mpa", "pcmu", "pcma", "g722" or "l16"
    audio_bit_rate      bits a second; what suits the channels if not given
    transport           "udp", "tcp" (interleaved), or "auto": UDP, and TCP where the server wants that
    timeout             seconds for the connection and each answer; and for a server that takes nothing any more
    credentials         who publishes, if the URL does not say
    trust               by what a server of rtsps:// is believed; see `reelcast.connect`
    reconnect           whether to look for a server that was lost: for ever, not at all, or as told
    on_event            is told what happens (see `reelcast.client.events`), in the event loop
    on_message          is told what is said on the connection, both ways, without passwords

    Raises ValueError for what makes no sense, MediaError where there is no such encoder here.
    """
    check(url=url, transport=transport)
    options = Options(
        Timeouts.of(timeout),
        transport,
        credentials=credentials,
        reconnect=Reconnect.of(reconnect),
        on_event=on_event,
        on_message=on_message,
        trust=Trust.of(trust),
    )
    programme = Programme(
        fps,
        codec,
        size,
        bit_rate,
        keyframe_seconds,
        pixel_format,
        audio_codec,
        sample_rate,
        channels,
        audio_bit_rate,
    )
    return Publisher(url.strip(), options, programme)


class Publisher:
    """Encodes and publishes what is written; `publishing` makes it.

    Used by `async with`, or by `open` and `close`.
    """

    def __init__(self, url: str, options: Options, programme: Programme) -> None:
        self._uplink = Uplink(url, options, Valves(self._hold, self._want_keyframe, self._fail))
        self._programme = programme
        self._patience = CLOSE_SECONDS if options.timeouts.opening is None else options.timeouts.opening
        self._studio: Studio | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._failure: ReelcastError | None = None
        self._told = False

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            await self.close()
        except ReelcastError:
            # What ended the block says more than what came of it.
            if kind is None:
                raise

    def __repr__(self) -> str:
        return f"<Publisher {self.url}: {self.state.value} over {self.transport}>"

    @property
    def url(self) -> str:
        """What it was made for, without user and password."""
        return self._uplink.url

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is published; () before the first picture is encoded."""
        return self._uplink.tracks

    @property
    def transport(self) -> str:
        """How media goes: "udp" or "tcp"."""
        return self._uplink.transport

    @property
    def state(self) -> State:
        """Recording while the server takes what is written; Init before, behind, and while it is lost."""
        return self._uplink.state

    @property
    def dropped(self) -> int:
        """Pictures left out: because the encoder or the network was too slow, or the server away."""
        return 0 if self._studio is None else self._studio.dropped

    def statistics(self) -> tuple[PublishedTrack, ...]:
        """What was sent so far, by track, and what the server says of it."""
        return self._uplink.statistics()

    async def open(self) -> None:
        """Connect; nothing is announced before the first picture.

        Raises TransportError where there is no server, DeadlineError where it is silent.
        """
        if self._studio is not None:
            return
        self._hand = Handover()
        studio = Studio(self._programme, Outlets(self._begin, self._unit, self._end))
        try:
            await self._uplink.open()
        except BaseException:
            studio.finish()
            raise
        self._studio = studio

    async def write(
        self,
        picture: AnyPicture,
        *,
        time: float | None = None,
        pts: float | None = None,
        wait: bool = False,
    ) -> None:
        """Publish a picture: uint8, shaped (height, width, 3), or (height, width) for grey; it is copied.

        time    when it was taken, seconds since the Unix epoch; now, if neither is given
        pts     its place among the others instead, in seconds from anywhere
        wait    whether to wait where the encoder or the network is behind, or the server away; else the oldest
                picture that waits is left out (see `dropped`)

        Returns at once: encoding and sending are done elsewhere, and what goes wrong there is raised at the next
        call. Raises ReelcastError where the server refused the stream or was lost for good, ValueError for an
        array that is no picture, or of another size than the first where no `size` was asked for.
        """
        await self._hand_in(lambda studio: studio.write(picture, time=time, pts=pts, wait=wait), wait)

    async def write_audio(
        self,
        samples: NDArray[Any],
        *,
        time: float | None = None,
        pts: float | None = None,
        wait: bool = False,
    ) -> None:
        """Publish samples: int16, or float32 between -1 and 1, shaped (samples, channels); they are copied.

        time, pts and wait are as for `write`; times are of the first sample. Samples are counted: those of one
        call follow those of the last without a gap, unless they are more than 0.2 s late.
        """
        await self._hand_in(lambda studio: studio.write_audio(samples, time=time, pts=pts, wait=wait), wait)

    async def close(self) -> None:
        """Send what was written, say goodbye, and end the connection. Closing twice is no error.

        Raises what went wrong since the last call, if nobody was told yet.
        """
        try:
            if self._studio is not None:
                await self._send_all(self._studio)
        finally:
            if self._beginning is not None:
                self._beginning.cancel()
                await asyncio.wait([self._beginning])
            await self._uplink.close()
        if self._failure is not None and not self._told:
            self._told = True
            raise self._failure

    async def _send_all(self, studio: Studio) -> None:
        """Send what was written; what cannot be sent in time, or for whom nobody waits any more, is given up."""
        studio.finish()
        try:
            async with asyncio.timeout(0.0 if self._uplink.recovering else self._patience):
                await self._ended.wait()
                if self._beginning is not None:
                    await asyncio.wait([self._beginning])
        except (TimeoutError, asyncio.CancelledError) as end:
            if isinstance(end, TimeoutError) and not self._uplink.recovering:
                self._fail(DeadlineError("sending", self._patience, url=self.url))
            studio.fail(ReelcastError("it is closed", url=self.url))
            await self._ended.wait()
            if not isinstance(end, TimeoutError):
                raise

    async def _hand_in(self, work: Callable[[Studio], None], wait: bool) -> None:
        if wait:
            await asyncio.to_thread(self.hand_in, work)
        else:
            self.hand_in(work)

    def hand_in(self, work: Callable[[Studio], None]) -> None:
        """Let the studio do it, in this thread."""
        if self._studio is None:
            raise ReelcastError("it is not open", url=self.url, advice="use it in `with` or `async with`")
        try:
            work(self._studio)
        except ReelcastError:
            self._told = True
            raise

    # What the studio's thread calls.

    def _begin(self, tracks: tuple[Track, ...]) -> None:
        self._hold(True)
        self._hand(lambda: self._announce(tracks))

    def _unit(self, index: int, unit: AccessUnit) -> None:
        self._hand(lambda: self._uplink.put(index, unit))

    def _end(self, error: ReelcastError | None) -> None:
        self._hand(lambda: self._finish(error))

    # The same, in the event loop.

    def _announce(self, tracks: tuple[Track, ...]) -> None:
        self._beginning = asyncio.get_running_loop().create_task(self._start(tracks))

    async def _start(self, tracks: tuple[Track, ...]) -> None:
        try:
            await self._uplink.begin(tracks)
        except ReelcastError as error:
            self._fail(error)

    def _finish(self, error: ReelcastError | None) -> None:
        self._failure = self._failure or error
        self._ended.set()

    # What the uplink calls.

    def _hold(self, held: bool) -> None:
        if self._studio is not None:
            self._studio.hold(held)

    def _want_keyframe(self) -> None:
        if self._studio is not None:
            self._studio.want_keyframe()

    def _fail(self, error: ReelcastError) -> None:
        self._failure = self._failure or error
        if self._studio is not None:
            self._studio.fail(error)
