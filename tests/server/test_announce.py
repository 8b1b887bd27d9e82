"""Publishing to a whole server: what it takes, what it refuses, and when it is over."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio
from tests.server.logins import basic, offered
from tests.server.publisher import (
    KEYFRAME,
    PICTURES,
    SDP,
    SOUND,
    START_CODE,
    UNKNOWN,
    Publisher,
    Tapped,
    description,
    goodbye,
    packet,
)
from tests.server.raw import Answer, Client, Ports, gaps, rtcp_kinds, until

from reelcast.errors import TransportError
from reelcast.net.receive import MediaPorts
from reelcast.rtp import intake
from reelcast.rtsp.states import State
from reelcast.server import announce, publication
from reelcast.server.app import Server
from reelcast.server.guard import Guard, User
from reelcast.server.limits import Limits
from reelcast.server.passwords import Password
from reelcast.server.publication import Publication
from reelcast.server.rights import Rights
from reelcast.track import Track


@pytest.fixture
def tapped(server: Server) -> Tapped:
    """The live path /cam of `server`."""
    tapped = Tapped.at("/cam")
    server.mount("/cam", tapped.live)
    return tapped


@pytest_asyncio.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with await Client.connect(server.port) as client:
        yield client


@pytest.fixture
def publisher(client: Client) -> Publisher:
    return Publisher(client)


def published(server: Server) -> Publication:
    """The one session of a publisher."""
    (session,) = [session for session in server._sessions if isinstance(session, Publication)]
    return session


# What comes


@pytest.mark.parametrize("mode", ["mode=record", 'mode="RECORD"', "mode=receive", 'mode="Receive"', "append"])
async def test_over_tcp(server: Server, publisher: Publisher, tapped: Tapped, mode: str) -> None:
    """Conformance K12: all of it comes, bit by bit, on one axis."""
    await publisher.announce()
    for track in (0, 1):
        answer = await publisher.set_up(track, mode=mode)
        assert answer.pair("interleaved") == (2 * track, 2 * track + 1)
        assert answer.transport("mode") == "RECORD"
    assert published(server).state is State.READY
    assert (await publisher.ask("RECORD")).status == 200
    assert [track.codec for track in tapped.live.tracks] == ["pcmu", "h264"]
    for number in range(10):
        publisher.send(0, bytes([number]) * 160)
        publisher.send(1, KEYFRAME + bytes([number]))
    await until(lambda: len(tapped.units) == 20)
    assert tapped.data("pcmu") == [bytes([number]) * 160 for number in range(10)]
    assert tapped.data("h264") == [START_CODE + KEYFRAME + bytes([number]) for number in range(10)]
    times = [each.pts for each in tapped.units if each.track.codec == "h264"]
    assert [after - before for before, after in pairwise(times)] == [pytest.approx(0.04)] * 9
    assert {each.segment for each in tapped.units} == {1}
    assert [came.received for came in published(server).statistics.values()] == [10, 10]


async def test_over_udp(
    server: Server,
    publisher: Publisher,
    tapped: Tapped,
    ports: Ports,
    more_ports: Ports,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Conformance K12: put in order, losses counted, repeated ones dropped, and reports sent."""
    monkeypatch.setattr(intake, "next_interval", lambda *_, **__: 0.2)
    await publisher.announce()
    for number, pair in enumerate((ports, more_ports)):
        answer = await publisher.set_up(number, ports=pair)
        assert answer.pair("client_port") == pair.pair
        assert answer.pair("server_port")[0] % 2 == 0
    assert (await publisher.ask("RECORD")).status == 200
    for number in (0, 2, 1, 3, 3, 5):
        publisher.send_packet(0, packet(0, number, bytes([number]) * 160))
        publisher.send_packet(1, packet(1, number, KEYFRAME + bytes([number])))
    await until(lambda: len(tapped.units) == 10)
    assert tapped.data("pcmu") == [bytes([number]) * 160 for number in (0, 1, 2, 3, 5)]
    sound, pictures = published(server).statistics.values()
    assert (sound.received, sound.lost, sound.reordered, sound.duplicates) == (5, 1, 1, 1)
    assert (pictures.received, pictures.lost, pictures.reordered, pictures.duplicates) == (5, 1, 1, 1)
    report = await ports.report()
    while len(report) < 32 or report[1] != 201 or report[0] & 31 == 0:
        report = await ports.report()
    assert rtcp_kinds(report) == [201, 202]
    assert (int.from_bytes(report[8:12]), int.from_bytes(report[13:16])) == (77, 0)


async def test_only_the_publisher_is_listened_to(publisher: Publisher, tapped: Tapped, ports: Ports) -> None:
    await publisher.announce(SOUND)
    await publisher.set_up(0, ports=ports)
    await publisher.ask("RECORD")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.2", 0))
        for number in range(5):
            stranger.sendto(packet(0, number, b"strange"), ("127.0.0.1", publisher.server_ports[0][0]))
    publisher.send(0, b"ours")
    await until(lambda: bool(tapped.units))
    assert tapped.data("pcmu") == [b"ours"]


async def test_a_reader_is_sent_it(server: Server, publisher: Publisher) -> None:
    """The path is there for as long as somebody publishes."""
    async with await Client.connect(server.port) as reader:
        assert (await reader.ask("DESCRIBE", "/cam")).status == 404
        await publisher.announce()
        for track in (0, 1):
            await publisher.set_up(track)
        assert (await reader.ask("DESCRIBE", "/cam")).status == 404
        await publisher.ask("RECORD")
        described = await reader.ask("DESCRIBE", "/cam")
        assert described.status == 200
        assert b"PCMU/8000" in described.body
        assert b"H264/90000" in described.body
        session = f"Session: {(await reader.setup('/cam/trackID=2', 0)).session}"
        reader.say("PLAY", "/cam", session)
        for number in range(1, 100):
            publisher.send(1, KEYFRAME + bytes([number]))
            await asyncio.sleep(0.01)
            if len(reader.frames[0]) >= 3:
                break
        assert (await reader.answer()).status == 200
        payloads = [each.payload for each in await reader.packets(0, 3)]
        numbers = [payload[-1] for payload in payloads]
        assert payloads == [
            KEYFRAME + bytes([number]) for number in range(numbers[0], numbers[0] + len(numbers))
        ]


async def test_what_cannot_be_received_is_passed_over(
    server: Server, publisher: Publisher, tapped: Tapped, caplog: pytest.LogCaptureFixture
) -> None:
    """ffmpeg and rtspclientsink give up where one of their tracks is refused."""
    caplog.set_level(logging.WARNING)
    await publisher.announce(SOUND, UNKNOWN)
    assert "what is published as AC3 cannot be received" in caplog.text
    for track in (0, 2):
        assert (await publisher.set_up(track)).status == 200
    assert (await publisher.ask("RECORD")).status == 200
    publisher.send(2, b"what is this")
    publisher.send(0, b"sound")
    await until(lambda: bool(tapped.units))
    assert [track.codec for track in tapped.live.tracks] == ["pcmu"]
    assert tapped.data("pcmu") == [b"sound"]
    assert len(published(server).statistics) == 1


async def test_nothing_comes_before_record_and_behind_pause(publisher: Publisher, tapped: Tapped) -> None:
    await publisher.announce(SOUND)
    await publisher.set_up(0)
    publisher.send(0, b"early")
    assert (await publisher.ask("RECORD")).status == 200
    publisher.send(0, b"first")
    assert (await publisher.ask("PAUSE")).status == 200
    publisher.send(0, b"late")
    assert tapped.live.feeding is None
    assert (await publisher.ask("PAUSE")).status == 200
    assert (await publisher.ask("RECORD")).status == 200
    publisher.send(0, b"again")
    await until(lambda: len(tapped.units) == 2)
    assert [(each.unit.data, each.segment) for each in tapped.units] == [(b"first", 1), (b"again", 2)]


async def test_an_encoder_that_begins_anew(server: Server, publisher: Publisher, tapped: Tapped) -> None:
    """Another source, other numbers, another clock: nothing is lost, and the path's own times go on."""
    await publisher.record(SOUND)
    for number in range(3):
        publisher.send_packet(0, packet(0, number, b"before", 77))
    for number in range(3):
        publisher.send_packet(0, packet(0, 40_000 + number, b"behind", 78))
    await until(lambda: len(tapped.units) == 6)
    assert tapped.data("pcmu") == [b"before"] * 3 + [b"behind"] * 3
    assert tapped.live.statistics().leaps <= 1
    (came,) = published(server).statistics.values()
    assert (came.lost, came.restarts) == (0, 1)
    times = [each.pts for each in tapped.units]
    assert all(0 < after - before < 1 for before, after in pairwise(times))


async def test_frames_of_other_channels_are_passed_over(publisher: Publisher, tapped: Tapped) -> None:
    """Conformance H11."""
    await publisher.record(SOUND)
    for channel in (2, 3, 7, 255):
        publisher.client.send(b"$" + bytes([channel, 0, 4]) + b"none")
    for data in (b"", b"\x80", bytes(11), b"\xff" * 1500):
        publisher.send_packet(0, data)
        publisher.send_packet(0, data, control=True)
    publisher.send(0, b"sound")
    await until(lambda: bool(tapped.units))
    assert tapped.data("pcmu") == [b"sound"]


# What is refused


@pytest.mark.parametrize(
    ("status", "path", "headers", "body"),
    [
        (200, "/cam", [SDP], description(SOUND)),
        (200, "/new/path", ["Content-Type: Application/SDP; charset=utf-8"], description(SOUND)),
        (400, "/cam", [SDP], b""),
        (400, "/cam", [], description(SOUND)),
        (400, "/cam", [SDP], description()),
        (405, "/", [SDP], description(SOUND)),
        (403, "/cam/trackID=1", [SDP], description(SOUND)),
        (403, "/cam/recorded", [SDP], description(SOUND)),
        (405, "/short.mp4", [SDP], description(SOUND)),
        (403, "/cam%0D%0Aroot:%20accepted", [SDP], description(SOUND)),
        (403, "/%1B[2J", [SDP], description(SOUND)),
        (405, "/sub/a%20movie%20%231.mp4", [SDP], description(SOUND)),
        (413, "/cam", [SDP], description(*[SOUND] * 100)),
        (415, "/cam", ["Content-Type: text/parameters"], description(SOUND)),
        (415, "/cam", [SDP], description(UNKNOWN)),
    ],
)
async def test_announcements(
    server: Server, client: Client, status: int, path: str, headers: list[str], body: bytes
) -> None:
    """Conformance K13."""
    assert (await client.ask("ANNOUNCE", path, *headers, body=body)).status == status
    assert len(server._sessions) == (status == 200)


@pytest.mark.parametrize(
    ("status", "track", "transport"),
    [
        (404, 5, "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"),
        (461, 0, "RTP/AVP/TCP;unicast;interleaved=0-1;mode=PLAY"),
        (461, 0, "RTP/AVP;multicast;client_port=9000-9001;mode=record"),
        (461, 0, "RTP/AVP;unicast;mode=record"),
        (461, 0, "RTP/AVP;unicast;client_port=22-23;mode=record"),
        (461, 0, "RTP/SAVP/TCP;unicast;interleaved=0-1;mode=record"),
        (461, 0, ""),
        (461, 1, "RTP/AVP;unicast;client_port=9000-9001;mode=record"),
        (200, 1, "RTP/AVP;unicast;client_port=9000-9001;mode=record,RTP/AVP/TCP;unicast;mode=record"),
        (200, 0, "RTP/AVP;unicast;client_port=9000-9001;mode=record"),
        (200, 0, "RTP/AVP/TCP;unicast;interleaved=0-1"),
    ],
)
async def test_set_ups(server: Server, publisher: Publisher, status: int, track: int, transport: str) -> None:
    """Of two tracks, sound is set up over TCP already, where it is not what is asked for."""
    await publisher.announce()
    if track:
        await publisher.set_up(0)
    before = dict(published(server).deliveries)
    answer = await publisher.client.ask(
        "SETUP", f"/cam/streamid={track}", f"Transport: {transport}", publisher.session
    )
    assert answer.status == status
    if status != 200:
        assert published(server).deliveries == before


async def test_no_ports_to_receive_on(
    publisher: Publisher, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H15: a publisher may go on over TCP."""

    async def refuse(self: MediaPorts, host: str, port: int = 0) -> tuple[int, int]:
        raise TransportError("no two ports are free")

    monkeypatch.setattr(MediaPorts, "open", refuse)
    await publisher.announce(SOUND)
    assert (await publisher.set_up(0, ports=ports)).status == 461
    assert (await publisher.set_up(0)).status == 200
    assert (await publisher.ask("RECORD")).status == 200


@pytest.mark.parametrize(("meanwhile", "status"), [("TEARDOWN", 454), ("RECORD", 455)])
async def test_what_another_connection_does_meanwhile(
    server: Server,
    publisher: Publisher,
    ports: Ports,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
    status: int,
) -> None:
    """Conformance H18, H20: the ports that were opened in vain are closed."""
    opened = MediaPorts.open
    given: list[int] = []
    await publisher.announce(SOUND)
    async with await Client.connect(server.port) as other:

        async def open_slowly(self: MediaPorts, host: str, port: int = 0) -> tuple[int, int]:
            pair = await opened(self, host, port)
            if given:
                assert (await other.ask(meanwhile, "/cam", publisher.session)).status == 200
            given.append(pair[0])
            return pair

        monkeypatch.setattr(MediaPorts, "open", open_slowly)
        assert (await publisher.set_up(0, ports=ports)).status == 200
        assert (await publisher.set_up(0, ports=ports)).status == status
        Ports(first=given[1]).close()


async def test_what_is_not_the_turn_of(publisher: Publisher) -> None:
    """Conformance K12, P2: a publisher's methods are not a reader's, and come in their order."""
    await publisher.announce()
    assert (await publisher.ask("RECORD")).status == 455
    await publisher.set_up(0)
    play = await publisher.ask("PLAY")
    assert play.status == 455
    assert "PLAY" not in play["Allow"]
    assert "RECORD" in play["Allow"]
    assert (await publisher.ask("PAUSE")).status == 455
    assert [(await publisher.ask("RECORD")).status for _ in range(2)] == [200, 200]
    assert (await publisher.set_up(1)).status == 455
    renewed = await publisher.client.ask("ANNOUNCE", "/cam", SDP, publisher.session, body=description(SOUND))
    assert renewed.status == 455


async def test_a_readers_session_does_not_record(server: Server, client: Client) -> None:
    answer = await client.setup("/short.mp4/trackID=1", 0)
    refused = await client.ask("RECORD", "/short.mp4", f"Session: {answer.session}")
    assert refused.status == 455
    assert "RECORD" not in refused["Allow"]


async def test_nothing_is_set_up_that_can_be_received(server: Server, publisher: Publisher) -> None:
    await publisher.announce(SOUND, UNKNOWN)
    await publisher.set_up(2)
    assert (await publisher.ask("RECORD")).status == 455
    # No path has been made, which nobody would be there to end.
    assert not server.live_paths()


async def test_a_session_may_be_named_from_set_up_on_alone(publisher: Publisher, tapped: Tapped) -> None:
    """RFC 2326 section 14.6 has no session in the answer to ANNOUNCE."""
    await publisher.announce()
    named, publisher.session = publisher.session, ""
    answer = await publisher.set_up(0)
    assert f"Session: {answer.session}" == named
    assert (await publisher.set_up(0)).status == 455
    publisher.session = named
    assert (await publisher.ask("RECORD")).status == 200


async def test_users(folder: Path) -> None:
    """Conformance A8: who may read may not publish, and nobody goes on with what another has announced."""
    alice = User("alice", Password.of("alice", "a"), Rights(read=("/**",), publish=("/alice/**",)))
    bob = User("bob", Password.of("bob", "b"), Rights(read=("/**",), publish=("/bob/**", "/alice/**")))
    sdp = description(SOUND)
    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"
    async with (
        Server("127.0.0.1", 0, guard=Guard([alice, bob])) as server,
        await Client.connect(server.port) as client,
    ):

        async def ask(user: str, method: str, path: str, *headers: str, body: bytes = b"") -> Answer:
            return await client.ask(method, path, basic(user, user[0]), *headers, body=body)

        assert (await client.ask("ANNOUNCE", "/alice/cam", SDP, body=sdp)).status == 401
        assert (await ask("alice", "ANNOUNCE", "/bob/cam", SDP, body=sdp)).status == 403
        assert (await ask("alice", "ANNOUNCE", "/cam", SDP, body=sdp)).status == 403
        announced = await ask("alice", "ANNOUNCE", "/alice/cam", SDP, body=sdp)
        assert announced.status == 200
        assert (await ask("bob", "SETUP", "/alice/cam/streamid=0", transport)).status == 455
        session = f"Session: {announced.session}"
        assert (await ask("bob", "SETUP", "/alice/cam/streamid=0", transport, session)).status == 454
        assert (await ask("alice", "SETUP", "/alice/cam/streamid=0", transport)).status == 200
        assert (await client.ask("RECORD", "/alice/cam", session)).status == 401
        assert (await ask("bob", "RECORD", "/alice/cam", session)).status == 454
        assert (await ask("alice", "RECORD", "/alice/cam", session)).status == 200


async def test_a_digest_is_for_one_path() -> None:
    """Conformance A6, A8: one that was made for what is above a path is none for what is at it."""
    guard = Guard([User("alice", Password.of("alice", "a"), Rights(publish=("/**",)))])
    server = Server("127.0.0.1", 0, guard=guard)
    async with server, await Client.connect(server.port) as client:
        login = offered(await client.ask("ANNOUNCE", "/site/cam", SDP, body=description(SOUND)), "alice", "a")
        for path, status in (("/site", 401), ("/site/cam", 200)):
            header = login.header("ANNOUNCE", client.url(path))
            announced = await client.ask("ANNOUNCE", "/site/cam", SDP, header, body=description(SOUND))
            assert announced.status == status


async def test_over_ipv6() -> None:
    tapped = Tapped.at("/cam")
    server = Server("::1", 0)
    server.mount("/cam", tapped.live)
    with Ports("::1") as ports:
        async with server, await Client.connect(server.port, "::1") as client:
            publisher = Publisher(client)
            await publisher.announce(SOUND)
            await publisher.set_up(0, ports=ports)
            assert (await publisher.ask("RECORD")).status == 200
            publisher.send(0, b"sound")
            await until(lambda: bool(tapped.units))


async def test_where_publishers_make_no_paths(server: Server, client: Client, tapped: Tapped) -> None:
    server.allow_publishing(None)
    assert (await Publisher(client, "/other").announce()).status == 403
    await Publisher(client).record(SOUND)


# Two publishers


async def test_the_second_is_refused(server: Server, publisher: Publisher, tapped: Tapped) -> None:
    """Conformance K12, H30."""
    async with await Client.connect(server.port) as other:
        second = Publisher(other)
        await second.announce()
        await second.set_up(0)
        await publisher.record(SOUND)
        assert (await second.ask("RECORD")).status == 403
        assert (await second.announce()).status == 403
        publisher.send(0, b"the first")
        await until(lambda: bool(tapped.units))
        assert (await publisher.ask("TEARDOWN")).status == 200
        assert (await second.ask("RECORD")).status == 200
        second.send(0, b"the second")
        await until(lambda: len(tapped.units) == 2)
    assert tapped.data("pcmu") == [b"the first", b"the second"]


async def test_the_second_takes_over(server: Server, publisher: Publisher) -> None:
    """Conformance K12: where it may, the first is told by the end of its connection."""
    tapped = Tapped.at("/cam", take_over=True)
    server.mount("/cam", tapped.live)
    await publisher.record(SOUND)
    publisher.send(0, b"the first")
    await until(lambda: bool(tapped.units))
    async with await Client.connect(server.port) as other:
        second = Publisher(other)
        await second.record(SOUND)
        await publisher.client.gone()
        second.send(0, b"the second")
        await until(lambda: len(tapped.units) == 2)
        assert published(server).owner is not None


async def test_who_may_no_longer_publish_is_disconnected(
    server: Server, publisher: Publisher, tapped: Tapped
) -> None:
    """There is no other way to tell."""
    await publisher.record()
    server.guard = Guard(anyone=Rights(read=("/**",)))
    await publisher.client.gone()
    assert tapped.live.feeding is None


async def test_a_path_that_is_no_longer_served(server: Server, publisher: Publisher, tapped: Tapped) -> None:
    await publisher.record()
    server.unmount("/cam", evict=True)
    await publisher.client.gone()


async def test_a_dismissed_session_leaves_others_their_connection(
    server: Server, publisher: Publisher, tapped: Tapped
) -> None:
    await publisher.record(SOUND)
    second = Publisher(publisher.client, "/second")
    await second.announce(SOUND)
    server.unmount("/cam", evict=True)
    assert (await publisher.ask("OPTIONS")).status == 454
    assert (await second.ask("OPTIONS")).status == 200


async def test_readers_go_on_with_the_next(server: Server, tapped: Tapped) -> None:
    """A publisher is killed and another comes: one sequence, one clock, one source, and no goodbye."""
    begun = time.monotonic()
    async with await Client.connect(server.port) as reader:
        session = ""
        for turn in range(3):
            async with await Client.connect(server.port) as client:
                publisher = Publisher(client)
                await publisher.record(PICTURES)
                if not session:
                    session = f"Session: {(await reader.setup('/cam/trackID=1', 0)).session}"
                    reader.say("PLAY", "/cam", session)
                for number in range(1, 6):
                    publisher.send(1, KEYFRAME + bytes([0x10 * (turn + 1) + number]), ssrc=turn + 1)
                    await asyncio.sleep(0.02)
                await reader.packets(0, 5 * (turn + 1))
                client.reset()
            await until(lambda: tapped.live.feeding is None)
        packets = await reader.packets(0, 15)
    assert gaps(packets) == []
    assert len({packet.ssrc for packet in packets}) == 1
    assert [packet.payload[-1] for packet in packets] == [
        0x10 * (turn + 1) + number for turn in range(3) for number in range(1, 6)
    ]
    times = [packet.timestamp for packet in packets]
    steps = [(after - before) % 2**32 for before, after in pairwise(times)]
    assert 0 not in steps
    assert sum(steps) < 90_000 * (time.monotonic() - begun + 1)
    assert all(203 not in rtcp_kinds(data) for data in reader.frames[1])


class Slow:
    """A recording whose index answers when it is let to: see `reelcast.server.history.History`."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def past(self, tracks: tuple[Track, ...]) -> None:
        self.asked.set()
        await self.answers.wait()

    def clock(self, media: float) -> float | None:
        return None


@pytest.mark.parametrize("times", [0, 1])
async def test_a_reader_that_goes_while_its_play_waits_for_the_disk(
    server: Server, publisher: Publisher, tapped: Tapped, times: int
) -> None:
    """Conformance H18, H20: nobody is left to be sent anything."""
    await publisher.record(SOUND)
    publisher.send(0, bytes(160))
    await until(lambda: bool(tapped.units))
    slow = tapped.live.history = Slow()
    async with await Client.connect(server.port) as client, await Client.connect(server.port) as other:
        session = f"Session: {(await client.setup('/cam/trackID=1')).session}"
        for _ in range(times):
            slow.answers.set()
            assert (await client.ask("PLAY", "/cam", session)).status == 200
            assert (await client.ask("PAUSE", "/cam", session)).status == 200
            slow.answers.clear()
            slow.asked.clear()
        client.say("PLAY", "/cam", session)
        await slow.asked.wait()
        assert (await other.ask("TEARDOWN", "/cam", session)).status == 200
        slow.answers.set()
        assert (await client.answer()).status == 454
        assert tapped.live.statistics().readers == 0


async def test_announcing_twice_is_one_session(server: Server, publisher: Publisher) -> None:
    for _ in range(3):
        assert (await publisher.announce()).status == 200
    assert len(server._sessions) == 1


async def test_there_is_a_limit_of_publishers(
    server: Server, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._sessions, "limits", Limits(publications=1))
    await publisher.announce()
    other = Publisher(publisher.client, "/other")
    assert (await other.announce()).status == 453
    await publisher.ask("TEARDOWN")
    assert (await other.announce()).status == 200


# The end


async def test_tear_down_frees_all(
    server: Server, publisher: Publisher, tapped: Tapped, ports: Ports
) -> None:
    """Conformance K1, R5: with a goodbye; the ports can be had again."""
    await publisher.announce(SOUND)
    await publisher.set_up(0, ports=ports)
    await publisher.ask("RECORD")
    publisher.send(0, b"sound")
    await until(lambda: bool(tapped.units))
    assert (await publisher.ask("TEARDOWN")).status == 200
    report = await ports.report()
    while rtcp_kinds(report) != [201, 202, 203]:
        report = await ports.report()
    assert tapped.live.feeding is None
    assert (await publisher.ask("RECORD")).status == 454
    Ports(first=publisher.server_ports[0][0]).close()
    assert len(server._sessions) == 0


async def test_tear_down_of_a_track(server: Server, publisher: Publisher, tapped: Tapped) -> None:
    await publisher.record()
    assert (await publisher.ask("TEARDOWN", "/cam/streamid=1")).status == 200
    assert (await publisher.ask("TEARDOWN", "/cam/streamid=1")).status == 404
    publisher.send(1, KEYFRAME)
    publisher.send(0, b"sound")
    await until(lambda: bool(tapped.units))
    assert tapped.data("h264") == []
    assert (await publisher.ask("TEARDOWN", "/cam/streamid=9")).status == 404
    assert (await publisher.ask("TEARDOWN", "*")).status == 200
    assert len(server._sessions) == 0


async def test_a_track_is_set_up_anew(publisher: Publisher, tapped: Tapped, ports: Ports) -> None:
    """Conformance T14: before RECORD, another way may be taken, and the former is left."""
    await publisher.announce(SOUND)
    await publisher.set_up(0)
    await publisher.set_up(0)
    await publisher.set_up(0, ports=ports)
    assert (await publisher.ask("RECORD")).status == 200
    publisher.client.send(b"$\0\0\x10" + packet(0, 1, b"tcp!"))
    publisher.send(0, b"udp!")
    await until(lambda: bool(tapped.units))
    assert tapped.data("pcmu") == [b"udp!"]


async def test_a_connection_that_is_lost_ends_it(server: Server, tapped: Tapped) -> None:
    """Conformance K2."""
    async with await Client.connect(server.port) as client:
        await Publisher(client).record()
        client.reset()
        await until(lambda: tapped.live.feeding is None)
    assert len(server._sessions) == 0


async def test_over_udp_media_outlives_its_connection(
    server: Server, tapped: Tapped, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance T19: but not its own end."""
    monkeypatch.setattr(publication, "ORPHAN_SECONDS", 0.3)
    async with await Client.connect(server.port) as client:
        publisher = Publisher(client)
        await publisher.announce(SOUND)
        await publisher.set_up(0, ports=ports)
        await publisher.ask("RECORD")
    await until(lambda: not server._connections)
    begun = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < begun + 0.6:
        publisher.send(0, b"still here")
        await asyncio.sleep(0.01)
        assert tapped.live.feeding is not None
        assert tapped.live.feeding.forsaken
    await until(lambda: tapped.live.feeding is None)
    assert len(server._sessions) == 0


async def test_one_that_did_not_begin_ends_with_its_connection(server: Server, ports: Ports) -> None:
    async with await Client.connect(server.port) as client:
        publisher = Publisher(client)
        await publisher.announce(SOUND)
        await publisher.set_up(0, ports=ports)
    await until(lambda: len(server._sessions) == 0)


async def test_silence_ends_it(
    server: Server,
    client: Client,
    tapped: Tapped,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Conformance H30, K10: to stay alive without media is not enough."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(announce, "GRACE", 0.3 - server._sessions.timeout)
    publisher = Publisher(client)
    await publisher.record()
    for _ in range(5):
        publisher.send(0, b"sound")
        await asyncio.sleep(0.1)
    assert tapped.live.feeding is not None
    publisher.client.say("OPTIONS", "*", publisher.session)
    await client.gone()
    assert len(server._sessions) == 0
    assert "nothing came for 0.3 s: its session ends" in caplog.text


async def test_a_machine_that_stood_still(
    publisher: Publisher, tapped: Tapped, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance H37: what came meanwhile is read before anybody is found to be silent."""
    await publisher.announce(SOUND)
    await publisher.set_up(0, ports=ports)
    await publisher.ask("RECORD")
    publisher.send(0, b"before")
    await until(lambda: bool(tapped.units))
    true_time = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: true_time() + 1000)
    for _ in range(20):
        await asyncio.sleep(0.02)
        publisher.send(0, b"behind")
    await until(lambda: len(tapped.units) > 20)
    assert tapped.live.feeding is not None


async def test_a_machine_that_stands_still_again_and_again(
    client: Client, tapped: Tapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance K10: silence is found on it too, if later."""
    monkeypatch.setattr(publication, "STALL", 0.0)
    monkeypatch.setattr(announce, "GRACE", 0.3 - 60)
    await Publisher(client).record()
    assert tapped.live.feeding is not None
    await client.gone()
    assert tapped.live.feeding is None


async def test_a_goodbye_of_all_tracks_is_a_pause(
    server: Server, publisher: Publisher, tapped: Tapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A RECORD begins anew."""
    monkeypatch.setattr(publication, "BYE_SECONDS", 0.05)
    await publisher.record()
    publisher.send(0, b"sound")
    publisher.send(1, KEYFRAME)
    publisher.send_packet(0, goodbye(), control=True)
    await until(lambda: len(tapped.units) == 2)
    await asyncio.sleep(0.2)
    assert tapped.live.feeding is not None
    publisher.send_packet(1, goodbye(), control=True)
    await until(lambda: tapped.live.feeding is None)
    assert published(server).state is State.PAUSED
    assert (await publisher.ask("RECORD")).status == 200
    publisher.send(0, b"again")
    await until(lambda: len(tapped.units) == 3)


async def test_the_end_of_the_server_ends_it(folder: Path) -> None:
    tapped = Tapped.at("/cam")
    async with Server("127.0.0.1", 0) as server:
        server.mount("/cam", tapped.live)
        async with await Client.connect(server.port) as client:
            await Publisher(client).record()
            await server.stop()
            await client.gone()
    assert tapped.live.feeding is None


async def test_what_was_received_is_in_the_log(
    server: Server, publisher: Publisher, tapped: Tapped, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await publisher.record(SOUND)
    publisher.send(0, b"sound")
    await until(lambda: bool(tapped.units))
    await publisher.ask("TEARDOWN")
    assert "pcmu 1 received, 0 lost, 0 late, 0 twice" in caplog.text
