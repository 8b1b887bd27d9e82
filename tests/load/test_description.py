"""What is set up, and the clocks of what is not described well."""

from __future__ import annotations

import pytest

from reelcast.errors import ReelcastError
from reelcast.load.description import Section, read_description

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"


def sections(*lines: str) -> tuple[Section, ...]:
    return read_description((HEAD + "\r\n".join(lines) + "\r\n").encode()).sections


@pytest.mark.parametrize(
    ("lines", "rate"),
    [
        (["m=video 0 RTP/AVP 96", "a=rtpmap:96 H265/90000"], 90_000),
        (["m=audio 0 RTP/AVP 97", "a=rtpmap:97 opus/48000/2"], 48_000),
        (["m=audio 0 RTP/AVP 0"], 8000),
        (["m=audio 0 RTP/AVP 10"], 44_100),
        (["m=audio 0 RTP/AVP 14"], 90_000),
        (["m=video 0 RTP/AVP 33"], 90_000),
        (["m=application 0 RTP/AVP 107", "a=rtpmap:107 vnd.onvif.metadata/90000"], 90_000),
        (["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/x"], 90_000),
        (["m=video 0 RTP/AVP x"], 90_000),
    ],
)
def test_clock_rates(lines: list[str], rate: int) -> None:
    assert sections(*lines) == (Section("", rate),)


def test_controls_and_other_protocols() -> None:
    body = (
        HEAD
        + "a=control:all\r\nm=video 0 RTP/AVP 96\r\na=control:one\r\nm=text 0 TCP 1\r\nm=audio 0 rtp/avpf 0\r\n"
    )
    description = read_description(body.encode())
    assert description.control == "all"
    assert description.sections == (Section("one", 90_000), Section("", 8000))
    assert read_description(body.encode()) is description


@pytest.mark.parametrize("body", [b"", HEAD.encode(), HEAD.encode() + b"m=text 0 TCP 1\r\n"])
def test_nothing_to_receive(body: bytes) -> None:
    with pytest.raises(ReelcastError):
        read_description(body)
