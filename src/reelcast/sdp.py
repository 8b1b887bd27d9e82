"""Session descriptions, SDP (RFC 8866): read with great tolerance, written strictly.

Cameras leave out lines, repeat them, end them as they like and fill them with what only they understand. What
we can use is taken, the rest is passed over; only a text with no line of SDP in it is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from reelcast.errors import ProtocolError

__all__ = ["MediaDescription", "RtpMap", "SessionDescription", "parse"]

MAX_BYTES = 64 * 1024
"""Of a description that are read: a camera's takes one or two thousand."""
MAX_LINES = 2000
"""That are read: dozens of tracks with all their attributes stay below."""
MAX_MEDIA = 64
"""Sections that are read: no presentation comes near."""
_MAX_DIGITS = 10
"""Of a number: 32 bits; Python's own conversion of a long one is slow."""

_KINDS = frozenset("vosiuepcbtrzkam")
"""Of lines (RFC 8866 section 5)."""
_LINE_END = re.compile(r"[\r\n]+")
_UNPRINTABLE = re.compile(r"[\0\r\n]+")
_NO_ORIGIN = "- 0 0 IN IP4 127.0.0.1"

Attributes = tuple[tuple[str, str | None], ...]
"""Of a=: names with their values, in order; None for one that has no colon."""
Bandwidths = tuple[tuple[str, int], ...]
"""Of b=: modifiers with their values, in kbit/s for AS (RFC 8866 section 5.8)."""


@dataclass(frozen=True, slots=True)
class RtpMap:
    """What a=rtpmap says of a payload type (RFC 8866 section 6.6).

    encoding      name as sent
    clock_rate    Hz, 0 where it is missing
    channels      0 where it is missing
    """

    encoding: str
    clock_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One m= section.

    kind          media type: "video", "audio", "application"
    port          0 in a DESCRIBE answer for unicast
    protocol      "RTP/AVP"
    formats       payload types as sent
    connection    value of c=, empty where there is none
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: Attributes = ()
    connection: str = ""
    bandwidths: Bandwidths = ()

    def attribute(self, name: str) -> str | None:
        """The first value of an attribute, empty for one without; None where it is missing."""
        return _attribute(self.attributes, name)

    def rtpmap(self, payload_type: int) -> RtpMap | None:
        """The encoding of a payload type; None where no readable a=rtpmap names it."""
        for value in self._values_for("rtpmap", payload_type):
            name, _, rest = value.partition("/")
            rate, _, channels = rest.partition("/")
            if name.strip():
                return RtpMap(name.strip(), _number(rate), _number(channels))
        return None

    def fmtp(self, payload_type: int) -> dict[str, str] | None:
        """The format parameters of a payload type, names in lower case; None where no a=fmtp names it."""
        values = self._values_for("fmtp", payload_type)
        if not values:
            return None
        parameters: dict[str, str] = {}
        for part in ";".join(values).split(";"):
            name, _, value = part.partition("=")
            if name.strip():
                parameters.setdefault(name.strip().lower(), value.strip())
        return parameters

    def bandwidth(self, modifier: str) -> int | None:
        """The value of b= with this modifier, or None."""
        return next((value for name, value in self.bandwidths if name == modifier), None)

    def _values_for(self, name: str, payload_type: int) -> list[str]:
        values = []
        for candidate, value in self.attributes:
            if candidate.lower() == name and value:
                number, *rest = value.split(None, 1)
                if number == str(payload_type):
                    values.append(rest[0] if rest else "")
        return values

    def __str__(self) -> str:
        head = f"{self.kind} {self.port} {self.protocol} {' '.join(self.formats)}"
        return _line("m", head) + _body(self.connection, self.bandwidths) + _attribute_lines(self.attributes)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description; `str` of it is what goes on the wire.

    origin        value of o=
    name          of s=; a person reads it
    information   of i=, empty where there is none
    connection    of c=, empty where there is none
    """

    origin: str = ""
    name: str = ""
    information: str = ""
    connection: str = ""
    bandwidths: Bandwidths = ()
    attributes: Attributes = ()
    media: tuple[MediaDescription, ...] = ()

    def attribute(self, name: str) -> str | None:
        """The first value of a session-level attribute, empty for one without; None where it is missing."""
        return _attribute(self.attributes, name)

    def __str__(self) -> str:
        # Order as RFC 8866 section 5 wants it; a session without a name has a single dash.
        origin = self.origin if _printable(self.origin).strip() else _NO_ORIGIN
        name = self.name if _printable(self.name).strip() else "-"
        lines = [_line("v", "0"), _line("o", origin), _line("s", name)]
        if self.information:
            lines.append(_line("i", self.information))
        lines += [
            _body(self.connection, self.bandwidths),
            _line("t", "0 0"),
            _attribute_lines(self.attributes),
        ]
        return "".join(lines) + "".join(map(str, self.media))


def _printable(value: str) -> str:
    return _UNPRINTABLE.sub(" ", value)


def _line(kind: str, value: str) -> str:
    return f"{kind}={_printable(value)}\r\n"


def _body(connection: str, bandwidths: Bandwidths) -> str:
    head = _line("c", connection) if connection else ""
    return head + "".join(_line("b", f"{name}:{value}") for name, value in bandwidths)


def _attribute_lines(attributes: Attributes) -> str:
    return "".join(_line("a", name if value is None else f"{name}:{value}") for name, value in attributes)


def _attribute(attributes: Attributes, name: str) -> str | None:
    return next((value or "" for candidate, value in attributes if candidate.lower() == name.lower()), None)


def _number(text: str) -> int:
    """A number without sign; 0 for anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0


class _Section:
    """What is gathered of the session, or of one m= section, while its lines come."""

    def __init__(self, head: str = "") -> None:
        self.head = head
        self.values: dict[str, str] = {}
        self.attributes: list[tuple[str, str | None]] = []
        self.bandwidths: list[tuple[str, int]] = []

    def take(self, kind: str, value: str) -> None:
        if kind == "a":
            name, colon, rest = value.partition(":")
            if name.strip():
                self.attributes.append((name.strip(), rest.strip() if colon else None))
        elif kind == "b":
            name, _, rest = value.partition(":")
            if rest.strip().isdigit():
                self.bandwidths.append((name.strip(), _number(rest)))
        else:
            # Of a line that came twice (s= from some cameras) the first counts.
            self.values.setdefault(kind, value)

    def media(self) -> MediaDescription:
        words = self.head.split()
        # A broken m= still begins a section, or its attributes would fall to the one before.
        kind, port, protocol, *formats = words + [""] * (3 - len(words))
        return MediaDescription(
            kind,
            _number(port.partition("/")[0]),
            protocol,
            tuple(formats),
            tuple(self.attributes),
            self.values.get("c", ""),
            tuple(self.bandwidths),
        )


def parse(text: str | bytes) -> SessionDescription:
    """Read a description; ProtocolError where no line of it is SDP.

    Bytes that are no UTF-8 are replaced, lines that are none of SDP's are passed over.
    """
    if isinstance(text, bytes):
        text = text[:MAX_BYTES].decode("utf-8", "replace")
    session = current = _Section()
    sections: list[_Section] = []
    found = False
    for line in _LINE_END.split(text[:MAX_BYTES])[:MAX_LINES]:
        kind, equals, value = line.partition("=")
        kind, value = kind.strip(), value.strip()
        if not equals or kind not in _KINDS:
            continue
        found = True
        if kind == "m":
            current = _Section(value)
            if len(sections) < MAX_MEDIA:
                sections.append(current)
        else:
            current.take(kind, value)
    if not found:
        raise ProtocolError("the description holds no line of SDP")
    values = session.values
    return SessionDescription(
        values.get("o", ""),
        values.get("s", ""),
        values.get("i", ""),
        values.get("c", ""),
        tuple(session.bandwidths),
        tuple(session.attributes),
        tuple(section.media() for section in sections),
    )
