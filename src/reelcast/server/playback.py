"""A reader's session: a player of one source, and how its tracks reach the reader."""

from __future__ import annotations

from reelcast.errors import ProtocolError
from reelcast.net.carrier import Carrier, InterleavedCarrier, UdpCarrier
from reelcast.net.udp import UdpPair
from reelcast.rtsp.ranges import Range
from reelcast.rtsp.states import State
from reelcast.rtsp.url import RtspUrl
from reelcast.server.pacer import Pacer
from reelcast.server.session import Delivery, Owner, Session
from reelcast.server.source import Player, Source

__all__ = ["Playback"]


class Playback(Session):
    """See `Session`.

    source   what it plays
    player   that does, None before the first PLAY
    udp      the ports that its media leaves from, None where it is interleaved
    """

    foreign = frozenset({"RECORD"})

    def __init__(self, path: str, source: Source, owner: Owner, host: str) -> None:
        super().__init__(path, owner, host)
        self.source = source
        self.player: Player | None = None
        self.udp: UdpPair | None = None
        self._wired: dict[int, Delivery] = {}

    @property
    def interleaved(self) -> bool:
        """Whether it ends with its connection: its media goes over that, or its client is of the classroom."""
        return self.udp is None and bool(self.deliveries)

    @property
    def flowing(self) -> bool:
        """Whether media is being sent, and the connection takes it."""
        return self.state is State.PLAYING and self.owner.writer.idle

    @property
    def parameters(self) -> dict[str, str]:
        """The place that is being played."""
        return {} if self.player is None else {"position": f"npt={self.player.position:.3f}"}

    def track_at(self, url: RtspUrl) -> int | None:
        """By the control attribute, which stands behind the path."""
        control = url.segments()[len(self.presentation) :]
        if not control:
            return None
        for track in self.deliveries:
            if (self.source.tracks[track].control,) == control:
                return track
        raise ProtocolError("there is no such track in this session", 404)

    def refresh(self) -> None:
        """Where the player has come to its end, that is as if it had been paused."""
        if self.player is not None and self.player.ended:
            self.state = State.PAUSED

    def ready(self, pacer: Pacer) -> Player:
        """The session's player, for the tracks that are set up now; made when it is first needed."""
        if self.player is None or self._wired != self.deliveries:
            self._wired = dict(self.deliveries)
            ssrcs = {track: delivery.ssrc for track, delivery in self.deliveries.items()}
            if self.player is None:
                self.player = self.source.player(ssrcs, self._carrier(), pacer)
            else:
                self.player.rewire(ssrcs, self._carrier())
        return self.player

    def pause(self) -> Range:
        """Stop sending."""
        place = self.player.pause() if self.player is not None else 0.0
        return Range.of_npt("npt", place, self.source.duration)

    def adapt(self, pacer: Pacer) -> None:
        """Send what is left."""
        if self.player is not None:
            self.ready(pacer)

    def stop(self) -> None:
        """Stop the player, which says goodbye."""
        if self.player is not None:
            self.player.stop()

    def _carrier(self) -> Carrier:
        if self.udp is not None:
            ports = {track: item.ports for track, item in self.deliveries.items() if item.ports}
            return UdpCarrier(self.udp, ports)
        channels = {track: item.channels for track, item in self.deliveries.items() if item.channels}
        return InterleavedCarrier(self.owner.writer, channels)
