"""DESCRIBE, wherever redirections lead: each on a new connection, and user and password stay with their host."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from reelcast.client.dialogue import Dialogue
from reelcast.client.failures import refusal
from reelcast.client.timeouts import Timeouts
from reelcast.client.trust import SYSTEM, Trust
from reelcast.client.wire import OnMessage
from reelcast.errors import ProtocolError, ReelcastError
from reelcast.rtsp.authentication import Credentials
from reelcast.rtsp.message import Response
from reelcast.rtsp.url import RtspUrl

__all__ = ["MAX_REDIRECTIONS", "describe"]

log = logging.getLogger(__name__)

MAX_REDIRECTIONS: Final = 5
"""Hops from one server to another before it must be a circle."""


async def describe(
    url: str,
    timeout: float | Timeouts,
    *,
    deadline: float | None = None,
    credentials: Credentials | None = None,
    trust: Trust = SYSTEM,
    on_message: OnMessage | None = None,
) -> tuple[Dialogue, Response]:
    """Connect and DESCRIBE, wherever redirections lead; the open dialogue and the description.

    The options are those of Dialogue. Raises TransportError for no connection, DeadlineError for silence,
    RemoteError for a refusal, ReelcastError for too many redirections, ProtocolError for a URL or an answer
    that makes no sense.
    """
    place = RtspUrl.of_server(url)
    for _ in range(MAX_REDIRECTIONS + 1):
        dialogue = await Dialogue.connect(
            place, timeout, deadline=deadline, credentials=credentials, trust=trust, on_message=on_message
        )
        try:
            response = await dialogue.describe()
        except BaseException:
            dialogue.close()
            raise
        if response.status < 300:
            return dialogue, response
        dialogue.close()
        target = _redirected(place, response)
        if target.host.lower() != place.host.lower():
            credentials = None
        elif place.user is not None:
            target = replace(target, user=place.user, password=place.password)
        place = target
    raise ReelcastError(f"redirected more than {MAX_REDIRECTIONS} times", url=str(place))


def _redirected(place: RtspUrl, response: Response) -> RtspUrl:
    """Where a 3xx response leads (RFC 2326 section 11.2); never from an encrypted to an open connection."""
    location = response.headers.get("Location")
    if location is None:
        raise refusal(response, "DESCRIBE", place.request_uri, place)
    target = RtspUrl.of_server(location)
    if place.scheme == "rtsps" and target.scheme != "rtsps":
        raise ProtocolError(f"redirected to an unencrypted connection, {target}", url=str(place))
    log.debug("= redirected to %s", target)
    return target
