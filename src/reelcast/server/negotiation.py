"""How a track is to be carried: what a client offers, what this server has, what both keep to (RFC 2326 12.39)."""

from __future__ import annotations

from collections.abc import Iterable

from reelcast.errors import ProtocolError
from reelcast.net.messages import Destination
from reelcast.net.udp import UdpPair
from reelcast.rtsp.headers import TransportSpec
from reelcast.server.connection import Connection, Pair
from reelcast.server.session import Delivery, Session

__all__ = ["LOWEST_PORT", "agree", "agree_to_receive"]

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
    offered = [spec for spec in offered if pair is not None or spec.tcp]
    spec = _first_possible(offered, "PLAY", connection, session, track)
    if spec.tcp:
        channels = _channels(spec, connection, session, track)
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


def agree_to_receive(
    offered: Iterable[TransportSpec], connection: Connection, session: Session, track: int
) -> TransportSpec:
    """The same of a track that is published: the way that was chosen, with the channels as they are to be.

    Raises ProtocolError 461 where nothing is possible.
    """
    spec = _first_possible(offered, "RECORD", connection, session, track)
    if not spec.tcp:
        return TransportSpec(client_port=spec.client_port, mode="RECORD")
    channels = _channels(spec, connection, session, track)
    return TransportSpec(protocol=spec.protocol, interleaved=channels, mode="RECORD")


def _first_possible(
    offered: Iterable[TransportSpec], mode: str, connection: Connection, session: Session | None, track: int
) -> TransportSpec:
    for spec in offered:
        if spec.mode in (None, mode) and _is_possible(spec, connection, session, track):
            return spec
    if connection.encrypted:
        raise ProtocolError("over TLS media goes inside the connection alone: RTP/AVP/TCP", 461)
    raise ProtocolError("no transport that this server has: RTP/AVP or RTP/AVP/TCP, unicast", 461)


def _is_possible(spec: TransportSpec, connection: Connection, session: Session | None, track: int) -> bool:
    if spec.multicast:
        return False
    # All tracks of a session go the same way, interleaved ones over the connection that it was made over.
    if session is not None and session.deliveries.keys() - {track} and session.interleaved is not spec.tcp:
        return False
    if spec.protocol == "RTP/AVP/TCP":
        return session is None or session.owner is connection
    if connection.encrypted or (session is not None and session.owner.encrypted):
        # Who asks for encryption is not to be sent media in clear beside it; that would take SRTP (RFC 3711).
        return False
    if spec.protocol != "RTP/AVP":
        return False
    return spec.client_port is not None and spec.client_port[0] >= LOWEST_PORT


def _channels(spec: TransportSpec, connection: Connection, session: Session | None, track: int) -> Pair:
    former = session.deliveries.get(track) if session is not None else None
    return connection.choose_channels(spec.interleaved, former.channels if former else None)
