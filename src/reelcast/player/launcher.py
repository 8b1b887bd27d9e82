"""What to play, asked for: in a small window, or on a terminal, or read from a command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from reelcast.errors import ReelcastError
from reelcast.player.source import Source
from reelcast.rtsp.url import RtspUrl

__all__ = ["DEFAULTS", "USAGE", "parse", "prompt", "source_of"]

DEFAULTS: Final = ("127.0.0.1", "8000", "5001", "movie.Mjpeg")
"""Host, port, RTP port and file, as the exercise has them."""
USAGE: Final = "usage: python clientlauncher.py HOST PORT RTP_PORT FILE"
NAMES: Final = ("Host", "Port", "RTP port", "File")


def source_of(host: str, port: str, rtp_port: str, file: str) -> Source:
    """What these four say; ReelcastError with one line where one of them makes no sense."""
    host, file = host.strip(), file.strip().lstrip("/")
    if not host or any(character.isspace() or character in "/?#@" for character in host):
        raise ReelcastError(f"{host!r} is no host: give a name or an address, such as 127.0.0.1")
    if not file:
        raise ReelcastError("the file's name is missing: give one that the server has, such as movie.Mjpeg")
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    url = f"rtsp://{bracketed}:{_port('PORT', port, 65_535)}/{file}"
    RtspUrl.parse(url)
    return Source(url, rtp_port=_port("RTP_PORT", rtp_port, 65_534), dialect="auto")


def _port(name: str, text: str, most: int) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= most):
        raise ReelcastError(f"{text!r} is no {name}: give a number from 1 to {most}")
    return int(text)


def parse(arguments: Sequence[str]) -> Source | None:
    """The source that four arguments name; None where there are none. ReelcastError for anything else."""
    if not arguments:
        return None
    if len(arguments) != len(NAMES):
        raise ReelcastError(USAGE)
    return source_of(*arguments)


def prompt(read: Callable[[str], str], tell: Callable[[str], None]) -> Source | None:
    """Ask on a terminal, until the answers make sense; None at its end (Ctrl-D)."""
    while True:
        try:
            answers = [
                read(f"{name} [{default}]: ").strip() or default
                for name, default in zip(NAMES, DEFAULTS, strict=True)
            ]
        except EOFError:
            return None
        try:
            return source_of(*answers)
        except ReelcastError as error:
            tell(str(error))
