"""Who asks: challenges, and the answers to them (RFC 7616 Digest, RFC 7617 Basic; RFC 2617, RFC 2069 before them).

What a challenge is, and what a right answer to it, both sides share; the server's side of it is in `challenges`. A
client reads challenges, however many there are, and lets an Authenticator choose: SHA-256 before MD5 before
Basic. What is refused is not said again, and after MAX_ATTEMPTS in a row nothing is: cameras lock accounts.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from reelcast.errors import ProtocolError

__all__ = [
    "MAX_ATTEMPTS",
    "MAX_CHALLENGES",
    "SESSION_SUFFIX",
    "Answer",
    "Authenticator",
    "Challenge",
    "Credentials",
    "digest_response",
    "digest_secret",
    "parse_challenges",
    "response_by",
    "split_parameters",
    "unspeakable",
]

MAX_CHALLENGES: Final = 16
"""Read from one response: every algorithm there is, with and without session, and Basic, are nine."""
MAX_ATTEMPTS: Final = 3
"""Answers in a row that are refused: one a kind that is spoken here. Tapo locks an account after a few more."""

_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
"""The algorithms of Digest, strongest first."""
_KINDS: Final = (*_HASHES, "Basic")
SESSION_SUFFIX: Final = "-SESS"
"""What the names of algorithms end in whose key is made of both sides' nonces."""

_ITEM = re.compile(
    r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"?|([^,"\s]*)))?|[^\s,]+"""
)
"""A scheme, or a name and its value, quoted or bare; or else something that means nothing."""
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_TO_ESCAPE = re.compile(r'(["\\])')


def unspeakable(text: str) -> bool:
    """Whether there is something in it that no scheme can carry: control characters (RFC 7617 section 2)."""
    return _UNSPEAKABLE.search(text) is not None


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password, as they are typed: nothing of them is escaped.

    Raises ProtocolError for control characters, which no scheme can carry (RFC 7617 section 2).
    """

    user: str
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if unspeakable(self.user) or unspeakable(self.password):
            raise ProtocolError("a user and a password are without control characters")


def split_parameters(values: Iterable[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The schemes in headers such as WWW-Authenticate, as spelt, each with its parameters in order.

    Names of parameters are in small letters, quoted values without their quotes and otherwise as sent. Commas
    may be missing or too many, quotes may lack their end; what is neither a scheme nor a parameter is passed over.
    """
    schemes: list[tuple[str, list[tuple[str, str]]]] = []
    for value in values:
        for item in _ITEM.finditer(value):
            name, quoted, bare = item.groups()
            text = bare if quoted is None else quoted
            if name is not None and text is None:
                schemes.append((name, []))
            elif name is not None and schemes:
                schemes[-1][1].append((name.lower(), text))
    return schemes


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way that a server offers to say who asks (RFC 7616 section 3.3, RFC 7617 section 2).

    realm       what the user and the password are for; shown to people
    nonce       of Digest; None makes it Basic
    algorithm   as spelt: "MD5", "SHA-256", either with "-sess"; "" where unsaid, which is MD5
    auth        True if "auth" is among the qualities of protection; False is the way of RFC 2069
    opaque      to be sent back as it is; None where there is none
    stale       True if only the nonce was too old

    Raises ProtocolError for an algorithm that is not known here, and for control characters.
    """

    realm: str
    nonce: str | None = None
    algorithm: str = ""
    auth: bool = False
    opaque: str | None = None
    stale: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ProtocolError(f"{self.algorithm[:40]!r} is no algorithm of Digest that is known here")
        if any(map(unspeakable, (self.realm, self.nonce or "", self.opaque or ""))):
            raise ProtocolError("a challenge is without control characters")

    @property
    def kind(self) -> str:
        """What makes it stronger or weaker: "SHA-256", "MD5" or "Basic"."""
        if self.nonce is None:
            return "Basic"
        return self.algorithm.upper().removesuffix(SESSION_SUFFIX) or "MD5"

    @property
    def keyed(self) -> bool:
        """True if the key is made of both sides' nonces: the algorithms that end in "-sess"."""
        return self.algorithm.upper().endswith(SESSION_SUFFIX)

    def __str__(self) -> str:
        if self.nonce is None:
            return f'Basic realm="{self.realm}"'
        # VLC reads realm, nonce and stale in this order, right behind each other, and with these spaces.
        text = f'Digest realm="{self.realm}", nonce="{self.nonce}"' + (", stale=true" if self.stale else "")
        text += "" if self.opaque is None else f', opaque="{self.opaque}"'
        text += f", algorithm={self.algorithm}" if self.algorithm else ""
        return text + (', qop="auth"' if self.auth else "")


def parse_challenges(values: Iterable[str]) -> list[Challenge]:
    """The challenges of all WWW-Authenticate headers, in order; those that cannot be answered are left out.

    Takes every header of that name, as `Headers.get_all` gives them. Never raises.
    """
    challenges: list[Challenge] = []
    for scheme, pairs in split_parameters(values)[:MAX_CHALLENGES]:
        try:
            challenge = _challenge(scheme.lower(), dict(reversed(pairs)))
        except ProtocolError:
            continue
        if challenge is not None:
            challenges.append(challenge)
    return challenges


def _challenge(scheme: str, parameters: dict[str, str]) -> Challenge | None:
    realm, nonce = parameters.get("realm", ""), parameters.get("nonce")
    if scheme == "basic":
        return Challenge(realm)
    qops = parameters.get("qop", "").lower().replace(",", " ").split()
    if scheme != "digest" or nonce is None or (qops and "auth" not in qops):
        return None
    stale = parameters.get("stale", "").lower() == "true"
    return Challenge(
        realm, nonce, parameters.get("algorithm", ""), bool(qops), parameters.get("opaque"), stale
    )


def digest_response(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, nc: str = "", cnonce: str = ""
) -> str:
    """The `response` of Digest for one request, in hexadecimal (RFC 7616 section 3.4.1).

    nc         how often the nonce was used, in eight digits; without it, as RFC 2069 section 2.1.2 has it
    cnonce     what the client added to the nonce
    """
    secret = digest_secret(challenge.kind, credentials.user, challenge.realm, credentials.password)
    nonce = challenge.nonce or ""
    if challenge.keyed:
        secret = _combined(challenge.kind, secret, nonce, cnonce)
    return response_by(challenge.kind, secret, nonce, method, uri, nc, cnonce)


def digest_secret(kind: str, user: str, realm: str, password: str) -> str:
    """What Digest makes of a user's password, in hexadecimal: its HA1 (RFC 7616 section 3.4.2).

    kind    "MD5" or "SHA-256"

    It is all that a server needs to know; whoever has it can log in, as that user, in that realm.
    """
    return _combined(kind, user, realm, password)


def response_by(
    kind: str, secret: str, nonce: str, method: str, uri: str, nc: str = "", cnonce: str = ""
) -> str:
    """The `response` of Digest, like `digest_response`, made from what `digest_secret` gave."""
    protection = (nc, cnonce, "auth") if nc else ()
    return _combined(kind, secret, nonce, *protection, _combined(kind, method, uri))


def _combined(kind: str, *parts: str) -> str:
    return _HASHES[kind](":".join(parts).encode(errors="replace"))


class Answer:
    """How one challenge is answered, request after request."""

    def __init__(self, challenge: Challenge, credentials: Credentials, cnonce: str) -> None:
        self.challenge = challenge
        self._credentials = credentials
        self._cnonce = cnonce  # stays while the nonce does: a key may be made of both
        self._count = 0

    def authorization(self, method: str, uri: str) -> str:
        """The value of Authorization for one request.

        uri    the Request-URI of this very request, to the letter (RFC 7616 section 3.4.6)
        """
        challenge, credentials, cnonce = self.challenge, self._credentials, self._cnonce
        if challenge.nonce is None:
            pair = f"{credentials.user}:{credentials.password}"
            return f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._count += 1
        nc = f"{self._count:08x}" if challenge.auth else ""
        response = digest_response(challenge, credentials, method, uri, nc, cnonce)
        # In ffmpeg's order: it is what cameras are tested with.
        text = f'Digest username="{_escaped(credentials.user)}", realm="{challenge.realm}"'
        text += f', nonce="{challenge.nonce}", uri="{_escaped(uri)}", response="{response}"'
        text += f", algorithm={challenge.algorithm}" if challenge.algorithm else ""
        text += "" if challenge.opaque is None else f', opaque="{challenge.opaque}"'
        text += f', cnonce="{cnonce}"' if nc or challenge.keyed else ""
        return text + (f", qop=auth, nc={nc}" if nc else "")


def _escaped(text: str) -> str:
    return _TO_ESCAPE.sub(r"\\\1", text)


class Authenticator:
    """What a client says to one server about who it is.

    Every request goes with what `answer` makes for it. When its response has come, `accepted` is told, or for a
    401 `challenged`, which says whether to repeat the request. Requests may be on their way at the same time.
    """

    def __init__(self, credentials: Credentials, make_cnonce: Callable[[], str]) -> None:
        """`make_cnonce` gives some letters or digits, others whenever it is called."""
        self.answer: Answer | None = None
        self._credentials = credentials
        self._make_cnonce = make_cnonce
        self._proven: Answer | None = None
        self._refused: set[str] = set()
        self._attempts = 0

    def accepted(self, answer: Answer | None) -> None:
        """A request that went with `answer` got a response other than 401."""
        if answer is not None and answer is self.answer:
            self._proven = answer
            self._refused.discard(answer.challenge.kind)
            self._attempts = 0

    def challenged(self, answer: Answer | None, challenges: Sequence[Challenge]) -> bool:
        """A request that went with `answer` got a 401 with these: True if it is worth repeating.

        What has worked is not given up for a new nonce, whatever the reason: cameras forget to say `stale`.
        """
        if answer is not self.answer:
            # Another request was challenged meanwhile: say what it has learnt.
            return self.answer is not None
        chosen = self._renewed(challenges) or self._next(challenges)
        if chosen is None or self._attempts == MAX_ATTEMPTS:
            # It may be the method that is refused: others go on with what worked for them.
            self.answer = self._proven
            return False
        self._attempts += 1
        self.answer = Answer(chosen, self._credentials, self._make_cnonce())
        return True

    def _renewed(self, challenges: Sequence[Challenge]) -> Challenge | None:
        """The one that asks for the same again, with a new nonce."""
        if self.answer is None:
            return None
        before, worked = self.answer.challenge, self.answer is self._proven
        for challenge in challenges:
            same = challenge.kind == before.kind and challenge.nonce != before.nonce
            if same and (challenge.stale or worked):
                return challenge
        return None

    def _next(self, challenges: Sequence[Challenge]) -> Challenge | None:
        """The strongest whose kind was not refused yet."""
        if self.answer is not None:
            self._refused.add(self.answer.challenge.kind)
        left = [challenge for challenge in challenges if challenge.kind not in self._refused]
        return min(left, key=lambda challenge: _KINDS.index(challenge.kind), default=None)
