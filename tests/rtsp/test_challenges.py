"""The server's side of logging in: nonces in time, what is offered, and what players say, right or wrong or odd."""

from __future__ import annotations

import base64
import hashlib
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.rtsp import challenges as module
from reelcast.rtsp.authentication import (
    Answer,
    Authenticator,
    Challenge,
    Credentials,
    digest_secret,
    parse_challenges,
)
from reelcast.rtsp.challenges import (
    NONCE_SECONDS,
    WINDOW,
    BasicClaim,
    DigestClaim,
    Nonces,
    challenges,
    concerns,
    read_claim,
)

SECRET = b"what nobody knows"
URI = "rtsp://h/p"
FOX = "0123456789abcdef0123456789abcdef"
SAID = f'username="u", nonce="n", uri="x", response="{FOX}"'

# Nonces


def test_nonces_are_good_for_a_while() -> None:
    """Conformance A7."""
    nonces = Nonces(SECRET)
    nonce = nonces.issue(100.0)
    assert nonces.take(nonce, "u", None, 100.0)
    assert nonces.take(nonce, "u", None, 100.0 + NONCE_SECONDS)
    assert not nonces.take(nonce, "u", None, 100.5 + NONCE_SECONDS)
    assert not nonces.take(nonce, "u", None, 99.0)


def test_what_is_counted_is_good_for_as_long_as_it_is_used() -> None:
    """Conformance A7."""
    nonces = Nonces(SECRET, seconds=10)
    nonce = nonces.issue(0.0)
    assert all(nonces.take(nonce, "u", number, 9.0 * number) for number in range(1, 20))
    assert not nonces.take(nonce, "u", None, 180.0)
    assert not nonces.take(nonce, "u", 20, 190.0)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ([1, 2, 3], "111"),
        ([1, 1], "10"),
        ([3, 1, 2, 3, 2, 4], "111001"),
        ([WINDOW, 1, 1, 0], "1100"),
        ([1 + WINDOW, 1, 2], "101"),
        ([1, 1000, 999, 1000 - WINDOW + 1, 1000 - WINDOW], "11110"),
        ([0xFFFFFFFF, 0xFFFFFFFF, 1], "100"),
    ],
)
def test_nothing_counts_twice(said: list[int], taken: str) -> None:
    """Conformance A7, H24."""
    nonces = Nonces(SECRET)
    nonce = nonces.issue(0.0)
    assert "".join(str(int(nonces.take(nonce, "u", number, 1.0))) for number in said) == taken


@given(st.lists(st.integers(0, 200), max_size=60))
@settings(max_examples=100)
def test_no_number_is_taken_twice(numbers: list[int]) -> None:
    nonces = Nonces(SECRET)
    nonce = nonces.issue(0.0)
    taken = [number for number in numbers if nonces.take(nonce, "u", number, 1.0)]
    assert len(taken) == len(set(taken))
    assert not numbers or max(numbers) in taken


def test_nonces_are_ours() -> None:
    """Conformance A7: nobody can make one, or make one younger."""
    ours, others = Nonces(SECRET), Nonces(b"another")
    nonce = ours.issue(5.0)
    assert nonce != ours.issue(5.0)
    other_end = "1" if nonce[-1] == "0" else "0"
    for forged in (
        others.issue(5.0),
        nonce[:-1] + other_end,
        "f" + nonce[1:],
        nonce[:16],
        "",
        "zz",
        "é" * 48,
    ):
        assert not ours.take(forged, "u", None, 5.0)


@given(st.text())
@settings(max_examples=100)
def test_any_nonce_is_looked_at(text: str) -> None:
    assert not Nonces(SECRET).take(text, "u", 1, 0.0)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conformance H24: what was forgotten does not count a second time."""
    monkeypatch.setattr(module, "MAX_PROVEN", 3)
    nonces = Nonces(SECRET)
    made = [nonces.issue(float(number)) for number in range(5)]
    assert all(nonces.take(nonce, "u", 1, 5.0) for nonce in made)
    assert [nonces.is_proven(nonce, "u") for nonce in made] == [False, False, True, True, True]
    assert [nonces.take(nonce, "u", 2, 5.0) for nonce in made] == [False, False, True, True, True]
    # Used last, kept longest.
    assert nonces.take(made[2], "u", 3, 6.0)
    assert nonces.take(nonces.issue(6.0), "u", 1, 6.0)
    assert nonces.is_proven(made[2], "u")
    assert not nonces.is_proven(made[3], "u")


def test_a_nonce_is_proven_by_a_user() -> None:
    nonces = Nonces(SECRET)
    nonce = nonces.issue(0.0)
    assert nonces.take(nonce, "u", 1, 0.0)
    assert nonces.is_proven(nonce, "u")
    assert not nonces.is_proven(nonce, "v")
    assert nonces.take(nonce, "v", 1, 0.0)


# What is offered


@pytest.mark.parametrize(
    ("kinds", "basic", "offered"),
    [
        ({"MD5"}, False, ["MD5"]),
        ({"MD5", "SHA-256"}, False, ["MD5", "SHA-256", "MD5"]),
        ({"MD5", "SHA-256"}, True, ["MD5", "SHA-256", "Basic", "MD5"]),
        ({"SHA-256"}, True, ["SHA-256", "Basic"]),
        ({"MD5"}, True, ["MD5", "Basic", "MD5"]),
        (set(), True, ["Basic"]),
        (set(), False, []),
    ],
)
def test_what_is_offered(kinds: set[str], basic: bool, offered: list[str]) -> None:
    """Conformance A1, A4: with MD5 first, and last, for players that take the last."""
    made = challenges("home", "n", kinds, basic=basic)
    assert [challenge.kind for challenge in made] == offered
    assert parse_challenges([str(challenge) for challenge in made]) == made


def test_how_it_is_worded() -> None:
    """Conformance A1, A7: VLC reads realm, nonce and stale by their places."""
    made = challenges("home", "n", {"MD5", "SHA-256"}, stale=True)
    assert [str(challenge) for challenge in made] == [
        'Digest realm="home", nonce="n", stale=true, qop="auth"',
        'Digest realm="home", nonce="n", stale=true, algorithm=SHA-256, qop="auth"',
        'Digest realm="home", nonce="n", stale=true, qop="auth"',
    ]


# What is said


@pytest.mark.parametrize(
    ("value", "claim"),
    [
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", BasicClaim("Aladdin", "open sesame")),
        ("basic   dGVzdDoxMjPCow== ", BasicClaim("test", "123£")),
        ("Basic Og==", BasicClaim("", "")),
        ("Basic YTpiOmM=", BasicClaim("a", "b:c")),
        (f"Digest {SAID}", DigestClaim("u", "MD5", "n", "x", FOX)),
        (f'digest realm="r", {SAID.upper()}', DigestClaim("U", "MD5", "N", "X", FOX)),
        (f'Digest {SAID}, algorithm="MD5", opaque="o"', DigestClaim("u", "MD5", "n", "x", FOX)),
        (f"Digest {SAID}, algorithm=sha-256", DigestClaim("u", "SHA-256", "n", "x", FOX)),
        (f'Digest {SAID}, nc=00000001, cnonce="c"', DigestClaim("u", "MD5", "n", "x", FOX)),
        (
            f'Digest {SAID}, qop="auth", nc=0000000A, cnonce="a\\"b"',
            DigestClaim("u", "MD5", "n", "x", FOX, "0000000A", 'a"b'),
        ),
        (f"Digest {SAID}, qop=auth, nc=1", DigestClaim("u", "MD5", "n", "x", FOX, "1")),
    ],
)
def test_what_is_said(value: str, claim: BasicClaim | DigestClaim) -> None:
    """Conformance A2, A3."""
    assert read_claim([value]) == claim


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        ["Basic"],
        ["Basic !!!!"],
        ["Basic QQ"],
        ["Basic bm9jb2xvbg=="],
        ["Basic //8="],
        ["Basic YTpi", "Basic YTpi"],
        [f"Digest {SAID}", f"Digest {SAID}"],
        ["Digest"],
        ['Digest username="u'],
        [f'Digest {SAID}, username="v"'],
        [f'Digest {SAID}, realm="a", realm="b"'],
        [f"Digest {SAID}, algorithm=MD5-sess"],
        [f"Digest {SAID}, algorithm=SHA-512-256"],
        [f"Digest {SAID}, algorithm=Basic"],
        [f'Digest {SAID}, qop=auth-int, nc=00000001, cnonce="c"'],
        [f'Digest {SAID}, qop=auth, cnonce="c"'],
        [f'Digest {SAID}, qop=auth, nc=zz, cnonce="c"'],
        [f'Digest {SAID}, qop=auth, nc=000000001, cnonce="c"'],
        [f"Digest {SAID}, Basic YTpi"],
        ['Digest username="u", nonce="n", uri="x", response="0"'],
        [f"Negotiate {SAID}"],
    ],
)
def test_what_makes_no_sense(values: list[str]) -> None:
    """Conformance H24."""
    assert read_claim(values) is None


@given(
    st.lists(st.text() | st.from_regex(r'(Digest|Basic)( ?(nonce|username|qop)="?[^"]*"?,?)*'), max_size=3)
)
@settings(max_examples=200)
def test_anything_may_be_said(values: list[str]) -> None:
    claim = read_claim(values)
    if isinstance(claim, DigestClaim):
        assert not claim.is_right("", "PLAY")


@pytest.mark.parametrize("kind", ["", "MD5", "SHA-256"])
@pytest.mark.parametrize("auth", [True, False])
@given(user=st.text(st.characters(exclude_categories=["Cc", "Cs"])), password=st.text(max_size=9))
@settings(max_examples=30)
def test_what_our_client_says_is_right(kind: str, auth: bool, user: str, password: str) -> None:
    """Conformance A2, A3: and only for its user, its password and its method."""
    challenge = Challenge("r", "n", kind, auth)
    password = "".join(filter(str.isprintable, password))
    answer = Answer(challenge, Credentials(user, password), "c")
    for number in (1, 2):
        claim = read_claim([answer.authorization("PLAY", URI)])
        assert isinstance(claim, DigestClaim)
        assert (claim.user, claim.uri, claim.nonce, claim.kind) == (user, URI, "n", kind or "MD5")
        assert claim.count == (number if auth else None)
        secret = digest_secret(claim.kind, user, "r", password)
        assert claim.is_right(secret, "PLAY")
        assert not claim.is_right(secret, "PAUSE")
        assert not claim.is_right(digest_secret(claim.kind, user, "r", password + "x"), "PLAY")


def test_the_example_of_rfc_2617() -> None:
    claim = read_claim(
        [
            'Digest username="Mufasa", realm="testrealm@host.com", '
            'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="/dir/index.html", qop=auth, nc=00000001, '
            'cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
        ]
    )
    assert isinstance(claim, DigestClaim)
    secret = hashlib.md5(b"Mufasa:testrealm@host.com:Circle Of Life").hexdigest()
    assert claim.is_right(secret, "GET")
    assert concerns(claim.uri) == ("dir", "index.html")


def test_passwords_are_not_shown() -> None:
    """Conformance A10."""
    said = base64.b64encode(b"alice:wonderland").decode()
    assert "wonderland" not in repr(read_claim([f"Basic {said}"]))


@pytest.mark.parametrize(
    ("uri", "segments"),
    [
        ("rtsp://h/cam", ("cam",)),
        ("rtsp://u:p@h:99/cam/", ("cam",)),
        ("rtsps://h/a%20b?x=1", ("a b",)),
        ("/cam/trackID=1", ("cam", "trackID=1")),
        ("cam", ("cam",)),
        ("*", ()),
        ("", ()),
        ("rtsp://h", ()),
        ("http://h/cam", None),
        ("/a%2fb", None),
        ("/a\x00", None),
    ],
)
def test_what_it_is_about(uri: str, segments: tuple[str, ...] | None) -> None:
    """Conformance A6."""
    assert concerns(uri) == segments


@given(st.text())
@settings(max_examples=100)
def test_it_may_be_about_anything(uri: str) -> None:
    assert all(segment and "/" not in segment for segment in concerns(uri) or ())


def test_a_client_and_a_server() -> None:
    """Conformance A7: all the way, over a nonce that grows old."""
    nonces, numbers = Nonces(SECRET, seconds=10), count()
    client = Authenticator(Credentials("u", "p"), lambda: f"c{next(numbers)}")
    secrets = {kind: digest_secret(kind, "u", "r", "p") for kind in ("MD5", "SHA-256")}
    refused = 0
    for now in (0.0, 1.0, 9.0, 30.0, 31.0):
        while True:
            said = [] if client.answer is None else [client.answer.authorization("PLAY", URI)]
            claim = read_claim(said)
            right = isinstance(claim, DigestClaim) and claim.is_right(secrets[claim.kind], "PLAY")
            if isinstance(claim, DigestClaim) and right and nonces.take(claim.nonce, "u", claim.count, now):
                assert claim.kind == "SHA-256"
                client.accepted(client.answer)
                break
            refused += 1
            offered = challenges("r", nonces.issue(now), set(secrets), stale=right)
            assert client.challenged(client.answer, parse_challenges(map(str, offered)))
    assert refused == 2
