"""Messages: what this system can do, addresses as the kernel reads them, and getting past refusals."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from tests.net.readers import BEST, Calls, FullSocket, Reader, Refusals, bound, closed_port

from reelcast.net import messages as messages_module
from reelcast.net.messages import (
    CMSG,
    IOVEC_SIZE,
    MAX_ATTEMPTS,
    MAX_MESSAGES,
    MMSGHDR,
    Batching,
    Destination,
    MessageSocket,
    is_segmentation_error,
    segment_control,
)

needs_sendmmsg = pytest.mark.skipif(BEST is Batching.PLAIN, reason="no sendmmsg here")
NOWHERE = Destination(socket.AF_INET, ("192.0.2.1", 5000))
"""From a socket that is bound to loopback there is no way to other networks."""


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class TestDetect:
    def test_here(self) -> None:
        assert (BEST is not Batching.PLAIN) == (sys.platform == "linux" and struct.calcsize("P") == 8)

    @pytest.mark.parametrize("platform", ["win32", "darwin"])
    def test_elsewhere(self, monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
        monkeypatch.setattr(sys, "platform", platform)
        assert Batching.detect() is Batching.PLAIN

    def test_no_sendmmsg(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
        assert Batching.detect() is Batching.PLAIN

    @needs_sendmmsg
    def test_an_old_kernel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(messages_module, "UDP_SEGMENT", 250)
        assert Batching.detect() is Batching.MESSAGES


class TestDestination:
    def raw(self, destination: Destination) -> bytes:
        return ctypes.string_at(destination.pointer, destination.length)

    def test_ipv4(self) -> None:
        destination = Destination(socket.AF_INET, ("10.1.2.3", 5001))
        family = struct.pack("=H", socket.AF_INET)
        assert self.raw(destination) == family + bytes.fromhex("1389 0a010203 0000000000000000")
        assert destination.address == ("10.1.2.3", 5001)
        assert destination.segmented

    @pytest.mark.parametrize(
        ("address", "flow", "scope"),
        [(("fe80::1", 5001), 0, 0), (("fe80::1%eth0", 5001, 0, 3), 0, 3), (("fe80::1", 5001, 7, 2), 7, 2)],
    )
    def test_ipv6(self, address: tuple[Any, ...], flow: int, scope: int) -> None:
        host = bytes.fromhex("fe80" + 13 * "00" + "01")
        raw = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", 5001, flow)
        raw += host + struct.pack("=I", scope)
        assert self.raw(Destination(socket.AF_INET6, address)) == raw


def test_segment_control() -> None:
    address, set_size = segment_control()
    for size in (1200, 7):
        set_size(size)
        length, level, kind, value = struct.unpack_from("@NiiH", ctypes.string_at(address, CMSG.size))
        assert (length, level, kind, value) == (18, socket.IPPROTO_UDP, 103, size)


@pytest.mark.parametrize(
    ("code", "segmentation"),
    [(errno.EINVAL, True), (errno.EIO, True), (errno.EMSGSIZE, True), (errno.ENETUNREACH, False)],
)
def test_segmentation_errors(code: int, segmentation: bool) -> None:
    assert is_segmentation_error(code) is segmentation


class TestSend:
    """One datagram by itself."""

    @pytest.mark.parametrize("kind", [bytes, memoryview])
    def test_sent(self, sockets: ExitStack, kind: type[bytes]) -> None:
        reader = Reader(sockets)
        messages = MessageSocket(bound(sockets))
        messages.send(kind(b"packet"), reader.destination)
        messages.send(kind(b""), reader.destination)
        assert reader.received() == [b"packet", b""]
        assert messages.dropped == 0

    def test_nobody_listened_before(self, sockets: ExitStack) -> None:
        reader = Reader(sockets)
        messages = MessageSocket(bound(sockets))
        for number in range(5):
            # The refusal comes back as an error of the next send.
            messages.send(b"lost", closed_port(sockets))
            messages.send(b"%d" % number, reader.destination)
        assert reader.received() == [b"0", b"1", b"2", b"3", b"4"]
        assert messages.dropped == 0

    def test_what_cannot_be_sent(self, sockets: ExitStack) -> None:
        reader = Reader(sockets)
        messages = MessageSocket(bound(sockets))
        messages.send(bytes(70_000), reader.destination)
        messages.send(b"small", NOWHERE)
        messages.send(b"small", reader.destination)
        assert messages.dropped == 2
        assert reader.received() == [b"small"]

    @pytest.mark.parametrize(
        ("refusals", "arrives"), [(1, True), (MAX_ATTEMPTS - 1, True), (MAX_ATTEMPTS, False)]
    )
    def test_a_full_buffer(self, sockets: ExitStack, refusals: int, arrives: bool) -> None:
        sock = bound(sockets, kind=FullSocket)
        assert isinstance(sock, FullSocket)
        sock.refusals = refusals
        reader = Reader(sockets)
        messages = MessageSocket(sock)
        messages.send(b"packet", reader.destination)
        assert reader.received() == ([b"packet"] if arrives else [])
        assert messages.dropped == (not arrives)

    def test_a_buffer_that_stays_full_is_not_tried_again(
        self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(messages_module, "_wait_writable", lambda _: False)
        sock = bound(sockets, kind=FullSocket)
        assert isinstance(sock, FullSocket)
        sock.refusals = 100
        messages = MessageSocket(sock)
        messages.send(b"packet", Reader(sockets).destination)
        assert (sock.refused, messages.dropped) == (1, 1)

    @pytest.mark.parametrize("poll", [True, False], ids=["poll", "select"])
    def test_waiting(self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch, poll: bool) -> None:
        if not poll:
            monkeypatch.delattr("select.poll", raising=False)
        sock = bound(sockets, kind=FullSocket)
        assert isinstance(sock, FullSocket)
        sock.refusals = 1
        reader = Reader(sockets)
        MessageSocket(sock).send(b"packet", reader.destination)
        assert reader.received() == [b"packet"]


class Letters:
    """An array of struct mmsghdr: a datagram with its number to each destination."""

    def __init__(self, *destinations: Destination) -> None:
        count = len(destinations)
        self._texts = [b"%d" % number for number in range(count)]
        self._kept = [ctypes.create_string_buffer(text, len(text)) for text in self._texts]
        self._iovecs = np.array(
            [(ctypes.addressof(kept), len(kept)) for kept in self._kept], dtype=np.uint64
        ).reshape(count, 2)
        base: int = self._iovecs.__array_interface__["data"][0]
        self._headers = ctypes.create_string_buffer(MMSGHDR.size * count)
        for number, to in enumerate(destinations):
            MMSGHDR.pack_into(
                self._headers,
                number * MMSGHDR.size,
                to.pointer,
                to.length,
                base + number * IOVEC_SIZE,
                1,
                0,
                0,
                0,
                0,
            )
        self.pointer = ctypes.addressof(self._headers)
        self.count = count

    def send(self, messages: MessageSocket) -> list[tuple[int, int]]:
        """Send all; what failed."""
        failures: list[tuple[int, int]] = []
        messages.send_messages(self.pointer, self.count, lambda *failure: failures.append(failure))
        return failures


@needs_sendmmsg
class TestSendMessages:
    def test_none(self, sockets: ExitStack) -> None:
        assert Letters().send(MessageSocket(bound(sockets))) == []

    def test_all_arrive(self, sockets: ExitStack) -> None:
        readers = [Reader(sockets) for _ in range(3)]
        letters = Letters(*(reader.destination for reader in readers), readers[0].destination)
        assert letters.send(MessageSocket(bound(sockets))) == []
        assert [reader.received() for reader in readers] == [[b"0", b"3"], [b"1"], [b"2"]]

    def test_more_than_one_call_takes(self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        readers = [Reader(sockets) for _ in range(20)]
        messages = MessageSocket(bound(sockets))
        calls = Calls(messages)
        monkeypatch.setattr(messages, "_sendmmsg", calls)
        count = MAX_MESSAGES + 100
        assert Letters(*(readers[at % 20].destination for at in range(count))).send(messages) == []
        assert calls.messages == [MAX_MESSAGES, 100]
        for number, reader in enumerate(readers):
            assert reader.received() == [b"%d" % at for at in range(number, count, 20)]

    def test_what_fails_alone_stops_nothing(self, sockets: ExitStack) -> None:
        reader = Reader(sockets)
        to = [NOWHERE, reader.destination, NOWHERE, NOWHERE, reader.destination, NOWHERE]
        failures = Letters(*to).send(MessageSocket(bound(sockets)))
        assert [number for number, _ in failures] == [0, 2, 3, 5]
        assert {code for _, code in failures} <= {errno.EINVAL, errno.ENETUNREACH}
        assert reader.received() == [b"1", b"4"]

    def test_nobody_listens_at_some(self, sockets: ExitStack) -> None:
        reader = Reader(sockets)
        to = [closed_port(sockets) if number % 2 else reader.destination for number in range(20)]
        assert Letters(*to).send(MessageSocket(bound(sockets))) == []
        assert reader.received() == [b"%d" % number for number in range(0, 20, 2)]

    @pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.EINTR, errno.EAGAIN, errno.ENOBUFS])
    @pytest.mark.parametrize("times", [1, MAX_ATTEMPTS - 1, MAX_ATTEMPTS])
    def test_errors_that_are_not_its_own(
        self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch, code: int, times: int
    ) -> None:
        reader = Reader(sockets)
        messages = MessageSocket(bound(sockets))
        monkeypatch.setattr(messages, "_sendmmsg", Calls(messages, Refusals(code, times)))
        failures = Letters(reader.destination, reader.destination).send(messages)
        if times < MAX_ATTEMPTS:
            assert (failures, reader.received()) == ([], [b"0", b"1"])
        elif code in (errno.EAGAIN, errno.ENOBUFS):
            assert (failures, reader.received(), messages.dropped) == ([], [], 2)
        else:
            assert (failures, reader.received()) == ([(0, code)], [b"1"])

    def test_a_buffer_that_stays_full(self, sockets: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(messages_module, "_wait_writable", lambda _: False)
        messages = MessageSocket(bound(sockets))
        monkeypatch.setattr(messages, "_sendmmsg", Calls(messages, lambda *_: errno.EAGAIN))
        reader = Reader(sockets)
        # What is left is given up together: no message is waited for or sent by itself.
        assert Letters(reader.destination, reader.destination).send(messages) == []
        assert messages.dropped == 2
        assert reader.received() == []
