"""Numbers as they are read."""

from __future__ import annotations

from reelcast.errors import ReelcastError
from reelcast.track import Track

__all__ = ["clock_text", "codec_text", "error_text", "rate_text", "seconds_text"]

_CODECS = {"h264": "H.264", "h265": "H.265", "jpeg": "JPEG", "aac": "AAC", "l16": "L16", "opus": "Opus"}


def clock_text(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any: 1:05, 2:00:00."""
    whole = int(max(0.0, seconds))
    minutes, second = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{second:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def seconds_text(seconds: float) -> str:
    """A short time: 40 ms, 1.2 s, 3 min."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def rate_text(bit_rate: float) -> str:
    """Bits a second."""
    return f"{bit_rate / 1e6:.2f} Mbit/s" if bit_rate >= 1e6 else f"{bit_rate / 1e3:.0f} kbit/s"


def codec_text(track: Track) -> str:
    """The codec as people write it."""
    return _CODECS.get(track.codec, track.codec.upper())


def error_text(error: ReelcastError) -> str:
    """What was wrong, and what to do about it."""
    return f"{error}; {error.advice}" if error.advice else str(error)
