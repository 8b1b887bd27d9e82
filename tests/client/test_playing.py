"""The words of PLAY, and what its response says of what comes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reelcast.client.options import Moment
from reelcast.client.playing import agreed_place, agreed_scale, play_headers
from reelcast.rtp.intake import Place
from reelcast.rtsp.message import Headers

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "scale", "before", "headers"),
    [
        (None, 1.0, 1.0, []),
        (2.5, 1.0, 1.0, [("Range", "npt=2.500-")]),
        ("now", 1.0, 1.0, [("Range", "npt=now-")]),
        (NOON, 1.0, 1.0, [("Range", "clock=20260301T120000Z-")]),
        (None, 2.0, 1.0, [("Scale", "2.000")]),
        (0.0, 1.0, 2.0, [("Range", "npt=0.000-"), ("Scale", "1.000")]),
    ],
)
def test_what_is_asked(at: Moment | None, scale: float, before: float, headers: list[object]) -> None:
    assert play_headers(at, scale, before) == headers


@pytest.mark.parametrize(
    ("value", "scale"), [(None, 4.0), ("2.0", 2.0), ("-1", -1.0), ("fast", 1.0), ("", 1.0)]
)
def test_the_scale_that_the_server_chose(value: str | None, scale: float) -> None:
    assert agreed_scale(Headers([] if value is None else [("Scale", value)]), 4.0) == scale


@pytest.mark.parametrize(
    ("values", "place"),
    [
        (("clock=20260301T120000Z-",), Place(60.0, segment=7, clock=NOON.timestamp())),
        (("clock=20260301T115800Z-",), Place(0.0, segment=7, clock=NOON.timestamp() - 120.0)),
        (("clock=20260301T120000Z-", "npt=3.5-8"), Place(3.5, segment=7, clock=NOON.timestamp())),
        (("npt=3.5-8,clock=20260301T120000Z-",), Place(3.5, segment=7, clock=NOON.timestamp())),
        (("clock=then-", "npt=3.5-8"), Place(3.5, segment=7)),
    ],
)
def test_where_in_the_presentation_a_time_of_day_is(values: tuple[str, ...], place: Place) -> None:
    headers = Headers([("Range", value) for value in values])
    assert agreed_place(headers, 1.5, 1.0, 7, goes_on=False, began=NOON.timestamp() - 60.0) == place


@pytest.mark.parametrize(
    ("value", "goes_on", "place"),
    [
        ("npt=3-8", False, Place(3.0, segment=7)),
        ("npt=3-8", True, Place(3.0, segment=7, goes_on=True)),
        ("npt=now-", True, Place(0.0, segment=8)),
        ("npt=now-", False, Place(0.0, segment=7)),
        ("clock=20260301T120000Z-", False, Place(0.0, segment=7, clock=NOON.timestamp())),
        ("nonsense", False, Place(1.5, segment=7)),
        (None, True, Place(1.5, segment=7, goes_on=True)),
    ],
)
def test_where_it_begins(value: str | None, goes_on: bool, place: Place) -> None:
    headers = Headers([] if value is None else [("Range", value)])
    assert agreed_place(headers, 1.5, 1.0, 7, goes_on=goes_on) == place
