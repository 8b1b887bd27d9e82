"""Serve one file with gst-rtsp-server at /movie; a program of its own, for Debian's Python, which has GStreamer.

usage: gst_server.py FILE [WAY [PIPELINE [PORT]]]    prints its port in a line, and serves until it is killed

WAY is how to ask for a name, basic or digest, if at all: then only user "admin" with password "p@ss:w/rd" is
served. PIPELINE stands between file and network; that of an MP4 with H.264 and AAC if it is not given. Where
FILE is empty it is all there is: a live source, one for all readers. PORT is a free one if it is not given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

PIPELINE = (
    "qtdemux name=demux"
    " demux. ! queue ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1"
    " demux. ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97"
)
USER, PASSWORD = "admin", "p@ss:w/rd"


def guard(rtsp: Any, server: Any, factory: Any, way: str) -> None:
    """Let nobody in but one."""
    auth = rtsp.RTSPAuth()
    token = rtsp.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    methods: Any = import_module("gi.repository.GstRtsp").RTSPAuthMethod
    if way == "basic":
        auth.add_basic(rtsp.RTSPAuth.make_basic(USER, PASSWORD), token)
    else:
        auth.set_supported_methods(methods.DIGEST)
        auth.add_digest(USER, PASSWORD, token)
    server.set_auth(auth)
    permissions = rtsp.RTSPPermissions()
    for permission in ("access", "construct"):
        permissions.add_permission_for_role("viewer", f"media.factory.{permission}", True)
    factory.set_permissions(permissions)


def serve(furnish: Callable[[Any, Any, Any], None], port: str = "0") -> None:
    """Serve what `furnish` makes of GstRtspServer, a server and a factory, at /movie, until it is killed."""
    gi: Any = import_module("gi")
    for name in ("Gst", "GstRtsp", "GstRtspServer"):
        gi.require_version(name, "1.0")
    glib: Any = import_module("gi.repository.GLib")
    gst: Any = import_module("gi.repository.Gst")
    rtsp: Any = import_module("gi.repository.GstRtspServer")
    gst.init(None)
    server = rtsp.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = rtsp.RTSPMediaFactory()
    furnish(rtsp, server, factory)
    server.get_mount_points().add_factory("/movie", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    glib.MainLoop().run()


def main(path: str, way: str = "", pipeline: str = PIPELINE, port: str = "0") -> None:
    def furnish(rtsp: Any, server: Any, factory: Any) -> None:
        factory.set_launch(f'( filesrc location="{path}" ! {pipeline} )' if path else f"( {pipeline} )")
        factory.set_shared(not path)
        if way:
            guard(rtsp, server, factory, way)

    serve(furnish, port)


if __name__ == "__main__":
    main(*sys.argv[1:])
