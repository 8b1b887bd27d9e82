"""Tracks into SDP and back, and the descriptions of cameras."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelcast.rtp.description import describe, tracks_of
from reelcast.sdp import SessionDescription, parse
from reelcast.track import Track

SPS = bytes.fromhex("6742c01ed900a02ff961000003000100000300320f162e48")
PPS = bytes.fromhex("68cb83cb20")
H265_SPS = "4201010408000003009e0800000300003c9001410173e5cb2b349265780b7020200040000003004000000642"
SPROP = "Z0LAHtkAoC/5YQAAAwABAAADADIPFi5I,aMuDyyA="

H264 = Track(
    "video",
    "h264",
    90000,
    96,
    parameter_sets=(SPS, PPS),
    width=640,
    height=360,
    frame_rate=29.97,
    bit_rate=2_000_000,
    control="trackID=1",
)
AAC = Track("audio", "aac", 48000, 97, channels=1, config=bytes.fromhex("1188"), control="trackID=2")
JPEG = Track("video", "jpeg", 90000, 26, control="trackID=1")
L16 = Track("audio", "l16", 44100, 10, channels=2, control="trackID=3")
PCMU = Track("audio", "pcmu", 8000, 0, channels=1, control="trackID=4")
OPUS = Track("audio", "opus", 48000, 96, channels=1, control="trackID=1")
MPA = Track("audio", "mpa", 90000, 14, channels=2, control="trackID=2")
G722 = Track("audio", "g722", 8000, 9, channels=1, control="trackID=3")
MP2T = Track("video", "mp2t", 90000, 33, control="trackID=4")


class TestDescribe:
    def test_file(self) -> None:
        """Conformance D7, D9, D10, D12, D14, D15, D17."""
        found = describe([H264, AAC], name="gate.mp4", duration=12.345, session_id=77)
        assert str(found) == (
            "v=0\r\n"
            "o=- 77 1 IN IP4 127.0.0.1\r\n"
            "s=gate.mp4\r\n"
            "c=IN IP4 0.0.0.0\r\n"
            "t=0 0\r\n"
            "a=control:*\r\n"
            "a=range:npt=0-12.345\r\n"
            "m=video 0 RTP/AVP 96\r\n"
            "b=AS:2000\r\n"
            "a=rtpmap:96 H264/90000\r\n"
            f"a=fmtp:96 packetization-mode=1;profile-level-id=42C01E;sprop-parameter-sets={SPROP}\r\n"
            "a=control:trackID=1\r\n"
            "a=framerate:29.97\r\n"
            "a=x-dimensions:640,360\r\n"
            "m=audio 0 RTP/AVP 97\r\n"
            "a=rtpmap:97 MPEG4-GENERIC/48000/1\r\n"
            "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;"
            "sizelength=13;indexlength=3;indexdeltalength=3;config=1188\r\n"
            "a=control:trackID=2\r\n"
        )

    def test_live_over_ipv6(self) -> None:
        """Conformance D9, D10, D14."""
        found = str(describe([JPEG, L16, PCMU], name="live", duration=None, session_id=1, address_family=6))
        assert found == (
            "v=0\r\n"
            "o=- 1 1 IN IP6 ::1\r\n"
            "s=live\r\n"
            "c=IN IP6 ::\r\n"
            "t=0 0\r\n"
            "a=control:*\r\n"
            "a=range:npt=now-\r\n"
            "m=video 0 RTP/AVP 26\r\n"
            "a=rtpmap:26 JPEG/90000\r\n"
            "a=control:trackID=1\r\n"
            "m=audio 0 RTP/AVP 10\r\n"
            "a=rtpmap:10 L16/44100/2\r\n"
            "a=control:trackID=3\r\n"
            "m=audio 0 RTP/AVP 0\r\n"
            "a=rtpmap:0 PCMU/8000\r\n"
            "a=control:trackID=4\r\n"
        )

    def test_channels_where_they_are_special(self) -> None:
        """Conformance D14, D18: opus says two of everything, MPEG audio nothing; a transport stream is video."""
        found = describe([OPUS, MPA, G722, MP2T], name="x", duration=1.0, session_id=1)
        assert [(one.kind, one.attributes[:-1]) for one in found.media] == [
            ("audio", (("rtpmap", "96 opus/48000/2"), ("fmtp", "96 sprop-stereo=0"))),
            ("audio", (("rtpmap", "14 MPA/90000"),)),
            ("audio", (("rtpmap", "9 G722/8000"),)),
            ("video", (("rtpmap", "33 MP2T/90000"),)),
        ]

    @pytest.mark.parametrize(
        ("duration", "text"), [(0.0, "0-0"), (10.0, "0-10"), (100.0, "0-100"), (1.0004, "0-1")]
    )
    def test_duration(self, duration: float, text: str) -> None:
        found = describe([PCMU], name="x", duration=duration, session_id=1)
        assert found.attribute("range") == f"npt={text}"

    @pytest.mark.parametrize("base", ["rtsp://h/p?x=1", "rtsp://h/p?x=1/"])
    def test_absolute_controls(self, base: str) -> None:
        """Conformance D6."""
        found = describe([H264, AAC], name="x", duration=None, session_id=1, control_base=base)
        assert found.attribute("control") == base
        assert [section.attribute("control") for section in found.media] == [
            "rtsp://h/p?x=1/trackID=1",
            "rtsp://h/p?x=1/trackID=2",
        ]

    def test_bandwidth_is_rounded_up(self) -> None:
        """Conformance D12."""
        found = describe([replace(PCMU, bit_rate=64001)], name="x", duration=None, session_id=1)
        assert found.media[0].bandwidth("AS") == 65

    def test_video_of_other_codecs(self) -> None:
        """D16."""
        sets = tuple(map(bytes.fromhex, ("40010c01ff", H265_SPS, "4401c172860c4624")))
        tracks = [
            Track(
                "video", "h265", 90000, 96, parameter_sets=sets, width=320, height=180, control="trackID=1"
            ),
            Track("video", "vp8", 90000, 97, control="trackID=2"),
            Track("video", "vp9", 90000, 98, profile=2, control="trackID=3"),
            Track("video", "av1", 90000, 99, control="trackID=4"),
        ]
        text = str(describe(tracks, name="x", duration=1.0, session_id=1))
        assert tracks_of(parse(text)) == tracks
        lines = [line for line in text.splitlines() if line.startswith(("a=rtpmap", "a=fmtp"))]
        assert lines == [
            "a=rtpmap:96 H265/90000",
            "a=fmtp:96 profile-id=4;tier-flag=0;level-id=60;sprop-vps=QAEMAf8=;"
            "sprop-sps=QgEBBAgAAAMAnggAAAMAADyQAUEBc+XLKzSSZXgLcCAgAEAAAAMAQAAABkI=;sprop-pps=RAHBcoYMRiQ=",
            "a=rtpmap:97 VP8/90000",
            "a=rtpmap:98 VP9/90000",
            "a=fmtp:98 profile-id=2",
            "a=rtpmap:99 AV1/90000",
        ]

    def test_av1_says_what_it_takes_to_decode(self) -> None:
        track = Track("video", "av1", 90000, 99, parameter_sets=(bytes.fromhex("0800000003b4ff700be001"),))
        section = describe([track], name="x", duration=1.0, session_id=1).media[0]
        assert section.fmtp(99) == {"profile": "0", "level-idx": "0", "tier": "0"}

    def test_read_back(self) -> None:
        tracks = [H264, AAC, JPEG, L16, PCMU, OPUS, replace(OPUS, channels=2), MPA, G722, MP2T]
        text = str(describe(tracks, name="x", duration=1.0, session_id=1))
        assert tracks_of(parse(text)) == tracks


def read(*lines: str) -> list[Track]:
    return tracks_of(parse("\n".join(lines)))


class TestTracksOf:
    @pytest.mark.parametrize(
        ("number", "expected"),
        [
            (0, Track("audio", "pcmu", 8000, 0, channels=1)),
            (8, Track("audio", "pcma", 8000, 8, channels=1)),
            (9, Track("audio", "g722", 8000, 9, channels=1)),
            (10, Track("audio", "l16", 44100, 10, channels=2)),
            (11, Track("audio", "l16", 44100, 11, channels=1)),
            (14, Track("audio", "mpa", 90000, 14, channels=2)),
            (26, Track("video", "jpeg", 90000, 26)),
            (33, Track("video", "mp2t", 90000, 33)),
        ],
    )
    def test_static_payload_types(self, number: int, expected: Track) -> None:
        assert read(f"m={expected.kind} 0 RTP/AVP {number}") == [expected]

    def test_rtpmap_goes_before_the_static_meaning(self) -> None:
        assert read("m=audio 0 RTP/AVP 8", "a=rtpmap:8 PCMU/16000") == [
            Track("audio", "pcmu", 16000, 8, channels=1)
        ]

    def test_static_meaning_where_the_rtpmap_makes_no_sense(self) -> None:
        assert read("m=audio 0 RTP/AVP 8", "a=rtpmap:8 G711A/8000") == [PCMA]

    def test_rate_of_an_rtpmap_without_a_known_encoding(self) -> None:
        """Hikvision's PCM (conformance D20)."""
        assert read("m=audio 0 RTP/AVP 11", "a=rtpmap:11 PCM/48000") == [
            Track("audio", "l16", 48000, 11, channels=1)
        ]

    @pytest.mark.parametrize(
        ("marked", "kept"),
        [
            ((), ("h264", "aac", "pcmu")),
            (("pcmu",), ("h264", "aac")),
            (("aac", "pcmu"), ("h264",)),
            (("h264",), ("h264", "aac", "pcmu")),
            (("h264", "aac", "pcmu"), ("h264", "aac", "pcmu")),
        ],
        ids=["none", "Reolink", "all the audio", "CV-RTSPHandler's video", "all"],
    )
    def test_back_channels(self, marked: tuple[str, ...], kept: tuple[str, ...]) -> None:
        """Audio that the client is to send (conformance D20): "sendonly", where not all or video are so called."""
        sections = {
            "h264": ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"],
            "aac": ["m=audio 0 RTP/AVP 97", "a=rtpmap:97 MPEG4-GENERIC/16000"],
            "pcmu": ["m=audio 0 RTP/AVP 0"],
        }
        lines = [line for name, body in sections.items() for line in body + ["a=sendonly"] * (name in marked)]
        assert tuple(track.codec for track in read(*lines)) == kept

    def test_only_audio_that_is_called_sendonly(self) -> None:
        assert read("m=audio 0 RTP/AVP 0", "a=control:trackID=4", "a=sendonly") == [PCMU]

    def test_first_format_we_know(self) -> None:
        (track,) = read("m=audio 0 RTP/AVP 98 200 x 0 8", "a=rtpmap:98 vorbis/48000/2")
        assert track.codec == "pcmu"

    def test_same_payload_type_twice(self) -> None:
        """Conformance D13."""
        lines = (
            "m=video 0 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
            "m=audio 0 RTP/AVP 96",
            "a=rtpmap:96 L16/48000/2",
        )
        assert [track.codec for track in read(*lines)] == ["h264", "l16"]

    @pytest.mark.parametrize("protocol", ["RTP/AVP", "rtp/avp", "RTP/AVP/UDP", "RTP/AVP/TCP", "RTP/AVPF"])
    def test_protocols(self, protocol: str) -> None:
        assert len(read(f"m=audio 0 {protocol} 0")) == 1

    @pytest.mark.parametrize(
        "lines",
        [
            ["m=audio 0 RTP/SAVP 0"],
            ["m=audio 0 MP2T 0"],
            ["m=audio 0 RTP/AVP"],
            ["m=audio"],
            ["m=audio 0 RTP/AVP 3"],
            ["m=audio 0 RTP/AVP 97"],
            ["m=audio 0 RTP/AVP 26"],
            ["m=audio 0 RTP/AVP 128", "a=rtpmap:128 PCMU/8000"],
            ["m=video 0 RTP/AVP 98", "a=rtpmap:98 H266/90000"],
            ["m=video 0 RTP/AVP 98", "a=rtpmap:98 H264/4000000000"],
            ["m=audio 0 RTP/AVP 98", "a=rtpmap:98 L16"],
            ["m=audio 0 RTP/AVP 98", "a=rtpmap:98 MPEG4-GENERIC/48000/2", "a=fmtp:98 mode=CELP-cbr"],
            ["m=application/TP-LINK 0 RTP/AVP smart/1/90000", "a=rtpmap:95 TP-LINK/90000"],
            ["m=application 0 RTP/AVP 107", "a=rtpmap:107 vnd.onvif.metadata/90000"],
        ],
    )
    def test_sections_left_out(self, lines: list[str]) -> None:
        assert read("v=0", *lines) == []
        assert read(*lines, "m=audio 0 RTP/AVP 0", "a=control:trackID=4") == [PCMU]

    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (["a=x-dimensions:640,480"], (640, 480, 0.0, 0)),
            (["a=x-dimensions: 640, 480"], (640, 480, 0.0, 0)),
            (["a=framesize:26 704-576"], (704, 576, 0.0, 0)),
            (["a=x-dimensions:big"], (0, 0, 0.0, 0)),
            (["a=framerate:25"], (0, 0, 25.0, 0)),
            (["a=framerate:29.970000"], (0, 0, 29.97, 0)),
            (["a=framerate:25.0 fps"], (0, 0, 25.0, 0)),
            (["a=framerate:nan"], (0, 0, 0.0, 0)),
            (["b=AS:500"], (0, 0, 0.0, 500_000)),
            (["b=RR:0", "b=AS:x"], (0, 0, 0.0, 0)),
        ],
    )
    def test_hints(self, lines: list[str], expected: tuple[int, int, float, int]) -> None:
        (track,) = read("m=video 0 RTP/AVP 26", *lines)
        assert (track.width, track.height, track.frame_rate, track.bit_rate) == expected

    def test_clock_rate_that_is_missing(self) -> None:
        assert read("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264")[0].clock_rate == 90000

    def test_many_channels(self) -> None:
        assert read("m=audio 0 RTP/AVP 96", "a=rtpmap:96 L16/48000/99999")[0].channels == 64

    @pytest.mark.parametrize("control", ["trackID=1", "rtsp://h:554/p/trackID=1?x=1", "*", "", "streamid=0"])
    def test_control_as_sent(self, control: str) -> None:
        assert read("m=audio 0 RTP/AVP 0", f"a=control:{control}")[0].control == control

    def test_unparsable_parameter_sets_are_ignored(self) -> None:
        """Conformance D21."""
        lines = "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000"
        assert read(*lines, "a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0I=,aM4=") == read(*lines)

    def test_parameters_in_another_section(self) -> None:
        """Conformance D20."""
        lines = "m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "m=audio 0 RTP/AVP 0"
        fmtp = f"a=fmtp:96 sprop-parameter-sets={SPROP}"
        video, _ = read(*lines, fmtp)
        assert video.parameter_sets == (SPS, PPS)
        # In the section of a track with the same payload type they are that track's.
        video, _ = read(*lines[:2], "m=audio 0 RTP/AVP 0 96", fmtp)
        assert video.parameter_sets == ()


PCMA = Track("audio", "pcma", 8000, 8, channels=1)


@pytest.mark.parametrize(
    ("formats", "fmtp", "found"),
    [("96", "62", True), ("96 98", "62", False), ("96", "x", False), ("96", "9999", False)],
)
def test_parameters_of_another_format(formats: str, fmtp: str, found: bool) -> None:
    """Vitek's (conformance D20)."""
    lines = (
        f"m=video 0 RTP/AVP {formats}",
        "a=rtpmap:96 H264/90000",
        f"a=fmtp:{fmtp} sprop-parameter-sets={SPROP}",
    )
    assert read(*lines)[0].parameter_sets == ((SPS, PPS) if found else ())


CAMERAS = {
    "Hikvision": (
        "v=0\r\no=- 1109162014219182 1109162014219192 IN IP4 x.y.z.w\r\ns=Media Presentation\r\ne=NONE\r\n"
        "b=AS:5050\r\nt=0 0\r\na=control:rtsp://192.168.1.2:554/Streaming/Channels/1/?transportmode=unicast\r\n"
        "m=video 0 RTP/AVP 96\r\nb=AS:5000\r\n"
        "a=control:rtsp://192.168.1.2:554/Streaming/Channels/1/trackID=1?transportmode=unicast\r\n"
        "a=rtpmap:96 H264/90000\r\n"
        f"a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets={SPROP}\r\n"
        "a=Media_header:MEDIAINFO=494D4B48010100000400010000000000;\r\na=appversion:1.0\r\n",
        [("h264", "rtsp://192.168.1.2:554/Streaming/Channels/1/trackID=1?transportmode=unicast")],
    ),
    "Dahua": (
        "v=0\r\no=- 2252298016 2252298016 IN IP4 0.0.0.0\r\ns=Media Server\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
        "a=control:*\r\na=packetization-supported:DH\r\na=range:npt=now-\r\n"
        "m=video 0 RTP/AVP 96\r\na=control:trackID=0\r\na=framerate:15.000000\r\na=rtpmap:96 H264/90000\r\n"
        f"a=fmtp:96 packetization-mode=1;profile-level-id=4D401E;sprop-parameter-sets={SPROP}\r\n"
        "m=audio 0 RTP/AVP 97\r\na=control:trackID=1\r\na=rtpmap:97 MPEG4-GENERIC/48000\r\n"
        "a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
        "indexdeltalength=3;config=1188\r\na=recvonly\r\n"
        "m=application 0 RTP/AVP 107\r\na=control:trackID=4\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n",
        [("h264", "trackID=0"), ("aac", "trackID=1")],
    ),
    "TP-Link": (
        'v=0\no=- 14665860 31787219 1 IN IP4 192.168.1.3\ns=Session by "TP-LINK RTSP Server"\nt=0 0\n'
        "a=smart_encoder:virtualIFrame\nm=video 0 RTP/AVP 96\nc=IN IP4 0.0.0.0\nb=AS:4096\na=range:npt=0-\n"
        "a=control:track1\na=rtpmap:96 H264/90000\n"
        f"a=fmtp:96 packetization-mode=1; profile-level-id=640016; sprop-parameter-sets={SPROP};\n"
        "m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMA/8000\na=control:track2\n"
        "m=application/TP-LINK 0 RTP/AVP smart/1/90000\na=rtpmap:95 TP-LINK/90000\na=control:track3",
        [("h264", "track1"), ("pcma", "track2")],
    ),
    "VLC's server": (
        "v=0\r\no=- 16000 16000 IN IP4 host\r\ns=Unnamed\r\ni=N/A\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
        "a=tool:vlc 3.0.18\r\na=recvonly\r\na=type:broadcast\r\na=charset:UTF-8\r\na=control:rtsp://h:8554/\r\n"
        "m=audio 0 RTP/AVP 96\r\nb=AS:128\r\nb=RR:0\r\na=rtpmap:96 mpeg4-generic/44100/2\r\n"
        "a=fmtp:96 streamtype=5; profile-level-id=15; mode=AAC-hbr; config=1210; SizeLength=13; "
        "IndexLength=3; IndexDeltaLength=3; Profile=1;\r\na=control:rtsp://h:8554/trackID=0\r\n"
        "m=video 0 RTP/AVP 96\r\nb=RR:0\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"
        f"profile-level-id=64000c;sprop-parameter-sets={SPROP};\r\na=control:rtsp://h:8554/trackID=1\r\n",
        [("aac", "rtsp://h:8554/trackID=0"), ("h264", "rtsp://h:8554/trackID=1")],
    ),
    "control first, an empty fmtp": (
        "s=x\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\na=fmtp:96\r\na=rtpmap: 96 H264/90000\r\n",
        [("h264", "track1")],
    ),
}
"""In the manner of these devices, after public transcripts: the addresses and parameter sets are ours."""


@pytest.mark.parametrize("vendor", CAMERAS)
def test_cameras(vendor: str) -> None:
    """Conformance D20."""
    text, expected = CAMERAS[vendor]
    tracks = tracks_of(parse(text))
    assert [(track.codec, track.control) for track in tracks] == expected
    for track in tracks:
        if track.codec == "h264" and "sprop" in text:
            assert (track.parameter_sets, track.width, track.height) == ((SPS, PPS), 640, 360)
        if track.codec == "aac":
            assert (track.channels, track.au_header) == (1 if vendor == "Dahua" else 2, (13, 3, 3))


lines = st.sampled_from(
    [
        "m=video 0 RTP/AVP 96 97",
        "m=audio 0 RTP/AVP 0 98",
        "a=rtpmap:96 H264/90000",
        "a=rtpmap:97 JPEG/90000",
        "a=rtpmap:98 MPEG4-GENERIC/0/0",
        "a=rtpmap:98 MPEG4-GENERIC/48000/7",
        "a=rtpmap:98 L16/44100/2",
        "a=fmtp:96 sprop-parameter-sets=Zw==,aA==",
        "a=fmtp:98 config=zz",
        "a=x-dimensions:99999,1",
        "a=framerate:9999.9999",
    ]
)


@given(st.lists(lines | st.text(max_size=20), max_size=20))
def test_anything(rows: list[str]) -> None:
    for track in tracks_of(parse("v=0\n" + "\n".join(rows))):
        assert tracks_of(describe_again(track))[0].codec == track.codec


def describe_again(track: Track) -> SessionDescription:
    return parse(str(describe([track], name="x", duration=None, session_id=1)))
