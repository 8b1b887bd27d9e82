"""Servers of rtsps://: whom a client believes, and what it says where it does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.net.authority import authority, key_pem, signed

from reelcast.client.options import is_encrypted
from reelcast.client.stream import Transport, connect
from reelcast.client.trust import ANYONE, SYSTEM, Trust
from reelcast.errors import DeadlineError, ProtocolError, ReelcastError, RemoteError, TransportError
from reelcast.net.tls import Tls
from reelcast.server.app import Server

FINGERPRINT = ":".join(["AB"] * 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trust")
    authority(folder)
    signed(folder, 0)
    signed(folder, 1, host="192.0.2.1")
    signed(folder, 2, days=-1)
    for number in range(3):
        (folder / f"key{number}.pem").write_bytes(key_pem(number))
    return folder


def server_with(folder: Path, number: int = 0) -> Server:
    tls = Tls(0, folder / f"server{number}.pem", folder / f"key{number}.pem")
    return Server("127.0.0.1", 0, tls=tls)


@pytest.fixture
async def server(folder: Path, movies: Path) -> AsyncIterator[Server]:
    server = server_with(folder)
    server.mount("/movie", movies / "movie.mp4")
    async with server:
        yield server


def url_of(server: Server, path: str = "/movie") -> str:
    return f"rtsps://127.0.0.1:{server.tls_port}{path}"


def fingerprint(server: Server) -> str:
    assert server._ports._tls is not None
    return server._ports._tls.fingerprint


# What a person means


def test_what_is_meant(folder: Path) -> None:
    assert Trust.of(None) is SYSTEM
    assert Trust.of("anyone") is ANYONE
    assert Trust.of(ANYONE) is ANYONE
    assert Trust.of(FINGERPRINT).fingerprint == b"\xab" * 32
    assert Trust.of(FINGERPRINT.replace(":", "").lower()) == Trust.of(FINGERPRINT)
    file = folder / "authority.pem"
    assert Trust.of(file) == Trust.of(str(file)) == Trust(authorities=file)


@pytest.mark.parametrize("what", ["", "anybody", "no/such/file.pem", FINGERPRINT[:-1], Path("none.pem")])
def test_what_means_nothing(what: str | Path) -> None:
    with pytest.raises(ValueError, match="is nothing to trust a server by: name a PEM file"):
        connect("rtsps://127.0.0.1/", trust=what)


@pytest.mark.parametrize(
    ("url", "encrypted"), [("rtsps://h/", True), (" RTSPS://h/", True), ("rtsp://h/", False), ("/p", False)]
)
def test_is_encrypted(url: str, encrypted: bool) -> None:
    assert is_encrypted(url) is encrypted


def test_media_does_not_go_beside_an_encrypted_connection() -> None:
    with pytest.raises(ProtocolError) as caught:
        connect("rtsps://user:secret@127.0.0.1/", transport="udp")
    assert str(caught.value) == "rtsps://127.0.0.1/: over TLS media goes inside the connection"
    assert caught.value.status == 461


# Servers


@pytest.mark.parametrize("transport", ["auto", "tcp"])
@pytest.mark.parametrize("by", ["authority", "fingerprint", "anyone"])
async def test_a_server_that_is_trusted(folder: Path, server: Server, by: str, transport: Transport) -> None:
    trusts = {"authority": str(folder / "authority.pem"), "fingerprint": fingerprint(server)}
    trust = trusts.get(by, by)
    async with connect(url_of(server), trust=trust, transport=transport) as stream:
        assert stream.transport == "tcp"
        received = await anext(stream.units())
        assert received.unit.keyframe


@pytest.mark.parametrize(
    ("number", "trust", "message"),
    [
        (0, None, "unable to get local issuer certificate"),
        (1, "authority.pem", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        (2, "authority.pem", "certificate has expired"),
        (0, FINGERPRINT, "its certificate is another one, with the fingerprint "),
    ],
)
async def test_a_server_that_is_not(folder: Path, number: int, trust: str | None, message: str) -> None:
    if trust is not None and trust.endswith("pem"):
        trust = str(folder / trust)
    async with server_with(folder, number) as server:
        with pytest.raises(TransportError) as caught:
            await connect(url_of(server), trust=trust, timeout=5.0).open()
        assert f": cannot connect: the server is not trusted: {message}" in str(caught.value)
        assert caught.value.advice.startswith("compare its fingerprint")
        assert not server._sessions


async def test_a_pinned_certificate_may_have_any_name_and_age(folder: Path) -> None:
    for number in (1, 2):
        async with server_with(folder, number) as server:
            with pytest.raises(RemoteError, match="404"):
                await connect(url_of(server), trust=fingerprint(server), timeout=5.0).open()


async def test_a_file_without_certificates(folder: Path, server: Server) -> None:
    with pytest.raises(TransportError, match=r"key0\.pem: no certificates can be read from it"):
        await connect(url_of(server), trust=folder / "key0.pem").open()


async def test_the_wrong_port(server: Server) -> None:
    for port, scheme, message, advice in (
        (
            server.port,
            "rtsps",
            "cannot connect: TLS: ",
            "rtsps:// is for servers that speak TLS on this port",
        ),
        (
            server.tls_port,
            "rtsp",
            "the server closed the connection",
            "it said nothing at all: if it speaks TLS",
        ),
    ):
        with pytest.raises(TransportError, match=message) as caught:
            await connect(f"{scheme}://127.0.0.1:{port}/movie", trust="anyone", timeout=5.0).open()
        assert caught.value.advice.startswith(advice)


async def test_a_handshake_that_is_not_finished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsps://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(DeadlineError, match=r"no connection within 0\.1 s"):
            await connect(url, timeout=0.1).open()


async def test_a_server_that_leaves_within_the_handshake() -> None:
    async def leave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(leave, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for trust in ("anyone", FINGERPRINT):
            with pytest.raises(ReelcastError, match="connect"):
                await connect(f"rtsps://127.0.0.1:{port}/", trust=trust, timeout=5.0).open()
