"""What README.md and docs/ show is as it is: links lead somewhere, options exist, Python examples run."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path

import pytest
import pytest_asyncio
from scripts.make_movies import ROOT

from reelcast.cli.main import VERBS, load_verb
from reelcast.client.options import Options
from reelcast.client.replay import Replay
from reelcast.client.stream import connect
from reelcast.client.timeouts import Timeouts
from reelcast.errors import ReelcastError
from reelcast.station.station import Station
from reelcast.station.toml_file import Flags, read_configuration

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MANUALS = [
    path for path in DOCUMENTS if path.name not in ("architecture.md", "benchmarks.md", "conformance.md")
]
EXAMPLES = {
    f"{path.name}-{number}": code
    for path in DOCUMENTS
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL), 1)
}
CHANGES = (
    (r"in stream:", "in islice(stream, 3):"),
    (r"in stream\.frames\(every=True\):", "in islice(stream.frames(every=True), 3):"),
    (r"range\(1500\)", "range(10)"),
    (r"time\.sleep\(5\)", "time.sleep(0.1)"),
    (r"timedelta\(minutes=1\)", "timedelta(seconds=1)"),
    (r", rtp_port=25000", ""),
)
"""What is changed of the examples, so that they end soon and take no port that may be in use."""
STATION = """
[tls]
port = 0
self_signed = "certificate.pem"
[record]
folder = "recordings"
[paths."/studio"]
publish = true
take_over = true
record = true
[paths."/cam"]
live_file = "movie.mp4"
[paths."/door"]
live_file = "movie.mp4"
[paths."/movie.Mjpeg"]
file = "movie.Mjpeg"
"""
RECORDED_SECONDS = 2.0
"""As long as there must be a recording for the example that goes back in it."""


def verbs() -> dict[str, set[str]]:
    """All verbs of the command, with their options."""
    return {
        name: {
            "--help",
            *(option for each in load_verb(name).params for option in (*each.opts, *each.secondary_opts)),
        }
        for name in VERBS
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert "://" in target or (path.parent / target).exists(), target


@pytest.mark.parametrize("path", MANUALS, ids=lambda path: path.name)
def test_commands_are_as_they_are_shown(path: Path) -> None:
    known = verbs()
    for verb, rest in re.findall(r"^\s*(?:.*`)?reelcast (\w+)([^#`\n]*)", path.read_text(), re.MULTILINE):
        assert verb in known
        given = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", rest))
        assert given <= known[verb], f"reelcast {verb}{rest}"


@pytest.mark.parametrize("path", MANUALS, ids=lambda path: path.name)
def test_options_that_are_spoken_of_exist(path: Path) -> None:
    options = set[str]().union(*verbs().values())
    assert set(re.findall(r"`(--[a-z-]+)", path.read_text())) <= options


@pytest_asyncio.fixture
async def station(movies: Path, tmp_path: Path) -> AsyncIterator[Station]:
    """A station that has what the examples ask for."""
    for name in ("movie.mp4", "movie.Mjpeg"):
        shutil.copy(movies / name, tmp_path)
    (tmp_path / "station.toml").write_text(STATION)
    flags = Flags({"listen": {"host": "127.0.0.1", "port": 0}})
    station = Station(read_configuration(tmp_path / "station.toml", flags))
    async with station.server:
        station.begin()
        yield station
    await station.end()


def adapted(code: str, station: Station) -> str:
    """An example as it runs here."""
    server = station.server
    code = re.sub(r'"rtsp://[^/"]+/', f'"rtsp://127.0.0.1:{server.port}/', code)
    code = re.sub(r'"rtsps://[^/"]+/', f'"rtsps://127.0.0.1:{server.tls_port}/', code)
    code = re.sub(r'trust="[^"]+"', f'trust="{station.notices()[-1].rpartition(" ")[2]}"', code)
    for old, new in CHANGES:
        code = re.sub(old, new, code)
    return code


@asynccontextmanager
async def published(url: str, movie: Path) -> AsyncIterator[None]:
    """A movie on the air, over and over; for so long that one can go back in its recording."""
    async with Replay(movie, url, Options(Timeouts()), loop=True) as replay:
        publishing = asyncio.create_task(replay.run(None))
        while not await is_recorded(url):
            pass
        yield
        publishing.cancel()
        await asyncio.wait([publishing])


async def is_recorded(url: str) -> bool:
    """Whether so much is recorded by now; asked ten times a second at most."""
    await asyncio.sleep(0.1)
    try:
        async with connect(f"{url}?recorded", play=False, reconnect=False) as stream:
            return (stream.duration or 0.0) >= RECORDED_SECONDS
    except ReelcastError:
        return False


@pytest.mark.parametrize("name", EXAMPLES)
async def test_examples_run(
    name: str, station: Station, movies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = EXAMPLES[name]
    code = compile(adapted(example, station), name, "exec")
    async with AsyncExitStack() as stack:
        if "/studio" in example and "reelcast.publish" not in example:
            url = f"rtsp://127.0.0.1:{station.server.port}/studio"
            await stack.enter_async_context(published(url, movies / "movie.mp4"))
        await asyncio.to_thread(exec, code, {"islice": islice})


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5
