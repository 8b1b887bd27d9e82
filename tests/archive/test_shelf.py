"""Recordings over RTSP: /cam?recorded, in seconds and in clock time."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.archive.takes import NOON, Takes
from tests.server.raw import Answer, Client, gaps, until

from reelcast import sdp
from reelcast.archive import shelf as module
from reelcast.archive.index import Index
from reelcast.archive.shelf import Shelf
from reelcast.client.options import Moment, Transport
from reelcast.client.stream import connect
from reelcast.rtsp.ranges import Range
from reelcast.server.app import Server
from reelcast.server.disk import AT_ONCE

FRAME = 3600
NOON_TEXT = "20231114T221320"


@pytest_asyncio.fixture
async def server(takes: Takes) -> AsyncIterator[Server]:
    """/cam was recorded from 22:13:20 to 22:13:23.2, and for 2.4 s from 22:15:00 on."""
    takes.take(NOON, 0.0, 1.6)
    takes.take(NOON + 1.6, 1.6, 3.2)
    takes.take(NOON + 100, 3.2, 5.6)
    server = Server("127.0.0.1", 0)
    shelf = Shelf(takes.index)
    server.play_back(shelf)
    async with server:
        yield server
    shelf.close()
    takes.index.close()


async def set_up(client: Client) -> str:
    """Set the picture up over TCP: the Session header."""
    return f"Session: {(await client.setup('/cam/recorded/trackID=1', 0)).session}"


def ranges(answer: Answer) -> list[Range]:
    return [Range.parse(line.partition(":")[2]) for line in answer.lines if line.startswith("Range:")]


def clock_range(answer: Answer) -> tuple[float, float]:
    """Seconds behind noon."""
    found = ranges(answer)[0]
    assert found.unit == "clock"
    assert found.start is not None
    assert found.end is not None
    return found.start - NOON, found.end - NOON


@pytest.mark.parametrize(
    "path", ["/cam?recorded", "/cam/?recorded", "/cam/recorded", "/cam/recorded/", "/cam?a&recorded"]
)
async def test_a_description(server: Server, path: str) -> None:
    async with await Client.connect(server.port) as client:
        answer = await client.ask("DESCRIBE", path)
        assert answer.status == 200
        assert answer["Content-Base"] == client.url("/cam/recorded/")
        description = sdp.parse(answer.body)
        ranges = [value for name, value in description.attributes if name == "range" and value]
        npt, clock = (Range.parse(value) for value in ranges)
        assert npt.start == 0.0
        assert npt.end == pytest.approx(4.0 + 2.4, abs=0.1)
        assert clock.start == pytest.approx(NOON, abs=0.1)
        assert clock.end == pytest.approx(NOON + 102.4, abs=0.1)
        assert [media.attribute("control") for media in description.media] == ["trackID=1", "trackID=2"]


@pytest.mark.parametrize(
    "path", ["/cam", "/other?recorded", "/recorded", "/cam/recorded/recorded", "/cam?recorde"]
)
async def test_what_is_not_there(server: Server, path: str) -> None:
    async with await Client.connect(server.port) as client:
        assert (await client.ask("DESCRIBE", path)).status == 404


async def test_the_event_loop_does_not_wait_for_the_disk(
    takes: Takes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks at the same time is given the same."""
    connected: set[threading.Thread] = set()
    ask = Index._rows

    def noted(index: Index, *asked: Any) -> list[tuple[Any, ...]]:
        connected.add(threading.current_thread())
        return ask(index, *asked)

    monkeypatch.setattr(Index, "_rows", noted)
    takes.take(NOON, 0.0, 1.6)
    shelf = Shelf(takes.index)
    first, second = await asyncio.gather(shelf.find("/cam"), shelf.find("/cam"))
    assert first is second is await shelf.find("/cam")
    assert first is not None
    assert not first.closed
    assert await shelf.find("/other") is None
    assert connected
    assert threading.main_thread() not in connected
    shelf.close()
    takes.index.close()


async def test_tracks_in_the_query(server: Server) -> None:
    """Some clients append a track to the query of the URL that they were given."""
    async with await Client.connect(server.port) as client:
        answer = await client.setup("/cam?recorded/trackID=2", 0)
        assert answer.status == 200
        session = f"Session: {answer.session}"
        assert (await client.ask("PLAY", "/cam?recorded", session)).status == 200


@pytest.mark.parametrize(
    ("wanted", "start"),
    [
        (f"clock={NOON_TEXT}Z-", 0.0),
        (f"clock={NOON_TEXT}.900Z-", 0.8),
        ("clock=20231114T221200Z-", 0.0),
        ("clock=20231114T221322.5Z-20231114T221323Z", 2.4),
        # In the gap: what follows it.
        ("clock=20231114T221400Z-", 100.0),
        ("clock=20231114T221501.7Z-", 101.6),
    ],
)
async def test_clock_time(server: Server, wanted: str, start: float) -> None:
    """Conformance P3, P4, P5, P8."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/cam/recorded/", session, f"Range: {wanted}")
        assert answer.status == 200
        found, _ = clock_range(answer)
        assert found == pytest.approx(start, abs=0.1)
        # Where that is in what is left of the time between.
        npt = ranges(answer)[1]
        assert npt.unit == "npt"
        assert npt.start == pytest.approx(start if start < 4.0 else start - 96.0, abs=0.2)
        packets = await client.packets(0, 5)
        ((_, sequence, rtptime),) = answer.rtp_info
        assert (packets[0].sequence, packets[0].timestamp) == (sequence, rtptime)
        assert gaps(packets) == []


async def test_npt_and_where_it_is(server: Server) -> None:
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/cam/recorded/", session, "Range: npt=2.5-")
        assert answer.range == pytest.approx((2.4, 6.4), abs=0.1)
        position = await client.ask(
            "GET_PARAMETER",
            "/cam/recorded/",
            session,
            "Content-Type: text/parameters",
            body=b"position\r\n",
        )
        assert b"position: npt=2." in position.body
        paused = await client.ask("PAUSE", "/cam/recorded/", session)
        assert answer.range[0] - 0.001 <= paused.range[0] <= 6.4


@pytest.mark.parametrize(
    "wanted",
    [
        "clock=20231114T220000Z-20231114T221000Z",
        "clock=20231114T221700Z-",
        "npt=7-",
    ],
)
async def test_what_is_not_recorded(server: Server, wanted: str) -> None:
    """Conformance P10."""
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        answer = await client.ask("PLAY", "/cam/recorded/", session, f"Range: {wanted}")
        assert answer.status == 457
        if wanted.startswith("clock"):
            assert clock_range(answer) == pytest.approx((0.0, 102.4), abs=0.1)
        else:
            assert answer.range == pytest.approx((0.0, 6.4), abs=0.1)


@pytest.mark.parametrize("scale", [4.0, -1.0])
async def test_other_speeds(server: Server, scale: float) -> None:
    async with await Client.connect(server.port) as client:
        session = await set_up(client)
        start = f"{NOON_TEXT}Z" if scale > 0 else "20231114T221502Z"
        answer = await client.ask(
            "PLAY", "/cam/recorded/", session, f"Range: clock={start}-", f"Scale: {scale}"
        )
        assert answer.status == 200
        assert float(answer["Scale"]) == scale
        packets = await client.packets(0, 2)
        assert gaps(packets) == []


@pytest.mark.parametrize("at", [4.0, datetime.fromtimestamp(NOON + 100.0, UTC)])
async def test_our_client_plays_to_the_end(server: Server, takes: Takes, at: Moment) -> None:
    url = f"rtsp://127.0.0.1:{server.port}/cam?recorded"
    async with connect(url, transport="tcp", at=at, timeout=5.0) as stream:
        assert stream.duration == pytest.approx(6.4, abs=0.1)
        units = [received async for received in stream.units() if received.track.kind == "video"]
        assert stream.position == pytest.approx(6.4, abs=0.2)
    shown = [received.unit.data for received in units]
    assert units[0].pts == pytest.approx(4.0, abs=0.1)
    expected = takes.expected(0, 3.2, 5.6)
    assert sorted(data[-64:] for data in shown) == sorted(data for _, _, data in expected)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("at", "scale"), [(datetime.fromtimestamp(NOON + 2.4, UTC), 1.0), (2.4, 2.0)])
async def test_our_client_knows_when_each_frame_was(
    server: Server, transport: Transport, at: Moment, scale: float
) -> None:
    """Conformance O5: behind a gap, too."""
    url = f"rtsp://127.0.0.1:{server.port}/cam?recorded"
    async with connect(url, transport=transport, at=at, scale=scale, timeout=20.0) as stream:
        units = [received async for received in stream.units()]
        assert {track.latency for track in stream.statistics()} == {None}
    pictures = sorted((each for each in units if each.track.kind == "video"), key=lambda each: each.pts)
    expected = [NOON + 2.4 + 0.04 * n for n in range(20)] + [NOON + 100 + 0.04 * n for n in range(60)]
    assert [received.time for received in pictures] == pytest.approx(expected, abs=0.001)
    assert {received.clock for received in units} == {"camera"}


async def test_who_asks_again_is_given_the_same(takes: Takes, monkeypatch: pytest.MonkeyPatch) -> None:
    takes.take(NOON, 0.0, 1.6)
    other = Takes(takes.index.folder, Path(takes.segments[0].path), "/other")
    other.take(NOON, 0.0, 0.8)
    monkeypatch.setattr(module, "MAX_KEPT", 1)
    shelf = Shelf(takes.index)
    first = await shelf.find("/cam")
    assert first is not None
    assert await shelf.find("/cam") is first
    assert await shelf.find("/nobody") is None
    await shelf.find("/other")
    assert await shelf.find("/cam") is not first
    shelf.close()
    assert await shelf.find("/cam") is not None
    shelf.close()


async def test_a_disk_that_has_gone_holds_up_nothing_else(
    takes: Takes, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes.take(NOON, 0.0, 1.6)
    shelf, back = Shelf(takes.index), threading.Event()
    asked: list[str] = []

    def beginning(name: str) -> float | None:
        asked.append(name)
        back.wait()
        return None

    monkeypatch.setattr(takes.index, "beginning", beginning)
    asking = [asyncio.create_task(shelf.find(f"/{number}")) for number in range(50)]
    try:
        await until(lambda: len(asked) == AT_ONCE)
        assert await asyncio.to_thread(os.getpid) == os.getpid()
        assert len(asked) == AT_ONCE
    finally:
        back.set()
    assert await asyncio.gather(*asking) == [None] * 50
    shelf.close()
