"""What is to be played."""

from __future__ import annotations

from reelcast.player.source import Source


def test_nobody_sees_a_password() -> None:
    assert Source("rtsp://user:secret@host/cam?x=1").shown == "rtsp://host/cam?x=1"
    assert Source("rtsp://host/cam").shown == "rtsp://host/cam"
