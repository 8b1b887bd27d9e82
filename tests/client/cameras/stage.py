"""A camera on loopback: the scripted server in its part."""

from __future__ import annotations

import socket
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from tests.client.cameras.camera import FIRST_SEQUENCE, FIRST_TIMESTAMP, Camera
from tests.client.cameras.footage import footage, sprop
from tests.client.scripted import ScriptedServer

from reelcast.rtsp.headers import SessionHeader, TransportSpec
from reelcast.rtsp.message import Frame, Request, Response
from reelcast.rtsp.reader import Reader

__all__ = ["Stage"]


class Stage(ScriptedServer):
    """Answers as its camera does; behind PLAY, or before it, all of its media.

    session    the id that the answer to the last SETUP gave, if it gave one
    """

    def __init__(self, camera: Camera) -> None:
        super().__init__()
        self.camera = camera
        self.session: str | None = None
        self._offers: list[TransportSpec] = []
        methods = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "TEARDOWN", "GET_PARAMETER")
        self.answers = {method: partial(self._answer_as, method) for method in methods}
        if not camera.early:
            self.on_play = lambda _: self._send_all()

    async def __aenter__(self) -> Self:
        self._rtp, self._rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for sock in (self._rtp, self._rtcp):
            sock.bind(("127.0.0.1", 0))
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rtp.close()
        self._rtcp.close()
        await super().__aexit__(kind, error, trace)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"rtsp://127.0.0.1:{self.port}{self.camera.path}"

    @property
    def entrance(self) -> str:
        """What a client is told, which may lead elsewhere."""
        return f"{self.url}/old" if self.camera.moved else self.url

    def fill(self, text: str, **more: object) -> str:
        """A text of the camera with its fields filled in."""
        entries = [
            f"url={self.fill(uri)};seq={FIRST_SEQUENCE};rtptime={FIRST_TIMESTAMP}"
            for uri in (self.camera.setup[: len(self.camera.feeds)] if "{rtp_info}" in text else ())
        ]
        return text.format(
            url=self.url,
            host=f"127.0.0.1:{self.port}",
            sprop=sprop(),
            config=footage("aac").track.config[:2].hex(),
            rtp_info=",".join(entries),
            seq=FIRST_SEQUENCE,
            rtptime=FIRST_TIMESTAMP,
            **more,
        )

    def _answer_as(self, method: str, request: Request) -> bytes:
        if method == "DESCRIBE" and request.uri != self.url:
            return Response.to(request, 302, [("Location", self.url)]).to_bytes()
        body = self.fill(self.camera.sdp) if method == "DESCRIBE" else ""
        fields: dict[str, object] = {"cseq": request.cseq, "length": len(body), "number": len(self._offers)}
        if method == "SETUP":
            fields["transport"] = self._transport(request)
        if method == "PLAY" and self.camera.early:
            self._send_all()
        answer = (self.fill(self.camera.answer(method), **fields) + body).encode()
        if method == "SETUP":
            (response,) = Reader().receive(answer)
            assert isinstance(response, Response)
            value = response.headers.get("Session")
            self.session = SessionHeader.parse(value).id if value else None
        return answer

    def _transport(self, request: Request) -> str:
        offer = TransportSpec.parse(request.headers.get("Transport") or "")
        worded = self.camera.tcp if offer.tcp else self.camera.udp
        assert worded is not None, "the camera was asked for a transport that it has not"
        rtp, rtcp = self._rtp.getsockname()[1], self._rtcp.getsockname()[1]
        first, second = offer.interleaved or offer.client_port or (0, 0)
        answer = worded.format(
            client=f"{first}-{second}",
            channels=f"{first}-{second}",
            other_channels=f"{first + 10}-{second + 10}",
            server=f"{rtp}-{rtcp}",
        )
        if offer.tcp:
            offer = replace(
                offer, interleaved=TransportSpec.parse_answer(answer).interleaved or offer.interleaved
            )
        self._offers.append(offer)
        return answer

    def _send_all(self) -> None:
        stream = bytearray()
        for offer, feed in zip(self._offers, self.camera.feeds, strict=True):
            for control, packets in ((True, self.camera.reports), (False, feed.packets())):
                for packet in packets:
                    if offer.interleaved is not None:
                        stream += Frame(offer.interleaved[control], packet).to_bytes()
                    elif offer.client_port is not None:
                        sock = self._rtcp if control else self._rtp
                        sock.sendto(packet, ("127.0.0.1", offer.client_port[control]))
        self.send(self.camera.damage(bytes(stream)))
