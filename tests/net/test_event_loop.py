"""The server's event loop: who is patient is read when it is awake, and nobody is forgotten."""

from __future__ import annotations

import asyncio
import select
import selectors
import socket
from collections.abc import Callable, Iterator, Sequence

import pytest

from reelcast.errors import ReelcastError
from reelcast.net import event_loop
from reelcast.net.event_loop import PATIENCE, PatientSelector, defer

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="this system has no epoll")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
SOON, LATER = PATIENCE / 2, PATIENCE * 2

Waits = Callable[[Callable[[], object]], list[float | None]]


@pytest.fixture
def selector() -> Iterator[PatientSelector]:
    selector = PatientSelector()
    yield selector
    selector.close()


@pytest.fixture
def links() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """Each a descriptor to read from, and where to write to it."""
    links = [socket.socketpair() for _ in range(2)]
    yield links
    for near, far in links:
        near.close()
        far.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    """Has something happen in each wait, which then ends; gives how long they were to last."""

    def during(happen: Callable[[], object]) -> list[float | None]:
        asked: list[float | None] = []

        def wait(descriptors: list[int], *rest: object) -> tuple[list[int], list[int], list[int]]:
            timeout = rest[-1]
            assert timeout is None or isinstance(timeout, float)
            asked.append(timeout)
            happen()
            return real(descriptors, (), (), 0)

        real = select.select
        monkeypatch.setattr(select, "select", wait)
        return asked

    return during


def ready(selector: PatientSelector, timeout: float | None) -> list[tuple[int, int]]:
    return [(key.fd, events) for key, events in selector.select(timeout)]


def patient(selector: PatientSelector, sock: socket.socket) -> int:
    selector.register(sock, READ, "data")
    selector.defer(sock.fileno())
    return sock.fileno()


def test_a_report_does_not_end_a_short_wait_and_is_read_behind_it(
    selector: PatientSelector, links: list[tuple[socket.socket, socket.socket]], waits: Waits
) -> None:
    descriptor = patient(selector, links[0][0])
    asked = waits(lambda: links[0][1].send(b"report"))
    assert ready(selector, SOON) == []
    assert ready(selector, SOON) == [(descriptor, READ)]
    assert asked == [SOON]


@pytest.mark.parametrize("timeout", [LATER, None])
def test_where_no_timer_is_near_a_report_is_waited_for(
    selector: PatientSelector,
    links: list[tuple[socket.socket, socket.socket]],
    waits: Waits,
    timeout: float | None,
) -> None:
    descriptor = patient(selector, links[0][0])
    asked = waits(lambda: links[0][1].send(b"report"))
    assert ready(selector, timeout) == [(descriptor, READ)]
    assert asked == [timeout]


@pytest.mark.parametrize("timeout", [0, -1, SOON, LATER, None])
def test_all_others_are_waited_for_at_any_time(
    selector: PatientSelector, links: list[tuple[socket.socket, socket.socket]], timeout: float | None
) -> None:
    (near, far), (other, its_end) = links
    descriptor = patient(selector, other)
    selector.register(near, READ)
    far.send(b"request")
    assert ready(selector, timeout) == [(near.fileno(), READ)]
    its_end.send(b"report")
    assert ready(selector, timeout) == [(descriptor, READ), (near.fileno(), READ)]


def test_who_waits_to_write_is_not_patient(
    selector: PatientSelector, links: list[tuple[socket.socket, socket.socket]], waits: Waits
) -> None:
    descriptor = patient(selector, links[0][0])
    assert ready(selector, 0) == []
    key = selector.modify(descriptor, READ | WRITE, "other data")
    assert key == selector.get_key(links[0][0])
    assert ready(selector, SOON) == [(descriptor, WRITE)]
    selector.modify(descriptor, READ, "data")
    waits(lambda: links[0][1].send(b"report"))
    assert ready(selector, SOON) == []
    assert ready(selector, SOON) == [(descriptor, READ)]


def test_who_comes_anew_is_not_patient(
    selector: PatientSelector, links: list[tuple[socket.socket, socket.socket]], waits: Waits
) -> None:
    descriptor = patient(selector, links[0][0])
    selector.unregister(links[0][0])
    assert not selector.get_map()
    selector.defer(descriptor)
    selector.register(descriptor, READ)
    selector.modify(descriptor, READ, "data")
    waits(lambda: links[0][1].send(b"request"))
    assert ready(selector, SOON) == [(descriptor, READ)]


def test_keys_are_found_by_descriptor_and_by_what_has_one(
    selector: PatientSelector, links: list[tuple[socket.socket, socket.socket]]
) -> None:
    (near, far), (other, its_end) = links
    descriptor = patient(selector, near)
    selector.register(other, READ, "its data")
    keys = selector.get_map()
    assert len(keys) == 2
    assert set(keys) == {descriptor, other.fileno()}
    assert keys[near] == keys[descriptor] == selector.get_key(near)
    assert (keys[near].data, keys[other].data) == ("data", "its data")
    assert far not in keys
    for change in (selector.unregister, selector.get_key):
        with pytest.raises(KeyError):
            change(its_end)


async def reported(seconds: float) -> Sequence[bytes]:
    """What comes from who is patient, with a timer or without one."""
    loop = asyncio.get_running_loop()
    near, far = socket.socketpair()
    came: list[bytes] = []
    done = asyncio.Event()

    def read() -> None:
        came.append(near.recv(16))
        done.set()

    loop.add_reader(near, read)
    defer(near.fileno())
    far.send(b"first")
    async with asyncio.timeout(20):
        while len(came) < 3:
            done.clear()
            loop.call_later(seconds, far.send, b"next")
            await done.wait()
    loop.remove_reader(near)
    near.close()
    far.close()
    return came


@pytest.mark.parametrize("seconds", [0.0, SOON, LATER])
def test_in_every_loop_all_is_read(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    kinds: list[type] = []

    async def ask() -> None:
        kinds.append(type(asyncio.get_running_loop()))
        assert (await reported(seconds))[0].startswith(b"first")

    event_loop.run(ask())
    with monkeypatch.context() as patch:
        patch.setattr(event_loop, "HIGHEST_DESCRIPTOR", 0)
        event_loop.run(ask())
        patch.delattr(select, "epoll")
        event_loop.run(ask())
    assert kinds[0] is not kinds[1]
    assert kinds[1] is kinds[2]


async def test_a_loop_in_a_loop_is_refused_in_a_line() -> None:
    ran: list[bool] = []

    async def work() -> None:
        ran.append(True)

    with pytest.raises(ReelcastError, match="an event loop runs here already") as caught:
        event_loop.run(work())
    assert "async with" in caught.value.advice
    assert not ran
