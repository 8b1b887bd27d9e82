"""DESCRIBE, and where redirections lead; who asks is said where it is meant for alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.client.scripted import CREDENTIALS, LOGIN, SDP, ScriptedServer, guard, reply, with_login

from reelcast.client.dialogue import Dialogue
from reelcast.client.redirection import MAX_REDIRECTIONS, describe
from reelcast.errors import AuthenticationError, ProtocolError, ReelcastError, RemoteError, TransportError
from reelcast.rtsp.authentication import Credentials


@pytest.mark.parametrize(
    ("url", "error", "text"),
    [
        ("http://host/", ProtocolError, "no RTSP URL"),
        ("/movie", ProtocolError, "'/movie' is no RTSP URL"),
        (
            "rtsp://127.0.0.1:1/x",
            TransportError,
            "^rtsp://127.0.0.1:1/x: cannot connect: Connection refused$",
        ),
    ],
)
async def test_no_connection(url: str, error: type[ReelcastError], text: str) -> None:
    with pytest.raises(error, match=text):
        await describe(url, 5.0)


async def test_describe(server: ScriptedServer) -> None:
    dialogue, response = await describe(server.url.replace("//", "//user:secret@"), 5.0)
    dialogue.close()
    assert response.body == SDP
    assert server.methods == ["OPTIONS", "DESCRIBE"]
    assert server.requests[1].uri == server.url
    assert server.asked("DESCRIBE")[0].get("Accept") == "application/sdp"
    assert "PLAY" in dialogue.public


async def test_describe_where_options_is_refused(server: ScriptedServer) -> None:
    server.answers["OPTIONS"] = reply(501)
    dialogue, response = await describe(server.url, 5.0)
    dialogue.close()
    assert response.status == 200


async def test_describe_refused(server: ScriptedServer) -> None:
    server.answers["DESCRIBE"] = reply(404)
    with pytest.raises(RemoteError, match="404") as caught:
        await describe(server.url, 5.0)
    assert str(caught.value) == f"{server.url}: the server answered 404 Not Found to DESCRIBE"
    assert caught.value.peer == f"127.0.0.1:{server.port}"
    assert caught.value.advice.startswith("check the path of the URL")


async def test_redirections(server: ScriptedServer) -> None:
    """Conformance M16."""
    async with ScriptedServer() as other:
        server.answers["DESCRIBE"] = reply(302, ("Location", other.url))
        dialogue, response = await describe(server.url, 5.0)
        dialogue.close()
        assert dialogue.url.port == other.port
        assert response.status == 200


async def test_a_circle_of_redirections(server: ScriptedServer) -> None:
    """Conformance M16."""
    server.answers["DESCRIBE"] = reply(301, ("Location", server.url))
    with pytest.raises(ReelcastError, match="redirected more than 5 times"):
        await describe(server.url, 5.0)
    assert server.connections == MAX_REDIRECTIONS + 1


async def test_redirection_to_nowhere(server: ScriptedServer) -> None:
    server.answers["DESCRIBE"] = reply(302)
    with pytest.raises(RemoteError, match="302"):
        await describe(server.url, 5.0)


@pytest.mark.parametrize(
    ("url", "credentials"), [(f"rtsp://{LOGIN}127.0.0.1", None), ("rtsp://127.0.0.1", CREDENTIALS)]
)
@pytest.mark.parametrize(("host", "carried"), [("127.0.0.1", True), ("localhost", False)])
async def test_credentials_stay_with_their_host(
    server: ScriptedServer, url: str, credentials: Credentials | None, host: str, carried: bool
) -> None:
    async with ScriptedServer() as other:
        guard(other, 'Basic realm="r"', accept=bool)
        server.answers["DESCRIBE"] = reply(302, ("Location", f"rtsp://{host}:{other.port}/there"))
        try:
            dialogue, _ = await describe(f"{url}:{server.port}/here", 5.0, credentials=credentials)
            dialogue.close()
        except AuthenticationError:
            pass
        assert any("Authorization" in request.headers for request in other.requests) is carried


async def test_a_redirection_may_bring_its_own(server: ScriptedServer) -> None:
    async with ScriptedServer() as other:
        guard(other, 'Basic realm="r"', accept=bool)
        server.answers["DESCRIBE"] = reply(302, ("Location", with_login(other.url)))
        dialogue, _ = await describe(server.url, 5.0)
        dialogue.close()


async def test_no_way_from_encrypted_to_open(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance M16."""
    plain = asyncio.get_running_loop().create_connection

    async def connect(factory: Callable[[], Dialogue], host: str, port: int, **encryption: object) -> object:
        assert encryption["ssl"] is not None
        return await plain(factory, host, port)

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    server.answers["DESCRIBE"] = reply(302, ("Location", server.url))
    with pytest.raises(ProtocolError, match="unencrypted"):
        await describe(server.url.replace("rtsp:", "rtsps:"), 5.0)
