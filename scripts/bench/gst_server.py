"""gst-rtsp-server as its users run it; a program of its own, for Debian's Python, which has GStreamer.

usage: gst_server.py HD.mp4 SD.mp4

Serves /hd (live, video only) and /sd (live), each one pipeline shared by all, and /vod, a pipeline for each reader.
Prints its port in a line, and serves until it is killed. All media runs in GStreamer's own threads: Python only
starts its main loop.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

VIDEO = (
    '( filesrc location="{path}" ! qtdemux name=demux'
    " demux. ! queue ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1 "
)
AUDIO = " demux. ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 "
BACKLOG = 1024
"""Connections that wait to be accepted: 200 come in a second."""


def main(hd: str, sd: str) -> None:
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
    server.set_backlog(BACKLOG)
    for name, path, tracks, shared in (
        ("/hd", hd, VIDEO, True),
        ("/sd", sd, VIDEO + AUDIO, True),
        ("/vod", sd, VIDEO + AUDIO, False),
    ):
        factory = rtsp.RTSPMediaFactory()
        factory.set_launch(tracks.format(path=path) + ")")
        factory.set_shared(shared)
        server.get_mount_points().add_factory(name, factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    glib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:3])
