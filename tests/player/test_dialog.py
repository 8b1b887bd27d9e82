"""The small window that asks what to play."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from reelcast.player.dialog import OpenDialog, ask
from reelcast.player.source import Source
from reelcast.player.theme import DARK, LIGHT


@pytest.fixture
def dialog(application: QApplication) -> OpenDialog:
    return OpenDialog(None, DARK)


def test_the_defaults_can_be_opened(dialog: OpenDialog) -> None:
    assert dialog.open_button.isEnabled()
    assert dialog.source == Source("rtsp://127.0.0.1:8000/movie.Mjpeg", rtp_port=5001, dialect="auto")
    assert dialog.preview.text() == "rtsp://127.0.0.1:8000/movie.Mjpeg"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("Host", "", "no host"),
        ("Port", "99999", "no PORT"),
        ("RTP port", "x", "no RTP_PORT"),
        ("File", " ", "the file's name is missing"),
        ("Host", "http://a/", "http"),
    ],
)
def test_what_makes_no_sense_cannot(dialog: OpenDialog, name: str, text: str, said: str) -> None:
    dialog.fields[name].setText(text)
    assert not dialog.open_button.isEnabled()
    assert dialog.source is None
    assert said in dialog.preview.text()


def test_a_whole_url_takes_the_place_of_all(dialog: OpenDialog) -> None:
    dialog.fields["Host"].setText("rtsp://camera/stream")
    assert dialog.source == Source("rtsp://camera/stream")
    assert not dialog.fields["Port"].isEnabled()
    dialog.fields["Host"].setText("camera")
    assert dialog.fields["Port"].isEnabled()


def test_what_was_played_before_is_offered(application: QApplication) -> None:
    before = Source("rtsp://camera/stream", rtp_port=5004)
    dialog = OpenDialog(before, LIGHT)
    assert dialog.fields["Host"].text() == before.url
    assert dialog.source is not None
    assert dialog.source.url == before.url


@pytest.mark.parametrize("host", ["rtsps://other/stream", "other"])
def test_how_it_comes_and_whom_to_trust_stays(application: QApplication, host: str) -> None:
    before = Source("rtsps://camera/stream", "tcp", timeout=3.0, trust="anyone", at=5.0, duration=1.0)
    dialog = OpenDialog(before, LIGHT)
    dialog.fields["Host"].setText(host)
    found = dialog.source
    assert found is not None
    assert (found.transport, found.timeout, found.trust) == ("tcp", 3.0, "anyone")
    assert (found.at, found.duration) == (None, None)


@pytest.mark.parametrize("accepted", [True, False])
def test_asking(application: QApplication, accepted: bool) -> None:
    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, OpenDialog)
        dialog.fields["Host"].setText("camera")
        dialog.accept() if accepted else dialog.reject()

    QTimer.singleShot(0, answer)
    source = ask(None)
    assert (source is not None) is accepted
    assert source is None or source.url == "rtsp://camera:8000/movie.Mjpeg"
