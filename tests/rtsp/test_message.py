"""Messages: headers, the one writer, and answers."""

from __future__ import annotations

import pytest

from reelcast.errors import ProtocolError
from reelcast.rtsp.message import STATUS, Frame, Headers, Request, Response


def test_headers_ignore_case_and_keep_order() -> None:
    headers = Headers([("Via", "a"), ("CSeq", "1"), ("via", "b")])
    assert headers.get("VIA") == "a"
    assert headers.get_all("Via") == ["a", "b"]
    assert "cseq" in headers
    assert "Session" not in headers
    assert headers.get("Session") is None
    assert len(headers) == 3
    assert list(headers.items()) == [("Via", "a"), ("CSeq", "1"), ("via", "b")]


def test_headers_are_replaced_and_removed_whatever_their_case() -> None:
    headers = Headers([("Via", "a"), ("CSeq", "1"), ("via", "b")])
    headers.set("VIA", "c")
    assert headers == Headers([("CSeq", "1"), ("VIA", "c")])
    headers.remove("via")
    headers.remove("never-there")
    assert headers == Headers([("CSeq", "1")])
    assert headers != [("CSeq", "1")]
    assert repr(headers) == "Headers([('CSeq', '1')])"


@pytest.mark.parametrize(
    ("value", "cseq"),
    [
        ("1", 1),
        ("0", 0),
        (" 7 \t", 7),
        ("0012", 12),
        ("4294967295", 4294967295),
        ("12345678901", None),
        ("9" * 5000, None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
    ],
)
def test_cseq(value: str, cseq: int | None) -> None:
    """Conformance M1."""
    assert Request("OPTIONS", "*", Headers([("CSEQ", value)])).cseq == cseq
    assert Response(200, headers=Headers([("Cseq", value)])).cseq == cseq


def test_a_request_is_written_with_cseq_first_and_its_body_counted() -> None:
    headers = Headers([("Content-Type", "application/sdp"), ("content-length", "999"), ("cseq", "4")])
    assert Request("ANNOUNCE", "rtsp://h/p", headers, b"v=0\r\n").to_bytes() == (
        b"ANNOUNCE rtsp://h/p RTSP/1.0\r\nCSeq: 4\r\nContent-Type: application/sdp\r\n"
        b"Content-Length: 5\r\n\r\nv=0\r\n"
    )


def test_a_message_without_body_says_no_length() -> None:
    headers = Headers([("Content-Length", "3")])
    assert Request("OPTIONS", "*", headers).to_bytes() == b"OPTIONS * RTSP/1.0\r\n\r\n"


def test_a_response_finds_its_reason_in_the_table() -> None:
    assert Response(461).to_bytes() == b"RTSP/1.0 461 Unsupported transport\r\n\r\n"
    assert Response(299).to_bytes() == b"RTSP/1.0 299 Unknown\r\n\r\n"
    assert Response(200, "Fine").to_bytes() == b"RTSP/1.0 200 Fine\r\n\r\n"


def test_an_answer_echoes_cseq_and_timestamp() -> None:
    request = Request("PLAY", "rtsp://h/", Headers([("CSeq", "007"), ("Timestamp", " 12.5 ")]))
    response = Response.to(request, 200, [("Session", "abc")], b"x")
    assert response.to_bytes() == (
        b"RTSP/1.0 200 OK\r\nCSeq: 007\r\nTimestamp: 12.5\r\nSession: abc\r\nContent-Length: 1\r\n\r\nx"
    )
    assert response.cseq == 7


@pytest.mark.parametrize("cseq", [None, "x", "-1"])
def test_an_answer_to_a_request_without_number_has_none(cseq: str | None) -> None:
    headers = Headers() if cseq is None else Headers([("CSeq", cseq)])
    response = Response.to(Request("OPTIONS", "*", headers), 400)
    assert response == Response(400, "Bad Request")


@pytest.mark.parametrize("timestamp", ["", "now", "1" * 40, "1; x", "1e5"])
def test_a_timestamp_that_is_none_is_not_echoed(timestamp: str) -> None:
    request = Request("OPTIONS", "*", Headers([("CSeq", "1"), ("Timestamp", timestamp)]))
    assert "Timestamp" not in Response.to(request, 200).headers


@pytest.mark.parametrize(
    "message",
    [
        Request("OPTIONS", "*", Headers([("X", "a\r\nSession: b")])),
        Request("OPTIONS", "*", Headers([("X", "a\nb")])),
        Request("OPTIONS", "*", Headers([("X", "a\0b")])),
        Request("OPTIONS", "*", Headers([("X", "\ud800")])),
        Request("OPTIONS", "*", Headers([("X: y", "a")])),
        Request("OPTIONS", "*", Headers([("", "a")])),
        Request("OPTIONS", "*", Headers([("X\r\n", "a")])),
        Request("OPTIONS", "*", Headers([("CSeq", "1\r\n\r\n")])),
        Request("OPTIONS", "rtsp://h/\r\n\r\n"),
        Request("OPTIONS", " "),
        Request("", "*"),
        Request("TWO WORDS", "*"),
        Response(200, "OK\r\nX: y"),
        Response(99),
        Response(1000),
        Frame(256, b""),
        Frame(-1, b""),
        Frame(0, bytes(65_536)),
    ],
)
def test_what_would_break_the_stream_is_not_written(message: Request | Response | Frame) -> None:
    with pytest.raises(ProtocolError):
        message.to_bytes()


def test_a_frame_is_written_behind_its_header() -> None:
    assert Frame(3, b"abc").to_bytes() == b"$\x03\x00\x03abc"
    assert Frame(255, b"").to_bytes() == b"$\xff\x00\x00"
    assert Frame(0, bytes(65_535)).to_bytes()[:4] == b"$\x00\xff\xff"


def test_every_status_has_a_reason_that_can_be_written() -> None:
    for status in STATUS:
        assert Response(status).to_bytes().startswith(f"RTSP/1.0 {status} ".encode())
