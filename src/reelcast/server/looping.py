"""A file as an endless live stream: played in a loop, on a timeline that never jumps."""

from __future__ import annotations

from collections.abc import AsyncIterator

from reelcast.errors import MediaError
from reelcast.media.groups import leading_track
from reelcast.rtp.group import Group
from reelcast.server.file_source import FileSource
from reelcast.track import Track

__all__ = ["LoopingFile"]


class LoopingFile:
    """See `reelcast.server.broadcast.Feed`: the file's groups over and over, each time one length later."""

    def __init__(self, source: FileSource) -> None:
        self.tracks: tuple[Track, ...] = source.tracks
        self.leading = leading_track(source.tracks)
        self._source = source
        self._length = source.duration or 0.0

    async def groups(self, elapsed: float) -> AsyncIterator[tuple[Group, float]]:
        """Groups from the last keyframe before `elapsed` on, without end. Raises MediaError."""
        opening = await self._group(0)
        if opening is None or not opening.runs:
            raise MediaError("a live stream of a file with nothing in it")
        # What begins before 0 (the priming of AAC) must not run into the end of the round before.
        lead = max(0.0, -min(run.pts for run in opening.runs))
        length = max(self._length + lead, opening.end + lead)
        rounds, place = divmod(max(0.0, elapsed), length)
        index = (await self._source.start_before(place))[0].index
        shift = rounds * length
        while True:
            group = await self._group(index)
            if group is not None:
                yield group, shift
                index += 1
                length = max(length, group.end + lead)
            if group is None or group.last:
                index, shift = 0, shift + length

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    async def _group(self, index: int) -> Group | None:
        group = self._source.cached(index)
        return group if group is not None else await self._source.load(index)
