"""Closed ranges, spoken in plain RTSP: where media ends, that it does not say goodbye, and what goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from reelcast.rtp.packet import Packet
from reelcast.rtp.rtcp import Bye, parse
from reelcast.rtsp.headers import SessionHeader, parse_rtp_info
from reelcast.rtsp.message import Frame, Headers, Request, Response
from reelcast.rtsp.ranges import Range
from reelcast.rtsp.reader import Reader

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

VIDEO, VIDEO_RTCP, AUDIO, AUDIO_RTCP = range(4)
"""The interleaved channels."""
CLOCK = {VIDEO: 90_000, AUDIO: 48_000}
FRAME = 1 / 25
AAC_UNIT = 1024 / 48_000
MAX_AGGREGATE = 0.2
"""Seconds of audio in one packet, at most."""
PATIENCE = 20.0
QUIET = 1.0
"""Seconds in which something would come that should not."""


@dataclass(frozen=True)
class Arrival:
    """An RTP packet: its channel, its sequence number, and its place in the movie."""

    channel: int
    sequence: int
    npt: float


class Dialogue:
    """One connection, one session over it; what comes interleaved is kept in `frames`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
        self.frames: list[Frame] = []
        self._url = url
        self._reader = reader
        self._writer = writer
        self._parser = Reader()
        self._cseq = 0
        self._session = ""

    async def ask(self, method: str, uri: str, **headers: str) -> Response:
        """Send a request, wait for its response."""
        self._cseq += 1
        request = Request(method, uri, Headers([("CSeq", str(self._cseq)), *headers.items()]))
        if self._session:
            request.headers.add("Session", self._session)
        self._writer.write(request.to_bytes())
        async with asyncio.timeout(PATIENCE):
            while True:
                response = await self._take()
                if response is not None:
                    assert response.status == 200
                    return response

    async def set_up(self) -> None:
        for number, channel in enumerate((VIDEO, AUDIO), 1):
            transport = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
            response = await self.ask("SETUP", f"{self._url}/trackID={number}", Transport=transport)
            self._session = SessionHeader.parse(response.headers.get("Session") or "").id

    async def play(
        self, wanted: str | None, enough: Callable[[list[Arrival]], bool]
    ) -> tuple[Range, list[Arrival]]:
        """PLAY; the range answered, and what came until it was enough, and a little later."""
        headers = {} if wanted is None else {"Range": wanted}
        response = await self.ask("PLAY", self._url, **headers)
        span = Range.parse(response.headers.get("Range") or "")
        assert span.start is not None
        entries = parse_rtp_info(response.headers.get("RTP-Info") or "")
        zeros = [entry.rtptime or 0 for entry in entries]
        async with asyncio.timeout(PATIENCE):
            while not enough(self._arrivals(span.start, zeros)):
                await self._take()
        try:
            async with asyncio.timeout(QUIET):
                while True:
                    await self._take()
        except TimeoutError:
            pass
        arrivals = self._arrivals(span.start, zeros)
        for number, channel in enumerate((VIDEO, AUDIO)):
            first = next(arrival for arrival in arrivals if arrival.channel == channel)
            assert first.sequence == entries[number].seq
        return span, arrivals

    def _arrivals(self, start: float, zeros: list[int]) -> list[Arrival]:
        """The packets of media so far; `zeros` are the timestamps at `start`."""
        arrivals: list[Arrival] = []
        for frame in self.frames:
            if frame.channel in CLOCK:
                packet = Packet.parse(frame.data)
                assert packet is not None
                ticks = (packet.timestamp - zeros[frame.channel // 2] + (1 << 31)) % (1 << 32) - (1 << 31)
                arrivals.append(Arrival(frame.channel, packet.sequence, start + ticks / CLOCK[frame.channel]))
        return arrivals

    def goodbyes(self) -> int:
        """How many tracks have said BYE."""
        reports = [report for frame in self.frames if frame.channel % 2 for report in parse(frame.data)]
        return sum(isinstance(report, Bye) for report in reports)

    async def _take(self) -> Response | None:
        """Read what is there; the response, if one is among it."""
        answer: Response | None = None
        for event in self._parser.receive(await self._reader.read(65536)):
            if isinstance(event, Frame):
                self.frames.append(event)
            elif isinstance(event, Response):
                # What came before it belongs to what was asked before.
                answer = event
                self.frames.clear()
        return answer


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Dialogue]:
    host, _, port = url.split("/")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    dialogue = Dialogue(reader, writer, url)
    try:
        await dialogue.set_up()
        yield dialogue
        await dialogue.ask("TEARDOWN", url)
    finally:
        writer.close()
        await writer.wait_closed()


def places(arrivals: list[Arrival], channel: int) -> list[float]:
    return [arrival.npt for arrival in arrivals if arrival.channel == channel]


def up_to(end: float) -> Callable[[list[Arrival]], bool]:
    """Whether both tracks have come to a place."""

    def have_come(arrivals: list[Arrival]) -> bool:
        audio = places(arrivals, AUDIO)
        if not audio or max(audio) <= end - MAX_AGGREGATE - AAC_UNIT:
            return False
        return {round(place / FRAME) for place in places(arrivals, VIDEO)} >= {round(end / FRAME) - 1}

    return have_come


@pytest.mark.parametrize(("name", "ahead"), [("movie.mp4", 0), ("movie-bframes.mp4", 4)])
async def test_a_closed_range_ends_where_it_should(rtsp: str, name: str, ahead: int) -> None:
    """`ahead` is by how many frames pictures are sent before those that refer to them."""
    async with session(f"{rtsp}/{name}") as dialogue:
        span, arrivals = await dialogue.play("npt=5-7", up_to(7.0))
        # From the keyframe at 4 s up to the last frame before 7 s, and no goodbye: more may be asked for.
        assert (span.start, span.end) == (4.0, 7.0)
        video = places(arrivals, VIDEO)
        assert video[0] == pytest.approx(4.0, abs=0.001)
        sent = {round(place / FRAME) for place in video}
        assert sent >= set(range(100, 175))
        assert max(sent) <= 174 + ahead
        audio = places(arrivals, AUDIO)
        assert audio[0] == pytest.approx(4.0, abs=MAX_AGGREGATE)
        assert 7.0 - MAX_AGGREGATE - AAC_UNIT < max(audio) < 7.0
        assert dialogue.goodbyes() == 0
        last = {channel: [a.sequence for a in arrivals if a.channel == channel][-1] for channel in CLOCK}

        # Without a range it goes on from the first picture that was not sent, and in sequence.
        span, arrivals = await dialogue.play(None, up_to(8.0))
        assert span.start is not None
        assert 7.0 <= span.start <= 7.0 + ahead * FRAME
        assert span.start == pytest.approx(min(place for place in places(arrivals, VIDEO)), abs=0.001)
        for channel in CLOCK:
            first = next(arrival for arrival in arrivals if arrival.channel == channel)
            assert first.sequence == (last[channel] + 1) % (1 << 16)

        # To the end, with a goodbye of both tracks.
        span, arrivals = await dialogue.play("npt=19-", lambda _: dialogue.goodbyes() == 2)
        assert span.start == 18.0
        assert max(places(arrivals, VIDEO)) == pytest.approx(20.0 - FRAME, abs=0.001)
        assert dialogue.goodbyes() == 2
