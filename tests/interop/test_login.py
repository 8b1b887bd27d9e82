"""The client at the door of gst-rtsp-server, which asks for each request who it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.peers import DEBIAN_PYTHON, waiting_lines

from reelcast.client.dialogue import Dialogue
from reelcast.client.redirection import describe
from reelcast.client.transcript import Utterance
from reelcast.errors import AuthenticationError
from reelcast.rtsp.authentication import Credentials
from reelcast.sdp import parse

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

GST_SERVER = Path(__file__).with_name("gst_server.py")
TIMEOUT = 20.0
LOGIN = "admin:p%40ss%3Aw%2Frd@"


@pytest.fixture(params=["basic", "digest"])
def address(request: pytest.FixtureRequest, short_movie: Path) -> Iterator[tuple[str, str]]:
    """How it asks, and where it is."""
    with waiting_lines(1, DEBIAN_PYTHON, GST_SERVER, short_movie, request.param) as (port,):
        yield request.param, f"127.0.0.1:{port}/movie"


async def converse(dialogue: Dialogue, description: bytes) -> bytes:
    """SETUP of one track, PLAY, signs of life, TEARDOWN; the first packet."""
    base = dialogue.url.base(None)
    control = parse(description).media[0].attribute("control") or "*"
    first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    dialogue.channels[0] = lambda frames: None if first.done() else first.set_result(frames[0])
    offer = ("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1")
    await dialogue.demand("SETUP", base.join(control).request_uri, [offer])
    await dialogue.demand("PLAY", base.request_uri)
    await dialogue.demand("GET_PARAMETER", base.request_uri)
    await dialogue.demand("OPTIONS", base.request_uri)
    packet = await asyncio.wait_for(first, TIMEOUT)
    await dialogue.demand("TEARDOWN", base.request_uri)
    return packet


async def test_who_says_who_it_is_is_served(address: tuple[str, str]) -> None:
    way, place = address
    told: list[Utterance] = []
    dialogue, response = await describe(f"rtsp://{LOGIN}{place}", TIMEOUT, on_message=told.append)
    packet = await converse(dialogue, response.body)
    dialogue.close()
    assert packet[0] >> 6 == 2
    answers = [line.text.partition("\n")[0] for line in told if not line.sent]
    # It is asked once, and never again.
    assert [answer for answer in answers if "200 OK" not in answer] == ["RTSP/1.0 401 Unauthorized"]
    assert f"Authorization: {way.capitalize()} ***" in told[-2].text


@pytest.mark.parametrize(
    "credentials", [None, Credentials("admin", "wrong"), Credentials("nobody", "p@ss:w/rd")]
)
async def test_others_are_not(address: tuple[str, str], credentials: Credentials | None) -> None:
    _, place = address
    with pytest.raises(AuthenticationError) as caught:
        await describe(f"rtsp://{place}", TIMEOUT, credentials=credentials)
    assert caught.value.peer == place.partition("/")[0]
