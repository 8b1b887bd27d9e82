"""A server with users, asked by a client of bare bytes: who is let in, who is not, and what neither can tell."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.pupil import Pupil
from tests.server.logins import ODD, Login, ask_as, basic, offered
from tests.server.raw import Answer, Client, Ports, gaps

from reelcast.server import throttle
from reelcast.server.app import Server
from reelcast.server.guard import Guard, User
from reelcast.server.mounts import Found
from reelcast.server.passwords import Password
from reelcast.server.refusal import MAX_FAILURES
from reelcast.server.rights import Rights
from reelcast.server.source import Source

TCP = "Transport: RTP/AVP/TCP;unicast"
METHODS = ("DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER")

ALICE = User("alice", Password.of("alice", "wonder:land"))
BOB = User("bob", Password.of("bob", "builder"), Rights(read=("/sub/**", "/brief.mp4")))
USERS = (ALICE, BOB)


class Clock:
    """Time that passes where a test has it so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def guarded(folder: Path, clock: Clock) -> AsyncIterator[Server]:
    """alice may read all, bob what is in /sub and one more, anyone sound.wav alone."""
    guard = Guard(USERS, anyone=Rights(read=("/sound.wav",)), nonce_seconds=60, clock=clock)
    server = Server("127.0.0.1", 0, guard=guard)
    server.mount("/", folder)
    async with server:
        yield server


async def login_of(client: Client, user: str = "alice", password: str = "wonder:land") -> Login:
    answer = await client.ask("DESCRIBE", "/short.mp4")
    assert answer.status == 401
    return offered(answer, user, password)


async def ask(client: Client, login: Login, method: str, path: str, *headers: str) -> Answer:
    return await client.ask(method, path, *headers, login.header(method, client.url(path)))


async def play(client: Client, login: Login, transport: str = TCP) -> str:
    """Play short.mp4; the Session header."""
    video = await ask(client, login, "SETUP", "/short.mp4/trackID=1", transport)
    assert video.status == 200
    session = f"Session: {video.session}"
    assert (await ask(client, login, "PLAY", "/short.mp4/", session)).status == 200
    return session


# The door


async def test_challenges(guarded: Server) -> None:
    """Conformance A1, A4, D1: as players read them, the first one or the last; OPTIONS needs none."""
    async with await Client.connect(guarded.port) as client:
        assert (await client.ask("OPTIONS", "/short.mp4")).status == 200
        answer = await client.ask("DESCRIBE", "/short.mp4")
        assert (answer.status, answer.body) == (401, b"")
        nonce = offered(answer, "", "").nonce
        digest = f'WWW-Authenticate: Digest realm="reelcast", nonce="{nonce}"'
        assert [line for line in answer.lines if line.startswith("WWW")] == [
            f'{digest}, qop="auth"',
            f'{digest}, algorithm=SHA-256, qop="auth"',
            f'{digest}, qop="auth"',
        ]


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
@pytest.mark.parametrize("counted", [False, True])
async def test_every_way_of_digest(guarded: Server, algorithm: str, counted: bool) -> None:
    """Conformance A2, A3, A4: with the nonce of any challenge, counted or not."""
    async with await Client.connect(guarded.port) as client:
        asked = await login_of(client)
        login = Login(*(asked.user, asked.password, asked.realm, asked.nonce), algorithm)
        for nc in (1, 2, 3):
            answer = await ask(client, login.counted(nc) if counted else login, "DESCRIBE", "/short.mp4")
            assert answer.status == 200


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_needs_a_login(guarded: Server, method: str) -> None:
    """Conformance A8: with a session that is somebody's, or with none; nothing happens to it."""
    async with await Client.connect(guarded.port) as client, await Client.connect(guarded.port) as thief:
        login = await login_of(client)
        session = await play(client, login)
        unbound = (await thief.ask(method, "/short.mp4", TCP)).status
        assert unbound == 401 if method in ("DESCRIBE", "SETUP") else unbound in (200, 454)
        assert (await thief.ask(method, "/short.mp4", TCP, session)).status == 401
        assert (await thief.ask("OPTIONS", "/short.mp4", session)).status == 401
        bob = await ask_as(thief, "bob", "builder", method, "/short.mp4", TCP, session)
        assert bob.status == 454
        assert (await ask(client, login, "GET_PARAMETER", "/short.mp4", session)).status == 200
        await client.packets(0, len(client.frames[0]) + 5)


@pytest.mark.parametrize("path", ["/short.mp4", "/none.mp4", "/broken.mp4", "/nothing/at/all", "/sub2", "*"])
async def test_what_there_is_does_not_show(guarded: Server, path: str) -> None:
    """Conformance A8: the same answer for what is there and what is not, with a login and without."""
    async with await Client.connect(guarded.port) as client:
        assert (await client.ask("DESCRIBE", path)).status == 401
        if path != "*":
            assert (await ask_as(client, "bob", "builder", "DESCRIBE", path)).status == 403
            assert (await ask_as(client, "bob", "builder", "SETUP", path, TCP)).status == 403


@pytest.mark.parametrize(
    ("user", "password", "path", "status"),
    [
        ("bob", "builder", "/brief.mp4", 200),
        ("bob", "builder", "/sub/a%20movie%20%231.mp4", 200),
        ("bob", "builder", "/sub/none.mp4", 404),
        ("bob", "builder", "/short.mp4", 403),
        ("bob", "builder", "/%73hort.mp4", 403),
        ("bob", "builder", "/sub/../short.mp4", 404),
        ("bob", "builder", "/sub/%2e%2e/short.mp4", 404),
        ("bob", "builder", "//short.mp4", 403),
        ("bob", "builder", "/sound.wav", 200),
        ("alice", "wonder:land", "/none.mp4", 404),
        ("alice", "wonder:land", "/broken.mp4", 415),
        ("alice", "wrong", "/short.mp4", 401),
        ("Alice", "wonder:land", "/short.mp4", 401),
        ("nobody", "wonder:land", "/short.mp4", 401),
        ("", "", "/short.mp4", 401),
        ("nobody", "", "/sound.wav", 200),
    ],
)
async def test_rights(guarded: Server, user: str, password: str, path: str, status: int) -> None:
    """Conformance A8."""
    async with await Client.connect(guarded.port) as client:
        assert (await ask_as(client, user, password, "DESCRIBE", path)).status == status


async def test_tracks_are_of_their_presentation(guarded: Server) -> None:
    """Conformance A6, A8: who may read a presentation may set up its tracks, and nothing that is beside it."""
    async with await Client.connect(guarded.port) as client:
        login = await login_of(client, "bob", "builder")
        assert (await ask(client, login, "SETUP", "/brief.mp4/trackID=1", TCP)).status == 200
        assert (await ask(client, login, "SETUP", "/brief.mp4/trackID=9", TCP)).status == 404
        assert (await ask(client, login, "SETUP", "/short.mp4/trackID=1", TCP)).status == 403
        assert (await ask(client, login, "DESCRIBE", "/brief.mp4/x/y")).status == 403


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("rtsp://127.0.0.1/brief.mp4/", 200),
        ("rtsp://another.name:99/brief.mp4", 200),
        ("/brief.mp4", 200),
        ("brief.mp4/trackID=1", 200),
        ("/brief.mp4/trackID=1?x", 200),
        ("/brief.mp4/trackID=2", 401),
        ("/", 401),
        ("*", 401),
        ("/short.mp4", 401),
        ("http://x/brief.mp4", 401),
        ("", 401),
    ],
)
async def test_the_uri_of_the_answer(guarded: Server, uri: str, status: int) -> None:
    """Conformance A6: that of the track or of its presentation, written in any way; never another's."""
    async with await Client.connect(guarded.port) as client:
        login = await login_of(client)
        answer = await client.ask("SETUP", "/brief.mp4/trackID=1", TCP, login.header("SETUP", uri))
        assert answer.status == status


async def test_a_uri_above_is_no_presentation(guarded: Server) -> None:
    """Conformance A6: what was said for a folder's name is of no use for what is in it."""
    async with await Client.connect(guarded.port) as client:
        login = await login_of(client)
        for method in ("DESCRIBE", "SETUP"):
            header = login.header(method, client.url("/"))
            assert (await client.ask(method, "/video.mp4", TCP, header)).status == 401


# Over time


async def test_a_nonce_that_has_grown_old(guarded: Server, clock: Clock) -> None:
    """Conformance A7, K6: is answered by a new one, and the session that was asked for stays alive."""
    async with await Client.connect(guarded.port) as client:
        login = await login_of(client)
        session = await play(client, login)
        clock.now += 61
        (of,) = guarded._sessions
        of.last_seen = 0.0
        old = await ask(client, login, "GET_PARAMETER", "/short.mp4", session)
        assert old.status == 401
        assert ", stale=true" in old["WWW-Authenticate"]
        assert of.last_seen > 0
        fresh = offered(old, "alice", "wonder:land")
        assert fresh.nonce != login.nonce
        assert (await ask(client, fresh, "GET_PARAMETER", "/short.mp4", session)).status == 200
        wrong = await ask(client, Login("alice", "x", "reelcast", login.nonce), "OPTIONS", "/x", session)
        assert "stale" not in wrong["WWW-Authenticate"]


async def test_what_counts_does_not_grow_old(guarded: Server, clock: Clock) -> None:
    """Conformance A7: ffmpeg does not repeat a keepalive; and nothing counts twice."""
    async with await Client.connect(guarded.port) as client:
        login = await login_of(client)
        for nc in range(1, 10):
            assert (await ask(client, login.counted(nc), "DESCRIBE", "/short.mp4")).status == 200
            clock.now += 50
        again = await ask(client, login.counted(9), "DESCRIBE", "/short.mp4")
        assert again.status == 401
        assert "stale=true" in again["WWW-Authenticate"]


async def test_failures_close_the_connection(guarded: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance A9, H25: after a few in a row; others from the same host get in all the while."""
    monkeypatch.setattr(throttle, "LONGEST_WAIT", 0.02)
    for _ in range(4):
        async with await Client.connect(guarded.port) as client, await Client.connect(guarded.port) as other:
            login = await login_of(client, "alice", "wrong")
            for _ in range(MAX_FAILURES):
                assert (await ask(client, login, "DESCRIBE", "/short.mp4")).status == 401
            await client.gone()
            assert (await ask_as(other, "alice", "wonder:land", "DESCRIBE", "/short.mp4")).status == 200


async def test_a_flood_of_guesses(guarded: Server) -> None:
    """Conformance A9, H25: who is logged in does not wait; most of the flood is sent away."""
    async with await Client.connect(guarded.port) as client:
        login = await login_of(client)
        session = await play(client, login)
        guessers = [await Client.connect(guarded.port) for _ in range(40)]
        for guesser in guessers:
            for _ in range(MAX_FAILURES):
                url = guesser.url("/short.mp4")
                guess = Login("alice", "guess", "reelcast", login.nonce, nc=1).header("DESCRIBE", url)
                guesser.say("DESCRIBE", "/short.mp4", guess.replace(login.nonce, login.nonce[::-1]))
        assert (await ask(client, login, "GET_PARAMETER", "/short.mp4", session)).status == 200
        answers = [await guesser.answer() for guesser in guessers]
        assert {answer.status for answer in answers} == {401, 503}
        assert all("retry-after" in answer.headers for answer in answers if answer.status == 503)
        await asyncio.gather(*(guesser.close() for guesser in guessers))
        assert gaps(await client.packets(0, 20)) == []


@pytest.mark.parametrize("value", ODD)
async def test_credentials_of_every_odd_form(guarded: Server, value: str) -> None:
    """Conformance H24."""
    async with await Client.connect(guarded.port) as client:
        assert (await client.ask("DESCRIBE", "/short.mp4", f"Authorization: {value}")).status == 401
        assert (await client.ask("DESCRIBE", "/sound.wav")).status == 200


async def test_what_is_said_is_not_written_down(guarded: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Conformance A10: no password, and nothing that one could log in with; but who was let in."""
    caplog.set_level(logging.DEBUG)
    async with await Client.connect(guarded.port) as client:
        login = await login_of(client)
        url = client.url("/short.mp4").replace("//", "//alice:wonder:land@")
        answer = await client.ask("DESCRIBE", url, login.header("DESCRIBE", url))
        assert answer.status == 200
        assert (await client.ask("DESCRIBE", "/short.mp4", basic("alice", "wonder:land"))).status == 200
        assert (await client.ask("DESCRIBE", "/short.mp4", basic("land", "wonder:"))).status == 401
    proof = login.header("DESCRIBE", url).rpartition("response=")[2]
    said = (proof.strip('"'), "d29uZGVyOmxhbmQ", "wonder", str(ALICE.password.md5))
    for text in (caplog.text, "\n".join(answer.lines), answer.body.decode()):
        assert not [secret for secret in said if secret in text]
    assert "DESCRIBE /short.mp4 -> 200 h264, aac, as alice" in caplog.text


# Sessions


async def test_a_session_is_its_users(guarded: Server, ports: Ports) -> None:
    """Conformance A8: on any connection of that user, on none of another's; by UDP and by TCP."""
    async with await Client.connect(guarded.port) as client, await Client.connect(guarded.port) as other:
        login = await login_of(client)
        session = await play(client, login, ports.transport)
        bob = await login_of(other, "bob", "builder")
        for method in ("PAUSE", "PLAY", "TEARDOWN", "GET_PARAMETER"):
            assert (await ask(other, bob, method, "/short.mp4", session)).status == 454
        # Nor by asking for what is sent to the same ports.
        taken = await ask(other, bob, "SETUP", "/brief.mp4/trackID=1", ports.transport)
        assert taken.status == 461
        assert (await ask(other, login, "PAUSE", "/short.mp4", session)).status == 200
        assert (await ask(other, login, "TEARDOWN", "/short.mp4", session)).status == 200


async def test_what_anyone_may_play(guarded: Server) -> None:
    async with await Client.connect(guarded.port) as client:
        answer = await client.setup("/sound.wav/trackID=1")
        session = f"Session: {answer.session}"
        assert (await client.ask("PLAY", "/sound.wav", session)).status == 200
        assert (await client.ask("GET_PARAMETER", "*", session)).status == 200
        login = await login_of(client)
        assert (await ask(client, login, "TEARDOWN", "/sound.wav", session)).status == 200


async def test_another_guard(guarded: Server, clock: Clock, ports: Ports, more_ports: Ports) -> None:
    """Whoever lost the right is out; nobody else notices, not even by a new nonce."""
    async with await Client.connect(guarded.port) as alice, await Client.connect(guarded.port) as bob:
        login, other = await login_of(alice), await login_of(bob, "bob", "builder")
        session = await play(alice, login, ports.transport)
        answer = await ask(bob, other, "SETUP", "/brief.mp4/trackID=1", more_ports.transport)
        await ask(bob, other, "PLAY", "/brief.mp4", f"Session: {answer.session}")
        packets = await ports.packets(1)
        assert "2 users" in guarded.guard.describe()
        guarded.guard = Guard([ALICE, User("bob", Password.of("bob", "another"), BOB.rights)], clock=clock)
        assert [of.user for of in guarded._sessions] == ["alice"]
        assert (await ask(alice, login, "GET_PARAMETER", "/short.mp4", session)).status == 200
        assert (await ask(bob, other, "DESCRIBE", "/brief.mp4")).status == 401
        packets += await ports.packets(5)
        assert gaps(packets) == []
        guarded.guard = Guard([User("alice", ALICE.password, Rights(read=("/sub/**",)))], clock=clock)
        assert not list(guarded._sessions)
        assert (await ask(alice, login, "DESCRIBE", "/short.mp4")).status == 403


async def test_a_guard_that_comes_meanwhile(
    guarded: Server, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance A8: whoever it lets in with its password alone is not let in with the one before."""
    find, asked, gate = guarded._mounts.find, asyncio.Event(), asyncio.Event()

    async def find_slowly(segments: list[str]) -> Found | None:
        asked.set()
        await gate.wait()
        return await find(segments)

    monkeypatch.setattr(guarded._mounts, "find", find_slowly)
    for password, status in (("another", 401), ("wonder:land", 200)):
        async with await Client.connect(guarded.port) as client:
            login = await login_of(client)
            url = client.url("/short.mp4/trackID=1")
            client.say("SETUP", url, TCP, login.header("SETUP", url))
            await asked.wait()
            guarded.guard = Guard([User("alice", Password.of("alice", password)), BOB], clock=clock)
            gate.set()
            assert (await client.answer()).status == status
            guarded.guard = Guard(USERS, clock=clock)
            asked.clear()
            gate.clear()


async def test_recordings_are_for_who_may_read_what_is_recorded(guarded: Server) -> None:
    """Conformance A6, A8: however they are asked for."""
    found = await guarded._mounts.find(["brief.mp4"])
    assert found is not None
    recorded = {"/brief.mp4": found.source}

    class Shelf:
        async def find(self, name: str) -> Source | None:
            return recorded.get(name)

    guarded.play_back(Shelf())
    async with await Client.connect(guarded.port) as client:
        bob = await login_of(client, "bob", "builder")
        for path in ("/brief.mp4?recorded", "/brief.mp4/recorded"):
            assert (await client.ask("DESCRIBE", path)).status == 401
            assert (await ask(client, bob, "DESCRIBE", path)).status == 200
        url = client.url("/brief.mp4/recorded/")
        track = await client.ask("SETUP", f"{url}trackID=1", TCP, bob.header("SETUP", url))
        assert (
            await ask(client, bob, "PLAY", "/brief.mp4/recorded/", f"Session: {track.session}")
        ).status == 200
        assert (await ask(client, bob, "DESCRIBE", "/short.mp4?recorded")).status == 403
        alice = await login_of(client)
        assert (await ask(client, alice, "DESCRIBE", "/short.mp4?recorded")).status == 404


async def test_the_classroom_cannot_log_in(guarded: Server, movies: Path) -> None:
    guarded.mount("/open.Mjpeg", movies / "movie.Mjpeg")
    guarded.mount("/shut.Mjpeg", movies / "movie.Mjpeg")
    guarded.guard = Guard(USERS, anyone=Rights(read=("/open.Mjpeg",)))
    for name, status in (("open.Mjpeg", 200), ("shut.Mjpeg", 401), ("none.Mjpeg", 401)):
        async with Pupil(guarded.port, name) as pupil:
            assert await pupil.ask("SETUP") == status
