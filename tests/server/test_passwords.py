"""What is kept of passwords, and how those are verified that are said."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import pytest
from argon2 import PasswordHasher
from tests.server.raw import until

from reelcast.server import passwords as module
from reelcast.server.passwords import AT_ONCE, REMEMBER_SECONDS, Password, Verifier, hash_password

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("open sesame")
"""As argon2 as the others, but made in no time."""


def go_on() -> None:
    """It is worth it."""


def verifier(**passwords: Password) -> Verifier:
    return Verifier("r", passwords)


def test_digests() -> None:
    kept = Password.of("Mufasa", "Circle Of Life", "testrealm@host.com")
    text = b"Mufasa:testrealm@host.com:Circle Of Life"
    assert kept.md5 == kept.secret("MD5") == hashlib.md5(text).hexdigest()
    assert kept.sha256 == kept.secret("SHA-256") == hashlib.sha256(text).hexdigest()
    assert kept.kinds == {"MD5", "SHA-256"}
    assert Password(argon2=QUICK).kinds == set()
    assert Password(md5="0" * 32, argon2=QUICK).kinds == {"MD5"}


def test_what_is_kept_is_not_shown() -> None:
    """Conformance A10."""
    assert repr(Password.of("a", "b")) == "Password()"


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({}, "needs md5, sha256 or argon2"),
        ({"md5": ""}, "md5 must be 32 hexadecimal digits"),
        ({"md5": "A" * 32}, "md5 must be 32"),
        ({"md5": "0" * 64}, "md5 must be 32"),
        ({"sha256": "0" * 32}, "sha256 must be 64"),
        ({"argon2": "secret"}, "argon2 must begin with"),
        ({"argon2": "$argon2id$v=19$m=65536,t=3,p=4$abc"}, "argon2 must begin with"),
        ({"md5": "0" * 32, "argon2": ""}, "argon2 must begin with"),
    ],
)
def test_what_is_no_password(kept: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("$", r"\$")):
        Password(**kept)


def test_hashes_differ() -> None:
    first, second = hash_password("x"), hash_password("x")
    assert first != second
    assert first.startswith("$argon2id$")
    assert Password(argon2=first)


@pytest.mark.parametrize(
    ("user", "password", "right"),
    [
        ("hashed", "open sesame", True),
        ("hashed", "Open sesame", False),
        ("digest", "ñ", True),
        ("digest", "", False),
        ("md5", "p", True),
        ("broken", "open sesame", False),
        ("nobody", "open sesame", False),
        ("", "", False),
        ("digest", "\ud800", False),
        ("hashed", "\ud800", False),
    ],
)
async def test_what_is_right(user: str, password: str, right: bool) -> None:
    """Conformance A9."""
    verify = verifier(
        hashed=Password(argon2=QUICK),
        digest=Password.of("digest", "ñ", "r"),
        md5=Password(md5=Password.of("md5", "p", "r").md5),
        broken=Password(argon2=QUICK[: QUICK.rindex("$")] + "$!!!!"),
    )
    assert await verify.verify(user, password, 0.0, go_on) is right
    assert verify.remembers(user, password, 1.0) is right
    assert not verify.remembers(user, password + "x", 1.0)
    assert not verify.remembers(user, password, REMEMBER_SECONDS)


async def test_a_user_that_there_is_not_costs_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance A9: a hash is computed for whoever it is."""
    hashed: list[str] = []

    def matches(kept: str, password: str) -> bool:
        hashed.append(password)
        return kept == QUICK and password == "open sesame"

    monkeypatch.setattr(module, "_matches", matches)
    verify = verifier(hashed=Password(argon2=QUICK), digest=Password.of("digest", "p", "r"))
    for user in ("hashed", "digest", "nobody"):
        assert await verify.verify(user, "open sesame", 0.0, go_on) is (user == "hashed")
    assert hashed == ["open sesame"] * 3


async def test_a_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance A9: and those who leave hold their place until the thread is done."""
    running: list[str] = []
    gate = threading.Event()

    def matches(kept: str, password: str) -> bool:
        running.append(password)
        return gate.wait(10)

    monkeypatch.setattr(module, "_matches", matches)
    verify = verifier(hashed=Password(argon2=QUICK))
    tasks = [asyncio.create_task(verify.verify("hashed", str(number), 0.0, go_on)) for number in range(6)]
    await until(lambda: len(running) >= AT_ONCE)
    for task in (tasks[0], tasks[-1]):
        task.cancel()
    await asyncio.gather(tasks[0], tasks[-1], return_exceptions=True)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(running) == AT_ONCE
    gate.set()
    assert await asyncio.gather(*tasks[1:-1]) == [True] * 4
    assert len(running) == 5


async def test_a_crowd_with_one_password_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def matches(kept: str, password: str) -> bool:
        hashed.append(password)
        return True

    monkeypatch.setattr(module, "_matches", matches)
    verify = verifier(hashed=Password(argon2=QUICK))
    crowd = [verify.verify("hashed", "open sesame", 0.0, go_on) for _ in range(50)]
    assert await asyncio.gather(*crowd) == [True] * 50
    assert len(hashed) <= AT_ONCE


async def test_what_is_no_longer_worth_it() -> None:
    verify = verifier(hashed=Password(argon2=QUICK))

    def refuse() -> None:
        raise LookupError

    for _ in range(AT_ONCE + 1):
        with pytest.raises(LookupError):
            await verify.verify("hashed", "open sesame", 0.0, refuse)
    assert await verify.verify("hashed", "open sesame", 0.0, go_on)


async def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    users = {name: Password.of(name, "p", "r") for name in "abc"}
    verify = Verifier("r", users)
    for name in users:
        assert await verify.verify(name, "p", 0.0, go_on)
    assert [verify.remembers(name, "p", 1.0) for name in users] == [False, True, True]
