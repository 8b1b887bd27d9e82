"""Webcams and screens, by FFmpeg's devices: another one on each system.

with closing(open_device("webcam", "/dev/video0")) as camera:
    for shot in camera.shots():
        ...
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import av
from av.container import InputContainer

from reelcast.errors import MediaError
from reelcast.media.reader import READ_ERRORS, reason_of
from reelcast.media.shots import Shot

__all__ = ["Capture", "DeviceKind", "open_device"]

DeviceKind = Literal["webcam", "screen"]

DEFAULT_FPS: Final = 25.0


@dataclass(frozen=True, slots=True)
class _Device:
    """FFmpeg's name of a kind of device, that of the one which is meant if none is named, and what else it wants.

    default    empty where there is none
    advice     what to do where it cannot be had
    """

    format: str
    default: str
    advice: str


_V4L2 = _Device("v4l2", "/dev/video0", "plug one in, name it (webcam:/dev/video1), or join the group 'video'")
_X11 = _Device("x11grab", "", "run it in the session to be seen, or name its display (screen::0)")
_AV_ADVICE = "allow the terminal to use it: System Settings, Privacy & Security"
_DEVICES: Final[dict[str, dict[DeviceKind, _Device]]] = {
    "linux": {"webcam": _V4L2, "screen": _X11},
    "darwin": {
        "webcam": _Device("avfoundation", "0:none", _AV_ADVICE),
        "screen": _Device("avfoundation", "Capture screen 0:none", _AV_ADVICE),
    },
    "win32": {
        "webcam": _Device("dshow", "", "name it as the Device Manager does: webcam:NAME"),
        "screen": _Device("gdigrab", "desktop", "name a window: screen:title=TITLE"),
    },
}


class Capture:
    """See `reelcast.media.shots.Shots`; a device gives pictures when it has them, without end.

    width, height    of its pictures, pixels
    """

    sample_rate: int | None = None
    channels = 1

    def __init__(self, name: str, container: InputContainer, fps: float) -> None:
        stream = container.streams.video[0]
        self.fps = float(stream.average_rate or stream.guessed_rate or fps)
        self.width, self.height = stream.codec_context.width, stream.codec_context.height
        self._name = name
        self._container: InputContainer | None = container

    def shots(self) -> Iterator[Shot]:
        """Each picture as it comes; MediaError where the device is gone."""
        try:
            while self._container is not None:
                frame = next(self._container.decode(video=0), None)
                if frame is None:
                    break
                yield Shot(None, frame)
        except READ_ERRORS as error:
            raise MediaError(f"{self._name} gives no more pictures: {reason_of(error)}") from error
        if self._container is not None:
            raise MediaError(f"{self._name} gives no more pictures")

    def close(self) -> None:
        """Let go of the device."""
        container, self._container = self._container, None
        if container is not None:
            container.close()


def open_device(
    kind: DeviceKind, name: str = "", *, fps: float | None = None, size: tuple[int, int] | None = None
) -> Capture:
    """A webcam or a screen of this machine, the usual one if none is named.

    `fps` and `size` are asked of the device. Raises MediaError where it cannot be had, with what to do.
    """
    device = _DEVICES.get(sys.platform, _DEVICES["linux"])[kind]
    found = name or device.default or (os.environ.get("DISPLAY", "") if kind == "screen" else "")
    shown = f"{kind} {found}".rstrip()
    if not found:
        raise MediaError(f"there is no {kind}", advice=device.advice)
    if device.format == "dshow" and "=" not in found:
        found = f"video={found}"
    options = {"framerate": f"{fps or DEFAULT_FPS:g}"} if fps or kind == "screen" else {}
    if size is not None:
        options["video_size"] = f"{size[0]}x{size[1]}"
    try:
        container = av.open(found, format=device.format, options=options)
    except READ_ERRORS as error:
        raise MediaError(f"{shown} cannot be had: {reason_of(error)}", advice=device.advice) from error
    return Capture(shown, container, fps or DEFAULT_FPS)
