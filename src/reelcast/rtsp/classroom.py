"""The dialect of the classroom: RTSP as the programs of Kurose and Ross' assignment speak it.

    SETUP movie.Mjpeg RTSP/1.0          RTSP/1.0 200 OK
    CSeq: 1                             CSeq: 1
    Transport: RTP/UDP; client_port= 25000    Session: 451917

Lines end in LF, the last one in nothing; there is no blank line, and a file stands where RTSP has a URL. A
message therefore ends with the header that comes last in it: Transport in a SETUP, Session in everything else.
Where that header's line has no end either, its number says whether it is whole: a port of five digits and a
session of six cannot grow. A shorter number is taken as whole when nothing has come for SETTLE_SECONDS.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import islice

from reelcast.errors import ProtocolError
from reelcast.rtsp.message import STATUS, Request, Response
from reelcast.rtsp.reader import Event, Malformed, Reader, decode

__all__ = [
    "MAX_JUNK_BYTES",
    "MAX_MESSAGE_BYTES",
    "SESSION_DIGITS",
    "SETTLE_SECONDS",
    "ClassroomReader",
    "EitherReader",
    "format_transport",
    "is_classroom",
    "parse_port",
    "to_bytes",
]

SESSION_DIGITS = 6
"""The assignment's servers number sessions from 100000 to 999999; its clients only want a number."""
SETTLE_SECONDS = 0.2
"""Silence behind a number that could grow: its programs write a message at once, so nothing more will come."""
MAX_MESSAGE_BYTES = 2048
"""The assignment's server reads 256 bytes at a time, its client 1024, and takes each read for a message."""
MAX_JUNK_BYTES = 16_384
"""Bytes between messages that are neither: extra headers of many requests, and no program's habit."""
MAX_START_BYTES = 512
"""A first line that is longer is none of the dialect: it names a file."""

_METHODS = rb"SETUP|PLAY|PAUSE|TEARDOWN"
_LINE = re.compile(rb"[^\r\n]*")
_BEGUN = re.compile(rb"[A-Z]{0,8}|(?:" + _METHODS + rb")[ \t][^\x00-\x08\x0b-\x1f\x7f]*")
_OPENING = re.compile(rb"(?:" + _METHODS + rb")[ \t]+[^\s](?:[^\r\n]*[^\s])?[ \t]+RTSP/1\.[0-9][ \t]*")
_OTHER_URI = re.compile(rb"[A-Z]+[ \t]+(?:[*/]|[A-Za-z][A-Za-z0-9+.-]*:)")
"""A request whose target begins like a URL, an absolute path or "*": RTSP itself."""
_REQUEST = re.compile(
    rb"([A-Z_]{2,20})[ \t]+([!-~\x80-\xff](?:[ -~\x80-\xff]*[!-~\x80-\xff])?)[ \t]+RTSP/[0-9]\.[0-9][ \t]*"
)
_STATUS_LINE = re.compile(rb"RTSP/[0-9]\.[0-9][ \t]+([1-9][0-9]{2})(?:[ \t]+([\t -~\x80-\xff]*))?")
# Some programs write the next message right behind the last digit of the one before.
_LINE_END = re.compile(
    rb"\r\n?|\n|(?<=[0-9])(?=(?:" + _METHODS + rb"|DESCRIBE|OPTIONS)[ \t]|RTSP/[0-9]\.[0-9][ \t])"
)
_HEADER = re.compile(rb"[ \t]*([A-Za-z-]+)[ \t]*:[ \t]*([\t -~\x80-\xff]*)")
_WHOLE_SESSION = re.compile(rb"[ \t]*session[ \t]*:[ \t]*[0-9]{%d}" % SESSION_DIGITS, re.IGNORECASE)
_WHOLE_PORT = re.compile(rb"[ \t]*transport[ \t]*:[^\r\n]*?client_port[ \t]*=[ \t]*[0-9]{5}", re.IGNORECASE)
_CLIENT_PORT = re.compile(r"client_port[ \t]*=[ \t]*([0-9]{1,5})", re.IGNORECASE)
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def is_classroom(head: bytes) -> bool | None:
    """Whether a connection that begins with these bytes speaks the dialect; None where more must be seen.

    It does where the first line asks for a file instead of a URL. RTSP itself is told by its first line at the
    latest, so that nothing of it is kept waiting.
    """
    size = len(head)
    head = head[:MAX_START_BYTES].lstrip(b" \t\r\n")
    line = _LINE.match(head)
    assert line is not None
    if _OTHER_URI.match(line[0]):
        return False
    if not _BEGUN.fullmatch(line[0]):
        return False
    if line.end() < len(head):
        return _OPENING.fullmatch(line[0]) is not None
    return None if size < MAX_START_BYTES else False


def parse_port(transport: str) -> int | None:
    """The port of a Transport header, "RTP/UDP; client_port= 25000"; None where it names none."""
    found = _CLIENT_PORT.search(transport)
    return int(found[1]) if found else None


def format_transport(port: int) -> str:
    """The Transport header as the assignment's server wants it: it takes the fourth word of the line."""
    return f"RTP/UDP; client_port= {port}"


def to_bytes(message: Request | Response) -> bytes:
    """A message of the dialect, headers in the order given; ProtocolError where a line would break in two."""
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} {message.version}"
    else:
        start = (
            f"{message.version} {message.status} {message.reason or STATUS.get(message.status, 'Unknown')}"
        )
    lines = [start, *(f"{name}: {value}" for name, value in message.headers.items())]
    for line in lines:
        if _FORBIDDEN.search(line):
            raise ProtocolError(f"{line[:80]!r} has a control character in it", 400)
    return "\n".join(lines).encode()


class ClassroomReader:
    """Turns the bytes of one direction of one connection into events, like `reelcast.rtsp.reader.Reader`.

    The same bytes give the same events however they are cut, as long as they follow one another. What stands
    between messages, such as headers that the dialect does not have, is passed over.

    behind   there was more than was asked for at once: `receive(b"")` goes on
    """

    __slots__ = ("_buffer", "_finished", "_junk", "behind")

    def __init__(self) -> None:
        self.behind = False
        self._buffer = bytearray()
        self._junk = 0
        self._finished = False

    @property
    def pending(self) -> bool:
        """True while part of a message has arrived, and its rest has not."""
        return bool(self._buffer)

    def receive(self, data: bytes, most: int = sys.maxsize) -> list[Event]:
        """Take in bytes as they came from the peer; give what they complete, in order. Never raises.

        From `most` events on, what else there is waits for the next call.
        """
        if self._finished:
            return []
        self._buffer += data
        events: list[Event] = list(islice(self._messages(settled=False), most))
        self.behind = len(events) == most
        if self.behind:
            return events
        if len(self._buffer) > MAX_MESSAGE_BYTES:
            events.append(self._fail(f"a message of more than {MAX_MESSAGE_BYTES} bytes"))
        elif self._junk > MAX_JUNK_BYTES:
            events.append(self._fail(f"nothing of the classroom dialect in {MAX_JUNK_BYTES} bytes"))
        return events

    def settle(self) -> list[Event]:
        """Nothing came for SETTLE_SECONDS, or never will: what has come counts as whole where it can."""
        events: list[Event] = list(self._messages(settled=True))
        if _HEADER.match(self._buffer):
            self._drop(len(self._buffer))
        return events

    def _messages(self, *, settled: bool) -> Iterator[Request | Response]:
        while self._begin():
            message, end = _read(self._buffer, settled=settled)
            if message is None:
                return
            del self._buffer[:end]
            self._junk = 0
            yield message

    def _begin(self) -> bool:
        """Drop what cannot begin a message; whether a whole start line is at the front now."""
        while self._buffer:
            first = re.search(rb"[A-Z]", self._buffer)
            self._drop(first.start() if first else len(self._buffer))
            end = _LINE_END.search(self._buffer)
            if end is None:
                return False
            if end.start() <= MAX_START_BYTES and _start(bytes(self._buffer[: end.start()])):
                return True
            self._drop(max(end.end(), 1))
        return False

    def _drop(self, count: int) -> None:
        self._junk += count if self._buffer[:count].strip() else 0
        del self._buffer[:count]

    def _fail(self, message: str) -> Malformed:
        self._finished = True
        self._buffer.clear()
        return Malformed(400, message, fatal=True)


class EitherReader:
    """The reader of a server's connection: RTSP, or the classroom's dialect where that is how it begins.

    While it is not known yet, both are fed: a first line without its end is no event to either.
    """

    __slots__ = ("_head", "_reader")

    def __init__(self) -> None:
        self._reader: Reader | ClassroomReader = Reader()
        self._head: bytearray | None = bytearray()

    @property
    def classroom(self) -> bool:
        """Whether the peer speaks the dialect."""
        return isinstance(self._reader, ClassroomReader)

    @property
    def pending(self) -> bool:
        """True while part of a message or frame has arrived, and its rest has not."""
        return self._reader.pending

    @property
    def behind(self) -> bool:
        """True where there was more than was asked for at once: `receive(b"")` goes on."""
        return self._reader.behind

    @property
    def hesitates(self) -> bool:
        """True where `settle` is to be called if nothing comes for SETTLE_SECONDS."""
        return self.classroom and self._reader.pending and not self._reader.behind

    def receive(self, data: bytes, most: int = sys.maxsize) -> list[Event]:
        """Take in bytes as they came from the peer; give what they complete, in order. Never raises.

        From `most` events on, what else there is waits for the next call; frames in a row all come at once.
        """
        if self._head is not None:
            self._head += data
            found = is_classroom(bytes(self._head))
            if found:
                self._reader, data = ClassroomReader(), bytes(self._head)
            if found is not None:
                self._head = None
        return self._reader.receive(data, most)

    def settle(self) -> list[Event]:
        """Nothing came for SETTLE_SECONDS, or never will: what has come counts as whole where it can."""
        return self._reader.settle() if isinstance(self._reader, ClassroomReader) else []


def _read(buffer: bytearray, *, settled: bool) -> tuple[Request | Response | None, int]:
    """The message at the front, behind a whole start line, and where it ends; None where it is not whole."""
    line = _LINE_END.search(buffer)
    message = _start(bytes(buffer[: line.start()])) if line else None
    assert line is not None
    assert message is not None
    setup = isinstance(message, Request) and message.method == "SETUP"
    last, whole = ("Transport", _WHOLE_PORT) if setup else ("Session", _WHOLE_SESSION)
    at = line.end()
    while at < min(len(buffer), MAX_MESSAGE_BYTES):
        line = _LINE_END.search(buffer, at)
        end = line.start() if line else len(buffer)
        if sure := whole.match(buffer, at, end):
            end = sure.end()
            line = _LINE_END.match(buffer, end)
        elif line is None and not settled:
            break
        header = _HEADER.fullmatch(buffer, at, end)
        if header is None:
            # A blank line, or the start of the next message: this one is over. Half a line is neither.
            return (message, at) if line else (None, 0)
        message.headers.add(header[1].decode(), header[2].decode("latin-1").strip(" \t"))
        at = line.end() if line else end
        if "CSeq" in message.headers and last in message.headers:
            return message, at
    return (message, at) if settled and "CSeq" in message.headers else (None, 0)


def _start(line: bytes) -> Request | Response | None:
    """A message without its headers, by its first line; None where it is none."""
    if request := _REQUEST.fullmatch(line):
        return Request(request[1].decode(), decode(request[2]))
    if status := _STATUS_LINE.fullmatch(line):
        return Response(int(status[1]), (status[2] or b"").decode("latin-1").strip(" \t"))
    return None
