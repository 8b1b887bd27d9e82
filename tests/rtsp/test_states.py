"""The state table, written out a second time as the RFC and its peers have it."""

from __future__ import annotations

import pytest

from reelcast.errors import ProtocolError
from reelcast.rtsp.states import (
    CLIENT_METHODS,
    NEEDS_SESSION,
    SERVER_METHODS,
    State,
    after,
    allowed,
    check_method,
)

# One row a state; "-" is refused with 455.
TABLE = """
            SETUP      PLAY     PAUSE   RECORD     TEARDOWN
Init        Ready      -        -       -          Init
Ready       Ready      Playing  -       Recording  Init
Playing     Playing    Playing  Paused  -          Init
Paused      Paused     Playing  Paused  Recording  Init
Recording   Recording  -        Paused  Recording  Init
"""
METHODS, *ROWS = (line.split() for line in TABLE.strip().splitlines())
CELLS = [(row[0], method, cell) for row in ROWS for method, cell in zip(METHODS, row[1:], strict=True)]


@pytest.mark.parametrize(("state", "method", "following"), CELLS)
def test_transitions(state: str, method: str, following: str) -> None:
    if following == "-":
        with pytest.raises(ProtocolError) as caught:
            after(State(state), method)
        assert caught.value.status == 455
        assert method not in allowed(State(state))
    else:
        assert after(State(state), method) is State(following)
        assert method in allowed(State(state))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(
    "method", ["OPTIONS", "DESCRIBE", "ANNOUNCE", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT"]
)
def test_what_moves_no_state_is_valid_in_all(state: State, method: str) -> None:
    assert after(state, method) is state


@pytest.mark.parametrize(
    ("methods", "state"),
    [
        ("SETUP SETUP PLAY PAUSE PAUSE PLAY TEARDOWN", State.INIT),
        ("SETUP PLAY PLAY SETUP PLAY", State.PLAYING),
        ("SETUP PLAY PAUSE SETUP", State.PAUSED),
        ("ANNOUNCE SETUP SETUP RECORD OPTIONS PAUSE RECORD", State.RECORDING),
        ("SETUP TEARDOWN TEARDOWN SETUP", State.READY),
    ],
)
def test_lives_of_sessions(methods: str, state: State) -> None:
    here = State.INIT
    for method in methods.split():
        here = after(here, method)
    assert here is state


@pytest.mark.parametrize(
    ("method", "spoken", "status"),
    [
        ("REDIRECT", SERVER_METHODS, 405),
        ("PLAY", CLIENT_METHODS, 405),
        ("PLAY_NOTIFY", SERVER_METHODS, 501),
        ("play", SERVER_METHODS, 501),
        ("X" * 5000, CLIENT_METHODS, 501),
    ],
)
def test_methods_that_are_not_spoken(method: str, spoken: tuple[str, ...], status: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        check_method(method, spoken)
    assert caught.value.status == status
    assert len(str(caught.value)) < 100


def test_methods_that_are_spoken() -> None:
    for method in SERVER_METHODS:
        check_method(method)
    for method in CLIENT_METHODS:
        check_method(method, CLIENT_METHODS)
    assert set(SERVER_METHODS) > NEEDS_SESSION
    assert allowed(State.INIT, CLIENT_METHODS) == CLIENT_METHODS
