"""Rewinding a live path, in virtual time: who halts loses nothing, who goes back comes back, and numbers go on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from itertools import pairwise

import pytest
from tests.server.film import FRAME, SOUND, Film
from tests.server.studio import Loop, Reader, Studio, live_in_virtual_time, now, studio_of
from tests.server.virtual import in_virtual_time

from reelcast.errors import MediaError, ProtocolError
from reelcast.rtp.group import Group, Run
from reelcast.rtp.rtcp import SenderReport
from reelcast.server.history import Past
from reelcast.server.pacer import TICK
from reelcast.server.rewind import HOLD_SECONDS, SLACK, Rewindable
from reelcast.server.source import Pace, Playing
from reelcast.track import Track

RATES = (90_000, 8_000)
EPOCH = 1_700_000_000.0
BEHIND = 1.2
"""Seconds by which what is recorded is behind what is live."""
TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    live_in_virtual_time(monkeypatch)


class Tape:
    """What is recorded of a film that is on the air: see `reelcast.server.history.Past` and `History`.

    over     when the recording came to its end, in seconds of the film; None while it grows
    oldest   what was before is not there any more
    damaged  nothing of it can be read
    """

    def __init__(self, film: Film, began: float) -> None:
        self.tracks: tuple[Track, ...] = film.tracks
        self.over: float | None = None
        self.oldest = 0.0
        self.broken = self.off = self.damaged = False
        self._film = film
        self._began = began

    # History

    async def past(self, tracks: tuple[Track, ...]) -> Past | None:
        if self.broken:
            raise MediaError("the disk is gone")
        return self

    def clock(self, npt: float) -> float:
        return npt + EPOCH

    # Past

    @property
    def duration(self) -> float:
        return max(min(now() - self._began - BEHIND, math.inf if self.over is None else self.over), 0.0)

    @property
    def span(self) -> tuple[float, float | None] | None:
        return (self.oldest, self.duration) if self.duration > self.oldest else None

    async def refresh(self) -> None:
        """It is always up to date."""

    def npt(self, clock: float) -> float:
        return clock - EPOCH

    def cached(self, index: int) -> Group | None:
        if self.damaged:
            return None
        return self._film.cached(index) if self.oldest <= index and index + 1 <= self.duration else None

    def load(self, index: int) -> asyncio.Task[Group | None]:
        return asyncio.get_running_loop().create_task(self._load(index))

    async def _load(self, index: int) -> Group | None:
        if self.damaged:
            raise MediaError("a bad sector")
        missing = index + 1 - self.duration
        if missing > 0 and self.over is None:
            await asyncio.sleep(missing + 0.01)
        return self.cached(index)

    async def start_before(self, seconds: float) -> tuple[Group, Run | None]:
        await self._load(int(seconds))
        return await self._film.start_before(seconds)


class Watcher:
    """A reader who may rewind, and what it was sent."""

    def __init__(self, reader: Reader, tape: Tape, tracks: tuple[int, ...] = (0, 1)) -> None:
        self.reader = reader
        self.source = Rewindable(reader.studio.broadcast, tape)
        self.player = self.source.player(reader.ssrcs(*tracks), reader.carrier(*tracks), reader.studio.pacer)
        self.answers: list[tuple[Playing, int, int]] = []

    async def play(
        self, start: float | None = None, end: float | None = None, pace: Pace | None = None
    ) -> Playing:
        """Ask for it, and begin at once."""
        answer = await self.player.play(start, end, pace)
        self.answers.append((answer, self.reader.count(0), self.reader.count(1)))
        self.player.begin()
        return answer

    def frames(self, since: int = 0) -> list[int]:
        """The numbers of the pictures that came, in order."""
        self.reader.collect()
        shown = [one.label.pts // FRAME for one in self.reader.heard[0][since:]]
        return [number for number, before in zip(shown, [-1, *shown], strict=False) if number != before]

    def assert_numbers_go_on(self) -> None:
        """One SSRC, sequence numbers without a gap, RTP time that never goes back; answers that come true."""
        for track in (0, 1):
            packets = self.reader.packets(track)
            assert {packet.ssrc for packet in packets} <= {self.reader.ssrcs(0, 1)[track]}
            assert self.reader.gaps(track) == []
            for before, after in pairwise(packets):
                assert (after.timestamp - before.timestamp) % (1 << 32) < 1 << 31
        ends = [since for _, since, _ in self.answers[1:]]
        for (answer, since, _), end in zip(self.answers, [*ends, None], strict=True):
            for packet in self.reader.packets(0)[since:end][:1]:
                sequence, rtptime = answer.first[0]
                assert packet.sequence == sequence
                # It is the time of where playing begins, which may be that of a sound.
                assert (packet.timestamp - rtptime) % (1 << 32) <= FRAME


@cache
def long_film() -> Film:
    """A minute of it, which takes a while to make."""
    return Film(60.0)


@asynccontextmanager
async def watched(transport: str) -> AsyncIterator[tuple[Studio, Tape, Watcher]]:
    """A film on the air from its beginning, recorded; a reader has watched it for five seconds."""
    film = long_film()
    async with studio_of(Loop(film)) as studio:
        tape = Tape(film, now())
        watcher = Watcher(studio.reader(transport), tape)
        await watcher.play(0.0)
        await asyncio.sleep(5.0)
        yield studio, tape, watcher


def assert_in_a_row(frames: list[int]) -> None:
    assert len(frames) > 2
    assert frames == list(range(frames[0], frames[0] + len(frames)))


@TRANSPORTS
@pytest.mark.parametrize("pause", [0.3, 4.7, 5.3, 12.0])
@pytest.mark.parametrize("others", [False, True])
@in_virtual_time
async def test_who_halts_loses_nothing(transport: str, pause: float, others: bool) -> None:
    """Conformance P7, P12."""
    async with watched(transport) as (studio, _, watcher):
        if others:
            await studio.tcp().play()
        watcher.player.pause()
        await asyncio.sleep(0.1)
        held = watcher.frames()
        assert_in_a_row(held)
        await asyncio.sleep(pause)
        assert watcher.frames() == held
        await watcher.play()
        await asyncio.sleep(6.0)
        assert_in_a_row(watcher.frames())
        assert len(watcher.frames()) > len(held) + 30
        watcher.assert_numbers_go_on()
        sound = [one.label.pts // SOUND for one in watcher.reader.heard[1]]
        assert sound == list(range(sound[0], sound[0] + len(sound)))


@TRANSPORTS
@in_virtual_time
async def test_after_a_short_pause_it_goes_on_at_once(transport: str) -> None:
    """What came meanwhile was kept; nobody else watches."""
    async with watched(transport) as (studio, tape, watcher):
        for rewound in (False, True):
            watcher.player.pause()
            await asyncio.sleep(1.0)
            held, asked = watcher.reader.count(0), now()
            answer = await watcher.play()
            assert now() == asked
            assert answer.start == pytest.approx(tape.duration + BEHIND - 1.0, abs=0.2)
            await asyncio.sleep(2.0)
            assert_in_a_row(watcher.frames(held))
            watcher.assert_numbers_go_on()
            if not rewound:
                assert_in_a_row(watcher.frames())
                await watcher.play(1.0)
                await watcher.play(math.inf)
                await asyncio.sleep(1.0)
        watcher.player.pause()
        assert studio.broadcast.readers == 1
        await asyncio.sleep(HOLD_SECONDS + 0.1)
        assert studio.broadcast.readers == 0


@in_virtual_time
async def test_what_was_kept_is_let_go_where_it_is_not_wanted() -> None:
    async with watched("tcp") as (studio, _, watcher):
        watcher.player.pause()
        with pytest.raises(ProtocolError):
            await watcher.player.play(1e6, None)
        assert studio.broadcast.readers == 0
        await watcher.play()
        watcher.player.pause()
        await watcher.play(1.0)
        assert studio.broadcast.readers == 0
        await watcher.play(math.inf)
        watcher.player.pause()
        watcher.player.stop()
        assert studio.broadcast.readers == 0


@TRANSPORTS
@in_virtual_time
async def test_again_and_again(transport: str) -> None:
    async with watched(transport) as (_, _, watcher):
        for pause in (3.0, 0.2, 5.0):
            watcher.player.pause()
            await asyncio.sleep(pause)
            await watcher.play()
            await asyncio.sleep(2.0)
        assert_in_a_row(watcher.frames())
        watcher.assert_numbers_go_on()


@pytest.mark.parametrize("moment", range(10))
@in_virtual_time
async def test_what_was_kept_is_there_until_it_has_gone_on(moment: int) -> None:
    """Whenever PLAY comes: also right before what is on the air is looked through for what nobody wants."""
    async with watched("tcp") as (_, _, watcher):
        watcher.player.pause()
        await asyncio.sleep(2.952 + moment * TICK / 2)
        await watcher.play()
        await asyncio.sleep(2.0)
        assert_in_a_row(watcher.frames())
        watcher.assert_numbers_go_on()


@pytest.mark.parametrize("going", [number * TICK for number in range(1, 60, 10)])
@in_virtual_time
async def test_again_while_it_catches_up(going: float) -> None:
    """Of what it has heard nothing may be kept any more; it goes on behind it all the same, and says where."""
    async with watched("udp") as (_, _, watcher):
        watcher.player.pause()
        await asyncio.sleep(2.98 - going)
        await watcher.play()
        await asyncio.sleep(going)
        watcher.player.pause()
        await asyncio.sleep(0.3)
        answer = await watcher.play()
        assert answer.start == pytest.approx(watcher.frames()[-1] / 10, abs=0.3)
        await asyncio.sleep(3.0)
        assert_in_a_row(watcher.frames())
        watcher.assert_numbers_go_on()


@TRANSPORTS
@in_virtual_time
async def test_back_and_forth(transport: str) -> None:
    """Conformance P4, P7, P11."""
    async with watched(transport) as (_, _, watcher):
        await asyncio.sleep(10.0)
        since = watcher.reader.count(0)
        answer = await watcher.play(3.5)
        assert answer.start == 3.0
        assert answer.end is None
        await asyncio.sleep(2.0)
        assert watcher.player.position == pytest.approx(5.0, abs=0.1)
        frames = watcher.frames(since)
        assert frames[0] == 30
        assert_in_a_row(frames)
        since = watcher.reader.count(0)
        answer = await watcher.play(math.inf)
        assert answer.start is None
        await asyncio.sleep(2.0)
        live = watcher.frames(since)
        assert_in_a_row(live)
        assert live[0] % 15 == 0
        assert live[-1] >= 185
        assert watcher.player.position == pytest.approx(19.0, abs=0.2)
        watcher.assert_numbers_go_on()
        # What is live is halted again, now with numbers of its own.
        watcher.player.pause()
        await asyncio.sleep(4.0)
        await watcher.play()
        await asyncio.sleep(3.0)
        assert_in_a_row(watcher.frames(since))
        watcher.assert_numbers_go_on()


@TRANSPORTS
@in_virtual_time
async def test_what_cannot_be_read_leaves_what_is_live_as_it_is(transport: str) -> None:
    """Conformance H35."""
    async with watched(transport) as (_, tape, watcher):
        tape.damaged = True
        with pytest.raises(MediaError, match="a bad sector"):
            await watcher.play(1.5)
        await asyncio.sleep(5.0)
        assert_in_a_row(watcher.frames())
        assert watcher.frames()[-1] >= 95
        # Nor is a place lost by it where that was halted.
        watcher.player.pause()
        await asyncio.sleep(2 * HOLD_SECONDS)
        with pytest.raises(MediaError, match="a bad sector"):
            await watcher.play()
        tape.damaged = False
        await watcher.play()
        await asyncio.sleep(5.0)
        assert_in_a_row(watcher.frames())
        watcher.assert_numbers_go_on()


@in_virtual_time
async def test_what_was_prepared_and_never_begun() -> None:
    """Its connection was lost with the answer: over another one, numbers go on all the same."""
    async with watched("udp") as (_, _, watcher):
        await asyncio.sleep(10.0)
        await watcher.play(3.5)
        await asyncio.sleep(2.0)
        await watcher.player.play(math.inf, None)
        await asyncio.sleep(2.0)
        since = watcher.reader.count(0)
        await watcher.play(6.5)
        await asyncio.sleep(2.0)
        assert watcher.frames(since)[0] == 60
        watcher.assert_numbers_go_on()


@TRANSPORTS
@in_virtual_time
async def test_a_closed_range_of_what_was(transport: str) -> None:
    async with watched(transport) as (_, _, watcher):
        since = watcher.reader.count(0)
        answer = await watcher.play(1.5, 2.5)
        assert (answer.start, answer.end) == (1.5, 2.5)
        await asyncio.sleep(2.0)
        assert watcher.player.ended
        assert watcher.frames(since) == list(range(15, 25))
        watcher.assert_numbers_go_on()


@in_virtual_time
async def test_faster_until_there_is_no_more() -> None:
    async with watched("tcp") as (_, tape, watcher):
        since = watcher.reader.count(0)
        answer = await watcher.play(1.5, None, Pace(2.0))
        assert answer.pace == Pace(2.0)
        await asyncio.sleep(10.0)
        assert_in_a_row(watcher.frames(since))
        assert watcher.player.position <= tape.duration
        assert watcher.player.position > 12.0
        watcher.assert_numbers_go_on()


@in_virtual_time
async def test_backwards_from_now() -> None:
    async with watched("tcp") as (_, _, watcher):
        answer = await watcher.play(None, None, Pace(-1.0))
        assert answer.start is not None
        assert answer.pace == Pace(-1.0)
        # What is live has gone on until the place was found.
        since = watcher.answers[-1][1]
        await asyncio.sleep(6.0)
        shown = watcher.frames(since)
        assert shown == sorted(shown, reverse=True)
        assert shown[-1] == 0
        assert watcher.player.ended
        watcher.assert_numbers_go_on()


@in_virtual_time
async def test_the_end_of_the_recording_leads_to_what_is_live() -> None:
    async with watched("tcp") as (_, tape, watcher):
        await watcher.play(1.5)
        tape.over = 5.0
        await asyncio.sleep(6.0)
        assert watcher.player.ended
        answer = await watcher.play()
        assert answer.start is None
        await asyncio.sleep(1.0)
        assert not watcher.player.ended
        watcher.assert_numbers_go_on()


@in_virtual_time
async def test_what_lies_ahead_is_now_or_nowhere() -> None:
    async with watched("tcp") as (_, tape, watcher):
        elapsed = watcher.source.broadcast.elapsed
        assert (await watcher.play(elapsed + SLACK - 0.1)).start is None
        with pytest.raises(ProtocolError, match="future") as caught:
            await watcher.player.play(elapsed + SLACK + 1.0, None)
        assert caught.value.status == 457
        tape.oldest = 1e6
        with pytest.raises(ProtocolError, match="nothing is recorded") as caught:
            await watcher.player.play(2.0, None)
        assert caught.value.status == 457


@pytest.mark.parametrize("broken", [False, True])
@in_virtual_time
async def test_without_a_recording_a_pause_is_a_gap(broken: bool) -> None:
    async with watched("tcp") as (_, tape, watcher):
        tape.broken, tape.oldest = broken, 1e6
        watcher.player.pause()
        await asyncio.sleep(4.0)
        since = watcher.reader.count(0)
        assert (await watcher.play()).start is None
        await asyncio.sleep(1.0)
        assert_in_a_row(watcher.frames(since))


@in_virtual_time
async def test_what_was_removed_meanwhile_is_a_gap() -> None:
    async with watched("tcp") as (_, tape, watcher):
        watcher.player.pause()
        await asyncio.sleep(30.0)
        tape.oldest = 20.0
        assert (await watcher.play()).start is None


@TRANSPORTS
@in_virtual_time
async def test_who_comes_may_begin_in_the_past(transport: str) -> None:
    async with watched(transport) as (studio, tape, _):
        late = Watcher(studio.reader(transport), tape)
        answer = await late.play(1.5)
        assert answer.start == 1.5
        await asyncio.sleep(1.0)
        assert late.frames()[0] == 15
        assert_in_a_row(late.frames())
        assert (await late.play(0.0)).start is None
        await asyncio.sleep(1.0)
        assert (await late.play()).start is None
        late.assert_numbers_go_on()


@in_virtual_time
async def test_goodbye_is_said_once_wherever_it_is() -> None:
    for rewound in (False, True):
        async with watched("tcp") as (_, _, watcher):
            if rewound:
                await watcher.play(1.5)
                await asyncio.sleep(1.0)
            watcher.player.stop()
            assert [len(watcher.reader.goodbyes(track)) for track in (0, 1)] == [1, 1]


@TRANSPORTS
@in_virtual_time
async def test_reports_follow_through_it_all(transport: str) -> None:
    """What sender reports say of RTP time is what is being sent."""
    async with watched(transport) as (_, _, watcher):
        for start in (1.5, math.inf):
            since = len(watcher.reader.told)
            await watcher.play(start)
            await asyncio.sleep(1.0)
            watcher.reader.collect()
            (told, *_) = (each for each in watcher.reader.told[since:] if each.track == 0)
            report = told.sender_report
            assert isinstance(report, SenderReport)
            assert report.packets > 0
            near = min(watcher.reader.heard[0], key=lambda one: abs(one.time - told.time)).packet.timestamp
            assert abs((near - report.rtp + (1 << 31)) % (1 << 32) - (1 << 31)) < 2.0 * RATES[0]


@in_virtual_time
async def test_a_track_more_or_less() -> None:
    async with watched("tcp") as (_, _, watcher):
        reader = watcher.reader
        await watcher.play(1.5)
        await asyncio.sleep(1.0)
        watcher.player.rewire(reader.ssrcs(0), reader.carrier(0))
        await watcher.play(math.inf)
        await asyncio.sleep(1.0)
        heard = reader.count(1)
        watcher.player.rewire(reader.ssrcs(0, 1), reader.carrier(0, 1))
        await asyncio.sleep(1.0)
        assert reader.count(1) > heard
        assert reader.gaps(0) == []


async def test_a_source_of_its_own() -> None:
    film = Film(6.0)
    async with studio_of(Loop(film)) as studio:
        source = Rewindable(studio.broadcast, Tape(film, now()))
        assert source.duration is None
        assert source.span == (0.0, None)
        assert source.npt(source.clock(3.0)) == pytest.approx(3.0)
        assert source.ssrc(0) == studio.broadcast.ssrc(0)
        assert source.npt_of(3.0) is None
        source.hold()
        assert studio.broadcast.used
        source.release()
        source.close()
        assert not studio.broadcast.used
        assert isinstance(source.calendar, Rewindable)
