"""Lanes: what they offer, what they make of the answer, and where things go."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from reelcast.client.dialogue import Dialogue
from reelcast.client.lane import InterleavedLane, UdpLane
from reelcast.errors import ProtocolError
from reelcast.rtsp.url import RtspUrl


class Line(Dialogue):
    """A dialogue that is connected to nobody."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(RtspUrl.parse("rtsp://host/"), 1.0)
        self.sent: list[tuple[int, bytes]] = []
        self._host = host

    @property
    def hosts(self) -> tuple[str, str]:
        return "127.0.0.1", self._host

    def send_frame(self, channel: int, data: bytes) -> None:
        self.sent.append((channel, data))


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def ignore(_: object) -> None:
    pass


SOURCES = {
    "the server's address": ("127.0.0.1", "", True),
    "another that it names": ("127.0.0.2", ";source=127.0.0.1", True),
    "another family": ("127.0.0.1", ";source=::1", True),
    "a name": ("127.0.0.1", ";source=camera", True),
    "another address": ("127.0.0.2", "", False),
}


@pytest.mark.parametrize(("host", "source", "reached"), SOURCES.values(), ids=SOURCES)
async def test_udp(server: socket.socket, host: str, source: str, reached: bool) -> None:
    lane = UdpLane(Line(host), ignore, ignore)
    offer = await lane.open()
    assert offer.client_port is not None
    assert str(offer).startswith("RTP/AVP;unicast;client_port=")
    port = server.getsockname()[1]
    lane.agree(f"{offer};server_port={port - 1}-{port}{source}")
    lane.send_control(b"report")
    if reached:
        assert server.recvfrom(100) == (b"report", ("127.0.0.1", offer.client_port[1]))
    else:
        with pytest.raises(BlockingIOError):
            server.recv(100)
    lane.close()


@pytest.mark.parametrize("answer", [None, "", "junk", "RTP/AVP;client_port=1-2"])
async def test_udp_without_server_ports(answer: str | None) -> None:
    """Conformance T5."""
    lane = UdpLane(Line(), ignore, ignore)
    await lane.open()
    lane.agree(answer)
    lane.send_control(b"for nobody")
    lane.close()


async def test_udp_before_and_after() -> None:
    lane = UdpLane(Line(), ignore, ignore)
    lane.send_control(b"too early")
    lane.close()
    lane.close()


@pytest.mark.parametrize("answer", ["RTP/AVP/TCP;interleaved=0-1", "RTP/AVP;multicast;port=2-3"])
def test_udp_answered_otherwise(answer: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        UdpLane(Line(), ignore, ignore).agree(answer)
    assert caught.value.status == 461


INTERLEAVED = {
    "as offered": ("RTP/AVP/TCP;interleaved=4-5", 4),
    "other channels": ("RTP/AVP/TCP;interleaved=0-1", 0),
    "no channels": ("RTP/AVP/TCP", 4),
    "no answer": (None, 4),
}


@pytest.mark.parametrize(("answer", "channel"), INTERLEAVED.values(), ids=INTERLEAVED)
async def test_interleaved(answer: str | None, channel: int) -> None:
    """Conformance T8."""
    line = Line()
    media: list[bytes] = []
    control: list[bytes] = []
    lane = InterleavedLane(line, 4, media.extend, control.append)
    assert str(await lane.open()) == "RTP/AVP/TCP;unicast;interleaved=4-5"
    lane.agree(answer)
    line.channels[channel]([b"me", b"dia"])
    line.channels[channel + 1]([b"con", b"trol"])
    assert (media, control) == ([b"me", b"dia"], [b"con", b"trol"])
    lane.send_control(b"report")
    assert line.sent == [(channel + 1, b"report")]
    lane.close()
    lane.close()
    assert line.channels == {}


def test_interleaved_answered_otherwise() -> None:
    with pytest.raises(ProtocolError) as caught:
        InterleavedLane(Line(), 0, ignore, ignore).agree("RTP/AVP;client_port=1-2")
    assert caught.value.status == 461
