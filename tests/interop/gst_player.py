"""Play an RTSP URL with rtspsrc; a program of its own, for Debian's Python, which has GStreamer.

usage: gst_player.py URL udp|tcp FOLDER STEP...

A step is one of `run SECONDS` (from the first picture on), `show COUNT` (until so many more pictures were shown),
`hear SECONDS` (until so much sound was played),
`pause SECONDS`, `seek SECONDS` (flushing, to the keyframe), `speed RATE` (all pictures, from where it is), `skip
RATE` (the same, but the server may leave pictures out) and `end` (run to the end of the stream); before them may
stand `trust FILE`: the certificates that a server of rtsps:// is believed by. Everything that was played is
written to FOLDER: the pictures, small and grey, to `pictures`; the sound, one channel of 16 bits, to `sound`; and
a line of JSON for each buffer to `buffers`, with its place in the presentation and when it was shown.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import IO, Any

PATIENCE = 80
"""Seconds for anything that should happen by itself."""
LATENCY_MS = 300
"""How long rtspsrc waits for what is late; much less than its 2 s keeps the tests short."""
PICTURE = "videoconvert ! videoscale add-borders=false ! video/x-raw,format=GRAY8,width=192,height=108"
SOUND_BYTES_A_SECOND = 2 * 48_000
SOUND = "audioconvert ! audioresample ! audio/x-raw,format=S16LE,channels=1,rate=48000,layout=interleaved"


def load(name: str) -> Any:
    """A GStreamer module; it is known at run time only, and not to this project's Python."""
    gi: Any = import_module("gi")
    gi.require_version(name, "1.0")
    return import_module(f"gi.repository.{name}")


gst: Any = load("Gst")
load("GstApp")
OK = gst.FlowReturn.OK
"""Looked up here: where two threads do that at once, one of them does not find it."""


class Player:
    """The pipeline, and what came out of it; `epoch` counts the seeks."""

    def __init__(self, url: str, protocol: str, folder: Path) -> None:
        self.epoch = 0
        self.lock = Lock()
        self.shown = 0
        self.heard = 0.0
        folder.mkdir(exist_ok=True)
        self.buffers = (folder / "buffers").open("w")
        self.media: dict[str, IO[bytes]] = {
            name: (folder / name).open("wb") for name in ("pictures", "sound")
        }
        self.pipeline: Any = gst.Pipeline.new(None)
        source = self.make("rtspsrc", location=url, protocols=protocol, latency=LATENCY_MS)
        source.connect("pad-added", self.decode)
        self.source = source

    def make(self, kind: str, **properties: Any) -> Any:
        element = gst.ElementFactory.make(kind, None)
        if element is None:
            sys.exit(f"GStreamer has no {kind}")
        for name, value in properties.items():
            gst.util_set_object_arg(element, name.replace("_", "-"), str(value))
        self.pipeline.add(element)
        return element

    def trust(self, file: str) -> None:
        """Believe servers by the certificates in a file alone."""
        gio: Any = import_module("gi.repository.Gio")
        self.source.set_property("tls-database", gio.TlsFileDatabase.new(file))

    def decode(self, _: Any, pad: Any) -> None:
        decoder = self.make("decodebin")
        decoder.connect("pad-added", self.show)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def show(self, _: Any, pad: Any) -> None:
        name, chain = (
            ("pictures", PICTURE) if "video" in pad.query_caps(None).to_string() else ("sound", SOUND)
        )
        sink = gst.parse_bin_from_description(f"queue ! {chain} ! appsink name=out emit-signals=true", True)
        sink.get_by_name("out").connect("new-sample", self.take, name)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def take(self, sink: Any, name: str) -> Any:
        """Note one buffer that was due now, with its place in the presentation."""
        sample = sink.emit("pull-sample")
        buffer = sample.get_buffer()
        place = sample.get_segment().to_stream_time(gst.Format.TIME, buffer.pts)
        data = buffer.extract_dup(0, buffer.get_size())
        with self.lock:
            self.media[name].write(data)
            line = {"epoch": self.epoch, "name": name, "pts": place / gst.SECOND, "size": len(data)}
            self.buffers.write(json.dumps({**line, "at": monotonic()}) + "\n")
            if name == "pictures":
                self.shown += 1
            else:
                self.heard += len(data) / SOUND_BYTES_A_SECOND
        return OK

    def wait(self, kinds: Any, seconds: float) -> Any:
        """The next message of these kinds, None when the time is up; an error ends the program."""
        bus = self.pipeline.get_bus()
        message = bus.timed_pop_filtered(int(seconds * gst.SECOND), kinds | gst.MessageType.ERROR)
        if message is not None and message.type == gst.MessageType.ERROR:
            sys.exit(" ".join(map(str, message.parse_error())))
        return message

    def expect(self, kind: Any) -> None:
        if self.wait(kind, PATIENCE) is None:
            sys.exit(f"no {gst.MessageType.get_name(kind)} within {PATIENCE} s")

    def await_pictures(self, count: int) -> None:
        """Wait for so many, behind the last seek and those that were waited for."""
        deadline = monotonic() + PATIENCE
        while self.shown < count:
            if monotonic() > deadline:
                sys.exit(f"only {self.shown} of {count} pictures within {PATIENCE} s")
            self.wait(gst.MessageType.ERROR, 0.02)
        with self.lock:
            self.shown -= count

    def await_sound(self, seconds: float) -> None:
        deadline = monotonic() + PATIENCE
        while self.heard < seconds:
            if monotonic() > deadline:
                sys.exit(f"no {seconds} s of sound within {PATIENCE} s")
            self.wait(gst.MessageType.ERROR, 0.02)

    def step(self, name: str, number: float) -> None:
        if name == "end":
            self.expect(gst.MessageType.EOS)
        elif name == "hear":
            self.await_sound(number)
        elif name == "run":
            self.await_pictures(1)
            self.wait(gst.MessageType.ERROR, number)
        elif name == "show":
            self.await_pictures(int(number))
        elif name == "pause":
            self.pipeline.set_state(gst.State.PAUSED)
            self.wait(gst.MessageType.ERROR, number)
            self.pipeline.set_state(gst.State.PLAYING)
        elif name == "seek":
            flags = gst.SeekFlags.FLUSH | gst.SeekFlags.KEY_UNIT
            if not self.pipeline.seek_simple(gst.Format.TIME, flags, int(number * gst.SECOND)):
                sys.exit(f"seek to {number} s failed")
            # What was before is flushed now, and what follows is still on its way.
            self.turn()
        elif name in ("speed", "skip"):
            self.change_rate(number, gst.SeekFlags.SKIP if name == "skip" else gst.SeekFlags.NONE)
        else:
            sys.exit(f"unknown step {name}")

    def change_rate(self, rate: float, flags: Any) -> None:
        _, place = self.pipeline.query_position(gst.Format.TIME)
        flags |= gst.SeekFlags.FLUSH
        until = gst.SeekType.NONE, -1
        if not self.pipeline.seek(rate, gst.Format.TIME, flags, gst.SeekType.SET, place, *until):
            sys.exit(f"a rate of {rate} failed")
        self.turn()

    def turn(self) -> None:
        """What is shown from here on is another epoch."""
        with self.lock:
            self.epoch += 1
            self.shown = 0

    def close(self) -> None:
        self.pipeline.set_state(gst.State.NULL)
        self.buffers.close()
        for file in self.media.values():
            file.close()


def main(url: str, protocol: str, folder: str, *steps: str) -> None:
    gst.init(None)
    player = Player(url, protocol, Path(folder))
    if steps[0].startswith("trust "):
        player.trust(steps[0].removeprefix("trust "))
        steps = steps[1:]
    player.pipeline.set_state(gst.State.PLAYING)
    for step in steps:
        name, _, number = step.partition(" ")
        player.step(name, float(number or 0))
    player.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
