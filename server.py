"""Serve the folder that this file stands in: `python server.py 8000` prints the URL of each movie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    try:
        from reelcast.cli.serve import serve_paths
        from reelcast.errors import ReelcastError
    except ModuleNotFoundError as error:
        _run_in_environment(error)
        return
    if len(sys.argv) > 2 or not all(argument.isdigit() for argument in sys.argv[1:]):
        sys.exit("usage: python server.py [PORT]")
    try:
        serve_paths([HERE], port=int(sys.argv[1]) if len(sys.argv) == 2 else 8554)
    except ReelcastError as error:
        sys.exit(f"server.py: {error}")


def _run_in_environment(error: ModuleNotFoundError) -> None:
    """Go on in the environment that make has made, where reelcast and what it needs are installed."""
    folder = HERE / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    python = folder / "python"
    if Path(sys.prefix) == HERE / ".venv" or not python.exists():
        sys.exit(f"server.py: {error}; run `make demo` first, or `pip install reelcast`")
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


if __name__ == "__main__":
    main()
