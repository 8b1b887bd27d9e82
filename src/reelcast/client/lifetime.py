"""How a session begins to be heard, is looked after, and ends: once, and told to who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reelcast.errors import DeadlineError, ReelcastError
from reelcast.rtp.intake import ReceivedUnit

__all__ = ["STALL", "TICK", "Lifetime", "Outlets"]

TICK: Final = 0.05
"""Seconds between looks at what has waited long enough, while anything waits: half of what a packet may wait."""
LEISURE: Final = 0.25
"""Seconds between looks otherwise: each wakes the process up, and is late for no more than a report or silence."""
STALL: Final = 0.2
"""Seconds by which a look may be late; where it is more, the machine, or all of the event loop, has stood still."""


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where what comes of a session goes.

    unit   each received unit, in the order of their completion
    end    when nothing more comes: with None at the end of the presentation, else with the reason; not for
           what fails before media has come (see `Lifetime.first`), and not after `close`
    """

    unit: Callable[[ReceivedUnit], None]
    end: Callable[[ReelcastError | None], None]


class Lifetime:
    """From the first packet of a session to its end; made in the event loop.

    heard    when something came last, by the event loop's clock; as much later as nobody listened since
    began    whether media has come
    """

    def __init__(
        self,
        look: Callable[[], None],
        finish: Callable[[], None],
        end: Callable[[ReelcastError | None], None],
    ) -> None:
        """What is called when.

        look     when it is time to look: then `look_soon`, `look_later` or `end` are to be called again
        finish   when it ends, to hand on all that waits
        end      behind that, as `Outlets` has it
        """
        self._loop = asyncio.get_running_loop()
        self.heard = self._loop.time()
        self._call = look
        self._finish = finish
        self._tell = end
        self._first = asyncio.Event()
        self._failure: ReelcastError | None = None
        self._over = False
        self._tick: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._pressing = False

    @property
    def began(self) -> bool:
        """See the class."""
        return self._first.is_set()

    def begin(self) -> None:
        """Media has come."""
        self._first.set()

    async def first(self, seconds: float, *, url: str, peer: str = "", advice: Callable[[], str]) -> None:
        """Wait for media; DeadlineError where none has come within some seconds, or why the session ended.

        `advice` is asked for then: it may tell what came in place of media.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._first.wait()
        except TimeoutError:
            raise DeadlineError("first packet", seconds, url=url, peer=peer, advice=advice()) from None
        if self._failure is not None:
            raise self._failure

    def resume(self) -> None:
        """It is to play, again or for the first time; looks wait until that is agreed on."""
        self._over = False
        self.rest()

    def rest(self) -> None:
        """Look no more for now."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def look_soon(self) -> None:
        """Look after a TICK: something waits, or may be over."""
        self._look_after(TICK, pressing=True)

    def look_later(self) -> None:
        """Look at leisure."""
        self._look_after(LEISURE, pressing=False)

    def press(self) -> None:
        """Look soon, where a look is due at leisure."""
        if not self._pressing and self._tick is not None:
            self.look_soon()

    def close(self) -> None:
        """Its user wants no more of it, and hears no more."""
        self._over = True
        self.rest()

    def end(self, error: ReelcastError | None) -> None:
        """Nothing more comes, for this reason; without effect when it is over."""
        if self._over:
            return
        self.close()
        self._finish()
        if error is None or self.began:
            self._tell(error)
        else:
            # It never began: whoever opens it hears why.
            self._failure = error
        self._first.set()

    def _look_after(self, seconds: float, *, pressing: bool) -> None:
        self.rest()
        self._pressing = pressing
        self._due = self._loop.time() + seconds
        self._tick = self._loop.call_at(self._due, self._look)

    def _look(self) -> None:
        late = self._loop.time() - self._due
        if late > STALL:
            # It was us who did not listen: what came meanwhile may not have been read yet.
            self.heard = min(self.heard + late, self._loop.time())
        self._call()
