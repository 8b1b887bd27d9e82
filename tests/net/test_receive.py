"""The client's ports: who is listened to, what is media and what is control, and how large the buffer is."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Sequence

import pytest

from reelcast.net import receive as module
from reelcast.net import udp
from reelcast.net.messages import Batching
from reelcast.net.receive import MediaPorts
from reelcast.rtp.rtcp import ReceiverReport, compound

UDP_SEGMENT = 103
MEDIA = b"\x80\x60media"
CONTROL = compound(ReceiverReport(1))


class Inbox:
    """Collects what arrives, and waits for it."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self._changed = asyncio.Event()

    def taker(self, name: str) -> Callable[[bytes], None]:
        def take(data: bytes) -> None:
            self.received.append((name, data))
            self._changed.set()

        return take

    def taking(self, datagrams: Sequence[bytes]) -> None:
        for data in datagrams:
            self.taker("media")(data)

    async def wait_for(self, count: int) -> None:
        while len(self.received) < count:
            self._changed.clear()
            await self._changed.wait()


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
async def test_both_kinds_on_both_ports(family: int, host: str) -> None:
    inbox = Inbox()
    ports = MediaPorts(inbox.taking, inbox.taker("control"))
    try:
        rtp, rtcp = await ports.open(host)
    except OSError:
        pytest.skip("no IPv6 here")
    assert (rtp % 2, rtcp) == (0, rtp + 1)
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((host, 0))
        server.setblocking(False)
        ports.listen_to([f"{host}%lo"], (1, server.getsockname()[1]))
        for data, port in ((MEDIA, rtp), (CONTROL, rtcp), (CONTROL, rtp), (MEDIA, rtcp)):
            server.sendto(data, (host, port))
            await inbox.wait_for(len(inbox.received) + 1)
        ports.send_control(b"report")
        assert server.recv(100) == b"report"
    assert inbox.received == [("media", MEDIA), ("control", CONTROL), ("control", CONTROL), ("media", MEDIA)]
    ports.close()


async def test_a_packet_from_our_media_port() -> None:
    """What opens the way through a NAT."""
    ports = MediaPorts(lambda _: None, lambda _: None)
    rtp, _ = await ports.open("127.0.0.1")
    ports.send_media(b"to nobody yet")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        ports.listen_to(["127.0.0.1"], (server.getsockname()[1], 1))
        ports.send_media(b"punch")
        assert server.recvfrom(100) == (b"punch", ("127.0.0.1", rtp))
    ports.close()


async def test_media_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """As reports to a server may, until its event loop is awake."""
    deferred: list[int] = []
    monkeypatch.setattr(udp, "defer", deferred.append)
    ports = MediaPorts(lambda _: None, lambda _: None)
    await ports.open("127.0.0.1")
    ports.close()
    assert deferred == []


@pytest.mark.parametrize("offload", [True, False], ids=["receive offload", "one by one"])
async def test_what_comes_in_a_row(offload: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With receive offload the kernel hands many datagrams out in one piece: they are cut apart again."""
    if not offload:
        monkeypatch.setattr(module, "_offloads", lambda _: False)
    inbox = Inbox()
    ports = MediaPorts(inbox.taking, inbox.taker("control"))
    rtp, _ = await ports.open("127.0.0.1")
    ports.listen_to(["127.0.0.1"], None)
    packets = [b"\x80\x60" + bytes([number]) * 1000 for number in range(20)] + [b"\x80\x60last"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        if Batching.detect() is Batching.SEGMENTED:
            segment = [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", 1002))]
            server.sendmsg([b"".join(packets)], segment, 0, ("127.0.0.1", rtp))
        else:
            for packet in packets:
                server.sendto(packet, ("127.0.0.1", rtp))
    await inbox.wait_for(len(packets))
    assert [data for _, data in inbox.received] == packets
    ports.close()


async def test_several_senders() -> None:
    """Media and control in the order of their coming, without those of strangers."""
    taken: list[bytes] = []
    came = asyncio.Event()

    def control(data: bytes) -> None:
        taken.append(data)
        came.set()

    ports = MediaPorts(taken.extend, control)
    rtp, _ = await ports.open("127.0.0.1")
    ports.listen_to(["127.0.0.1", "127.0.0.2"], None)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        for sock, host in ((one, "127.0.0.1"), (other, "127.0.0.2"), (stranger, "127.0.0.3")):
            sock.bind((host, 0))
        for sock, data in ((one, b"1"), (one, b"2"), (stranger, b"x"), (other, b"3"), (other, b"4")):
            sock.sendto(MEDIA + data, ("127.0.0.1", rtp))
        other.sendto(CONTROL, ("127.0.0.1", rtp))
    await came.wait()
    assert taken == [MEDIA + b"1", MEDIA + b"2", MEDIA + b"3", MEDIA + b"4", CONTROL]
    ports.close()


async def test_a_kernel_without_receive_offload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_UDP_GRO", 9999)
    inbox = Inbox()
    ports = MediaPorts(inbox.taking, inbox.taker("control"))
    rtp, _ = await ports.open("127.0.0.1")
    ports.listen_to(["127.0.0.1"], None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.sendto(MEDIA, ("127.0.0.1", rtp))
    await inbox.wait_for(1)
    ports.close()


async def test_only_the_server_is_listened_to() -> None:
    inbox = Inbox()
    ports = MediaPorts(inbox.taking, inbox.taker("control"))
    rtp, _ = await ports.open("127.0.0.1")
    ports.listen_to(["127.0.0.2"], None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.3", 0))
        stranger.sendto(MEDIA + b"stranger", ("127.0.0.1", rtp))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.2", 0))
        server.sendto(MEDIA, ("127.0.0.1", rtp))
    await inbox.wait_for(1)
    assert inbox.received == [("media", MEDIA)]
    assert ports.stranger == "127.0.0.3"
    ports.close()


async def test_a_server_that_closed_its_port_does_no_harm() -> None:
    inbox = Inbox()
    ports = MediaPorts(inbox.taking, inbox.taker("control"))
    _, rtcp = await ports.open("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        closed = server.getsockname()[1]
    ports.listen_to(["127.0.0.1"], (1, closed))
    ports.send_control(b"unreachable")
    ports.send_control(b"unreachable")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.sendto(CONTROL, ("127.0.0.1", rtcp))
    await inbox.wait_for(1)
    ports.close()


@pytest.mark.parametrize(("wanted", "told"), [(4096, False), (1 << 30, True)])
async def test_a_small_buffer_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wanted: int, told: bool
) -> None:
    """Conformance R13."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "RECEIVE_BUFFER", wanted)
    monkeypatch.setattr(module, "_complained", set())
    for _ in range(2):
        ports = MediaPorts(lambda _: None, lambda _: None)
        await ports.open("127.0.0.1")
        ports.close()
    assert caplog.text.count("net.core.rmem_max") == told


def test_a_buffer_that_has_become_another_is_told_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "_complained", set())
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(socket.socket, "setsockopt", lambda *_: None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for granted in (100 << 10, 200 << 10, 100 << 10):
            monkeypatch.setattr(socket.socket, "getsockopt", lambda *_, granted=granted: granted)
            module._enlarge(sock)
    assert [record.args for record in caplog.records] == [(100, 4096), (200, 4096)]


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_linux_counts_double(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, platform: str
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("sys.platform", platform)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        granted = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        monkeypatch.setattr(module, "RECEIVE_BUFFER", granted // 2 + 1)
        monkeypatch.setattr(module, "_complained", set())
        monkeypatch.setattr(socket.socket, "setsockopt", lambda *_: None)
        module._enlarge(sock)
    assert ("net.core.rmem_max" in caplog.text) is (platform == "linux")
