"""Parameter sets and slice headers of H.264, written bit by bit."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Written", "nal", "pps", "se", "sps", "ue"]


def ue(value: int) -> str:
    digits = f"{value + 1:b}"
    return "0" * (len(digits) - 1) + digits


def se(value: int) -> str:
    return ue(2 * value - 1 if value > 0 else -2 * value)


def nal(head: bytes, fields: str) -> bytes:
    """A NAL unit; a stop bit follows the fields, and emulation is prevented (H.264 section 7.4.1)."""
    digits = fields.replace(" ", "") + "1"
    digits += "0" * (-len(digits) % 8)
    payload = int(digits, 2).to_bytes(len(digits) // 8)
    out = bytearray()
    for byte in payload:
        if byte <= 3 and out.endswith(b"\0\0"):
            out.append(3)
        out.append(byte)
    return head + bytes(out)


def sps(
    order: str = f"{ue(0)} {ue(2)}", *, frames_only: bool = True, vui: str = "0", profile: str = ""
) -> bytes:
    """One of 80x96 whose frame_num has 4 bits, and its pic_order_cnt_lsb 6; `profile`: High 4:4:4, up to lists."""
    head = bytes((0x67, 244 if profile else 77, 0, 30))
    interlaced = "" if frames_only else "0"
    size = f"{ue(4)} {ue(5 if frames_only else 2)} {int(frames_only)} {interlaced} 1 0"
    return nal(head, f"{ue(0)} {profile} {ue(0)} {order} {ue(4)} 0 {size} {vui}")


def pps(
    *,
    number: int = 0,
    sequence: int = 0,
    bottom_present: int = 0,
    groups: int = 0,
    references: tuple[int, int] = (1, 1),
    weighted: int = 0,
    bi_weighted: int = 0,
    redundant: int = 0,
) -> bytes:
    lists = f"{ue(references[0] - 1)} {ue(references[1] - 1)}"
    weights = f"{weighted} {bi_weighted:02b} {se(0)} {se(0)} {se(0)}"
    fields = f"{ue(number)} {ue(sequence)} 1 {bottom_present} {ue(groups)} {lists} {weights} 1 0 {redundant}"
    return nal(b"\x68", fields)


@dataclass(frozen=True)
class Written:
    """A slice header; `rest` is what follows the order, up to dec_ref_pic_marking.

    kind     slice_type: 0 P, 1 B, 2 I
    field    "" where the SPS says frames only, "0" a frame, "10" a top field, "11" a bottom field
    order    what the type of order asks for: with type 0, pic_order_cnt_lsb in 6 bits
    """

    kind: int = 0
    frame_num: int = 0
    order: str = ""
    field: str = ""
    idr: bool = False
    reference: bool = True
    number: int = 0
    rest: str = "0 0 0"

    def nal(self) -> bytes:
        head = bytes(((0x60 if self.reference else 0) | (5 if self.idr else 1),))
        begin = f"{ue(0)} {ue(self.kind)} {ue(self.number)} {self.frame_num:04b} {self.field}"
        return nal(head, f"{begin} {ue(0) if self.idr else ''} {self.order} {self.rest}")
