"""Play one file of one server: `python clientlauncher.py 127.0.0.1 8000 5001 movie.Mjpeg`, or without arguments."""

from __future__ import annotations

import sys


def main() -> None:
    """Open the player, ready for Setup."""
    try:
        from reelcast.cli.play import show
        from reelcast.errors import ReelcastError
        from reelcast.player.launcher import parse
    except ModuleNotFoundError as error:
        from server import run_in_environment

        run_in_environment(__file__, error)
        return
    try:
        show(parse(sys.argv[1:]))
    except ReelcastError as error:
        sys.exit(f"clientlauncher.py: {error.line}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT
