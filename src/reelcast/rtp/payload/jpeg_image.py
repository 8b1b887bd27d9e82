"""A baseline JPEG taken apart and put together (ITU-T T.81), as far as RFC 2435 carries it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from reelcast.errors import PayloadError

__all__ = ["BLOCK", "TABLE_BYTES", "Image", "frame_header", "frame_size", "parse_image", "scaled_tables"]

BLOCK = 8
"""Pixels a side of a block; RFC 2435 counts sizes in them."""
TABLE_BYTES = 64
"""Of a quantization table with 8-bit entries."""

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _SOF0 = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xC0
_FRAMES = {
    0xC1: "extended sequential",
    0xC2: "progressive",
    0xC3: "lossless",
    **dict.fromkeys((0xC5, 0xC6, 0xC7), "hierarchical"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF), "arithmetic coded"),
}
"""What the other start-of-frame markers stand for (T.81 table B.1)."""
_END_OF_IMAGE = b"\xff\xd9"

_SAMPLINGS = {(0x21, 0x11, 0x11): 0, (0x22, 0x11, 0x11): 1}
"""Sampling factors of Y, Cb, Cr: the type of RFC 2435 section 4.1."""
_LUMA_FACTORS = (0x21, 0x22)

# The typical Huffman tables of T.81 annex K.3 (class and number, sixteen counts, values), which RFC 2435
# takes for granted.
_DC_VALUES = bytes(range(12))
_HUFFMAN = {
    0x00: bytes.fromhex("00010501010101010100000000000000") + _DC_VALUES,
    0x10: bytes.fromhex(
        "0002010303020403050504040000017d"
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728"
        "292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a83848586878889"
        "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2"
        "e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    ),
    0x01: bytes.fromhex("00030101010101010101010000000000") + _DC_VALUES,
    0x11: bytes.fromhex(
        "00020102040403040705040400010277"
        "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a26"
        "2728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a828384858687"
        "88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9da"
        "e2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
    ),
}

# The quantization tables of T.81 annex K.1, in the zigzag order in which JPEG writes them.
_LUMA = bytes.fromhex(
    "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933383740485c4e404457453738506d5157"
    "5f626768673e4d71797064785c656763"
)
_CHROMA = bytes.fromhex("1112121815182f1a1a2f634238426363") + b"\x63" * 48


@dataclass(frozen=True, slots=True)
class Image:
    """A JPEG as RFC 2435 sees it.

    width, height       pixels
    sampling            0 for 4:2:2 (chroma halved across), 1 for 4:2:0 (halved both ways)
    restart_interval    blocks (MCUs) between restart markers, 0 for none
    luma, chroma        quantization tables, 64 bytes each
    scan                entropy-coded data, without the end-of-image marker
    """

    width: int
    height: int
    sampling: int
    restart_interval: int
    luma: bytes
    chroma: bytes
    scan: bytes = b""

    def with_scan(self, scan: bytes) -> bytes:
        """The whole file around entropy-coded data, which may bring the end-of-image marker or not."""
        end = b"" if scan.rstrip(b"\0").endswith(_END_OF_IMAGE) else _END_OF_IMAGE
        return _headers(self) + scan + end


@lru_cache(maxsize=16)
def _headers(image: Image) -> bytes:
    """All that stands before the scan; a stream's frames have it in common, so it is made once."""
    pieces = [
        b"\xff\xd8",
        _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
        _segment(_DQT, b"\0" + image.luma + b"\1" + image.chroma),
    ]
    if image.restart_interval:
        pieces.append(_segment(_DRI, image.restart_interval.to_bytes(2, "big")))
    pieces.append(frame_header(image))
    pieces.append(_segment(_DHT, b"".join(bytes((place,)) + table for place, table in _HUFFMAN.items())))
    pieces.append(_segment(_SOS, bytes((3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0))))
    return b"".join(pieces)


def frame_header(image: Image) -> bytes:
    """The segment that tells the size (T.81 section B.2.2)."""
    size = image.height.to_bytes(2, "big") + image.width.to_bytes(2, "big")
    factors = _LUMA_FACTORS[image.sampling]
    return _segment(_SOF0, b"\x08" + size + bytes((3, 1, factors, 0, 2, 0x11, 1, 3, 0x11, 1)))


def frame_size(segments: bytes) -> tuple[int, int]:
    """Width and height from the baseline frame header among some segments; zeros where there is none."""
    place = 0
    while place + 4 <= len(segments) and segments[place] == 0xFF:
        marker, body = segments[place + 1], place + 4
        if marker == 0xFF:
            place += 1
            continue
        if marker == _SOF0 and len(segments) >= body + 5:
            return (
                int.from_bytes(segments[body + 3 : body + 5], "big"),
                int.from_bytes(segments[body + 1 : body + 3], "big"),
            )
        place += 2 + int.from_bytes(segments[place + 2 : body], "big")
    return 0, 0


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(data) + 2).to_bytes(2, "big") + data


@lru_cache(maxsize=99)
def scaled_tables(quality: int) -> tuple[bytes, bytes]:
    """The quantization tables of Q 1 to 99 (RFC 2435 section 4.2): those of annex K.1, scaled."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    luma, chroma = (
        bytes(min(max((entry * scale + 50) // 100, 1), 255) for entry in table) for table in (_LUMA, _CHROMA)
    )
    return luma, chroma


class _Reader:
    """What the marker segments of one image say."""

    def __init__(self) -> None:
        self.quantization: dict[int, bytes] = {}
        self.huffman: dict[int, bytes] = {}
        self.restart_interval = 0
        self.frame = b""

    def take(self, marker: int, data: bytes) -> None:
        if marker == _DQT:
            self._take_quantization(data)
        elif marker == _DHT:
            self._take_huffman(data)
        elif marker == _DRI and len(data) >= 2:
            self.restart_interval = int.from_bytes(data[:2], "big")
        elif marker == _SOF0:
            self.frame = data
        elif marker in _FRAMES:
            raise PayloadError(
                f"the JPEG is {_FRAMES[marker]}, RTP carries baseline only; encode it as baseline"
            )

    def _take_quantization(self, data: bytes) -> None:
        while data:
            if data[0] >> 4:
                raise PayloadError(
                    "the JPEG has 16-bit quantization tables, RTP carries 8-bit ones; encode as baseline"
                )
            table = data[1 : 1 + TABLE_BYTES]
            if len(table) < TABLE_BYTES:
                raise PayloadError("the JPEG is broken: a quantization table is cut short")
            self.quantization[data[0] & 3] = table
            data = data[1 + TABLE_BYTES :]

    def _take_huffman(self, data: bytes) -> None:
        while data:
            size = 17 + sum(data[1:17])
            if len(data) < size:
                raise PayloadError("the JPEG is broken: a Huffman table is cut short")
            self.huffman[data[0]] = data[1:size]
            data = data[size:]

    def image(self, scan_header: bytes, scan: bytes) -> Image:
        """All put together, once the scan begins."""
        frame = self.frame
        if len(frame) < 6:
            raise PayloadError("the JPEG is broken: a scan without a frame header")
        if frame[5] != 3 or len(frame) < 15:
            raise PayloadError(
                f"the JPEG has {frame[5]} colour component(s), RTP carries three; convert it to YUV 4:2:0"
            )
        sampling = _SAMPLINGS.get((frame[7], frame[10], frame[13]))
        if sampling is None:
            factors = ", ".join(f"{frame[place] >> 4}x{frame[place] & 15}" for place in (7, 10, 13))
            raise PayloadError(
                f"the JPEG samples its components {factors}, RTP carries 4:2:0 (2x2, 1x1, 1x1) and 4:2:2"
                " (2x1, 1x1, 1x1); convert it to YUV 4:2:0"
            )
        height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
        if not (width and height):
            raise PayloadError("the JPEG does not say its size in the frame header")
        if len(scan_header) < 10 or scan_header[0] != 3:
            raise PayloadError(
                "the JPEG has a scan for each component, RTP carries a single one; encode it interleaved"
            )
        self._check_huffman(scan_header)
        luma, chroma, red = (self.quantization.get(frame[place] & 3) for place in (8, 11, 14))
        if luma is None or chroma is None:
            raise PayloadError("the JPEG is broken: a quantization table is missing")
        if red != chroma:
            raise PayloadError("the JPEG has a third quantization table, RTP carries two; encode it anew")
        return Image(width, height, sampling, self.restart_interval, luma, chroma, scan)

    def _check_huffman(self, scan_header: bytes) -> None:
        """A table that is not there is the typical one: so it is in AVI files."""
        for component in range(3):
            number = scan_header[2 + 2 * component]
            for used, usual in ((number >> 4, 0x00), (0x10 | number & 15, 0x10)):
                standard = _HUFFMAN[usual + (component > 0)]
                if self.huffman.get(used, _HUFFMAN.get(used)) != standard:
                    raise PayloadError(
                        "the JPEG has Huffman tables of its own, RTP carries the standard ones only; encode"
                        " without optimised tables (ffmpeg: -huffman default)"
                    )


def parse_image(data: bytes) -> Image:
    """Take a JPEG file apart; what follows its end is dropped. PayloadError where RTP cannot carry it."""
    if not data.startswith(b"\xff\xd8"):
        raise PayloadError("the frame is no JPEG: it does not begin with FF D8")
    reader = _Reader()
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            raise PayloadError(f"the JPEG is broken: no marker at byte {place}")
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        body = place + 4
        place += 2 + int.from_bytes(data[place + 2 : body], "big")
        if place < body:
            raise PayloadError(f"the JPEG is broken: a segment of no length at byte {body - 2}")
        if marker == _SOS:
            end = data.find(_END_OF_IMAGE, place)
            scan = data[place:] if end < 0 else data[place:end]
            if not scan:
                break
            return reader.image(data[body:place], scan)
        reader.take(marker, data[body:place])
    raise PayloadError("the JPEG is broken: it ends before its image data")
