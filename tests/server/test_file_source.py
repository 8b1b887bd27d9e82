"""A file as a source: groups are read once for all, and seeks find the last keyframe, however far away."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from tests.media.conftest import RECIPES, make_movie

from reelcast.errors import MediaError
from reelcast.media.cache import GroupCache
from reelcast.media.groups import GroupReader
from reelcast.rtp.group import Group
from reelcast.server.file_source import FileSource

Opener = Callable[[str], "asyncio.Task[FileSource]"]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """every.mp4: a keyframe a second for 3 s; seldom.mp4: one every 2.4 s for 5 s; sound.wav: 2 s."""
    folder = tmp_path_factory.mktemp("films")
    make_movie(folder / "every.mp4", RECIPES["movie.mp4"])
    make_movie(folder / "seldom.mp4", replace(RECIPES["movie.mp4"], frames=125, keyframe_every=60))
    make_movie(folder / "sound.wav", RECIPES["sound.wav"])
    return folder


@pytest_asyncio.fixture
async def opened(films: Path) -> AsyncIterator[Opener]:
    sources: list[asyncio.Task[FileSource]] = []

    def opener(name: str) -> asyncio.Task[FileSource]:
        sources.append(asyncio.create_task(FileSource.open(films / name, GroupCache())))
        return sources[-1]

    yield opener
    for source in sources:
        source.result().close()


async def test_what_it_says_of_itself(opened: Opener) -> None:
    source = await opened("every.mp4")
    assert [track.codec for track in source.tracks] == ["h264", "aac"]
    assert source.duration == pytest.approx(3.0, abs=0.1)
    assert source.origin != (await opened("every.mp4")).origin


async def test_no_such_file(films: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        await FileSource.open(films / "none.mp4", GroupCache())


async def test_all_share_one_reading(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    source = await opened("every.mp4")
    reads: list[int] = []
    read = GroupReader.read

    def counted(reader: GroupReader, index: int) -> Group | None:
        reads.append(index)
        return read(reader, index)

    monkeypatch.setattr(GroupReader, "read", counted)
    assert source.cached(1) is None
    first, second = source.load(1), source.load(1)
    assert first is second
    group = await first
    assert group is not None
    assert source.cached(1) is group
    # The keyframe at 2 s is decoded a little before.
    assert (await source.start_before(2.5))[0] is group
    assert reads == [1, 2]
    assert await source.load(7) is None
    assert source.cached(7) is None


@pytest.mark.parametrize(
    ("name", "seconds", "group", "start"),
    [
        ("every.mp4", 0.0, 0, None),
        ("every.mp4", -1.0, 0, None),
        ("every.mp4", 0.999, 0, None),
        ("every.mp4", 0.9996, 0, 1.0),
        ("every.mp4", 1.0, 0, 1.0),
        ("every.mp4", 1.7, 0, 1.0),
        ("every.mp4", 2.9, 1, 2.0),
        ("every.mp4", 100.0, 1, 2.0),
        ("seldom.mp4", 1.9, 0, None),
        ("seldom.mp4", 2.5, 2, 2.4),
        ("seldom.mp4", 4.7, 2, 2.4),
        ("seldom.mp4", 4.9, 4, 4.8),
    ],
)
async def test_start_before(
    opened: Opener, name: str, seconds: float, group: int, start: float | None
) -> None:
    source = await opened(name)
    found, run = await source.start_before(seconds)
    if start is None:
        assert run is None
        assert found.index == 0
    else:
        assert run is not None
        assert run.keyframe
        assert run.track == 0
        assert run.pts == pytest.approx(start, abs=0.001)
        assert run is next(one for one in found.runs if one.burst == run.burst)
        assert found.index == group


async def test_sound_starts_anywhere(opened: Opener) -> None:
    source = await opened("sound.wav")
    _, run = await source.start_before(1.23)
    assert run is not None
    assert 1.2 <= run.pts <= 1.2305


async def test_a_file_that_is_gone(tmp_path: Path, films: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes((films / "every.mp4").read_bytes())
    source = await FileSource.open(path, GroupCache())
    await source.load(2)
    path.unlink()
    with pytest.raises(MediaError, match="no such file"):
        await source.load(1)
    # It is tried again, not remembered.
    path.write_bytes((films / "every.mp4").read_bytes())
    assert await source.load(1) is not None
    source.close()


async def test_one_who_gives_up_does_not_end_it_for_others(opened: Opener) -> None:
    source = await opened("every.mp4")
    impatient = asyncio.create_task(source.start_before(1.5))
    await asyncio.sleep(0)
    loading = source.load(1)
    impatient.cancel()
    assert await loading is not None


async def test_a_failure_that_nobody_waits_for(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not reach the event loop."""
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    source = await opened("every.mp4")

    def fail(reader: GroupReader, index: int) -> None:
        raise MediaError("the disk is gone")

    monkeypatch.setattr(GroupReader, "read", fail)
    task = source.load(1)
    await asyncio.wait([task])
    del task
    gc.collect()
    assert not said


async def test_closing_ends_what_is_being_read(films: Path) -> None:
    cache = GroupCache()
    source = await FileSource.open(films / "every.mp4", cache)
    await source.load(0)
    assert cache.nbytes > 0
    loading = source.load(1)
    source.close()
    with pytest.raises(asyncio.CancelledError):
        await loading
    assert cache.nbytes == 0
