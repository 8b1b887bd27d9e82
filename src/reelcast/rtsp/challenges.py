"""The server's side of logging in: nonces, challenges, and whether what is said is right (RFC 7616, RFC 7617).

Nonces need no memory before they are used: when one was made, and that we made it, is in it. What proved itself
is remembered, with the numbers that requests were counted by, so that nothing is taken twice. A nonce grows old
from when it was last counted, for ffmpeg does not repeat a keepalive that was refused; where a player does not
count, from when it was made. Then a new one is answered, marked as stale, and players repeat their request without
asking anybody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from reelcast.errors import ProtocolError
from reelcast.rtsp.authentication import Challenge, response_by, split_parameters
from reelcast.rtsp.url import RtspUrl

__all__ = [
    "MAX_PROVEN",
    "NONCE_SECONDS",
    "WINDOW",
    "BasicClaim",
    "Claim",
    "DigestClaim",
    "Nonces",
    "challenges",
    "concerns",
    "read_claim",
]

NONCE_SECONDS: Final = 300.0
"""What players say that do not count could be said again by others for so long; keepalives come more often."""
MAX_PROVEN: Final = 16_384
"""Nonces that are remembered, one a player that has logged in: half again as many as a server serves."""
WINDOW: Final = 64
"""Numbers that may come late: a player's connections share a nonce, and overtake each other."""

_TAG_BYTES: Final = 12
_MADE = struct.Struct("!QI")
_COUNTER_END: Final = 1 << 32
_RESPONSE = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{64}")
_COUNT = re.compile(r"[0-9A-Fa-f]{1,8}")
_ESCAPED = re.compile(r"\\(.)")
_TEXTS: Final = ("username", "nonce", "uri", "response")


class Nonces:
    """What challenges are made unique by, and how long each is good for (RFC 7616 section 3.3).

    seconds    that it is

    Times are seconds of any clock that does not go back.
    """

    def __init__(self, secret: bytes, seconds: float = NONCE_SECONDS) -> None:
        """`secret` is what nobody else knows: 16 random bytes or more."""
        self._secret = secret
        self.seconds = seconds
        self._counter = 0
        self._proven: OrderedDict[tuple[str, str], _Uses] = OrderedDict()
        self._floor = -1

    def issue(self, now: float) -> str:
        """A new nonce: hexadecimal digits that nobody else can make."""
        self._counter = (self._counter + 1) % _COUNTER_END
        made = _MADE.pack(_milliseconds(now), self._counter)
        return (made + self._tag(made)).hex()

    def is_proven(self, nonce: str, user: str) -> bool:
        """Whether this user has answered this nonce rightly before, not long ago."""
        return (nonce, user) in self._proven

    def take(self, nonce: str, user: str, count: int | None, now: float) -> bool:
        """Whether a right answer of this user counts: not with a nonce of others, an old one, or one said before.

        count    how often the player has used it, as it says; None where it does not count, and may repeat itself
        """
        made, uses = self._made(nonce), self._proven.get((nonce, user))
        if made is None or (uses is None and made <= self._floor):
            return False
        begun = made if uses is None or count is None else uses.last
        if not 0 <= _milliseconds(now) - begun <= self.seconds * 1000:
            return False
        if uses is None:
            uses = self._remember(nonce, user, made)
        self._proven.move_to_end((nonce, user))
        return count is None or uses.take(count, _milliseconds(now))

    def _remember(self, nonce: str, user: str, made: int) -> _Uses:
        if len(self._proven) >= MAX_PROVEN:
            # What was made before the forgotten one might have been used too.
            _, forgotten = self._proven.popitem(last=False)
            self._floor = max(self._floor, forgotten.made)
        uses = self._proven[nonce, user] = _Uses(made)
        return uses

    def _made(self, nonce: str) -> int | None:
        """When it was made, in milliseconds; None where it is none of ours."""
        try:
            data = bytes.fromhex(nonce)
        except ValueError:
            return None
        made, tag = data[: _MADE.size], data[_MADE.size :]
        if len(made) < _MADE.size or not hmac.compare_digest(tag, self._tag(made)):
            return None
        milliseconds: int = _MADE.unpack(made)[0]
        return milliseconds

    def _tag(self, made: bytes) -> bytes:
        return hmac.digest(self._secret, made, hashlib.sha256)[:_TAG_BYTES]


def _milliseconds(now: float) -> int:
    return max(0, int(now * 1000))


class _Uses:
    """How a nonce was used: last when, the highest number, and a bit for each of the WINDOW up to it."""

    __slots__ = ("_highest", "_seen", "last", "made")

    def __init__(self, made: int) -> None:
        self.made = self.last = made
        self._highest = 0
        self._seen = 0

    def take(self, count: int, now: int) -> bool:
        behind = self._highest - count
        if behind >= WINDOW or (behind >= 0 and self._seen >> behind & 1):
            return False
        if behind < 0:
            self._highest = count
            self._seen = (self._seen << min(-behind, WINDOW) | 1) & ((1 << WINDOW) - 1)
        else:
            self._seen |= 1 << behind
        self.last = now
        return True


def challenges(
    realm: str, nonce: str, kinds: Collection[str], *, basic: bool = False, stale: bool = False
) -> list[Challenge]:
    """What a 401 offers, a header each.

    kinds    of Digest: "MD5" and "SHA-256", or one of them, or none
    basic    whether the password itself may be said

    MD5 stands first, and again at the end. Players that know nothing else take the first (go2rtc) or the last that
    there is (ffmpeg, VLC, GStreamer), and fail where that is another; all others choose. The nonce is the same,
    since VLC answers any of them as if it were MD5.
    """
    md5 = [Challenge(realm, nonce, auth=True, stale=stale)] if "MD5" in kinds else []
    others = [Challenge(realm, nonce, "SHA-256", auth=True, stale=stale)] if "SHA-256" in kinds else []
    others += [Challenge(realm)] if basic else []
    return md5 + others + (md5 if others else [])


@dataclass(frozen=True, slots=True)
class BasicClaim:
    """A user and the password, as they were said (RFC 7617 section 2)."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DigestClaim:
    """A user, and what only one who knows the password can say (RFC 7616 section 3.4).

    kind      "MD5" or "SHA-256"
    uri       what is asked for, as the player says here
    nc        how often the nonce was used, as sent; "" in the way of RFC 2069, which does not count
    """

    user: str
    kind: str
    nonce: str
    uri: str
    response: str
    nc: str = ""
    cnonce: str = ""

    @property
    def count(self) -> int | None:
        """`nc` as a number, None where there is none."""
        return int(self.nc, 16) if self.nc else None

    def is_right(self, secret: str, method: str) -> bool:
        """Whether it was made from this secret (see `authentication.digest_secret`), for this method."""
        right = response_by(self.kind, secret, self.nonce, method, self.uri, self.nc, self.cnonce)
        return hmac.compare_digest(right, self.response)


Claim = BasicClaim | DigestClaim


def read_claim(values: Sequence[str]) -> Claim | None:
    """Who a request says that it comes from, by all its Authorization headers; None where that makes no sense.

    Strict where a client's reading of challenges is not: nothing is taken that is said twice. Never raises.
    """
    if len(values) != 1:
        return None
    scheme, _, rest = values[0].strip().partition(" ")
    if scheme.lower() == "basic":
        return _read_basic(rest.strip())
    schemes = split_parameters(values)
    if scheme.lower() != "digest" or len(schemes) != 1:
        return None
    pairs = schemes[0][1]
    parameters = dict(pairs)
    return _read_digest(parameters) if len(parameters) == len(pairs) else None


def _read_basic(text: str) -> BasicClaim | None:
    try:
        pair = base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    user, colon, password = pair.partition(":")
    return BasicClaim(user, password) if colon else None


def _read_digest(parameters: dict[str, str]) -> DigestClaim | None:
    if any(name not in parameters for name in _TEXTS):
        return None
    user, nonce, uri, response = (_ESCAPED.sub(r"\1", parameters[name]) for name in _TEXTS)
    kind = parameters.get("algorithm", "").upper() or "MD5"
    nc, cnonce = parameters.get("nc", ""), parameters.get("cnonce", "")
    if kind not in ("MD5", "SHA-256") or not _RESPONSE.fullmatch(response):
        return None
    if "qop" not in parameters:
        # What is not protected by them may be sent all the same.
        return DigestClaim(user, kind, nonce, uri, response.lower())
    if parameters["qop"].lower() != "auth" or not _COUNT.fullmatch(nc):
        return None
    return DigestClaim(user, kind, nonce, uri, response.lower(), nc, _ESCAPED.sub(r"\1", cnonce))


def concerns(uri: str) -> tuple[str, ...] | None:
    """The segments of the path that the `uri` of an answer names; None where it is no URI of RTSP.

    Players write it as they please: absolute or as a path alone, with a slash at its end or without, with the query
    or without, and Bosch's without the slash in front.
    """
    text = uri if "://" in uri or uri.startswith(("/", "*")) else f"/{uri}"
    try:
        return RtspUrl.parse(text).segments()
    except ProtocolError:
        return None
