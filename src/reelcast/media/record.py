"""Recording: access units of a presentation into a file, as they are.

    with Recorder(path, tracks) as recorder:
        for received in units:
            recorder.write(received.track, received.unit, received.pts)

Nothing is decoded and encoded again; G.711 and G.722 become plain samples where a container has no name for them.
A file begins with a keyframe of each video track; what is heard before the first is left out. Sound and picture
keep the distance that their times have. Times may stand still, leap and turn back: a file goes on.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final, Self

from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from reelcast.errors import MediaError
from reelcast.media.decoding_times import (
    DecodingTimes,
    frame_length,
    learn_reordering,
    told_reordering,
)
from reelcast.media.output import (
    FRAGMENT_SECONDS,
    INTERLEAVE_SECONDS,
    Output,
    check_path,
    check_tracks,
    held_as,
)
from reelcast.media.parameters import NAL_SYNTAXES, extradata, parameter_sets, template
from reelcast.media.plain_samples import Expander, expanded
from reelcast.media.timeline import MAX_GAP_SECONDS
from reelcast.rtp.payload.h264_sps import MAX_REORDERING
from reelcast.rtp.payload.nal_units import split_nal_units
from reelcast.track import AccessUnit, Track

__all__ = ["Recorder"]

START_SECONDS: Final = 2.0
"""Of media, that a track may take to show up before the file begins without it."""
MAX_WAITING: Final = 512
"""Units that wait for the file to begin: START_SECONDS of video at 60 frames a second, and two tracks of sound."""
BACK_SECONDS: Final = 1.0
"""A unit this far behind another of its track is out of order; one further back comes from another timeline."""
LEARNED: Final = MAX_REORDERING + 1
"""Pictures that tell how far they are reordered, where parameter sets do not."""
DEFAULT_FRAME_RATE: Final = 25.0

log = logging.getLogger(__name__)


class Recorder:
    """One file being written.

    path               its name; the suffix says what it is: .mp4, .mov, .mkv, .webm or .ts
    tracks             those whose units will come
    silent             whether a track of which nothing came in time is announced all the same, where it can be.
                       MP4 and MOV play only from when something of each track came, so what may be cut off at
                       any moment has none that is silent
    fragment_seconds   of media that go to disk at once

    units      written so far
    seconds    from the first to the last of them
    end        of the last of them, in seconds from the beginning of the file
    playable   seconds from the beginning of the file: whatever comes before is on disk

    Raises MediaError where the container cannot hold a track, or the file cannot be written, before there is a
    file. Everything blocks, for as long as the disk takes. An index is kept in memory for MP4 and MOV, some
    20 MB an hour; the other containers need none.
    """

    def __init__(
        self,
        path: Path,
        tracks: Sequence[Track],
        *,
        silent: bool = True,
        fragment_seconds: float = FRAGMENT_SECONDS,
    ) -> None:
        check_path(path)
        check_tracks(path, tracks)
        self.path = path
        self.units = 0
        self.seconds = 0.0
        self.end = 0.0
        self.playable = 0.0
        self._silent = silent
        self._fragment_seconds = fragment_seconds
        self._lanes = {track.identity: _Lane(track, path.suffix.lower()) for track in tracks}
        self._waiting: deque[tuple[_Lane, AccessUnit, float]] = deque()
        self._output: Output | None = None
        self._origin = 0.0
        self._shift = 0.0
        self._failure: MediaError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bytes(self) -> int:
        """Bytes on disk so far."""
        return 0 if self._output is None else self._output.written

    @property
    def skipped(self) -> int:
        """Units that the container would not take."""
        return 0 if self._output is None else self._output.skipped

    @property
    def begun(self) -> bool:
        """Whether it is known what the file holds."""
        return self._output is not None

    def holds(self, track: Track) -> bool:
        """Whether units of a track are written, or would be once the file has begun."""
        lane = self._lanes.get(track.identity)
        return lane is not None and (lane.announced or self._output is None)

    def write(self, track: Track, unit: AccessUnit, seconds: float) -> None:
        """Take the next unit of a track, in decoding order.

        `seconds` is when it is presented, on a timeline that all tracks share; of the unit's own times only its
        duration counts. A track that was not announced (a camera came back with another one) is passed over.
        Raises MediaError where the disk is full or gone, and again at each call thereafter.
        """
        if self._failure is not None:
            raise self._failure
        lane = self._lanes.get(track.identity)
        if lane is None:
            return
        try:
            if self._output is not None:
                self._put(self._output, lane, unit, seconds)
            elif lane.admits(unit):
                self._waiting.append((lane, unit, seconds))
                if self._is_ready():
                    self._begin()
        except MediaError as error:
            self._failure = error
            if self._output is not None:
                self._output.abandon()
            raise

    def close(self) -> None:
        """Finish the file; closing twice does nothing. Where nothing came to be recorded, there is no file."""
        if self._failure is not None:
            return
        try:
            if self._output is None and self._openings():
                self._begin()
            if self._output is not None:
                self._output.close()
                self.playable = self.end
        except MediaError:
            if self._output is not None:
                self._output.abandon()
            raise
        finally:
            self._failure = MediaError(f"{self.path}: the recording is closed")

    def _openings(self) -> list[float]:
        """When the units are shown that the file can begin with: of video, if there is any."""
        kinds = {lane.track.kind for lane in self._lanes.values()}
        kind = "video" if "video" in kinds else "audio"
        return [seconds for lane, _, seconds in self._waiting if lane.track.kind == kind]

    def _is_ready(self) -> bool:
        """Whether all that can be waited for is here; what is too old to be recorded is dropped."""
        newest = self._waiting[-1][2]
        openings = self._openings()
        if not openings:
            while abs(newest - self._waiting[0][2]) > START_SECONDS or len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
            return False
        if abs(newest - openings[0]) >= START_SECONDS or len(self._waiting) >= MAX_WAITING:
            return True
        return all(lane.is_known(self._shown(lane)) for lane in self._lanes.values())

    def _shown(self, lane: _Lane) -> list[int]:
        """The times of a lane's units that wait, in units of its clock."""
        return [round(seconds * lane.rate) for each, _, seconds in self._waiting if each is lane]

    def _begin(self) -> None:
        self._origin = self._openings()[0]
        self._output = Output(self.path, self._fragment_seconds)
        for lane in self._lanes.values():
            lane.begin(self._output, self._shown(lane), self._silent)
        for lane, unit, seconds in self._waiting:
            self._put(self._output, lane, unit, seconds)
        self._waiting.clear()

    def _put(self, output: Output, lane: _Lane, unit: AccessUnit, seconds: float) -> None:
        before = lane.latest
        at = self._place(lane, seconds - self._origin, lane.length(unit))
        # Pictures that lead a keyframe need those before it; sound before the first picture is left out, and
        # so is sound that was put back into what is there.
        earliest = before if before is not None and lane.track.kind == "audio" else 0.0
        written, passed = output.written, self._passed()
        if (at - max(earliest, 0.0)) * lane.rate < -0.5 or not lane.put(output, unit, at):
            return
        if output.written > written:
            self.playable = max(self.playable, passed)
        self.units += 1
        self.seconds = max(self.seconds, at)
        self.end = max(self.end, at + lane.length(unit))

    def _passed(self) -> float:
        """Up to where libavformat has put all units in order, and in the fragment that it writes next."""
        decoded = [lane.decoded for lane in self._lanes.values() if lane.announced]
        return max(min(decoded), max(decoded) - INTERLEAVE_SECONDS)

    def _place(self, lane: _Lane, seconds: float, length: float) -> float:
        """A time on the file's timeline, which knows no leap: see `_Lane.shift`."""
        before = self.seconds if lane.latest is None else lane.latest
        if not -BACK_SECONDS <= seconds + lane.shift - before <= MAX_GAP_SECONDS:
            # Tracks meet a break one after the other; moved by the same amount they stay in step.
            if not -BACK_SECONDS <= seconds + self._shift - before <= MAX_GAP_SECONDS:
                self._shift = before + length - seconds
                log.info("%s: times leap by %.3f s; closed up", self.path, -self._shift)
            lane.shift = self._shift
        at = seconds + lane.shift
        lane.latest = at if lane.latest is None else max(lane.latest, at)
        return at


class _Lane:
    """One track's way into the file.

    rate      of its clock, in Hz
    decoded   when the last one written is decoded, in seconds from the beginning of the file
    latest    of its units, in seconds from the beginning of the file
    shift     seconds by which its times are moved since the last break in them
    """

    def __init__(self, track: Track, suffix: str) -> None:
        self.track = track
        self.rate = track.clock_rate
        self.latest: float | None = None
        self.decoded = -math.inf
        self.shift = 0.0
        self._in_band = suffix == ".ts" and track.codec in NAL_SYNTAXES
        self._expander = Expander(track) if held_as(suffix, track.codec) != track.codec else None
        self._source: VideoStream | AudioStream | None = None
        self._number: int | None = None
        self._frame = 0

    @property
    def announced(self) -> bool:
        """Whether the file has it."""
        return self._number is not None

    def admits(self, unit: AccessUnit) -> bool:
        """Whether a unit can be recorded: from the first on that begins the track."""
        if self._source is not None:
            return True
        if self.track.kind == "video" and not unit.keyframe:
            return False
        if self.track.codec in NAL_SYNTAXES:
            self.track = replace(self.track, parameter_sets=parameter_sets(self.track, unit.data))
        try:
            self._source = template(self._held(), unit)
        except MediaError as error:
            log.info("waiting for another unit: %s", error)
        return self._source is not None

    def is_known(self, shown: Sequence[int]) -> bool:
        """Whether all is known to write the track, by the times of its first units."""
        if self._source is None:
            return False
        return told_reordering(self.track) is not None or len(shown) >= LEARNED

    def begin(self, output: Output, shown: Sequence[int], silent: bool) -> None:
        """Announce the track; one of which nothing came yet only if `silent`, and if it can be described."""
        if silent and self._source is None and self.track.kind == "audio" and self.track.codec != "mpa":
            self._source = template(self._held(), None)
        if self._source is None:
            log.warning("%s %s is left out: nothing of it came", self.track.codec, self.track.kind)
            return
        self._number = output.add(self._held(), self._source)
        self._source.container.close()
        reordering = told_reordering(self.track)
        if self.track.kind == "video":
            told = round(self.rate / (self.track.frame_rate or DEFAULT_FRAME_RATE))
            # The first pictures may be those between which B-frames come.
            self._frame = min(frame_length(shown) or told, told)
        self._times = DecodingTimes(
            learn_reordering(shown) if reordering is None else reordering, self._frame, self.rate
        )

    def length(self, unit: AccessUnit) -> float:
        """Seconds that a unit lasts, 0.0 where that is not known."""
        return (unit.duration or self._frame) / self.rate

    def put(self, output: Output, unit: AccessUnit, seconds: float) -> bool:
        """Write a unit that is shown at this place of the file; whether there was anything to write."""
        data = self._stored(unit)
        if self._number is None or not data:
            return False
        pts, dts = self._times.next(round(seconds * self.rate))
        written = replace(unit, data=data, pts=pts, dts=dts, duration=unit.duration or self._frame)
        output.put(self._number, written, Fraction(1, self.rate))
        self.decoded = dts / self.rate
        return True

    def _held(self) -> Track:
        """The track as the container holds it."""
        return self.track if self._expander is None else expanded(self.track)

    def _stored(self, unit: AccessUnit) -> bytes:
        """A unit's data as the container holds it."""
        if self._expander is not None:
            return self._expander(unit.data)
        if self._in_band and unit.keyframe:
            syntax = NAL_SYNTAXES[self.track.codec]
            if not any(syntax.kind(nal) == syntax.sequence for nal in split_nal_units(unit.data)):
                return extradata(self.track) + unit.data
        return unit.data
