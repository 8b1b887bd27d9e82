"""The session state machine of RFC 2326 appendix A as one table, for servers and clients alike.

A server asks `after` before it acts, a client when a 2xx answer has come. Methods that move no state are
valid in all of them. `Paused` is the RFC's Ready of a session that has played or recorded: there a second
PAUSE is no error, while a PAUSE before the first PLAY is one.
"""

from __future__ import annotations

from enum import Enum

from reelcast.errors import ProtocolError

__all__ = ["CLIENT_METHODS", "NEEDS_SESSION", "SERVER_METHODS", "State", "after", "allowed", "check_method"]


class State(Enum):
    """Where a session stands."""

    INIT = "Init"
    READY = "Ready"
    PLAYING = "Playing"
    PAUSED = "Paused"
    RECORDING = "Recording"


SERVER_METHODS = (
    "OPTIONS",
    "DESCRIBE",
    "ANNOUNCE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "RECORD",
    "TEARDOWN",
    "GET_PARAMETER",
    "SET_PARAMETER",
)
"""What a client may ask of a server, in the order of RFC 2326 section 10."""

CLIENT_METHODS = ("OPTIONS", "ANNOUNCE", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT")
"""What a server may ask of a client."""

NEEDS_SESSION = frozenset({"PLAY", "PAUSE", "RECORD", "TEARDOWN"})
"""Methods that mean nothing without a session: 454 where none is named (RFC 2326 section 11.3.5)."""

_STATELESS = frozenset({"OPTIONS", "DESCRIBE", "ANNOUNCE", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT"})

_TABLE: dict[tuple[State, str], State] = {
    (State.INIT, "SETUP"): State.READY,
    (State.INIT, "TEARDOWN"): State.INIT,
    (State.READY, "SETUP"): State.READY,
    (State.READY, "PLAY"): State.PLAYING,
    (State.READY, "RECORD"): State.RECORDING,
    (State.READY, "TEARDOWN"): State.INIT,
    # VLC sets a track up anew, and plays it, while the others play on.
    (State.PLAYING, "SETUP"): State.PLAYING,
    (State.PLAYING, "PLAY"): State.PLAYING,
    (State.PLAYING, "PAUSE"): State.PAUSED,
    (State.PLAYING, "TEARDOWN"): State.INIT,
    (State.PAUSED, "SETUP"): State.PAUSED,
    (State.PAUSED, "PLAY"): State.PLAYING,
    (State.PAUSED, "PAUSE"): State.PAUSED,
    (State.PAUSED, "RECORD"): State.RECORDING,
    (State.PAUSED, "TEARDOWN"): State.INIT,
    (State.RECORDING, "SETUP"): State.RECORDING,
    (State.RECORDING, "RECORD"): State.RECORDING,
    (State.RECORDING, "PAUSE"): State.PAUSED,
    (State.RECORDING, "TEARDOWN"): State.INIT,
}


def check_method(method: str, spoken: tuple[str, ...] = SERVER_METHODS) -> None:
    """Refuse what this side does not speak: 405 for a method of RTSP, 501 for what is none (section 11)."""
    if method in spoken:
        return
    if method in SERVER_METHODS or method in CLIENT_METHODS:
        raise ProtocolError(f"{method} is not for this side", 405)
    raise ProtocolError(f"{method[:40]!r} is no method of RTSP", 501)


def after(state: State, method: str) -> State:
    """The state behind a successful request; ProtocolError(455) where the method is not valid in this one.

    A TEARDOWN or PAUSE meant for one track of several leaves the session's state to the caller.
    """
    if method in _STATELESS:
        return state
    following = _TABLE.get((state, method))
    if following is None:
        raise ProtocolError(f"{method[:40]} is not valid in state {state.value}", 455)
    return following


def allowed(state: State, spoken: tuple[str, ...] = SERVER_METHODS) -> tuple[str, ...]:
    """The methods of this side that are valid in a state, for the Allow header of 405 and 455."""
    return tuple(method for method in spoken if method in _STATELESS or (state, method) in _TABLE)
