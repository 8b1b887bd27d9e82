"""Header types: what peers send, what we write, and both ways round."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.errors import ProtocolError
from reelcast.rtsp.headers import (
    MAX_PARAMETERS,
    MAX_TRANSPORTS,
    RtpInfo,
    SessionHeader,
    TransportSpec,
    format_decimal,
    format_tokens,
    parse_parameters,
    parse_rtp_info,
    parse_scale,
    parse_speed,
    parse_tokens,
    parse_transport,
    split_quoted,
)


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        ("RTP/AVP;unicast;client_port=5000-5001", TransportSpec(client_port=(5000, 5001))),
        ("RTP/AVP/UDP;unicast;client_port=5000-5001", TransportSpec(client_port=(5000, 5001))),
        ("rtp/avp/udp;UNICAST;Client_Port=5000-5001", TransportSpec(client_port=(5000, 5001))),
        ("RTP/AVP; client_port = 5001 ;x=y;;unknown", TransportSpec(client_port=(5001, 5002))),
        ("RTP/AVP;client_port= 5000 - 5003", TransportSpec(client_port=(5000, 5003))),
        ("RTP/AVP;unicast;client_port=65534-65535", TransportSpec(client_port=(65534, 65535))),
        ("RTP/AVP", TransportSpec()),
        ("RTP/AVP/TCP", TransportSpec("RTP/AVP/TCP")),
        ("RTP/AVP/TCP;interleaved=0-1", TransportSpec("RTP/AVP/TCP", interleaved=(0, 1))),
        ("RTP/AVP/TCP;interleaved=254", TransportSpec("RTP/AVP/TCP", interleaved=(254, 255))),
        ("RTP/AVP;ssrc=1234abCD;unicast", TransportSpec(ssrc=0x1234ABCD)),
        ("RTP/AVP;unicast;ssrc=  4d23", TransportSpec(ssrc=0x4D23)),
        ("RTP/AVP;unicast;ssrc=4D 23 0 1", TransportSpec(ssrc=0x4D2301)),
        ("RTP/AVP;unicast;ssrc=123456789", TransportSpec()),
        ("RTP/AVP;unicast;ssrc=0x6f7c", TransportSpec(ssrc=0x6F7C)),
        ("RTP/AVP;unicast;ssrc=zzz", TransportSpec()),
        ("RTP/AVP;unicast;server_port=0-0", TransportSpec()),
        ("RTP/AVP;unicast;server_port=8000", TransportSpec(server_port=(8000, 8001))),
        ('RTP/AVP;unicast;mode="PLAY"', TransportSpec(mode="PLAY")),
        ("RTP/AVP;unicast;mode=record", TransportSpec(mode="RECORD")),
        ("RTP/AVP;unicast;mode=receive", TransportSpec(mode="RECORD")),
        ("RTP/AVP;unicast;mode=", TransportSpec()),
        ('RTP/AVP;unicast;mode="PLAY;RECORD"', TransportSpec(mode="PLAY;RECORD")),
        ("RTP/AVP;unicast;destination=10.0.0.9;source=", TransportSpec(destination="10.0.0.9")),
        (
            "RTP/AVP;multicast;destination=239.1.1.1;port=7000-7001;ttl=16;layers=2;append",
            TransportSpec(
                multicast=True, destination="239.1.1.1", port=(7000, 7001), ttl=16, layers=2, append=True
            ),
        ),
        ("RTP/SAVPF;unicast", TransportSpec("RTP/SAVPF")),
        ("MP2T/H2221/UDP;unicast", TransportSpec("MP2T/H2221/UDP")),
    ],
)
def test_transport_as_peers_send_it(value: str, spec: TransportSpec) -> None:
    assert parse_transport(value) == ([] if "H2221" in value else [spec])


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        ",,,",
        "nonsense",
        "RTP",
        "RTP/",
        "RTP/AVP/UDP/X",
        "RTP/AVP;client_port=0-0",
        "RTP/AVP;client_port=0",
        "RTP/AVP;client_port=65535-65536",
        "RTP/AVP;client_port=65535",
        "RTP/AVP;client_port=9-8",
        "RTP/AVP;client_port=9-9",
        "RTP/AVP;client_port=",
        "RTP/AVP;client_port=abc",
        "RTP/AVP;client_port=-1",
        "RTP/AVP;client_port=5000-5001-5002",
        "RTP/AVP;client_port=" + "9" * 5000,
        "RTP/AVP;client_port=٣٣٣٣",
        "RTP/AVP/TCP;interleaved=255-256",
        "RTP/AVP/TCP;interleaved=255",
        "RTP/AVP/TCP;interleaved=0-0",
        "RTP/AVP;multicast;ttl=999",
        "RTP/AVP;multicast;ttl=x",
        "RTP/AVP;multicast;layers=99999999999",
    ],
)
def test_a_transport_that_cannot_be_used_is_left_out(value: str) -> None:
    assert parse_transport(value) == []
    with pytest.raises(ProtocolError) as caught:
        TransportSpec.parse(value)
    assert caught.value.status == 461


@pytest.mark.parametrize(
    ("value", "spec"),
    [
        (
            "RTP/AVP;unicast;client_port=0-0;server_port=5000-5001",
            TransportSpec(server_port=(5000, 5001)),
        ),
        (
            "RTP/AVP/TCP;unicast;interleaved=2-3;client_port=0",
            TransportSpec("RTP/AVP/TCP", interleaved=(2, 3)),
        ),
        ("RTP/AVP/TCP;interleaved=3-2;ttl=x;layers=-1", TransportSpec("RTP/AVP/TCP")),
        ("RTP/AVP;unicast;interleaved=2-3", TransportSpec("RTP/AVP/TCP", interleaved=(2, 3))),
        ("rtp/avp/udp;unicast;port=x;ssrc= 5C8D1A2B", TransportSpec(ssrc=0x5C8D1A2B)),
        (
            "RTP/AVP;ssrc=5c8d1a2b;unicast;server_port=5000",
            TransportSpec(server_port=(5000, 5001), ssrc=0x5C8D1A2B),
        ),
        ("RTP/AVP/TCP;interleaved=0-1,RTP/AVP", TransportSpec("RTP/AVP/TCP", interleaved=(0, 1))),
    ],
)
def test_transport_as_cameras_answer_it(value: str, spec: TransportSpec) -> None:
    """Conformance T5: what cannot be read is left out, and what the client offered stands."""
    assert TransportSpec.parse_answer(value) == spec


@pytest.mark.parametrize("value", ["", ";", ",", "nonsense", "RTP/"])
def test_an_answer_that_is_no_transport(value: str) -> None:
    with pytest.raises(ProtocolError):
        TransportSpec.parse_answer(value)


def test_transports_keep_their_order_of_preference() -> None:
    specs = parse_transport(
        "RTP/AVP/UDP;unicast;client_port=1-2, junk ,"
        'RTP/AVP;multicast;mode="PLAY,RECORD",RTP/AVP/TCP;interleaved=0-1'
    )
    assert [(spec.protocol, spec.multicast, spec.tcp) for spec in specs] == [
        ("RTP/AVP", False, False),
        ("RTP/AVP", True, False),
        ("RTP/AVP/TCP", False, True),
    ]


def test_a_thousand_transports_are_not_all_read() -> None:
    assert len(parse_transport(",".join(["RTP/AVP"] * 1000))) == MAX_TRANSPORTS


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (
            TransportSpec(client_port=(5000, 5001), server_port=(6000, 6001), ssrc=0xAB, mode="PLAY"),
            'RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001;ssrc=000000AB;mode="PLAY"',
        ),
        (TransportSpec("RTP/AVP/TCP", interleaved=(2, 3)), "RTP/AVP/TCP;unicast;interleaved=2-3"),
        (
            TransportSpec(
                multicast=True, destination="239.1.1.1", port=(7000, 7001), ttl=0, layers=1, append=True
            ),
            "RTP/AVP;multicast;destination=239.1.1.1;port=7000-7001;ttl=0;layers=1;append",
        ),
        (TransportSpec(source="10.0.0.1"), "RTP/AVP;unicast;source=10.0.0.1"),
    ],
)
def test_transport_as_it_is_written(spec: TransportSpec, text: str) -> None:
    assert str(spec) == text
    assert TransportSpec.parse(text) == spec


@pytest.mark.parametrize(
    ("value", "session"),
    [
        ("12345678", SessionHeader("12345678")),
        ("12345678;timeout=60", SessionHeader("12345678", 60)),
        (" 12345678 ; Timeout = 20 ", SessionHeader("12345678", 20)),
        ("a;timeout=0", SessionHeader("a")),
        ("a;timeout=x", SessionHeader("a")),
        ("a;timeout=-5", SessionHeader("a")),
        ("a;timeout", SessionHeader("a")),
        ("a;x=y;timeout=5", SessionHeader("a", 5)),
        ("a;timeout=9999999999", SessionHeader("a", 86_400)),
        ("a;timeout=99999999999", SessionHeader("a")),
        ("$-_.+:/=", SessionHeader("$-_.+:/=")),
    ],
)
def test_session(value: str, session: SessionHeader) -> None:
    """Conformance M3."""
    assert SessionHeader.parse(value) == session
    assert SessionHeader.parse(str(session)) == session


def test_no_space_stands_before_timeout() -> None:
    assert str(SessionHeader("abc", 60)) == "abc;timeout=60"
    assert str(SessionHeader("abc")) == "abc"


@pytest.mark.parametrize("value", ["", ";timeout=60", "two words", "a" * 500, "tür", "a\x01"])
def test_what_can_be_no_session_is_not_found(value: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        SessionHeader.parse(value)
    assert caught.value.status == 454


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        (
            "url=rtsp://h/p/a;seq=1;rtptime=2,url=rtsp://h/p/b;seq=3;rtptime=4",
            [RtpInfo("rtsp://h/p/a", 1, 2), RtpInfo("rtsp://h/p/b", 3, 4)],
        ),
        ("url=trackID=1;seq=0;rtptime=0, url=trackID=2", [RtpInfo("trackID=1", 0, 0), RtpInfo("trackID=2")]),
        ("URL = rtsp://h/a ; Seq = 7 ; RtpTime = 8 ;", [RtpInfo("rtsp://h/a", 7, 8)]),
        ("url=rtsp://h/a;rtptime=-1;seq=x", [RtpInfo("rtsp://h/a")]),
        ("url=rtsp://h/a;seq=65536;rtptime=4294967296", [RtpInfo("rtsp://h/a")]),
        ("url=rtsp://h/a;seq=65535;rtptime=4294967295", [RtpInfo("rtsp://h/a", 65_535, 4_294_967_295)]),
        ("url=rtsp://h/a;ssrc=0A0B;seq=5;rtptime=6", [RtpInfo("rtsp://h/a", 5, 6)]),
        ('url="rtsp://h/a";seq=5', [RtpInfo("rtsp://h/a", 5)]),
        ("url=rtsp://h/a?x=1,2&y;z;seq=5", [RtpInfo("rtsp://h/a?x=1,2&y;z", 5)]),
        ("url=rtsp://h/a;", [RtpInfo("rtsp://h/a")]),
        ("seq=1;rtptime=2", []),
        ("url=;seq=1", []),
        ("", []),
        ("url=a;seq=" + "9" * 5000, [RtpInfo("a")]),
    ],
)
def test_rtp_info(value: str, entries: list[RtpInfo]) -> None:
    """Conformance P6."""
    assert parse_rtp_info(value) == entries
    assert parse_rtp_info(",".join(map(str, entries))) == entries


def test_rtp_info_as_it_is_written() -> None:
    assert str(RtpInfo("rtsp://h/a", 0, 0)) == "url=rtsp://h/a;seq=0;rtptime=0"
    assert str(RtpInfo("rtsp://h/a")) == "url=rtsp://h/a"


def test_tokens() -> None:
    assert parse_tokens("OPTIONS, PLAY,,  PAUSE ,", "TEARDOWN") == ("OPTIONS", "PLAY", "PAUSE", "TEARDOWN")
    assert parse_tokens() == ()
    assert parse_tokens("") == ()
    assert format_tokens(["OPTIONS", "PLAY"]) == "OPTIONS, PLAY"


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ('a, "b, c" ,d', ["a", '"b, c"', "d"]),
        ('a,"b,c', ["a", '"b,c']),
        (' , "" ', ['""']),
    ],
)
def test_separators_in_quotes_do_not_split(value: str, pieces: list[str]) -> None:
    assert split_quoted(value, ",") == pieces


@pytest.mark.parametrize(
    ("value", "rate"), [("1", 1.0), ("2.5", 2.5), (" .5 ", 0.5), ("+4.", 4.0), ("1.000", 1.0)]
)
def test_rates(value: str, rate: float) -> None:
    assert parse_scale(value) == rate
    assert parse_speed(value) == rate


@pytest.mark.parametrize(
    "value", ["", "0", "-0.0", "inf", "nan", "1e9", "0x1", "1,5", "fast", "1" * 300, "٣", "1 2"]
)
def test_rates_that_are_none(value: str) -> None:
    for parse in (parse_scale, parse_speed):
        with pytest.raises(ProtocolError) as caught:
            parse(value)
        assert caught.value.status == 400


def test_scale_may_be_negative_and_speed_may_not() -> None:
    assert parse_scale("-1.5") == -1.5
    with pytest.raises(ProtocolError):
        parse_speed("-1")


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(1.0, 1, "1.0"), (-2.5, 1, "-2.5"), (0.0, 3, "0.000"), (12.345678, 3, "12.345678"), (-1e-9, 1, "0.0")],
)
def test_decimals(value: float, places: int, text: str) -> None:
    assert format_decimal(value, places) == text


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        (b"", {}),
        (b"position\r\nscale\r\n", {"position": "", "scale": ""}),
        (b"barparam: barstuff: more\n\n", {"barparam": "barstuff: more"}),
    ],
)
def test_parameters(body: bytes, parameters: dict[str, str]) -> None:
    assert parse_parameters(body) == parameters


def test_parameters_that_are_none() -> None:
    for body, status in ((b"\xff\xfe", 400), (b"a\n" * (MAX_PARAMETERS + 1), 413)):
        with pytest.raises(ProtocolError) as caught:
            parse_parameters(body)
        assert caught.value.status == status


ports = st.integers(1, 65_534).flatmap(
    lambda first: st.tuples(st.just(first), st.integers(first + 1, 65_535))
)
channels = st.integers(0, 254).map(lambda first: (first, first + 1))
hosts = st.sampled_from(["239.1.2.3", "ff02::1", "camera.local"])
specs_ = st.builds(
    TransportSpec,
    protocol=st.sampled_from(["RTP/AVP", "RTP/AVP/TCP", "RTP/SAVP", "RTP/AVPF"]),
    multicast=st.booleans(),
    interleaved=st.none() | channels,
    client_port=st.none() | ports,
    server_port=st.none() | ports,
    port=st.none() | ports,
    destination=st.none() | hosts,
    source=st.none() | hosts,
    ttl=st.none() | st.integers(0, 255),
    layers=st.none() | st.integers(0, 65_535),
    append=st.booleans(),
    ssrc=st.none() | st.integers(0, 2**32 - 1),
    mode=st.sampled_from([None, "PLAY", "RECORD"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(specs_, max_size=4))
def test_transports_both_ways(specs: list[TransportSpec]) -> None:
    assert parse_transport(",".join(map(str, specs))) == specs


@settings(max_examples=200, deadline=None)
@given(
    st.text() | st.text(st.sampled_from('RTP/AVP;,="-09 urlseqssrcmodeclient_portinterleaved')),
    st.sampled_from(["", "RTP/AVP;", "url=", "RTP/AVP;client_port=", "url=a;seq="]),
)
def test_any_text_is_read_or_refused(text: str, prefix: str) -> None:
    value = prefix + text
    for spec in parse_transport(value):
        assert TransportSpec.parse(str(spec)) == spec
    for entry in parse_rtp_info(value):
        assert str(entry)
    for parse in (SessionHeader.parse, parse_scale, parse_speed):
        status = 200
        try:
            parse(value)
        except ProtocolError as error:
            status = error.status
        assert status in (200, 400, 454)
    if ";" in prefix:
        assert TransportSpec.parse_answer(f"RTP/AVP;{value}").protocol in ("RTP/AVP", "RTP/AVP/TCP")
    assert len(parse_tokens(value)) <= len(value)
