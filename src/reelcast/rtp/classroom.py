"""RTP as the classroom's programs send it: whole JPEG images under payload type 26, without RFC 2435's header.

The assignment's server puts one image into one datagram, without a marker: the sequence number is the number of
the frame, from 1, the timestamp is the time of day in whole seconds, the SSRC is 0. Editions for larger movies
cut an image into packets and set the marker on the last.
"""

from __future__ import annotations

from reelcast.rtp.packet import HEADER, HEADER_SIZE, Packet

__all__ = ["MAX_FRAME_BYTES", "MAX_JPEG_BYTES", "FrameAssembler", "frame_packet"]

MAX_JPEG_BYTES = 65_507 - HEADER_SIZE
"""What is left for the image in the largest datagram of UDP over IPv4."""
MAX_FRAME_BYTES = 4 << 20
"""An image in pieces: more than any picture for a classroom; what is longer is a marker that was lost."""

_PAYLOAD_TYPE = 26
_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"


def frame_packet(number: int, jpeg: bytes, seconds: int) -> bytes:
    """The datagram of one frame: its number from 1, the image, the Unix time; numbers wrap at 16 bits."""
    return HEADER.pack(0x80, _PAYLOAD_TYPE, number & 0xFFFF, seconds & 0xFFFFFFFF, 0) + jpeg


class FrameAssembler:
    """Images out of packets in order. Never raises.

    Whether a packet without a marker is a whole image or the first piece of one is learnt from the stream: once
    a marker has come, or a packet that does not begin as an image, images end at markers alone.

    lost    images that were begun and could not be completed
    """

    def __init__(self) -> None:
        self.lost = 0
        self._pieces: list[bytes] = []
        self._size = 0
        self._next: int | None = None
        self._in_pieces = False
        self._torn = False

    def receive(self, packet: Packet) -> list[bytes]:
        """Take the next packet in; the images that it completes: none, one, or two."""
        frames: list[bytes] = []
        begins = packet.payload.startswith(_SOI)
        self._in_pieces |= packet.marker or not begins
        if begins:
            # An image without an end, of a server that sends them whole: decoders make do with it.
            frames += self._finish() if not self._in_pieces else []
            self._lose()
            self._torn = False
        elif packet.sequence != self._next or not self._pieces:
            self._lose()
            self._torn = True
        self._next = packet.sequence + 1 & 0xFFFF
        if not self._torn:
            self._keep(packet.payload)
        whole = packet.marker if self._in_pieces else packet.payload.rstrip(b"\0").endswith(_EOI)
        if whole:
            frames += self._finish()
            self._torn = False
        return frames

    def _keep(self, payload: bytes) -> None:
        self._pieces.append(payload)
        self._size += len(payload)
        if self._size > MAX_FRAME_BYTES:
            self._lose()
            self._torn = True

    def _finish(self) -> list[bytes]:
        frame = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return [frame] if frame else []

    def _lose(self) -> None:
        self.lost += bool(self._pieces)
        self._pieces, self._size = [], 0
