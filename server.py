"""Serve the folder that this file stands in: `python server.py 8000` prints the URL of each movie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Serve until a signal ends it."""
    try:
        from reelcast.cli.serve import Serving, run
        from reelcast.errors import ReelcastError
        from reelcast.station.toml_file import Flags
    except ModuleNotFoundError as error:
        run_in_environment(__file__, error)
        return
    port = _port(sys.argv[1:] or ["8554"])
    if port is None:
        sys.exit("usage: python server.py [PORT]")
    try:
        run(Serving(flags=Flags({"listen": {"port": port}, "paths": {"/": {"file": HERE}}})))
    except ReelcastError as error:
        sys.exit(f"server.py: {error.line}")


def _port(arguments: list[str]) -> int | None:
    """The one argument, None where it is no port."""
    text = arguments[0]
    if len(arguments) > 1 or not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text) if int(text) <= 65_535 else None


def run_in_environment(script: str, error: ModuleNotFoundError) -> None:
    """Run a script anew in the environment that make has made, where reelcast and what it needs are installed."""
    folder = HERE / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    python = folder / "python"
    if Path(sys.prefix) == HERE / ".venv" or not python.exists():
        sys.exit(f"{Path(script).name}: {error}; run `make demo` first, or `pip install reelcast`")
    os.execv(python, [str(python), script, *sys.argv[1:]])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT
