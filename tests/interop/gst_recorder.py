"""A gst-rtsp-server that is published to at /movie; a program of its own, for Debian's Python, with GStreamer.

usage: gst_recorder.py H264 AAC    prints its port in a line, and serves until it is killed

The first track is written to the file H264 as Annex B, the second to the file AAC in ADTS.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

PIPELINE = (
    "( rtph264depay name=depay0 ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream"
    " ! filesink sync=false location={video}"
    " rtpmp4gdepay name=depay1 ! aacparse ! audio/mpeg,stream-format=adts"
    " ! filesink sync=false location={audio} )"
)


def main(video: str, audio: str) -> None:
    gi: Any = import_module("gi")
    for name in ("Gst", "GstRtsp", "GstRtspServer"):
        gi.require_version(name, "1.0")
    glib: Any = import_module("gi.repository.GLib")
    gst: Any = import_module("gi.repository.Gst")
    rtsp: Any = import_module("gi.repository.GstRtspServer")
    gst.init(None)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(video=video, audio=audio))
    factory.set_transport_mode(rtsp.RTSPTransportMode.RECORD)
    factory.set_latency(200)
    server.get_mount_points().add_factory("/movie", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    glib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
