"""Failures as people are told of them: what it was, where, and what to do."""

from __future__ import annotations

import socket
import ssl

import pytest

from reelcast.client.failures import lost, no_connection, peer_of, refusal, unanswered
from reelcast.errors import AuthenticationError, DeadlineError, TransportError
from reelcast.rtsp.message import Headers, Response
from reelcast.rtsp.url import RtspUrl

URL = RtspUrl.parse("rtsp://user:secret@host/p")


@pytest.mark.parametrize(
    ("url", "peer"),
    [("rtsp://host/", "host:554"), ("rtsps://host:1/", "host:1"), ("rtsp://[::1]:8554/", "[::1]:8554")],
)
def test_peer_of(url: str, peer: str) -> None:
    assert peer_of(RtspUrl.parse(url)) == peer


@pytest.mark.parametrize(
    ("error", "text", "advice"),
    [
        (
            ConnectionRefusedError(111, "Connect call failed ('::1', 1)"),
            "Connection refused",
            "check the port",
        ),
        (OSError(101, "Connect call failed"), "Network is unreachable", ""),
        (OSError("Multiple exceptions: several"), "Multiple exceptions: several", ""),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known", "check the name"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            "TLS: [SSL: WRONG_VERSION_NUMBER] wrong version number",
            "rtsps:// is for",
        ),
    ],
)
def test_no_connection(error: OSError, text: str, advice: str) -> None:
    told = no_connection(error, URL, 3.0)
    assert isinstance(told, TransportError)
    assert str(told) == f"rtsp://host/p: cannot connect: {text}"
    assert told.advice.startswith(advice)


def test_a_certificate_that_is_not_trusted() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    told = no_connection(error, URL, 3.0)
    assert str(told) == "rtsp://host/p: cannot connect: the server is not trusted: self-signed certificate"
    assert told.advice.startswith("compare its fingerprint")


def test_a_connection_that_was_closed() -> None:
    """Who never said a word may speak TLS."""
    plain, encrypted = RtspUrl.parse("rtsp://h/"), RtspUrl.parse("rtsps://h/")
    assert lost(None, plain).advice == lost(None, encrypted, mute=True).advice == ""
    assert lost(None, plain, mute=True).advice.startswith("it said nothing at all: if it speaks TLS")


def test_deadlines() -> None:
    error = no_connection(TimeoutError(), URL, 3.0)
    assert isinstance(error, DeadlineError)
    assert (error.step, error.seconds, error.url, error.peer) == ("connect", 3.0, "rtsp://host/p", "host:554")
    error = unanswered("PLAY", 2.0, "rtsp://host/p/1", URL)
    assert (error.step, error.seconds, error.url, error.peer) == ("PLAY", 2.0, "rtsp://host/p/1", "host:554")


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (None, "the server closed the connection"),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            "the connection was lost: Connection reset by peer",
        ),
        (RuntimeError("odd"), "the connection was lost: odd"),
    ],
)
def test_lost(cause: Exception | None, text: str) -> None:
    assert str(lost(cause, URL)) == f"rtsp://host/p: {text}"


@pytest.mark.parametrize(
    ("challenge", "identified", "advice"),
    [
        ("Basic", False, "put user and password into the URL: rtsp://USER:PASSWORD@HOST/PATH"),
        ("Basic", True, "check user and password; in a URL, @ : and / in them are written %40 %3A and %2F"),
        ("Negotiate", True, "it asks for a kind of authentication that is not known here"),
    ],
)
def test_refused_logins(challenge: str, identified: bool, advice: str) -> None:
    response = Response(401, "Unauthorized", Headers([("WWW-Authenticate", challenge)]))
    error = refusal(response, "PLAY", "rtsp://host/p/1", URL, identified=identified)
    assert isinstance(error, AuthenticationError)
    assert error.advice == advice


@pytest.mark.parametrize(
    ("status", "method", "advice"),
    [
        (404, "DESCRIBE", "check the path of the URL; a live one is there while"),
        (405, "ANNOUNCE", "what is served there cannot be used like this"),
        (415, "DESCRIBE", "nothing in it can be carried, or it is broken; the server's log"),
        (456, "PLAY", "it cannot be played like that: only what is recorded"),
        (457, "PLAY", "there is nothing at that time"),
        (551, "PLAY", ""),
    ],
)
def test_what_to_do(status: int, method: str, advice: str) -> None:
    told = refusal(Response(status, ""), method, "rtsp://host/p", URL).advice
    assert told.startswith(advice)
    assert bool(told) is bool(advice)


def test_refusals() -> None:
    error = refusal(Response(453, "Not Enough Bandwidth"), "SETUP", "rtsp://host/p/1", URL)
    assert type(error) is not AuthenticationError
    assert str(error) == "rtsp://host/p/1: the server answered 453 Not Enough Bandwidth to SETUP"
    assert (error.status, error.peer) == (453, "host:554")
    assert error.advice == "try again when others have stopped"
