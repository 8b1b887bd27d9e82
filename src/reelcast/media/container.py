"""Containers that PyAV opens (MP4, MOV, Matroska, MPEG-TS, AVI, WAV, raw H.264 and more), passed through.

A packet goes: reader (errors are skipped) -> its lane (framing) -> its timeline (times) -> access unit; where
the format has no presentation times, the order of H.264 pictures gives them.
Seeking lands by the container's own index where that is whole; elsewhere reading goes on from the place found
to the time wanted, and starts from an earlier one if no keyframe stood between.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from reelcast.errors import MediaError, PayloadError
from reelcast.media.codecs import Lane, adapt, name_of, wants_first
from reelcast.media.picture_order import PictureOrder
from reelcast.media.reader import READ_ERRORS, PacketReader, reason_of
from reelcast.media.timeline import Splice, Timeline
from reelcast.track import AccessUnit, Track

__all__ = ["ContainerDemuxer"]

MAX_TRACKS = 16
"""Tracks of one presentation; a header that lists thousands is broken or hostile."""
MAX_PEEK_BYTES = 32 * 1024 * 1024
MAX_PEEK_PACKETS = 2000
"""How far a file is read for the first packet of each stream that needs one: seconds of any movie."""
MAX_SCAN_BYTES = 64 * 1024 * 1024
"""Packets kept while a seek looks for a later keyframe: a group of pictures of 10 s at 50 Mbit/s."""
MAX_REORDERED = 32
"""Frames looked at for the first that says when it is decoded: H.264 reorders 16."""
MAX_PROBED = 64
"""Frames looked at for how far they are reordered, where the stream does not tell: several runs of B-frames."""
MAX_MEASURED_BYTES = 1 << 30
"""Files without a duration up to this size are read through to learn it: about two seconds of work."""
MAX_RAW_KEYFRAMES = 1_000_000
"""Entries of a raw file's index: 11 days with a keyframe a second."""
MAX_DURATION_SECONDS = 366 * 86_400
"""A header that claims more than a year is not believed."""

_MICROSECONDS = 1_000_000
_FIRST_DYNAMIC_TYPE = 96
_RAW_FORMAT = "h264"
"""The format without timestamps or index: a frame's place in the file is its time."""
_RAW_FRAME_RATE = 25.0
_FORMAT_WITHOUT_PTS = "avi"
"""AVI knows the order of decoding only; the pts that libavformat makes of it follow no B-frame."""
_INDEXED_FORMATS = frozenset({"mov", "avi"})
"""Formats whose index lists every keyframe, so that a seek lands on the last one at once."""
_FIRST_STEP_BACK_SECONDS = 1
_logger = logging.getLogger(__name__)

_MediaStream = VideoStream | AudioStream


@dataclass(frozen=True, slots=True)
class _Served:
    """A stream that is served: the track's index, its lane and its timeline.

    `order` tells when its pictures are shown, where the container does not.
    """

    index: int
    lane: Lane
    timeline: Timeline
    time_base: Fraction
    order: PictureOrder | None


class ContainerDemuxer:
    """A Demuxer of whatever libavformat reads, without transcoding.

    Raises MediaError where the file cannot be opened or none of its streams can be carried; single streams
    that cannot are left out with a warning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = PacketReader(path)
        # Of a raw file's keyframes: when they are shown and decoded, in units of the clock, and where they are.
        self._keyframes: list[int] = []
        self._places: list[tuple[int, int]] = []
        self._ready: deque[tuple[int, AccessUnit]] = deque()
        try:
            self._origin = Fraction(0)
            self._served = self._choose()
            # The first video track leads a seek; of a file without video, the first track.
            self._lead = min(self._served, key=lambda at: self._served[at].lane.track.kind != "video")
            self._learn_order()
            self._duration = self._find_duration()
            self._restart(0)
        except READ_ERRORS as error:
            self.close()
            raise MediaError(f"{path}: cannot be read: {reason_of(error)}") from error
        except MediaError:
            self.close()
            raise

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks served, in the container's order."""
        return tuple(served.lane.track for served in self._served.values())

    @property
    def duration(self) -> float | None:
        """Seconds, None where neither the container says nor reading it through is worth it."""
        return self._duration

    def seek(self, seconds: float) -> None:
        """Go to the last keyframe of the leading track at or before NPT `seconds`."""
        wanted = round(Fraction(seconds) * self._served[self._lead].lane.track.clock_rate)
        if wanted <= 0:
            self._reader.rewind()
            self._restart(0)
        elif self._keyframes:
            self._seek_raw(wanted)
        else:
            self._seek_timed(wanted)

    def units(self) -> Iterator[tuple[int, AccessUnit]]:
        """(track index, unit) from the present place to the end, in file order."""
        found = False
        while self._ready or self._read_on():
            found = True
            yield self._ready.popleft()
        if not found and self._reader.failure is not None:
            raise MediaError(f"{self._path}: cannot be read: {reason_of(self._reader.failure)}")

    def close(self) -> None:
        """Close the file; what is read after it is the end of the file."""
        self._reader.close()

    def _choose(self) -> dict[int, _Served]:
        """The streams that can be carried, by their index in the container, in its order."""
        streams = self._media_streams()
        self._origin = min((_start(stream) for stream in streams), default=Fraction(0))
        first = self._first_packets({stream.index for stream in streams if wants_first(stream)})
        splice = Splice()
        chosen: dict[int, _Served] = {}
        for stream in streams:
            try:
                if len(chosen) == MAX_TRACKS:
                    raise PayloadError(f"a presentation has at most {MAX_TRACKS} tracks")
                lane = self._number(adapt(stream, first.get(stream.index, b"")), len(chosen))
            except PayloadError as error:
                _logger.warning("%s: %s is left out: %s", self._path, _title(stream), error)
                continue
            time_base = stream.time_base or Fraction(1, lane.track.clock_rate)
            timeline = Timeline(lane.track.clock_rate, time_base, self._origin, _step(lane.track), splice)
            order = self._order(lane.track)
            chosen[stream.index] = _Served(len(chosen), lane, timeline, time_base, order)
        if not chosen:
            found = ", ".join(_title(stream) for stream in streams) or "no audio or video"
            raise MediaError(f"{self._path}: nothing in it can be carried over RTP; found {found}")
        return chosen

    def _media_streams(self) -> list[_MediaStream]:
        """Audio and video; cover art is a video stream of a single picture, and none of ours."""
        media: list[_MediaStream] = []
        for stream in self._reader.container.streams:
            if stream.type == "subtitle":
                _logger.warning("%s: track %d (subtitles) is left out", self._path, stream.index + 1)
            elif isinstance(stream, _MediaStream) and not stream.disposition & Disposition.attached_pic:
                media.append(stream)
        return media

    def _first_packets(self, wanted: set[int]) -> dict[int, bytes]:
        """Data of the first keyframe of these streams; what is read for it is put back."""
        first: dict[int, bytes] = {}
        seen: list[Packet[Stream]] = []
        size = 0
        while len(first) < len(wanted) and size < MAX_PEEK_BYTES and len(seen) < MAX_PEEK_PACKETS:
            packet = self._reader.read()
            if packet is None:
                break
            seen.append(packet)
            size += packet.size
            if packet.stream_index in wanted and packet.is_keyframe:
                first.setdefault(packet.stream_index, bytes(packet))
        self._reader.put_back(seen)
        return first

    def _number(self, lane: Lane, index: int) -> Lane:
        """The lane with what a track gets from its place in the presentation, and from the container."""
        track = replace(lane.track, control=f"trackID={index + 1}")
        if track.payload_type >= _FIRST_DYNAMIC_TYPE:
            track = replace(track, payload_type=_FIRST_DYNAMIC_TYPE + index)
        if _RAW_FORMAT in self._reader.formats and not track.frame_rate:
            track = replace(track, frame_rate=_RAW_FRAME_RATE)
        if not track.bit_rate and track.kind == "video":
            # Matroska and transport streams know the rate of the whole only; nearly all of it is video.
            track = replace(track, bit_rate=max(self._reader.container.bit_rate, 0))
        return replace(lane, track=track)

    def _order(self, track: Track) -> PictureOrder | None:
        if track.codec != "h264" or not self._reader.formats & _FORMATS_WITHOUT_PTS:
            return None
        return PictureOrder(track, track.frame_rate or _RAW_FRAME_RATE, str(self._path))

    def _learn_order(self) -> None:
        """Look at the first pictures of streams that do not tell how far theirs are reordered."""
        orders = {at: served.order for at, served in self._served.items() if served.order is not None}
        unknown = {at: order for at, order in orders.items() if not order.told}
        seen: list[Packet[Stream]] = []
        while unknown and len(seen) < MAX_PEEK_PACKETS and (packet := self._reader.read()) is not None:
            seen.append(packet)
            served, order = self._served.get(packet.stream_index), unknown.get(packet.stream_index)
            unit = self._unit(served, packet) if served is not None and order is not None else None
            ...
        self._reader.put_back(seen)

    def _find_duration(self) -> float | None:
        told = self._reader.container.duration
        if told is not None and 0 < told <= MAX_DURATION_SECONDS * _MICROSECONDS:
            return told / _MICROSECONDS
        size = self._reader.container.size
        return self._measure() if 0 < size <= MAX_MEASURED_BYTES else None

    def _measure(self) -> float | None:
        """Read the file through for its duration in seconds, and make the index of a raw one."""
        lead = self._served[self._lead]
        raw = _RAW_FORMAT in self._reader.formats
        number = end = 0
        while (packet := self._reader.read()) is not None:
            if packet.stream_index != self._lead:
                continue
            if raw and packet.is_keyframe and packet.pos is not None and number < MAX_RAW_KEYFRAMES:
                self._keyframes.append(number)
                self._places.append(packet.pos)
            number += 1
            pts = self._pts(packet)
            if pts is not None:
                end = max(end, lead.timeline.ticks(pts) + lead.timeline.length(packet.duration or 0))
        self._reader.rewind()
        if raw:
            end = number * _step(lead.lane.track)
        seconds = end / lead.lane.track.clock_rate
        return seconds if 0 < seconds <= MAX_DURATION_SECONDS else None

    def _unit(self, served: _Served, packet: Packet[Stream]) -> AccessUnit | None:
        data = served.lane.convert(bytes(packet))
        if packet.is_corrupt or not data:
            return None
        exact = served.lane.length
        duration = exact(data) if exact else served.timeline.length(packet.duration or 0)
        pts, dts = served.timeline.place(self._pts(packet), packet.dts, duration, counted=exact is not None)
        keyframe = exact is not None or packet.is_keyframe or served.lane.track.codec == "jpeg"
        return AccessUnit(data, pts, dts, keyframe, duration)

    def _pts(self, packet: Packet[Stream]) -> int | None:
        if packet.pts is None or _FORMAT_WITHOUT_PTS in self._reader.formats:
            return packet.dts
        return packet.pts

    def _restart(self, at: int) -> None:
        """Let all tracks expect a time, in units of the leading track's clock."""
        seconds = Fraction(at, self._served[self._lead].lane.track.clock_rate)
        for served in self._served.values():
            served.timeline.restart(round(seconds * served.lane.track.clock_rate))
        self._served[self._lead].timeline.restart(at, self._foresee())

    def _foresee(self) -> int | None:
        """When the leading track's next unit is decoded, where its packet does not say but a later one does.

        Without looking ahead, a keyframe would have one dts when it is sought and another when it is passed.
        """
        lead = self._served[self._lead]
        seen: list[Packet[Stream]] = []
        dts, missing = None, 0
        while dts is None and missing < MAX_REORDERED and (packet := self._reader.read()) is not None:
            seen.append(packet)
            if packet.stream_index == self._lead:
                dts = packet.dts
                if dts is None and packet.pts is None:
                    break
                missing += dts is None
        self._reader.put_back(seen)
        return (
            None
            if dts is None or not missing
            else lead.timeline.ticks(dts) - missing * _step(lead.lane.track)
        )

    def _seek_raw(self, wanted: int) -> None:
        step = _step(self._served[self._lead].lane.track)
        at = bisect_right(self._keyframes, wanted // step) - 1
        if at < 0 or not self._reader.seek(self._places[at]):
            self._reader.rewind()
            self._restart(0)
        else:
            self._restart(self._keyframes[at] * step)

    def _seek_timed(self, wanted: int) -> None:
        lead = self._served[self._lead]
        clock_rate = lead.lane.track.clock_rate
        back = 0
        while (at := wanted - back) > 0:
            offset = int((Fraction(at, clock_rate) + self._origin) / lead.time_base)
            if self._reader.seek(offset, self._lead) and self._scan(wanted):
                return
            back = 2 * back or _FIRST_STEP_BACK_SECONDS * clock_rate
        self._reader.rewind()
        if not self._scan(wanted):
            self._reader.rewind()
            self._restart(0)

    def _scan(self, wanted: int) -> bool:
        """Read on to the last keyframe at or before `wanted`; False where there is none from here on."""
        timeline = self._served[self._lead].timeline
        kept: list[Packet[Stream]] = []
        found: int | None = None
        size = 0
        while size < MAX_SCAN_BYTES and (packet := self._reader.read()) is not None:
            kept.append(packet)
            size += packet.size
            if packet.stream_index != self._lead:
                continue
            pts, dts = self._pts(packet), packet.dts
            if pts is None:
                continue
            shown = timeline.ticks(pts)
            if (shown if dts is None else timeline.ticks(dts)) > wanted:
                break
            if packet.is_keyframe and shown <= wanted:
                found = shown
                kept = [*self._since(kept, found), packet]
                size = sum(each.size for each in kept)
                if self._reader.formats & _INDEXED_FORMATS:
                    break
        if found is None:
            return False
        self._reader.put_back(kept)
        self._restart(found)
        return True

    def _since(self, packets: list[Packet[Stream]], start: int) -> Iterator[Packet[Stream]]:
        """Of packets read before a keyframe, those of other tracks that are heard with it or later."""
        seconds = Fraction(start, self._served[self._lead].lane.track.clock_rate)
        for packet in packets:
            served = self._served.get(packet.stream_index)
            if served is None or packet.stream_index == self._lead or packet.pts is None:
                continue
            end = served.timeline.ticks(packet.pts) + served.timeline.length(packet.duration or 0)
            if end > seconds * served.lane.track.clock_rate:
                yield packet


def _start(stream: _MediaStream) -> Fraction:
    """When a stream starts, in seconds on the container's axis."""
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))


def _step(track: Track) -> int:
    """A frame's length in units of the track's clock, where units do not say their own."""
    return round(track.clock_rate / (track.frame_rate or _RAW_FRAME_RATE))


def _title(stream: _MediaStream) -> str:
    return f"track {stream.index + 1} ({name_of(stream)})"
