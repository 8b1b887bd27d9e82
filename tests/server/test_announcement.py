"""What publishers announce, and which of it the URLs of their SETUPs mean."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server.publisher import PICTURES, SOUND, UNKNOWN, description

from reelcast.errors import ProtocolError
from reelcast.rtsp.url import RtspUrl
from reelcast.server.announcement import MAX_TRACKS, Announcement

URL = RtspUrl.parse("rtsp://host/live/cam")
QUERY = RtspUrl.parse("rtsp://host/live/cam?key=1")
LONE = "m=audio 0 RTP/AVP 0\r\n"


def announced(*sections: str, url: RtspUrl = URL) -> Announcement:
    return Announcement.parse(url, description(*sections))


def refusal(body: bytes) -> tuple[int, str]:
    with pytest.raises(ProtocolError) as caught:
        Announcement.parse(URL, body)
    return caught.value.status, str(caught.value)


def test_what_can_be_received_is_a_track() -> None:
    announcement = announced(SOUND, PICTURES, UNKNOWN)
    assert [track and track.codec for track in announcement.tracks] == ["pcmu", "h264", None]
    assert announcement.encodings == ("audio RTP/AVP 0", "H264", "AC3")


def test_what_it_only_sends_is_a_track_and_what_it_only_receives_is_none() -> None:
    """A publisher's sendonly is no back channel."""
    announcement = announced(
        PICTURES, SOUND + "a=sendonly\r\n", UNKNOWN.replace("AC3", "PCMU") + "a=recvonly\r\n"
    )
    assert [track and track.codec for track in announcement.tracks] == ["h264", "pcmu", None]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (description(), 400, "the description names no media"),
        (b"\xff\xfe", 400, "no line of SDP"),
        (description(UNKNOWN), 415, "nothing of it can be received: AC3"),
        (description("m=text\r\n"), 415, "nothing of it can be received: text"),
        (description(PICTURES.replace("RTP/AVP", "RTP/SAVP")), 415, "H264"),
        (description(SOUND, SOUND), 400, "a control attribute of its own"),
        (description(SOUND, LONE), 400, "a control attribute of its own"),
        (description(SOUND.replace("streamid=0", "rtsp://host:x/")), 400, "URL"),
        (description(*[SOUND] * (MAX_TRACKS + 1)), 413, f"more than {MAX_TRACKS} tracks"),
        (description(SOUND) + bytes(64 * 1024), 413, "more than 65536 bytes"),
    ],
)
def test_refusals(body: bytes, status: int, said: str) -> None:
    """Conformance H30, K13."""
    found, text = refusal(body)
    assert found == status
    assert said in text


@pytest.mark.parametrize(
    ("control", "uri"),
    [
        ("streamid=1", "rtsp://host/live/cam/streamid=1"),
        ("streamid=1", "rtsp://host:554/live//cam/streamid=1/"),
        ("streamid=1", "/live/cam/streamid=1"),
        ("streamid=1", "rtsp://user:word@other/live/cam/streamid%3D1"),
        ("rtsp://10.0.0.1/live/cam/track2", "rtsp://host/live/cam/track2"),
        ("rtsp://10.0.0.1/live/cam?ctype=video", "rtsp://host/live/cam?ctype=video"),
        ("?ctype=video", "rtsp://host/live/cam/?ctype=video"),
    ],
)
def test_a_track_by_its_url(control: str, uri: str) -> None:
    announcement = announced(SOUND, PICTURES.replace("streamid=1", control))
    assert announcement.track_at(RtspUrl.parse(uri)) == 1


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://host/live/cam?key=1/streamid=1",
        "rtsp://host/live/cam/streamid=1?key=1",
        "rtsp://host/live/cam/streamid=1",
    ],
)
def test_a_query_goes_before_or_behind(uri: str) -> None:
    """Conformance K12: ffmpeg puts the control attribute behind the query, others before it, or leave that out."""
    announcement = announced(SOUND, PICTURES, url=QUERY)
    assert announcement.track_at(RtspUrl.parse(uri)) == 1


@pytest.mark.parametrize(
    "uri", ["/live/cam", "/live/cam/streamid=2", "/live/cam?streamid=1", "/streamid=1", "*"]
)
def test_what_was_not_announced(uri: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        announced(SOUND, PICTURES).track_at(RtspUrl.parse(uri))
    assert caught.value.status == 404


@pytest.mark.parametrize(("section", "control"), [(LONE, ""), (SOUND, "/streamid=0"), (SOUND, "")])
def test_a_lone_track_needs_no_control(section: str, control: str) -> None:
    assert announced(section).track_at(RtspUrl.parse(f"/live/cam{control}")) == 0


@settings(max_examples=150)
@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([SOUND, PICTURES, UNKNOWN, LONE, "a=control:"])).map(
        lambda sections: description(*sections)
    )
)
def test_any_bytes(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        assert any(Announcement.parse(QUERY, body).tracks)
