"""A server on loopback that says what a test tells it to, and writes down what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from reelcast.rtp.packet import Packet
from reelcast.rtp.rtcp import Bye, SenderReport, compound
from reelcast.rtsp.authentication import Credentials
from reelcast.rtsp.headers import TransportSpec
from reelcast.rtsp.message import Frame, Headers, Request, Response
from reelcast.rtsp.reader import Reader

__all__ = [
    "CREDENTIALS",
    "LOGIN",
    "SDP",
    "SSRC",
    "Answer",
    "ScriptedServer",
    "audio",
    "goodbye",
    "guard",
    "reply",
    "sender_report",
    "with_login",
]

SSRC = 0x1234
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test\r\nt=0 0\r\na=control:*\r\na=range:npt=0-8\r\n"
    b"m=audio 0 RTP/AVP 0\r\na=control:track1\r\n"
)

CREDENTIALS = Credentials("admin", "a:b@c/d")
LOGIN = "admin:a%3Ab%40c%2Fd@"
"""The same, as it stands in a URL."""

Answer = Callable[[Request], Response | bytes | None]


def reply(status: int = 200, *headers: tuple[str, str], body: bytes = b"") -> Answer:
    """Answer with this, in due form."""
    return lambda request: Response.to(request, status, headers, body)


def audio(sequence: int, *, timestamp: int | None = None, ssrc: int = SSRC) -> bytes:
    """One RTP packet of PCMU, 20 ms long."""
    place = 160 * sequence if timestamp is None else timestamp
    return Packet(0, sequence, place, ssrc, False, bytes(160)).to_bytes()


def sender_report(rtp: int, ntp: int) -> bytes:
    """A report that ties an RTP timestamp to a 64-bit NTP time."""
    return compound(SenderReport(SSRC, ntp, rtp, 1, 160))


def goodbye(ssrc: int = SSRC) -> bytes:
    """A BYE of the source."""
    return compound(Bye((ssrc,)))


def _set_up(request: Request) -> Response:
    """Agree to what is offered first; with server ports where it is UDP."""
    offer = request.headers.get("Transport") or ""
    spec = TransportSpec.parse(offer)
    answer = offer if spec.tcp else f"{offer};server_port=9-10"
    return Response.to(request, 200, [("Transport", answer), ("Session", "12345678;timeout=60")])


class ScriptedServer:
    """Answers by method; `answers` may be changed at any time.

    requests      all that was asked, in order
    responses     all that was answered to what the server asked
    frames        what came interleaved
    connections   how many there were
    on_play       called behind the answer to PLAY, with the server
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.frames: list[Frame] = []
        self.connections = 0
        self.changed = asyncio.Event()
        self.on_play: Callable[[ScriptedServer], None] = lambda _: None
        self.answers: dict[str, Answer] = {
            "OPTIONS": reply(200, ("Public", "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")),
            "DESCRIBE": reply(200, ("Content-Type", "application/sdp"), body=SDP),
            "SETUP": _set_up,
            "PLAY": reply(200, ("Range", "npt=0.000-8.000"), ("RTP-Info", "url=track1;seq=0;rtptime=0")),
            "TEARDOWN": reply(),
        }
        self._writer: asyncio.StreamWriter | None = None
        self._serving: set[asyncio.Task[None] | None] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self.hang_up()
        await asyncio.gather(*filter(None, self._serving))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"rtsp://127.0.0.1:{self.port}/movie"

    @property
    def methods(self) -> list[str]:
        """What was asked, in order."""
        return [request.method for request in self.requests]

    def asked(self, method: str) -> list[Headers]:
        """The headers of each request with this method."""
        return [request.headers for request in self.requests if request.method == method]

    def send(self, data: bytes) -> None:
        """Send bytes on the latest connection."""
        assert self._writer is not None
        self._writer.write(data)

    def send_media(self, *packets: bytes, channel: int = 0) -> None:
        """Send packets interleaved."""
        self.send(b"".join(Frame(channel, packet).to_bytes() for packet in packets))

    def hang_up(self) -> None:
        """Close the latest connection."""
        if self._writer is not None:
            self._writer.close()

    def stop_reading(self) -> None:
        """Take nothing any more on the latest connection."""
        assert self._writer is not None
        transport = self._writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to arrive here."""
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def _serve(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving.add(asyncio.current_task())
        self._writer = writer
        reader = Reader()
        while data := await _read(stream):
            for event in reader.receive(data):
                if isinstance(event, Request):
                    self._answer(event, writer)
                elif isinstance(event, Response):
                    self.responses.append(event)
                elif isinstance(event, Frame):
                    self.frames.append(event)
            self.changed.set()
        writer.close()

    def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        answer = self.answers.get(request.method, reply(501))(request)
        if answer is not None:
            writer.write(answer if isinstance(answer, bytes) else answer.to_bytes())
        if request.method == "PLAY":
            self.on_play(self)


def guarded(*challenges: str, accept: Callable[[str], bool], then: Answer) -> Answer:
    """Ask who it is, and answer with `then` who is taken."""

    def answer(request: Request) -> Response | bytes | None:
        if accept(request.headers.get("Authorization") or ""):
            return then(request)
        return Response.to(request, 401, [("WWW-Authenticate", challenge) for challenge in challenges])

    return answer


def guard(server: ScriptedServer, *challenges: str, accept: Callable[[str], bool]) -> None:
    """Have it ask for each request but OPTIONS."""
    for method, then in server.answers.items():
        if method != "OPTIONS":
            server.answers[method] = guarded(*challenges, accept=accept, then=then)


def with_login(url: str) -> str:
    """The URL, with who asks in it."""
    return url.replace("//", f"//{LOGIN}")


async def _read(stream: asyncio.StreamReader) -> bytes:
    """What comes next; nothing where the client has gone, however it went."""
    try:
        return await stream.read(65536)
    except ConnectionError:
        return b""
