"""What the fuzzers start from: the bytes and texts of our own tests' tables."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from scripts.fuzz.targets import TARGETS, packed

from reelcast.rtp.packet import Packet

__all__ = ["seeds"]

TESTS = Path(__file__).resolve().parents[2] / "tests"
MAX_SEED_BYTES = 4096
"""The longest of a table's values, made to reach a limit, would slow the fuzzers down."""
_MODULES = {
    "reader": ["rtsp.test_reader"],
    "request": ["rtsp.test_reader", "rtsp.test_headers"],
    "response": ["rtsp.test_reader", "rtsp.test_headers"],
    "interleaved": ["rtsp.test_reader"],
    "classroom": ["rtsp.test_rtsp_classroom"],
    "header-transport": ["rtsp.test_headers"],
    "header-transport-answer": ["rtsp.test_headers"],
    "header-session": ["rtsp.test_headers"],
    "header-rtp-info": ["rtsp.test_headers"],
    "header-range": ["rtsp.test_ranges"],
    "header-rates": ["rtsp.test_headers"],
    "header-lists": ["rtsp.test_headers", "rtsp.test_authentication"],
    "header-authenticate": ["rtsp.test_authentication"],
    "header-authorization": ["rtsp.test_challenges"],
    "url": ["rtsp.test_url"],
    "sdp": ["test_sdp", "rtp.test_description"],
    "rtp": ["rtp.test_packet", "rtp.test_onvif"],
    "rtcp": ["rtp.test_rtcp"],
    "receiver": ["rtp.test_packet"],
    "classroom-frames": ["rtp.test_rtp_classroom"],
    "payload-pcmu": ["rtp.payload.test_pcm"],
    "payload-pcma": ["rtp.payload.test_pcm"],
    "payload-g722": ["rtp.payload.test_pcm"],
    "payload-l16": ["rtp.payload.test_pcm"],
    "jpeg-image": ["rtp.payload.test_jpeg_image", "rtp.payload.test_jpeg"],
}


def seeds(target: str) -> list[bytes]:
    """What a target starts from; each value once, the shorter first."""
    codec = target.removeprefix("payload-")
    names = _MODULES.get(target, [f"rtp.payload.test_{codec}"])
    found = {data for name in names for data in _harvest(name) if len(data) <= MAX_SEED_BYTES}
    if target.startswith("payload-") or target in ("receiver", "classroom-frames"):
        found = {packed([Packet(96, 1, 1, 1, True, data)]) for data in found}
    assert target in TARGETS
    return sorted(found, key=lambda data: (len(data), data))


def _harvest(name: str) -> Iterator[bytes]:
    """Every text and every bytes among the parameters of a module's tests."""
    if not (TESTS / f"{name.replace('.', '/')}.py").is_file():
        return
    module = importlib.import_module(f"tests.{name}")
    for holder in [module, *(one for one in vars(module).values() if isinstance(one, type))]:
        for test in vars(holder).values():
            for mark in getattr(test, "pytestmark", ()):
                if mark.name == "parametrize":
                    for value in mark.args[1]:
                        yield from _bytes_in(value)


def _bytes_in(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode(errors="replace")
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _bytes_in(one)
