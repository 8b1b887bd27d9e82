"""How a track is to be carried: what a client offers, what this server has, what both keep to (RFC 2326 12.39)."""

from __future__ import annotations

from collections.abc import Iterable

from reelcast.errors import ProtocolError
from reelcast.net.messages import Destination
from reelcast.net.udp import UdpPair
from reelcast.rtsp.headers import TransportSpec
from reelcast.server.connection import Connection
from reelcast.server.session import Delivery, Session

__all__ = ["agree"]

LOWEST_PORT = 1024
"""A reader is sent nothing on ports below, so that the server cannot be aimed at a system service."""


def agree(
    offered: Iterable[TransportSpec],
    connection: Connection,
    pair: UdpPair | None,
    session: Session | None,
    track: int,
    *,
    ssrc: int,
    url: str,
) -> tuple[TransportSpec, Delivery]:
    """Choose the first way that is possible: as the client is told, and as it is carried. Changes nothing.

    connection   that the request came over
    pair         the UDP ports of its address family, None where there are none
    session      that the track is for, None for a new one
    url          of the track, as it stands in the request

    Raises ProtocolError 461 where nothing is possible.
    """
    spec = next((spec for spec in offered if _is_possible(spec, connection, pair, session, track)), None)
    if spec is None and connection.encrypted:
        raise ProtocolError("over TLS media goes inside the connection alone: RTP/AVP/TCP", 461)
    if spec is None:
        raise ProtocolError("no transport that this server has: RTP/AVP or RTP/AVP/TCP, unicast", 461)
    if spec.tcp:
        former = session.deliveries.get(track) if session is not None else None
        channels = connection.choose_channels(spec.interleaved, former.channels if former else None)
        agreed = TransportSpec(protocol=spec.protocol, interleaved=channels, ssrc=ssrc, mode="PLAY")
        return agreed, Delivery(ssrc, url, channels=channels)
    assert spec.client_port is not None
    assert pair is not None
    # Media goes to the host that asked for it and nowhere else (RFC 2326 section 16).
    rtp, rtcp = (
        Destination(connection.family, (connection.peer[0], port, *connection.peer[2:]))
        for port in spec.client_port
    )
    agreed = TransportSpec(client_port=spec.client_port, server_port=pair.ports, ssrc=ssrc, mode="PLAY")
    return agreed, Delivery(ssrc, url, ports=(rtp, rtcp))


def _is_possible(
    spec: TransportSpec, connection: Connection, pair: UdpPair | None, session: Session | None, track: int
) -> bool:
    if spec.multicast or spec.mode not in (None, "PLAY"):
        return False
    # All tracks of a session go the same way, interleaved ones over the connection that it was made over.
    if session is not None and session.deliveries.keys() - {track} and session.interleaved is not spec.tcp:
        return False
    if spec.protocol == "RTP/AVP/TCP":
        return session is None or session.owner is connection
    if connection.encrypted or (session is not None and session.owner.encrypted):
        # Who asks for encryption is not to be sent media in clear beside it; that would take SRTP (RFC 3711).
        return False
    if spec.protocol != "RTP/AVP" or pair is None:
        return False
    return spec.client_port is not None and spec.client_port[0] >= LOWEST_PORT
