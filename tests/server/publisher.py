"""A publisher that knows no more than its bytes: what it announces, and the packets that it sends."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import count
from typing import Self

from tests.server.raw import Answer, Client, Ports

from reelcast.rtp.intake import ReceivedUnit
from reelcast.server.live import Live, LivePolicy

SOUND = "m=audio 0 RTP/AVP 0\r\na=control:streamid=0\r\n"
PICTURES = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=1\r\n"
UNKNOWN = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 AC3/48000/2\r\na=control:streamid=2\r\n"
SDP = "Content-Type: application/sdp"
FRAME_TICKS = {0: 160, 1: 3600, 2: 0}
"""RTP time from one packet to the next, by the number in `streamid`: 20 ms of sound, a picture at 25 a second."""
PAYLOAD_TYPES = {0: 0, 1: 96, 2: 97}
KEYFRAME = bytes([0x65, 0x88]) + bytes([0x11]) * 40
"""The first slice of a picture; a number goes behind it."""
START_CODE = bytes([0, 0, 0, 1])


def description(*sections: str) -> bytes:
    """What ffmpeg announces, in short."""
    head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    return (head + "".join(sections)).encode()


def packet(track: int, sequence: int, payload: bytes, ssrc: int = 77) -> bytes:
    """An RTP packet; its time follows from its number."""
    marker = 0x80 if track == 1 else 0
    timestamp = sequence * FRAME_TICKS[track] & 0xFFFFFFFF
    head = struct.pack("!BBHII", 0x80, marker | PAYLOAD_TYPES[track], sequence & 0xFFFF, timestamp, ssrc)
    return head + payload


def frame(channel: int, data: bytes) -> bytes:
    return b"$" + struct.pack("!BH", channel, len(data)) + data


def goodbye(ssrc: int = 77) -> bytes:
    """An empty report and a BYE."""
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc) + struct.pack("!BBHI", 0x81, 203, 1, ssrc)


@dataclass
class Tapped:
    """A live path of a test, and what came of it."""

    live: Live
    units: list[ReceivedUnit] = field(default_factory=list)

    @classmethod
    def at(cls, path: str, *, take_over: bool = False, patience: float = 10.0) -> Self:
        tapped = cls(Live(path, LivePolicy(take_over=take_over, patience=patience)))
        tapped.live.tap(tapped.units.append)
        return tapped

    def data(self, codec: str) -> list[bytes]:
        """What came of a track."""
        return [each.unit.data for each in self.units if each.track.codec == codec]


class Publisher:
    """One presentation on the way of being published, over a connection that others may use too."""

    def __init__(self, client: Client, path: str = "/cam") -> None:
        self.client = client
        self.path = path
        self.session = ""
        self.ports: dict[int, Ports] = {}
        self.server_ports: dict[int, tuple[int, int]] = {}
        self._numbers = {track: count(65_530) for track in FRAME_TICKS}

    async def announce(self, *sections: str) -> Answer:
        body = description(*(sections or (SOUND, PICTURES)))
        answer = await self.client.ask("ANNOUNCE", self.path, SDP, body=body)
        if answer.status == 200:
            self.session = f"Session: {answer.session}"
        return answer

    async def set_up(self, track: int, *, ports: Ports | None = None, mode: str = "mode=record") -> Answer:
        """Over UDP from a pair of ports, else interleaved on channels 0 and 1, 2 and 3."""
        way = f"RTP/AVP/TCP;unicast;interleaved={2 * track}-{2 * track + 1}"
        if ports is not None:
            way = f"RTP/AVP/UDP;unicast;client_port={ports.pair[0]}-{ports.pair[1]}"
        headers = (f"Transport: {way};{mode}", *filter(None, (self.session,)))
        answer = await self.client.ask("SETUP", f"{self.path}/streamid={track}", *headers)
        if answer.status == 200 and ports is not None:
            self.ports[track], self.server_ports[track] = ports, answer.pair("server_port")
        return answer

    async def ask(self, method: str, path: str = "") -> Answer:
        return await self.client.ask(method, path or self.path, self.session)

    async def record(self, *sections: str) -> None:
        """All of it, over TCP."""
        assert (await self.announce(*sections)).status == 200
        for track in (0, 1):
            if not sections or any(f"streamid={track}" in section for section in sections):
                assert (await self.set_up(track)).status == 200
        assert (await self.ask("RECORD")).status == 200

    def send(self, track: int, payload: bytes, *, ssrc: int = 77) -> None:
        """The next packet of a track."""
        self.send_packet(track, packet(track, next(self._numbers[track]), payload, ssrc))

    def send_packet(self, track: int, data: bytes, *, control: bool = False) -> None:
        """Any bytes, as an RTP packet or as a report."""
        if track in self.ports:
            ours = self.ports[track].rtcp if control else self.ports[track].rtp
            ours.sendto(data, (self.client.host, self.server_ports[track][control]))
        else:
            self.client.send(frame(2 * track + control, data))
