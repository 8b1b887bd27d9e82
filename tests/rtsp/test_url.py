"""URLs: what people, clients and cameras write, and what goes on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.errors import ProtocolError
from reelcast.rtsp.url import RtspUrl, without_userinfo


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("rtsp://h/p", RtspUrl("rtsp", "h", 554, "/p")),
        ("rtsps://h/p", RtspUrl("rtsps", "h", 322, "/p")),
        ("RTSP://h:8554/p", RtspUrl("rtsp", "h", 8554, "/p")),
        ("rtsp://h", RtspUrl("rtsp", "h", 554)),
        ("rtsp://h:8554", RtspUrl("rtsp", "h", 8554)),
        ("rtsp://h:/p", RtspUrl("rtsp", "h", 554, "/p")),
        ("rtsp://h?x=1", RtspUrl("rtsp", "h", 554, "/", "x=1")),
        ("rtsp://h/p?x=1?y/z", RtspUrl("rtsp", "h", 554, "/p", "x=1?y/z")),
        ("rtsp://h/p?", RtspUrl("rtsp", "h", 554, "/p", "")),
        (" rtsp://h/my movie.mp4 ", RtspUrl("rtsp", "h", 554, "/my%20movie.mp4")),
        ("rtsp://u:p@h/p", RtspUrl("rtsp", "h", 554, "/p", None, "u", "p")),
        ("rtsp://u@h/p", RtspUrl("rtsp", "h", 554, "/p", None, "u")),
        ("rtsp://:p@h/p", RtspUrl("rtsp", "h", 554, "/p", None, "", "p")),
        ("rtsp://u:@h/p", RtspUrl("rtsp", "h", 554, "/p", None, "u", "")),
        ("rtsp://u%40x:p%3A%2F@h/p", RtspUrl("rtsp", "h", 554, "/p", None, "u@x", "p:/")),
        ("rtsp://u:p@ss:w@h/p", RtspUrl("rtsp", "h", 554, "/p", None, "u", "p@ss:w")),
        ("rtsp://u:%FF@h", RtspUrl("rtsp", "h", 554, "/", None, "u", "�")),
        ("rtsp://[::1]/p", RtspUrl("rtsp", "::1", 554, "/p")),
        ("rtsp://[2001:db8::1]:8554/p", RtspUrl("rtsp", "2001:db8::1", 8554, "/p")),
        ("rtsp://[fe80::1%25eth0]:8554/p", RtspUrl("rtsp", "fe80::1%eth0", 8554, "/p")),
        ("rtsp://[fe80::1%eth0]/p", RtspUrl("rtsp", "fe80::1%eth0", 554, "/p")),
        ("rtsp://2001:db8::1/p", RtspUrl("rtsp", "2001:db8::1", 554, "/p")),
        ("rtsp://2001:db8:0:0:0:0:0:1:8554/p", RtspUrl("rtsp", "2001:db8:0:0:0:0:0:1", 8554, "/p")),
        ("rtsp://rtsp://h/p", RtspUrl("rtsp", "h", 554, "/p")),
        ("rtsp://bücher.example/p", RtspUrl("rtsp", "bücher.example", 554, "/p")),
        ("*", RtspUrl("", "", 554, "*")),
        ("/p?x", RtspUrl("", "", 554, "/p", "x")),
        ("//outside/secret", RtspUrl("", "", 554, "//outside/secret")),
    ],
)
def test_parse(text: str, url: RtspUrl) -> None:
    """Conformance A11."""
    assert RtspUrl.parse(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h/p",
        "http://h/p",
        "rtspu://h/p",
        "rtsp:/h",
        "rtsp://",
        "rtsp:///p",
        "rtsp://:554/p",
        "rtsp://h:0/p",
        "rtsp://h:70000/p",
        "rtsp://h:x/p",
        "rtsp://h:" + "9" * 5000,
        "rtsp://h:٣/p",
        "rtsp://[::1/p",
        "rtsp://[::1]x/p",
        "rtsp://[h]/p",
        "rtsp://a:b:c/p",
        "rtsp://h%41/p",
        "rtsp://h/\0",
        "rtsp://h/\r\nX: y",
        "rtsp://u:p@/p",
    ],
)
def test_what_is_no_url(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        RtspUrl.parse(text)
    assert caught.value.status == 400


@pytest.mark.parametrize("text", ["/p", "*", "movie.mp4", "http://h/p", "rtsp:///p"])
def test_what_is_no_url_of_a_server(text: str) -> None:
    with pytest.raises(ProtocolError):
        RtspUrl.of_server(text)


def test_of_server() -> None:
    assert RtspUrl.of_server("rtsp://h/p") == RtspUrl("rtsp", "h", 554, "/p")
    with pytest.raises(ProtocolError, match=r"^'/p' is no RTSP URL$") as caught:
        RtspUrl.of_server("/p")
    assert caught.value.advice == "it begins with rtsp:// or rtsps:// and the name or address of a host"


@pytest.mark.parametrize(
    "text", ["http://u:secret@h", "rtsp://u:sec/ret@h/", "rtsp://u:secret@h:0", "rtsp://u:ecret/"]
)
def test_errors_and_text_tell_no_password(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        RtspUrl.parse(text)
    assert "ec" not in str(caught.value)
    assert ("password" in caught.value.advice) is ("sec/ret" in text)
    url = RtspUrl.parse("rtsp://user:secret@h/p")
    assert "secret" not in f"{url} {url!r}"
    assert "user" not in str(url)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("to rtsp://user:sec@ret@h/p@q", "to rtsp://h/p@q"),
        ("RTSPS://user@h rtsp://h?a@b", "RTSPS://h rtsp://h?a@b"),
        ("user@h", "user@h"),
    ],
)
def test_without_userinfo(text: str, rest: str) -> None:
    assert without_userinfo(text) == rest


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("rtsp://u:p@h:554/p?x=1", "rtsp://h/p?x=1"),
        ("rtsp://h:8554", "rtsp://h:8554/"),
        ("rtsps://h:554/p", "rtsps://h:554/p"),
        ("rtsp://[fe80::1%25eth0]:8554/p", "rtsp://[fe80::1]:8554/p"),
        ("rtsp://h/p?", "rtsp://h/p?"),
        ("/p?x", "/p?x"),
        ("*", "*"),
    ],
)
def test_request_uri(text: str, uri: str) -> None:
    """Conformance A11."""
    assert RtspUrl.parse(text).request_uri == uri
    assert str(RtspUrl.parse(text)) == uri


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("rtsp://h", ()),
        ("rtsp://h/", ()),
        ("*", ()),
        ("rtsp://h//a///b/", ("a", "b")),
        ("rtsp://h/a%20b/%C3%BC?x=%zz", ("a b", "ü")),
        ("rtsp://h/../%2e%2e/%252e", ("..", "..", "%2e")),
        ("rtsp://h/ü", ("ü",)),
    ],
)
def test_segments(text: str, segments: tuple[str, ...]) -> None:
    assert RtspUrl.parse(text).segments() == segments


@pytest.mark.parametrize("path", ["/%", "/%4", "/%zz", "/%ff", "/a%00", "/..%2fsecret"])
def test_paths_in_disguise(path: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        RtspUrl.parse(f"rtsp://h{path}").segments()
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("content_base", "uri"),
    [
        (None, "rtsp://h:8554/cam?x=1"),
        ("", "rtsp://h:8554/cam?x=1"),
        ("rtsp://h:8554/cam/", "rtsp://h:8554/cam/"),
        ("192.168.1.10:554/live/", "rtsp://192.168.1.10/live/"),
        ("192.168.1.10/live/", "rtsp://192.168.1.10/live/"),
        ("rtsp://rtsp://h/live/", "rtsp://h/live/"),
        ("rtsp://2001:db8::1/live/", "rtsp://[2001:db8::1]/live/"),
        ("/live/", "rtsp://h:8554/live/"),
        ("rtsp://:bad:/", "rtsp://h:8554/cam?x=1"),
        ("http://h/", "rtsp://h:8554/cam?x=1"),
    ],
)
def test_base(content_base: str | None, uri: str) -> None:
    """Conformance D8."""
    base = RtspUrl.parse("rtsp://u:p@h:8554/cam?x=1").base(content_base)
    assert base.request_uri == uri
    assert (base.user, base.password) == ("u", "p")


@pytest.mark.parametrize(
    ("base", "control", "uri"),
    [
        ("rtsp://h/p", "trackID=1", "rtsp://h/p/trackID=1"),
        ("rtsp://h/p/", "trackID=1", "rtsp://h/p/trackID=1"),
        ("rtsp://h/p/", "/trackID=1", "rtsp://h/p/trackID=1"),
        ("rtsp://h", "trackID=1", "rtsp://h/trackID=1"),
        ("rtsp://h/p/", "*", "rtsp://h/p/"),
        ("rtsp://h/p", "", "rtsp://h/p"),
        ("rtsp://h/p?x=1", "trackID=1", "rtsp://h/p?x=1/trackID=1"),
        ("rtsp://h/p?x=1/", "trackID=1", "rtsp://h/p?x=1/trackID=1"),
        ("rtsp://h/p", " rtsp://g:8554/q?y=2 ", "rtsp://g:8554/q?y=2"),
        ("rtsp://h/p", "rtsp://rtsp://g/q", "rtsp://g/q"),
        ("rtsp://[fe80::1%25eth0]/p", "a", "rtsp://[fe80::1]/p/a"),
        ("/p", "a", "/p/a"),
    ],
)
def test_join(base: str, control: str, uri: str) -> None:
    """Conformance D8."""
    assert RtspUrl.parse(base).join(control).request_uri == uri


def test_join_keeps_what_the_wire_does_not_say() -> None:
    base = RtspUrl.parse("rtsp://u:p@[fe80::1%25eth0]/p")
    joined = base.join("a")
    assert (joined.host, joined.user, joined.password) == ("fe80::1%eth0", "u", "p")
    assert base.join("rtsp://h/q").user == "u"


@pytest.mark.parametrize("control", ["http://h/p", "a\0b", "rtsp://"])
def test_a_control_that_is_none(control: str) -> None:
    with pytest.raises(ProtocolError):
        RtspUrl.parse("rtsp://h/p").join(control)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.sampled_from(["", "rtsp://", "rtsp://h/", "rtsp://[", "/", "rtsp://h:"]))
def test_any_text_is_read_or_refused(text: str, prefix: str) -> None:
    status = 200
    try:
        url = RtspUrl.parse(prefix + text)
        again = RtspUrl.parse(url.request_uri)
        assert again.request_uri == url.request_uri
        url.join(text)
        url.base(text)
        url.segments()
    except ProtocolError as error:
        status = error.status
    assert status in (200, 400)
