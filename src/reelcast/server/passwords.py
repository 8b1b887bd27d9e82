"""Passwords as a server keeps them: never as they are typed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from reelcast.rtsp.authentication import digest_secret

__all__ = ["DEFAULT_REALM", "KINDS", "Password", "Verifier", "hash_password"]

DEFAULT_REALM: Final = "reelcast"
"""What a Digest is made for; it is part of what is kept of a password, so it stays."""
KINDS: Final = ("MD5", "SHA-256")
"""Of Digest."""
AT_ONCE: Final = 2
"""Passwords that are verified at the same time: each takes 64 MB of memory, and a core for 50 ms."""
REMEMBER_SECONDS: Final = 300.0
"""Basic says the password with every request: it is looked at once in so long."""
MAX_REMEMBERED: Final = 4_096
"""Passwords that are remembered as right, one a user or more."""

_HEX = {"MD5": re.compile(r"[0-9a-f]{32}"), "SHA-256": re.compile(r"[0-9a-f]{64}")}


@dataclass(frozen=True, slots=True)
class Password:
    """What is kept of one user's password, in one way or several.

    md5       what Digest makes of it, in hexadecimal (`authentication.digest_secret`): any player can log in, and
              the password is never said; but whoever reads it here can log in too
    sha256    the same with SHA-256, for players that know it
    argon2    of no use to who reads it here; but players must say the password itself (Basic)

    Raises ValueError where one of them is none, or there is none of them.
    """

    md5: str | None = field(default=None, repr=False)
    sha256: str | None = field(default=None, repr=False)
    argon2: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.md5 is None and self.sha256 is None and self.argon2 is None:
            raise ValueError("a password needs md5, sha256 or argon2; `reelcast user` makes them")
        for name, kind in (("md5", "MD5"), ("sha256", "SHA-256")):
            text = getattr(self, name)
            if text is not None and not _HEX[kind].fullmatch(text):
                digits = 32 if kind == "MD5" else 64
                raise ValueError(
                    f"{name} must be {digits} hexadecimal digits in small letters; `reelcast user` makes them"
                )
        if self.argon2 is not None:
            try:
                extract_parameters(self.argon2)
            except InvalidHashError:
                raise ValueError('argon2 must begin with "$argon2id$"; `reelcast user` makes it') from None

    @classmethod
    def of(cls, user: str, password: str, realm: str = DEFAULT_REALM) -> Password:
        """What Digest needs of a password, by both its algorithms."""
        return cls(
            digest_secret("MD5", user, realm, password), digest_secret("SHA-256", user, realm, password)
        )

    def secret(self, kind: str) -> str | None:
        """What Digest of this kind is verified by."""
        return self.md5 if kind == "MD5" else self.sha256

    @property
    def kinds(self) -> set[str]:
        """The kinds of Digest that it can be said by."""
        return {kind for kind in KINDS if self.secret(kind) is not None}


def hash_password(password: str) -> str:
    """A password as argon2; takes 50 ms, and is another every time."""
    return PasswordHasher().hash(password)


class Verifier:
    """Whether passwords that are said (Basic) are right, verified outside of the event loop.

    It takes as long for a user that there is not as for one that there is.
    """

    def __init__(self, realm: str, passwords: Mapping[str, Password]) -> None:
        self._realm = realm
        self._passwords = passwords
        # Nobody knows what these would be the passwords of.
        self._nobody = Password.of("", secrets.token_hex(16), realm)
        self._decoy = next((item.argon2 for item in passwords.values() if item.argon2 is not None), None)
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._room = asyncio.Semaphore(AT_ONCE)

    def remembers(self, user: str, password: str, now: float) -> bool:
        """Whether this was verified not long ago."""
        return self._right.get(self._digest(user, password), now) > now

    async def verify(self, user: str, password: str, now: float, go_on: Callable[[], None]) -> bool:
        """Whether this is the user's password.

        `go_on` is called when it is its turn, and may raise what it is no longer worth looking at for.
        """
        await self._room.acquire()
        verifying: asyncio.Future[bool] | None = None
        try:
            go_on()
            if self.remembers(user, password, now):
                return True
            verifying = asyncio.ensure_future(asyncio.to_thread(self._is_right, user, password))
            # Whoever asked may leave: the thread goes on, and only behind it there is room for another.
            verifying.add_done_callback(lambda done: self._verified(done, user, password, now))
        finally:
            if verifying is None:
                self._room.release()
        return await asyncio.shield(verifying)

    def _verified(self, done: asyncio.Future[bool], user: str, password: str, now: float) -> None:
        self._room.release()
        if done.cancelled() or not done.result():
            return
        while len(self._right) >= MAX_REMEMBERED:
            self._right.popitem(last=False)
        self._right[self._digest(user, password)] = now + REMEMBER_SECONDS

    def _is_right(self, user: str, password: str) -> bool:
        known = self._passwords.get(user)
        kept = known or self._nobody
        right = False
        if self._decoy is not None:
            right = _matches(kept.argon2 or self._decoy, password) and kept.argon2 is not None
        for kind in KINDS:
            secret = kept.secret(kind)
            said = digest_secret(kind, user, self._realm, password)
            right |= secret is not None and hmac.compare_digest(secret, said)
        return right and known is not None

    def _digest(self, user: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{user}\0{password}".encode(errors="replace"), hashlib.sha256)


def _matches(hashed: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(hashed, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
