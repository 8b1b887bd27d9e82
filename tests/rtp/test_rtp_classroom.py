"""Whole images in datagrams, and images in pieces, told apart by what comes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pupil import cut, rtp

from reelcast.rtp import classroom
from reelcast.rtp.classroom import FrameAssembler, frame_packet
from reelcast.rtp.packet import Packet

IMAGES = [b"\xff\xd8" + bytes([number]) * 3000 + b"\xff\xd9" for number in range(1, 7)]
PIECES = [cut(image, 1300) for image in IMAGES]


def packets(datagrams: list[bytes], *, lost: frozenset[int] = frozenset()) -> list[Packet]:
    parsed = [Packet.parse(data) for data in datagrams]
    return [packet for packet in parsed if packet is not None and packet.sequence not in lost]


def in_pieces() -> list[bytes]:
    """Each image in three packets, numbered from 1, with the marker on the last."""
    flat = [(piece, at == len(pieces) - 1) for pieces in PIECES for at, piece in enumerate(pieces)]
    return [rtp(number, piece, marker=last) for number, (piece, last) in enumerate(flat, 1)]


def assembled(given: list[Packet]) -> tuple[list[bytes], int]:
    assembler = FrameAssembler()
    return [frame for packet in given for frame in assembler.receive(packet)], assembler.lost


def test_the_packet_of_a_frame() -> None:
    assert frame_packet(1, IMAGES[0], 1_700_000_000) == rtp(1, IMAGES[0])
    assert frame_packet(65_536, b"", 1 << 32) == rtp(0, b"", seconds=0)


def test_one_datagram_an_image() -> None:
    datagrams = [rtp(number, image) for number, image in enumerate(IMAGES, 1)]
    assert assembled(packets(datagrams)) == (IMAGES, 0)
    assert assembled(packets(datagrams, lost=frozenset({1, 3}))) == ([IMAGES[1], *IMAGES[3:]], 0)


def test_zeros_behind_an_image_belong_to_it() -> None:
    assert assembled(packets([rtp(1, IMAGES[0] + bytes(9))])) == ([IMAGES[0] + bytes(9)], 0)


def test_images_without_an_end_come_with_the_next() -> None:
    images = [image[:-2] for image in IMAGES]
    datagrams = [rtp(number, image) for number, image in enumerate(images, 1)]
    assert assembled(packets(datagrams)) == (images[:-1], 0)


def test_pieces() -> None:
    assert assembled(packets(in_pieces())) == (IMAGES, 0)
    marked = [rtp(number, image, marker=1) for number, image in enumerate(IMAGES, 1)]
    assert assembled(packets(marked)) == (IMAGES, 0)


@pytest.mark.parametrize(
    ("lost", "left", "counted"),
    [
        ({4}, [0, 2, 3, 4, 5], 0),
        ({5}, [0, 2, 3, 4, 5], 1),
        ({6}, [0, 2, 3, 4, 5], 1),
        ({6, 7}, [0, 3, 4, 5], 1),
        ({4, 5, 6}, [0, 2, 3, 4, 5], 0),
    ],
)
def test_an_image_that_misses_a_piece_is_not_shown(lost: set[int], left: list[int], counted: int) -> None:
    result = assembled(packets(in_pieces(), lost=frozenset(lost)))
    assert result == ([IMAGES[number] for number in left], counted)


def test_an_image_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classroom, "MAX_FRAME_BYTES", 5000)
    endless = [rtp(1, IMAGES[0][:1300]), *(rtp(number, bytes(1300)) for number in range(2, 9))]
    assembler = FrameAssembler()
    assert [frame for packet in packets(endless) for frame in assembler.receive(packet)] == []
    assert assembler.lost == 1
    rest = packets([rtp(9, bytes(9), marker=1), rtp(10, IMAGES[0], marker=1)])
    assert [frame for packet in rest for frame in assembler.receive(packet)] == [IMAGES[0]]


@settings(max_examples=200)
@given(
    st.lists(
        st.builds(
            rtp,
            st.integers(0, 20),
            st.binary(max_size=8) | st.sampled_from([IMAGES[0], PIECES[0][0], PIECES[0][1], PIECES[0][2]]),
            marker=st.integers(0, 1),
        ),
        max_size=20,
    )
)
def test_any_packets(datagrams: list[bytes]) -> None:
    frames, lost = assembled(packets(datagrams))
    assert all(frames)
    assert lost <= len(datagrams)
