"""The command `reelcast`, also as `python -m reelcast`."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Load the verbs and run one; Ctrl-C ends it without a traceback, also while they are being loaded."""
    try:
        from reelcast.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
