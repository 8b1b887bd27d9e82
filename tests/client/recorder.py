"""A server on loopback that is published to: it says what a test tells it to, and keeps what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from tests.client.scripted import ScriptedServer, reply

from reelcast import sdp
from reelcast.net.udp import bind_pair
from reelcast.rtp.description import tracks_of
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import depacketizer_for
from reelcast.rtp.rtcp import (
    Bye,
    ReceiverReport,
    Report,
    ReportBlock,
    SenderReport,
    compound,
    is_rtcp,
    parse,
)
from reelcast.rtsp.headers import TransportSpec
from reelcast.rtsp.message import Request, Response
from reelcast.track import AccessUnit, Track

__all__ = ["RecordingServer"]


class RecordingServer(ScriptedServer):
    """Answers to ANNOUNCE, SETUP and RECORD as servers do.

    packets    RTP datagrams by track; reports: RTCP likewise
    """

    def __init__(self) -> None:
        super().__init__()
        self.packets: dict[int, list[bytes]] = defaultdict(list)
        self.reports: dict[int, list[Report]] = defaultdict(list)
        self.on_record: Callable[[RecordingServer], None] = lambda _: None
        self._ports: list[tuple[socket.socket, socket.socket]] = []
        self._peers: dict[int, tuple[str, int]] = {}
        self.answers |= {
            "OPTIONS": reply(200, ("Public", "OPTIONS, ANNOUNCE, SETUP, RECORD, TEARDOWN")),
            "ANNOUNCE": self._announced,
            "SETUP": self._set_up,
            "RECORD": self._recorded,
        }

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_ports()
        await super().__aexit__(kind, error, trace)

    @property
    def tracks(self) -> list[Track]:
        """What was announced last."""
        bodies = [request.body for request in self.requests if request.method == "ANNOUNCE"]
        return tracks_of(sdp.parse(bodies[-1])) if bodies else []

    def parsed(self, index: int = 0) -> list[Packet]:
        """The packets of a track."""
        return [packet for packet in map(Packet.parse, self.taken(index)) if packet is not None]

    def units(self, index: int = 0) -> list[AccessUnit]:
        """What the packets of a track are put together to; of all sessions, whatever their numbers."""
        if not self.tracks:
            return []
        depacketizer = depacketizer_for(self.tracks[index])
        return [
            unit
            for number, packet in enumerate(self.parsed(index))
            for unit in depacketizer.receive(replace(packet, sequence=number & 0xFFFF))
        ]

    def taken(self, index: int) -> list[bytes]:
        """The datagrams of a track, or its interleaved frames."""
        frames = [frame.data for frame in self.frames if frame.channel == 2 * index]
        return frames or self.packets[index]

    def told(self, index: int = 0) -> list[Report]:
        """The reports on a track."""
        frames = [frame.data for frame in self.frames if frame.channel == 2 * index + 1]
        return [report for data in frames for report in parse(data)] or self.reports[index]

    def goodbyes(self, index: int = 0) -> int:
        """How often a track was said goodbye for."""
        return sum(isinstance(report, Bye) for report in self.told(index))

    def report(self, index: int, *, lost: int, jitter: int, last_sr: int = 0) -> None:
        """Tell the publisher how a track is received."""
        ssrc = self.parsed(index)[0].ssrc
        block = ReportBlock(ssrc, 0, lost, 1, jitter, last_sr, 0)
        data = compound(ReceiverReport(1, (block,)))
        if self._ports:
            self._ports[index][1].sendto(data, self._peers[index])
        else:
            self.send_media(data, channel=2 * index + 1)

    def sender_reports(self, index: int = 0) -> list[SenderReport]:
        """The sender reports on a track."""
        return [report for report in self.told(index) if isinstance(report, SenderReport)]

    def close_ports(self) -> None:
        """Listen for datagrams no longer."""
        for pair in self._ports:
            for sock in pair:
                asyncio.get_running_loop().remove_reader(sock)
                sock.close()
        self._ports.clear()

    # Answers

    def _announced(self, request: Request) -> Response:
        self.close_ports()
        return Response.to(request, 200)

    def _set_up(self, request: Request) -> Response:
        offer = request.headers.get("Transport") or ""
        spec = TransportSpec.parse(offer)
        answer = replace(spec, mode=None)
        if not spec.tcp:
            index = len(self._ports)
            pair = bind_pair("127.0.0.1", 0)
            self._ports.append(pair)
            for sock in pair:
                asyncio.get_running_loop().add_reader(sock, self._drain, index, sock)
            assert spec.client_port is not None
            self._peers[index] = "127.0.0.1", spec.client_port[1]
            rtp, rtcp = (sock.getsockname()[1] for sock in pair)
            answer = replace(answer, server_port=(rtp, rtcp))
        headers = [("Transport", str(answer)), ("Session", "12345678;timeout=60")]
        return Response.to(request, 200, headers)

    def _recorded(self, request: Request) -> Response:
        asyncio.get_running_loop().call_soon(self.on_record, self)
        return Response.to(request, 200)

    def _drain(self, index: int, sock: socket.socket) -> None:
        # All that has come: whoever says goodbye does not wait for us.
        with contextlib.suppress(OSError):
            while data := sock.recv(65536):
                if is_rtcp(data):
                    self.reports[index] += parse(data)
                else:
                    self.packets[index].append(data)
        self.changed.set()
