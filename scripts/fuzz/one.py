"""One target under atheris: `python -m scripts.fuzz.one TARGET`, then the options of libFuzzer.

The product is imported here and nowhere before, so that atheris sees which of its branches an input takes.
"""

from __future__ import annotations

import importlib
import sys


def main() -> None:
    """Fuzz until the time is over or a promise is broken; never returns."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["reelcast"]):
        targets = importlib.import_module("scripts.fuzz.targets")
    program, name, *options = sys.argv
    atheris.Setup([program, *options], targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
