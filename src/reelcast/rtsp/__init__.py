"""RTSP: messages, headers and states, without I/O: bytes in, events out (RFC 2326)."""
