"""The verb `serve`, as a process: what it prints, how it fails, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.media.conftest import RECIPES, make_movie
from tests.server.publisher import Publisher
from tests.server.raw import Client, Ports, rtcp_kinds
from tests.ts_packets import ts_packet
from typer.testing import CliRunner

from reelcast.archive.index import Index
from reelcast.cli.main import app, main

REELCAST = [sys.executable, "-c", "from reelcast.cli.main import main; main()"]
PATIENCE = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    make_movie(folder / "a film.mp4", RECIPES["movie.mp4"])
    (folder / "more").mkdir()
    make_movie(folder / "more" / "sound.wav", RECIPES["sound.wav"])
    return folder


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [*REELCAST, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=cwd, check=False)


@asynccontextmanager
async def serving(
    *arguments: str | Path, lines: int, cwd: Path | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """A server process that has printed so many lines."""
    command = [*REELCAST, "serve", *map(str, arguments)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, cwd=cwd)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            shown = [(await process.stdout.readline()).decode().rstrip("\n") for _ in range(lines)]
        yield process, shown
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """What a command says that fails as it should: one line, no traceback."""
    assert result.returncode == 1
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if "datagrams are sent by" not in line]
    assert len(lines) == 1
    assert lines[0].startswith("reelcast: ")
    return lines[0]


# Errors are one line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    line = one_line(run("serve", tmp_path / "missing.mp4"))
    assert line.endswith("missing.mp4: no such file or folder")


def test_a_folder_without_media(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see")
    line = one_line(run("serve", cwd=tmp_path))
    assert (
        line
        == "reelcast: .: no media files in this folder; name another, or --publish NAME to serve what is published"
    )


def test_a_port_in_use(folder: Path, taken: int) -> None:
    line = one_line(run("serve", folder, "--host", "127.0.0.1", "--port", str(taken)))
    assert f"port {taken} of 127.0.0.1 is in use" in line
    assert "--port" in line


def test_a_udp_port_in_use(folder: Path) -> None:
    with Ports() as ports:
        line = one_line(
            run("serve", folder, "--host", "127.0.0.1", "--port", "0", "--rtp-port", str(ports.pair[0]))
        )
    assert f"UDP port {ports.pair[0]}" in line
    assert line.rstrip().endswith("choose another with --rtp-port")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "99999"],
        ["--port", "-1"],
        ["--port", "x"],
        ["--rtp-port", "65535"],
        ["--timeout", "1"],
        ["--max-connections", "0"],
        ["--max-sessions", "-1"],
        ["--idle-timeout", "0"],
        ["--patience", "-1"],
        ["--relay", "rtsp://camera/"],
        ["--relay", "=rtsp://camera/"],
        ["--live", "name"],
        ["--status-seconds", "0"],
        ["--what"],
    ],
)
def test_options_that_are_wrong(tmp_path: Path, arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["serve", str(tmp_path), *arguments])
    assert result.exit_code == 2


def test_help() -> None:
    result = CliRunner().invoke(app, ["serve", "--help"])
    assert result.exit_code == 0
    assert "Serve media files, cameras and what is published over RTSP" in result.stdout
    for words in (
        "Cameras and publishers",
        "Recording",
        "Encryption (RTSPS)",
        "reelcast serve --publish studio",
    ):
        assert words in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--relay", "cam=http://camera/"], '--relay: paths."/cam".relay: must be a URL such as "rtsp://'),
        (
            ["--relay", "cam=rtsp://a/", "--workers", "2"],
            "--workers: listen.workers: workers share no live path, and",
        ),
        (
            ["--record", "x", "--workers", "2"],
            "--workers: listen.workers: workers share no live path, so there is none",
        ),
        (["--publish", "a", "--relay", "/a/=rtsp://b/"], "two things to be served are named 'a': rename one"),
        (
            ["--publish", "a", "--tls-port", "0"],
            "--tls-port: tls: there is no certificate; give certificate and key, or",
        ),
        (
            ["--publish", "a", "--key", "k"],
            "--key: tls.key: there is no certificate to it; give certificate too",
        ),
        (["empty.mp4"], "empty.mp4: is empty; who asks for it is answered 415"),
        (["--publish", "a", "--record", "empty.mp4"], "--record: record.folder: empty.mp4 is a file; name a"),
        (["--live", "a=none.mp4"], '--live: paths."/a": none.mp4: no such file'),
        (["--host", "localhost"], "--host: listen.host: must be a numeric address"),
        (["--config", "none.toml"], "none.toml: cannot be read: No such file or directory; look at --config"),
    ],
)
def test_flags_that_are_wrong_together(
    tmp_path: Path,
    arguments: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.mp4").touch()
    monkeypatch.setattr("sys.argv", ["reelcast", "serve", "--check", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.startswith(f"reelcast: {said}")


# Configuration

CAMERA = "[listen]\nhost = '127.0.0.1'\nport = 0\n[paths.cam]\nlive_file = 'a film.mp4'\n"


def test_a_configuration_that_is_in_order(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(CAMERA.replace("a film.mp4", str(folder / "a film.mp4")))
    result = run("serve", "--check", "--config", file)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{file} is in order\n", "")


def test_a_configuration_that_is_not(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(CAMERA)
    line = one_line(run("serve", "--config", file))
    assert line == f'reelcast: {file}:4: paths."/cam": {tmp_path}/a film.mp4: no such file'


def write(file: Path, text: str) -> None:
    file.write_text(text)


async def test_from_a_configuration_to_a_recording(folder: Path, tmp_path: Path) -> None:
    """A camera is relayed and recorded; the file is saved anew; a signal ends it, and the last file is finished."""
    write(tmp_path / "camera.toml", CAMERA.replace("a film.mp4", str(folder / "a film.mp4")))
    write(tmp_path / "station.toml", "")
    async with serving("--config", tmp_path / "camera.toml", lines=1) as (_, cameras):
        options = ["--host", "127.0.0.1", "--port", "0", "--relay", f"door={cameras[0]}", "--record", "films"]
        async with serving("--config", "station.toml", *options, lines=1, cwd=tmp_path) as (process, shown):
            port = int(re.findall(r":(\d+)/", shown[0])[0])
            assert shown[0].endswith("/door")
            async with await Client.connect(port) as client:
                session = (await client.setup("/door/trackID=1", 0)).session
                await client.ask("PLAY", "/door", f"Session: {session}")
                await client.packets(0, 3)
                write(tmp_path / "station.toml", "[paths.more]\npublish = true")
                process.send_signal(signal.SIGHUP)
                assert process.stderr is not None
                async with asyncio.timeout(PATIENCE):
                    log = b""
                    while b"station.toml was read again" not in log:
                        log += await process.stderr.readline()
                assert b"new: /more" in log
                assert b"without users: anyone may read, publishing only from this machine" in log
                await client.packets(0, len(client.frames[0]) + 3)
            process.terminate()
            assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    with Index(tmp_path / "films", read_only=True) as index:
        assert {segment.growing for segment in index.segments("/door")} == {False}


async def test_workers_read_a_configuration_again(folder: Path, tmp_path: Path) -> None:
    text = CAMERA.replace("a film.mp4", str(folder / "a film.mp4")).replace(
        "port = 0", "port = 0\nworkers = 2"
    )
    write(tmp_path / "station.toml", text)
    async with serving("--config", "station.toml", lines=1, cwd=tmp_path) as (process, _):
        write(tmp_path / "station.toml", text.replace("paths.cam", "paths.other"))
        process.send_signal(signal.SIGHUP)
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            log = b""
            while log.count(b"new: /other") < 2:
                log += await process.stderr.readline()
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0


async def test_workers_share_the_port_of_rtsps_too(folder: Path, tmp_path: Path) -> None:
    options = "--host", "127.0.0.1", "--port", "0", "--workers", "2"
    encryption = "--tls-port", "0", "--self-signed", tmp_path / "tls.pem"
    async with serving(folder / "a film.mp4", *options, *encryption, lines=2) as (_, shown):
        trust = ssl.create_default_context(cafile=tmp_path / "tls.pem")
        port = int(re.findall(r"rtsps://127\.0\.0\.1:(\d+)/", shown[1])[0])
        for _ in range(6):
            async with await Client.connect(port, tls=trust) as client:
                assert (await client.ask("DESCRIBE", shown[1])).status == 200


# Serving


async def test_the_urls_are_printed(folder: Path) -> None:
    async with serving("--host", "127.0.0.1", "--port", "0", lines=2, cwd=folder) as (_, shown):
        urls = [re.sub(r":\d+/", ":PORT/", line) for line in shown]
        assert urls == ["rtsp://127.0.0.1:PORT/a%20film.mp4", "rtsp://127.0.0.1:PORT/more/sound.wav"]


async def test_several_things_are_served_under_their_names(folder: Path) -> None:
    paths = folder / "a film.mp4", folder / "more"
    async with serving(*paths, "--host", "127.0.0.1", "--port", "0", lines=2) as (_, shown):
        port = int(re.findall(r":(\d+)/", shown[0])[0])
        assert [line.rpartition(f":{port}")[2] for line in shown] == ["/a%20film.mp4", "/more/sound.wav"]
        async with await Client.connect(port) as client:
            for line in shown:
                assert (await client.ask("DESCRIBE", line)).status == 200


async def test_transport_streams_are_sent_whole_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "film.ts"
    path.write_bytes(b"".join(ts_packet(3600 * at) + ts_packet() * 20 for at in range(50)))
    async with serving("--whole-ts", path, "--host", "127.0.0.1", "--port", "0", lines=1) as (_, shown):
        port = int(re.findall(r":(\d+)/", shown[0])[0])
        async with await Client.connect(port) as client:
            answer = await client.ask("DESCRIBE", "/film.ts")
    assert b"m=video 0 RTP/AVP 33\r\n" in answer.body
    assert b"a=rtpmap:33 MP2T/90000\r\n" in answer.body


async def test_a_broken_movie_is_refused_and_the_others_are_served(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no movie" * 100)
    async with serving(broken, folder / "a film.mp4", "--host", "127.0.0.1", "--port", "0", lines=2) as (
        _,
        shown,
    ):
        port = int(re.findall(r":(\d+)/", shown[0])[0])
        async with await Client.connect(port) as client:
            assert (await client.ask("DESCRIBE", "/broken.mp4")).status == 415
            assert (await client.ask("DESCRIBE", "/a%20film.mp4")).status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_politely(folder: Path, number: signal.Signals) -> None:
    """Conformance H40."""
    film = folder / "a film.mp4"
    async with serving(film, "--host", "127.0.0.1", "--port", "0", lines=1) as (process, shown):
        port = int(re.findall(r":(\d+)/", shown[0])[0])
        async with await Client.connect(port) as client:
            with Ports() as ports:
                path = "/a%20film.mp4"
                answer = await client.ask("SETUP", f"{path}/trackID=1", ports.transport)
                await client.ask("PLAY", path, f"Session: {answer.session}")
                tcp = f"Session: {(await client.setup(f'{path}/trackID=1')).session}"
                await client.ask("PLAY", path, tcp)
                await asyncio.gather(ports.packets(3), client.packets(0, 3))
                process.send_signal(number)
                _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
                assert process.returncode == 0
                assert b"Traceback" not in errors
                await client.gone()
                assert rtcp_kinds(client.frames[1][-1]) == [200, 202, 203]
                assert rtcp_kinds(ports.reports()[-1]) == [200, 202, 203]


async def test_a_goodbye_to_a_hundred(folder: Path) -> None:
    """Conformance H40: SIGTERM with readers of every kind."""
    film = folder / "a film.mp4"
    options = "--live", f"live={film}", "--host", "127.0.0.1", "--port", "0"
    async with (
        serving(film, *options, lines=2) as (process, shown),
        contextlib.AsyncExitStack() as stack,
    ):
        port = int(re.findall(r":(\d+)/", shown[0])[0])
        over_tcp: list[Client] = []
        over_udp: list[Ports] = []
        for number in range(100):
            client = await stack.enter_async_context(await Client.connect(port))
            path = "/live" if number % 4 < 2 else "/a%20film.mp4"
            if number % 2:
                over_tcp.append(client)
                answer = await client.setup(f"{path}/trackID=1")
            else:
                over_udp.append(stack.enter_context(Ports()))
                answer = await client.ask("SETUP", f"{path}/trackID=1", over_udp[-1].transport)
            assert (await client.ask("PLAY", path, f"Session: {answer.session}")).status == 200
        await asyncio.gather(*(client.packets(0, 1) for client in over_tcp))
        await asyncio.gather(*(ports.packets(1) for ports in over_udp))
        process.send_signal(signal.SIGTERM)
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0
        assert b"Traceback" not in errors
        for client in over_tcp:
            await client.gone()
            assert 203 in rtcp_kinds(client.frames[1][-1])
        for ports in over_udp:
            assert 203 in rtcp_kinds(ports.reports()[-1])


async def test_limits(folder: Path) -> None:
    """Conformance T23."""
    options = "--max-connections", "3", "--max-connections-per-address", "2", "--max-sessions", "2"
    more = "--max-sessions-per-address", "1", "--idle-timeout", "2", "--stall-timeout", "5"
    film = folder / "a film.mp4"
    async with serving(film, "--host", "127.0.0.1", "--port", "0", *options, *more, lines=1) as (_, shown):
        port = int(re.findall(r":(\d+)/", shown[0])[0])
        async with await Client.connect(port) as first, await Client.connect(port) as second:
            async with await Client.connect(port) as third:
                assert (await third.answer()).status == 503
            assert (await first.setup("/a%20film.mp4/trackID=1")).status == 200
            assert (await second.setup("/a%20film.mp4/trackID=1")).status == 453
            # The second has no session, so that it is idle now.
            await second.gone()


async def test_there_are_as_many_publishers_as_are_told() -> None:
    options = "--host", "127.0.0.1", "--port", "0", "--publish", "studio", "--max-publications", "1"
    async with serving(*options, lines=1) as (_, shown):
        port = int(re.findall(r":(\d+)/", shown[0])[0])
        async with await Client.connect(port) as client:
            assert (await Publisher(client, "/studio").announce()).status == 200
            assert (await Publisher(client, "/other").announce()).status == 453


async def test_the_dialogue_is_shown_on_demand(folder: Path) -> None:
    options = "--host", "127.0.0.1", "--port", "0", "--verbose", "--timeout", "30"
    async with serving(folder / "a film.mp4", *options, lines=1) as (process, shown):
        port = int(re.findall(r":(\d+)/", shown[0])[0])
        async with await Client.connect(port) as client:
            answer = await client.ask("SETUP", "/a%20film.mp4/trackID=1", "Transport: RTP/AVP/TCP")
            assert answer["Session"].endswith(";timeout=30")
        process.terminate()
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
        text = errors.decode()
        assert "< SETUP rtsp://127.0.0.1" in text
        assert "> 200 OK | CSeq: 1" in text
        assert "-> 200" in text
