"""Random methods in random order, over several connections and sessions, against a model of what must be known.

The model knows which sessions there are, what tracks each has, whose connection it is bound to and whether it has
played; of each answer it knows which statuses may come. What is sent to readers is checked by its numbers.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.server.raw import Answer, Client, Ports, Rtp, gaps, until

from reelcast.server.app import Server

MAX_CONNECTIONS = 3
MAX_SESSIONS = 8
PATHS = ("/short.mp4", "/brief.mp4")
EXAMPLES, STEPS = 12, 25


@dataclass
class Known:
    """A session as its client knows it.

    client   the connection that it ends with, None over UDP
    owner    the one that it was made over: over TCP, it can go that way alone
    """

    id: str
    path: str
    client: Client | None
    ports: dict[int, Ports] = field(default_factory=dict)
    tracks: set[int] = field(default_factory=set)
    owner: Client | None = None
    played: bool = False

    @property
    def header(self) -> str:
        return f"Session: {self.id}"


class Conversations(RuleBasedStateMachine):
    """Clients of one server, which serves `folder`."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.server = Server("127.0.0.1", 0)
        self.server.mount("/", self.folder)
        self.runner.run(self.server.start())
        self.clients: list[Client] = []
        self.live: list[Known] = []
        self.dead: list[str] = ["0123456789abcdef"]
        self.connect()

    def teardown(self) -> None:
        async def leave() -> None:
            for client in self.clients:
                await client.close()
            await self.server.stop()

        self.runner.run(leave())
        for known in self.live:
            self._forget(known)
        self.runner.close()

    # Connections

    @precondition(lambda self: len(self.clients) < MAX_CONNECTIONS)
    @rule()
    def connect(self) -> None:
        self.clients.append(self.runner.run(Client.connect(self.server.port)))

    @precondition(lambda self: len(self.clients) > 1)
    @rule(data=st.data(), reset=st.booleans())
    def leave(self, data: st.DataObject, reset: bool) -> None:
        client = self._any_client(data)
        before = len(self.server._connections)

        async def go() -> None:
            if reset:
                client.reset()
            await client.close()
            await until(lambda: len(self.server._connections) < before)

        self.runner.run(go())
        self.clients.remove(client)
        for known in [known for known in self.live if known.client is client]:
            self._end(known)

    # Sessions

    @precondition(lambda self: len(self.live) < MAX_SESSIONS)
    @rule(data=st.data(), path=st.sampled_from(PATHS), track=st.integers(1, 2), tcp=st.booleans())
    def set_up(self, data: st.DataObject, path: str, track: int, tcp: bool) -> None:
        client = self._any_client(data)
        known = Known("", path, client if tcp else None)
        answer = self._set_up(client, known, track)
        assert answer.status == 200
        known.id = answer.session
        assert known.id not in [*self.dead, *(other.id for other in self.live)]
        self.live.append(known)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), track=st.integers(1, 3), tcp=st.booleans())
    def set_up_more(self, data: st.DataObject, track: int, tcp: bool) -> None:
        known, client = self._any_session(data), self._any_client(data)
        alone = not known.tracks - {track}
        same_way = tcp is (known.client is not None)
        possible = track <= 2 and (same_way or alone) and (not tcp or client is known.owner)
        answer = self._set_up(client, known, track, tcp=tcp)
        if track == 3:
            assert answer.status == 404
        elif not possible:
            assert answer.status in (455, 461)
        else:
            # 455 for a track that plays.
            assert answer.status in ((200, 455) if track in known.tracks else (200,)), answer

    def _set_up(self, client: Client, known: Known, track: int, *, tcp: bool | None = None) -> Answer:
        tcp = known.client is not None if tcp is None else tcp
        ports = None if tcp else Ports()
        transport = "Transport: RTP/AVP/TCP;unicast" if ports is None else ports.transport
        session = [known.header] if known.id else []
        answer = self._ask(client, "SETUP", f"{known.path}/trackID={track}", transport, *session)
        if answer.status != 200:
            if ports is not None:
                ports.close()
            return answer
        known.owner = known.owner or client
        known.client = client if tcp else None
        former = known.ports.pop(track, None)
        if former is not None:
            former.close()
        if ports is not None:
            known.ports[track] = ports
        known.tracks.add(track)
        return answer

    @precondition(lambda self: self.live)
    @rule(
        data=st.data(), place=st.sampled_from(["", "npt=0-", "npt=0.2-", "npt=0.1-0.3", "npt=99-", "npt=x"])
    )
    def play(self, data: st.DataObject, place: str) -> None:
        known = self._any_session(data)
        wanted = [f"Range: {place}"] if place else []
        answer = self._ask(self._any_client(data), "PLAY", known.path, known.header, *wanted)
        assert answer.status == {"npt=99-": 457, "npt=x": 400}.get(place, 200)
        if answer.status == 200:
            assert len(answer.rtp_info) == len(known.tracks)
            known.played = True

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def pause(self, data: st.DataObject) -> None:
        known = self._any_session(data)
        answer = self._ask(self._any_client(data), "PAUSE", known.path, known.header)
        assert answer.status == (200 if known.played else 455)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), track=st.integers(0, 2))
    def tear_down(self, data: st.DataObject, track: int) -> None:
        known = self._any_session(data)
        control = f"/trackID={track}" if track else ""
        answer = self._ask(self._any_client(data), "TEARDOWN", f"{known.path}{control}", known.header)
        if track and track not in known.tracks:
            assert answer.status == 404
            return
        assert answer.status == 200
        known.tracks -= {track}
        if not track or not known.tracks:
            self._end(known)
        elif track in known.ports:
            known.ports.pop(track).close()

    # Anything else

    @rule(
        data=st.data(),
        method=st.sampled_from(["SETUP", "PLAY", "PAUSE", "TEARDOWN", "OPTIONS", "GET_PARAMETER"]),
    )
    def name_what_is_gone(self, data: st.DataObject, method: str) -> None:
        session = f"Session: {data.draw(st.sampled_from(self.dead))}"
        assert self._ask(self._any_client(data), method, PATHS[0], session).status == 454

    @precondition(lambda self: self.live)
    @rule(data=st.data(), method=st.sampled_from(["OPTIONS", "GET_PARAMETER", "DESCRIBE", "RECORD", "DANCE"]))
    def ask(self, data: st.DataObject, method: str) -> None:
        known = self._any_session(data)
        answer = self._ask(self._any_client(data), method, known.path, known.header)
        assert answer.status == {"RECORD": 455, "DANCE": 501}.get(method, 200)

    @rule()
    def wait(self) -> None:
        self.runner.run(asyncio.sleep(0.03))

    # What always holds

    @invariant()
    def the_server_knows_the_same_sessions(self) -> None:
        assert {session.id for session in self.server._sessions} == {known.id for known in self.live}

    @invariant()
    def channels_are_in_use_by_who_has_them(self) -> None:
        for connection in self.server._connections:
            used = [
                channel
                for session in connection.sessions
                for delivery in session.deliveries.values()
                for channel in delivery.channels or ()
            ]
            assert sorted(used) == sorted(connection.channels)

    @invariant()
    def packets_follow_one_another(self) -> None:
        for known in self.live:
            for ports in known.ports.values():
                packets: dict[int, list[Rtp]] = defaultdict(list)
                for packet in ports.waiting():
                    packets[packet.ssrc].append(packet)
                for stream in packets.values():
                    assert gaps(stream) == []

    def _ask(self, client: Client, method: str, uri: str, *headers: str) -> Answer:
        answer = self.runner.run(client.ask(method, uri, *headers))
        assert answer.status != 500
        return answer

    def _any_client(self, data: st.DataObject) -> Client:
        return data.draw(st.sampled_from(self.clients))

    def _any_session(self, data: st.DataObject) -> Known:
        return data.draw(st.sampled_from(self.live))

    def _end(self, known: Known) -> None:
        self.live.remove(known)
        self.dead.append(known.id)
        self._forget(known)

    def _forget(self, known: Known) -> None:
        for ports in known.ports.values():
            ports.close()


def test_random_methods_in_random_order(folder: Path) -> None:
    """Conformance H16, H18, H20, H21, T14."""

    class Here(Conversations):
        pass

    Here.folder = folder
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
