"""Pictures and sound of the program that serves, as a live path of its own server.

server = reelcast.Server()
camera = server.live("/cam", fps=25)

def grab() -> None:                  # in a thread of its own
    while True:
        camera.write(picture)        # uint8, (height, width, 3), BGR

server.run()
"""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

from reelcast.errors import ReelcastError
from reelcast.media.programme import Programme, ProgrammeOptions
from reelcast.media.studio import Outlets, Studio
from reelcast.net.handover import Handover
from reelcast.rtp.intake import ReceivedUnit
from reelcast.server.live import Feeding, Live
from reelcast.track import AccessUnit, Track

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reelcast.media.encode import AnyPicture

__all__ = ["LiveWriter"]

log = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 5.0
"""For what was written last to be encoded."""


class LiveWriter:
    """Encodes what is written and feeds a live path with it; `Server.live` makes it. Any thread may write.

    What is written before the server runs waits, the newest pictures of it.
    """

    def __init__(self, live: Live, options: ProgrammeOptions) -> None:
        self._live = live
        self._studio = Studio(Programme(**options), Outlets(self._begin, self._unit, self._end))
        self._studio.hold(True)
        self._hand: Handover | None = None
        self._tracks: tuple[Track, ...] = ()
        self._feeding: Feeding | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> str:
        """Where it is served."""
        return self._live.name

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is made; () before the first picture is encoded."""
        return self._tracks

    @property
    def dropped(self) -> int:
        """Pictures left out, because the encoder was too slow or the server did not run."""
        return self._studio.dropped

    def write(
        self,
        picture: AnyPicture,
        *,
        time: float | None = None,
        pts: float | None = None,
        wait: bool = False,
    ) -> None:
        """Show a picture; see `reelcast.Publisher.write`."""
        self._studio.write(picture, time=time, pts=pts, wait=wait)

    def write_audio(
        self,
        samples: NDArray[Any],
        *,
        time: float | None = None,
        pts: float | None = None,
        wait: bool = False,
    ) -> None:
        """Let samples be heard; see `reelcast.Publisher.write_audio`."""
        self._studio.write_audio(samples, time=time, pts=pts, wait=wait)

    def close(self) -> None:
        """Send what was written; readers wait for another who feeds the path. Closing twice is no error.

        Not to be waited for by the server's own event loop longer than its encoder takes for some pictures.
        """
        self._studio.finish()
        if self._hand is None:
            self._studio.fail(ReelcastError(f"{self.path}: it was closed"))
        self._studio.join(CLOSE_SECONDS)

    # What the server calls, in its event loop.

    def start(self) -> None:
        """The server runs."""
        if self._hand is None:
            self._hand = Handover()
            self._studio.hold(False)

    def stop(self) -> None:
        """The server has stopped."""
        self._fail(ReelcastError(f"{self.path}: the server has stopped"))

    # What the studio's thread calls.

    def _begin(self, tracks: tuple[Track, ...]) -> None:
        self._to_loop(lambda: self._feed(tracks))

    def _unit(self, index: int, unit: AccessUnit) -> None:
        self._to_loop(lambda: self._put(index, unit))

    def _end(self, error: ReelcastError | None) -> None:
        if error is not None:
            log.error("%s: %s", self.path, error)
        self._to_loop(lambda: self._finish("" if error is None else str(error)))

    def _to_loop(self, work: Callable[[], None]) -> None:
        if self._hand is not None:
            self._hand(work)

    # The same, in the event loop.

    def _feed(self, tracks: tuple[Track, ...]) -> None:
        try:
            self._feeding = self._live.feed(tracks, "the application", self._displaced)
        except ReelcastError as error:
            self._fail(error)
        self._tracks = tracks

    def _put(self, index: int, unit: AccessUnit) -> None:
        if self._feeding is None:
            return
        track = self._tracks[index]
        seconds = unit.pts / track.clock_rate
        # As if it had come in packets: timestamps have 32 bits.
        stamp = unit.pts & 0xFFFFFFFF
        placed = replace(unit, pts=stamp, dts=stamp)
        self._feeding.put(ReceivedUnit(track, placed, seconds, seconds, "sender", clock.monotonic()))

    def _finish(self, reason: str) -> None:
        if self._feeding is not None:
            self._feeding.end(reason)

    def _displaced(self) -> None:
        self._fail(ReelcastError(f"{self.path}: another publisher took over"))

    def _fail(self, error: ReelcastError) -> None:
        self._studio.fail(error)
