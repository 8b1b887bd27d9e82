"""Session descriptions: what we write to the letter, and what cameras write, which is anything."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.errors import ProtocolError
from reelcast.sdp import (
    MAX_BYTES,
    MAX_LINES,
    MAX_MEDIA,
    MediaDescription,
    RtpMap,
    SessionDescription,
    parse,
)

FULL = (
    "v=0\r\n"
    "o=- 7 1 IN IP4 10.0.0.1\r\n"
    "s=The gate\r\n"
    "i=A camera\r\n"
    "c=IN IP4 0.0.0.0\r\n"
    "b=AS:5000\r\n"
    "t=0 0\r\n"
    "a=control:*\r\n"
    "a=recvonly\r\n"
    "m=video 0 RTP/AVP 96 97\r\n"
    "c=IN IP4 239.0.0.1/64\r\n"
    "b=AS:4000\r\n"
    "b=RR:0\r\n"
    "a=rtpmap:96 H264/90000\r\n"
    "a=control:trackID=1\r\n"
    "m=audio 5004 RTP/AVP 0\r\n"
    "a=control:rtsp://h/p?x=1\r\n"
)
PARSED = SessionDescription(
    origin="- 7 1 IN IP4 10.0.0.1",
    name="The gate",
    information="A camera",
    connection="IN IP4 0.0.0.0",
    bandwidths=(("AS", 5000),),
    attributes=(("control", "*"), ("recvonly", None)),
    media=(
        MediaDescription(
            "video",
            0,
            "RTP/AVP",
            ("96", "97"),
            (("rtpmap", "96 H264/90000"), ("control", "trackID=1")),
            "IN IP4 239.0.0.1/64",
            (("AS", 4000), ("RR", 0)),
        ),
        MediaDescription("audio", 5004, "RTP/AVP", ("0",), (("control", "rtsp://h/p?x=1"),)),
    ),
)


class TestWrite:
    def test_full(self) -> None:
        assert str(PARSED) == FULL

    def test_least(self) -> None:
        assert str(SessionDescription()) == "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

    def test_values_cannot_begin_a_line(self) -> None:
        assert str(SessionDescription(origin="\0", name="\0\0")) == str(SessionDescription())
        description = SessionDescription(name="a\r\nm=video\0", attributes=(("x", "1\nb"),))
        assert str(description).splitlines()[2:] == ["s=a m=video ", "t=0 0", "a=x:1 b"]


class TestRead:
    @pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\r\n\r\n", " \r\n", "\n\n \n"])
    def test_line_ends(self, end: str) -> None:
        """Conformance D20."""
        assert parse(FULL.replace("\r\n", end)) == PARSED

    def test_bytes(self) -> None:
        assert parse(FULL.encode()) == PARSED

    def test_no_newline_at_the_end(self) -> None:
        assert parse(FULL.rstrip()) == PARSED

    def test_bytes_that_are_no_utf_8(self) -> None:
        assert parse(b"v=0\r\ns=caf\xe9\r\n").name == "caf\ufffd"

    @pytest.mark.parametrize("line", ["v=0\r\n", "t=0 0\r\n"])
    def test_missing_lines_that_say_nothing(self, line: str) -> None:
        assert parse(FULL.replace(line, "")) == PARSED

    def test_missing_lines(self) -> None:
        """Conformance D20."""
        found = parse("m=video 0 RTP/AVP 26")
        assert found == SessionDescription(media=(MediaDescription("video", 0, "RTP/AVP", ("26",)),))

    @pytest.mark.parametrize(
        "line",
        ["", "garbage", "=", "==", "<html>", "x=1", "aa=1", "A=b", "a=", "a=:", "b=AS", "b=AS:x", "z=0 0"],
    )
    def test_lines_passed_over(self, line: str) -> None:
        """Conformance D20."""
        assert parse(FULL.replace("a=recvonly\r\n", f"a=recvonly\r\n{line}\r\n")) == PARSED

    def test_line_that_came_twice(self) -> None:
        assert parse(FULL.replace("s=The gate\r\n", "s=The gate\r\ns=Another\r\n")) == PARSED

    @pytest.mark.parametrize("origin", ["", "- 18446744073709551616 -1 IN IP4 x", "- ffff 1 IP IP4", "1"])
    def test_odd_origins(self, origin: str) -> None:
        assert parse(f"o={origin}\r\ns=x").origin == origin

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("video 0 RTP/AVP 96", ("video", 0, "RTP/AVP", ("96",))),
            ("video  49170/2  RTP/AVP  31 ", ("video", 49170, "RTP/AVP", ("31",))),
            (
                "application/TP-LINK 0 RTP/AVP smart/1/90000",
                ("application/TP-LINK", 0, "RTP/AVP", ("smart/1/90000",)),
            ),
            ("video x RTP/AVP", ("video", 0, "RTP/AVP", ())),
            ("video 99999999999999", ("video", 0, "", ())),
            ("video", ("video", 0, "", ())),
            ("", ("", 0, "", ())),
        ],
    )
    def test_media_lines(self, line: str, expected: tuple[str, int, str, tuple[str, ...]]) -> None:
        """Conformance D20."""
        first, broken = parse(f"m=audio 0 RTP/AVP 0\nm={line}\na=control:x").media
        assert (broken.kind, broken.port, broken.protocol, broken.formats) == expected
        # Its attributes are its own, broken or not.
        assert first.attributes == ()
        assert broken.attribute("control") == "x"

    @pytest.mark.parametrize(
        "text", ["", "\r\n", "<html><body a=b>Not found</body></html>", "404", b"\0\xff\xfe"]
    )
    def test_nothing_of_sdp(self, text: str | bytes) -> None:
        with pytest.raises(ProtocolError, match="no line of SDP"):
            parse(text)

    def test_bounds(self) -> None:
        assert len(parse("m=video 0 RTP/AVP 96\n" * (MAX_MEDIA + 1)).media) == MAX_MEDIA
        assert len(parse("a=x\n" * (MAX_LINES + 1)).attributes) == MAX_LINES
        assert len(parse("s=" + "x" * MAX_BYTES).name) == MAX_BYTES - 2
        assert len(parse(b"s=" + b"x" * MAX_BYTES).name) == MAX_BYTES - 2

    def test_sections_beyond_the_bound_lose_their_attributes(self) -> None:
        found = parse("m=video 0 RTP/AVP 96\n" * (MAX_MEDIA + 1) + "a=control:x")
        assert {section.attributes for section in found.media} == {()}


def section(*attributes: str) -> MediaDescription:
    return parse("m=video 0 RTP/AVP 96 97\n" + "".join(f"a={text}\n" for text in attributes)).media[0]


class TestAttributes:
    def test_found_by_name_in_any_case(self) -> None:
        assert section("Control:x", "control:y").attribute("CONTROL") == "x"
        assert section("recvonly").attribute("recvonly") == ""
        assert section().attribute("control") is None
        assert parse(FULL).attribute("control") == "*"
        assert parse(FULL).attribute("tool") is None

    def test_bandwidth(self) -> None:
        assert parse(FULL).media[0].bandwidth("AS") == 4000
        assert parse(FULL).media[1].bandwidth("AS") is None

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("rtpmap:96 H264/90000", RtpMap("H264", 90000, 0)),
            ("rtpmap: 96  H264/90000 ", RtpMap("H264", 90000, 0)),
            ("rtpmap :96 H264/90000", RtpMap("H264", 90000, 0)),
            ("RTPMAP:96 mpeg4-generic/44100/2", RtpMap("mpeg4-generic", 44100, 2)),
            ("rtpmap:96 H264", RtpMap("H264", 0, 0)),
            ("rtpmap:96 H264/x/y", RtpMap("H264", 0, 0)),
            ("rtpmap:96 H264/-1", RtpMap("H264", 0, 0)),
            (f"rtpmap:96 H264/{'9' * 5000}", RtpMap("H264", 0, 0)),
            ("rtpmap:96", None),
            ("rtpmap:96 /90000", None),
            ("rtpmap", None),
            ("rtpmap:97 H264/90000", None),
            ("rtpmap:960 H264/90000", None),
        ],
    )
    def test_rtpmap(self, text: str, expected: RtpMap | None) -> None:
        """Conformance D20."""
        assert section("control:first", text).rtpmap(96) == expected

    @pytest.mark.parametrize(
        ("texts", "expected"),
        [
            (["fmtp:96 a=1;b=2"], {"a": "1", "b": "2"}),
            (["fmtp:96 A=x; SizeLength=13 ;"], {"a": "x", "sizelength": "13"}),
            (["fmtp:96 sprop=Z0I=,aM4=;;"], {"sprop": "Z0I=,aM4="}),
            (["fmtp:96 flag;=x;a"], {"flag": "", "a": ""}),
            (["fmtp:96 a=1;a=2", "fmtp:96 b=3"], {"a": "1", "b": "3"}),
            (["fmtp:96"], {}),
            (["fmtp:96 "], {}),
            (["fmtp:97 a=1"], None),
            (["fmtp"], None),
            ([], None),
        ],
    )
    def test_fmtp(self, texts: list[str], expected: dict[str, str] | None) -> None:
        """Conformance D20."""
        assert section(*texts).fmtp(96) == expected


words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
names = words.filter(lambda word: ":" not in word)
lines = st.lists(words, max_size=4).map(" ".join)
attributes = st.lists(st.tuples(names, st.none() | lines), max_size=5).map(tuple)
bandwidths = st.lists(st.tuples(names, st.integers(0, 10**9)), max_size=2).map(tuple)
sections = st.builds(
    MediaDescription,
    words,
    st.integers(0, 65535),
    words,
    st.lists(words, max_size=3).map(tuple),
    attributes,
    lines,
    bandwidths,
)
origins = st.lists(words, min_size=1, max_size=6).map(" ".join)
descriptions = st.builds(
    SessionDescription,
    origins,
    origins,
    lines,
    lines,
    bandwidths,
    attributes,
    st.lists(sections, max_size=3).map(tuple),
)


@settings(max_examples=100)
@given(descriptions)
def test_round_trip(description: SessionDescription) -> None:
    assert parse(str(description)) == description


pieces = st.sampled_from(
    [
        "v=0",
        "s=",
        "m=video 0 RTP/AVP 96",
        "m=",
        "a=rtpmap:96 ",
        "a=fmtp:96 ",
        "a=",
        "b=AS:",
        "c=IN",
        "\r\n",
        "\n",
        ";",
        "=",
    ]
)


@given(st.lists(pieces | st.text(max_size=8), max_size=40).map("".join) | st.binary(max_size=200))
def test_anything(text: str | bytes) -> None:
    try:
        found = parse(text)
    except ProtocolError:
        return
    for one in found.media:
        one.rtpmap(96)
        one.fmtp(96)
    again = parse(str(found))
    assert len(again.media) == len(found.media)
    assert parse(str(again)) == again
