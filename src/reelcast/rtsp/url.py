"""RTSP URLs (RFC 2326 section 3.2): read from people, requests and SDP, and written without passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote_to_bytes

from reelcast.errors import ProtocolError

__all__ = ["DEFAULT_PORTS", "RtspUrl", "without_userinfo"]

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
"""RFC 2326 section 3.2; RFC 7826 section 4.2."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_DOUBLED = re.compile(r"(?:rtsps?://)+(?=rtsps?://)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORITY_END = re.compile(r"[/?]")
_HOST = re.compile(r"[^\s/?#@:\[\]%]+")
_PORT = re.compile(r"[0-9]{1,5}")
_USERINFO = re.compile(r"(?<=://)[^\s/?]*@")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class RtspUrl:
    """A URL in parts; its text, `str(url)`, is what goes on the wire: without user and password.

    scheme      "rtsp" or "rtsps"; "" where only a path was given
    host        name or address, IPv6 without brackets, with its zone; "" where only a path was given
    port        554, or 322 for rtsps, where unsaid
    path        as sent, not decoded: begins with "/", or is "*"
    query       as sent, without "?"; None where there is none
    user        percent-decoded, likewise password; None where there is none
    """

    scheme: str
    host: str
    port: int
    path: str = "/"
    query: str | None = None
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> RtspUrl:
        """Read an absolute URL, an absolute path, or "*"; ProtocolError(400) for anything else.

        Spaces are escaped; a scheme said twice counts once, as some cameras' Content-Base has it.
        """
        text = _DOUBLED.sub("", text.strip().replace(" ", "%20"))
        if _CONTROL.search(text):
            raise ProtocolError("a control character in a URL")
        if text == "*" or text.startswith("/"):
            path, query = _split_query(text)
            return cls("", "", DEFAULT_PORTS["rtsp"], path, query)
        scheme = _SCHEME.match(text)
        if scheme is None or scheme[1].lower() not in DEFAULT_PORTS:
            raise _no_url(text)
        rest = text[scheme.end() :]
        end = _AUTHORITY_END.search(rest)
        at = end.start() if end else len(rest)
        # A password that was not escaped may hold "@": the host stands behind the last.
        userinfo, _, address = rest[:at].rpartition("@")
        user, colon, password = userinfo.partition(":")
        try:
            host, port = _split_address(address)
        except ProtocolError as error:
            if "@" in rest[at:]:
                error.advice = "in a password, / is written %2F and ? is written %3F"
            raise
        path, query = _split_query(rest[at:])
        return cls(
            scheme[1].lower(),
            host,
            DEFAULT_PORTS[scheme[1].lower()] if port is None else port,
            path or "/",
            query,
            _unquote(user) if userinfo else None,
            _unquote(password) if colon else None,
        )

    @classmethod
    def of_server(cls, text: str) -> RtspUrl:
        """Read an absolute URL, as a person gives it; ProtocolError(400), with advice, for anything else."""
        url = cls.parse(text)
        if not url.host:
            raise _no_url(text)
        return url

    @property
    def request_uri(self) -> str:
        """What a request line says: no userinfo, no default port, no zone (RFC 6874 section 1)."""
        path = self.path if self.query is None else f"{self.path}?{self.query}"
        if not self.host:
            return path
        host = self.host.partition("%")[0]
        if ":" in host:
            host = f"[{host}]"
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{path}"

    def __str__(self) -> str:
        return self.request_uri

    def segments(self) -> tuple[str, ...]:
        """The path's segments, percent-decoded, without empty ones: what a resource is looked up by.

        ProtocolError(400) for a broken escape, for what is no UTF-8, and for NUL or "/" in disguise. ".." is
        given as it is: whoever opens files decides.
        """
        if self.path == "*":
            return ()
        if _BAD_ESCAPE.search(self.path):
            raise ProtocolError("a broken escape in a URL")
        try:
            segments = [unquote_to_bytes(part).decode() for part in self.path.split("/") if part]
        except UnicodeDecodeError:
            raise ProtocolError("a URL that is no UTF-8") from None
        if any("\0" in segment or "/" in segment for segment in segments):
            raise ProtocolError("a forbidden character in a URL")
        return tuple(segments)

    def base(self, content_base: str | None) -> RtspUrl:
        """What control attributes are relative to: Content-Base or Content-Location, else this URL itself.

        RFC 2326 appendix C.1.1. Takes what cameras send there: a path alone, an address without scheme; where
        nothing can be made of it this URL serves. User and password stay those of this URL.
        """
        text = (content_base or "").strip()
        if not text:
            return self
        if not text.startswith("/") and "://" not in text:
            text = f"{self.scheme}://{text}"
        try:
            base = RtspUrl.parse(text)
        except ProtocolError:
            return self
        if not base.host:
            return replace(self, path=base.path, query=base.query)
        return replace(base, user=self.user, password=self.password)

    def join(self, control: str) -> RtspUrl:
        """The URL of a control attribute under this base; ProtocolError(400) where it is none.

        Not as RFC 3986 would have it but as every peer does: "*" is the base itself, an absolute URL
        stands as it is, anything else goes behind the base, its query included, after exactly one "/".
        """
        control = control.strip()
        if control in ("", "*"):
            return self
        if _SCHEME.match(control):
            return replace(RtspUrl.parse(control), user=self.user, password=self.password)
        text = f"{self.request_uri.removesuffix('/')}/{control.removeprefix('/')}"
        joined = RtspUrl.parse(text)
        return replace(joined, host=self.host, user=self.user, password=self.password)


def without_userinfo(text: str) -> str:
    """Any text, such as a message or a URL as it was typed, without the user and password of the URLs in it."""
    return _USERINFO.sub("", text)


def _split_query(text: str) -> tuple[str, str | None]:
    path, mark, query = text.partition("?")
    return path, query if mark else None


def _split_address(address: str) -> tuple[str, int | None]:
    """Host and port, if one is said; an IPv6 address may lack its brackets, as some cameras' do."""
    # Errors quote nothing here: where a password holds "/", a piece of it stands where a port is looked for.
    if address.startswith("["):
        host, bracket, rest = address[1:].partition("]")
        if not bracket or not _is_ipv6(host) or (rest and not rest.startswith(":")):
            raise ProtocolError("a URL without a valid host")
        return host.replace("%25", "%", 1), _port(rest[1:])
    if address.count(":") > 1 and _is_ipv6(address):
        return address, None
    host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
    if not _HOST.fullmatch(host) and not _is_ipv6(host):
        raise ProtocolError("a URL without a valid host")
    return host, _port(port)


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except AddressValueError:
        return False
    return True


def _port(text: str) -> int | None:
    if not text:
        return None
    if not _PORT.fullmatch(text) or not 0 < int(text) <= 65_535:
        raise ProtocolError("the port of a URL is a number from 1 to 65535")
    return int(text)


def _unquote(text: str) -> str:
    return unquote_to_bytes(text).decode(errors="replace")


def _no_url(text: str) -> ProtocolError:
    advice = "it begins with rtsp:// or rtsps:// and the name or address of a host"
    return ProtocolError(f"{_shown(text)!r} is no RTSP URL", advice=advice)


def _shown(text: str) -> str:
    """The beginning of a URL for a message, without what may be a password."""
    return text.rpartition("@")[2][:80]
