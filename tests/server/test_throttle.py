"""How long guesses wait, and nobody else."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from reelcast.server import throttle as module
from reelcast.server.throttle import (
    FIRST_WAIT,
    FREE_FAILURES,
    HALF_LIFE,
    LONGEST_WAIT,
    MAX_PLACES,
    ROOMS,
    SEATS,
    Throttle,
    host_of,
)


def failing(times: int, address: str = "192.0.2.1") -> Throttle:
    throttle = Throttle()
    for _ in range(times):
        throttle.failed(address, 0.0)
    return throttle


def test_some_failures_are_free() -> None:
    """Conformance A9."""
    assert Throttle().wait("192.0.2.1", 0.0) == 0
    assert failing(FREE_FAILURES - 1).wait("192.0.2.1", 0.0) == 0
    waits = [failing(FREE_FAILURES + more).wait("192.0.2.1", 0.0) for more in range(20)]
    assert waits[0] == FIRST_WAIT
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT == failing(10_000).wait("192.0.2.1", 0.0)


def test_failures_are_forgotten() -> None:
    throttle = failing(2 * FREE_FAILURES)
    assert throttle.wait("192.0.2.1", 0.0) > 0
    assert throttle.wait("192.0.2.1", HALF_LIFE * 1.01) == 0
    throttle.failed("192.0.2.1", HALF_LIFE)
    assert throttle.wait("192.0.2.1", HALF_LIFE) == pytest.approx(2 * FIRST_WAIT)


@pytest.mark.parametrize(
    ("address", "shares"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8::1", False),
        ("", False),
        ("somewhere", False),
    ],
)
def test_others_do_not_wait(address: str, shares: bool) -> None:
    """Conformance A9, H25."""
    assert (failing(20).wait(address, 0.0) > 0) is shares


def test_a_network_of_ipv6_is_one_place() -> None:
    throttle = failing(20, "2001:db8::1")
    assert throttle.wait("2001:db8::ffff:1", 0.0) > 0
    assert throttle.wait("2001:db8:0:1::1", 0.0) == 0
    assert failing(20, "fe80::1%eth0").wait("fe80::2%eth1", 0.0) > 0


def test_places_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 2)
    assert MAX_PLACES > 2
    throttle = failing(20)
    throttle.failed("192.0.2.2", 0.0)
    throttle.failed("192.0.2.1", 0.0)
    throttle.failed("192.0.2.3", 0.0)
    assert throttle.wait("192.0.2.1", 0.0) > 0
    throttle.failed("192.0.2.4", 0.0)
    throttle.failed("192.0.2.5", 0.0)
    assert throttle.wait("192.0.2.1", 0.0) == 0


def test_seats() -> None:
    """Conformance A9: those of one address do not last for ever, those of another are its own."""
    throttle = Throttle()
    taken = [throttle.sit("192.0.2.1", "alice") for _ in range(SEATS)]
    assert None not in taken
    assert throttle.sit("192.0.2.1", "alice") is None
    other = throttle.sit("192.0.2.2", "alice")
    assert other is not None
    users = [throttle.sit("192.0.2.1", f"user {number}") for number in range(200)]
    assert sum(seat is not None for seat in users) == (ROOMS - 1) * SEATS
    for seat in [*taken, *users, other]:
        if seat is not None:
            throttle.rise(seat)
    assert not throttle._seated
    assert throttle.sit("192.0.2.1", "alice") is not None


def test_hosts() -> None:
    assert host_of("::ffff:127.0.0.1") == ip_address("127.0.0.1")
    assert host_of("fe80::1%eth0") == ip_address("fe80::1")
    assert host_of("") is None
    assert host_of("localhost") is None
