"""What is learned of a container by reading ahead; every packet read for it is put back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from av.packet import Packet
from av.stream import Stream

from reelcast.media.lane import Lane
from reelcast.media.picture_order import PictureOrder
from reelcast.media.reader import PacketReader
from reelcast.media.sample_grid import SampleGrid
from reelcast.media.timeline import Timeline
from reelcast.track import AccessUnit

__all__ = [
    "Served",
    "first_decoding_time",
    "first_packets",
    "first_times",
    "frame_step",
    "learn_order",
    "presentation_time",
]

MAX_PEEK_BYTES = 32 * 1024 * 1024
MAX_PEEK_PACKETS = 2000
"""How far a file is read for the first packet of each stream that needs one: seconds of any movie."""
MAX_REORDERED = 32
"""Frames looked at for the first that says when it is decoded: H.264 reorders 16."""
MAX_PROBED = 64
"""Frames looked at for how far they are reordered, where the stream does not tell: several runs of B-frames."""

_DEFAULT_FRAME_RATE = 25.0


@dataclass(frozen=True, slots=True)
class Served:
    """A stream that is served.

    index      of its track in the presentation
    stream     its index in the container
    lane       how its packets become units
    timeline   of its times, as the lane counts them
    time_base  seconds of one unit of the container's timestamps
    order      tells when pictures are shown, where the container does not
    grid       cuts PCM
    """

    index: int
    stream: int
    lane: Lane
    timeline: Timeline
    time_base: Fraction
    order: PictureOrder | None
    grid: SampleGrid | None = None

    @property
    def is_coarse(self) -> bool:
        """Whether the lane counts units that the container's timestamps are too coarse for."""
        return self.lane.length is not None and self.time_base * self.lane.rate > 1

    def arrange(self, unit: AccessUnit) -> list[AccessUnit]:
        """What can be handed out once `unit` is read; at times, units that came some time ago."""
        keeper = self.order or self.grid
        return [unit] if keeper is None else keeper.push(unit)

    def rest(self) -> list[AccessUnit]:
        """What is left at the end of the file."""
        keeper = self.order or self.grid
        return [] if keeper is None else keeper.flush()

    def restart(self, at: int, first_dts: int | None = None) -> None:
        """Forget what was read: the next unit is expected around `at`, see `Timeline.restart`."""
        self.timeline.restart(at, first_dts)
        if self.order is not None:
            self.order.restart()
        if self.grid is not None:
            self.grid.restart(whole=at == 0)


def frame_step(lane: Lane) -> int:
    """A frame's length as the lane counts it, where units do not say their own."""
    return round(lane.rate / (lane.track.frame_rate or _DEFAULT_FRAME_RATE))


def first_packets(reader: PacketReader, wanted: set[int]) -> dict[int, bytes]:
    """Data of the first keyframe of these streams."""
    first: dict[int, bytes] = {}
    seen: list[Packet[Stream]] = []
    size = 0
    for packet in _packets(reader, seen):
        size += packet.size
        if packet.stream_index in wanted and packet.is_keyframe:
            first.setdefault(packet.stream_index, bytes(packet))
        if len(first) == len(wanted) or size >= MAX_PEEK_BYTES:
            break
    reader.put_back(seen)
    return first


def first_times(reader: PacketReader, wanted: set[int]) -> dict[int, int]:
    """When the first packets of these streams are decoded, in their own time bases."""
    first: dict[int, int] = {}
    seen: list[Packet[Stream]] = []
    size = 0
    for packet in _packets(reader, seen) if wanted else ():
        size += packet.size
        time = packet.dts if packet.dts is not None else packet.pts
        if packet.stream_index in wanted and time is not None:
            first.setdefault(packet.stream_index, time)
        if len(first) == len(wanted) or size >= MAX_PEEK_BYTES:
            break
    reader.put_back(seen)
    return first


def first_decoding_time(reader: PacketReader, served: Served) -> int | None:
    """When a stream's next unit is decoded, where its packet does not say but a later one does.

    Without looking ahead, a keyframe would have one dts when it is sought and another when it is passed.
    """
    seen: list[Packet[Stream]] = []
    dts, missing = None, 0
    for packet in _packets(reader, seen):
        if packet.stream_index == served.stream:
            dts = packet.dts
            missing += dts is None
            if dts is not None or packet.pts is None or missing == MAX_REORDERED:
                break
    reader.put_back(seen)
    if dts is None or not missing:
        return None
    return served.timeline.ticks(dts) - missing * frame_step(served.lane)


def learn_order(reader: PacketReader, served: Served, order: PictureOrder) -> None:
    """Look at a stream's first pictures for how far they are reordered, and how long they are shown.

    What headers say of the rate of frames is that of fields at times (AVI), or nothing (raw H.264).
    """
    seen: list[Packet[Stream]] = []
    places: list[int] = []
    place = 0
    for packet in _packets(reader, seen):
        if packet.stream_index == served.stream:
            order.push(AccessUnit(served.lane.convert(bytes(packet)), len(places), len(places)))
            places.append(place if packet.dts is None else packet.dts)
            place = places[-1] + (packet.duration or 0)
            if len(places) == MAX_PROBED:
                break
    reader.put_back(seen)
    lengths = Counter(later - earlier for earlier, later in pairwise(places) if later > earlier)
    rate = served.lane.rate
    frame = Fraction(frame_step(served.lane))
    if lengths:
        frame = lengths.most_common(1)[0][0] * served.time_base * rate
    order.learn(frame)


def presentation_time(
    reader: PacketReader, served: Served, order: PictureOrder, keyframe: Packet[Stream]
) -> int:
    """When a keyframe just read is shown, in units of the clock; pictures that follow may come before it."""
    order.restart()
    decoded = served.timeline.ticks(keyframe.dts or 0)
    units = order.push(AccessUnit(served.lane.convert(bytes(keyframe)), decoded, decoded))
    seen: list[Packet[Stream]] = []
    for packet in () if units else _packets(reader, seen):
        if packet.stream_index == served.stream and packet.dts is not None:
            place = served.timeline.ticks(packet.dts)
            units = order.push(AccessUnit(served.lane.convert(bytes(packet)), place, place))
            if units:
                break
    reader.put_back(seen)
    return (units or order.flush())[0].pts


def _packets(reader: PacketReader, seen: list[Packet[Stream]]) -> Iterator[Packet[Stream]]:
    """The next packets, each noted in `seen`, to be put back."""
    while len(seen) < MAX_PEEK_PACKETS and (packet := reader.read()) is not None:
        seen.append(packet)
        yield packet
