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
    def furnish(rtsp: Any, _: Any, factory: Any) -> None:
        factory.set_launch(PIPELINE.format(video=video, audio=audio))
        factory.set_transport_mode(rtsp.RTSPTransportMode.RECORD)
        factory.set_latency(200)

    # Beside this file, where a program of its own finds it.
    gst_server: Any = import_module("gst_server")
    gst_server.serve(furnish)


if __name__ == "__main__":
    main(*sys.argv[1:])
