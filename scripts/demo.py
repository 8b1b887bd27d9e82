"""The main job, shown: a server for the sample movies, and a player that plays one of them to its end.

Where there is no display it plays without a window, and leaves a picture of the movie.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from reelcast import player

ROOT = Path(__file__).resolve().parents[1]
MOVIES = ("movie.Mjpeg", "movie.mp4")
SNAPSHOT = Path("build") / "snapshot.jpg"
PORT = 8554
STOP_SECONDS = 5.0
COMMAND = [sys.executable, "-m", "reelcast"]


def main() -> int:
    port = PORT if _is_free(PORT) else 0
    serving = [*COMMAND, "serve", *MOVIES, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(serving, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        urls = [server.stdout.readline().strip() for _ in MOVIES]
        if not all(urls):
            return server.wait() or 1
        print("Serving", *urls, sep="\n  ")
        print("Playing the last of them; any player can do the same.", flush=True)
        try:
            code = _play(urls[-1])
        finally:
            server.send_signal(signal.SIGINT)
        return server.wait(STOP_SECONDS) or code


def _play(url: str) -> int:
    """Play it to its end; the exit code."""
    reason = player.available()
    if reason is None:
        return player.run(player.Source(url), leave_at_end=True)
    print(f"({reason}: playing without a window)", flush=True)
    code = subprocess.run([*COMMAND, "play", "--headless", url], check=False).returncode
    (ROOT / SNAPSHOT).parent.mkdir(exist_ok=True)  # a fresh clone has built nothing yet
    shot = [*COMMAND, "snapshot", url, str(SNAPSHOT)]
    return code or subprocess.run(shot, cwd=ROOT, check=False).returncode


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    sys.exit(main())
