"""How fast passwords can be tried: slower from where many were wrong, and from nowhere else.

Who is where others have failed waits a little before its password is looked at, whether it is right or wrong, so
that nothing is learnt from the wait; then it is in. Nobody is locked out: what has proved itself does not come
here at all, and who shares an address with an attacker shares its waiting room only where chance has it so.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Final

__all__ = ["MAX_PLACES", "Throttle", "host_of"]

FREE_FAILURES: Final = 5
"""Without a wait: people mistype, and a household's players all have the old password at once."""
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 1.0
"""Seconds: an attacker gets ROOMS * SEATS tries in this time, and a player's patience is longer."""
HALF_LIFE: Final = 30.0
"""Seconds in which half of the failures are forgotten."""
MAX_PLACES: Final = 4_096
"""Addresses that are remembered; the one that failed longest ago is forgotten first."""
ROOMS: Final = 4
SEATS: Final = 4
"""Attempts that wait at once, from one address: as many rooms, by the user's name, with as many seats."""


def host_of(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of a peer as sockets give it: no zone, IPv4 unwrapped; None where it is none."""
    try:
        host = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return mapped or host


@dataclass(slots=True)
class _Place:
    failures: float
    last: float


class Throttle:
    """The failures of each address, and who waits because of them. Times are seconds of a clock."""

    def __init__(self) -> None:
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._seated: Counter[tuple[str, int]] = Counter()

    def wait(self, address: str, now: float) -> float:
        """Seconds that an attempt from there must wait before it is looked at."""
        place = self._places.get(_place(address))
        failures = 0.0 if place is None else _left(place, now)
        if failures < FREE_FAILURES:
            return 0.0
        # The exponent is bounded by what the longest wait needs.
        return float(min(FIRST_WAIT * 2.0 ** min(failures - FREE_FAILURES, 10.0), LONGEST_WAIT))

    def failed(self, address: str, now: float) -> None:
        """A password from there was wrong."""
        key = _place(address)
        place = self._places.pop(key, None)
        if place is None and len(self._places) >= MAX_PLACES:
            self._places.popitem(last=False)
        self._places[key] = _Place(1.0 + (0.0 if place is None else _left(place, now)), now)

    def sit(self, address: str, user: str) -> tuple[str, int] | None:
        """A seat for an attempt, to be given to `rise`; None where all are taken."""
        # By a hash that nobody outside can know: who has an account does not show.
        seat = _place(address), hash(user) % ROOMS
        if self._seated[seat] >= SEATS:
            return None
        self._seated[seat] += 1
        return seat

    def rise(self, seat: tuple[str, int]) -> None:
        """An attempt is over."""
        self._seated[seat] -= 1
        if not self._seated[seat]:
            del self._seated[seat]


def _left(place: _Place, now: float) -> float:
    """What is not forgotten yet of the failures there."""
    return place.failures * float(0.5 ** (max(0.0, now - place.last) / HALF_LIFE))


def _place(address: str) -> str:
    """An address, or of IPv6 the network that one customer gets, who can take any address in it."""
    host = host_of(address)
    if isinstance(host, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(host), 64), strict=False))
    return str(host or address)
