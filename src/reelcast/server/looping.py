"""A file as an endless live stream: played in a loop, on a timeline that never jumps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from reelcast.errors import MediaError
from reelcast.media.groups import GROUP_SECONDS, leading_track
from reelcast.rtp.group import Group
from reelcast.server.feed import Portion
from reelcast.server.file_source import FileSource
from reelcast.track import Track

__all__ = ["LoopingFile"]


class LoopingFile:
    """See `reelcast.server.feed.Feed`: the file's groups over and over, each time one length later."""

    paced = True

    def __init__(self, source: FileSource) -> None:
        self.tracks: tuple[Track, ...] = source.tracks
        self.leading = leading_track(source.tracks)
        self._source = source
        self._length = 0.0

    async def portions(self, elapsed: float) -> AsyncIterator[Portion]:
        """Groups from the last keyframe before `elapsed` on, without end. Raises MediaError."""
        opening = await self._group(0)
        if opening is None or not opening.runs or opening.end <= 0.0:
            raise MediaError("a live stream of a file with nothing in it")
        # What begins before 0 (the priming of AAC) must not run into the end of the round before.
        lead = max(0.0, -min(run.pts for run in opening.runs))
        length = self._length = self._length or await self._end(opening) + lead
        rounds, place = divmod(max(0.0, elapsed), length)
        index = (await self._source.start_before(place))[0].index
        shift = rounds * length
        while True:
            group = await self._group(index)
            if group is not None:
                yield Portion(group, shift)
                index += 1
                length = self._length = max(length, group.end + lead)
            if group is None or group.last:
                index, shift = 0, shift + length

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    async def _end(self, opening: Group) -> float:
        """Where the file ends, seconds; of its last track, which may be later than the container says.

        It has to be known from the start: whoever joins in a later round must count as those before.
        """
        end = max(self._source.duration or 0.0, opening.end)
        # With B-frames, what is shown last may be in the last group but one.
        for index in range(max(1, int(end // GROUP_SECONDS) - 1), int(end // GROUP_SECONDS) + 2):
            group = await self._group(index)
            end = end if group is None else max(end, group.end)
        return end

    async def _group(self, index: int) -> Group | None:
        group = self._source.cached(index)
        # Shielded: the broadcast may go to rest, and be woken by a reader who waits for the same group.
        return group if group is not None else await asyncio.shield(self._source.load(index))
