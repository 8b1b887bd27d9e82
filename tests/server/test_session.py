"""Sessions by id, address and SSRC, with a connection and players that only keep account."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from reelcast.errors import ProtocolError
from reelcast.net.carrier import Carrier
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.messages import Destination
from reelcast.rtsp.states import State
from reelcast.server import session as module
from reelcast.server.limits import Limits
from reelcast.server.pacer import Pacer
from reelcast.server.playback import Playback
from reelcast.server.session import GRACE, Delivery, Inlet, Session, Sessions
from reelcast.server.source import Calendar, Pace, Playing
from reelcast.track import Track


class Player:
    """Says what was asked of it."""

    def __init__(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        self.ssrcs = dict(ssrcs)
        self.carrier = carrier
        self.ended = False
        self.position = 1.5
        self.said: list[str] = []

    async def play(self, start: float | None, end: float | None, pace: Pace | None = None) -> Playing:
        raise NotImplementedError

    def begin(self) -> None:
        self.said.append("begin")

    def pause(self) -> float:
        self.said.append("pause")
        return self.position

    def rewire(self, ssrcs: Mapping[int, int], carrier: Carrier) -> None:
        self.said.append(" ".join(["rewire", *map(str, ssrcs.values())]))

    def stop(self) -> None:
        self.said.append("stop")


class Film:
    """A source of two tracks."""

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = (
            Track("video", "h264", 90_000, 96),
            Track("audio", "pcmu", 8_000, 0),
        )
        self.duration: float | None = 10.0
        self.calendar: Calendar | None = None
        self.origin = 1
        self.players: list[Player] = []

    def ssrc(self, track: int) -> int | None:
        return None

    def player(self, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> Player:
        self.players.append(Player(ssrcs, carrier))
        return self.players[-1]

    def close(self) -> None:
        raise AssertionError("sessions close no sources")


class Wire(asyncio.WriteTransport):
    """A transport with something, or nothing, in its buffer."""

    waiting = 0

    def get_write_buffer_size(self) -> int:
        return self.waiting


class Owner:
    def __init__(self) -> None:
        self.wire = Wire()
        self.writer = InterleavedWriter(self.wire)
        self.encrypted = False
        self.channels: set[int] = set()
        self.inlets: dict[int, Inlet] = {}
        self.sessions: set[Session] = set()
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def owner() -> Owner:
    return Owner()


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, to be changed by the test."""
    now = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def ports(host: str, first: int) -> tuple[Destination, Destination]:
    return Destination(socket.AF_INET, (host, first)), Destination(socket.AF_INET, (host, first + 1))


def over_udp(ssrc: int, first: int, host: str = "10.0.0.1") -> Delivery:
    return Delivery(ssrc, f"rtsp://h/film/trackID={ssrc}", ports=ports(host, first))


def over_tcp(ssrc: int, first: int) -> Delivery:
    return Delivery(ssrc, f"rtsp://h/film/trackID={ssrc}", channels=(first, first + 1))


def test_ids_cannot_be_guessed(owner: Owner) -> None:
    """Conformance T11."""
    sessions = Sessions()
    made = [sessions.add(Playback("/film", Film(), owner, "10.0.0.1")) for _ in range(100)]
    assert len({session.id for session in made}) == 100
    assert all(len(session.id) >= 16 for session in made)
    assert owner.sessions == set(made)
    assert list(sessions) == made
    assert len(sessions) == 100


def test_a_session_is_found_by_its_id_from_its_host_alone(owner: Owner) -> None:
    """Conformance H19, P1, T13."""
    sessions = Sessions()
    session = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    assert sessions.find(session.id, "10.0.0.1") is session
    for identifier, host in (
        (session.id, "10.0.0.2"),
        (session.id.upper() + "0", "10.0.0.1"),
        ("", "10.0.0.1"),
    ):
        with pytest.raises(ProtocolError) as caught:
            sessions.find(identifier, host)
        assert caught.value.status == 454


def test_there_is_a_limit(owner: Owner) -> None:
    """Conformance T23."""
    sessions = Sessions(limits=Limits(sessions=2))
    first = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    with pytest.raises(ProtocolError) as caught:
        sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    assert caught.value.status == 453
    sessions.end(first)
    sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))


def test_there_is_a_limit_for_each_address(owner: Owner) -> None:
    """Conformance H14, T23."""
    sessions = Sessions(limits=Limits(sessions_per_address=1))
    first = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.add(Playback("/film", Film(), owner, "10.0.0.2"))
    with pytest.raises(ProtocolError, match=r"10\.0\.0\.1 has 1 sessions already") as caught:
        sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    assert caught.value.status == 453
    sessions.end(first)
    sessions.end(first)
    sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))


def test_a_session_over_udp_is_found_by_its_addresses(owner: Owner) -> None:
    sessions = Sessions()
    session = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.deliver(session, 0, over_udp(7, 5000))
    sessions.deliver(session, 1, over_udp(8, 5002))
    assert all(sessions.at(("10.0.0.1", port)) is session for port in range(5000, 5004))
    assert sessions.at(("10.0.0.1", 5004)) is None
    assert sessions.at(("10.0.0.2", 5000)) is None
    assert [session.receives_media_at(("10.0.0.1", port)) for port in range(5000, 5004)] == [
        True,
        False,
        True,
        False,
    ]
    # An IPv6 address comes with flow and scope from the kernel.
    assert sessions.at(("10.0.0.1", 5000, 0, 0)) is session


def test_a_session_behind_a_nat_is_found_by_what_it_reports_on(owner: Owner) -> None:
    """Conformance K5."""
    sessions = Sessions()
    session = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.deliver(session, 0, over_udp(7, 5000))
    assert sessions.sending([99, 7], "10.0.0.1") is session
    assert sessions.sending([7], "10.0.0.2") is None
    assert sessions.sending([], "10.0.0.1") is None


def test_ssrcs_are_not_used_twice(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions()
    session = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.deliver(session, 0, over_udp(7, 5000))
    drawn = iter([0, 7, 9])
    monkeypatch.setattr(module, "secrets", SimpleNamespace(randbits=lambda _: next(drawn)))
    assert sessions.unused_ssrc() == 9


def test_a_track_that_is_delivered_anew_leaves_nothing_behind(owner: Owner) -> None:
    sessions = Sessions()
    session = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.deliver(session, 0, over_udp(7, 5000))
    sessions.deliver(session, 0, over_tcp(8, 4))
    assert sessions.at(("10.0.0.1", 5000)) is None
    assert sessions.sending([7], "10.0.0.1") is None
    assert sessions.sending([8], "10.0.0.1") is session
    assert owner.channels == {4, 5}
    sessions.withdraw(session, 0)
    sessions.withdraw(session, 0)
    assert owner.channels == set()
    assert session.deliveries == {}


def test_a_reader_that_comes_back_to_its_ports_ends_its_former_session(owner: Owner) -> None:
    ended: list[Session] = []
    sessions = Sessions(on_end=ended.append)
    former = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.deliver(former, 0, over_udp(7, 5000))
    session = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.deliver(session, 0, over_udp(8, 5000))
    assert ended == [former]
    assert list(sessions) == [session]
    assert sessions.at(("10.0.0.1", 5000)) is session
    assert sessions.at(("10.0.0.1", 5001)) is session


async def test_the_end_frees_everything_and_comes_once(owner: Owner) -> None:
    ended: list[Session] = []
    sessions = Sessions(on_end=ended.append)
    film = Film()
    session = sessions.add(Playback("/film", film, owner, "10.0.0.1"))
    sessions.deliver(session, 0, over_tcp(7, 0))
    sessions.deliver(session, 1, over_tcp(8, 2))
    session.ready(Pacer(lambda: None))
    sessions.end(session)
    sessions.end(session)
    assert film.players[0].said == ["stop"]
    assert ended == [session]
    assert len(sessions) == 0
    assert owner.sessions == set()
    assert owner.channels == set()
    assert sessions.sending([7, 8], "10.0.0.1") is None


async def test_a_fault_at_the_end_keeps_nothing(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(player: Player) -> None:
        raise RuntimeError("this should never be")

    monkeypatch.setattr(Player, "stop", fail)
    ended: list[Session] = []
    sessions = Sessions(on_end=ended.append)
    session = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    sessions.deliver(session, 0, over_tcp(7, 0))
    session.ready(Pacer(lambda: None))
    sessions.end(session)
    assert "ended with a fault" in caplog.text
    assert (len(sessions), ended, owner.sessions, owner.channels) == (0, [session], set(), set())


def test_a_reader_that_is_dismissed_keeps_its_connection(owner: Owner) -> None:
    sessions = Sessions()
    sessions.dismiss(sessions.add(Playback("/film", Film(), owner, "10.0.0.1")))
    assert len(sessions) == 0
    assert not owner.closed


def test_without_a_sign_of_life_it_expires(owner: Owner, now: list[float]) -> None:
    sessions = Sessions(timeout=20)
    silent = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    alive = sessions.add(Playback("/film", Film(), owner, "10.0.0.1"))
    now[0] += 15
    alive.touch()
    now[0] += 5 + GRACE
    assert sessions.expired() == []
    now[0] += 0.1
    assert sessions.expired() == [silent]


def test_it_flows_while_it_plays_and_its_connection_takes_all(owner: Owner) -> None:
    session = Sessions().add(Playback("/film", Film(), owner, "10.0.0.1"))
    assert not session.interleaved
    assert not session.flowing
    session.deliveries[0] = over_tcp(7, 0)
    session.state = State.PLAYING
    assert session.interleaved
    assert session.flowing
    owner.wire.waiting = 1
    assert not session.flowing


async def test_its_player_is_made_once_for_the_tracks_it_has(owner: Owner) -> None:
    film, pacer = Film(), Pacer(lambda: None)
    session = Sessions().add(Playback("/film", film, owner, "10.0.0.1"))
    session.deliveries = {0: over_tcp(7, 4), 1: over_tcp(8, 6)}
    player = session.ready(pacer)
    assert session.ready(pacer) is player
    assert film.players[0].ssrcs == {0: 7, 1: 8}
    assert film.players[0].carrier.channels == {0: 4, 1: 6}


async def test_a_player_is_told_of_the_tracks_that_changed(owner: Owner) -> None:
    film, pacer, sessions = Film(), Pacer(lambda: None), Sessions()
    session = sessions.add(Playback("/film", film, owner, "10.0.0.1"))
    sessions.deliver(session, 0, over_tcp(7, 4))
    player = session.ready(pacer)
    assert session.ready(pacer) is player
    assert film.players[0].said == []
    sessions.deliver(session, 1, over_tcp(8, 6))
    assert session.ready(pacer) is player
    sessions.withdraw(session, 0)
    session.ready(pacer)
    assert film.players[0].said == ["rewire 7 8", "rewire 8"]
