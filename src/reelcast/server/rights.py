"""What somebody may do where: read or publish, by patterns of paths."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from functools import cached_property
from typing import Final

__all__ = ["MAX_PATTERN", "READ_ALL", "PathPattern", "Right", "Rights"]

MAX_PATTERN: Final = 1000
"""Characters of a pattern: no path is longer that a player can ask for."""
_ANY_DEPTH: Final = "**"
_OPEN: Final = re.compile(r"\[(?![^\]/]*\])")


class Right(StrEnum):
    """What can be done with a path."""

    READ = "read"
    PUBLISH = "publish"


@dataclass(frozen=True)
class PathPattern:
    """Paths by a pattern such as "/cam", "/site/*/cam?" or "/public/**".

    In a segment, "*" is any text, "?" any character, "[ab]" either of these; "**" as a whole segment is any number
    of segments, none among them. All else is itself; capital letters are others than small ones. What is matched
    is the path decoded: "/a b" is what players write "/a%20b".

    Raises ValueError where the text is none.
    """

    text: str

    def __post_init__(self) -> None:
        if not self.text.startswith("/") or len(self.text) > MAX_PATTERN:
            shown = repr(self.text[:60])
            raise ValueError(f'{shown} is no pattern of paths: it begins with "/", such as "/cam" or "/**"')
        if _OPEN.search(self.text):
            shown = repr(self.text[:60])
            raise ValueError(f'{shown} is no pattern of paths: "[" has no "]"; itself is written "[[]"')

    @cached_property
    def _parts(self) -> list[re.Pattern[str] | None]:
        """A matcher for each segment, None for any number of them."""
        parts = [part for part in self.text.split("/") if part]
        return [None if part == _ANY_DEPTH else re.compile(translate(part)) for part in parts]

    def matches(self, segments: Sequence[str]) -> bool:
        """Whether a path of these decoded segments is among them."""
        # Which parts of the pattern may come next; what grows with each segment is bounded by the pattern.
        parts = self._parts
        places = self._beyond({0})
        for segment in segments:
            following: set[int] = set()
            for place in places:
                if place < len(parts):
                    part = parts[place]
                    if part is None:
                        following.add(place)
                    elif part.match(segment):
                        following.add(place + 1)
            places = self._beyond(following)
        return len(parts) in places

    def _beyond(self, places: set[int]) -> set[int]:
        """These places, and those behind parts that may be nothing."""
        found = set(places)
        for place in places:
            while place < len(self._parts) and self._parts[place] is None:
                place += 1
                found.add(place)
        return found


@dataclass(frozen=True)
class Rights:
    """What may be read, and what may be published, each by patterns (see `PathPattern`).

    Raises ValueError where one is none.
    """

    read: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()
    _patterns: Mapping[Right, tuple[PathPattern, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        patterns = {Right.READ: self.read, Right.PUBLISH: self.publish}
        object.__setattr__(
            self, "_patterns", {right: tuple(map(PathPattern, texts)) for right, texts in patterns.items()}
        )

    def allow(self, right: Right, segments: Sequence[str]) -> bool:
        """Whether this may be done at the path of these decoded segments."""
        return any(pattern.matches(segments) for pattern in self._patterns[right])

    def __bool__(self) -> bool:
        return bool(self.read or self.publish)


READ_ALL: Final = Rights(read=("/**",))
"""What most users may."""
