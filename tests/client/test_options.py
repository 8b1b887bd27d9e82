"""What a client is told before it connects, and what makes no sense."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest

from reelcast.client.events import Connected, Event
from reelcast.client.options import Options, Transport, Way, check
from reelcast.client.stream import connect
from reelcast.client.timeouts import Timeouts

SENSELESS: list[tuple[dict[str, Any], str]] = [
    ({"transport": "TCP"}, "transport must be one of 'auto', 'udp', 'tcp', not 'TCP'"),
    ({"dialect": "klingon"}, "dialect must be one of 'rtsp', 'classroom', 'auto', not 'klingon'"),
    ({"at": -1.0}, "at must be a time in seconds from 0 on, not -1.0"),
    ({"at": math.nan}, "not nan"),
    ({"at": math.inf}, "not inf"),
    ({"at": "noon"}, "at must be seconds, a datetime or 'now', not 'noon'"),
    ({"at": datetime(2026, 11, 22, 14)}, "at must say its time zone, as datetime.now.UTC. does"),
    ({"scale": 0.0}, "scale must be a speed such as 2.0, and other than 0, not 0.0"),
    ({"scale": math.nan}, "not nan"),
    ({"rtp_port": 65535}, "rtp_port must be a port up to 65534"),
    ({"rtp_port": -1}, "not -1"),
    ({"timeout": 0}, "must be more than 0 seconds"),
]


@pytest.mark.parametrize(("options", "message"), SENSELESS)
def test_what_makes_no_sense_is_said_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        connect("rtsp://127.0.0.1/movie", **options)


def test_what_makes_sense() -> None:
    check(transport="udp", dialect="auto", at=0.0, scale=-1.0, rtp_port=5001)


@pytest.mark.parametrize(
    ("transport", "ways"), [("auto", ("udp", "tcp")), ("udp", ("udp",)), ("tcp", ("tcp",))]
)
def test_ways(transport: Transport, ways: tuple[Way, ...]) -> None:
    assert Options(Timeouts(), transport).ways(encrypted=False) == ways
    assert Options(Timeouts(), transport, "auto").ways(encrypted=False) == (*ways, "classroom")
    assert Options(Timeouts(), transport, "classroom").ways(encrypted=False) == ("classroom",)
    assert Options(Timeouts(), transport, "auto").ways(encrypted=True) == ("tcp",)


def test_a_watcher_that_fails_touches_nothing(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Event] = []

    def watch(event: Event) -> None:
        told.append(event)
        raise ZeroDivisionError

    Options(Timeouts(), on_event=watch).tell(Connected("udp"))
    Options(Timeouts()).tell(Connected("udp"))
    assert told == [Connected("udp")]
    assert "the application failed over Connected" in caplog.text
