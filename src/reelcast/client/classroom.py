"""A movie from the classroom's server: the unmodified program of Kurose and Ross' assignment, played.

`ClassroomSession` is to its user what `reelcast.client.session.Session` is, for a server that describes nothing:
one track of JPEG images, whose length nobody knows.

Presentation times are those of arrival, without the time spent paused. The stream has no clock that would serve:
timestamps count whole seconds, and nothing says how many frames there are in one; the assignment's server sends
twenty, others as many as their movie wants. That server sends each frame when it is to be seen.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from reelcast.client.classroom_dialogue import ClassroomDialogue
from reelcast.client.lifetime import Lifetime, Outlets
from reelcast.client.options import Moment
from reelcast.client.timeouts import Timeouts
from reelcast.client.transcript import Utterance
from reelcast.errors import ProtocolError
from reelcast.net.receive import MediaPorts
from reelcast.rtp.classroom import FrameAssembler
from reelcast.rtp.intake import Clock, ReceivedUnit
from reelcast.rtp.packet import Packet
from reelcast.rtp.receiver import Receiver, Statistics
from reelcast.rtsp.classroom import format_transport
from reelcast.rtsp.states import State, after
from reelcast.rtsp.url import RtspUrl
from reelcast.track import AccessUnit, Track

__all__ = ["ClassroomReception", "ClassroomSession"]

FRAME_SECONDS: Final = 0.05
"""The assignment's server sends a frame every twentieth of a second: where one is expected behind a pause."""
MAX_DELAY: Final = 0.02
"""Seconds that a frame waits for one before it: the next but one would be late for it."""
END_SILENCE: Final = 3.0
"""Seconds of silence that stand for the end of the movie: its server says nothing of it."""

TRACK: Final = Track(kind="video", codec="jpeg", clock_rate=90_000, payload_type=26)
"""What RFC 3551 says of payload type 26."""


class ClassroomReception:
    """The frames of one movie: datagrams in, access units with their times out; see `client.reception.Reception`.

    units      frames that were shown; corrupt: none, for a frame that misses something is not shown
    """

    track: Track = TRACK
    corrupt = 0
    latency: float | None = None
    clock: Clock = "estimated"

    def __init__(self) -> None:
        self.units = 0
        self.position = 0.0
        self._receiver = Receiver(TRACK.clock_rate, max_delay=MAX_DELAY)
        self._assembler = FrameAssembler()
        self._zero: float | None = None
        self._segment = 0
        self._last: float | None = None
        self._interval = FRAME_SECONDS
        self._jitter = 0.0

    @property
    def packets(self) -> Statistics:
        """What the receiver counts; jitter is how uneven the intervals between frames are.

        The receiver's own compares arrivals with timestamps, which here are seconds.
        """
        return replace(self._receiver.statistics, jitter=self._jitter)

    def play(self, segment: int) -> None:
        """What comes from now on goes on from the last frame."""
        self._segment = segment
        self._zero = self._last = None

    def media(self, data: bytes, now: float, wall: float) -> list[ReceivedUnit]:
        """Take a datagram; `now` by a monotonic clock, `wall` by the Unix clock, both in seconds."""
        return self._frames(self._receiver.receive(data, now), now, wall)

    def flush(self, deadline: float, now: float, wall: float) -> list[ReceivedUnit]:
        """What has waited until `deadline` for frames before it; with infinity, all that waits."""
        return self._frames(self._receiver.flush(deadline), now, wall)

    def _frames(self, packets: list[Packet], now: float, wall: float) -> list[ReceivedUnit]:
        frames = [frame for packet in packets for frame in self._assembler.receive(packet)]
        return [self._shown(frame, now, wall) for frame in frames]

    def _shown(self, frame: bytes, now: float, wall: float) -> ReceivedUnit:
        if self._zero is None:
            expected = self.position + FRAME_SECONDS if self.units else 0.0
            self._zero = now - expected
        # Frames that waited for another come at once, and are still one after the other.
        pts = max(now - self._zero, self.position + 1 / TRACK.clock_rate if self.units else 0.0)
        self._measure(now)
        self.units += 1
        self.position = pts
        ticks = round(pts * TRACK.clock_rate)
        unit = AccessUnit(frame, ticks, ticks)
        return ReceivedUnit(TRACK, unit, pts, wall, "estimated", now, segment=self._segment)

    def _measure(self, now: float) -> None:
        """Smoothed as RFC 3550 section 6.4.1 has it, around the interval that has been usual so far."""
        if self._last is not None:
            difference = now - self._last - self._interval
            self._interval += difference / 16
            self._jitter += (abs(difference) - self._jitter) / 16
        self._last = now


class ClassroomSession:
    """See `reelcast.client.session.Session`: one movie of one server, received at one port.

    tracks      one, of JPEG images, whose size is in each of them
    duration    None: not even the server says it
    state       Ready behind `set_up`, Playing, Paused; Init when it is over
    """

    tracks = (TRACK,)
    duration: float | None = None
    live: Final = False  # its times go on over a pause
    resumable: Final = True
    segment = 0
    transport: Final = "classroom"
    scale = 1.0

    def __init__(self, dialogue: ClassroomDialogue, timeouts: Timeouts, outlets: Outlets) -> None:
        self.state = State.INIT
        self._dialogue = dialogue
        self._timeouts = timeouts
        self._outlets = outlets
        self._loop = asyncio.get_running_loop()
        self._reception = ClassroomReception()
        self._ports = MediaPorts(self._take, _ignore)
        self._lifetime = Lifetime(self._look, self._finish, outlets.end)
        dialogue.on_lost = self._lifetime.end

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        file: str,
        timeouts: Timeouts,
        outlets: Outlets,
        on_message: Callable[[Utterance], None] | None = None,
    ) -> ClassroomSession:
        """Connect; the server is asked nothing yet. Raises TransportError, and DeadlineError for "connect"."""
        dialogue = ClassroomDialogue(
            RtspUrl("rtsp", host, port, f"/{file.lstrip('/')}"), file, timeouts.reply, on_message
        )
        await dialogue.open(timeouts.connect)
        return cls(dialogue, timeouts, outlets)

    @property
    def url(self) -> str:
        """Server and file, as they would be named in RTSP."""
        return str(self._dialogue.url)

    @property
    def lost(self) -> bool:
        """Whether its connection has ended."""
        return self._dialogue.lost

    @property
    def position(self) -> float:
        """The latest presentation time received, in seconds."""
        return self._reception.position

    @property
    def receptions(self) -> tuple[ClassroomReception, ...]:
        """What has come of the one track."""
        return (self._reception,)

    def hold_back(self, held: bool) -> None:
        """This server cannot be held back: it sends as fast as it wants."""

    async def set_up(self, rtp_port: int | None = None) -> None:
        """SETUP, to be sent frames at `rtp_port`, odd or even, or at any free port.

        Raises RemoteError for a refusal, TransportError where the port, or the one above it, cannot be had,
        DeadlineError where no answer comes.
        """
        ours, theirs = self._dialogue.hosts
        port, _ = await self._ports.open(ours, rtp_port or 0)
        self._ports.listen_to([theirs], None)
        await self._dialogue.demand("SETUP", "Transport", format_transport(port))
        self.state = after(self.state, "SETUP")

    async def play(
        self, at: Moment | None, scale: float | None, segment: int, deadline: float | None = None
    ) -> None:
        """PLAY on from where it stands; ProtocolError(456) for any other place or speed."""
        here = at is None or (isinstance(at, int | float) and round(at, 1) == round(self.position, 1))
        if scale not in (None, 1.0) or not here:
            advice = "the classroom's server only plays on, at its own rate; open it again to begin anew"
            raise ProtocolError("no seeking and no other speed here", 456, url=self.url, advice=advice)
        if self.state is State.PLAYING:
            return
        self.segment = segment
        self._lifetime.resume()
        self._reception.play(segment)
        # Frames may overtake the answer.
        await self._dialogue.demand("PLAY", "Session", self._dialogue.session)
        self.state = after(self.state, "PLAY")
        self._lifetime.heard = self._loop.time()
        self._lifetime.look_soon()

    async def first(self, seconds: float) -> None:
        """Wait for a frame; DeadlineError where none has come within some seconds, or why the session ended."""
        advice = (
            "the assignment's server answers 200 even where it has no such file: check its name, and that "
            "nothing blocks UDP to this port"
        )
        await self._lifetime.first(seconds, url=self.url, advice=lambda: advice)

    async def pause(self) -> None:
        """PAUSE; raises as `set_up`."""
        await self._dialogue.demand("PAUSE", "Session", self._dialogue.session)
        self.state = after(self.state, "PAUSE")
        self._lifetime.rest()

    async def close(self) -> None:
        """TEARDOWN and the end of the connection; closing twice is no error."""
        self._lifetime.close()
        was, self.state = self.state, State.INIT
        try:
            if was is not State.INIT:
                await self._dialogue.teardown()
        finally:
            self._dialogue.close()
            self._ports.close()

    # What comes.

    def _take(self, datagrams: Sequence[bytes]) -> None:
        now, wall = self._loop.time(), time.time()
        self._lifetime.heard = now
        for data in datagrams:
            self._deliver(self._reception.media(data, now, wall))

    def _deliver(self, frames: list[ReceivedUnit]) -> None:
        for frame in frames:
            self._outlets.unit(frame)
        if frames:
            self._lifetime.begin()

    def _look(self) -> None:
        now, wall = self._loop.time(), time.time()
        self._deliver(self._reception.flush(now, now, wall))
        silence = now - self._lifetime.heard
        if self._lifetime.began and silence >= min(END_SILENCE, self._timeouts.silence):
            # The movie is over, as far as one can tell.
            self._lifetime.end(None)
        else:
            self._lifetime.look_soon()

    def _finish(self) -> None:
        self._deliver(self._reception.flush(math.inf, self._loop.time(), time.time()))


def _ignore(_: bytes) -> None:
    """RTCP, of which the dialect has none."""
