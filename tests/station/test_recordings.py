"""What a station records and plays again: a camera, which is another station, relayed and recorded."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.media.conftest import RECIPES, make_movie
from tests.server.raw import until
from tests.station.stations import live, status

from reelcast.archive.index import Index
from reelcast.archive.recording import Recording, RecordingPolicy
from reelcast.server.live import Live
from reelcast.station import recordings as module
from reelcast.station.configuration import Configuration
from reelcast.station.recordings import Recordings
from reelcast.station.station import Station
from reelcast.station.toml_file import Flags, read_configuration

PATIENCE = 20.0
"""Seconds: what is recorded comes to disk a second late, and this machine may be busy."""
LOCAL = Flags({"listen": {"host": "127.0.0.1", "port": 0}})


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    make_movie(path, RECIPES["movie.mp4"])
    return path


def told(file: Path, text: str) -> Configuration:
    file.write_text(text)
    return read_configuration(file, LOCAL)


@asynccontextmanager
async def running(file: Path, text: str) -> AsyncIterator[Station]:
    station = Station(told(file, text))
    async with station.server:
        station.begin()
        yield station
    await station.end()


def recorded_bytes(station: Station, live: Live) -> int:
    statistics = station._recordings.statistics(live)
    return 0 if statistics is None else statistics.bytes


def is_recorded(folder: Path, name: str) -> bool:
    """Whether there is something finished, and nothing else."""
    with Index(folder, read_only=True) as index:
        return {segment.growing for segment in index.segments(name)} == {False}


async def test_a_relay_is_recorded_and_played(tmp_path: Path, film: Path) -> None:
    """Recording is told to end and to begin again while the relay goes on."""
    file, archive = tmp_path / "station.toml", tmp_path / "archive"
    async with running(tmp_path / "camera.toml", f"[paths.cam]\nlive_file = '{film}'") as camera:
        relay = f"[paths.door]\nrelay = 'rtsp://127.0.0.1:{camera.server.port}/cam'\n"
        record = "[record]\nfolder = 'archive'\nevery = true\n"
        async with running(file, record + relay) as station:
            door = live(station, "/door")
            await until(lambda: door.feeding is not None, PATIENCE)
            await until(lambda: recorded_bytes(station, door) > 0, PATIENCE)
            await station.apply(told(file, record + relay + "record = false"))
            assert station._recordings.statistics(door) is None
            await until(lambda: door.history is None, PATIENCE)
            await until(lambda: is_recorded(archive, "/door"), PATIENCE)
            await station.apply(told(file, record + relay + "record = 'elsewhere'"))
            await until(lambda: recorded_bytes(station, door) > 0, PATIENCE)
            assert live(station, "/door") is door
            assert door.history is not None
            assert await status(station, "/door?recorded") == 200
            assert await status(station, "/other?recorded") == 404
            station.say_status()
    assert is_recorded(archive, "/door")
    assert is_recorded(tmp_path / "elsewhere", "/door")
    # What was recorded is played though there is nothing of that name any more.
    async with running(file, record) as station:
        assert await status(station, "/door?recorded") == 200


async def test_what_publishers_make_is_recorded_for_as_long_as_it_is(tmp_path: Path) -> None:
    async with running(tmp_path / "station.toml", "[record]\nfolder = 'archive'\nevery = true\n") as station:
        made = station.server._mounts.publish_to("/studio")
        assert station._recordings.statistics(made) is not None
        assert made.on_over is not None
        made.on_over()
        assert station._recordings.statistics(made) is None
        assert station.server.mounted("/studio") is None
        again = station.server._mounts.publish_to("/studio")
        assert station._recordings.statistics(again) is not None


async def test_a_recording_changes_in_place_where_it_can(tmp_path: Path) -> None:
    recordings, cam = Recordings(), Live("/cam")
    turns = recordings._turns
    recordings.record(cam, tmp_path, RecordingPolicy())
    first = turns["/cam"]
    recordings.record(cam, tmp_path, RecordingPolicy(keep_seconds=9, reserve_bytes=5))
    assert turns["/cam"] is first
    assert first.recording.policy.keep_seconds == 9
    recordings.record(cam, tmp_path, RecordingPolicy(segment_seconds=5))
    second = turns["/cam"]
    assert second is not first
    recordings.record(cam, tmp_path / "other", RecordingPolicy(segment_seconds=5))
    third = turns["/cam"]
    assert third is not second
    # The first has its file finished before the next begins; the second never had its turn.
    await asyncio.wait_for(second.task, 20)
    assert first.task.done()
    recordings.end(cam)
    await asyncio.wait_for(third.task, 20)
    await until(lambda: not turns, PATIENCE)
    await recordings.close()


async def test_a_folder_that_cannot_be_had_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    recordings, cam, folder = Recordings(), Live("/cam"), tmp_path / "folder"
    put(folder, "in the way")
    recordings.record(cam, folder, RecordingPolicy())
    await until(lambda: "/cam cannot be rewound yet: " in caplog.text, PATIENCE)
    put(folder, None)
    await until(lambda: cam.history is not None, PATIENCE)
    await recordings.close()
    assert cam.history is None


def put(file: Path, text: str | None) -> None:
    """A file with a text, or none."""
    if text is None:
        file.unlink()
    else:
        file.write_text(text)


async def test_a_memory_that_nobody_has_any_more_is_gone(tmp_path: Path) -> None:
    """Publishers come and go for years: what each could be rewound by must not stay."""
    folder = module._Folder(tmp_path)
    live = Live("/cam")
    memory = await folder.memory("/cam", Recording(live, tmp_path))
    kept = await folder.memory("/cam", Recording(live, tmp_path))
    gone = weakref.ref(memory)
    del memory
    gc.collect()
    assert gone() is None
    assert list(folder._memories) == [kept]
    folder.close()
