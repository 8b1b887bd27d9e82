"""What can go wrong, as a tree.

ReelcastError
├── ProtocolError         a peer said something malformed or forbidden; `status` is the RTSP answer
├── PayloadError          a coded frame cannot be carried in the payload format, or a track has none
├── MediaError            a file cannot be served: missing, broken, or nothing in it can be carried
├── TransportError        a socket cannot be had: port in use, no rights, unreachable
└── RemoteError           the other side refused: `status` and `reason` of its RTSP response
"""

from __future__ import annotations

__all__ = [
    "MediaError",
    "PayloadError",
    "ProtocolError",
    "ReelcastError",
    "RemoteError",
    "TransportError",
]


class ReelcastError(Exception):
    """The root of every error that reelcast raises on purpose; its text is one line for a person."""


class ProtocolError(ReelcastError):
    """A peer broke the protocol, or asked for what it may not have.

    `status` is the RTSP status code (RFC 2326 section 11) that answers it best.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class PayloadError(ReelcastError):
    """A coded frame does not fit its RTP payload format, or no format is known for the codec."""


class MediaError(ReelcastError):
    """A media file is missing, broken, or holds nothing that can be served."""


class TransportError(ReelcastError):
    """A socket could not be opened or bound; the text says which and what to do."""


class RemoteError(ReelcastError):
    """The peer answered a request with an error status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the server answered {status} {reason}")
        self.status = status
        self.reason = reason
