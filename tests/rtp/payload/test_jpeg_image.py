"""JPEG files taken apart: what is tolerated, and what is refused with which words."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reelcast.errors import PayloadError
from reelcast.rtp.payload.jpeg_image import parse_image


def save(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    gradient = Image.linear_gradient("L").resize((48, 32))
    image = gradient.convert("RGB").rotate(30).convert(mode) if mode != "L" else gradient
    image.save(file, "JPEG", **{"subsampling": "4:2:0", **options} if mode == "RGB" else options)
    return file.getvalue()


PLAIN = save()


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """Markers and their data, up to the scan, which keeps the rest of the file."""
    found: list[tuple[int, bytes]] = []
    place = 2
    while True:
        marker, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if marker == 0xDA:
            return [*found, (marker, data[place + 4 :])]
        found.append((marker, data[place + 4 : place + 2 + size]))
        place += 2 + size


def join(rows: list[tuple[int, bytes]]) -> bytes:
    pieces = [b"\xff\xd8"]
    for marker, data in rows:
        size = 12 if marker == 0xDA else len(data) + 2
        pieces.append(bytes((0xFF, marker)) + size.to_bytes(2, "big") + data)
    return b"".join(pieces)


def edited(marker: int, change: dict[int, int]) -> bytes:
    """The plain picture with bytes of all segments of one kind changed, by their place."""

    def edit(data: bytes) -> bytes:
        return bytes(change.get(place, byte) for place, byte in enumerate(data))

    return join([(kind, edit(data) if kind == marker else data) for kind, data in segments(PLAIN)])


def test_plain() -> None:
    image = parse_image(PLAIN)
    assert (image.width, image.height, image.sampling, image.restart_interval) == (48, 32, 1, 0)
    assert len(image.luma) == len(image.chroma) == 64
    assert PLAIN.endswith(image.scan + b"\xff\xd9")


def test_put_together_and_taken_apart() -> None:
    image = parse_image(PLAIN)
    assert parse_image(image.with_scan(image.scan)) == image


@pytest.mark.parametrize(
    "data",
    [
        PLAIN + b"trailing bytes",
        PLAIN + PLAIN,
        PLAIN[:-2],
        b"\xff\xd8\xff\xff" + PLAIN[2:],
        join([row for row in segments(PLAIN) if row[0] not in (0xC4, 0xE0)]),
        join([(0xFE, b"a comment"), *segments(PLAIN), (0xDD, b"\0\1")]),
        join([(0xDD, b"\0"), *segments(PLAIN)]),
    ],
    ids=["trailing", "two", "no end", "fill bytes", "no Huffman tables (AVI)", "comment", "short DRI"],
)
def test_tolerated(data: bytes) -> None:
    assert parse_image(data) == parse_image(PLAIN)


def test_one_table_for_all() -> None:
    rows = [row for row in segments(edited(0xC0, {11: 0, 14: 0})) if not (row[0] == 0xDB and row[1][0] == 1)]
    image = parse_image(join(rows))
    assert image.luma == image.chroma


def test_huffman_tables_by_other_numbers() -> None:
    # The scan names tables 2 and 3, which hold what 0 and 1 usually do.
    rows = segments(edited(0xDA, {2: 0x22, 4: 0x33, 6: 0x33}))
    moved = [
        (kind, bytes((data[0] + 2,)) + data[1:]) if kind == 0xC4 else (kind, data) for kind, data in rows
    ]
    assert parse_image(join(moved)).scan == parse_image(PLAIN).scan


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no JPEG"),
        (b"GIF89a", "is no JPEG"),
        (PLAIN[:2], "ends before its image data"),
        (PLAIN[:20], "ends before its image data"),
        (join(segments(PLAIN)[:-1]), "ends before its image data"),
        (join(segments(PLAIN))[: -len(parse_image(PLAIN).scan) - 2], "ends before its image data"),
        (b"\xff\xd8\0\0\0\0", "no marker at byte 2"),
        (b"\xff\xd8\xff\xe0\0\1", "a segment of no length at byte 4"),
        (save(progressive=True), "is progressive, RTP carries baseline only"),
        (edited(0xC0, {}).replace(b"\xff\xc0", b"\xff\xc9"), "is arithmetic coded"),
        (edited(0xC0, {}).replace(b"\xff\xc0", b"\xff\xc3"), "is lossless"),
        (edited(0xC0, {}).replace(b"\xff\xc0", b"\xff\xc5"), "is hierarchical"),
        (save(optimize=True), "Huffman tables of its own.*-huffman default"),
        (save(subsampling="4:4:4"), r"samples its components 1x1, 1x1, 1x1.*4:2:0"),
        (save("L"), "has 1 colour component.*YUV 4:2:0"),
        (save("CMYK"), "has 4 colour component"),
        (edited(0xC0, {1: 0, 2: 0}), "does not say its size"),
        (edited(0xDA, {0: 1}), "a scan for each component"),
        (edited(0xDB, {0: 0x10}), "16-bit quantization tables"),
        (join([(0xDB, bytes(40)), *segments(PLAIN)]), "a quantization table is cut short"),
        (join([(0xC4, bytes(3)), *segments(PLAIN)]), "a Huffman table is cut short"),
        (join([row for row in segments(PLAIN) if row[0] != 0xDB]), "a quantization table is missing"),
        (join([row for row in segments(PLAIN) if row[0] != 0xC0]), "a scan without a frame header"),
        (edited(0xC0, {14: 0}), "a third quantization table"),
    ],
)
def test_refused(data: bytes, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        parse_image(data)


@given(st.binary(max_size=100), st.integers(0, 700), st.integers(0, 700))
def test_any_bytes(data: bytes, begin: int, end: int) -> None:
    """Pieces of a real file with anything in their midst raise nothing but PayloadError."""
    try:
        image = parse_image(PLAIN[:begin] + data + PLAIN[end:])
    except PayloadError:
        return
    assert image.scan
