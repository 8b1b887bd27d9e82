"""Make the sample movies: `python scripts/make_movies.py [--out DIR] [--only NAME ...] [--force]`.

Without --only it makes the two that the quick start uses, movie.Mjpeg and movie.mp4. A movie that is there
and newer than the code that draws it is left alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts.movies.encode import Mjpeg, Mp4
from scripts.movies.scene import FRAMES

ROOT = Path(__file__).resolve().parents[1]

__all__ = ["MOVIES", "SAMPLES", "main", "make"]

SAMPLES = ("movie.Mjpeg", "movie.mp4")

MOVIES: dict[str, Mjpeg | Mp4] = {
    "movie.Mjpeg": Mjpeg(384, 288, quality=70),
    "movie.mp4": Mp4(640, 360, bit_rate=700_000, gop=50),
    "movie-bframes.mp4": Mp4(640, 360, bit_rate=700_000, gop=50, b_frames=3),
    # 2 and 8 Mbit/s of video: x264 ends 2 % above what it is asked for on a movie as short as these.
    "bench-720p.mp4": Mp4(1280, 720, bit_rate=1_960_000, gop=50, grain=3, preset="superfast"),
    "bench-1080p.mp4": Mp4(1920, 1080, bit_rate=7_840_000, gop=25, grain=5, preset="superfast"),
}


def make(name: str, out: Path, *, force: bool = False) -> Path:
    """Make one movie in the folder `out`, if it is missing or older than its code; say so in a line."""
    path = out / name
    code = max(source.stat().st_mtime for source in (Path(__file__), *(ROOT / "scripts/movies").glob("*.py")))
    if path.exists() and path.stat().st_mtime >= code and not force:
        print(f"{path}: is there")
        return path
    out.mkdir(parents=True, exist_ok=True)
    start = monotonic()
    MOVIES[name].write(path, FRAMES)
    print(f"{path}: {FRAMES} frames, {path.stat().st_size:,} bytes, made in {monotonic() - start:.1f} s")
    return path


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make the sample movies.")
    parser.add_argument(
        "--out", type=Path, default=ROOT, metavar="DIR", help="where to (the repository's root)"
    )
    parser.add_argument(
        "--only", nargs="+", choices=MOVIES, default=SAMPLES, metavar="NAME", help=", ".join(MOVIES)
    )
    parser.add_argument("--force", action="store_true", help="make them again")
    options = parser.parse_args(arguments)
    for name in options.only:
        make(name, options.out, force=options.force)


if __name__ == "__main__":
    main()
