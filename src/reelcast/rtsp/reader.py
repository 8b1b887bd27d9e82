"""The one parser of what arrives on an RTSP connection: bytes in, events out, in both roles.

Requests, responses and interleaved frames come in any order and any chunks (RFC 2326 sections 4, 10.12); the
same bytes give the same events however they are cut. What is malformed becomes an event too. Where its end is
known, reading goes on behind it; where the boundary between messages is lost, the reader looks for the next
frame or message; where nothing more can be made of the stream, it says so (`Malformed.fatal`) and stops.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from reelcast.errors import ProtocolError
from reelcast.rtsp.message import STATUS, VERSION, Frame, Headers, Request, Response

__all__ = [
    "MAX_BODY_BYTES",
    "MAX_HEADER_LINES",
    "MAX_HEAD_BYTES",
    "MAX_SKIPPED_BYTES",
    "Event",
    "Frames",
    "Malformed",
    "Reader",
    "decode",
    "gather",
]

MAX_HEAD_BYTES = 16_384
"""Start line and headers together: several times what any peer sends, digest and key exchange included."""
MAX_HEADER_LINES = 100
"""The longest known requests (Real's extensions to OPTIONS) have twenty."""
MAX_BODY_BYTES = 262_144
"""Bodies are SDP or parameters, a few kB; a session description of a hundred tracks fits many times."""
MAX_SKIPPED_BYTES = 262_144
"""Four frames of the largest size: who has not found a boundary by then is not talking RTSP."""

_DOLLAR = 0x24
_FRAME_HEADER_BYTES = 4
_TLS_RECORDS = (0x15, 0x16)
"""First byte of a TLS alert and of a TLS handshake; neither can begin anything in RTSP."""

_BLANK = re.compile(rb"[\r\n]*")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_START = re.compile(rb"[A-Za-z][A-Za-z0-9_.-]{0,31}[ \t/]")
# A lone CR or LF ends a line too (RFC 2326 section 4).
_END_OF_HEAD = re.compile(rb"\n\r?\n|\r\r")
_RESUME = re.compile(
    rb"\$[\x00-\x1f][\x00-\xff]{2}[\x80-\xbf]"
    rb"|RTSP/[12]\.[0-9] [1-5][0-9]"
    rb"|(?:OPTIONS|DESCRIBE|ANNOUNCE|SETUP|PLAY|PAUSE|RECORD|TEARDOWN|REDIRECT|[GS]ET_PARAMETER)"
    rb" (?:rtsp|\*|/)"
)
"""Where to go on after lost bytes: a low channel's frame that holds RTP or RTCP version 2, or a message."""
_RESUME_BYTES = len(b"GET_PARAMETER rtsp")

_FOLD = re.compile(r"(?:\r\n|\n|\r)[ \t]+")
_LINE_END = re.compile(r"\r\n|\n|\r")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAME = re.compile(r"[!-9;-~]+")
_SUPPORTED = re.compile(r"RTSP/(?:1\.[0-9]|2\.0)")
_STATUS_CODE = re.compile(r"[1-9][0-9][0-9]")
_LENGTH = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Malformed:
    """Something arrived that is not RTSP.

    status     the status code that answers it
    message    what is wrong, one line for a person
    cseq       of the message, where it could be read
    fatal      True: nothing more will be read, the connection is to be closed
    version    what the answer's status line begins with: "HTTP/1.1" for a peer that speaks HTTP
    """

    status: int
    message: str
    cseq: int | None = None
    fatal: bool = False
    version: str = VERSION

    def response(self) -> Response:
        """The answer, for a server to send."""
        headers = Headers()
        if self.cseq is not None:
            headers.add("CSeq", str(self.cseq))
        if self.fatal:
            headers.add("Connection", "close")
        return Response(self.status, STATUS[self.status], headers, version=self.version)


Event = Request | Response | Frame | Malformed


class _FatalError(ProtocolError):
    """A head that leaves no way to tell where the next message begins."""

    def __init__(
        self, message: str, status: int = 400, *, cseq: int | None = None, version: str = VERSION
    ) -> None:
        super().__init__(message, status)
        self.cseq = cseq
        self.version = version


class Reader:
    """Turns the bytes of one direction of one connection into events.

    Each state is a method that takes what it can from the front of the buffer and says whether it got on.

    behind   there was more than was asked for at once: `receive(b"")` goes on
    """

    __slots__ = ("_begun", "_buffer", "_message", "_needed", "_scanned", "_skipped", "_state", "behind")

    def __init__(self) -> None:
        self.behind = False
        self._buffer = bytearray()
        self._state: Callable[[Reader, list[Event]], bool] = Reader._between
        self._needed = 1  # bytes in the buffer before the state can get on
        self._scanned = 0  # bytes at its front that were searched already
        self._skipped = 0  # bytes dropped since the boundary was lost
        self._begun = False
        self._message: Request | Response | Malformed  # waits for its body

    @property
    def pending(self) -> bool:
        """True while part of a message or frame has arrived, and its rest has not."""
        return bool(self._buffer)

    def receive(self, data: bytes, most: int = sys.maxsize) -> list[Event]:
        """Take in bytes as they came from the peer; give what they complete, in order. Never raises.

        From `most` events on, what else there is waits for the next call; frames in a row all come at once.
        """
        events: list[Event] = []
        self._buffer += data
        while len(self._buffer) >= self._needed and len(events) < most and self._state(self, events):
            pass
        self.behind = len(events) >= most and len(self._buffer) >= self._needed > 0
        return events

    def _between(self, events: list[Event]) -> bool:
        """At a boundary: frames, blank lines, or the first bytes of something else."""
        if self._buffer[0] == _DOLLAR:
            return self._frames(events)
        if self._buffer[0] in _TLS_RECORDS and not self._begun:
            return self._fail(events, "the other side speaks TLS, not plain RTSP")
        self._begun = True
        blank = _BLANK.match(self._buffer)
        if blank is not None and blank.end():
            del self._buffer[: blank.end()]
            return True
        self._scanned = 0
        self._state = Reader._start_line
        return True

    def _frames(self, events: list[Event]) -> bool:
        """Every whole frame at the front: the hot path of a TCP client."""
        self._begun = True
        buffer = bytes(self._buffer)
        end = len(buffer)
        at = 0
        self._needed = 1
        while at < end and buffer[at] == _DOLLAR:
            body = at + _FRAME_HEADER_BYTES
            stop = body if body > end else body + (buffer[at + 2] << 8 | buffer[at + 3])
            if stop > end:
                self._needed = stop - at
                break
            events.append(Frame(buffer[at + 1], buffer[body:stop]))
            at = stop
        del self._buffer[:at]
        return at > 0

    def _start_line(self, events: list[Event]) -> bool:
        """Up to the first control character: a line end makes it a message, anything else lost bytes."""
        control = _CONTROL.search(self._buffer, self._scanned)
        at = control.start() if control else len(self._buffer)
        if at > MAX_HEAD_BYTES:
            return self._fail(events, f"a start line of more than {MAX_HEAD_BYTES} bytes")
        self._scanned = at
        if control is None:
            return False
        if control[0] in b"\r\n" and _START.match(self._buffer, 0, at):
            self._state = Reader._head
            return True
        events.append(Malformed(400, "the boundary between messages is lost; looking for the next"))
        # One byte is dropped at once: what is refused here would else be found again, for ever.
        del self._buffer[:1]
        self._skipped = 1
        self._state = Reader._lost
        return True

    def _lost(self, events: list[Event]) -> bool:
        """Behind lost bytes: cameras leave out parts of frames when their socket is full."""
        found = _RESUME.search(self._buffer)
        dropped = found.start() if found else max(len(self._buffer) - _RESUME_BYTES, 0)
        self._skipped += dropped
        if self._skipped > MAX_SKIPPED_BYTES:
            return self._fail(events, f"nothing of RTSP in {MAX_SKIPPED_BYTES} bytes")
        del self._buffer[:dropped]
        if found:
            self._state = Reader._between
        return found is not None

    def _head(self, events: list[Event]) -> bool:
        """The rest of a head, to its blank line."""
        blank = _END_OF_HEAD.search(self._buffer, self._scanned)
        end = blank.end() if blank else len(self._buffer)
        if end > MAX_HEAD_BYTES:
            return self._fail(events, f"a head of more than {MAX_HEAD_BYTES} bytes")
        if blank is None:
            self._scanned = max(self._scanned, end - 2)
            return False
        try:
            self._message, length = _read_head(decode(bytes(self._buffer[:end])))
        except _FatalError as error:
            return self._fail(events, str(error), error.status, error.cseq, error.version)
        self._scanned = end
        self._needed = end + length
        self._state = Reader._body
        return True

    def _body(self, events: list[Event]) -> bool:
        """The body, now that all of it is there; that of a malformed message is dropped."""
        if not isinstance(self._message, Malformed):
            self._message.body = bytes(self._buffer[self._scanned : self._needed])
        events.append(self._message)
        del self._buffer[: self._needed]
        self._needed = 1
        self._state = Reader._between
        return True

    def _fail(
        self,
        events: list[Event],
        message: str,
        status: int = 400,
        cseq: int | None = None,
        version: str = VERSION,
    ) -> bool:
        events.append(Malformed(status, message, cseq, fatal=True, version=version))
        self._needed = 0
        self._state = Reader._finished
        return True

    def _finished(self, events: list[Event]) -> bool:
        """Behind a fatal error nothing is read, and nothing is kept."""
        self._buffer.clear()
        return False


class Frames(NamedTuple):
    """Interleaved frames of one channel that came one behind the other, and at once.

    packets    what each holds; at least one
    """

    channel: int
    packets: list[bytes]


def gather(events: Iterable[Event]) -> Iterator[Request | Response | Malformed | Frames]:
    """The same events, in the same order, but for frames of one channel in a row: those are one."""
    frames: Frames | None = None
    for event in events:
        if isinstance(event, Frame):
            if frames is None or event.channel != frames.channel:
                if frames is not None:
                    yield frames
                frames = Frames(event.channel, [])
            frames.packets.append(event.data)
            continue
        if frames is not None:
            yield frames
            frames = None
        yield event
    if frames is not None:
        yield frames


def decode(head: bytes) -> str:
    """UTF-8 (RFC 2326 section 4), else Latin-1, which any bytes are: some cameras' names are neither."""
    try:
        return head.decode()
    except UnicodeDecodeError:
        return head.decode("latin-1")


def _read_head(head: str) -> tuple[Request | Response | Malformed, int]:
    """The message without its body, and how many bytes of body follow; _FatalError where that is unknown."""
    start, *lines = _LINE_END.split(_FOLD.sub(" ", head.rstrip("\r\n")))
    first, _, rest = start.replace("\t", " ").strip(" ").partition(" ")
    headers = Headers()
    message: Request | Response
    if first.startswith("RTSP/"):
        status, _, reason = rest.strip(" ").partition(" ")
        valid = _STATUS_CODE.fullmatch(status) is not None
        message = Response(int(status) if valid else 0, reason.strip(" "), headers, version=first)
    else:
        uri, _, version = rest.strip(" ").rpartition(" ")
        if first.startswith("HTTP/") or version.startswith("HTTP/"):
            raise _FatalError("the other side speaks HTTP, not RTSP", 405, version="HTTP/1.1")
        valid = bool(uri.strip(" ")) and version.startswith("RTSP/")
        message = Request(first, uri.strip(" "), headers, version=version)
    problem = _read_headers(lines, headers, strict=isinstance(message, Request))
    length = _body_length(headers.get_all("Content-Length"), message.cseq)
    if not valid:
        return Malformed(400, f"{start[:80]!r} is no start line", message.cseq), length
    if not _SUPPORTED.fullmatch(message.version):
        return Malformed(505, f"version {message.version[:20]!r} is not spoken here", message.cseq), length
    if _FORBIDDEN.search(head):
        problem = "a control character in a header"
    if problem:
        return Malformed(400, problem, message.cseq), length
    return message, length


def _read_headers(lines: list[str], headers: Headers, *, strict: bool) -> str:
    """Fill `headers` from unfolded lines; say what is wrong with them, if anything is."""
    problem = ""
    if len(lines) > MAX_HEADER_LINES:
        problem = f"more than {MAX_HEADER_LINES} headers"
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.rstrip(" \t")
        if colon and _NAME.fullmatch(name):
            headers.add(name, value.strip(" \t"))
        elif strict:
            # In a response it is passed over: firmware prints stray lines into them.
            problem = f"{line[:80]!r} is no header"
    return problem


def _body_length(values: list[str], cseq: int | None) -> int:
    """The one Content-Length, 0 where there is none (RFC 2326 section 4.4)."""
    if not values:
        return 0
    if len(set(values)) > 1 or not _LENGTH.fullmatch(values[0]):
        raise _FatalError(f"Content-Length {', '.join(values)[:80]!r} is no length", cseq=cseq)
    length = int(values[0])
    if length > MAX_BODY_BYTES:
        problem = f"a body of {length} bytes, where at most {MAX_BODY_BYTES} are taken"
        raise _FatalError(problem, 413, cseq=cseq)
    return length
