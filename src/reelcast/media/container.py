"""Containers that PyAV opens (MP4, MOV, Matroska, MPEG-TS, AVI, WAV, raw H.264 and more), passed through.

A packet goes: reader (errors are skipped) -> its lane (framing) -> its timeline (times) -> access unit; where
the format has no presentation times, the order of H.264 and H.265 pictures gives them.
Seeking lands by the container's own index where that is whole; elsewhere reading goes on from the place found
to the time wanted, and starts from an earlier one if no keyframe stood between.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from reelcast.errors import MediaError, PayloadError
from reelcast.media.ahead import (
    Served,
    first_decoding_time,
    first_packets,
    first_times,
    frame_step,
    learn_order,
    presentation_time,
)
from reelcast.media.codecs import adapt, name_of, wants_first
from reelcast.media.lane import FIRST_DYNAMIC_TYPE, Lane
from reelcast.media.picture_order import ORDERED_CODECS, PictureOrder
from reelcast.media.raw_index import RawIndex
from reelcast.media.reader import READ_ERRORS, PacketReader, reason_of
from reelcast.media.sample_grid import SampleGrid
from reelcast.media.timeline import Splice, Timeline
from reelcast.track import AccessUnit, Track

__all__ = ["FORMATS_WITHOUT_PTS", "ContainerDemuxer"]

MAX_TRACKS = 16
"""Tracks of one presentation; a header that lists thousands is broken or hostile."""
MAX_SCAN_BYTES = 64 * 1024 * 1024
"""Packets kept while a seek looks for a later keyframe: a group of pictures of 10 s at 50 Mbit/s."""
MAX_MEASURED_BYTES = 1 << 30
"""Files without a duration up to this size are read through to learn it: about two seconds of work."""
MAX_COUNTED_BYTES = 128 * 1024 * 1024
"""Files whose duration is a guess are read through up to this size: two hours of MP3, two seconds of work."""
MAX_KNOWN_LENGTHS = 1000
"""Lengths remembered, so that a file is read through but once, however often it is opened."""
MAX_DURATION_SECONDS = 366 * 86_400
"""A header that claims more than a year is not believed."""

_MICROSECONDS = 1_000_000
_RAW_FORMATS = frozenset({"h264", "hevc"})
"""Formats without timestamps or index: a frame's place in the file is its time."""
_RAW_FRAME_RATE = 25.0
FORMATS_WITHOUT_PTS = _RAW_FORMATS | {"avi"}
"""These know the order of decoding only; the pts that libavformat makes of it follow no B-frame."""
_INDEXED_FORMATS = frozenset({"mov", "avi"})
"""Formats whose index lists every keyframe, so that a seek lands on the last one at once."""
_LOST_CODECS = frozenset({"g722"})
"""libavformat seeks these in WAV to a wrong place, and calls it the right one; they are read from the start."""
_FORMATS_COUNTED_FROM_ZERO = frozenset({"flv"})
"""These tell when the media ends on their own axis, wherever on it they begin."""
_GUESSED_FORMATS = frozenset({"mp3", "aac"})
"""Without a header that says more, libavformat takes the first frames' bit rate for that of all."""
_FIRST_STEP_BACK_SECONDS = 1
_logger = logging.getLogger(__name__)

_measured: dict[tuple[Path, int, int], int] = {}
"""Where the last unit ends, by path, size and time of the last change."""

_MediaStream = VideoStream | AudioStream


class ContainerDemuxer:
    """A Demuxer of whatever libavformat reads, without transcoding.

    Raises MediaError where the file cannot be opened or none of its streams can be carried; single streams
    that cannot are left out with a warning.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = PacketReader(path)
        self._index: RawIndex | None = None
        self._served: dict[int, Served] = {}
        self._ready: deque[tuple[int, AccessUnit]] = deque()
        try:
            self._origin = Fraction(0)
            self._served = self._choose()
            # The first video track leads a seek; of a file without video, the first track.
            self._lead = min(self._served, key=lambda at: self._served[at].lane.track.kind != "video")
            for served in self._served.values():
                if served.order is not None:
                    learn_order(self._reader, served, served.order)
            coarse = {at for at, served in self._served.items() if served.is_coarse}
            for at, first in first_times(self._reader, coarse).items():
                self._served[at].timeline.count_from(first)
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
        lead = self._served[self._lead]
        wanted = round(Fraction(seconds) * lead.lane.rate)
        wanted -= wanted % lead.grid.cell if lead.grid is not None else 0
        if wanted <= 0:
            self._reader.rewind()
            self._restart(0)
        elif self._index is not None:
            self._seek_raw(self._index, wanted)
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
        self._ready.clear()
        for served in self._served.values():
            served.rest()
        self._reader.close()

    def _choose(self) -> dict[int, Served]:
        """The streams that can be carried, by their index in the container, in its order."""
        streams = self._media_streams()
        self._origin = min((_start(stream) for stream in streams), default=Fraction(0))
        first = first_packets(self._reader, {stream.index for stream in streams if wants_first(stream)})
        splice = Splice()
        chosen: dict[int, Served] = {}
        for stream in streams:
            try:
                if len(chosen) == MAX_TRACKS:
                    raise PayloadError(f"a presentation has at most {MAX_TRACKS} tracks")
                lane = self._number(adapt(stream, first.get(stream.index, b"")), len(chosen))
            except PayloadError as error:
                _logger.warning("%s: %s is left out: %s", self._path, _title(stream), error)
                continue
            time_base = stream.time_base or Fraction(1, lane.rate)
            timeline = Timeline(lane.rate, time_base, self._origin, frame_step(lane), splice)
            order = self._order(lane.track)
            grid = SampleGrid(lane.rate, lane.frame) if lane.frame else None
            chosen[stream.index] = Served(len(chosen), stream.index, lane, timeline, time_base, order, grid)
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

    def _number(self, lane: Lane, index: int) -> Lane:
        """The lane with what a track gets from its place in the presentation, and from the container."""
        track = replace(lane.track, control=f"trackID={index + 1}")
        if track.payload_type >= FIRST_DYNAMIC_TYPE:
            track = replace(track, payload_type=FIRST_DYNAMIC_TYPE + index)
        if self._reader.formats & _RAW_FORMATS and not track.frame_rate:
            track = replace(track, frame_rate=_RAW_FRAME_RATE)
        if not track.bit_rate and track.kind == "video":
            # Matroska and transport streams know the rate of the whole only; nearly all of it is video.
            track = replace(track, bit_rate=max(self._reader.container.bit_rate, 0))
        return replace(lane, track=track)

    def _order(self, track: Track) -> PictureOrder | None:
        """The order of a track's pictures, where the container does not know it and it is not that of decoding."""
        if track.codec not in ORDERED_CODECS or not self._reader.formats & FORMATS_WITHOUT_PTS:
            return None
        order = PictureOrder(track, str(self._path))
        return order if order.reordering != 0 else None

    def _find_duration(self) -> float | None:
        told = self._reader.container.duration
        if told is not None and self._reader.formats & _FORMATS_COUNTED_FROM_ZERO:
            told -= round(self._origin * _MICROSECONDS)
        size = self._reader.container.size
        # A header with the number of frames has the encoder's delay as well, and so the origin is not 0.
        guessed = bool(self._reader.formats & _GUESSED_FORMATS) and not self._origin
        if told is not None and 0 < told <= MAX_DURATION_SECONDS * _MICROSECONDS:
            if not guessed or size > MAX_COUNTED_BYTES:
                return told / _MICROSECONDS
        elif not 0 < size <= MAX_MEASURED_BYTES:
            return None
        return self._measure()

    def _measure(self) -> float | None:
        """Read the file through for its duration in seconds, and make the index of a raw one."""
        lead = self._served[self._lead]
        if self._reader.formats & _RAW_FORMATS:
            end = self._measure_raw(lead)
            self._reader.rewind()
        else:
            status = os.stat(self._path)
            stamp = self._path, status.st_size, status.st_mtime_ns
            known = _measured.get(stamp)
            end = self._measure_timed(lead) if known is None else known
            if len(_measured) >= MAX_KNOWN_LENGTHS:
                _measured.clear()
            _measured[stamp] = end
        seconds = end / lead.lane.rate
        return seconds if 0 < seconds <= MAX_DURATION_SECONDS else None

    def _measure_timed(self, lead: Served) -> int:
        """Where the last unit ends by the container's own timestamps, as the lane counts."""
        end = 0
        while (packet := self._reader.read()) is not None:
            pts = self._pts(packet)
            if packet.stream_index == self._lead and pts is not None:
                end = max(end, lead.timeline.ticks(pts) + lead.timeline.length(packet.duration or 0))
        self._reader.rewind()
        return end

    def _measure_raw(self, lead: Served) -> int:
        """Make the index of a raw file; returns where its last unit ends, in units of the clock."""
        self._index = RawIndex(lead.order.delay if lead.order is not None else 0)
        self._restart(0)
        end = 0
        while (packet := self._reader.read()) is not None:
            unit = self._unit(lead, packet)
            if unit is None:
                continue
            end = unit.dts + (unit.duration or frame_step(lead.lane))
            if unit.keyframe and packet.pos is not None:
                self._index.expect(unit.dts, packet.pos)
            self._index.add(lead.arrange(unit))
        self._index.add(lead.rest())
        return end

    def _read_on(self) -> bool:
        """Read until units are ready; False at the end, where none are left."""
        while not self._ready:
            packet = self._reader.read()
            if packet is None:
                for served in self._served.values():
                    self._ready.extend((served.index, unit) for unit in served.rest())
                return bool(self._ready)
            found = self._served.get(packet.stream_index)
            unit = self._unit(found, packet) if found is not None else None
            if found is not None and unit is not None:
                self._ready.extend((found.index, each) for each in found.arrange(unit))
        return True

    def _unit(self, served: Served, packet: Packet[Stream]) -> AccessUnit | None:
        lane = served.lane
        data = lane.convert(bytes(packet))
        if packet.is_corrupt or not data:
            return None
        exact = lane.length
        duration = exact(data) if exact else served.timeline.length(packet.duration or 0)
        pts, dts = served.timeline.place(self._pts(packet), packet.dts, duration, counted=exact is not None)
        keyframe = exact is not None or packet.is_keyframe or lane.track.codec == "jpeg"
        begin = lane.ticks(dts)
        return AccessUnit(data, lane.ticks(pts), begin, keyframe, lane.ticks(dts + duration) - begin)

    def _pts(self, packet: Packet[Stream]) -> int | None:
        if packet.pts is None or self._reader.formats & FORMATS_WITHOUT_PTS:
            return packet.dts
        return packet.pts

    def _restart(self, at: int) -> None:
        """Let all tracks expect a time, as the leading track counts it; drop what was not handed out."""
        self._ready.clear()
        lead = self._served[self._lead]
        seconds = Fraction(at, lead.lane.rate)
        for served in self._served.values():
            served.restart(round(seconds * served.lane.rate))
        lead.restart(at, first_decoding_time(self._reader, lead))

    def _seek_raw(self, index: RawIndex, wanted: int) -> None:
        found = index.find(wanted)
        if found is None or not self._reader.seek(found[1]):
            self._reader.rewind()
            self._restart(0)
        else:
            self._restart(found[0])

    def _seek_timed(self, wanted: int) -> None:
        lead = self._served[self._lead]
        clock_rate = lead.lane.rate
        back = 0
        while (at := wanted - back) > 0 and lead.lane.track.codec not in _LOST_CODECS:
            # The last timestamp that is `at` or before once it is rounded to the clock.
            offset = ceil((Fraction(2 * at + 1, 2 * clock_rate) + self._origin) / lead.time_base) - 1
            if self._reader.seek(offset, self._lead) and self._scan(wanted):
                return
            back = 2 * back or _FIRST_STEP_BACK_SECONDS * clock_rate
        self._reader.rewind()
        if not self._scan(wanted):
            self._reader.rewind()
            self._restart(0)

    def _scan(self, wanted: int) -> bool:
        """Read on to the last keyframe at or before `wanted`; False where there is none from here on."""
        lead = self._served[self._lead]
        timeline = lead.timeline
        indexed = lead.order is None and bool(self._reader.formats & _INDEXED_FORMATS)
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
            if packet.is_keyframe and lead.order is not None:
                shown = presentation_time(self._reader, lead, lead.order, packet)
            if packet.is_keyframe and shown <= wanted:
                found = shown
                kept = [*self._since(kept, found), packet]
                size = sum(each.size for each in kept)
                if indexed:
                    break
        if found is None:
            return False
        self._reader.put_back(kept)
        self._restart(found)
        return True

    def _since(self, packets: list[Packet[Stream]], start: int) -> Iterator[Packet[Stream]]:
        """Of packets read before a keyframe, those of other tracks that are heard with it or later."""
        seconds = Fraction(start, self._served[self._lead].lane.rate)
        for packet in packets:
            served = self._served.get(packet.stream_index)
            if served is None or packet.stream_index == self._lead or packet.pts is None:
                continue
            end = served.timeline.ticks(packet.pts) + served.timeline.length(packet.duration or 0)
            if end > seconds * served.lane.rate:
                yield packet


def _start(stream: _MediaStream) -> Fraction:
    """When a stream starts, in seconds on the container's axis."""
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))


def _title(stream: _MediaStream) -> str:
    return f"track {stream.index + 1} ({name_of(stream)})"
