"""The house: no room imports upward or in a circle, and what must stay in one room does."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "reelcast"
HEIGHT = {
    "errors": 0,
    "given": 0,
    "track": 0,
    "rtsp": 1,
    "sdp": 1,
    "rtp": 2,
    "media": 3,
    "net": 4,
    "server": 5,
    "client": 5,
    "load": 6,
    "archive": 6,
    "station": 7,
    "player": 7,
    "cli": 8,
    "__init__": 9,
    "__main__": 9,
}
MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@cache
def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_from_below(path: Path) -> None:
    room = room_of(path)
    for name in imports_of(path):
        if name.startswith("reelcast."):
            other = name.split(".")[1]
            assert other == room or HEIGHT[other] < HEIGHT[room], f"{room} imports {name}"


@pytest.mark.parametrize(
    ("package", "rooms"),
    [
        ("av", {"media"}),
        ("ctypes", {"net"}),
        ("socket", {"net", "server", "client", "load", "station"}),
        ("asyncio", {"net", "server", "client", "load", "archive", "station", "player", "cli"}),
        ("typer", {"cli"}),
        ("rich", {"cli", "load"}),
        ("sqlite3", {"archive"}),
        ("tomllib", {"station"}),
        ("PySide6", {"player"}),
        ("pyqtgraph", {"player"}),
        ("miniaudio", {"player"}),
    ],
)
def test_what_belongs_to_some_rooms_stays_there(package: str, rooms: set[str]) -> None:
    users = {
        room_of(path)
        for path in MODULES
        if any(name == package or name.startswith(package + ".") for name in imports_of(path))
    }
    assert users <= rooms


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    names = {
        ".".join(("reelcast", *path.relative_to(SOURCE).with_suffix("").parts)): path for path in MODULES
    }
    graph = {name: imports_of(path) & names.keys() for name, path in names.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*above, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_importing_reelcast_is_cheap() -> None:
    code = "import sys, reelcast; print({'av', 'asyncio', 'numpy', 'typer', 'PySide6'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"


def test_the_client_loads_decoders_when_it_decodes() -> None:
    code = "import sys, reelcast.client.sync; print({'av', 'numpy'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "set()"


def test_what_is_loaded_later_is_seen_at_once() -> None:
    code = "import reelcast; print(set(reelcast.__all__) - set(dir(reelcast))); help(reelcast)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.startswith("set()\n")
    assert "\n    connect(url: 'str', " in printed
    assert "\n    class Server(builtins.object)\n" in printed
