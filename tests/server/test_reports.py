"""When sender reports are sent, for which tracks, and what stays the same in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from reelcast.net.flight import Flight
from reelcast.rtp.group import Group
from reelcast.rtp.rtcp import Bye, SenderReport, SourceDescription, parse
from reelcast.rtp.sender import Sender
from reelcast.server.reports import FIRST_REPORT_WAIT, Reporter

LATER = 10.0
"""Seconds; longer than any interval between two reports."""


class Postbox:
    """A carrier that keeps what it is given."""

    channels: Mapping[int, int] | None = None
    max_lag = 1.0
    ready = True

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []

    def dues(self, group: Group) -> Sequence[float]:
        return group.dues

    def send(self, flight: Flight, start: int, stop: int) -> None:
        raise AssertionError("reports are no media")

    def report(self, track: int, data: bytes) -> None:
        self.sent.append((track, data))

    def taken(self) -> list[int]:
        """The tracks of the reports since the last call."""
        tracks = [track for track, _ in self.sent]
        self.sent.clear()
        return tracks


@pytest.fixture
def senders() -> dict[int, Sender]:
    return {0: Sender(11, 0, 1000, 90_000), 1: Sender(22, 0, 2000, 48_000)}


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


def test_first_report_is_due_at_once_and_the_next_in_seconds(
    senders: dict[int, Sender], postbox: Postbox
) -> None:
    """Conformance R3."""
    reporter = Reporter(senders, postbox)
    assert reporter.due <= 0.0
    for sender in senders.values():
        sender.count(1, 100)
    reporter.report(100.0, 0.0)
    assert postbox.taken() == [0, 1]
    assert 100.5 < reporter.due < 100.0 + LATER


def test_a_track_that_begins_later_is_reported_as_soon_as_it_has(
    senders: dict[int, Sender], postbox: Postbox
) -> None:
    reporter = Reporter(senders, postbox)
    senders[1].count(1, 100)
    reporter.report(100.0, 0.0)
    assert postbox.taken() == [1]
    assert reporter.due == 100.0 + FIRST_REPORT_WAIT
    reporter.report(100.02, 0.02)
    assert postbox.taken() == []
    senders[0].count(1, 100)
    reporter.report(100.04, 0.04)
    assert postbox.taken() == [0]
    assert reporter.due > 100.5
    reporter.report(reporter.due, 3.0)
    assert postbox.taken() == [0, 1]


def test_all_reports_of_one_moment_agree(senders: dict[int, Sender], postbox: Postbox) -> None:
    """Conformance R4."""
    for sender in senders.values():
        sender.count(2, 300)
    Reporter(senders, postbox).report(100.0, 1.5)
    video, audio = (parse(data) for _, data in postbox.sent)
    assert isinstance(video[0], SenderReport)
    assert isinstance(audio[0], SenderReport)
    assert video[0].ntp == audio[0].ntp
    assert (video[0].rtp, audio[0].rtp) == (1000 + 135_000, 2000 + 72_000)
    assert (video[0].packets, video[0].octets) == (2, 300)
    assert isinstance(video[1], SourceDescription)
    assert isinstance(audio[1], SourceDescription)
    assert video[1].cname == audio[1].cname


def test_restart_makes_reports_due(senders: dict[int, Sender], postbox: Postbox) -> None:
    reporter = Reporter(senders, postbox)
    for sender in senders.values():
        sender.count(1, 100)
    reporter.report(100.0, 0.0)
    reporter.restart()
    assert reporter.due <= 100.1
    postbox.taken()
    reporter.report(100.1, 7.0)
    assert postbox.taken() == [0, 1]


def test_goodbye_of_those_that_have_sent(senders: dict[int, Sender], postbox: Postbox) -> None:
    """Conformance R5."""
    senders[1].count(1, 100)
    reporter = Reporter(senders, postbox)
    reporter.goodbye(1000.0, 20.0, [0])
    assert postbox.sent == []
    reporter.goodbye(1000.0, 20.0, [0, 1])
    ((track, data),) = postbox.sent
    assert track == 1
    assert [type(report) for report in parse(data)] == [SenderReport, SourceDescription, Bye]


def test_who_has_sent_nothing_says_no_goodbye(senders: dict[int, Sender], postbox: Postbox) -> None:
    """Conformance R5."""
    Reporter(senders, postbox).goodbye(1000.0, 20.0)
    assert postbox.sent == []


def test_where_all_ends_a_track_that_stayed_silent_ends_too(
    senders: dict[int, Sender], postbox: Postbox
) -> None:
    """As where sound is over before the place that was sought: ffmpeg waits for all goodbyes."""
    senders[1].count(1, 100)
    Reporter(senders, postbox).goodbye(1000.0, 20.0)
    for _, data in postbox.sent:
        assert [type(report) for report in parse(data)] == [SenderReport, SourceDescription, Bye]
    assert postbox.taken() == [0, 1]


def test_a_muted_track_is_reported_on_and_says_goodbye(senders: dict[int, Sender], postbox: Postbox) -> None:
    reporter = Reporter(senders, postbox)
    senders[0].count(1, 100)
    reporter.report(100.0, 0.0)
    assert postbox.taken() == [0]
    reporter.muted = {1}
    reporter.report(100.02, 0.02)
    assert postbox.taken() == [1]
    assert reporter.due > 100.5
    reporter.goodbye(1000.0, 20.0)
    assert postbox.taken() == [0, 1]
