"""Logging in by bare bytes: what a player says, made from the texts of RFC 2069, 2617 and 7616 alone."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, replace

from tests.server.raw import Answer, Client

__all__ = ["ODD", "Login", "ask_as", "basic", "offered"]

ODD = (
    "",
    "Digest",
    'Digest username="alice',
    'Digest username="alice", username="b", realm="x", realm="y", nonce="z", nonce="z"',
    f'Digest nonce="{"n" * 12_000}"',
    'Digest username="alice", realm="", nonce="", uri="*", qop=auth-int, nc=zz, response="0"',
    "Basic",
    "Basic !!!!",
    "Basic bm9jb2xvbg==",
    "Basic //8=",
    "Basic YWxpY2U6eA==",
    "Basic YWxpY2U6eA==, Digest",
    "Negotiate " + "A" * 4000,
)
"""What an Authorization header should not be; alice's password is none of these."""


def basic(user: str, password: str) -> str:
    """An Authorization header."""
    return f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@dataclass(frozen=True)
class Login:
    """What a player has to say a Digest by; `nc` 0 is the old way, which does not count."""

    user: str
    password: str
    realm: str
    nonce: str
    algorithm: str = "md5"
    nc: int = 0
    cnonce: str = "c"

    def header(self, method: str, uri: str) -> str:
        def hashed(text: str) -> str:
            return hashlib.new(self.algorithm, text.encode()).hexdigest()

        secret = hashed(f"{self.user}:{self.realm}:{self.password}")
        middle = f"{self.nonce}:{self.nc:08x}:{self.cnonce}:auth" if self.nc else self.nonce
        response = hashed(f"{secret}:{middle}:{hashed(f'{method}:{uri}')}")
        text = f'Authorization: Digest username="{self.user}", realm="{self.realm}", nonce="{self.nonce}", '
        text += f'uri="{uri}", response="{response}"'
        if self.algorithm == "sha256":
            text += ', algorithm="SHA-256"'
        if self.nc:
            text += f', qop=auth, nc={self.nc:08x}, cnonce="{self.cnonce}"'
        return text

    def counted(self, nc: int) -> Login:
        return replace(self, nc=nc)


def offered(answer: Answer, user: str, password: str) -> Login:
    """How to answer what a 401 offers, as VLC reads it."""
    challenge = answer["WWW-Authenticate"]
    found = re.match(r'Digest realm="([^"]*)", nonce="([^"]*)"', challenge)
    assert found, challenge
    return Login(user, password, found[1], found[2])


async def ask_as(client: Client, user: str, password: str, method: str, path: str, *headers: str) -> Answer:
    """A request, and if that is wanted once more with a login."""
    answer = await client.ask(method, path, *headers)
    if answer.status != 401:
        return answer
    login = offered(answer, user, password)
    return await client.ask(method, path, *headers, login.header(method, client.url(path)))
