"""The targets: each takes any bytes and raises where a promise is broken.

What must hold: no error but ProtocolError where reading may fail, none at all where it may not; the same events
however the bytes are cut; what was read can be written, and reads the same again; results within their bounds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from reelcast import sdp
from reelcast.errors import PayloadError, ProtocolError
from reelcast.rtp import rtcp
from reelcast.rtp.classroom import FrameAssembler
from reelcast.rtp.description import tracks_of
from reelcast.rtp.onvif import CameraClock, replay_extension
from reelcast.rtp.packet import Packet
from reelcast.rtp.payload import depacketizer_for, jpeg_image
from reelcast.rtp.payload.base import MAX_UNIT_BYTES, PayloadFormat
from reelcast.rtp.payload.registry import FORMATS
from reelcast.rtp.receiver import MAX_WAITING, Receiver
from reelcast.rtsp import headers
from reelcast.rtsp.authentication import Authenticator, Credentials, parse_challenges
from reelcast.rtsp.challenges import DigestClaim, Nonces, concerns, read_claim
from reelcast.rtsp.classroom import ClassroomReader, EitherReader, is_classroom, parse_port
from reelcast.rtsp.message import Frame, Headers, Request, Response
from reelcast.rtsp.ranges import Range
from reelcast.rtsp.reader import Event, Malformed, Reader, decode
from reelcast.rtsp.url import RtspUrl
from reelcast.track import Track

__all__ = ["TARGETS", "packed", "unpacked"]

MAX_CUTS = 128
"""Of more bytes than these, not every place is tried to cut them at: that takes the square of their number."""
CLOCK = 90_000


class _Reading(Protocol):
    """Any of the readers of a connection."""

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes in; the events they complete."""


# Messages


def _events(make: Callable[[], _Reading], *pieces: bytes) -> list[Event]:
    reader = make()
    return [event for piece in pieces for event in reader.receive(piece)]


def _cut(make: Callable[[], _Reading], data: bytes) -> list[Event]:
    """What is read, the same at every place that the bytes are cut at, and byte by byte."""
    whole = _events(make, data)
    assert _events(make, *(data[at : at + 1] for at in range(len(data)))) == whole
    for at in range(1, len(data), len(data) // MAX_CUTS + 1):
        assert _events(make, data[:at], data[at:]) == whole, f"cut at {at}"
    return whole


def reader(data: bytes) -> None:
    for event in _cut(Reader, data):
        if isinstance(event, Malformed):
            assert event.response().to_bytes()
        else:
            _written(event)


def request(data: bytes) -> None:
    """A request with these headers, and its answer."""
    for event in _events(Reader, b"SETUP rtsp://h/p RTSP/1.0\r\nCSeq: 1\r\n" + data + b"\r\n\r\n"):
        if isinstance(event, Request):
            _written(event)
            _written(Response.to(event, 200))


def response(data: bytes) -> None:
    for event in _events(Reader, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" + data + b"\r\n\r\n"):
        if isinstance(event, Response):
            _written(event)


def interleaved(data: bytes) -> None:
    """Frames that come out whole, whatever stands behind them."""
    frame = Frame(len(data) % 256, data[:65_535])
    assert _events(Reader, frame.to_bytes())[:1] == [frame]
    for event in _cut(Reader, b"$" + data):
        if isinstance(event, Frame):
            assert event.to_bytes()


def _written(event: Request | Response | Frame) -> None:
    try:
        data = event.to_bytes()
    except ProtocolError:
        return  # what cannot be said again: two lengths, say
    (again, *more) = _events(Reader, data)
    assert not more
    assert type(again) is type(event)
    assert again.to_bytes() == data


def classroom(data: bytes) -> None:
    is_classroom(data)
    parse_port(decode(data))
    _cut(ClassroomReader, data)
    _cut(EitherReader, data)


# Headers


def _text(read: Callable[[str], object], data: bytes) -> None:
    """What may be refused; what is read can be written, and then reads the same."""
    with contextlib.suppress(ProtocolError):
        found = read(decode(data))
        if type(found).__module__.startswith("reelcast"):
            text = str(found)
            assert str(read(text)) == text


def _answer(data: bytes) -> None:
    """What a camera says of Transport: read if it can be, never said again."""
    with contextlib.suppress(ProtocolError):
        assert headers.TransportSpec.parse_answer(decode(data))


def _rate(data: bytes) -> None:
    for read in (headers.parse_scale, headers.parse_speed):
        with contextlib.suppress(ProtocolError):
            assert abs(read(decode(data))) < float("inf")


def _list(data: bytes) -> None:
    text = decode(data)
    for pieces in (headers.split_quoted(text, ","), headers.parse_tokens(text)):
        assert sum(map(len, pieces)) <= len(text)
    for read in (headers.parse_transport, headers.parse_rtp_info):
        with contextlib.suppress(ProtocolError):
            for one in read(text):
                assert str(one)
    with contextlib.suppress(ProtocolError):
        headers.parse_parameters(data)


def _range(data: bytes) -> None:
    for backwards in (False, True):
        with contextlib.suppress(ProtocolError):
            found = Range.parse(decode(data), backwards=backwards)
            for number in found.to_npt(0.0):
                assert number is None or abs(number) < float("inf")
            assert str(found)


def _url(data: bytes) -> None:
    text = decode(data)
    with contextlib.suppress(ProtocolError):
        found = RtspUrl.parse(text)
        for segment in found.segments():
            assert segment
            assert not {"/", "\0"} & set(segment)
    for known in ("rtsp://h/p", "rtsp://[::1]:554/p?q=1"):
        url = RtspUrl.parse(known)
        with contextlib.suppress(ProtocolError):
            url.base(text)
        with contextlib.suppress(ProtocolError):
            url.join(text)


def _challenge(data: bytes) -> None:
    challenges = parse_challenges(decode(data).split("\n"))
    asked = Authenticator(Credentials("user", "password"), lambda: "0123")
    while asked.challenged(asked.answer, challenges):
        assert asked.answer is not None
        line = asked.answer.authorization("PLAY", "rtsp://h/p")
        assert Request("PLAY", "rtsp://h/p", Headers([("Authorization", line)])).to_bytes()


def _claim(data: bytes) -> None:
    """What a request says that it comes from: a nonce of others is never taken, and a wrong secret never right."""
    claim = read_claim(decode(data).split("\n"))
    if isinstance(claim, DigestClaim):
        concerns(claim.uri)
        assert not claim.is_right("", "PLAY")
        assert not Nonces(b"secret").take(claim.nonce, claim.user, claim.count, 0.0)


# Descriptions and packets


def description(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        found = sdp.parse(data)
        tracks_of(found)
        again = sdp.parse(str(found))
        assert sdp.parse(str(again)) == again


def report(data: bytes) -> None:
    rtcp.is_rtcp(data)
    found = rtcp.parse(data)
    assert len(found) <= rtcp.MAX_PACKETS
    if found:
        # It is put in the order of the RFC, with a name for each source: from there on it stays as it is.
        again = rtcp.parse(rtcp.compound(*found))
        assert rtcp.parse(rtcp.compound(*again)) == again


def packet(data: bytes) -> None:
    found = Packet.parse(data)
    if found is not None:
        assert len(found.payload) <= len(data)
        again = Packet.parse(found.to_bytes())
        assert again is not None
        assert again.payload == found.payload
        replay_extension(found)
        CameraClock(CLOCK).take(found)


def receiver(data: bytes) -> None:
    """Datagrams in any order: out come numbers that only go up, or a new beginning."""
    taking, now = Receiver(CLOCK), 100.0
    out = 0
    for sent in unpacked(data):
        out += len(taking.receive(sent.to_bytes(), now))
        now += sent.timestamp % 7 / 100
        taking.report_block(now)
        if taking.deadline is not None and taking.deadline < now:
            out += len(taking.flush(now))
    taking.receive(data, now)
    assert taking.statistics.received >= 0
    assert len(taking.flush(now + 10)) <= MAX_WAITING + 1


def assembler(data: bytes) -> None:
    assembling = FrameAssembler()
    for sent in unpacked(data):
        assembling.receive(sent)


def image(data: bytes) -> None:
    """An image of a stranger's file: refused, or read."""
    with contextlib.suppress(PayloadError):
        found = jpeg_image.parse_image(data)
        assert found.width > 0
        assert found.height > 0


def _payload(payload_format: PayloadFormat, data: bytes) -> None:
    clock_rate, channels = (CLOCK, 0) if payload_format.kind == "video" else (8000, 1)
    track = Track(payload_format.kind, payload_format.codec, clock_rate, 96, channels)
    depacketizer = depacketizer_for(track)
    taken = 0
    for sent in unpacked(data):
        taken += len(sent.payload)
        for unit in depacketizer.receive(sent):
            assert 0 <= unit.pts <= 0xFFFFFFFF
            assert 0 < len(unit.data) <= MAX_UNIT_BYTES
    parameters = dict(part.partition("=")[::2] for part in decode(data).split(";"))
    with contextlib.suppress(ProtocolError, PayloadError):
        payload_format.apply_parameters(track, {name.lower(): value for name, value in parameters.items()})


def packed(packets: list[Packet]) -> bytes:
    """Packets as the bytes that `unpacked` makes them of, payloads cut to 4,080 bytes."""
    out, before = b"", 0
    for one in packets:
        step = {1: 0, 0: 1}.get(one.sequence - before, 2)
        large = len(one.payload) > 255
        head = one.marker << 7 | large << 4 | step << 2 | one.timestamp & 3
        length = min(255, -(-len(one.payload) // 16) if large else len(one.payload))
        out += bytes((head, length)) + one.payload[: length * (16 if large else 1)]
        before = one.sequence
    return out


def unpacked(data: bytes) -> Iterator[Packet]:
    """Packets out of any bytes: two bytes say of each how it follows, whether it ends a frame, and its size."""
    sequence = timestamp = 0
    while len(data) >= 2:
        head, length = data[0], data[1] * (16 if data[0] & 16 else 1)
        sequence = (sequence + (1, 0, 2, 1)[head >> 2 & 3]) & 0xFFFF
        timestamp = (timestamp + 3000 * (head & 3)) & 0xFFFFFFFF
        yield Packet(96, sequence, timestamp, 1, bool(head & 128), data[2 : 2 + length])
        data = data[2 + length :]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "reader": reader,
    "request": request,
    "response": response,
    "interleaved": interleaved,
    "classroom": classroom,
    "header-transport": partial(_text, headers.TransportSpec.parse),
    "header-transport-answer": _answer,
    "header-session": partial(_text, headers.SessionHeader.parse),
    "header-rtp-info": partial(_text, headers.RtpInfo.parse),
    "header-range": _range,
    "header-rates": _rate,
    "header-lists": _list,
    "header-authenticate": _challenge,
    "header-authorization": _claim,
    "url": _url,
    "sdp": description,
    "rtp": packet,
    "rtcp": report,
    "receiver": receiver,
    "classroom-frames": assembler,
    "jpeg-image": image,
    **{f"payload-{one.codec}": partial(_payload, one) for one in FORMATS},
}
"""By name; a payload format that is added to the registry is among them."""
