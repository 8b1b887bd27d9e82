"""Challenges and their answers: the examples of the RFCs, what cameras send, and what is done when refused."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from hashlib import md5, sha256
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.errors import ProtocolError
from reelcast.rtsp.authentication import (
    MAX_ATTEMPTS,
    MAX_CHALLENGES,
    Authenticator,
    Challenge,
    Credentials,
    digest_response,
    parse_challenges,
    split_parameters,
)

URI = "rtsp://h/p"
BASIC = Challenge("r")
MD5 = Challenge("r", "n")
SHA = Challenge("r", "n", "SHA-256")
JOHN = Credentials("john", "secret")


def hashed(*parts: str) -> str:
    return md5(":".join(parts).encode()).hexdigest()


@pytest.mark.parametrize(
    ("values", "challenges"),
    [
        (['Basic realm="r"'], [BASIC]),
        (["basic"], [Challenge("")]),
        (["BASIC realm=r charset=UTF-8"], [BASIC]),
        (['Digest realm="r", nonce="n"'], [MD5]),
        (['digest  Realm = "r" ,nonce = n,'], [MD5]),
        (['Digest realm="r" nonce="n" stale=FALSE'], [MD5]),
        (['Digest realm="r", nonce="n', "Basic"], [MD5, Challenge("")]),
        (['Digest realm="", nonce=""'], [Challenge("", "")]),
        (['Digest nonce="n", realm="a, b=c \\" d"'], [Challenge('a, b=c \\" d', "n")]),
        (
            ['Digest realm="r", nonce="n", algorithm="MD5", stale="true"'],
            [Challenge("r", "n", "MD5", stale=True)],
        ),
        (['Digest realm="r", nonce="n", algorithm=md5-SESS'], [Challenge("r", "n", "md5-SESS")]),
        (
            ['Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'],
            [Challenge("r", "n", "SHA-256", True)],
        ),
        (['Digest realm="r", nonce="n", qop="auth-int,auth"'], [Challenge("r", "n", auth=True)]),
        (['Digest realm="r", nonce="n", opaque=""'], [Challenge("r", "n", opaque="")]),
        (['Digest realm="r", nonce="n", qop='], [MD5]),
        (['Digest realm="r", nonce="n", nonce="m", realm="s"'], [MD5]),
        (['Digest realm="r", nonce="n", Basic realm="r"'], [MD5, BASIC]),
        (['Basic realm="r",Digest realm="r",nonce="n"', str(SHA)], [BASIC, MD5, SHA]),
        (['Negotiate, Basic realm="r", NTLM TlRMTVNTUAAC='], [BASIC]),
        (['Digest realm="r"'], []),
        (['Digest realm="r", nonce="n", qop="auth-int"'], []),
        (['Digest realm="r", nonce="n", algorithm=SHA-512-256'], []),
        (['Digest realm="r", nonce="n", algorithm=Basic'], []),
        (['Digest realm="r", nonce="a\x01b"', 'Digest realm="r\x7f", nonce="n"'], []),
        (['realm="r", nonce="n"', '"', '"" = , ;', ""], []),
    ],
)
def test_parse_challenges(values: list[str], challenges: list[Challenge]) -> None:
    """Conformance A5."""
    assert parse_challenges(values) == challenges


def test_challenges_are_bounded() -> None:
    assert len(parse_challenges(["Basic, " * 50])) == MAX_CHALLENGES


def test_split_parameters() -> None:
    value = 'Digest username="a\\"b", URI=x, uri=y, nc=00000001 response=""; Other'
    pairs = [("username", 'a\\"b'), ("uri", "x"), ("uri", "y"), ("nc", "00000001"), ("response", "")]
    assert split_parameters([value]) == [("Digest", pairs), ("Other", [])]


@pytest.mark.parametrize(
    ("challenge", "text"),
    [
        (BASIC, 'Basic realm="r"'),
        (MD5, 'Digest realm="r", nonce="n"'),
        (
            Challenge("r", "n", "SHA-256", auth=True, opaque="o", stale=True),
            'Digest realm="r", nonce="n", stale=true, opaque="o", algorithm=SHA-256, qop="auth"',
        ),
    ],
)
def test_challenges_are_written(challenge: Challenge, text: str) -> None:
    assert str(challenge) == text


@pytest.mark.parametrize(
    ("realm", "nonce", "algorithm"),
    [("r", "n", "SHA-1"), ("r", "n", "Basic"), ("r\n", "n", ""), ("r", "\ud800", "")],
)
def test_what_is_no_challenge(realm: str, nonce: str, algorithm: str) -> None:
    with pytest.raises(ProtocolError):
        Challenge(realm, nonce, algorithm)


@given(
    st.lists(st.text() | st.from_regex(r'([Dd]igest|Basic)( ?(realm|nonce|qop)="?[^"]*"?,?)*'), max_size=4)
)
@settings(max_examples=100)
def test_any_text_is_read(values: list[str]) -> None:
    for challenge in parse_challenges(values):
        assert "\n" not in str(challenge)


TEXT = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"], exclude_characters='"\\'))


@given(
    st.builds(
        Challenge,
        TEXT,
        st.none() | TEXT,
        st.just(""),
    )
    | st.builds(
        Challenge,
        TEXT,
        TEXT,
        st.sampled_from(["", "MD5", "md5-sess", "SHA-256", "SHA-256-sess"]),
        st.booleans(),
        st.none() | TEXT,
        st.booleans(),
    )
)
@settings(max_examples=200)
def test_what_is_written_is_read(challenge: Challenge) -> None:
    assert parse_challenges([str(challenge)]) == [challenge]


def test_the_example_of_rfc_2617() -> None:
    challenge = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", auth=True)
    mufasa = Credentials("Mufasa", "Circle Of Life")
    response = digest_response(challenge, mufasa, "GET", "/dir/index.html", "00000001", "0a4f113b")
    assert response == "6629fae49393a05397450978507c4ef1"
    old = digest_response(challenge, mufasa, "GET", "/dir/index.html")
    assert old == "670fd8c2df070c60b045671b8b24ff02"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    nonce, cnonce = (
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    challenge = Challenge("http-auth@example.org", nonce, algorithm, auth=True)
    mufasa = Credentials("Mufasa", "Circle of Life")
    said = digest_response(challenge, mufasa, "GET", "/dir/index.html", "00000001", cnonce)
    assert said == response


def test_keys_made_of_both_nonces() -> None:
    inner = hashed("john", "r", "secret")
    secret = hashed(inner, "n", "c")
    response = digest_response(Challenge("r", "n", "MD5-sess", auth=True), JOHN, "PLAY", URI, "00000002", "c")
    assert response == hashed(secret, "n", "00000002", "c", "auth", hashed("PLAY", URI))


def test_names_beyond_ascii() -> None:
    secret = sha256("Jäsøn Doe:ŕ:Secret, ñot!".encode()).hexdigest()
    request = sha256(b"PLAY:rtsp://h/p").hexdigest()
    response = digest_response(
        Challenge("ŕ", "n", "sha-256"), Credentials("Jäsøn Doe", "Secret, ñot!"), "PLAY", URI
    )
    assert response == sha256(f"{secret}:n:{request}".encode()).hexdigest()


def test_credentials() -> None:
    assert "secret" not in repr(JOHN)
    assert Credentials("admin").password == ""
    for user, password in [("a\r\nb", ""), ("a", "b\0"), ("\udcff", "")]:
        with pytest.raises(ProtocolError, match="control characters"):
            Credentials(user, password)


def authenticator(credentials: Credentials = JOHN) -> Authenticator:
    numbers: Iterator[int] = count()
    return Authenticator(credentials, lambda: f"c{next(numbers)}")


def said(client: Authenticator, method: str = "PLAY", uri: str = URI) -> str:
    assert client.answer is not None
    return client.answer.authorization(method, uri)


def test_basic() -> None:
    client = authenticator(Credentials("Aladdin", "open sesame"))
    assert client.answer is None
    assert client.challenged(None, [BASIC])
    assert said(client) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    utf8 = authenticator(Credentials("test", "123£"))
    assert utf8.challenged(None, [BASIC])
    assert said(utf8) == "Basic dGVzdDoxMjPCow=="


def test_digest_as_of_old() -> None:
    client = authenticator()
    assert client.challenged(None, [MD5])
    response = digest_response(MD5, JOHN, "PLAY", URI)
    assert said(client) == (
        f'Digest username="john", realm="r", nonce="n", uri="{URI}", response="{response}"'
    )
    assert said(client) == said(client)


def test_digest_with_all() -> None:
    challenge = Challenge("r", "n", "SHA-256", auth=True, opaque="o")
    client = authenticator(Credentials('a"\\b', "x"))
    assert client.challenged(None, [challenge])
    for nc in ("00000001", "00000002"):
        response = digest_response(challenge, Credentials('a"\\b', "x"), "PLAY", 'rtsp://h/"', nc, "c0")
        assert said(client, uri='rtsp://h/"') == (
            r'Digest username="a\"\\b", realm="r", nonce="n", uri="rtsp://h/\"", '
            f'response="{response}", algorithm=SHA-256, opaque="o", cnonce="c0", qop=auth, nc={nc}'
        )


def test_a_key_of_both_nonces_without_qop() -> None:
    client = authenticator()
    assert client.challenged(None, [Challenge("r", "n", "MD5-sess")])
    assert said(client).endswith(', algorithm=MD5-sess, cnonce="c0"')


def kinds(client: Authenticator, offers: list[Challenge]) -> list[str]:
    """What is tried where everything is refused."""
    tried: list[str] = []
    while client.challenged(client.answer, offers):
        assert client.answer is not None
        tried.append(client.answer.challenge.kind)
    assert client.answer is None
    return tried


@pytest.mark.parametrize(
    ("offers", "tried"),
    [
        ([], []),
        ([BASIC], ["Basic"]),
        ([BASIC, MD5, SHA], ["SHA-256", "MD5", "Basic"]),
        ([MD5, Challenge("r", "m"), BASIC], ["MD5", "Basic"]),
        ([Challenge("r", "n", stale=True)], ["MD5"]),
    ],
)
def test_the_strongest_first_and_each_once(offers: list[Challenge], tried: list[str]) -> None:
    """Conformance A5."""
    client = authenticator()
    assert kinds(client, offers) == tried
    assert kinds(client, offers) == []


def test_attempts_are_bounded() -> None:
    client = authenticator()
    nonces = (Challenge("r", str(number), stale=True) for number in count())
    attempts = 0
    while client.challenged(client.answer, [next(nonces), BASIC]):
        attempts += 1
    assert attempts == MAX_ATTEMPTS


def admitted(challenge: Challenge) -> Authenticator:
    client = authenticator()
    assert client.challenged(None, [challenge])
    client.accepted(client.answer)
    return client


@pytest.mark.parametrize("stale", [True, False])
def test_a_new_nonce_is_answered(stale: bool) -> None:
    client = admitted(MD5)
    for nonce in ("a", "b", "c", "d", "e"):
        assert client.challenged(client.answer, [BASIC, Challenge("r", nonce, stale=stale)])
        assert f'nonce="{nonce}"' in said(client)
        client.accepted(client.answer)


def test_a_method_that_is_refused_costs_the_others_nothing() -> None:
    client = admitted(MD5)
    proven = client.answer
    assert client.challenged(proven, [Challenge("r", "a")])
    assert not client.challenged(client.answer, [Challenge("r", "b")])
    assert client.answer is proven
    client.accepted(proven)
    assert not client.challenged(proven, [MD5])
    assert client.answer is proven


def test_a_broken_digest_stays_broken() -> None:
    """Conformance A5."""
    client = authenticator()
    offers = [MD5, BASIC]
    assert client.challenged(None, offers)
    assert client.challenged(client.answer, offers)
    client.accepted(client.answer)
    assert said(client).startswith("Basic ")
    assert not client.challenged(client.answer, offers)
    assert said(client).startswith("Basic ")


def test_requests_on_their_way_at_the_same_time() -> None:
    client = admitted(MD5)
    before = client.answer
    fresh = Challenge("r", "fresh", stale=True)
    assert client.challenged(before, [fresh])
    now = client.answer
    assert client.challenged(before, [fresh])
    assert client.answer is now
    client.accepted(before)
    assert not client.challenged(now, [fresh])
    assert client.answer is before
    fallen = authenticator()
    assert fallen.challenged(None, [BASIC])
    tried = fallen.answer
    assert not fallen.challenged(tried, [BASIC])
    assert not fallen.challenged(tried, [BASIC])


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"])),
    st.text(st.characters(exclude_categories=["Cc", "Cs"])),
)
@settings(max_examples=100)
def test_whatever_the_name_it_can_be_read_back(user: str, password: str) -> None:
    client = authenticator(Credentials(user, password))
    assert client.challenged(None, [BASIC])
    assert base64.b64decode(said(client).removeprefix("Basic ")).decode() == f"{user}:{password}"
    assert client.challenged(client.answer, [MD5])
    ((_, pairs),) = split_parameters([said(client)])
    assert re.sub(r"\\(.)", r"\1", dict(pairs)["username"]) == user
