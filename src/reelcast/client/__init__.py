"""The client: the RTSP conversation, and the stream of coded frames that comes of it."""
