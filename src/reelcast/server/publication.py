"""A publisher's session: what it sends is received track by track, and feeds a live path while it records."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from reelcast.errors import ProtocolError
from reelcast.net.clock import unix_at
from reelcast.rtp.intake import Intake, Place, ReceivedUnit
from reelcast.rtp.receiver import Statistics
from reelcast.rtsp.message import Frame
from reelcast.rtsp.states import State
from reelcast.rtsp.url import RtspUrl
from reelcast.server.announcement import Announcement
from reelcast.server.live import Feeding, Live
from reelcast.server.pacer import Pacer
from reelcast.server.rights import Right
from reelcast.server.session import Owner, Session
from reelcast.track import Track

__all__ = ["Channels", "Incoming", "Publication", "Way"]

log = logging.getLogger(__name__)

TICK: Final = 0.05
"""Seconds between looks at what has waited long enough, while anything waits: half of what a packet may wait."""
LEISURE: Final = 0.25
"""Seconds between looks otherwise: that wakes up less, and a report or a goodbye is no more than that late."""
STALL: Final = 0.2
"""Seconds by which a look may be late; where it is more, the machine has stood still."""
ORPHAN_SECONDS: Final = 2.0
"""How long a publisher over UDP may be silent whose connection has gone: one that was killed is not waited for."""
BYE_SECONDS: Final = 0.5
"""Of silence behind the BYE of every track: it may overtake media, and an encoder may begin anew."""


class Way(Protocol):
    """How one track comes to us; `reelcast.net.receive.MediaPorts` is one."""

    def send_control(self, data: bytes) -> None:
        """Send RTCP to the publisher."""

    def close(self) -> None:
        """Give up what it holds; closing twice is no error."""


class Incoming:
    """One announced track as it comes in; of a codec that we cannot receive, only that it comes is noted.

    heard       when the last packet came (monotonic seconds)
    recording   whether what comes is taken
    """

    def __init__(
        self,
        intake: Intake | None,
        take: Callable[[Iterable[ReceivedUnit]], None],
        press: Callable[[], None],
    ) -> None:
        """Units are given to `take`; `press` is called where packets wait for missing ones."""
        self.intake = intake
        self.heard = -math.inf
        self.recording = False
        self._take = take
        self._press = press

    def media(self, packets: Sequence[bytes]) -> None:
        """Take RTP packets that came at once."""
        self.heard = now = time.monotonic()
        if self.recording and self.intake is not None:
            self._take(self.intake.take(packets, now, unix_at(now)))
            if self.intake.pending:
                self._press()

    def control(self, data: bytes) -> None:
        """Take an RTCP packet."""
        self.heard = now = time.monotonic()
        if self.recording and self.intake is not None:
            self.intake.control(data, now)


class Channels:
    """A `Way` that is two channels of the publisher's connection."""

    def __init__(self, owner: Owner, channels: tuple[int, int], incoming: Incoming) -> None:
        self._owner = owner
        self._channels = channels
        self._incoming = incoming
        owner.inlets.update(zip(channels, (incoming.media, self._control), strict=True))

    def _control(self, packets: Sequence[bytes]) -> None:
        for data in packets:
            self._incoming.control(data)

    def send_control(self, data: bytes) -> None:
        """Send a frame on the RTCP channel."""
        self._owner.writer.write(Frame(self._channels[1], data).to_bytes())

    def close(self) -> None:
        """Leave the channels."""
        for channel in self._channels:
            self._owner.inlets.pop(channel, None)


class Publication(Session):
    """See `Session`. What comes before RECORD, or behind PAUSE, is passed over.

    announcement   what was announced
    """

    foreign = frozenset({"PLAY"})
    right = Right.PUBLISH

    def __init__(
        self,
        path: str,
        announcement: Announcement,
        owner: Owner,
        host: str,
        *,
        patience: float,
        on_over: Callable[[Publication, str], None],
    ) -> None:
        """`on_over` is told, with the reason, where it ends by itself: after `patience` seconds of silence while it
        records, or where another publisher takes the path over."""
        super().__init__(path, owner, host)
        self.announcement = announcement
        self._patience = patience
        self._on_over = on_over
        self._cname = secrets.token_hex(8)
        self._ways: dict[int, tuple[Incoming, Way]] = {}
        self._feeding: Feeding | None = None
        self._turns = 0
        self._begun = self._awake = self._due = 0.0
        self._tick: asyncio.TimerHandle | None = None
        self._pressing = False

    @property
    def interleaved(self) -> bool:
        """Whether what it sends comes over its connection."""
        return any(delivery.channels is not None for delivery in self.deliveries.values())

    @property
    def statistics(self) -> dict[Track, Statistics]:
        """What came of each track that is set up, as long as it is."""
        return {intake.track: intake.statistics for intake, _ in self._intakes()}

    def track_at(self, url: RtspUrl) -> int | None:
        """By what was announced."""
        if url.path in ("*", "/"):
            return None
        try:
            number = self.announcement.track_at(url)
        except ProtocolError:
            if url.segments() == self.place:
                return None
            raise
        if number not in self.deliveries:
            raise ProtocolError("there is no such track in this session", 404)
        return number

    def incoming(self, number: int, *, ordered: bool, ssrc: int) -> Incoming:
        """What is to take the packets of a track; `ordered` where they come in order, `ssrc` for our reports."""
        track = self.announcement.tracks[number]
        if track is None:
            return Incoming(None, self._put, self._press)
        intake = Intake(track, ordered=ordered, ssrc=ssrc, cname=self._cname)
        return Incoming(intake, self._put, self._press)

    def carry(self, number: int, incoming: Incoming, way: Way) -> None:
        """A track is set up: it comes this way. Call `Sessions.deliver` before."""
        self._ways[number] = incoming, way

    def check_ready(self) -> None:
        """ProtocolError 455 where nothing is set up that can be received."""
        if not self._intakes():
            raise ProtocolError("no track is set up that can be received", 455)

    def record(self, live: Live, by: str) -> None:
        """Feed a live path; `by` names the publisher, in the log. Call `check_ready` before.

        Raises ProtocolError 403 where another publisher feeds it.
        """
        intakes = [intake for intake, _ in self._intakes()]
        self._feeding = live.feed([intake.track for intake in intakes], by, self._displaced)
        self._turns += 1
        for intake in intakes:
            intake.play(Place(segment=self._turns))
        for incoming, _ in self._ways.values():
            incoming.recording = True
        self._begun = self._awake = time.monotonic()
        self.last_seen = math.inf
        self._look_after(LEISURE)

    def touch(self) -> None:
        """While it records, media alone is a sign of life, and it looks for that itself."""
        if self.state is not State.RECORDING:
            super().touch()

    def refresh(self) -> None:
        """Its own ticking keeps the state up to date."""

    def pause(self) -> None:
        """Feed no more; readers wait for a RECORD, or another publisher."""
        self._end_feeding("paused")

    def adapt(self, pacer: Pacer) -> None:
        """Leave the way of what is no longer delivered."""
        for number in self._ways.keys() - self.deliveries.keys():
            self._ways.pop(number)[1].close()

    def on_connection_lost(self) -> bool:
        """Over UDP it goes on for as long as media comes."""
        if self.interleaved or self.state is not State.RECORDING:
            return False
        self._patience = ORPHAN_SECONDS
        if self._feeding is not None:
            # Most likely it was killed, and who comes next is the same.
            self._feeding.forsaken = True
        return True

    def stop(self) -> None:
        """Say goodbye, and free ports and channels."""
        now = time.monotonic()
        if self._feeding is not None:
            for intake, way in self._intakes():
                way.send_control(intake.report(now, leaving=True))
        self._end_feeding("")
        for _, way in self._ways.values():
            way.close()
        self._ways.clear()

    def _intakes(self) -> list[tuple[Intake, Way]]:
        return [(each.intake, way) for each, way in self._ways.values() if each.intake is not None]

    def _put(self, units: Iterable[ReceivedUnit]) -> None:
        for unit in units:
            if self._feeding is not None:
                self._feeding.put(unit)

    def _end_feeding(self, reason: str) -> None:
        self._stop_looking()
        if self._feeding is None:
            return
        self.last_seen = now = time.monotonic()
        for intake, _ in self._intakes():
            self._put(intake.flush(math.inf, now, unix_at(now)))
        for incoming, _ in self._ways.values():
            incoming.recording = False
        feeding, self._feeding = self._feeding, None
        feeding.end(reason)
        told = "; ".join(_told(track, came) for track, came in self.statistics.items())
        log.info("%s: %s published for %.1f s, packets: %s", self.path, feeding.by, now - self._begun, told)

    def _displaced(self) -> None:
        self._on_over(self, "its path is taken over")

    # What is due by time alone.

    def _press(self) -> None:
        """Packets wait for missing ones: look soon."""
        if not self._pressing and self._tick is not None:
            self._look_after(TICK)

    def _look_after(self, seconds: float) -> None:
        self._stop_looking()
        self._pressing = seconds == TICK
        self._due = time.monotonic() + seconds
        self._tick = asyncio.get_running_loop().call_later(seconds, self._look)

    def _stop_looking(self) -> None:
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _look(self) -> None:
        now = time.monotonic()
        for intake, way in self._intakes():
            self._put(intake.flush(now, now, unix_at(now)))
            report = intake.report_due(now, random.random())
            if report is not None:
                way.send_control(report)
        last = max(self._awake, *(incoming.heard for incoming, _ in self._ways.values()))
        late = now - self._due
        if late > STALL:
            # It was us who did not listen: what came meanwhile has not been read yet.
            self._awake = last = min(last + late, now)
        silence = now - last
        if silence >= BYE_SECONDS and all(intake.ended for intake, _ in self._intakes()):
            self.state = State.PAUSED
            self._end_feeding("it said goodbye")
        elif silence >= self._patience:
            self._on_over(self, f"nothing came for {self._patience:g} s")
        else:
            pressing = any(intake.pending for intake, _ in self._intakes())
            self._look_after(TICK if pressing else LEISURE)


def _told(track: Track, came: Statistics) -> str:
    """What came of one track in packets, for a person."""
    return (
        f"{track.codec} {came.received} received, {came.lost} lost, {came.late} late, {came.duplicates} twice"
    )
