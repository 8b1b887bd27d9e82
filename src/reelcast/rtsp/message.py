"""RTSP messages (RFC 2326 sections 4 to 7), interleaved frames (section 10.12), and the one writer of both.

What has been written can always be read back: the writer puts CSeq first, counts the body itself, and refuses
what would break a line in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from reelcast.errors import ProtocolError

__all__ = ["MAX_CSEQ_DIGITS", "STATUS", "VERSION", "Frame", "Headers", "Request", "Response"]

VERSION = "RTSP/1.0"
MAX_CSEQ_DIGITS = 10
"""Enough for 32 bits; no peer counts further, and a longer number only costs time."""

STATUS: dict[int, str] = {
    100: "Continue",
    200: "OK",
    201: "Created",
    250: "Low on Storage Space",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Time-out",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    415: "Unsupported Media Type",
    451: "Parameter Not Understood",
    452: "Conference Not Found",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    456: "Header Field Not Valid for Resource",
    457: "Invalid Range",
    458: "Parameter Is Read-Only",
    459: "Aggregate operation not allowed",
    460: "Only aggregate operation allowed",
    461: "Unsupported transport",
    462: "Destination unreachable",
    463: "Destination Prohibited",
    464: "Data Transport Not Ready Yet",
    465: "Notification Reason Unknown",
    466: "Key Management Error",
    470: "Connection Authorization Required",
    471: "Connection Credentials not accepted",
    472: "Failure to establish secure connection",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Time-out",
    505: "RTSP Version not supported",
    551: "Option not supported",
    553: "Proxy Unavailable",
}
"""Reason phrases: RFC 2326 section 11, and RFC 7826 section 17.4 for what came later (463 to 472, 553)."""

_CSEQ = re.compile(rf"[0-9]{{1,{MAX_CSEQ_DIGITS}}}")
_TIMESTAMP = re.compile(r"[0-9]{1,16}(?:\.[0-9]{0,16})?(?:[ \t]+[0-9]{1,16}(?:\.[0-9]{0,16})?)?")
_NAME = re.compile(r"[!-9;-~]+")
_BREAKS_LINE = re.compile(r"[\r\n\0\ud800-\udfff]")
_WRITTEN_BY_US = frozenset({"cseq", "content-length"})


class Headers:
    """The headers of a message: in order, names without regard to case, a name as often as it was sent."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[tuple[str, str]] = list(items)

    def get(self, name: str) -> str | None:
        """The first value under `name`, or None."""
        wanted = name.lower()
        for key, value in self._items:
            if key.lower() == wanted:
                return value
        return None

    def get_all(self, name: str) -> list[str]:
        """Every value under `name`, in the order sent."""
        wanted = name.lower()
        return [value for key, value in self._items if key.lower() == wanted]

    def add(self, name: str, value: str) -> None:
        """Append a header, beside those of the same name."""
        self._items.append((name, value))

    def set(self, name: str, value: str) -> None:
        """Append a header in place of all of the same name."""
        self.remove(name)
        self.add(name, value)

    def remove(self, name: str) -> None:
        """Take out every header of this name; none is no error."""
        wanted = name.lower()
        self._items = [item for item in self._items if item[0].lower() != wanted]

    def items(self) -> Iterator[tuple[str, str]]:
        """Names, as they were sent, with their values."""
        return iter(self._items)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    def __repr__(self) -> str:
        return f"Headers({self._items!r})"


@dataclass(slots=True)
class Request:
    """A request, in either direction (RFC 2326 section 6).

    method     as sent: methods are case-sensitive
    uri        the Request-URI as sent, "*" where no resource is meant
    version    "RTSP/1.0" unless the peer said something else
    """

    method: str
    uri: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = VERSION

    @property
    def cseq(self) -> int | None:
        """The number that pairs it with its response, or None where it is missing or no number."""
        return _cseq(self.headers)

    def to_bytes(self) -> bytes:
        """The request as it goes on the wire; ProtocolError where it cannot be written."""
        if not _NAME.fullmatch(self.method) or not self.uri.strip():
            raise ProtocolError("a request needs a method and a URI")
        return _render(f"{self.method} {self.uri} {self.version}", self.headers, self.body)


@dataclass(slots=True)
class Response:
    """A response, in either direction (RFC 2326 section 7).

    reason     for people; empty means the phrase of the `STATUS` table
    """

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    version: str = VERSION

    @classmethod
    def to(
        cls, request: Request, status: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b""
    ) -> Response:
        """The answer to `request`: echoes its CSeq as it was spelt, and its Timestamp.

        RFC 2326 sections 12.17 and 12.38. A request without a usable CSeq is answered without one.
        """
        echoed = Headers()
        if request.cseq is not None:
            echoed.add("CSeq", (request.headers.get("CSeq") or "").strip())
        timestamp = (request.headers.get("Timestamp") or "").strip()
        if _TIMESTAMP.fullmatch(timestamp):
            echoed.add("Timestamp", timestamp)
        for name, value in headers:
            echoed.add(name, value)
        return cls(status, STATUS.get(status, ""), echoed, body)

    @property
    def cseq(self) -> int | None:
        """The number of the request that it answers, or None where it is missing or no number."""
        return _cseq(self.headers)

    def to_bytes(self) -> bytes:
        """The response as it goes on the wire; ProtocolError where it cannot be written."""
        if not 100 <= self.status <= 999:
            raise ProtocolError(f"{self.status} is no status code", 500)
        reason = self.reason or STATUS.get(self.status, "Unknown")
        return _render(f"{self.version} {self.status} {reason}", self.headers, self.body)


class Frame(NamedTuple):
    """An interleaved frame: one RTP or RTCP packet on the RTSP connection (RFC 2326 section 10.12).

    channel    0 to 255, as agreed by `interleaved=` of a Transport header
    data       the packet, at most 65,535 bytes
    """

    channel: int
    data: bytes

    def to_bytes(self) -> bytes:
        """The frame as it goes on the wire; ProtocolError where channel or size cannot be written."""
        if not 0 <= self.channel <= 0xFF or len(self.data) > 0xFFFF:
            raise ProtocolError(f"no frame holds {len(self.data)} bytes on channel {self.channel}", 500)
        return b"$" + bytes((self.channel,)) + len(self.data).to_bytes(2) + self.data


def _cseq(headers: Headers) -> int | None:
    value = (headers.get("CSeq") or "").strip()
    return int(value) if _CSEQ.fullmatch(value) else None


def _render(start_line: str, headers: Headers, body: bytes) -> bytes:
    """Start line, CSeq, the other headers in order, Content-Length where there is a body, the body."""
    lines = [start_line]
    cseq = headers.get("CSeq")
    if cseq is not None:
        lines.append(f"CSeq: {cseq}")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ProtocolError(f"{name!r} cannot be the name of a header", 500)
        if name.lower() not in _WRITTEN_BY_US:
            lines.append(f"{name}: {value}")
    if body:
        lines.append(f"Content-Length: {len(body)}")
    for line in lines:
        if _BREAKS_LINE.search(line):
            raise ProtocolError(f"{line[:80]!r} would break out of its line", 500)
    return "\r\n".join([*lines, "", ""]).encode() + body
