"""The dialect of the classroom: where a message ends that has no end, however it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.errors import ProtocolError
from reelcast.rtsp.classroom import (
    MAX_JUNK_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_START_BYTES,
    ClassroomReader,
    EitherReader,
    format_transport,
    is_classroom,
    parse_port,
    to_bytes,
)
from reelcast.rtsp.message import Headers, Request, Response
from reelcast.rtsp.reader import Event, Malformed

SETUP = b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000"
SHORT = b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 5001"
PLAY = b"PLAY movie.Mjpeg RTSP/1.0\nCSeq: 2\nSession: 451917"
REPLY = b"RTSP/1.0 200 OK\nCSeq: 1\nSession: 451917"


def shown(events: list[Event]) -> list[str]:
    """Each event in a line, the boundaries of which cannot be mistaken."""
    lines = []
    for event in events:
        if isinstance(event, Malformed):
            lines.append("fatal" if event.fatal else "malformed")
        elif isinstance(event, Request | Response):
            start = f"{event.method} {event.uri}" if isinstance(event, Request) else f"{event.status}"
            lines.append(" | ".join([start, *(f"{name}={value}" for name, value in event.headers.items())]))
    return lines


def read(data: bytes, size: int = 1 << 20, *, settle: bool = False) -> list[str]:
    """What a reader makes of some bytes, in pieces of a size."""
    reader = ClassroomReader()
    events = [event for at in range(0, len(data), size) for event in reader.receive(data[at : at + size])]
    return shown(events + (reader.settle() if settle else []))


WHOLE = [
    pytest.param(SETUP, ["SETUP movie.Mjpeg | CSeq=1 | Transport=RTP/UDP; client_port= 25000"], id="setup"),
    pytest.param(PLAY, ["PLAY movie.Mjpeg | CSeq=2 | Session=451917"], id="play"),
    pytest.param(REPLY, ["200 | CSeq=1 | Session=451917"], id="reply"),
    pytest.param(
        PLAY.replace(b"\n", b"\r\n"), ["PLAY movie.Mjpeg | CSeq=2 | Session=451917"], id="CR and LF"
    ),
    pytest.param(PLAY.replace(b"\n", b"\r"), ["PLAY movie.Mjpeg | CSeq=2 | Session=451917"], id="CR"),
    pytest.param(PLAY + b"\n", ["PLAY movie.Mjpeg | CSeq=2 | Session=451917"], id="a last LF"),
    pytest.param(PLAY + b"\r\n\r\n", ["PLAY movie.Mjpeg | CSeq=2 | Session=451917"], id="a blank line"),
    pytest.param(
        b"  PLAY\tmy  movie.Mjpeg   RTSP/1.0 \nCSeq :2\n  session:   451917",
        ["PLAY my  movie.Mjpeg | CSeq=2 | session=451917"],
        id="odd spaces",
    ),
    pytest.param(
        b"SETUP movie.Mjpeg RTSP/1.0\nTransport: RTP/UDP;client_port=25000\nCSeq: 1\n",
        ["SETUP movie.Mjpeg | Transport=RTP/UDP;client_port=25000 | CSeq=1"],
        id="the other order",
    ),
    pytest.param(
        b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/AVP;unicast;client_port=25000-25001\n" + PLAY,
        [
            "SETUP movie.Mjpeg | CSeq=1 | Transport=RTP/AVP;unicast;client_port=25000",
            "PLAY movie.Mjpeg | CSeq=2 | Session=451917",
        ],
        id="a range of ports",
    ),
    pytest.param(
        PLAY + b";timeout=60\nRange: npt=0-\nUser-Agent: x\n\n" + PLAY,
        ["PLAY movie.Mjpeg | CSeq=2 | Session=451917"] * 2,
        id="headers it does not have",
    ),
    pytest.param(
        SETUP + PLAY + REPLY + PLAY,
        [
            "SETUP movie.Mjpeg | CSeq=1 | Transport=RTP/UDP; client_port= 25000",
            "PLAY movie.Mjpeg | CSeq=2 | Session=451917",
            "200 | CSeq=1 | Session=451917",
            "PLAY movie.Mjpeg | CSeq=2 | Session=451917",
        ],
        id="merged",
    ),
    pytest.param(
        SHORT + PLAY,
        [
            "SETUP movie.Mjpeg | CSeq=1 | Transport=RTP/UDP; client_port= 5001",
            "PLAY movie.Mjpeg | CSeq=2 | Session=451917",
        ],
        id="merged behind a short port",
    ),
    pytest.param(
        b"LIST all RTSP/1.0\nCSeq: 7\n\nPLAY x RTSP/1.0\nCSeq: 8\nPAUSE x RTSP/1.0\nCSeq: 9\n\n",
        ["LIST all | CSeq=7", "PLAY x | CSeq=8", "PAUSE x | CSeq=9"],
        id="without a session",
    ),
    pytest.param(b"RTSP/1.0 404\nCSeq: 1\nSession: 0\n", ["404 | CSeq=1 | Session=0"], id="no reason"),
    pytest.param(
        b"\0\xff junk\nnot a start\n\n" + PLAY, ["PLAY movie.Mjpeg | CSeq=2 | Session=451917"], id="junk"
    ),
    pytest.param("PLAY schön RTSP/1.0\n\n".encode(), ["PLAY schön"], id="UTF-8"),
    pytest.param("PLAY schön RTSP/1.0\n\n".encode("latin-1"), ["PLAY schön"], id="Latin-1"),
]


@pytest.mark.parametrize(("data", "events"), WHOLE)
def test_what_tells_its_own_end(data: bytes, events: list[str]) -> None:
    assert read(data) == events
    for size in (1, 2, 3, 7, 31):
        assert read(data, size) == events


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (SHORT, "SETUP movie.Mjpeg | CSeq=1 | Transport=RTP/UDP; client_port= 5001"),
        (b"PLAY x RTSP/1.0\nCSeq: 2\nSession: 12", "PLAY x | CSeq=2 | Session=12"),
        (b"PLAY x RTSP/1.0\nCSeq: 2", "PLAY x | CSeq=2"),
        (b"RTSP/1.0 200 OK\nCSeq: 2\n", "200 | CSeq=2"),
    ],
)
def test_what_silence_ends(data: bytes, event: str) -> None:
    reader = ClassroomReader()
    assert reader.receive(data) == []
    assert reader.pending
    assert shown(reader.settle()) == [event]
    assert not reader.pending


@pytest.mark.parametrize("size", [1, 4, 20, 25, 26, 28])
def test_what_silence_does_not_end(size: int) -> None:
    reader = ClassroomReader()
    assert reader.receive(PLAY[:size]) == reader.settle() == []
    assert reader.pending
    assert len(reader.receive(PLAY[size:])) == 1


def test_a_header_that_came_too_late_is_dropped_when_it_is_quiet() -> None:
    reader = ClassroomReader()
    assert len(reader.receive(PLAY + b"\nRange: npt=0-")) == 1
    assert reader.pending
    assert reader.settle() == []
    assert not reader.pending
    assert len(reader.receive(PLAY)) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"PLAY " + b"x" * MAX_MESSAGE_BYTES,
        b"PLAY x RTSP/1.0\n" + b"A: b\n" * MAX_MESSAGE_BYTES,
        b"PLAY x RTSP/1.0\nCSeq: " + b"1" * MAX_MESSAGE_BYTES,
        b"A: b\n" * MAX_JUNK_BYTES,
        bytes(range(128, 256)) * (MAX_JUNK_BYTES // 64),
        b"PLAY " + b" " * (4 * MAX_JUNK_BYTES) + b"\n",
    ],
    ids=["endless line", "endless headers", "endless number", "junk lines", "garbage", "spaces"],
)
def test_it_ends_somewhere(data: bytes) -> None:
    reader = ClassroomReader()
    events = [event for at in range(0, len(data), 999) for event in reader.receive(data[at : at + 999])]
    assert shown(events) == shown(ClassroomReader().receive(data)) == ["fatal"]
    assert reader.receive(PLAY) == []
    assert not reader.pending


@settings(max_examples=200)
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                SETUP,
                SHORT,
                PLAY,
                REPLY,
                b"\n",
                b"\r\n",
                b"Session: 1",
                b"CSeq: 3",
                b"client_port= 1",
                b"7",
                b"P",
                b" ",
            ]
        )
        | st.binary(max_size=9),
        max_size=9,
    ),
    cuts=st.lists(st.integers(0, 600), max_size=12),
)
def test_any_bytes_in_any_pieces(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    cut_up, whole = ClassroomReader(), ClassroomReader()
    events = [event for a, b in pairwise(places) for event in cut_up.receive(data[a:b])]
    expected = shown(whole.receive(data))
    assert shown(events) == expected
    portions = ClassroomReader()
    heard = portions.receive(data, 1)
    while portions.behind:
        portion = portions.receive(b"", 1)
        assert len(portion) <= 1
        heard += portion
    assert shown(heard) == expected
    assert shown(cut_up.settle()) == shown(whole.settle())
    assert cut_up.pending == whole.pending


@settings(max_examples=100)
@given(
    method=st.sampled_from(["PLAY", "PAUSE", "TEARDOWN"]),
    file=st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40),
    cseq=st.integers(0, 9_999_999_999),
    session=st.integers(100_000, 999_999),
)
def test_requests_and_replies_there_and_back(method: str, file: str, cseq: int, session: int) -> None:
    headers = Headers([("CSeq", str(cseq)), ("Session", str(session))])
    reader = ClassroomReader()
    assert reader.receive(to_bytes(Request(method, file, headers))) == [Request(method, file, headers)]
    assert reader.receive(to_bytes(Response(404, headers=headers))) == [Response(404, "Not Found", headers)]


def test_writing() -> None:
    setup = Request("SETUP", "movie.Mjpeg", Headers([("CSeq", "1"), ("Transport", format_transport(25000))]))
    assert to_bytes(setup) == SETUP
    assert to_bytes(Response(200, headers=Headers([("CSeq", "1"), ("Session", "451917")]))) == REPLY
    with pytest.raises(ProtocolError, match="control character"):
        to_bytes(Request("PLAY", "x RTSP/1.0\nCSeq: 9", Headers()))


@pytest.mark.parametrize(
    ("header", "port"),
    [
        ("RTP/UDP; client_port= 25000", 25000),
        ("RTP/UDP;client_port=25000-25001", 25000),
        ("RTP/UDP; Client_Port = 0", 0),
        ("RTP/UDP", None),
        ("", None),
        ("RTP/UDP; client_port= x", None),
    ],
)
def test_ports(header: str, port: int | None) -> None:
    assert parse_port(header) == port


# Which of the two


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (SETUP, True),
        (PLAY, True),
        (b"\r\n  " + SETUP, True),
        (SETUP.replace(b"\n", b"\r\n"), True),
        (b"TEARDOWN films/a movie.Mjpeg RTSP/1.0\n", True),
        (b"SETUP rtsp://127.0.0.1/movie RTSP/1.0\r\n", False),
        (b"PLAY * RTSP/1.0\r\n", False),
        (b"PLAY /movie RTSP/1.0\r\n", False),
        (b"DESCRIBE movie RTSP/1.0\r\n", False),
        (b"SETUP movie HTTP/1.1\r\n", False),
        (b"SETUP\r\n", False),
        (b"$\0\0\4abcd", False),
        (b"\x16\x03\x01", False),
        (b"SETUP " + b"x" * MAX_START_BYTES, False),
        (b"\n" * MAX_START_BYTES, False),
        (b"PLAY \0", False),
        (b"SETUP \0movie.Mjpeg RTSP/1.0\r\n", False),
        (b"options", False),
        (b"", None),
        (b"\r\n", None),
        (b"SET", None),
        (b"OPTIONS", None),
        (b"SETUP movie.Mjpeg RTSP/1.0", None),
    ],
)
def test_recognition(head: bytes, found: bool | None) -> None:
    assert is_classroom(head) is found


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_either(size: int) -> None:
    options = b"\r\n\r\nOPTIONS rtsp://x/y RTSP/1.0\r\nCSeq: 1\r\n\r\n"
    for data, classroom in ((SETUP + PLAY, True), (options * 2, False), (options + SETUP, False)):
        reader = EitherReader()
        events = [event for at in range(0, len(data), size) for event in reader.receive(data[at : at + size])]
        assert reader.classroom is classroom
        assert len(events) == (1 if data.endswith(options + SETUP) else 2)
        assert not reader.hesitates
        assert reader.settle() == []


@pytest.mark.parametrize(
    "data", [SETUP + PLAY + SHORT, b"OPTIONS rtsp://x/y RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 3]
)
def test_either_in_portions(data: bytes) -> None:
    reader = EitherReader()
    assert len(reader.receive(data, 1)) == 1
    assert reader.behind
    assert not reader.hesitates
    assert len(reader.receive(b"", 2)) + len(reader.receive(b"")) + len(reader.settle()) == 2
    assert not reader.behind


def test_either_hesitates_in_the_dialect_alone() -> None:
    reader = EitherReader()
    assert reader.receive(SHORT[:20]) == []
    assert reader.pending
    assert not reader.hesitates
    assert reader.settle() == []
    assert reader.receive(SHORT[20:]) == []
    assert reader.hesitates
    assert len(reader.settle()) == 1
    assert not reader.hesitates
