"""Recordings on disk: what a server keeps of its live streams, and where to find it again."""
