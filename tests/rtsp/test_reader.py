"""The reader: every branch by tables, and any bytes in any chunks by hypothesis."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.rtsp.message import Frame, Headers, Request, Response
from reelcast.rtsp.reader import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_HEADER_LINES,
    MAX_SKIPPED_BYTES,
    Event,
    Frames,
    Malformed,
    Reader,
    gather,
)

OPTIONS = b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n"
AFTERWARDS = Request("OPTIONS", "*", Headers([("CSeq", "9")]))
RTP = b"\x80\x60" + bytes(30)


def read(data: bytes) -> list[Event]:
    return Reader().receive(data)


def read_by_bytes(data: bytes) -> list[Event]:
    reader = Reader()
    return [event for at in range(len(data)) for event in reader.receive(data[at : at + 1])]


def statuses(events: list[Event]) -> list[tuple[int, bool]]:
    return [(event.status, event.fatal) for event in events if isinstance(event, Malformed)]


def test_a_request_with_a_body() -> None:
    data = b"SET_PARAMETER rtsp://h/p?x=1 RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\na: b"
    (event,) = read(data)
    assert event == Request(
        "SET_PARAMETER", "rtsp://h/p?x=1", Headers([("CSeq", "3"), ("Content-Length", "4")]), b"a: b"
    )


def test_a_response() -> None:
    (event,) = read(b"RTSP/1.0 404 Stream Not Found\r\nCseq: 3\r\n\r\n")
    assert event == Response(404, "Stream Not Found", Headers([("Cseq", "3")]))
    assert isinstance(event, Response)
    assert event.cseq == 3


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS * RTSP/1.0\nCSeq: 9\n\n",
        b"OPTIONS * RTSP/1.0\rCSeq: 9\r\r",
        b"OPTIONS * RTSP/1.0\r\nCSeq: 9\n\r\n",
        b"OPTIONS * RTSP/1.0\nCSeq: 9\r\n\n",
        b"\r\n\r\n\n\rOPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq:9\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq \t:\t 9 \t\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nCSeq:\r\n 9\r\n\r\n",
        b"OPTIONS\t*\tRTSP/1.0\t\r\nCSeq:\t9\r\n\r\n",
        b"OPTIONS  *   RTSP/1.0  \r\nCSeq: 9\r\n\r\n",
    ],
)
def test_line_ends_and_white_space_are_forgiven(data: bytes) -> None:
    """Conformance M4."""
    assert read(data) == [AFTERWARDS]
    assert read_by_bytes(data) == [AFTERWARDS]


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"Session:        708345999", "session", "708345999"),
        (b"SESSION: a  ", "Session", "a"),
        (b"Session:", "Session", ""),
        (b"Range: npt=0-\r\n\t;time=x", "Range", "npt=0- ;time=x"),
        (b"X: a:b:c", "X", "a:b:c"),
        ("X: Türsprechanlage".encode(), "X", "Türsprechanlage"),
        (b"X: T\xfcr", "X", "Tür"),
        (b"X: \xa0a", "X", "\xa0a"),
    ],
)
def test_header_spellings(line: bytes, name: str, value: str) -> None:
    """Conformance M3."""
    (event,) = read(b"RTSP/1.0 200 OK\r\n" + line + b"\r\n\r\n")
    assert isinstance(event, Response)
    assert event.headers.get(name) == value


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"RTSP/1.0 200 OK", 200, "OK"),
        (b"RTSP/1.0 200", 200, ""),
        (b"RTSP/1.0 200 ", 200, ""),
        (b"RTSP/1.0   200   Quite OK  ", 200, "Quite OK"),
        (b"RTSP/2.0 999 ?", 999, "?"),
    ],
)
def test_status_lines(line: bytes, status: int, reason: str) -> None:
    (event,) = read(line + b"\r\n\r\n")
    assert isinstance(event, Response)
    assert (event.status, event.reason) == (status, reason)


@pytest.mark.parametrize(
    ("line", "uri"),
    [
        (b"DESCRIBE rtsp://h:554 RTSP/1.0", "rtsp://h:554"),
        (b"DESCRIBE /p RTSP/1.0", "/p"),
        (b"DESCRIBE rtsp://h/my movie.mp4 RTSP/1.0", "rtsp://h/my movie.mp4"),
        (b"DESCRIBE rtsp://h/p RTSP/1.1", "rtsp://h/p"),
        (b"DESCRIBE rtsp://h/p RTSP/2.0", "rtsp://h/p"),
    ],
)
def test_request_lines(line: bytes, uri: str) -> None:
    (event,) = read(line + b"\r\n\r\n")
    assert isinstance(event, Request)
    assert event.uri == uri


@pytest.mark.parametrize(
    ("head", "status", "cseq"),
    [
        (b"OPTIONS *\r\nCSeq: 3", 400, 3),
        (b"OPTIONS \r\nCSeq: 3", 400, 3),
        (b"OPTIONS RTSP/1.0\r\nCSeq: 3", 400, 3),
        (b"OPTIONS * SIP/2.0\r\nCSeq: 3", 400, 3),
        (b"hello world\r\nfoo", 400, None),
        (b"OPTIONS * RTSP/9.9\r\nCSeq: 3", 505, 3),
        (b"OPTIONS * RTSP/\r\nCSeq: 3", 505, 3),
        (b"RTSP/3.0 200 OK\r\nCSeq: 3", 505, 3),
        (b"RTSP/1.0 2x0 OK\r\nCSeq: 3", 400, 3),
        (b"RTSP/1.0 \r\nCSeq: 3", 400, 3),
        (b"RTSP/1.0 0200 OK\r\nCSeq: 3", 400, 3),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\nno colon", 400, 3),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\n: no name", 400, 3),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\ntwo words: x", 400, 3),
        (b"OPTIONS * RTSP/1.0\r\n folded: first\r\nCSeq: 3", 400, 3),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\nX: a\0b", 400, 3),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 3" + b"\r\nX: y" * MAX_HEADER_LINES, 400, 3),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 3\r\nbad\r\nContent-Length: 5\r\n\r\nPLAY ", 400, 3),
    ],
)
def test_a_bad_head_is_skipped_with_its_body(head: bytes, status: int, cseq: int | None) -> None:
    data = head if b"\r\n\r\n" in head else head + b"\r\n\r\n"
    events = read(data + OPTIONS)
    malformed = events[0]
    assert isinstance(malformed, Malformed)
    assert (malformed.status, malformed.cseq, malformed.fatal) == (status, cseq, False)
    assert events[1:] == [AFTERWARDS]
    assert read_by_bytes(data + OPTIONS) == events


def test_stray_lines_in_a_response_are_passed_over() -> None:
    """Conformance M3."""
    (event,) = read(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n[debug] rtp started\r\nSession: a\r\n\r\n")
    assert event == Response(200, "OK", Headers([("CSeq", "1"), ("Session", "a")]))


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Length: -1", 400),
        (b"Content-Length: +5", 400),
        (b"Content-Length: 0x10", 400),
        (b"Content-Length: 1 2", 400),
        (b"Content-Length:", 400),
        ("Content-Length: ٣".encode(), 400),
        (b"Content-Length: 99999999999999999999", 400),
        (b"Content-Length: 3\r\nContent-Length: 4", 400),
        (b"Content-Length: %d" % (MAX_BODY_BYTES + 1), 413),
    ],
)
def test_a_bad_length_ends_the_reading(lines: bytes, status: int) -> None:
    """Conformance M1, M5: the answer has the number of the request, though its end is not known."""
    events = read(b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n" + lines + b"\r\n\r\n" + OPTIONS)
    assert statuses(events) == [(status, True)]
    (event,) = events
    assert isinstance(event, Malformed)
    assert event.response().headers.get("CSeq") == "7"


def test_a_length_said_twice_counts_once() -> None:
    events = read(b"OPTIONS * RTSP/1.0\r\nContent-Length: 3\r\ncontent-length: 3\r\n\r\nabc" + OPTIONS)
    assert isinstance(events[0], Request)
    assert events[0].body == b"abc"
    assert events[1:] == [AFTERWARDS]


def test_the_longest_body_is_read() -> None:
    body = bytes(MAX_BODY_BYTES)
    (event,) = read(b"ANNOUNCE / RTSP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    assert isinstance(event, Request)
    assert event.body == body


@pytest.mark.parametrize("extra", [-1, 0, 1])
@pytest.mark.parametrize("chunk", [1, 1000, 100_000])
def test_a_head_is_as_long_as_the_limit_and_no_longer(extra: int, chunk: int) -> None:
    start = b"OPTIONS * RTSP/1.0\r\nX: "
    data = start + b"a" * (MAX_HEAD_BYTES + extra - len(start) - 4) + b"\r\n\r\n"
    reader = Reader()
    events = [event for at in range(0, len(data), chunk) for event in reader.receive(data[at : at + chunk])]
    if extra > 0:
        assert statuses(events) == [(400, True)]
    else:
        assert [type(event) for event in events] == [Request]


@pytest.mark.parametrize(
    ("data", "status", "version"),
    [
        (b"\x16\x03\x01\x02\x00\x01", 400, "RTSP/1.0"),
        (b"\x15\x03\x03\x00\x02\x02\x0a", 400, "RTSP/1.0"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405, "HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 405, "HTTP/1.1"),
        (b"POST /x HTTP/1.0\r\nContent-Length: 5\r\n\r\nabcde", 405, "HTTP/1.1"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 405, "HTTP/1.1"),
        (b"OPTIONS " + b"a" * MAX_HEAD_BYTES + b" RTSP/1.0\r\n\r\n", 400, "RTSP/1.0"),
        (b"a" * (MAX_HEAD_BYTES + 1), 400, "RTSP/1.0"),
        (b"OPTIONS * RTSP/1.0\r\n" + b"X: y\r\n" * 10_000, 400, "RTSP/1.0"),
        (b"OPTIONS * RTSP/1.0\r\nX: " + b"y" * 1_000_000, 400, "RTSP/1.0"),
    ],
    ids=["tls", "alert", "http2", "get", "post", "http", "uri", "letters", "lines", "header"],
)
def test_what_is_no_rtsp_ends_the_reading(data: bytes, status: int, version: str) -> None:
    reader = Reader()
    (event,) = reader.receive(data)
    assert isinstance(event, Malformed)
    assert (event.status, event.fatal, event.version) == (status, True, version)
    assert reader.receive(OPTIONS) == []
    assert not reader.pending


def test_a_tls_record_later_on_is_only_lost_bytes() -> None:
    events = read(OPTIONS + b"\x16\x03\x01" + OPTIONS)
    assert [type(event) for event in events] == [Request, Malformed, Request]
    assert statuses(events) == [(400, False)]


def test_frames_between_messages() -> None:
    """Conformance M11."""
    frames = [Frame(0, b""), Frame(1, b"ab"), Frame(255, bytes(65_535))]
    wire = b"".join(frame.to_bytes() for frame in frames)
    assert read(wire + OPTIONS + wire) == [*frames, AFTERWARDS, *frames]


def test_a_stalled_frame_keeps_what_has_come() -> None:
    """Conformance M12."""
    reader = Reader()
    data = Frame(0, bytes(65_535)).to_bytes()
    assert reader.receive(data[:2]) == []
    assert reader.pending
    assert reader.receive(data[2:-1]) == []
    assert reader.receive(data[-1:] + b"$") == [Frame(0, bytes(65_535))]
    assert reader.pending


@pytest.mark.parametrize("part", [OPTIONS[:1], OPTIONS[:-1], OPTIONS[:-3], b"$\0\0\1", b"\x80"])
def test_pending(part: bytes) -> None:
    reader = Reader()
    assert not reader.pending
    reader.receive(part)
    assert reader.pending


def test_pending_until_the_body_is_there() -> None:
    reader = Reader()
    assert reader.receive(b"SET_PARAMETER * RTSP/1.0\r\nContent-Length: 2\r\n\r\n") == []
    assert reader.pending
    assert reader.receive(b"a") == []
    assert [type(event) for event in reader.receive(b"b\r\n")] == [Request]
    assert not reader.pending


def test_a_body_longer_than_said_is_the_next_message() -> None:
    """Conformance M5."""
    events = read(b"OPTIONS * RTSP/1.0\r\nContent-Length: 2\r\n\r\nab" + OPTIONS + b"cd" + OPTIONS)
    # "cdOPTIONS" is a method as good as any: the server answers 501.
    assert [event.method for event in events if isinstance(event, Request)] == [
        "OPTIONS",
        "OPTIONS",
        "cdOPTIONS",
    ]


def test_a_thousand_pipelined_requests() -> None:
    assert read(OPTIONS * 1000) == [AFTERWARDS] * 1000


@pytest.mark.parametrize(
    ("garbage", "behind"),
    [
        (b"\x00\x01\x02", [Frame(0, RTP)]),
        (b"\x80" * 1000 + b"\n", [Frame(2, RTP)]),
        (b"ABC\x00$$$\xff", [Frame(0, RTP)]),
        (b"\xff\r\n", [AFTERWARDS]),
        (b"Foo: bar\r\n\r\n", [AFTERWARDS]),
        (b" ", [AFTERWARDS]),
        (b"PLAY rtsp\x01", [AFTERWARDS]),
        (b"\x00\xff", [Response(200, "OK", Headers([("CSeq", "1")]))]),
        (b"\x00" * (MAX_SKIPPED_BYTES - 1), [AFTERWARDS]),
    ],
)
def test_behind_lost_bytes_reading_goes_on(garbage: bytes, behind: list[Event]) -> None:
    wire = b"".join(event.to_bytes() for event in behind if not isinstance(event, Malformed))
    events = read(garbage + wire)
    assert statuses(events) == [(400, False)]
    assert events[1:] == behind


def test_a_camera_that_leaves_out_bytes_costs_two_frames() -> None:
    """Conformance M11."""
    frames = [Frame(0, RTP + bytes((number,)) * 40) for number in range(5)]
    wire = [frame.to_bytes() for frame in frames]
    wire[1] = wire[1][:-10]
    events = read(b"".join(wire))
    assert events[0] == frames[0]
    assert statuses(events) == [(400, False)]
    assert events[-2:] == frames[3:]


@pytest.mark.parametrize("chunk", [7, 4096, 1_000_000])
def test_the_search_for_a_boundary_ends(chunk: int) -> None:
    data = b"\x00" * (MAX_SKIPPED_BYTES + 100)
    reader = Reader()
    events = [event for at in range(0, len(data), chunk) for event in reader.receive(data[at : at + chunk])]
    assert statuses(events) == [(400, False), (400, True)]
    assert not reader.pending


@pytest.mark.parametrize("method", ["OPTIONS", "PLAY", "GET_PARAMETER", "SET_PARAMETER", "REDIRECT"])
@pytest.mark.parametrize("uri", ["*", "/p", "rtsp://h/p", "rtsps://h/p"])
def test_every_message_is_a_place_to_go_on(method: str, uri: str) -> None:
    request = Request(method, uri, Headers([("CSeq", "1")]))
    assert read_by_bytes(b"\x00garbage" + request.to_bytes())[1:] == [request]


def test_answers_to_what_is_malformed() -> None:
    assert Malformed(400, "x", cseq=4).response().to_bytes() == b"RTSP/1.0 400 Bad Request\r\nCSeq: 4\r\n\r\n"
    assert Malformed(405, "x", fatal=True, version="HTTP/1.1").response().to_bytes() == (
        b"HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\n\r\n"
    )


texts = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), max_size=12)
tokens = st.text(st.sampled_from("ABCxyz-_09"), min_size=1, max_size=10).filter(
    lambda name: name.lower() not in ("cseq", "content-length")
)
headers_ = st.lists(st.tuples(tokens, texts), max_size=5).map(lambda items: [("CSeq", "1"), *items])
bodies = st.binary(max_size=40)
uris = texts.map(lambda text: f"rtsp://h/{text}")
requests = st.builds(
    Request, st.sampled_from(["OPTIONS", "PLAY", "X-Y"]), uris, headers_.map(Headers), bodies
)
responses = st.builds(Response, st.integers(100, 999), texts.map("R".__add__), headers_.map(Headers), bodies)
frames_ = st.builds(Frame, st.integers(0, 255), bodies)
messages = st.lists(st.one_of(requests, responses, frames_), max_size=6)
hostile = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [
                b"\r\n",
                b"\n",
                b"\r",
                b"\r\n\r\n",
                b"$\0\0\x04\x80abc",
                b"RTSP/1.0 200 OK\r\n",
                b"PLAY * RTSP/1.0\n",
            ]
        ),
        st.sampled_from(
            [b"CSeq: 1\r\n", b"Content-Length: 3\r\n", b" x", b"\x16", b"GET / HTTP/1.1\n", OPTIONS]
        ),
    ),
    max_size=14,
).map(b"".join)


def read_in_chunks(data: bytes, cuts: list[int]) -> list[Event]:
    reader = Reader()
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [event for at, to in pairwise(edges) for event in reader.receive(data[at:to])]


def read_in_portions(data: bytes, most: int) -> list[Event]:
    reader = Reader()
    events = portion = reader.receive(data, most)
    while reader.behind:
        assert len(portion) >= most
        portion = reader.receive(b"", most)
        # Only frames come without measure, and those in a row.
        assert sum(not isinstance(event, Frame) for event in portion) <= most
        events = events + portion
    return events


@settings(max_examples=200, deadline=None)
@given(messages, st.lists(st.integers(0, 1000), max_size=5))
def test_what_is_written_reads_the_same(sent: list[Request | Response | Frame], cuts: list[int]) -> None:
    events = read_in_chunks(b"".join(message.to_bytes() for message in sent), cuts)
    for message in sent:
        if not isinstance(message, Frame) and message.body:
            message.headers.add("Content-Length", str(len(message.body)))
    assert events == sent


@settings(max_examples=200, deadline=None)
@given(hostile, st.lists(st.integers(0, 1000), max_size=5))
def test_any_bytes_give_the_same_events_in_any_chunks(data: bytes, cuts: list[int]) -> None:
    events = read(data)
    assert read_in_chunks(data, cuts) == events
    assert read_by_bytes(data) == events
    assert read_in_portions(data, 1 + len(cuts)) == events
    for event in events:
        if isinstance(event, Malformed):
            assert event.response().to_bytes()


def test_frames_of_one_channel_in_a_row_are_gathered() -> None:
    malformed = Malformed(400, "junk")
    one, two = Frame(0, b"1"), Frame(0, b"2")
    events: list[Event] = [one, two, Frame(2, b"3"), one, AFTERWARDS, two, malformed, malformed, one]
    assert list(gather(events)) == [
        Frames(0, [b"1", b"2"]),
        Frames(2, [b"3"]),
        Frames(0, [b"1"]),
        AFTERWARDS,
        Frames(0, [b"2"]),
        malformed,
        malformed,
        Frames(0, [b"1"]),
    ]
    assert list(gather([])) == []
