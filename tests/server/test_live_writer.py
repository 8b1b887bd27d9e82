"""Live paths that the program itself feeds, read by our own client over real sockets."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server.raw import until

from reelcast.client.stream import connect
from reelcast.errors import MediaError, ProtocolError, ReelcastError, RemoteError
from reelcast.server.app import Server
from reelcast.server.live_writer import LiveWriter
from reelcast.track import Track

PATIENCE = 20.0


def picture(number: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), 40 + 5 * (number % 40), np.uint8)


class Camera:
    """A thread that writes pictures until it is told to stop, or they are refused."""

    def __init__(self, writer: LiveWriter, **options: Any) -> None:
        self.failure: ReelcastError | None = None
        self.written = 0
        self._writer = writer
        self._options = options
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.005):
                self._writer.write(picture(self.written), **self._options)
                if self._writer._studio.programme.sample_rate is not None:
                    self._writer.write_audio(np.zeros(320, np.int16))
                self.written += 1
        except ReelcastError as error:
            self.failure = error

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE)


async def codecs_of(url: str) -> list[str]:
    async with connect(url, transport="tcp", reconnect=False) as stream:
        async for received in stream.units():
            assert received.unit.keyframe
            break
        return [track.codec for track in stream.tracks]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_readers_see_what_the_program_shows(transport: Any) -> None:
    server = Server("127.0.0.1", 0)
    writer = server.live("/cam", sample_rate=8_000, audio_codec="pcmu")
    assert writer.path == "/cam"
    camera = Camera(writer)
    async with server:
        url = f"rtsp://127.0.0.1:{server.port}/cam"
        await until(lambda: bool(writer.tracks))
        async with connect(url, transport=transport, reconnect=False) as stream:
            assert [track.codec for track in stream.tracks] == ["h264", "pcmu"]
            seen = 0
            async for frame in stream.frames(every=True):
                level = frame.to_ndarray("gray8").mean()
                assert min(abs(level - 40 - 5 * n) for n in range(40)) < 6
                seen += 1
                if seen == 10:
                    break
            assert frame.time is not None
            assert abs(time.time() - frame.time) < 60
        camera.stop()
        await asyncio.to_thread(writer.close)
        writer.close()
        with pytest.raises(MediaError, match="nothing more can be written"):
            writer.write(picture(0))


async def test_what_is_written_before_the_server_runs_waits() -> None:
    server = Server("127.0.0.1", 0)
    with server.live("/cam") as writer:
        for number in range(12):
            writer.write(picture(number), pts=number / 25)
        assert writer.dropped == 4
        async with server:
            url = f"rtsp://127.0.0.1:{server.port}/cam"
            await until(lambda: bool(writer.tracks))
            assert await codecs_of(url) == ["h264"]


async def test_a_path_that_is_made_in_another_thread_while_the_server_runs() -> None:
    async with Server("127.0.0.1", 0) as server:
        writer = await asyncio.to_thread(lambda: server.live("/late", codec="jpeg"))
        writer.write(picture(0))
        await until(lambda: bool(writer.tracks))
        assert await codecs_of(f"rtsp://127.0.0.1:{server.port}/late") == ["jpeg"]
        # In the loop itself too.
        other = server.live("/later")
        other.close()
        await asyncio.to_thread(writer.close)


async def test_who_writes_hears_that_the_server_has_stopped() -> None:
    server = Server("127.0.0.1", 0)
    camera = Camera(server.live("/cam"))
    idle = server.live("/idle")
    async with server:
        await until(lambda: camera.written > 3)
    await until(lambda: camera.failure is not None)
    assert str(camera.failure) == "/cam: the server has stopped"
    with pytest.raises(ReelcastError, match="/idle: the server has stopped"):
        idle.write(picture(0))


async def test_one_writer_at_a_path() -> None:
    async with Server("127.0.0.1", 0) as server:
        first = Camera(server.live("/cam"))
        await until(lambda: first.written > 3)
        second = Camera(server.live("/cam"))
        await until(lambda: second.failure is not None)
        assert "is being published by the application" in str(second.failure)
        assert first.failure is None
        first.stop()


async def test_another_publisher_may_take_over_where_the_policy_says_so() -> None:
    async with Server("127.0.0.1", 0) as server:
        writer = server.live("/cam")
        camera = Camera(writer)
        await until(lambda: bool(writer.tracks))
        live = writer._live
        live.policy = type(live.policy)(take_over=True)
        live.feed([Track("audio", "pcmu", 8_000, 0, channels=1)], "a stronger one", lambda: None)
        await until(lambda: camera.failure is not None)
        assert str(camera.failure) == "/cam: another publisher took over"


async def test_a_path_that_is_taken(tmp_path: Any) -> None:
    movie = tmp_path / "movie.mp4"
    movie.write_bytes(b"something")
    server = Server("127.0.0.1", 0)
    server.mount("/movie", movie)
    with pytest.raises(ProtocolError, match="/movie is no live path"):
        server.live("/movie")
    with pytest.raises(ValueError, match="fps must be a number more than 0"):
        server.live("/cam", fps=0)


async def test_a_writer_that_is_closed_before_the_server_runs() -> None:
    server = Server("127.0.0.1", 0)
    with server.live("/cam") as writer:
        writer.write(picture(0))
    async with server:
        with pytest.raises(RemoteError, match="404"):
            await codecs_of(f"rtsp://127.0.0.1:{server.port}/cam")


async def test_an_encoder_that_fails_ends_the_feeding(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with Server("127.0.0.1", 0) as server:
        writer = server.live("/cam")
        writer.write(picture(0))
        await until(lambda: bool(writer.tracks))

        def refuse(*_: object, **__: object) -> None:
            raise MediaError("it is broken")

        assert writer._studio._video is not None
        monkeypatch.setattr(writer._studio._video, "encode", refuse)
        camera = Camera(writer)
        await until(lambda: camera.failure is not None)
        assert str(camera.failure) == "it is broken"
        assert "/cam: it is broken" in caplog.text
        await until(lambda: writer._live.feeding is None)
