"""What stands inside headers: each kind is read by `parse` and written by `str`, alike on both sides.

A malformed value raises ProtocolError with the status that answers it; what cameras are known to get wrong is
read as it was meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reelcast.errors import ProtocolError

__all__ = [
    "MAX_PARAMETERS",
    "MAX_TRANSPORTS",
    "RtpInfo",
    "SessionHeader",
    "TransportSpec",
    "format_decimal",
    "format_tokens",
    "parse_parameters",
    "parse_rtp_info",
    "parse_scale",
    "parse_speed",
    "parse_tokens",
    "parse_transport",
    "split_quoted",
]

MAX_TRANSPORTS = 16
"""Specs read from one Transport header; rtspsrc, which offers the most, sends three."""
MAX_PARAMETERS = 100
"""Lines of a text/parameters body; keepalives have none, cameras a handful."""
MAX_SESSION_ID_LENGTH = 128
"""An id is a token we or a server made up; the longest seen have 64 characters."""
MAX_TIMEOUT = 86_400
"""Seconds; a longer session timeout is as good as none, and a client's timers stay finite."""

Pair = tuple[int, int]

_PIECES = {separator: re.compile(rf'(?:[^"{separator}]|"[^"]*"?)+') for separator in ",;"}
_PAIR = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_NUMBER = re.compile(r"[0-9]{1,10}")
_PROTOCOL = re.compile(r"[A-Z]+/[A-Z]+(?:/[A-Z]+)?")
_HEX = re.compile(r"[0-9A-Fa-f]{1,8}")
_SESSION_ID = re.compile(rf"[!-:<-~]{{1,{MAX_SESSION_ID_LENGTH}}}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})")
_RTP_INFO_ENTRY = re.compile(r",\s*(?=url\s*=)", re.IGNORECASE)
_RTP_INFO_URL = re.compile(r"\s*url\s*=", re.IGNORECASE)
_RTP_INFO_FIELD = re.compile(r";\s*(seq|rtptime|ssrc)\s*=\s*([^;,\s]*)", re.IGNORECASE)


def split_quoted(value: str, separator: str) -> list[str]:
    """The pieces of a value between separators ("," or ";") that stand outside quotes, none empty."""
    pieces = (piece.strip() for piece in _PIECES[separator].findall(value))
    return [piece for piece in pieces if piece]


def format_decimal(value: float, places: int = 1) -> str:
    """A number without exponent, to the millionth, with at least `places` decimals."""
    whole, _, fraction = f"{round(value, 6) + 0.0:.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(places, '0')}"


@dataclass(frozen=True, slots=True)
class TransportSpec:
    """One way to carry a track, as offered or as agreed (RFC 2326 section 12.39).

    protocol       "RTP/AVP" is over UDP, "RTP/AVP/TCP" on the RTSP connection; others as sent, in capitals
    multicast      False where the peer says neither: RFC 2326 would have True, nobody means it
    interleaved    channels of RTP and RTCP, 0 to 255
    client_port    the client's ports for RTP and RTCP
    server_port    the server's, likewise
    port           multicast ports for RTP and RTCP
    destination    where the client wants the packets sent; source: where the server sends them from
    ttl            of multicast packets, 0 to 255
    layers         multicast layers
    append         a recording goes behind the existing one
    ssrc           the server's synchronisation source, 32 bits
    mode           "PLAY", "RECORD", or None where unsaid, which is PLAY
    """

    protocol: str = "RTP/AVP"
    multicast: bool = False
    interleaved: Pair | None = None
    client_port: Pair | None = None
    server_port: Pair | None = None
    port: Pair | None = None
    destination: str | None = None
    source: str | None = None
    ttl: int | None = None
    layers: int | None = None
    append: bool = False
    ssrc: int | None = None
    mode: str | None = None

    @property
    def tcp(self) -> bool:
        """True where packets are interleaved on the RTSP connection."""
        return self.protocol.endswith("/TCP")

    @classmethod
    def parse(cls, value: str) -> TransportSpec:
        """Read one spec; ProtocolError(461) where it names no way to send: ports of 0, ranges turned round.

        Unknown parameters are passed over. What only a server says (server_port, ssrc) is None where it
        cannot be read: a client can do without.
        """
        return cls._of(*_split_transport(value))

    @classmethod
    def parse_answer(cls, value: str) -> TransportSpec:
        """Read what a server agreed to; ProtocolError(461) where that is no transport at all.

        Of several specs the first counts. A parameter that cannot be read is as if it were not there: what
        the client offered then stands.
        """
        protocol, given = _split_transport((split_quoted(value, ",") or [""])[0])
        for name in given.keys() & _CHECKED.keys():
            try:
                _CHECKED[name](given[name])
            except ProtocolError:
                del given[name]
        if "interleaved" in given and not protocol.endswith("/TCP"):
            # Some cameras leave the "/TCP" out; only a connection has channels.
            protocol += "/TCP"
        return cls._of(protocol, given)

    @classmethod
    def _of(cls, protocol: str, given: dict[str, str]) -> TransportSpec:
        return cls(
            protocol=protocol,
            multicast="multicast" in given,
            interleaved=_channels(given.get("interleaved")),
            client_port=_ports(given.get("client_port")),
            server_port=_server_port(given.get("server_port")),
            port=_ports(given.get("port")),
            destination=given.get("destination") or None,
            source=given.get("source") or None,
            ttl=_hops(given.get("ttl")),
            layers=_count(given.get("layers")),
            append="append" in given,
            ssrc=_ssrc(given.get("ssrc")),
            mode=_mode(given.get("mode")),
        )

    def __str__(self) -> str:
        parts = [self.protocol, "multicast" if self.multicast else "unicast"]
        parts += [f"{name}={text}" for name in ("destination", "source") if (text := getattr(self, name))]
        for name in ("port", "client_port", "server_port", "interleaved"):
            pair: Pair | None = getattr(self, name)
            if pair is not None:
                parts.append(f"{name}={pair[0]}-{pair[1]}")
        if self.ttl is not None:
            parts.append(f"ttl={self.ttl}")
        if self.layers is not None:
            parts.append(f"layers={self.layers}")
        if self.append:
            parts.append("append")
        if self.ssrc is not None:
            parts.append(f"ssrc={self.ssrc:08X}")
        if self.mode is not None:
            parts.append(f'mode="{self.mode}"')
        return ";".join(parts)


def parse_transport(value: str) -> list[TransportSpec]:
    """The specs of a Transport header in order of preference, without those that cannot be used."""
    specs: list[TransportSpec] = []
    for piece in split_quoted(value, ",")[:MAX_TRANSPORTS]:
        try:
            specs.append(TransportSpec.parse(piece))
        except ProtocolError:
            continue
    return specs


def _split_transport(value: str) -> tuple[str, dict[str, str]]:
    """Protocol, in capitals and without what is understood, and parameters of one spec."""
    protocol, *pieces = split_quoted(value, ";") or [""]
    protocol = protocol.upper().removesuffix("/UDP")
    if not _PROTOCOL.fullmatch(protocol):
        raise ProtocolError(f"{protocol[:40]!r} is no transport", 461)
    given: dict[str, str] = {}
    for piece in pieces:
        name, _, text = piece.partition("=")
        given[name.strip().lower()] = text.strip().strip('"').strip()
    return protocol, given


def _pair(value: str | None, lowest: int, highest: int) -> Pair | None:
    """Two numbers in rising order; behind one alone comes the next, for RTCP."""
    if value is None:
        return None
    match = _PAIR.fullmatch(value.replace(" ", ""))
    if match is None:
        raise ProtocolError(f"{value[:40]!r} is no pair of ports or channels", 461)
    first = int(match[1])
    second = int(match[2]) if match[2] else first + 1
    if not lowest <= first < second <= highest:
        raise ProtocolError(f"{value[:40]!r} is no pair of ports or channels", 461)
    return first, second


def _channels(value: str | None) -> Pair | None:
    return _pair(value, 0, 255)


def _ports(value: str | None) -> Pair | None:
    return _pair(value, 1, 65_535)


def _server_port(value: str | None) -> Pair | None:
    try:
        return _ports(value)
    except ProtocolError:
        return None


def _number(value: str | None, highest: int) -> int | None:
    if value is None:
        return None
    if not _NUMBER.fullmatch(value) or int(value) > highest:
        raise ProtocolError(f"{value[:40]!r} is not a number up to {highest}", 461)
    return int(value)


def _hops(value: str | None) -> int | None:
    return _number(value, 255)


def _count(value: str | None) -> int | None:
    return _number(value, 65_535)


_CHECKED: dict[str, Callable[[str | None], object]] = {
    "interleaved": _channels,
    "client_port": _ports,
    "port": _ports,
    "ttl": _hops,
    "layers": _count,
}
"""The parameters that a malformed value of makes a request's spec unusable."""


def _ssrc(value: str | None) -> int | None:
    # Hikvision and Dahua pad it with spaces, Rubetek begins it with "0x", others drop leading zeros.
    digits = (value or "").replace(" ", "").lower().removeprefix("0x")
    return int(digits, 16) if _HEX.fullmatch(digits) else None


def _mode(value: str | None) -> str | None:
    mode = (value or "").upper()
    # live555 publishes with mode=receive.
    return "RECORD" if mode == "RECEIVE" else mode or None


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """A Session header (RFC 2326 section 12.37).

    id         as the server made it up
    timeout    seconds without a sign of life after which the server ends it; None where unsaid, which is 60
    """

    id: str
    timeout: int | None = None

    @classmethod
    def parse(cls, value: str) -> SessionHeader:
        """Read it; ProtocolError(454) where the id can be no session's. A timeout that is none is None."""
        identifier, *parameters = (piece.strip() for piece in value.split(";"))
        if not _SESSION_ID.fullmatch(identifier):
            raise ProtocolError("there is no such session", 454)
        timeout = None
        for parameter in parameters:
            name, _, text = parameter.partition("=")
            text = text.strip()
            if name.strip().lower() == "timeout" and _NUMBER.fullmatch(text):
                timeout = min(int(text), MAX_TIMEOUT) or None
        return cls(identifier, timeout)

    def __str__(self) -> str:
        # ffmpeg looks for the letters ";timeout=": no space may stand before them.
        return self.id if self.timeout is None else f"{self.id};timeout={self.timeout}"


@dataclass(frozen=True, slots=True)
class RtpInfo:
    """Where a track's packets begin after PLAY: one entry of RTP-Info (RFC 2326 section 12.33).

    url        of the track: as in SETUP, though cameras also send it relative to the presentation
    seq        sequence number of the first packet, or None where the server does not know it
    rtptime    RTP timestamp that corresponds to the start of the Range, or None likewise
    """

    url: str
    seq: int | None = None
    rtptime: int | None = None

    @classmethod
    def parse(cls, value: str) -> RtpInfo:
        """Read one entry; ProtocolError where it has no URL. Wowza's rtptime=-1 is None."""
        head = _RTP_INFO_URL.match(value)
        first = _RTP_INFO_FIELD.search(value)
        # A camera's URL may hold ";" itself: it ends where the first field begins.
        url = value[head.end() : first.start() if first else None].strip(' \t;"') if head else ""
        if not url:
            raise ProtocolError("an entry of RTP-Info without url=")
        fields = {name.lower(): text for name, text in _RTP_INFO_FIELD.findall(value)}
        return cls(url, _bounded(fields.get("seq"), 16), _bounded(fields.get("rtptime"), 32))

    def __str__(self) -> str:
        seq = "" if self.seq is None else f";seq={self.seq}"
        return f"url={self.url}{seq}" + ("" if self.rtptime is None else f";rtptime={self.rtptime}")


def parse_rtp_info(value: str) -> list[RtpInfo]:
    """The entries of an RTP-Info header; those that cannot be read are left out."""
    entries: list[RtpInfo] = []
    for piece in _RTP_INFO_ENTRY.split(value):
        try:
            entries.append(RtpInfo.parse(piece))
        except ProtocolError:
            continue
    return entries


def _bounded(value: str | None, bits: int) -> int | None:
    if value is None or not _NUMBER.fullmatch(value) or int(value) >> bits:
        return None
    return int(value)


def parse_tokens(*values: str) -> tuple[str, ...]:
    """The tokens of comma-separated headers: Public, Allow, Require, Unsupported (RFC 2326 section 12).

    Takes every header of one name, as `Headers.get_all` gives them.
    """
    return tuple(token for value in values for token in split_quoted(value, ","))


def format_tokens(tokens: Iterable[str]) -> str:
    """The inverse of `parse_tokens`."""
    return ", ".join(tokens)


def parse_scale(value: str) -> float:
    """A Scale header: playback rate, negative for backwards, never 0 (RFC 2326 section 12.34)."""
    scale = _decimal(value)
    if scale == 0:
        raise ProtocolError("a Scale of 0 is a PAUSE")
    return scale


def parse_speed(value: str) -> float:
    """A Speed header: delivery rate, above 0 (RFC 2326 section 12.35)."""
    speed = _decimal(value)
    if speed <= 0:
        raise ProtocolError("a Speed is above 0")
    return speed


def _decimal(value: str) -> float:
    text = value.strip()
    if not _DECIMAL.fullmatch(text):
        raise ProtocolError(f"{text[:40]!r} is no decimal number")
    return float(text)


def parse_parameters(body: bytes) -> dict[str, str]:
    """A text/parameters body: names with their values, empty in GET_PARAMETER (RFC 2326 section 10.8)."""
    try:
        lines = [line.strip() for line in body.decode().splitlines()]
    except UnicodeDecodeError:
        raise ProtocolError("a body of parameters that is no UTF-8") from None
    lines = [line for line in lines if line]
    if len(lines) > MAX_PARAMETERS:
        raise ProtocolError(f"more than {MAX_PARAMETERS} parameters", 413)
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}
