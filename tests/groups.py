"""Bursts and groups made by hand: what the tests of sending share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct

from reelcast.rtp.burst import Burst, lay_out
from reelcast.rtp.group import Group
from reelcast.rtp.packet import HEADER_SIZE, Packet
from reelcast.track import Track

VIDEO = Track("video", "h264", 90_000, 96)
AUDIO = Track("audio", "pcmu", 8_000, 0, channels=1)
TRACKS = (VIDEO, AUDIO)

_LABEL = Struct("!qH")
LABEL_SIZE = _LABEL.size


def payload(pts: int, number: int, size: int) -> bytes:
    """Bytes that are like those of no other packet of the track, where they are long enough for a label."""
    return (_LABEL.pack(pts, number) + bytes((pts + number + place) % 251 for place in range(size)))[:size]


def burst(
    track: Track,
    dts: int,
    sizes: Iterable[int] = (LABEL_SIZE,),
    *,
    pts: int | None = None,
    duration: int = 0,
    keyframe: bool = True,
) -> Burst:
    """A burst whose packets have payloads of these sizes."""
    shown = dts if pts is None else pts
    payloads = [payload(shown, number, size) for number, size in enumerate(sizes)]
    return lay_out(payloads, track.payload_type, shown, dts, keyframe=keyframe, duration=duration)


def group_of(bursts: Iterable[tuple[int, Burst]], tracks: Sequence[Track] = TRACKS) -> Group:
    return Group.build(0, bursts, tracks, last=True)


def group_with(*sizes: int) -> Group:
    """A group of one burst with payloads of these sizes."""
    return group_of([(0, burst(VIDEO, 0, sizes))])


def parsed(data: bytes) -> Packet:
    packet = Packet.parse(data)
    assert packet is not None
    return packet


def packets_in(group: Group) -> list[tuple[int, Packet]]:
    """The packets as they stand in the group's data, each with the index of its track."""
    return [
        (track, parsed(group.data[offset - HEADER_SIZE : offset + size]))
        for track, offset, size in zip(
            group.columns.tracks.tolist(),
            group.columns.offsets.tolist(),
            group.columns.sizes.tolist(),
            strict=True,
        )
    ]
