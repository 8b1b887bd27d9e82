"""Fuzz for some time: `python -m scripts.fuzz --seconds 60 [TARGET ...]`, all targets where none is named.

Each runs under atheris in a process of its own, from the corpus of the tests' tables and of the runs before, which
grows in build/fuzz/corpus. What breaks a promise is kept in build/fuzz/found; `--repeat FILE` tries it again.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path

from scripts.fuzz.corpus import seeds
from scripts.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
MAX_BYTES = 4096
UNIT_SECONDS = 5
"""What takes longer for one input is a finding too."""
MEMORY_MB = 1024


def main() -> int:
    """Run what was asked for; the number of targets that something was found in."""
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--repeat", type=Path, help="one input, without atheris: the traceback it gives")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if arguments.repeat is not None:
        for name in arguments.targets or TARGETS:
            TARGETS[name](arguments.repeat.read_bytes())
        return 0
    failed = [name for name in arguments.targets or TARGETS if not _fuzz(name, arguments.seconds)]
    print(f"found something in: {', '.join(failed)}" if failed else "found nothing", flush=True)
    return len(failed)


def _fuzz(name: str, seconds: int) -> bool:
    """One target in a process of its own; whether all promises held."""
    corpus, found = BUILD / "corpus" / name, BUILD / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for data in seeds(name):
        (corpus / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    options = {
        "max_total_time": seconds,
        "max_len": MAX_BYTES,
        "timeout": UNIT_SECONDS,
        "rss_limit_mb": MEMORY_MB,
        "artifact_prefix": f"{found}/{name}-",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    flags = [f"-{option}={value}" for option, value in options.items()]
    command = [sys.executable, "-m", "scripts.fuzz.one", name, *flags, str(corpus)]
    run = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=ROOT
    )
    counts = [line.split()[-1] for line in run.stdout.splitlines() if "number_of_executed_units" in line]
    outcome = "something was FOUND" if run.returncode else "all well"
    print(f"{name}: {counts[0] if counts else '?'} inputs, {outcome}", flush=True)
    if run.returncode:
        print(run.stdout, flush=True)
    return run.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
