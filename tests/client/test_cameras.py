"""Cameras as they are, end to end: each of the catalogue plays its part on loopback, and its frames must come."""

from __future__ import annotations

from collections import defaultdict

import pytest
from tests.client.cameras.camera import FIRST_TIME, Camera, Frame
from tests.client.cameras.catalogue import CAMERAS
from tests.client.cameras.footage import SIZE
from tests.client.cameras.stage import Stage

from reelcast.client.stream import Transport, connect
from reelcast.rtp.intake import ReceivedUnit
from reelcast.track import Track

CASES = [
    pytest.param(camera, transport, id=f"{transport} {name}")
    for name, camera in CAMERAS.items()
    for transport in ("udp", "tcp")
    if getattr(camera, transport) is not None
]


async def receive(url: str, transport: str, count: int) -> tuple[tuple[Track, ...], list[ReceivedUnit]]:
    """The tracks of a stream, and its first units."""
    assert transport in ("udp", "tcp")
    way: Transport = "udp" if transport == "udp" else "tcp"
    async with connect(url, transport=way, timeout=10.0, reconnect=False) as stream:
        units = stream.units()
        return stream.tracks, [await anext(units) for _ in range(count)]


@pytest.mark.parametrize(("camera", "transport"), CASES)
async def test_all_frames_come(camera: Camera, transport: str) -> None:
    """The rows of each camera (`Camera.rows`) are those of docs/conformance.md."""
    expected = [feed.expected() for feed in camera.feeds]
    async with Stage(camera) as stage:
        tracks, received = await receive(stage.entrance, transport, sum(map(len, expected)))
        asked = [request.uri for request in stage.requests if request.method in ("SETUP", "PLAY")]
        wanted = [stage.fill(uri) for uri in (*camera.setup[: len(camera.feeds)], camera.play)]
    assert asked == wanted
    assert {headers.get("Session") for headers in stage.asked("PLAY") + stage.asked("TEARDOWN")} == {
        stage.session
    }
    assert tuple(response.status for response in stage.responses) == camera.told
    assert [track.codec for track in tracks] == [feed.codec for feed in camera.feeds]
    for track in tracks:
        if track.codec == "h264" and "{sprop}" in camera.sdp:
            assert (track.width, track.height) == SIZE
    found: dict[Track, list[Frame]] = defaultdict(list)
    for one in received:
        feed = camera.feeds[tracks.index(one.track)]
        found[one.track].append((round(one.pts, 6), one.unit.keyframe, feed.essence(one.unit.data)))
    assert [found[track] for track in tracks] == expected
    if not camera.lossy:
        assert not any(one.corrupt for one in received)
    if camera.reports and transport == "tcp":
        # Over UDP the first frames may overtake the report.
        assert [one.time for one in received] == [pytest.approx(FIRST_TIME + one.pts) for one in received]
