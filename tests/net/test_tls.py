"""TLS of a server: its certificate, its handshakes, and media that is written through it."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from tests.groups import AUDIO, VIDEO, burst, group_of
from tests.net.authority import PASSPHRASE, authority, key_pem, signed
from tests.server.raw import until

from reelcast.errors import TransportError
from reelcast.net import listener as module
from reelcast.net.carrier import InterleavedCarrier
from reelcast.net.fanout import FanOut
from reelcast.net.flight import Aired
from reelcast.net.interleaved import InterleavedWriter
from reelcast.net.interleaved_fanout import MAX_QUEUE_BYTES
from reelcast.net.listener import Listener
from reelcast.net.tls import DEFAULT_TLS_PORT, Tls
from reelcast.rtp.sender import Sender

FRAMES = 500
PATIENCE = 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """authority.pem; server0.pem and server1.pem, signed by it; key0.pem and key1.pem; secret.pem, encrypted."""
    folder = tmp_path_factory.mktemp("tls")
    authority(folder)
    for number in (0, 1):
        signed(folder, number)
        (folder / f"key{number}.pem").write_bytes(key_pem(number))
    (folder / "secret.pem").write_bytes(key_pem(0, PASSPHRASE))
    return folder


def tls_of(folder: Path, number: int = 0) -> Tls:
    return Tls(0, folder / f"server{number}.pem", folder / f"key{number}.pem")


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=folder / "authority.pem")


class End(asyncio.Protocol):
    """The server's end: its writer, and what it has heard."""

    def __init__(self) -> None:
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.writer = InterleavedWriter(transport)

    def data_received(self, data: bytes) -> None:
        self.heard += data


class Door:
    """A listener on loopback, and the ends of who has come in."""

    def __init__(self) -> None:
        self.ends: list[End] = []
        self.listener: Listener

    def __call__(self) -> End:
        end = End()
        self.ends.append(end)
        return end

    @property
    def writers(self) -> list[InterleavedWriter]:
        return [end.writer for end in self.ends if hasattr(end, "writer")]

    async def connect(self, trust: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        count = len(self.writers)
        pair = await asyncio.open_connection("127.0.0.1", self.listener.port, ssl=trust, limit=1 << 16)
        # With TLS 1.3, the server's handshake ends behind the client's.
        await until(lambda: len(self.writers) > count)
        return pair


@asynccontextmanager
async def door(tls: Tls) -> AsyncIterator[Door]:
    door = Door()
    door.listener = await Listener.open("127.0.0.1", 0, door, tls=tls.context())
    try:
        yield door
    finally:
        door.listener.close()
        for end in door.ends:
            if hasattr(end, "transport"):
                end.transport.abort()
        await asyncio.sleep(0)


def aired(frames: int = FRAMES) -> Aired:
    """Frames of video and sound, all of it to be told apart."""
    group = group_of(
        pair
        for number in range(frames)
        for pair in (
            (0, burst(VIDEO, 3600 * number, (1400, 1400, 7 + number), keyframe=number % 25 == 0)),
            (1, burst(AUDIO, 320 * number, (160,))),
        )
    )
    return Aired(0, group, {0: Sender(1, 9, 0, 90_000), 1: Sender(2, 9, 0, 8_000)}, 0.0)


AIRED = aired()
LAYOUT = (0, 0, 1), (1, 2, 3)
CHANNELS = {0: (0, 1), 1: (2, 3)}
WHOLE = b"".join(AIRED.flight(LAYOUT).packets(0, len(AIRED.group)))


async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


# The certificate


def test_a_context_of_any_good_pair(folder: Path) -> None:
    assert tls_of(folder).context().minimum_version == ssl.TLSVersion.TLSv1_2
    Tls(0, folder / "server0.pem", folder / "secret.pem", PASSPHRASE).context()


def test_what_openssl_refuses_is_told_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ssl.SSLError(1, "[SSL: EE_KEY_TOO_SMALL] ee key too small")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", refuse)
    with pytest.raises(TransportError, match=r"server0\.pem: cannot be used: .*too small"):
        tls_of(folder).context()


async def test_one_that_is_made_here(tmp_path: Path) -> None:
    file = tmp_path / "tls.pem"
    tls = Tls.self_signed(file, ["cam.example"])
    assert (tls.port, tls.certificate, tls.key) == (DEFAULT_TLS_PORT, file, None)
    assert len(tls.fingerprint) == 95
    assert Tls.self_signed(file, port=0).fingerprint == tls.fingerprint
    async with door(tls) as inside:
        trust = ssl.create_default_context(cafile=file)
        # As Python does by itself from 3.13 on.
        trust.verify_flags |= ssl.VERIFY_X509_STRICT
        pair = await inside.connect(trust)
        await gone(*pair)


async def test_another_certificate_is_for_those_who_come_then(folder: Path) -> None:
    async with door(tls_of(folder)) as inside:
        first = await inside.connect(trusting(folder))
        inside.listener.tls = tls_of(folder, 1).context()
        second = await inside.connect(trusting(folder))
        serials = [pair[1].get_extra_info("peercert")["serialNumber"] for pair in (first, second)]
        assert serials[0] != serials[1]
        inside.ends[0].writer.write(b"still here")
        assert await first[0].readexactly(10) == b"still here"
        for pair in (first, second):
            await gone(*pair)


# Handshakes


async def say(inside: Door, data: bytes) -> bytes:
    """Connect without TLS, and say this; the answer, to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", inside.listener.port)
    writer.write(data)
    answer = b""
    with suppress(ConnectionResetError):
        answer = await reader.read()
    await gone(reader, writer)
    return answer


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
        b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1",
        b"GET / HTTP/1.1\r\n\r\n",
        b"$\x00\x00\x04abcd",
    ],
)
async def test_who_does_not_speak_tls(folder: Path, caplog: pytest.LogCaptureFixture, data: bytes) -> None:
    """Conformance H10."""
    caplog.set_level(logging.INFO)
    async with door(tls_of(folder)) as inside:
        await say(inside, data)
        await until(lambda: "does not speak TLS: rtsp:// is served at another port" in caplog.text)
        assert inside.writers == []
    assert [record.levelno for record in caplog.records] == [logging.INFO]


async def test_who_does_not_finish_is_sent_away(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "HANDSHAKE_SECONDS", 0.05)
    async with door(tls_of(folder)) as inside:
        assert await say(inside, b"") == b""
        await until(lambda: "did not finish the TLS handshake" in caplog.text)


async def test_among_too_many_who_do_not_finish_the_oldest_makes_room(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "MAX_ENTERING", 4)
    async with door(tls_of(folder)) as inside:
        silent = [await asyncio.open_connection("127.0.0.1", inside.listener.port) for _ in range(7)]
        async with asyncio.timeout(PATIENCE):
            for reader, _ in silent[:3]:
                assert await reader.read() == b""
        assert not any(reader.at_eof() for reader, _ in silent[3:])
        await gone(*await inside.connect(trusting(folder)))
        assert caplog.text.count("did not finish the TLS handshake") == 4
        for pair in silent:
            await gone(*pair)


async def test_who_does_not_trust_leaves(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with door(tls_of(folder)) as inside:
        with pytest.raises(ssl.SSLCertVerificationError):
            await inside.connect(ssl.create_default_context())
        await until(lambda: "has left within the TLS handshake" in caplog.text)


async def test_an_alert_says_why(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """ffmpeg and GStreamer send one; asyncio's client does not."""
    caplog.set_level(logging.INFO)
    async with door(tls_of(folder)) as inside:
        await asyncio.to_thread(_distrust, inside.listener.port)
        await until(lambda: "does not trust the certificate (unknown ca)" in caplog.text)


def _distrust(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock, suppress(ssl.SSLError):
        ssl.create_default_context().wrap_socket(sock, server_hostname="127.0.0.1")


async def test_a_version_of_old(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    # What a client of TLS 1.1 begins with.
    hello = bytes.fromhex("160302002f0100002b0302") + bytes(32) + bytes.fromhex("000004c014003501 00")
    async with door(tls_of(folder)) as inside:
        await say(inside, hello)
        await until(lambda: "failed at the TLS handshake: unsupported protocol" in caplog.text)


# Media


async def test_frames_arrive_as_they_were_written(folder: Path) -> None:
    """Bit by bit, whenever the connection has room."""
    async with door(tls_of(folder)) as inside:
        reader, writer = await inside.connect(trusting(folder))
        sender = inside.ends[0].writer
        assert sender.send is None

        async def send() -> None:
            flight = AIRED.flight(LAYOUT)
            for run in flight.group.runs:
                await until(lambda: sender.idle)
                sender.write_packets(flight, run.first, run.count)

        async with asyncio.timeout(PATIENCE):
            _, received = await asyncio.gather(send(), reader.readexactly(len(WHOLE)))
        assert received == WHOLE
        await gone(reader, writer)


def fan_out(inside: Door) -> tuple[FanOut, Callable[[], None]]:
    """All who have come are sent the same; what is called sends it."""
    readers = FanOut()
    for end in inside.ends:
        InterleavedCarrier(end.writer, CHANNELS).join(readers)

    def send() -> None:
        runs = AIRED.group.runs
        for number, run in enumerate(runs):
            readers.begin(AIRED, number, number + 1, entry=run.keyframe and run.track == 0)
            readers.finish()

    return readers, send


async def test_many_readers_of_one_stream(folder: Path) -> None:
    async with door(tls_of(folder)) as inside:
        pairs = [await inside.connect(trusting(folder)) for _ in range(20)]
        _, send = fan_out(inside)
        gathered = asyncio.gather(*(reader.readexactly(len(WHOLE)) for reader, _ in pairs))
        send()
        async with asyncio.timeout(PATIENCE):
            assert await gathered == [WHOLE] * len(pairs)
        for pair in pairs:
            await gone(*pair)


async def test_a_slow_reader_misses_frames_and_nobody_else_does(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door(tls_of(folder)) as inside:
        quick, slow = await inside.connect(trusting(folder)), await inside.connect(trusting(folder))
        _, send = fan_out(inside)
        transport = slow[1].transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        rounds = 8 * MAX_QUEUE_BYTES // len(WHOLE) + 1
        async with asyncio.timeout(PATIENCE):
            for _ in range(rounds):
                send()
                assert await quick[0].readexactly(len(WHOLE)) == WHOLE
        assert inside.ends[1].writer.queued() < 2 * MAX_QUEUE_BYTES
        assert "is too slow: frames are left out until the next keyframe" in caplog.text
        for pair in (quick, slow):
            pair[1].transport.abort()
            await gone(*pair)
