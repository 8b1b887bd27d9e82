"""Who a request comes from, and what it may do: the guard by itself, in a time of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher
from tests.server.logins import Login, basic

from reelcast.errors import ProtocolError
from reelcast.rtsp.authentication import Challenge
from reelcast.rtsp.url import RtspUrl
from reelcast.server import guard as module
from reelcast.server.guard import BusyError, Guard, LoginError, User, Visitor
from reelcast.server.passwords import Password
from reelcast.server.rights import READ_ALL, Right, Rights
from reelcast.server.throttle import FREE_FAILURES, SEATS

URL = RtspUrl.parse("rtsp://h/cam")
HERE = "127.0.0.1"
THERE = "192.0.2.1"
ARGON = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ALICE = User("alice", Password.of("alice", "secret"))
HASHED = User("hash", Password(argon2=ARGON.hash("sesame")))


class Clock:
    """Time, which passes while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    class Asyncio:
        CancelledError = asyncio.CancelledError

        @staticmethod
        async def sleep(seconds: float) -> None:
            await clock.sleep(seconds)

    monkeypatch.setattr(module, "asyncio", Asyncio)
    return clock


def of(header: str) -> list[str]:
    return [header.removeprefix("Authorization: ")]


def challenged(guard: Guard, visitor: Visitor | None = None, *, secure: bool = False) -> list[Challenge]:
    error = guard.refusal(visitor or Visitor(host=THERE), secure=secure)
    return error.challenges if isinstance(error, LoginError) else []


def login(guard: Guard, user: str = "alice", password: str = "secret", nc: int = 0) -> Login:
    nonce = challenged(guard)[0].nonce
    assert nonce is not None
    return Login(user, password, "reelcast", nonce, nc=nc)


async def enter(guard: Guard, said: list[str], host: str = THERE, *, secure: bool = False) -> Visitor:
    return await guard.identify("PLAY", URL, said, host, secure=secure)


# Names


@pytest.mark.parametrize("name", ["", "a:b", 'a"b', "a\\b", "a\nb", "x" * 101])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="is no user"):
        User(name, ALICE.password)


@pytest.mark.parametrize("realm", ["", 'a"b', "a\\b", "a\0"])
def test_what_is_no_realm(realm: str) -> None:
    with pytest.raises(ValueError, match="is no realm"):
        Guard(realm=realm)


def test_one_user_a_name() -> None:
    with pytest.raises(ValueError, match="two users named 'alice'"):
        Guard([ALICE, ALICE])


@pytest.mark.parametrize(
    ("guard", "line"),
    [
        (Guard(), "without users: anyone may read, publishing only from this machine"),
        (Guard([ALICE]), "1 user; nothing without a login"),
        (
            Guard([ALICE, HASHED]),
            "2 users; nothing without a login; hash only by RTSPS, for an argon2 password must be said",
        ),
        (Guard([HASHED], basic=True), "1 user; nothing without a login"),
        (
            Guard([ALICE], anyone=Rights(("/a", "/b/**"), ("/c",))),
            "1 user; anyone may read /a, /b/**; anyone may publish /c",
        ),
        (Guard(anyone=Rights(("/a",))), "no users; anyone may read /a"),
    ],
)
def test_the_line_at_the_start(guard: Guard, line: str) -> None:
    assert guard.describe() == line


# Rights


@pytest.mark.parametrize(
    ("host", "right", "allowed"),
    [
        (THERE, Right.READ, True),
        (THERE, Right.PUBLISH, False),
        ("127.0.0.1", Right.PUBLISH, True),
        ("127.255.0.9", Right.PUBLISH, True),
        ("::1", Right.PUBLISH, True),
        ("::ffff:127.0.0.1", Right.PUBLISH, True),
        ("::ffff:192.0.2.1", Right.PUBLISH, False),
        ("128.0.0.1", Right.PUBLISH, False),
        ("", Right.PUBLISH, False),
    ],
)
def test_without_users(host: str, right: Right, allowed: bool) -> None:
    """Conformance A8: reading is open, publishing is for this machine."""
    guard = Guard()
    assert guard.allows(Visitor(host=host), right, ("cam",)) is allowed
    assert guard.refusal(Visitor(host=host)).status == 403


def test_with_users_this_machine_is_as_any() -> None:
    guard = Guard([ALICE])
    nobody = Visitor(host=HERE)
    assert not guard.allows(nobody, Right.PUBLISH, ("cam",))
    assert not guard.allows(nobody, Right.READ, ("cam",))
    assert not guard.is_known(nobody)
    assert guard.refusal(nobody).status == 401
    alice = Visitor("alice", HERE)
    assert guard.allows(alice, Right.READ, ("cam",))
    assert guard.is_known(alice)
    assert guard.refusal(alice).status == 403


def test_a_user_may_what_anyone_may() -> None:
    guard = Guard([User("bob", ALICE.password, Rights(("/b",)))], anyone=Rights(("/a",), ("/drop/*",)))
    assert guard.allows(Visitor("bob"), Right.READ, ("a",))
    assert guard.allows(Visitor("bob"), Right.READ, ("b",))
    assert guard.allows(Visitor(host=THERE), Right.PUBLISH, ("drop", "x"))
    assert not guard.allows(Visitor(), Right.READ, ("b",))
    assert guard.is_known(Visitor())
    assert Guard(anyone=Rights()).refusal(Visitor()).status == 403


@pytest.mark.parametrize(
    ("users", "visitor", "right", "excluded"),
    [
        ([ALICE, HASHED], Visitor("alice"), Right.READ, False),
        ([User("alice", Password.of("alice", "other"))], Visitor("alice"), Right.READ, True),
        ([User("alice", ALICE.password, Rights(("/b",)))], Visitor("alice"), Right.READ, True),
        ([User("alice", ALICE.password, Rights((), ("/cam",)))], Visitor("alice"), Right.PUBLISH, False),
        ([HASHED], Visitor("alice"), Right.READ, True),
        ([], Visitor("alice"), Right.READ, True),
        ([ALICE], Visitor(), Right.READ, True),
        ([], Visitor(), Right.READ, False),
    ],
)
def test_who_is_out(users: list[User], visitor: Visitor, right: Right, excluded: bool) -> None:
    former = Guard([User("alice", ALICE.password, Rights(READ_ALL.read, READ_ALL.read))])
    assert Guard(users).excludes(former, visitor, right, ("cam",)) is excluded


# What is offered


@pytest.mark.parametrize(
    ("users", "basic_too", "secure", "host", "kinds"),
    [
        ([ALICE], False, False, THERE, ["MD5", "SHA-256", "MD5"]),
        ([ALICE], False, True, THERE, ["MD5", "SHA-256", "MD5"]),
        ([ALICE], True, False, THERE, ["MD5", "SHA-256", "Basic", "MD5"]),
        ([ALICE, HASHED], False, False, THERE, ["MD5", "SHA-256", "MD5"]),
        ([ALICE, HASHED], False, True, THERE, ["Basic"]),
        ([ALICE, HASHED], False, False, HERE, ["Basic"]),
        ([ALICE, HASHED], True, False, THERE, ["Basic"]),
        ([HASHED], False, True, THERE, ["Basic"]),
        ([HASHED], True, False, THERE, ["Basic"]),
        ([HASHED], False, False, THERE, []),
    ],
)
async def test_what_is_offered(
    users: list[User], basic_too: bool, secure: bool, host: str, kinds: list[str]
) -> None:
    """Conformance A1, A4: no password is asked for where others can listen, if that is not wished for."""
    guard = Guard(users, basic=basic_too)
    offered = challenged(guard, Visitor(host=host), secure=secure)
    assert [challenge.kind for challenge in offered] == kinds
    if not kinds:
        assert guard.refusal(Visitor(host=host), secure=secure).status == 403
    wrong = [["Digest nonsense"], of(basic("alice", "guess"))]
    if "Basic" not in kinds and not secure:
        wrong.append(of(basic("alice", "secret")))
    for said in wrong:
        with pytest.raises(ProtocolError) as caught:
            await enter(guard, said, host, secure=secure)
        assert caught.value.status == (401 if kinds else 403)


# Who it is


async def test_by_digest(clock: Clock) -> None:
    """Conformance A2, A3, A6."""
    guard = Guard([ALICE], clock=clock)
    assert await enter(guard, []) == Visitor("", THERE)
    said = of(login(guard).header("PLAY", "rtsp://h/cam"))
    assert await enter(guard, said) == Visitor("alice", THERE, ("cam",))
    assert await enter(guard, said) == Visitor("alice", THERE, ("cam",))
    counted = of(login(guard, nc=1).header("PLAY", "/"))
    assert await enter(guard, counted) == Visitor("alice", THERE, ())
    with pytest.raises(LoginError) as caught:
        await enter(guard, counted)
    assert (caught.value.user, caught.value.failed) == ("alice", False)
    assert all(challenge.stale for challenge in caught.value.challenges)


@pytest.mark.parametrize(
    ("user", "password", "method", "uri"),
    [
        ("alice", "wrong", "PLAY", "/cam"),
        ("nobody", "secret", "PLAY", "/cam"),
        ("hash", "sesame", "PLAY", "/cam"),
        ("alice", "secret", "PAUSE", "/cam"),
        ("alice", "secret", "PLAY", "/other"),
        ("alice", "secret", "PLAY", "/cam/x"),
        ("alice", "secret", "PLAY", "/%"),
    ],
)
async def test_what_is_wrong(user: str, password: str, method: str, uri: str, clock: Clock) -> None:
    """Conformance A6, A9, H24: all the same to see."""
    guard = Guard([ALICE, HASHED], clock=clock)
    with pytest.raises(LoginError, match="login refused") as caught:
        await enter(guard, of(login(guard, user, password).header(method, uri)))
    assert caught.value.failed
    assert [challenge.stale for challenge in caught.value.challenges] == [False] * 3


async def test_by_password(clock: Clock) -> None:
    """Conformance A9: looked at once, for a while."""
    guard = Guard([ALICE, HASHED], clock=clock)
    for user, password in (("hash", "sesame"), ("alice", "secret")):
        for _ in range(3):
            assert await enter(guard, of(basic(user, password)), secure=True) == Visitor(user, THERE)
        assert await enter(guard, of(basic(user, password)), HERE) == Visitor(user, HERE)
        with pytest.raises(LoginError):
            await enter(guard, of(basic(user, password + "x")), secure=True)
        with pytest.raises(LoginError):
            await enter(guard, of(basic(user, password)))


async def test_without_users_nothing_is_looked_at() -> None:
    assert await enter(Guard(), ["Digest nonsense"]) == Visitor("", THERE)


# Guessing


async def fail(guard: Guard, times: int, host: str = THERE) -> None:
    for _ in range(times):
        with pytest.raises(LoginError):
            await enter(guard, of(login(guard, password="guess").header("PLAY", "/cam")), host)


async def test_guesses_are_slowed_down(clock: Clock) -> None:
    """Conformance A9, H25: those of the address that they come from; who is in already does not wait."""
    guard = Guard([ALICE, HASHED], clock=clock)
    before = login(guard)
    await enter(guard, of(before.header("PLAY", "/cam")))
    await enter(guard, of(basic("hash", "sesame")), HERE)
    await fail(guard, 4 * FREE_FAILURES)
    await fail(guard, 4 * FREE_FAILURES, HERE)
    slowed = len(clock.waits)
    assert slowed == 6 * FREE_FAILURES
    await enter(guard, of(before.header("PLAY", "/cam")))
    await enter(guard, of(basic("hash", "sesame")), HERE)
    await enter(guard, of(login(guard).header("PLAY", "/cam")), "192.0.2.2")
    assert len(clock.waits) == slowed
    # Whoever shares the address waits like the guesses do, and is in.
    await enter(guard, of(login(guard).header("PLAY", "/cam")))
    assert len(clock.waits) == slowed + 1


async def test_seats_are_given_back(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance A9: whatever becomes of who sat there."""
    guard = Guard([ALICE, HASHED], clock=clock)
    await fail(guard, 2 * FREE_FAILURES)
    for _ in range(2 * SEATS):
        await fail(guard, 1)
        with pytest.raises(LoginError):
            await enter(guard, of(basic("hash", "guess")), secure=True)
        await enter(guard, of(basic("hash", "sesame")), secure=True)

    async def forever(_: float) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(clock, "sleep", forever)
    said = of(login(guard).header("PLAY", "/cam"))
    waiting = [asyncio.create_task(enter(guard, said)) for _ in range(SEATS)]
    await asyncio.sleep(0)
    with pytest.raises(BusyError) as caught:
        await enter(guard, said)
    assert (caught.value.status, caught.value.seconds) == (503, module.RETRY_SECONDS)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not guard._throttle._seated


async def test_a_crowd_of_guesses(clock: Clock) -> None:
    """Conformance A9, H25: those that came before anybody had failed are not all looked at."""
    guard = Guard([HASHED], clock=clock)
    guesses = (enter(guard, of(basic("hash", f"guess {number}")), secure=True) for number in range(50))
    errors = await asyncio.gather(*guesses, return_exceptions=True)
    kinds = {type(error) for error in errors}
    assert kinds == {LoginError, BusyError}
    assert sum(isinstance(error, LoginError) for error in errors) < 2 * FREE_FAILURES
    assert await enter(guard, of(basic("hash", "sesame")), secure=True) == Visitor("hash", THERE)


# Another guard


async def test_one_guard_takes_the_place_of_another(clock: Clock) -> None:
    """Conformance A7: nobody is asked for a new nonce because of it, and no failure is forgotten."""
    former = Guard([ALICE], clock=clock, nonce_seconds=300)
    said = login(former)
    await fail(former, 2 * FREE_FAILURES)
    guard = Guard([ALICE, HASHED], clock=clock, nonce_seconds=60)
    guard.succeed(former)
    before = len(clock.waits)
    assert (await enter(guard, of(said.header("PLAY", "/cam")))).user == "alice"
    assert len(clock.waits) == before + 1
    clock.now += 61
    with pytest.raises(LoginError) as caught:
        await enter(guard, of(said.header("PLAY", "/cam")))
    assert caught.value.user == "alice"


def _errors() -> Iterator[ProtocolError]:
    guard = Guard([ALICE])
    yield guard.refusal(Visitor())
    yield guard.refusal(Visitor("alice"))
    yield BusyError()


def test_errors_are_one_line() -> None:
    for error in _errors():
        assert str(error)
        assert "\n" not in str(error)
