"""Whether a window can be opened: asked before Qt ends the process."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PySide6.QtCore import QLibraryInfo

from reelcast import player
from reelcast.errors import ReelcastError
from reelcast.player import platform

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="about Linux's libraries")


def test_a_platform_that_is_chosen_is_not_doubted() -> None:
    assert player.available() is None
    assert platform.missing_library() is None
    assert platform.refusal() is None


@linux
def test_without_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert player.available() == "there is no display to open a window on"
    with pytest.raises(ReelcastError, match="there is no display"):
        player.run(None)


@linux
def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    errors: dict[str, str | None] = {
        "xcb": "Qt needs libxcb-cursor.so.0 to open a window: install it (on Debian: apt install libxcb-cursor0)",
        "wayland": "no",
    }
    monkeypatch.setattr(
        platform, "_load_error", lambda path: next(errors[name] for name in errors if name in path)
    )
    assert player.available() == "no"
    errors["wayland"] = None
    monkeypatch.setattr(platform, "refusal", lambda: "it does not answer")
    assert player.available() == "it does not answer"
    monkeypatch.setattr(platform, "refusal", lambda: None)
    assert player.available() is None
    monkeypatch.delenv("WAYLAND_DISPLAY")
    assert player.available() == errors["xcb"]


@linux
@pytest.mark.parametrize(
    ("said", "error"),
    [
        (
            "Cannot load library /q/libqxcb.so: libxcb-cursor.so.0: cannot open shared object file",
            "Qt needs libxcb-cursor.so.0 to open a window: install it (on Debian: apt install libxcb-cursor0)",
        ),
        ("it is broken", "Qt cannot open a window here: it is broken"),
    ],
)
def test_what_the_loader_says(said: str, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def __init__(self, path: str) -> None:
            assert path == "/q/libqxcb.so"

        def load(self) -> bool:
            return False

        def errorString(self) -> str:
            return said

    monkeypatch.setattr(platform, "QLibrary", Library)
    assert platform._load_error("/q/libqxcb.so") == error


@linux
@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        ("", None),
        ("raise SystemExit(1)", "Qt cannot open a window here: it does not say why"),
        (
            "raise SystemExit('qt.qpa.xcb: could not connect to display :7\\nThis application failed to start')",
            "Qt cannot open a window here: could not connect to display :7",
        ),
    ],
)
def test_a_display_that_takes_no_window(
    trial: str, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.setattr(platform, "TRIAL", trial)
    assert platform.refusal() == reason


@linux
def test_a_display_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM")
    monkeypatch.setattr(platform, "TRIAL", "import time; time.sleep(60)")
    monkeypatch.setattr(platform, "TRIAL_SECONDS", 0.1)
    assert platform.refusal() == "the display does not answer within 0.1 s"


@linux
def test_the_trial_opens_what_can_be_opened() -> None:
    subprocess.run([sys.executable, "-c", platform.TRIAL], check=True)


def test_a_plugin_that_loads_lacks_nothing() -> None:
    plugins = QLibraryInfo.path(QLibraryInfo.LibraryPath.PluginsPath)
    if sys.platform.startswith("linux"):
        assert platform._load_error(f"{plugins}/platforms/libqoffscreen.so") is None


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "find_spec", lambda name: None if name == "miniaudio" else object())
    with pytest.raises(ReelcastError) as caught:
        player.check_installed()
    assert caught.value.message == "the player needs miniaudio"
    assert caught.value.advice == "run: pip install 'reelcast[player]'"
    assert player.available() == "the player needs miniaudio"


def test_neither_the_player_nor_the_command_loads_qt() -> None:
    code = "import sys, reelcast.player, reelcast.cli.play; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "PySide6" not in printed
    assert "miniaudio" not in printed
