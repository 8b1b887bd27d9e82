"""What a description says: tracks, URIs and duration; and whose RTP-Info is whose."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.client.presentation import Presentation
from reelcast.errors import ReelcastError
from reelcast.rtsp.message import Headers, Request, Response
from reelcast.rtsp.url import RtspUrl

URL = RtspUrl.parse("rtsp://user:secret@host/movie?x=1")
SDP = """v=0
s=x
a=control:{session}
a=range:{range}
m=audio 0 RTP/AVP 0
a=control:{audio}
m=application 0 RTP/AVP 98
a=rtpmap:98 unheard-of/90000
m=audio 0 RTP/AVP 8
a=control:track2
"""


def presentation(
    *headers: tuple[str, str], session: str = "*", audio: str = "track1", span: str = "npt=0-12.5"
) -> Presentation:
    body = SDP.format(session=session, audio=audio, range=span).encode()
    return Presentation.of(Response(200, "OK", Headers(headers), body), URL)


BASES = {
    "request URI": ((), "rtsp://host/movie?x=1", "rtsp://host/movie?x=1/track1"),
    "Content-Base": ((("Content-Base", "rtsp://host/m/"),), "rtsp://host/m/", "rtsp://host/m/track1"),
    "Content-Location": ((("Content-Location", "rtsp://host/l"),), "rtsp://host/l", "rtsp://host/l/track1"),
    "both": (
        (("Content-Location", "rtsp://host/l"), ("Content-Base", "rtsp://host/m")),
        "rtsp://host/m",
        "rtsp://host/m/track1",
    ),
}


@pytest.mark.parametrize(("headers", "aggregate", "track"), BASES.values(), ids=BASES)
def test_uris(headers: tuple[tuple[str, str], ...], aggregate: str, track: str) -> None:
    """Conformance D8."""
    found = presentation(*headers)
    assert found.uri == aggregate
    assert found.uri_of(found.tracks[0]) == track


def test_absolute_controls() -> None:
    found = presentation(session="rtsp://host/all", audio="rtsp://host/a?b=c")
    assert found.uri == "rtsp://host/all"
    assert found.uri_of(found.tracks[0]) == "rtsp://host/a?b=c"


CONTROLS = {
    "the session's is absolute": ("rtsp://host/all/", "track1", "rtsp://host/all/", "rtsp://host/all/track1"),
    "the session's is relative": ("all", "track1", "rtsp://host/m/all", "rtsp://host/m/track1"),
    "the session's is no URL": ("rtsp://", "track1", "rtsp://host/m/", "rtsp://host/m/track1"),
    "the track's is no URL": ("*", "http://host/1", "rtsp://host/m/", "rtsp://host/m/"),
    "a slash too many": ("*", "/track1", "rtsp://host/m/", "rtsp://host/m/track1"),
}


@pytest.mark.parametrize(("session", "audio", "aggregate", "track"), CONTROLS.values(), ids=CONTROLS)
def test_controls(session: str, audio: str, aggregate: str, track: str) -> None:
    """Conformance D8."""
    found = presentation(("Content-Base", "rtsp://host/m/"), session=session, audio=audio)
    assert found.uri == aggregate
    assert found.uri_of(found.tracks[0]) == track


def test_only_known_codecs_are_tracks() -> None:
    assert [track.codec for track in presentation().tracks] == ["pcmu", "pcma"]


@pytest.mark.parametrize(
    ("span", "duration"),
    [
        ("npt=0-12.5", 12.5),
        ("npt=2-12.5", 10.5),
        ("npt=now-", None),
        ("npt=0-", None),
        ("nonsense", None),
        ("npt=0-0.000", None),
    ],
)
def test_duration(span: str, duration: float | None) -> None:
    assert presentation(span=span).duration == duration


def test_when_its_beginning_was() -> None:
    assert presentation().began is None
    found = presentation(span="npt=0-12.5\na=range:clock=20260301T120000Z-20260301T121000Z")
    assert (found.duration, found.began) == (12.5, 1772366400.0)


def test_no_range_is_live() -> None:
    response = Response(200, body=b"v=0\nm=audio 0 RTP/AVP 0\n")
    found = Presentation.of(response, URL)
    assert found.duration is None
    assert found.uri == found.uri_of(found.tracks[0]) == "rtsp://host/movie?x=1"


@pytest.mark.parametrize(("media", "kinds"), [("m=text 0 RTP/AVP 98\n", "text"), ("", "no media at all")])
def test_nothing_that_can_be_received(media: str, kinds: str) -> None:
    response = Response(200, body=f"v=0\ns=x\n{media}".encode())
    with pytest.raises(ReelcastError, match=rf"rtsp://host/movie\?x=1: no track .*\({kinds}\)"):
        Presentation.of(response, URL)


BASE = ("Content-Base", "rtsp://host/m/")
lines = st.sampled_from(
    [
        "m=audio 0 RTP/AVP 0",
        "a=control:",
        "a=control:*",
        "a=control:rtsp://",
        "a=control:/a?b",
        "a=range:npt=1-0",
    ]
)
urls = st.text(st.sampled_from("rtsp:/[]?@%. a1"), max_size=20)


@settings(max_examples=100)
@given(st.lists(lines | st.builds("a=control:{}".format, urls), max_size=8), urls, urls)
def test_whatever_is_described_there_are_uris_to_ask_for(described: list[str], base: str, info: str) -> None:
    """Conformance D8."""
    body = "\r\n".join(["v=0", *described, "m=audio 0 RTP/AVP 0"]).encode()
    found = Presentation.of(Response(200, headers=Headers([("Content-Base", base)]), body=body), URL)
    for uri in (found.uri, *map(found.uri_of, found.tracks)):
        assert RtspUrl.parse(uri).host
        assert Request("SETUP", uri).to_bytes()
    assert len(found.rtp_info(f"url={info};seq=1,url={base}")) == len(found.tracks)


STAND_INS = {
    "dynamic": ("video 0 RTP/AVP 96 97\na=rtpmap:96 H264/90000", {98, 99, 127}, {96, 97, 95, 128, 8}),
    "static": ("audio 0 RTP/AVP 8", set(), {8, 96, 98}),
}


@pytest.mark.parametrize(("section", "free", "taken"), STAND_INS.values(), ids=STAND_INS)
def test_payload_types_that_can_stand_in(section: str, free: set[int], taken: set[int]) -> None:
    """Conformance R7."""
    found = Presentation.of(Response(200, body=f"v=0\nm={section}\n".encode()), URL)
    (track,) = found.tracks
    assert found.stand_ins(track) >= free
    assert found.stand_ins(track).isdisjoint(taken)


RTP_INFO = {
    "absolute": ("url=rtsp://host/m/track1;seq=1;rtptime=7,url=rtsp://host/m/track2;seq=2;rtptime=8", [7, 8]),
    "relative": ("url=track1;seq=1;rtptime=7,url=track2;seq=2;rtptime=8", [7, 8]),
    "other order": ("url=track2;rtptime=8,url=track1;rtptime=7", [7, 8]),
    "one of two": ("url=track2;rtptime=8", [None, 8]),
    "no rtptime (Wowza)": ("url=track1;seq=1;rtptime=-1,url=track2;seq=2;rtptime=8", [None, 8]),
    "nothing known (Hikvision, TP-Link)": (
        "url=track1;seq=0;rtptime=0,url=track2;seq=1;rtptime=0",
        [None, None],
    ),
    "zero, and true": ("url=track1;seq=7;rtptime=0,url=track2;rtptime=0", [0, 0]),
    "other URLs": ("url=rtsp://inside/1;rtptime=7,url=rtsp://inside/2;rtptime=8", [7, 8]),
    "URLs that are none": ("url=http://[;rtptime=7,url=rtsp://;rtptime=8", [7, 8]),
    "other URLs, too few": ("url=rtsp://inside/1;rtptime=7", [None, None]),
    "missing": (None, [None, None]),
}


@pytest.mark.parametrize(("value", "expected"), RTP_INFO.values(), ids=RTP_INFO)
def test_rtptimes(value: str | None, expected: list[int | None]) -> None:
    """Conformance P6."""
    entries = presentation(BASE).rtp_info(value)
    assert [entry.rtptime if entry else None for entry in entries] == expected
