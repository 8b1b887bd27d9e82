"""The main job, shown: a server for the sample movies, and a reader that plays one of them to its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOVIES = ("movie.Mjpeg", "movie.mp4")
PORT = 8554
STOP_SECONDS = 5.0


def main() -> int:
    command = [sys.executable, "-m", "reelcast"]
    port = PORT if _is_free(PORT) else 0
    serving = [*command, "serve", *MOVIES, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(serving, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        urls = [server.stdout.readline().strip() for _ in MOVIES]
        if not all(urls):
            return server.wait() or 1
        print("Serving", *urls, sep="\n  ")
        print("Reading the last of them; any player can do the same.", flush=True)
        try:
            code = subprocess.run([*command, "play", "--headless", urls[-1]], check=False).returncode
        finally:
            server.send_signal(signal.SIGINT)
        return server.wait(STOP_SECONDS) or code


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    sys.exit(main())
