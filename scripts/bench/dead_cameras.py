"""Cameras that are half dead: one accepts and never answers, one answers everything and never sends media."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Final

__all__ = ["half_working", "silent"]

SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:video\r\n"
    "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==\r\n"
)


@contextmanager
def silent() -> Iterator[str]:
    """The URL of a port at which the kernel accepts connections for nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/camera"


@contextmanager
def half_working() -> Iterator[str]:
    """The URL of a camera that says yes to everything."""
    with _Camera(("127.0.0.1", 0), _Yes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"rtsp://127.0.0.1:{server.server_address[1]}/camera"
        finally:
            server.shutdown()


class _Camera(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _Yes(StreamRequestHandler):
    def handle(self) -> None:
        with suppress(ConnectionError):
            while lines := self._request():
                pairs = (line.partition(":") for line in lines[1:])
                fields = {name.lower(): value.strip() for name, _, value in pairs}
                self.wfile.write(_answer(lines[0].partition(" ")[0], fields).encode())

    def _request(self) -> list[str]:
        """The lines of the next request; none at the end of the connection. Interleaved reports are passed over."""
        lines: list[str] = []
        while data := self.rfile.readline():
            line = data.decode("latin-1").strip()
            if not line and lines:
                return lines
            if lines or line.endswith("RTSP/1.0"):
                lines.append(line)
        return []


def _answer(method: str, fields: dict[str, str]) -> str:
    body = SDP if method == "DESCRIBE" else ""
    head = [
        f"CSeq: {fields.get('cseq', '0')}",
        "Session: 12345678;timeout=60",
        f"Content-Length: {len(body)}",
    ]
    if method == "OPTIONS":
        head.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
    if method == "DESCRIBE":
        head.append("Content-Type: application/sdp")
    if method == "SETUP":
        offer = fields.get("transport", "")
        head.append(f"Transport: {offer}" + ("" if "TCP" in offer else ";server_port=9000-9001"))
    return "".join(f"{line}\r\n" for line in ["RTSP/1.0 200 OK", *head, ""]) + body
