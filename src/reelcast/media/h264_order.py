"""The order in which H.264 pictures are shown, as their slices count it (H.264 section 8.2.1)."""

from __future__ import annotations

from collections.abc import Iterable

from reelcast.media.place import Place
from reelcast.rtp.payload.h264_slice import ParameterSets, SliceHeader
from reelcast.rtp.payload.nal_units import split_nal_units

__all__ = ["H264Counter"]

_KINDS = (0, 1, 2)
"""Types of picture order count that there are."""


class H264Counter:
    """Picture order counts of one H.264 track; `nals` are its first parameter sets."""

    def __init__(self, nals: Iterable[bytes]) -> None:
        self._sets = ParameterSets(nals)
        self.restart()

    @property
    def reordering(self) -> int | None:
        """Frames by which decoding is ahead; None where a parameter set does not tell."""
        told = [sps.reordering for sps in self._sets.sequences]
        return None if not told or None in told else max(each for each in told if each is not None)

    def restart(self) -> None:
        """Forget the pictures before."""
        self._before: SliceHeader | None = None  # of a field that may be the first of two
        self._offset = 0  # FrameNumOffset
        self._frame_num = 0
        self._msb: int | None = None  # of the last reference picture; None where decoding just began
        self._lsb = 0

    def place(self, data: bytes) -> Place | None:
        """The place of a unit by the header of its first slice; None where there is none that can be read."""
        headers = (self._sets.take(nal) for nal in split_nal_units(data))
        header = next((each for each in headers if each is not None and each.sps.order.kind in _KINDS), None)
        if header is None:
            self._before = None
            return None
        count, second = self._count(header), self._is_second(header)
        self._before = header if header.field and not second else None
        return Place(count, second, header.reset or (header.idr and not second))

    def _is_second(self, header: SliceHeader) -> bool:
        """Whether a field completes the frame that the field before it began (section 7.4.1.2.4)."""
        first = self._before
        return (
            first is not None
            and header.field
            and header.bottom != first.bottom
            and header.frame_num == (0 if first.reset else first.frame_num)
        )

    def _count(self, header: SliceHeader) -> int:
        """The PicOrderCnt of the next picture in decoding order, by the header of its first slice.

        After memory_management_control_operation 5 it counts from the picture itself, as all that follow do.
        """
        top, bottom = self._type_0(header) if header.sps.order.kind == 0 else self._by_frames(header)
        low = (bottom if header.bottom else top) if header.field else min(top, bottom)
        if not header.reset:
            return low
        # Sections 8.2.1 and 8.2.1.1: the picture is renumbered once it is decoded.
        self._msb, self._lsb = 0, 0 if header.bottom else top - low
        self._offset = self._frame_num = 0
        return 0

    def _type_0(self, header: SliceHeader) -> tuple[int, int]:
        """TopFieldOrderCnt and BottomFieldOrderCnt of type 0 (section 8.2.1.1)."""
        lsb = header.lsb
        if header.idr or self._msb is None:
            self._msb, self._lsb = 0, 0 if header.idr else lsb
        msb, whole = self._msb, 1 << header.sps.order.lsb_bits
        if self._lsb - lsb >= whole // 2:
            msb += whole
        elif lsb - self._lsb > whole // 2:
            msb -= whole
        if header.reference:
            self._msb, self._lsb = msb, lsb
        return msb + lsb, msb + lsb + header.deltas[0]

    def _by_frames(self, header: SliceHeader) -> tuple[int, int]:
        """The same of types 1 and 2, from frame_num (sections 8.2.1.2 and 8.2.1.3)."""
        if header.idr:
            self._offset = 0
        elif self._frame_num > header.frame_num:
            self._offset += 1 << header.sps.frame_num_bits
        self._frame_num = header.frame_num
        place = self._offset + header.frame_num
        if header.sps.order.kind != 1:
            count = 0 if header.idr else 2 * place - (not header.reference)
            return count, count
        return _expected(header, place)


def _expected(header: SliceHeader, place: int) -> tuple[int, int]:
    """Type 1: what is expected of the `place`-th frame, and the deltas (equations 8-6 to 8-10)."""
    order = header.sps.order
    number = place if order.cycle else 0
    if not header.reference and number > 0:
        number -= 1
    count = 0
    if number > 0:
        cycles, rest = divmod(number - 1, len(order.cycle))
        count = cycles * sum(order.cycle) + sum(order.cycle[: rest + 1])
    if not header.reference:
        count += order.non_ref_offset
    top = count + header.deltas[0]
    bottom = top + order.field_offset + (0 if header.field else header.deltas[1])
    return top, bottom
