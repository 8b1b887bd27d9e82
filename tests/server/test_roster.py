"""Who is let in, who is turned away, and what is said of it."""

from __future__ import annotations

import logging
import time

import pytest

from reelcast.rtsp.message import Request
from reelcast.server import roster as module
from reelcast.server.connection import Connection, Reply
from reelcast.server.limits import Limits
from reelcast.server.roster import Roster


class Nobody:
    """Is asked nothing."""

    async def answer(self, connection: Connection, request: Request) -> Reply:
        raise NotImplementedError

    def alive(self, connection: Connection) -> None: ...

    def opened(self, connection: Connection) -> bool:
        return False

    def closed(self, connection: Connection) -> None: ...


def come(host: str, port: int = 5000) -> Connection:
    connection = Connection(Nobody(), direct=False)
    connection.peer = host, port
    return connection


def test_so_many_in_all() -> None:
    """Conformance H39."""
    roster = Roster(Limits(connections=2))
    first, second, third = come("10.0.0.1"), come("10.0.0.2"), come("10.0.0.3")
    assert [roster.add(one) for one in (first, second, third)] == [True, True, False]
    assert set(roster) == {first, second}
    assert third not in roster
    assert not roster.remove(third)
    assert roster.remove(first)
    assert not roster.remove(first)
    assert roster.add(third)
    assert len(roster) == 2


def test_so_many_from_one_address() -> None:
    """Conformance H39."""
    roster = Roster(Limits(connections_per_address=1))
    first = come("10.0.0.1")
    assert roster.add(first)
    assert not roster.add(come("10.0.0.1", 5001))
    assert roster.add(come("10.0.0.2"))
    assert roster.remove(first)
    assert roster.add(come("10.0.0.1", 5002))


def test_they_may_leave_while_they_are_looked_at() -> None:
    roster = Roster(Limits())
    for number in range(5):
        roster.add(come("10.0.0.1", number))
    for connection in roster:
        roster.remove(connection)
    assert not roster


@pytest.mark.parametrize(
    ("allowed", "room"), [(None, 1000), (10_000, 1000), (1200, 1200 - 384), (600, 300), (256, 128)]
)
def test_no_more_than_there_are_descriptors(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, allowed: int | None, room: int
) -> None:
    monkeypatch.setattr(module, "descriptors", lambda: allowed)
    roster = Roster(Limits(connections=1000))
    roster.fit()
    assert sum(roster.add(come("10.0.0.1", number)) for number in range(1100)) == room
    assert (f"at most {room} connections instead of 1000" in caplog.text) is (room < 1000)


def test_a_flood_is_told_of_in_few_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Conformance H39."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    caplog.set_level(logging.WARNING)
    roster = Roster(Limits(connections=1))
    roster.add(come("10.0.0.1"))
    for number in range(1000):
        roster.add(come("10.0.0.2", number))
    now[0] += 11
    roster.add(come("10.0.0.3", 7))
    assert [record.getMessage() for record in caplog.records] == [
        "10.0.0.2:0 is turned away: there are 1 connections",
        "10.0.0.3:7 is turned away: there are 1 connections, and so were 999 others before",
    ]
