"""Which URL means what: files, folders, sources and their tracks, and which files are open."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.server.raw import until
from tests.ts_packets import ts_packet

from reelcast.errors import MediaError, ProtocolError
from reelcast.media.groups import GroupReader
from reelcast.net.carrier import Carrier
from reelcast.server import file_source
from reelcast.server import mounts as module
from reelcast.server.disk import AT_ONCE
from reelcast.server.feed import Era
from reelcast.server.file_source import FileSource
from reelcast.server.live import Live, LivePolicy
from reelcast.server.mounts import Found, Mounts
from reelcast.server.pacer import Pacer
from reelcast.server.source import Calendar, Player
from reelcast.track import Track


class Camera:
    """A source that is no file."""

    def __init__(self) -> None:
        self.tracks: tuple[Track, ...] = (Track("video", "jpeg", 90_000, 26),)
        self.duration: float | None = None
        self.calendar: Calendar | None = None
        self.origin = 5

    def ssrc(self, track: int) -> int | None:
        return None

    def player(self, ssrcs: Mapping[int, int], carrier: Carrier, pacer: Pacer) -> Player:
        raise NotImplementedError

    def close(self) -> None:
        raise AssertionError("who made it closes it")


@pytest_asyncio.fixture
async def mounts(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mounts]:
    """Looks at files each time that they are asked for."""
    monkeypatch.setattr(module, "FRESH", -1.0)
    mounts = Mounts()
    yield mounts
    mounts.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every opening of a file."""
    opened: list[Path] = []

    class Counting(GroupReader):
        def __init__(self, path: Path, *, whole_ts: bool = False) -> None:
            opened.append(path)
            super().__init__(path, whole_ts=whole_ts)

    monkeypatch.setattr(file_source, "GroupReader", Counting)
    return opened


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Whether files can be opened: until it is set, whoever opens one waits, as for a disk that is far away."""
    gate = threading.Event()

    class Waiting(GroupReader):
        def __init__(self, path: Path, *, whole_ts: bool = False) -> None:
            gate.wait()
            super().__init__(path, whole_ts=whole_ts)

    monkeypatch.setattr(file_source, "GroupReader", Waiting)
    yield gate
    gate.set()


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[FileSource]:
    """Every closing of a file."""
    closed: list[FileSource] = []
    close = FileSource.close

    def counting(source: FileSource) -> None:
        closed.append(source)
        close(source)

    monkeypatch.setattr(FileSource, "close", counting)
    return closed


async def find(mounts: Mounts, path: str) -> Found:
    found = await mounts.find([segment for segment in path.split("/") if segment])
    assert found is not None, f"{path} is not found"
    return found


@pytest.mark.parametrize(
    ("path", "at", "control"),
    [
        ("/f/short.mp4", "/f/short.mp4", ""),
        ("/f/short.mp4/", "/f/short.mp4", ""),
        ("/f/short.mp4/trackID=2", "/f/short.mp4", "trackID=2"),
        ("/f/sub/a movie #1.mp4", "/f/sub/a%20movie%20%231.mp4", ""),
        ("/f/sub/a movie #1.mp4/trackID=1", "/f/sub/a%20movie%20%231.mp4", "trackID=1"),
        ("/one", "/one", ""),
        ("/one/trackID=1", "/one", "trackID=1"),
        ("/deep/er/cam", "/deep/er/cam", ""),
        ("/deep/er/cam/trackID=1", "/deep/er/cam", "trackID=1"),
        ("/f/short.mp4/camera", "/f/short.mp4/camera", ""),
    ],
)
async def test_paths(mounts: Mounts, folder: Path, path: str, at: str, control: str) -> None:
    mounts.add("/f", folder)
    mounts.add("one", folder / "video.mp4")
    mounts.add("/deep/er/cam", Camera())
    mounts.add("/f/short.mp4/camera", Camera())
    found = await find(mounts, path)
    assert (found.path, found.control) == (at, control)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/f",
        "/f/sub",
        "/f/none.mp4",
        "/none",
        "/f/short.mp4/trackID=1/more",
        "/f/../f/short.mp4",
        "/deep",
    ],
)
async def test_what_is_not_there(mounts: Mounts, folder: Path, path: str) -> None:
    mounts.add("/f", folder)
    mounts.add("/deep/er/cam", Camera())
    assert await mounts.find([segment for segment in path.split("/") if segment]) is None


@pytest.mark.parametrize("path", ["/", "/trackID=1"])
async def test_the_root_may_be_one_source(mounts: Mounts, path: str) -> None:
    mounts.add("/", Camera())
    found = await find(mounts, path)
    assert (found.path, found.control) == ("/", path.lstrip("/"))


async def test_what_can_be_asked_for_is_listed(mounts: Mounts, folder: Path) -> None:
    mounts.add("/", folder)
    mounts.add("/a b", folder / "video.mp4")
    mounts.add("/cam/1", Camera())
    assert sorted(mounts.paths()) == [
        "/a%20b",
        "/brief.mp4",
        "/broken.mp4",
        "/cam/1",
        "/short.mp4",
        "/sound.wav",
        "/sub/a%20movie%20%231.mp4",
        "/video.mp4",
    ]
    mounts.add("/", folder / "video.mp4")
    assert sorted(mounts.paths()) == ["/", "/a%20b", "/cam/1"]


async def test_what_cannot_be_mounted(mounts: Mounts, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file or folder"):
        mounts.add("/x", tmp_path / "missing.mp4")
    with pytest.raises(MediaError, match="File name too long"):
        mounts.add("/x", tmp_path / ("x" * 300))
    with pytest.raises(MediaError, match="no media files in this folder"):
        mounts.add("/x", tmp_path)
    with pytest.raises(MediaError, match=r"missing\.mp4: no such file"):
        mounts.looped("/x", tmp_path / "missing.mp4", Era.now())
    with pytest.raises(MediaError, match="not a regular file"):
        mounts.looped("/x", tmp_path, Era.now())
    with pytest.raises(KeyError):
        mounts.remove("/x")
    assert list(mounts.paths()) == []


async def test_what_is_removed_is_no_longer_found(mounts: Mounts, folder: Path) -> None:
    mounts.add("/one", folder / "video.mp4")
    await find(mounts, "/one")
    mounts.remove("one/")
    assert await mounts.find(["one"]) is None


async def test_a_file_is_opened_once_for_all(mounts: Mounts, folder: Path, opened: list[Path]) -> None:
    mounts.add("/", folder)
    mounts.add("/again", folder / "short.mp4")
    found = await asyncio.gather(*(find(mounts, path) for path in ["/short.mp4", "/short.mp4/trackID=1"] * 5))
    assert len({item.source for item in found}) == 1
    assert (await find(mounts, "/again")).source is found[0].source
    assert opened == [folder / "short.mp4"]


async def test_who_gives_up_waiting_does_not_end_it_for_others(
    mounts: Mounts, folder: Path, opened: list[Path]
) -> None:
    mounts.add("/", folder)
    impatient, patient = (asyncio.create_task(find(mounts, "/short.mp4")) for _ in range(2))
    await until(lambda: bool(opened))
    impatient.cancel()
    assert (await patient).control == ""


async def test_a_broken_file_is_tried_again(
    mounts: Mounts, folder: Path, tmp_path: Path, opened: list[Path]
) -> None:
    path = tmp_path / "movie.mp4"
    path.write_bytes(b"no movie" * 100)
    mounts.add("/movie", path)
    for _ in range(2):
        with pytest.raises(MediaError):
            await find(mounts, "/movie")
    assert len(opened) == 2
    shutil.copy(folder / "brief.mp4", path)
    await find(mounts, "/movie")


async def test_a_file_that_is_gone_is_no_longer_found(mounts: Mounts, folder: Path, tmp_path: Path) -> None:
    """Conformance H35."""
    path = tmp_path / "movie.mp4"
    shutil.copy(folder / "brief.mp4", path)
    mounts.add("/movie", path)
    mounts.add("/all", tmp_path)
    await find(mounts, "/movie")
    path.unlink()
    with pytest.raises(MediaError, match="No such file"):
        await find(mounts, "/movie")
    assert await mounts.find(["all", "movie.mp4"]) is None


async def test_who_joins_has_a_file_looked_at_once(
    mounts: Mounts, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "movie.mp4"
    shutil.copy(folder / "brief.mp4", path)
    mounts.add("/movie", path)
    monkeypatch.setattr(module, "FRESH", 3600.0)
    first = (await find(mounts, "/movie")).source
    path.unlink()
    assert (await find(mounts, "/movie/trackID=1")).source is first


async def test_a_file_that_has_changed_is_opened_again(
    mounts: Mounts, folder: Path, tmp_path: Path, closed: list[FileSource]
) -> None:
    """Conformance H35."""
    path = tmp_path / "movie.mp4"
    shutil.copy(folder / "brief.mp4", path)
    mounts.add("/movie", path)
    first = (await find(mounts, "/movie")).source
    shutil.copy(folder / "short.mp4", path)
    second = (await find(mounts, "/movie")).source
    assert second is not first
    assert first.duration == pytest.approx(0.4, abs=0.1)
    assert second.duration == pytest.approx(3.0, abs=0.1)
    assert closed == [first]


async def test_a_file_that_has_changed_is_closed_behind_its_last_session(
    mounts: Mounts, folder: Path, tmp_path: Path, closed: list[FileSource]
) -> None:
    path = tmp_path / "movie.mp4"
    shutil.copy(folder / "brief.mp4", path)
    mounts.add("/movie", path)
    first = (await find(mounts, "/movie")).source
    mounts.hold(first)
    mounts.hold(first)
    shutil.copy(folder / "short.mp4", path)
    second = (await find(mounts, "/movie")).source
    mounts.release(first)
    assert closed == []
    mounts.release(first)
    assert closed == [first]
    mounts.hold(second)
    mounts.release(second)
    assert closed == [first]
    assert (await find(mounts, "/movie")).source is second


async def test_a_file_that_changes_while_it_is_opened(
    mounts: Mounts, folder: Path, tmp_path: Path, gate: threading.Event, closed: list[FileSource]
) -> None:
    """What somebody waits for stays open; who asks behind that has it as it is now."""
    path = tmp_path / "movie.mp4"
    shutil.copy(folder / "brief.mp4", path)
    mounts.add("/movie", path)
    early = asyncio.create_task(find(mounts, "/movie"))
    await until(lambda: bool(mounts._open))
    os.utime(path, ns=(1, 1))
    late = asyncio.create_task(find(mounts, "/movie"))
    await until(lambda: any(held.wanted == 2 for held in mounts._open.values()))
    gate.set()
    first = (await early).source
    assert (await late).source is first
    assert closed == []
    mounts.hold(first)
    assert (await find(mounts, "/movie")).source is not first
    assert closed == []
    mounts.release(first)
    assert closed == [first]


async def test_what_somebody_waits_for_is_not_one_too_many(
    mounts: Mounts,
    folder: Path,
    tmp_path: Path,
    gate: threading.Event,
    closed: list[FileSource],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between an opening's end and the turn of who waits for it, others may look what need not stay open."""
    monkeypatch.setattr(module, "MAX_OPEN_FILES", 0)
    shutil.copy(folder / "brief.mp4", tmp_path / "a.mp4")
    mounts.add("/", tmp_path)
    waiter = asyncio.create_task(find(mounts, "/a.mp4"))
    await until(lambda: bool(mounts._open))
    (held,) = mounts._open.values()
    held.task.add_done_callback(lambda _: mounts._tidy())
    gate.set()
    source = (await waiter).source
    assert closed == []
    mounts._tidy()
    assert closed == [source]


async def test_few_files_are_kept_open(
    mounts: Mounts, folder: Path, tmp_path: Path, closed: list[FileSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN_FILES", 2)
    for name in "abcd":
        shutil.copy(folder / "brief.mp4", tmp_path / f"{name}.mp4")
    mounts.add("/", tmp_path)
    a = (await find(mounts, "/a.mp4")).source
    mounts.hold(a)
    b = (await find(mounts, "/b.mp4")).source
    c = (await find(mounts, "/c.mp4")).source
    assert closed == [b]
    await find(mounts, "/d.mp4")
    assert closed == [b, c]
    assert (await find(mounts, "/a.mp4")).source is a
    mounts.release(a)
    assert (await find(mounts, "/a.mp4")).source is a


async def test_a_source_is_its_makers_to_close(mounts: Mounts) -> None:
    camera = Camera()
    mounts.add("/cam", camera)
    mounts.hold(camera)
    mounts.release(camera)
    mounts.remove("/cam")
    mounts.close()


async def test_at_the_end_all_files_are_closed(folder: Path, closed: list[FileSource]) -> None:
    mounts = Mounts()
    mounts.add("/", folder)
    found = [(await find(mounts, path)).source for path in ("/short.mp4", "/video.mp4")]
    mounts.close()
    assert closed == found


async def test_a_failure_nobody_waits_for_is_no_one_elses(
    mounts: Mounts, folder: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_OPEN_FILES", 1)
    mounts.add("/", folder)
    gone = asyncio.create_task(find(mounts, "/broken.mp4"))
    await until(lambda: bool(opened))
    gone.cancel()
    await find(mounts, "/brief.mp4")
    await find(mounts, "/video.mp4")
    await find(mounts, "/short.mp4")


async def test_transport_streams_whole_where_that_is_wanted(mounts: Mounts, tmp_path: Path) -> None:
    """By mount, not by file: the same one is served both ways, and opened for each."""
    path = tmp_path / "film.ts"
    path.write_bytes(b"".join(ts_packet(3600 * at) + ts_packet() * 20 for at in range(50)))
    mounts.add("/folder", tmp_path, whole_ts=True)
    mounts.add("/film", path, whole_ts=True)
    mounts.add("/tracks", path)
    whole = await mounts.find(["film"])
    again = await mounts.find(["folder", "film.ts", "trackID=1"])
    assert whole is not None
    assert again is not None
    assert again.source is whole.source
    assert [(track.codec, track.payload_type) for track in whole.source.tracks] == [("mp2t", 33)]
    assert whole.source.duration == pytest.approx(2.0)
    with pytest.raises(MediaError, match=r"no audio or video|cannot be read"):
        await mounts.find(["tracks"])
    mounts.add("/film", tmp_path / "film.ts")
    with pytest.raises(MediaError, match=r"no audio or video|cannot be read"):
        await mounts.find(["film"])


async def test_where_something_stands(mounts: Mounts, folder: Path) -> None:
    """What is served at a path, and at which path what a URL names is served."""
    live = mounts.publish_to("/the cam")
    mounts.add("/films", folder)
    assert mounts.at("/the%20cam") is live
    assert mounts.at("/films/short.mp4") is None
    assert mounts.mount_of("/films/sub/a") == "/films"
    assert mounts.mount_of("/the%20cam") == "/the cam"
    assert mounts.mount_of("/other") is None
    assert mounts.live_paths() == [live]


async def test_live_paths_that_publishers_make(mounts: Mounts) -> None:
    """With the policy that is set, told of, and not where there is to be none."""
    made: list[Live] = []
    mounts.on_made = made.append
    mounts.publishing = LivePolicy(patience=3)
    live = mounts.publish_to("/cam")
    assert mounts.publish_to("/cam") is live
    assert made == [live]
    assert live.policy.patience == 3
    mounts.publishing = None
    assert mounts.publish_to("/cam") is live
    with pytest.raises(ProtocolError, match="/other is none of the paths that can be published to") as caught:
        mounts.publish_to("/other")
    assert caught.value.status == 403


async def test_a_folder_that_does_not_answer_keeps_no_other_waiting(
    mounts: Mounts, folder: Path, tmp_path: Path, gate: threading.Event
) -> None:
    """Conformance H35: many ask for what is on a share that has gone, and are patient."""
    for number in range(50):
        shutil.copy(folder / "brief.mp4", tmp_path / f"{number}.mp4")
    mounts.add("/gone", tmp_path)
    asking = [asyncio.create_task(find(mounts, f"/gone/{number}.mp4")) for number in range(50)]
    await until(lambda: len(mounts._open) >= AT_ONCE)
    mounts.add("/here", folder / "short.mp4")
    assert await mounts.find_file(["here"]) is not None
    assert await asyncio.to_thread(os.getpid) == os.getpid()
    gate.set()
    for number, task in enumerate(asking):
        assert (await task).path == f"/gone/{number}.mp4"


@pytest.mark.parametrize("what", [None, b"movie.mp4", 0, ["movie.mp4"]])
def test_what_cannot_be_served(what: Any) -> None:
    with pytest.raises(ValueError, match=f"/a: a file, a folder or a source .* not a {type(what).__name__}"):
        Mounts().add("/a", what)


def test_a_path_that_is_no_text(tmp_path: Path) -> None:
    path: Any = Path("/a")
    with pytest.raises(ValueError, match="a path to serve at is a string such as '/movie', not "):
        Mounts().add(path, tmp_path)


def test_what_another_server_has_is_relayed() -> None:
    with pytest.raises(MediaError, match="no such file or folder") as caught:
        Mounts().add("/a", Path("rtsp://127.0.0.1/cam"))
    assert "reelcast.Relay" in caught.value.advice


def test_what_is_not_there_is_not_removed() -> None:
    with pytest.raises(KeyError, match="'/a/b'"):
        Mounts().remove("/a/b")
