"""The benchmark of clients: its pure parts, the cameras that are half dead, and one watch of a stream."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripts.bench.client_report import camera_section, client_section, cpu_seconds, first_frame, headline
from scripts.bench.clients import EVERYBODY, measure_clients
from scripts.bench.dead_cameras import half_working, silent
from scripts.bench.lossy_server import Losses
from scripts.bench.plots import draw
from scripts.bench.programme import Result
from scripts.bench.report import markdown
from scripts.bench.rows import OURS
from scripts.bench.servers import Movies
from scripts.bench.watchers import OPENCV, PYAV, TASKS, TIMED_PYAV, Frames, Image, Watch, judge
from scripts.movies.marks import draw_mark

import reelcast
from reelcast.client.stream import Transport
from reelcast.errors import DeadlineError
from reelcast.net.messages import Destination, MessageSocket

SPEED = {"first_s": [0.3, 0.1, 0.2], "frames": 500, "cpu_s": 2.0}
HUNG = {"hung": True}
DEAD = {
    OURS: {"ended_s": 10.0, "said": "no `media`", "hung": False},
    OPENCV: HUNG,
    TIMED_PYAV: {"ended_s": 5.0},
}
LOSS = {
    OURS: {"shown": 400, "flagged": 200, "torn": 0},
    OPENCV: {"shown": 450, "flagged": 0, "torn": 249},
    PYAV: HUNG,
}
RESTART = {OURS: {"back_s": 1.25, "hung": True}, PYAV: {"back_s": None, "said": "the end"}}


def of_clients(case: str, figures: dict[str, Any]) -> Result:
    return Result("clients", case, EVERYBODY, 1, 0, figures)


def everything() -> list[Result]:
    cameras = {"cpu_s": 4.0, "seconds": 10.0, "open_s": 1.0, "bytes": 160e6, "lost": 0, "dropped": 0}
    return [
        of_clients("ours-udp", {OURS: SPEED, OPENCV: {**SPEED, "cpu_s": 1.0}}),
        of_clients("gst-tcp", {OURS: {"hung": True}, OPENCV: {"hung": True}}),
        of_clients("dead", {"silent": DEAD, "half": DEAD}),
        of_clients("loss", LOSS),
        of_clients("restart", RESTART),
        Result("cameras", "udp", OURS, 64, 0, cameras),
        Result("cameras", "tcp", OURS, 64, 0, {"failure": "no"}),
    ]


def test_figures_of_one_client() -> None:
    assert first_frame(SPEED) == 0.2
    assert cpu_seconds(SPEED) == 1.0
    assert first_frame(HUNG) is None
    assert cpu_seconds(HUNG) is None


def test_the_page_tells_of_clients() -> None:
    page = markdown(everything(), {"Machine": "one"}, ["cost-curve.svg", "clients.svg"])
    for line in (
        "| first frame, ms: our server, UDP | 200 | 200 | – |",
        "| CPU s for 10 s: our server, UDP | 1 | 0.5 | – |",
        "| a half-working one: error after, s | 10 | none in 35 | – |",
        "| 2 % loss: torn, and not said | 0 | 249 | – |",
        "| server restarted: next frame after, s | 1.25 | – | never |",
        "Of CPU time, reelcast takes 2.00 times what OpenCV does.",
        "- a silent camera, reelcast, after 10 s: `no 'media'`",
        "- the server's restart, PyAV: `the end`",
        "| UDP | 64 | 128 | 0.40 | 1 | 0 | 0 |",
    ):
        assert line in page
    assert page.index("## The table") < page.index("plots/cost-curve.svg") < page.index("## Clients")
    assert page.index("## Clients") < page.index("plots/clients.svg")


def test_a_page_without_clients() -> None:
    failed = of_clients("dead", {"failure": "there was no camera"})
    assert client_section([failed], []) == ""
    assert camera_section([failed]) == ""


def test_a_line_for_each_run() -> None:
    found = {result.case: headline(result) for result in everything()}
    assert found["ours-udp"] == "reelcast 1 CPU s for 10 s, OpenCV 0.5 CPU s for 10 s"
    assert found["dead"] == "half-working: reelcast 10 s, OpenCV none in 35 s, PyAV, timeout=5 5 s"
    assert (
        found["loss"]
        == "reelcast 0 torn frames unsaid, OpenCV 249 torn frames unsaid, PyAV – torn frames unsaid"
    )
    assert found["restart"] == "reelcast back after 1.25, PyAV back after never"
    assert headline(everything()[-2]) == "0.40 cores, 0 packets lost"


@pytest.mark.parametrize(
    ("count", "names"), [(1, ["clients.svg"]), (9, ["clients.svg", "clients-in-trouble.svg"]), (0, [])]
)
def test_pictures_of_what_there_is(tmp_path: Path, count: int, names: list[str]) -> None:
    assert draw(everything()[:count], tmp_path) == names
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def marked(number: int, shade: int) -> Image:
    image = np.full((192, 320), shade, np.uint8)
    draw_mark(image, number)
    return image


def test_torn_pictures_are_found() -> None:
    originals = [marked(number, 40 * number) for number in range(3)]
    torn, other = originals[2].copy(), marked(9, 0)
    torn[:96] = 255
    noisy = np.minimum(originals[1], 254) + 1
    shots = [(originals[0], False), (noisy, False), (torn, False), (torn, True), (other, False)]
    assert judge(shots, originals) == {"shown": 5, "flagged": 1, "torn": 2}


@pytest.mark.parametrize(("camera", "step"), [(silent, "OPTIONS"), (half_working, "first packet")])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_dead_cameras(
    camera: Callable[[], AbstractContextManager[str]], step: str, transport: Transport
) -> None:
    with camera() as url, pytest.raises(DeadlineError) as caught:
        reelcast.open(url, transport=transport, timeout=0.5)
    assert caught.value.step == step


def test_everybody_loses_the_same_media(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Destination, bytes]] = []

    def send(_: MessageSocket, packet: bytes, destination: Destination) -> None:
        sent.append((destination, packet))

    monkeypatch.setattr(MessageSocket, "send", send)
    losses = Losses(20.0)
    places = [Destination(socket.AF_INET, ("127.0.0.1", port)) for port in (5000, 5002)]
    packets = [bytes((0x80, 96, number)) for number in range(100)]
    report = bytes((0x80, 200, 0, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        messages = MessageSocket(sock)
        for packet in packets:
            for place in places:
                losses.send(messages, packet, place)
                losses.send(messages, report, place)
    first, second = ([packet for to, packet in sent if to is place] for place in places)
    assert first == second
    assert first.count(report) == len(packets)
    assert 60 <= len(first) - len(packets) <= 95


def some_frames(count: int) -> Frames:
    for number in range(count):
        yield np.zeros((2, 2, 3), np.uint8), number == 1


def test_a_watch_that_ends() -> None:
    watch = Watch(lambda: some_frames(3), 10.0)
    figures = watch.run(TASKS["collect"])
    assert figures["said"] == "the end"
    assert not figures["hung"]
    assert [corrupt for _, corrupt in watch.shots] == [False, True, False]


def failing(error: Exception) -> Frames:
    yield from some_frames(1)
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [(EOFError("read() returns False"), "read() returns False"), (OSError("gone"), "OSError: gone")],
)
def test_a_watch_that_fails(error: Exception, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    figures = Watch(lambda: failing(error), 10.0).run(TASKS["survive"])
    assert figures["said"] == said
    assert len(figures["first_s"]) == 1
    assert capsys.readouterr().out == "ready\n"


def test_a_watch_that_hangs() -> None:
    def hang() -> Generator[tuple[Image, bool], None, None]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(0.5)
            server.accept()
        yield from some_frames(1)

    figures = Watch(hang, 0.01).run(TASKS["wait"])
    assert figures == {"hung": True}


def test_the_speed_of_a_watch() -> None:
    figures = Watch(lambda: some_frames(1_000_000_000), 0.03).run(TASKS["speed"])
    assert figures["hung"] or (len(figures["first_s"]) == 3 and figures["frames"] > 0)


def test_a_server_that_does_not_start(tmp_path: Path) -> None:
    missing = Movies(tmp_path / "hd.mp4", tmp_path / "sd.mp4")
    assert "failure" in measure_clients("ours-tcp", missing, 0.1)
