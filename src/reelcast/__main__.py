"""`python -m reelcast` is the command `reelcast`."""

from __future__ import annotations

from reelcast.cli.main import main

if __name__ == "__main__":
    main()
