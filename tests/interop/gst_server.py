"""Serve one MP4 with gst-rtsp-server at /movie; a program of its own, for Debian's Python, which has GStreamer.

usage: gst_server.py FILE    prints its port in a line, and serves until it is killed
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

PIPELINE = (
    '( filesrc location="{path}" ! qtdemux name=demux'
    " demux. ! queue ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1"
    " demux. ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )"
)


def main(path: str) -> None:
    gi: Any = import_module("gi")
    for name in ("Gst", "GstRtspServer"):
        gi.require_version(name, "1.0")
    glib: Any = import_module("gi.repository.GLib")
    gst: Any = import_module("gi.repository.Gst")
    rtsp: Any = import_module("gi.repository.GstRtspServer")
    gst.init(None)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(path=path))
    server.get_mount_points().add_factory("/movie", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    glib.MainLoop().run()


if __name__ == "__main__":
    main(sys.argv[1])
