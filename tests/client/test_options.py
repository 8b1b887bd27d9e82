"""What a client is told before it connects, and what makes no sense."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reelcast.client.events import Connected, Event
from reelcast.client.options import Options, Transport, Way, check, start_of
from reelcast.client.publish import publishing
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
    ({"at": np.float32(-1.0)}, "at must be a time in seconds from 0 on, not "),
    ({"at": np.float32("nan")}, "at must be a time in seconds from 0 on, not "),
    ({"at": True}, "at must be seconds|at must be a time"),
    ({"at": timedelta(seconds=2)}, "at must be seconds, a datetime or 'now', not datetime.timedelta"),
    ({"at": b"now"}, "at must be seconds, a datetime or 'now', not b'now'"),
    ({"scale": "2"}, "scale must be a speed such as 2.0, and other than 0, not '2'"),
    ({"rtp_port": "5000"}, "rtp_port must be a port up to 65534, .*, not '5000'"),
    ({"rtp_port": 5000.0}, "rtp_port must be a port"),
    ({"timeout": 0}, "timeout must be a number of seconds more than 0, not 0"),
    ({"timeout": None}, "timeout must be a number of seconds more than 0, not None"),
    ({"reconnect": None}, "reconnect must be True, False or a reelcast.Reconnect, not None"),
    (
        {"credentials": ("jane", "secret")},
        "credentials must be reelcast.Credentials.user, password., not a tuple$",
    ),
    ({"on_event": 3}, "on_event must be a function, not 3"),
    ({"on_unit": "x"}, "on_unit must be a function, not 'x'"),
]


@pytest.mark.parametrize(("options", "message"), SENSELESS)
def test_what_makes_no_sense_is_said_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        connect("rtsp://127.0.0.1/movie", **options)


@pytest.mark.parametrize("url", [None, 0, b"rtsp://127.0.0.1/movie", Path("/movie.mp4")])
def test_what_is_no_text_is_no_url(url: Any) -> None:
    for make in (connect, publishing):
        with pytest.raises(ValueError, match="url must be a string such as 'rtsp://HOST/PATH', not "):
            make(url)


def test_a_url_from_a_file_has_no_line_end() -> None:
    assert connect(" rtsp://127.0.0.1/movie\n").url == "rtsp://127.0.0.1/movie"
    assert publishing(" rtsp://127.0.0.1/movie\n").url == "rtsp://127.0.0.1/movie"


def test_what_makes_sense() -> None:
    check(transport="udp", dialect="auto", rtp_port=5001)
    assert start_of(0.0, -1.0) == (0.0, -1.0)
    assert start_of("now", None) == ("now", None)


def test_numbers_of_other_kinds_become_those_of_python() -> None:
    numbers: Any = np.int64(5), np.float32(2.0)
    at, scale = start_of(*numbers)
    assert (type(at), at, type(scale), scale) == (float, 5.0, float, 2.0)


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
