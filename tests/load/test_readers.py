"""Readers that join, fail, are dropped and leave; against a scripted server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.client.scripted import SDP, ScriptedServer, audio, goodbye, reply, sender_report

from reelcast.load import readers as module
from reelcast.load.connection import Arena
from reelcast.load.flows import Flows
from reelcast.load.readers import Crowd, Transport
from reelcast.net.shortcut import Shortcut
from reelcast.net.sink import Sink
from reelcast.rtp.arrivals import Arrivals
from reelcast.rtp.rtcp import ReceiverReport, SourceDescription, parse
from reelcast.rtsp.headers import TransportSpec

FAST = 1000.0


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells."""
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it did not happen")


Staged = Callable[..., "Stage"]


class Stage:
    """A crowd with all it needs."""

    def __init__(self, url: str, count: int, transport: Transport, **options: Any) -> None:
        self.flows = Flows(count * 8)
        self.sink = Sink(self.take, lambda flow, data: self.crowd.take_report(flow, data))
        self.shortcut, self.arena = Shortcut(), Arena(self.take)
        self.crowd = Crowd(
            url,
            count,
            transport,
            flows=self.flows,
            sink=self.sink,
            arena=self.arena,
            shortcut=self.shortcut,
            **options,
        )

    def take(self, arrivals: Arrivals) -> None:
        self.flows.update(arrivals, 0.0)

    async def close(self) -> None:
        await self.crowd.leave()
        self.shortcut.close()
        self.sink.close()


@pytest.fixture
async def staged(server: ScriptedServer) -> AsyncIterator[Staged]:
    """Makes stages, and clears them away before the server goes."""
    stages: list[Stage] = []

    def make(*arguments: Any, **options: Any) -> Stage:
        stages.append(Stage(*arguments, **options))
        return stages[-1]

    yield make
    for stage in stages:
        await stage.close()


async def test_both_ways(server: ScriptedServer, staged: Staged) -> None:
    stage = staged(server.url + "%d", 4, "both")
    await stage.crowd.join(FAST)
    assert stage.crowd.joined == 4
    assert stage.crowd.failures == {}
    offers = [TransportSpec.parse(headers.get("Transport") or "") for headers in server.asked("SETUP")]
    assert sorted(offer.tcp for offer in offers) == [False, False, True, True]
    asked = {request.uri for request in server.requests if request.method == "DESCRIBE"}
    assert asked == {f"{server.url}{number}" for number in range(4)}
    assert all(reader.present and reader.join_time for reader in stage.crowd.readers)
    await stage.close()
    assert server.methods.count("TEARDOWN") == 4


def test_the_number_is_no_escape() -> None:
    assert module.Reader(7, "rtsp://h/%d/%d0/cam%d", tcp=True).url == "rtsp://h/7/%d0/cam7"


async def test_media_reports_and_goodbye(server: ScriptedServer, staged: Staged) -> None:
    def play(server: ScriptedServer) -> None:
        server.send_media(audio(0), audio(1), audio(3))
        server.send_media(sender_report(0, 1 << 40), goodbye(), b"junk", channel=1)

    server.on_play = play
    stage = staged(server.url, 1, "tcp")
    await stage.crowd.join(FAST)
    (reader,) = stage.crowd.readers
    await until(lambda: reader.ended)
    stage.arena.hand_over()
    assert stage.flows.counters.received[reader.flows].tolist() == [3]
    assert stage.flows.counters.lost[reader.flows].tolist() == [1]


async def test_reports_go_out_in_turn(
    server: ScriptedServer, staged: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPORT_TICK", 0.001)
    monkeypatch.setattr(module, "REPORT_INTERVAL", 0.01)
    stage = staged(server.url, 2, "tcp")
    await stage.crowd.join(FAST)
    reporting = asyncio.create_task(stage.crowd.report())
    ssrcs = [reader.ssrc for reader in stage.crowd.readers]

    def reports() -> list[int]:
        """How many each reader has sent."""
        pairs = [parse(frame.data) for frame in server.frames]
        assert all(isinstance(description, SourceDescription) for _, description in pairs)
        senders = [report.ssrc for report, _ in pairs if isinstance(report, ReceiverReport)]
        return [senders.count(ssrc) for ssrc in ssrcs]

    async with asyncio.timeout(20):
        await server.until(lambda: min(reports()) > 2)
    reporting.cancel()
    assert max(reports()) - min(reports()) < 2


async def test_a_dropped_reader_is_no_longer_present(server: ScriptedServer, staged: Staged) -> None:
    server.on_play = lambda server: server.hang_up()
    stage = staged(server.url, 1, "tcp")
    await stage.crowd.join(FAST)
    (reader,) = stage.crowd.readers
    await until(lambda: reader.dropped)
    assert not reader.present
    assert stage.crowd.joined == 1
    await stage.close()
    assert "TEARDOWN" not in server.methods


@pytest.mark.parametrize(
    ("method", "answer", "reason"),
    [
        ("DESCRIBE", reply(404), "the server answered 404 Not Found to DESCRIBE"),
        ("DESCRIBE", reply(302, ("Location", "rtsp://b/")), "redirected to rtsp://b/: give that URL"),
        ("DESCRIBE", reply(200, body=b"v=0\r\ns=nothing\r\n"), "the description has no RTP stream"),
        ("SETUP", reply(461), "the server answered 461 Unsupported transport to SETUP"),
        ("SETUP", reply(200, ("Transport", "RTP/AVP;multicast")), "the server insists on RTP/AVP"),
        ("PLAY", reply(453), "the server answered 453 Not Enough Bandwidth to PLAY"),
        ("PLAY", lambda _: None, "URL/: no answer to PLAY within 0.5 s"),
    ],
)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_failures_are_counted_by_reason(
    server: ScriptedServer, staged: Staged, method: str, answer: Any, reason: str, transport: Transport
) -> None:
    server.answers[method] = answer
    stage = staged(
        server.url.replace("//", "//user:secret@"),
        2,
        transport,
        timeout=0.5 if "no answer" in reason else 10.0,
    )
    await stage.crowd.join(FAST)
    assert [*stage.crowd.failures.values()] == [2]
    (failure,) = stage.crowd.failures
    assert reason.removeprefix("URL/") in failure
    assert "secret" not in failure


async def test_nobody_listens(staged: Staged) -> None:
    stage = staged("rtsp://127.0.0.1:1/x", 1, "udp", timeout=1.0)
    await stage.crowd.join(FAST)
    advice = "check the port, and that the server is running"
    assert [*stage.crowd.failures] == [f"URL: cannot connect: Connection refused; {advice}"]


@pytest.mark.parametrize("url", ["/movie", "http://host/movie", "rtsp://"])
async def test_what_is_no_url(staged: Staged, url: str) -> None:
    stage = staged(url, 1, "udp")
    await stage.crowd.join(FAST)
    (failure,) = stage.crowd.failures
    assert "URL" in failure


async def test_a_server_that_says_little(server: ScriptedServer, staged: Staged) -> None:
    server.answers["SETUP"] = reply(200, ("Session", "1"))
    stage = staged(server.url, 2, "both")
    await stage.crowd.join(FAST)
    assert stage.crowd.joined == 2


async def test_no_more_tracks_than_wanted(server: ScriptedServer, staged: Staged) -> None:
    server.answers["DESCRIBE"] = reply(200, body=SDP + b"m=video 0 RTP/AVP 96\r\na=control:track2\r\n")
    stage = staged(server.url, 1, "tcp", tracks=1)
    await stage.crowd.join(FAST)
    assert server.methods.count("SETUP") == 1
