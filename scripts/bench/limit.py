"""What the kernel alone costs: limit.c, with the frame sizes of a movie."""

from __future__ import annotations

import json
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from scripts.bench.rows import Transport

from reelcast.errors import ReelcastError
from reelcast.rtp.burst import MAX_PACKET_SIZE

__all__ = ["FRAME_RATE", "compile_limit", "run_limit", "ticks_of", "wire_sizes"]

SOURCE: Final = Path(__file__).with_name("limit.c")
FRAME_RATE: Final = 25
RTP_HEADER: Final = 12
FRAGMENT_HEADER: Final = 2
"""FU indicator and FU header (RFC 6184 section 5.8)."""
AU_HEADER: Final = 4
"""The AU-headers-length and one AU-header (RFC 3640 section 3.3.6)."""
FRAMING: Final = 4
"""Before each packet over TCP (RFC 2326 section 10.12)."""
SPARE: Final = 30.0
"""Seconds that a run may take beyond its own."""


def compile_limit(folder: Path) -> Path:
    """The program, compiled into `folder`. ReelcastError where there is no compiler, or it refuses."""
    program = folder / "limit"
    try:
        done = subprocess.run(
            ["cc", "-O2", "-o", program, SOURCE], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise ReelcastError(f"cc: {error.strerror}") from error
    if done.returncode:
        raise ReelcastError(f"cc: {done.stderr.strip()}")
    return program


def wire_sizes(video: int, audio: list[int], *, tcp: bool) -> list[int]:
    """Bytes on the wire of a frame and its audio units, RTP and framing included."""
    each = MAX_PACKET_SIZE - RTP_HEADER - FRAGMENT_HEADER
    framing = FRAMING if tcp else 0
    packets = -(-video // each)
    sizes = [video + packets * (RTP_HEADER + FRAGMENT_HEADER + framing)]
    return sizes + [size + RTP_HEADER + AU_HEADER + framing for size in audio]


def ticks_of(movie: Path, *, tracks: int, tcp: bool) -> list[list[int]]:
    """What is due at each frame of a movie, in bytes on the wire: the frame, and audio where tracks > 1."""
    with av.open(str(movie)) as container:
        streams = [container.streams.video[0], *(container.streams.audio[:1] if tracks > 1 else [])]
        frames: list[int] = []
        audio: dict[int, list[int]] = {}
        for packet in container.demux(streams):
            if packet.size == 0 or packet.pts is None:
                continue
            if packet.stream.type == "video":
                frames.append(packet.size)
            else:
                due = int(packet.pts * (packet.time_base or Fraction(1)) * FRAME_RATE)
                audio.setdefault(max(due, 0), []).append(packet.size)
    return [wire_sizes(size, audio.get(number, []), tcp=tcp) for number, size in enumerate(frames)]


def run_limit(
    program: Path, movie: Path, transport: Transport, readers: int, tracks: int, seconds: float
) -> dict[str, Any]:
    """Bytes sent and received, the sender's CPU seconds, and its CPU seconds for each GB."""
    ticks = ticks_of(movie, tracks=tracks, tcp=transport == "tcp")
    command = [program, transport, readers, seconds, MAX_PACKET_SIZE, FRAME_RATE]
    done = subprocess.run(
        [str(word) for word in command],
        input="\n".join(" ".join(map(str, tick)) for tick in ticks),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + SPARE,
    )
    if done.returncode:
        return {"failure": done.stderr.strip()}
    figures: dict[str, Any] = json.loads(done.stdout)
    figures["lost_bytes"] = figures["bytes"] - figures["received"]
    figures["cpu_s_per_gb"] = figures["cpu_s"] / (figures["received"] / 1e9)
    return figures
