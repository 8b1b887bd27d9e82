"""--trust, of all verbs that speak to a server: rtsps:// with a certificate of the server's own making."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cli.verbs import call

from reelcast.net.tls import Tls
from reelcast.server.app import Server

FINGERPRINT = ":".join(["0A"] * 32)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls.self_signed(tmp_path_factory.mktemp("tls") / "tls.pem", port=0)


@pytest.fixture
async def url(movies: Path, tls: Tls) -> AsyncIterator[str]:
    server = Server("127.0.0.1", 0, tls=tls)
    server.mount("/movie", movies / "movie.mp4")
    async with server:
        yield f"rtsps://127.0.0.1:{server.tls_port}/movie"


def commands(folder: Path) -> dict[str, tuple[str, ...]]:
    """Each verb, short; the URL comes in front."""
    return {
        "probe": ("--seconds", "0"),
        "play": ("--headless", "--duration", "0.1"),
        "record": (str(folder / "movie.mkv"), "--duration", "0.1"),
        "snapshot": (str(folder / "movie.png"),),
        "load": ("--duration", "0.1", "--tracks", "1"),
    }


@pytest.mark.parametrize("verb", ["probe", "play", "record", "snapshot", "load"])
async def test_a_server_that_is_trusted(
    url: str, tls: Tls, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = commands(tmp_path)[verb]
    assert await call(monkeypatch, verb, url, *more, "--trust", tls.fingerprint) == 0


@pytest.mark.parametrize("verb", ["probe", "play", "record", "snapshot"])
async def test_a_server_that_is_not(
    url: str, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for trust in ((), ("--trust", FINGERPRINT)):
        assert await call(monkeypatch, verb, url, *commands(tmp_path)[verb], *trust) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"reelcast: {url}: cannot connect: the server is not trusted: ")
        assert "compare its fingerprint with the one that the server shows where it runs" in line


async def test_what_means_nothing(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await call(monkeypatch, "probe", url, "--trust", "nobody") == 2
    assert "is nothing to trust a server by" in " ".join(capsys.readouterr().err.split())
