"""The video of a sample movie as a client receives it: in packets, some of which are lost."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.movies.marks import read_mark

from reelcast.media.decode import decoder_for
from reelcast.media.demux import open_demuxer
from reelcast.rtp.intake import Intake, ReceivedUnit
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import packetizer_for

__all__ = ["COUNT", "FILMS", "WALL", "Movie", "mark", "pixels", "received"]

FILMS = ("movie.mp4", "movie-bframes.mp4")
WALL = 1_750_000_000.0
COUNT = 200
"""Frames of a movie that are looked at: four groups of pictures."""


class Movie:
    """The video of a sample movie, as packets, and as decoded without loss.

    Timestamps wrap after some frames, and sequence numbers too.
    """

    def __init__(self, path: Path) -> None:
        self.packets: list[tuple[float, bytes]] = []
        demuxer = open_demuxer(path)
        number = next(at for at, track in enumerate(demuxer.tracks) if track.kind == "video")
        self.track = demuxer.tracks[number]
        units = [unit for at, unit in demuxer.units() if at == number][:COUNT]
        demuxer.close()
        packetizer = packetizer_for(self.track)
        sequence = 65_000
        for unit in units:
            for burst in packetizer.packetize(unit):
                at = 0
                for size in burst.sizes:
                    packet = Packet.parse(burst.data[at : at + size])
                    assert packet is not None
                    at += size
                    timestamp = packet.timestamp + 2**32 - 200_000 & 0xFFFFFFFF
                    packet = replace(packet, sequence=sequence & 0xFFFF, timestamp=timestamp, ssrc=7)
                    self.packets.append((burst.dts / self.track.clock_rate, packet.to_bytes()))
                    sequence += 1
        decoder = decoder_for(self.track)
        pictures = [picture for unit in units for picture in decoder.decode(unit)] + [*decoder.flush()]
        self.pixels = {mark(picture): pixels(picture) for picture in pictures}


def mark(shown: Any) -> int | None:
    return read_mark(shown.to_ndarray("gray8"))


def pixels(shown: Any) -> NDArray[np.uint8]:
    array: NDArray[np.uint8] = shown.to_ndarray("rgb24")
    return array


def received(movie: Movie, loss: float, *, segment: int = 0) -> Iterator[ReceivedUnit]:
    """The units of a movie whose packets are lost by chance, always the same ones."""
    chance = random.Random(7)
    intake = Intake(movie.track, ordered=False, ssrc=9, cname="me")
    for time, packet in movie.packets:
        if chance.random() >= loss:
            for unit in intake.take((packet,), time, WALL + time):
                yield replace(unit, segment=segment)
    yield from (replace(unit, segment=segment) for unit in intake.flush(math.inf, 0.0, WALL))
