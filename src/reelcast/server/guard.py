"""Who may do what: users, their passwords and rights, and what a request is asked and answered about them.

Every request says again who it comes from (`Guard.identify`), and what it wants is looked at only then
(`Guard.allows`): whoever may not read a path is told the same whether something is there or not. Without users
reading is open to all, and publishing to this machine alone.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from reelcast.errors import ProtocolError
from reelcast.rtsp.authentication import Challenge, unspeakable
from reelcast.rtsp.challenges import (
    NONCE_SECONDS,
    BasicClaim,
    DigestClaim,
    Nonces,
    challenges,
    concerns,
    read_claim,
)
from reelcast.rtsp.url import RtspUrl
from reelcast.server.passwords import DEFAULT_REALM, Password, Verifier
from reelcast.server.rights import READ_ALL, Right, Rights
from reelcast.server.throttle import Throttle, host_of

__all__ = ["NOBODY", "BusyError", "Guard", "LoginError", "User", "Visitor"]

RETRY_SECONDS: Final = 5
"""What who finds all seats taken is told to wait."""

_NAME = re.compile(r'[^:"\\]{1,100}')
"""A colon ends it in Basic; quotes and backslashes are written in as many ways as there are players."""
_REALM = re.compile(r'[^"\\]{1,100}')


class LoginError(ProtocolError):
    """Somebody must say who it is (401).

    challenges   what is offered, a header each
    failed       something was said that was wrong, not just nothing
    user         who it is, where all was right but for the nonce, which was too old; else ""
    """

    def __init__(
        self, message: str, offered: list[Challenge], *, failed: bool = False, user: str = ""
    ) -> None:
        super().__init__(message, 401)
        self.challenges = offered
        self.failed = failed
        self.user = user


class BusyError(ProtocolError):
    """Too many passwords are being tried from there (503); `seconds` is how long to wait."""

    def __init__(self) -> None:
        super().__init__("too many logins at once from this address", 503)
        self.seconds = RETRY_SECONDS


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can log in. Raises ValueError where the name is none that players can say."""

    name: str
    password: Password
    rights: Rights = READ_ALL

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or unspeakable(self.name):
            raise ValueError(
                f'{self.name[:40]!r} is no user: a name is without colons, quotes (") and backslashes'
            )


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a request comes from.

    user      the name, "" for somebody who did not say
    host      the address
    proof     what its Digest was made for, the segments of a path; None where it said no Digest
    """

    user: str = ""
    host: str = ""
    proof: tuple[str, ...] | None = None


NOBODY: Final = Visitor()


class Guard:
    """The users of a server, and what they may do.

    Guard([User("alice", Password.of("alice", "secret"), Rights(read=("/**",), publish=("/alice/**",)))])

    Looks at passwords in the event loop of one server.
    """

    def __init__(
        self,
        users: Iterable[User] = (),
        *,
        anyone: Rights | None = None,
        realm: str = DEFAULT_REALM,
        basic: bool = False,
        nonce_seconds: float = NONCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to let these in, and nobody else.

        anyone         what may be done without a login; None for nothing where there are users, and where there
                       are none for reading all, and publishing from this machine
        realm          that the passwords were made for
        basic          whether passwords may be said where others can listen: without TLS, and not on this machine.
                       Where they may, and somebody has none but argon2, all are asked to
        nonce_seconds  how long a challenge may be answered
        clock          seconds that do not go back

        Raises ValueError where two users have one name, or the realm cannot be said.
        """
        if not _REALM.fullmatch(realm) or unspeakable(realm):
            raise ValueError(f'{realm[:40]!r} is no realm: it is without quotes (") and backslashes')
        self._users: dict[str, User] = {}
        for user in users:
            if user.name in self._users:
                raise ValueError(f"there are two users named {user.name!r}")
            self._users[user.name] = user
        self._open = not self._users and anyone is None
        self._anyone = READ_ALL if self._open else anyone or Rights()
        self._realm = realm
        self._basic = basic
        self._clock = clock
        passwords = {name: user.password for name, user in self._users.items()}
        self._sayers = [name for name, password in passwords.items() if not password.kinds]
        self._kinds = {kind for password in passwords.values() for kind in password.kinds}
        self._verifier = Verifier(realm, passwords)
        self._nobody = Password.of("", secrets.token_hex(16), realm)
        self._nonces = Nonces(secrets.token_bytes(32), nonce_seconds)
        self._throttle = Throttle()

    def succeed(self, former: Guard) -> None:
        """Take the place of another: whoever is logged in stays so, and whoever failed is not forgotten."""
        former._nonces.seconds = self._nonces.seconds
        self._nonces = former._nonces
        self._throttle = former._throttle

    def describe(self) -> str:
        """Who may do what, a line for the start of a server."""
        if self._open:
            return "without users: anyone may read, publishing only from this machine"
        count = len(self._users)
        parts = [f"{count or 'no'} user{'' if count == 1 else 's'}"]
        for right, verb in ((Right.READ, "read"), (Right.PUBLISH, "publish")):
            patterns: tuple[str, ...] = getattr(self._anyone, right.value)
            if patterns:
                parts.append(f"anyone may {verb} {', '.join(patterns)}")
        if len(parts) == 1:
            parts.append("nothing without a login")
        if self._sayers and not self._basic:
            parts.append(f"{', '.join(self._sayers)} only by RTSPS, for an argon2 password must be said")
        return "; ".join(parts)

    # Who it is

    async def identify(
        self, method: str, asked: RtspUrl, said: Sequence[str], host: str, *, secure: bool = False
    ) -> Visitor:
        """Who a request comes from: LoginError (401) or 403 for who says something wrong, BusyError (503).

        asked     its URL, as it was sent
        said      its Authorization headers
        host      that it comes from
        secure    whether nobody can listen
        """
        if not self._users or not said:
            return Visitor(host=host)
        claim = read_claim(said)
        if isinstance(claim, BasicClaim) and not self._takes_basic(host, secure=secure):
            raise self.refusal(Visitor(host=host), secure=secure)
        if claim is None:
            raise self._failure(host, secure=secure)
        if isinstance(claim, BasicClaim):
            await self._verify(claim, host, secure=secure)
            return Visitor(claim.user, host)
        return await self._examine(claim, method, asked.segments(), host, secure=secure)

    async def _verify(self, claim: BasicClaim, host: str, *, secure: bool) -> None:
        if self._verifier.remembers(claim.user, claim.password, self._clock()):
            return
        seat = await self._wait(host, claim.user)

        def go_on() -> None:
            # Who came in a crowd, when nobody had failed yet, has no seat.
            if seat is None and self._throttle.wait(host, self._clock()):
                raise BusyError

        try:
            if not await self._verifier.verify(claim.user, claim.password, self._clock(), go_on):
                raise self._failure(host, secure=secure)
        finally:
            self._rise(seat)

    async def _examine(
        self, claim: DigestClaim, method: str, segments: tuple[str, ...], host: str, *, secure: bool
    ) -> Visitor:
        if not self._nonces.is_proven(claim.nonce, claim.user):
            self._rise(await self._wait(host, claim.user))
        named = concerns(claim.uri)
        user = self._users.get(claim.user)
        secret = user.password.secret(claim.kind) if user is not None else None
        # VLC says the URL of the presentation where it asks for a track; `Call.prove` sees to it that it is one.
        fits = named is not None and named in (segments, segments[:-1])
        right = claim.is_right(secret or self._nobody.secret(claim.kind) or "", method)
        if not (right and secret and fits):
            raise self._failure(host, secure=secure)
        if not self._nonces.take(claim.nonce, claim.user, claim.count, self._clock()):
            offered = self._offered(host, secure=secure, stale=True)
            raise LoginError("a new nonce is needed", offered, user=claim.user)
        return Visitor(claim.user, host, named)

    async def _wait(self, host: str, user: str) -> tuple[str, int] | None:
        """Wait as long as where others have failed one must; the seat that was taken for it."""
        wait = self._throttle.wait(host, self._clock())
        if not wait:
            return None
        seat = self._throttle.sit(host, user)
        if seat is None:
            raise BusyError
        try:
            await asyncio.sleep(wait)
        except asyncio.CancelledError:
            self._rise(seat)
            raise
        return seat

    def _rise(self, seat: tuple[str, int] | None) -> None:
        if seat is not None:
            self._throttle.rise(seat)

    def _failure(self, host: str, *, secure: bool) -> ProtocolError:
        self._throttle.failed(host, self._clock())
        offered = self._offered(host, secure=secure)
        if not offered:
            return self.refusal(Visitor(host=host), secure=secure)
        return LoginError("login refused", offered, failed=True)

    def _takes_basic(self, host: str, *, secure: bool) -> bool:
        return self._basic or secure or _is_this_machine(host)

    def _offered(self, host: str, *, secure: bool, stale: bool = False) -> list[Challenge]:
        nonce, kinds = self._nonces.issue(self._clock()), self._kinds
        basic = self._takes_basic(host, secure=secure)
        if basic and self._sayers and not stale:
            # Who asks does not show yet: ffmpeg and VLC, offered a Digest, try nothing else.
            kinds = set()
        return challenges(self._realm, nonce, kinds, basic=basic and (self._basic or not kinds), stale=stale)

    # What it may do

    def allows(self, visitor: Visitor, right: Right, segments: Sequence[str]) -> bool:
        """Whether this visitor may do this at the path of these decoded segments."""
        user = self._users.get(visitor.user)
        if user is not None and user.rights.allow(right, segments):
            return True
        if self._open and right is Right.PUBLISH:
            return _is_this_machine(visitor.host)
        return self._anyone.allow(right, segments)

    def refusal(self, visitor: Visitor, *, secure: bool = False) -> ProtocolError:
        """What somebody is told who may not: to log in (401), or, of who has, that it may not (403)."""
        if visitor.user:
            return ProtocolError(f"{visitor.user} may not do this here", 403)
        offered = self._offered(visitor.host, secure=secure) if self._users else []
        if offered:
            return LoginError("a login is needed", offered)
        if self._users:
            return ProtocolError("passwords may be said by RTSPS only", 403)
        if self._open:
            return ProtocolError("without users, publishing is for this machine alone", 403)
        return ProtocolError("nobody may do this here", 403)

    def is_known(self, visitor: Visitor) -> bool:
        """Whether this is somebody who may do anything at all."""
        return bool(visitor.user) or bool(self._anyone)

    def excludes(self, former: Guard, visitor: Visitor, right: Right, segments: Sequence[str]) -> bool:
        """Whether a visitor whom the former guard has let in is out: without the right, or with another password.

        A password is changed to keep somebody out who knows it.
        """
        now, then = self._users.get(visitor.user), former._users.get(visitor.user)
        if visitor.user and (now is None or then is None or now.password != then.password):
            return True
        return not self.allows(visitor, right, segments)


def _is_this_machine(host: str) -> bool:
    address = host_of(host)
    return address is not None and address.is_loopback
