"""What keeps a session alive: how often, with which method, and for how long it is waited for."""

from __future__ import annotations

import logging

import pytest
from tests.client.scripted import ScriptedServer, reply

from reelcast.client import keepalive as module
from reelcast.client.dialogue import Dialogue
from reelcast.client.keepalive import keepalive_interval
from reelcast.client.timeouts import Timeouts


@pytest.mark.parametrize(
    ("timeout", "interval"), [(60, 30), (20, 10), (10, 5), (8, 3), (6, 1), (5, 1), (1, 1), (3600, 1800)]
)
def test_keepalive_interval(timeout: int, interval: float) -> None:
    """Conformance K8."""
    assert keepalive_interval(timeout) == interval


KEEPALIVES = {
    "nothing advertised": ("", ["OPTIONS", "OPTIONS", "OPTIONS"]),
    "GET_PARAMETER": ("GET_PARAMETER", ["GET_PARAMETER", "OPTIONS", "OPTIONS"]),
    "both": ("SET_PARAMETER, GET_PARAMETER", ["GET_PARAMETER", "SET_PARAMETER", "OPTIONS"]),
}


@pytest.mark.parametrize(("public", "methods"), KEEPALIVES.values(), ids=KEEPALIVES)
async def test_keepalives_that_are_refused(
    server: ScriptedServer,
    dialogue: Dialogue,
    monkeypatch: pytest.MonkeyPatch,
    public: str,
    methods: list[str],
) -> None:
    """Conformance K8."""
    monkeypatch.setattr(module, "keepalive_interval", lambda _: 0.001)
    dialogue.public = tuple(public.split(", "))
    server.answers["OPTIONS"] = reply(405)
    dialogue.keep_alive("*")
    dialogue.keep_alive("*")
    await server.until(lambda: len(server.requests) >= 3)
    assert server.methods[:3] == methods


async def test_keepalives_go_on_after_silence(
    server: ScriptedServer, dialogue: Dialogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conformance K9."""
    intervals: list[int] = []

    def soon(timeout: int) -> float:
        intervals.append(timeout)
        return 0.001

    monkeypatch.setattr(module, "keepalive_interval", soon)
    await dialogue.demand("SETUP", "*", [("Transport", "RTP/AVP/TCP;interleaved=0-1")])
    dialogue.timeouts = Timeouts.of(0.01)
    dialogue.public = ("GET_PARAMETER",)
    server.answers["GET_PARAMETER"] = lambda _: None
    dialogue.keep_alive("*")
    await server.until(lambda: len(server.requests) >= 3)
    assert server.methods[:3] == ["SETUP", "GET_PARAMETER", "GET_PARAMETER"]
    assert server.requests[-1].headers.get("Session") == "12345678"
    assert set(intervals) == {60}


async def test_keepalives_wait_no_longer_than_the_session_can(
    server: ScriptedServer,
    dialogue: Dialogue,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(module, "keepalive_interval", lambda _: 0.001)
    server.answers["SETUP"] = reply(200, ("Session", "abc;timeout=1"))
    await dialogue.demand("SETUP", "*")
    server.answers["OPTIONS"] = lambda _: None
    received: list[bytes] = []
    dialogue.channels[0] = received.extend
    dialogue.keep_alive("*")
    await server.until(lambda: len(server.requests) >= 3)
    assert "no answer to OPTIONS within 0.25 s" in caplog.text
    # What is not answered disturbs nothing else.
    server.send_media(b"media")
    assert (await dialogue.ask("DESCRIBE", "*")).status == 200
    assert received == [b"media"]
