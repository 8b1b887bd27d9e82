"""The load generator: many RTSP readers in one process, cheap enough to measure servers with."""
