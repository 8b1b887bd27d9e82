"""What is built from a configuration, and what another configuration changes: over real sockets."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.media.conftest import RECIPES, make_movie
from tests.server.raw import Client, gaps, rtcp_kinds
from tests.station.stations import live, status

from reelcast.errors import ConfigurationError, MediaError, ProtocolError, TransportError
from reelcast.net.tls import Tls
from reelcast.rtp.intake import ReceivedUnit
from reelcast.server.live import Live
from reelcast.station.configuration import Configuration
from reelcast.station.station import Station
from reelcast.station.toml_file import Flags, read_configuration
from reelcast.track import AccessUnit, Track

AUDIO = Track("audio", "pcmu", 8000, 0, channels=1)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    make_movie(folder / "film.mp4", RECIPES["movie.mp4"])
    return folder


def told(text: str, folder: Path, name: str = "station.toml") -> Configuration:
    """A configuration of a file in `folder`, on a free port of loopback."""
    file = folder / name
    file.write_text(text)
    return read_configuration(file, Flags({"listen": {"host": "127.0.0.1", "port": 0}}))


@asynccontextmanager
async def running(text: str, folder: Path) -> AsyncIterator[Station]:
    station = Station(told(text, folder))
    async with station.server:
        yield station


def paths(station: Station) -> list[str]:
    port = station.server.port
    return [url.removeprefix(f"rtsp://127.0.0.1:{port}") for url in station.server.urls()]


async def play(client: Client, path: str) -> str:
    """Play the first track over TCP, until packets come; the session."""
    session = (await client.setup(f"{path}/trackID=1", 0)).session
    assert (await client.ask("PLAY", path, f"Session: {session}")).status == 200
    await client.packets(0, 3)
    return session


FILES = """
[paths."/all of it"]
file = "."
[paths.film]
file = "film.mp4"
[paths.loop]
live_file = "film.mp4"
[paths.studio]
publish = true
"""


LOOP_AND_FILM = "[paths.loop]\nlive_file = 'film.mp4'\n[paths.film]\nfile = 'film.mp4'"


async def test_what_is_said_is_served(films: Path) -> None:
    async with running(FILES, films) as station:
        assert paths(station) == ["/all%20of%20it/film.mp4", "/film", "/loop", "/studio"]
        assert [await status(station, path) for path in ("/film", "/loop", "/studio", "/x")] == [
            200,
            200,
            404,
            404,
        ]
        assert station.notices() == ["without users: anyone may read, publishing only from this machine"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '\n[paths.film]\nfile = "none.mp4"',
            r"station\.toml:2: paths\.\"/film\": .*none\.mp4: no such file or folder",
        ),
        (
            '[paths.film]\nlive_file = "none.mp4"',
            r"station\.toml:1: paths\.\"/film\": .*none\.mp4: no such file",
        ),
        ('[paths.film]\nlive_file = "station.toml"', r"station\.toml:1: paths\.\"/film\": "),
    ],
)
def test_what_cannot_be_served(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Station(told(text, tmp_path))


async def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is served all the same: it may be mended before anybody asks for it."""
    (tmp_path / "film.mp4").touch()
    flaw = f"{tmp_path}/film.mp4: is empty; who asks for it is answered 415"
    text = '[paths.film]\nfile = "film.mp4"\n[paths.ts]\nfile = "film.mp4"\nwhole_ts = true'
    async with running(text, tmp_path) as station:
        assert paths(station) == ["/film", "/ts"]
        assert station.notices()[:-1] == station.flaws == [flaw]
        await station.apply(told(text + '\n[paths.again]\nfile = "film.mp4"', tmp_path))
        assert station.flaws == [flaw]
        assert flaw in caplog.messages


def test_what_a_flag_names_and_cannot_be_served(tmp_path: Path) -> None:
    flags = Flags({"paths": {"/x": {"file": tmp_path / "x"}}})
    with pytest.raises(MediaError, match=r"^[^:]*/x: no such file or folder$"):
        Station(read_configuration(None, flags))


async def test_a_path_that_stays_is_not_disturbed(films: Path) -> None:
    async with running(FILES, films) as station, await Client.connect(station.server.port) as client:
        await play(client, "/loop")
        before = len(client.frames[0])
        await station.apply(told('[paths.loop]\nlive_file = "film.mp4"\n[paths.other]\nfile = "."', films))
        assert paths(station) == ["/loop", "/other/film.mp4"]
        packets = await client.packets(0, before + 30)
        assert gaps(packets) == []
        assert len({packet.ssrc for packet in packets}) == 1
        assert not client.closed.is_set()


async def test_a_path_that_is_taken_away_ends(films: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(FILES, films) as station, await Client.connect(station.server.port) as client:
        await play(client, "/film")
        await station.apply(told('[paths."/all of it"]\nfile = "."', films))
        await client.until(lambda: bool(client.frames[1]) and 203 in rtcp_kinds(client.frames[1][-1]))
        assert await status(station, "/film") == 404
        assert await status(station, "/all%20of%20it/film.mp4") == 200
    assert "no longer served: /film, /loop, /studio" in caplog.messages


async def test_a_path_that_changes_is_another(films: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(FILES, films) as station:
        assert await status(station, "/studio") == 404
        await station.apply(told(FILES.replace("publish = true", 'file = "film.mp4"'), films))
        assert await status(station, "/studio") == 200
    assert "changed: /studio" in caplog.messages


@pytest.mark.parametrize("wrong", ["film", "other"])
async def test_what_cannot_be_served_leaves_all_as_it_was(films: Path, wrong: str) -> None:
    async with running(FILES, films) as station:
        before = {path: station.server.mounted(path) for path in ("/film", "/loop", "/studio")}
        text = f'[paths.new]\nlive_file = "film.mp4"\n[paths.{wrong}]\nfile = "none.mp4"'
        with pytest.raises(ConfigurationError, match=r"station\.toml:3: .*none\.mp4"):
            await station.apply(told(text, films))
        assert before == {path: station.server.mounted(path) for path in before}
        assert station.server.mounted("/new") is None


async def test_policies_change_in_place(films: Path) -> None:
    async with running("[paths.studio]\npublish = true", films) as station:
        studio = live(station, "/studio")
        assert (studio.policy.take_over, studio.policy.patience, studio.policy.linger) == (False, 10, 10)
        more = "[live]\npatience = 3\nlinger = 4\n[paths.studio]\npublish = true\ntake_over = true"
        await station.apply(told(more, films))
        assert live(station, "/studio") is studio
        assert (studio.policy.take_over, studio.policy.patience, studio.policy.linger) == (True, 3, 4)


async def test_what_is_published_becomes_what_is_configured(films: Path) -> None:
    """A path that a publisher made stays when the file names it, for good; and ends when it is taken out again."""
    async with running("[live]\ntake_over = true", films) as station:
        made = station.server._mounts.publish_to("/studio")
        assert made.policy.take_over
        displaced: list[int] = []
        made.feed([AUDIO], "somebody", lambda: displaced.append(1))
        await station.apply(told("[paths.studio]\npublish = true", films))
        assert live(station, "/studio") is made
        assert not made.policy.take_over
        assert made.on_over is None
        await station.apply(told("", films))
        assert displaced == [1]
        assert station.server.mounted("/studio") is None


async def test_paths_that_are_not_in_the_file(films: Path) -> None:
    async with running("[live]\nany_path = false\n[paths.studio]\npublish = true", films) as station:
        mounts = station.server._mounts
        with pytest.raises(ProtocolError, match="/x is none of the paths") as caught:
            mounts.publish_to("/x")
        assert caught.value.status == 403
        assert mounts.publish_to("/studio") is live(station, "/studio")
        await station.apply(told("", films))
        assert isinstance(mounts.publish_to("/x"), Live)


async def test_what_takes_a_new_start_is_said(films: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running("[paths.film]\nfile = 'film.mp4'", films) as station:
        again = told("[listen]\ntimeout = 30\n[limits]\nsessions = 5\n[paths.film]\nfile = 'film.mp4'", films)
        await station.apply(again)
        said = [message for message in caplog.messages if "started again" in message]
        assert [message.split()[0] for message in said] == ["listen", "limits"]
        assert await status(station, "/film") == 200


HA1 = hashlib.md5(b"alice:reelcast:secret").hexdigest()
USERS = f"[paths.film]\nfile = 'film.mp4'\n[users.alice]\nha1 = '{HA1}'\n"


async def test_users_change_and_disturb_nobody_else(films: Path) -> None:
    """Who may no longer watch is told goodbye; who may, watches on."""
    anyone = "[anyone]\nread = ['/loop']\n[paths.loop]\nlive_file = 'film.mp4'\n"
    async with running(LOOP_AND_FILM, films) as station:
        async with (
            await Client.connect(station.server.port) as stays,
            await Client.connect(station.server.port) as goes,
        ):
            await play(stays, "/loop")
            await play(goes, "/film")
            await station.apply(told(anyone + USERS, films))
            await goes.until(lambda: bool(goes.frames[1]) and 203 in rtcp_kinds(goes.frames[1][-1]))
            assert gaps(await stays.packets(0, len(stays.frames[0]) + 20)) == []
        assert await status(station, "/film") == 401
        assert await status(station, "/loop") == 200
        assert station.notices() == ["1 user; anyone may read /loop"]
        await station.apply(told(LOOP_AND_FILM, films))
        assert await status(station, "/film") == 200


async def test_tls(films: Path) -> None:
    async with running(
        "[tls]\nport = 0\nself_signed = 'own.pem'\n[paths.film]\nfile = 'film.mp4'", films
    ) as station:
        assert (films / "own.pem").exists()
        assert [url.partition(":")[0] for url in station.server.urls()] == ["rtsp", "rtsps"]
        assert station.notices()[-1].startswith("SHA-256 of the certificate: ")
        await station.apply(station.told)


async def test_a_certificate_is_read_again(films: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One of the user's, as it happens made by us; when it is broken, all else that changed is served."""
    Tls.self_signed(films / "cert.pem")
    text = "[tls]\nport = 0\ncertificate = 'cert.pem'\n"
    async with running(text, films) as station:
        (films / "broken.pem").write_text("no certificate")
        (films / "broken.pem").replace(films / "cert.pem")
        await station.apply(told(text + "[paths.film]\nfile = 'film.mp4'", films))
        assert "the certificate stays as it was" in caplog.text
        assert await status(station, "/film") == 200
    with pytest.raises(TransportError, match=r"cert\.pem"):
        Station(told(text, films))


async def test_a_relay_takes_the_place_of_what_was_published(films: Path) -> None:
    async with running("", films) as station:
        made = station.server._mounts.publish_to("/door")
        gone: list[int] = []
        made.feed([AUDIO], "somebody", lambda: gone.append(1))
        await station.apply(told("[paths.door]\nrelay = 'rtsp://127.0.0.1:1/'\non_demand = true", films))
        assert gone == [1]
        assert live(station, "/door") is not made


def test_several_workers_take_no_publishers(films: Path) -> None:
    station = Station(told("[listen]\nworkers = 2\n[paths.film]\nfile = 'film.mp4'", films), worker=1)
    assert station.notices()[-1] == "with several workers, nobody can publish"
    with pytest.raises(ProtocolError, match="/x is none of the paths"):
        station.server._mounts.publish_to("/x")


async def test_several_workers_do_not_become_one(films: Path) -> None:
    station = Station(told("[listen]\nworkers = 2\n[paths.film]\nfile = 'film.mp4'", films), worker=1)
    with pytest.raises(ConfigurationError, match="workers share no live path, and /studio is one"):
        await station.apply(told("[paths.studio]\npublish = true", films))
    assert station.server.mounted("/film") is not None


async def test_how_live_paths_are_is_said(films: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running("[paths.studio]\npublish = true", films) as station:
        station.say_status()
        feeding = live(station, "/studio").feed([AUDIO], "10.0.0.9:5000", lambda: None)
        async with await Client.connect(station.server.port) as client:
            assert (await client.setup("/studio/trackID=1", 0)).status == 200
            feeding.put(received(AUDIO, 0))
            station.say_status()
    said = [message for message in caplog.messages if message.startswith("/studio: ")]
    assert said[0] == "/studio: no source, 0 readers"
    assert any(message.startswith("/studio: from 10.0.0.9:5000, ") for message in said)


def received(track: Track, pts: int) -> ReceivedUnit:
    """A unit of 20 ms of sound."""
    unit = AccessUnit(bytes(160), pts, pts, True, 160)
    return ReceivedUnit(
        track=track,
        unit=unit,
        pts=pts / 8000,
        time=None,
        clock="estimated",
        arrival=0.0,
        segment=0,
        corrupt=False,
    )


async def test_a_station_that_is_not_to_serve(films: Path) -> None:
    station = Station(told(FILES, films))
    station.close()
    assert station.server.urls() == []
