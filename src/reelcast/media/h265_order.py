"""The order in which H.265 pictures are shown, as their slices count it (H.265 section 8.3.1)."""

from __future__ import annotations

from collections.abc import Iterable

from reelcast.media.place import Place
from reelcast.rtp.payload.h265_slice import ParameterSets, SliceHeader
from reelcast.rtp.payload.nal_units import split_nal_units

__all__ = ["H265Counter"]

# nal_unit_type, table 7-1.
_NEW_SEQUENCE = range(16, 21)
"""BLA and IDR pictures: a coded video sequence begins."""
_LEADING = range(6, 10)
_LAST_UNREFERENCED = 14
"""Even types up to this one: no reference for pictures of their own sub-layer."""


class H265Counter:
    """Picture order counts of one H.265 track; `nals` are its first parameter sets."""

    def __init__(self, nals: Iterable[bytes]) -> None:
        self._sets = ParameterSets(nals)
        self.restart()

    @property
    def reordering(self) -> int | None:
        """Frames by which decoding is ahead; None where there is no sequence parameter set."""
        return max((sps.reordering for sps in self._sets.sequences), default=None)

    def restart(self) -> None:
        """Forget the pictures before."""
        # Most significant and other bits of the last picture that others count from; None at a beginning.
        self._anchor: tuple[int, int] | None = None

    def place(self, data: bytes) -> Place | None:
        """The place of a unit by the header of its first slice; None where there is none that can be read."""
        headers = (self._sets.take(nal) for nal in split_nal_units(data))
        header = next((each for each in headers if each is not None), None)
        if header is None:
            return None
        return Place(self._count(header), False, header.kind in _NEW_SEQUENCE)

    def _count(self, header: SliceHeader) -> int:
        """PicOrderCntVal (equations 8-1 and 8-2)."""
        lsb, msb = header.lsb, 0
        if self._anchor is not None and header.kind not in _NEW_SEQUENCE:
            msb, last = self._anchor
            whole = 1 << header.sps.lsb_bits
            if last - lsb >= whole // 2:
                msb += whole
            elif lsb - last > whole // 2:
                msb -= whole
        unreferenced = header.kind <= _LAST_UNREFERENCED and header.kind % 2 == 0
        if header.sub_layer == 0 and header.kind not in _LEADING and not unreferenced:
            self._anchor = msb, lsb
        return msb + lsb
