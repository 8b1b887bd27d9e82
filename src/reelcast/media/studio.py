"""Pictures and samples in, from any thread; coded units of a presentation out, from a thread of its own.

    studio = Studio(Programme(fps=25), Outlets(begin, unit, end))
    studio.write(picture)
    studio.finish()

What is written waits in a bounded queue. Where the encoder is too slow, or those behind it want nothing for now
(`hold`), the oldest is left out and counted: never a coded unit, which others would refer to.

All times are on one axis, seconds since the Unix epoch: those of what is written without a time are the clock's.
"""

from __future__ import annotations

import logging
import threading
import time as clock
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from av.video.frame import VideoFrame
from numpy.typing import NDArray

from reelcast.errors import MediaError, ReelcastError
from reelcast.given import is_number
from reelcast.media.encode import AnyPicture, VideoEncoder, to_frame
from reelcast.media.encode_audio import AudioEncoder, to_sound
from reelcast.media.lane import FIRST_DYNAMIC_TYPE
from reelcast.media.programme import Programme
from reelcast.track import AccessUnit, Kind, Track

__all__ = ["MAX_PICTURES", "Outlets", "Studio", "numbered"]

log = logging.getLogger(__name__)

MAX_PICTURES: Final = 8
"""That wait to be encoded: a third of a second, and 50 MB of them in full HD."""
MAX_SOUND_SECONDS: Final = 2.0
"""Of samples that wait: sound comes in larger pieces, and costs nothing."""
MAX_EARLY: Final = 512
"""Units of sound that wait for the first picture: ten seconds."""
MAX_SECONDS: Final = 1e11
"""Of a time: three thousand years; what is beyond was counted in milliseconds."""
TURN_BACK_SECONDS: Final = 1.0
"""A time that is so much before the last is on another axis (a file that begins again); less is disorder."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where what is made goes; called in the studio's thread.

    begin    once, with the tracks, before their units
    unit     the index of its track, and the unit; its pts counts from the Unix epoch
    end      once, when nothing more comes: with None where that was wanted, else with the reason
    """

    begin: Callable[[tuple[Track, ...]], None]
    unit: Callable[[int, AccessUnit], None]
    end: Callable[[ReelcastError | None], None]


@dataclass(frozen=True, slots=True)
class _Item:
    """A picture or samples, and when they are seen or heard."""

    content: VideoFrame | NDArray[Any]
    time: float

    @property
    def is_picture(self) -> bool:
        return isinstance(self.content, VideoFrame)


def numbered(tracks: Iterable[Track]) -> tuple[Track, ...]:
    """Tracks of one presentation: each with a control of its own, and a payload type where it has no static one."""
    found: list[Track] = []
    dynamic = FIRST_DYNAMIC_TYPE
    for number, track in enumerate(tracks, 1):
        payload_type = track.payload_type
        if payload_type >= FIRST_DYNAMIC_TYPE:
            payload_type, dynamic = dynamic, dynamic + 1
        found.append(replace(track, payload_type=payload_type, control=f"trackID={number}"))
    return tuple(found)


def _check_times(time: float | None, pts: float | None) -> None:
    """ValueError for what is no time."""
    for name, value in (("time", time), ("pts", pts)):
        if value is not None and not (is_number(value) and abs(value) < MAX_SECONDS):
            raise ValueError(f"{name} must be a number of seconds, not {value!r}")


class _Axis:
    """Places what is written: by its own time where it has one, else by the clock."""

    def __init__(self, step: float) -> None:
        self._step = step
        # By the monotonic clock from here on: a step of the system's clock is none of the media's.
        self._offset = clock.time() - clock.monotonic()
        self._origin: float | None = None
        self._shift = 0.0
        self._last: dict[Kind, float] = {}

    def place(self, kind: Kind, time: float | None, pts: float | None) -> float:
        now = self._offset + clock.monotonic()
        if time is None and pts is None:
            return self._keep(kind, now)
        if time is None:
            assert pts is not None
            if self._origin is None:
                self._origin = now - pts
            time = self._origin + pts
        time += self._shift
        last = self._last.get(kind)
        if last is not None and time < last - TURN_BACK_SECONDS:
            back = last + self._step - time
            self._shift += back
            time += back
        return self._keep(kind, time)

    def _keep(self, kind: Kind, time: float) -> float:
        self._last[kind] = max(time, self._last.get(kind, time))
        return time


class Studio:
    """Encodes what is written; see above. `write` and `write_audio` are for any thread, as is all else.

    dropped    pictures that were left out; dropped_audio: seconds of sound
    """

    def __init__(self, programme: Programme, outlets: Outlets) -> None:
        self.programme = programme
        self.dropped = 0
        self.dropped_audio = 0.0
        self._outlets = outlets
        self._axis = _Axis(1.0 / programme.fps)
        self._changed = threading.Condition()
        self._items: deque[_Item] = deque()
        self._pictures = 0
        self._sound = 0.0
        self._shape: tuple[int, int] | None = None
        self._held = False
        self._finishing = False
        self._failure: ReelcastError | None = None
        self._keyframe = False
        self._video: VideoEncoder | None = None
        self._audio: AudioEncoder | None = None
        if programme.sample_rate is not None:
            self._audio = AudioEncoder(
                programme.audio_codec,
                programme.sample_rate,
                programme.channels,
                bit_rate=programme.audio_bit_rate,
            )
        self._early: deque[tuple[Kind, AccessUnit]] = deque(maxlen=MAX_EARLY)
        self._begun = False
        self._thread = threading.Thread(target=self._run, name="reelcast-studio", daemon=True)
        self._thread.start()

    # What the application calls.

    def write(
        self,
        picture: AnyPicture,
        *,
        time: float | None = None,
        pts: float | None = None,
        wait: bool = False,
    ) -> None:
        """Take a picture; see `reelcast.client.publish.Publisher.write`."""
        if self.programme.codec is None:
            raise ValueError("this is sound alone: codec=None left video out")
        _check_times(time, pts)
        frame = to_frame(picture, self.programme.pixel_format)
        with self._changed:
            shape = frame.width, frame.height
            self._shape = self._shape or shape
            if shape != self._shape and self.programme.size is None:
                width, height = self._shape
                raise ValueError(
                    f"pictures are {width}x{height} here, not {shape[0]}x{shape[1]}; size=({width}, {height}) "
                    "would scale them"
                )
            self._admit(lambda: self._pictures < MAX_PICTURES, wait)
            if self._pictures >= MAX_PICTURES:
                self._drop_first(pictures=True)
            self._put(_Item(frame, self._axis.place("video", time, pts)))

    def write_audio(
        self,
        samples: NDArray[Any],
        *,
        time: float | None = None,
        pts: float | None = None,
        wait: bool = False,
    ) -> None:
        """Take samples; see `reelcast.client.publish.Publisher.write_audio`."""
        if self.programme.sample_rate is None:
            raise ValueError("there is no sound here: say its sample_rate in the beginning")
        _check_times(time, pts)
        sound = to_sound(samples, self.programme.channels)
        if not len(sound):
            return
        with self._changed:
            self._admit(lambda: self._sound < MAX_SOUND_SECONDS, wait)
            while self._sound >= MAX_SOUND_SECONDS:
                self._drop_first(pictures=False)
            self._put(_Item(sound, self._axis.place("audio", time, pts)))

    def finish(self) -> None:
        """Nothing more is written: encode what waits, and end. Returns at once; `join` waits."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> None:
        """Wait until all has come out."""
        self._thread.join(timeout)

    # What those behind it call.

    def hold(self, held: bool) -> None:
        """Encode nothing for now, or go on."""
        with self._changed:
            self._held = held
            self._changed.notify_all()

    def want_keyframe(self) -> None:
        """The next picture is to be one that decoding can start with."""
        self._keyframe = True

    def fail(self, error: ReelcastError) -> None:
        """It is over: whoever writes hears why."""
        with self._changed:
            self._failure = self._failure or error
            self._items.clear()
            self._changed.notify_all()

    # The queue; all of it with the lock held.

    def _admit(self, has_room: Callable[[], bool], wait: bool) -> None:
        if wait:
            self._changed.wait_for(lambda: has_room() or self._failure is not None or self._finishing)
        if self._failure is not None:
            raise self._failure
        if self._finishing:
            raise MediaError("it is closed: nothing more can be written")

    def _put(self, item: _Item) -> None:
        self._items.append(item)
        self._count(item, 1)
        self._changed.notify_all()

    def _drop_first(self, *, pictures: bool) -> None:
        place = next(at for at, item in enumerate(self._items) if item.is_picture == pictures)
        item = self._items[place]
        del self._items[place]
        self._count(item, -1)
        if pictures:
            self.dropped += 1
        else:
            self.dropped_audio += self._seconds(item)

    def _count(self, item: _Item, sign: int) -> None:
        if item.is_picture:
            self._pictures += sign
        else:
            self._sound += sign * self._seconds(item)

    def _seconds(self, item: _Item) -> float:
        assert not isinstance(item.content, VideoFrame)
        assert self.programme.sample_rate is not None
        return len(item.content) / self.programme.sample_rate

    def _next(self) -> _Item | None:
        """What is to be encoded next; None where nothing more is."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._finishing or self._failure is not None or (self._items and not self._held)
            )
            if self._failure is not None or not self._items or self._held:
                return None
            item = self._items.popleft()
            self._count(item, -1)
            self._changed.notify_all()
            return item

    # The thread.

    def _run(self) -> None:
        error: ReelcastError | None = None
        try:
            while (item := self._next()) is not None:
                self._deliver(self._encode(item))
            if self._failure is None:
                self._deliver(self._rest())
        except ReelcastError as failure:
            error = failure
        except Exception as fault:
            log.exception("! a fault while encoding")
            error = MediaError(f"a fault while encoding: {fault!r}")
        if error is not None:
            self.fail(error)
        self._outlets.end(error)

    def _encode(self, item: _Item) -> list[tuple[Kind, AccessUnit]]:
        if not isinstance(item.content, VideoFrame):
            assert self._audio is not None
            return [("audio", unit) for unit in self._audio.encode(item.content, item.time)]
        programme = self.programme
        if self._video is None:
            assert programme.codec is not None
            width, height = programme.size or (item.content.width, item.content.height)
            self._video = VideoEncoder(
                programme.codec,
                width,
                height,
                fps=programme.fps,
                bit_rate=programme.bit_rate,
                keyframe_seconds=programme.keyframe_seconds,
            )
        keyframe, self._keyframe = self._keyframe, False
        return [("video", unit) for unit in self._video.encode(item.content, item.time, keyframe=keyframe)]

    def _rest(self) -> list[tuple[Kind, AccessUnit]]:
        video = self._video.flush() if self._video is not None else []
        audio = self._audio.flush() if self._audio is not None else []
        return [*(("video", unit) for unit in video), *(("audio", unit) for unit in audio)]

    def _deliver(self, units: list[tuple[Kind, AccessUnit]]) -> None:
        if not self._begun:
            self._early += units
            known = [encoder.track for encoder in (self._video, self._audio) if encoder is not None]
            tracks = [track for track in known if track is not None]
            if len(tracks) < len(self.programme.kinds) or not self._early:
                return
            self._begun = True
            self._outlets.begin(numbered(tracks))
            units = list(self._early)
        for kind, unit in units:
            self._outlets.unit(self.programme.kinds.index(kind), unit)
