"""Configuration files: what they mean, and what is said of those that are wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelcast.client.trust import ANYONE, Trust
from reelcast.errors import ConfigurationError
from reelcast.station.configuration import Configuration, PathSettings
from reelcast.station.locator import Place
from reelcast.station.toml_file import Flags, path_name, read_configuration

RELAY = "rtsp://10.0.0.5/stream"
WHOLE = f"""
[listen]
host = "127.0.0.1"
port = 9554
timeout = 90

[limits]
sessions = 20
idle_seconds = "2m"

[tls]
certificate = "cert.pem"
key = "/etc/key.pem"

[live]
any_path = false
take_over = true
patience = 2.5

[record]
folder = "recordings"
segment = "1m"
keep = "7d"
keep_size = "1.5 GB"

[paths."/movies"]
file = "films"
whole_ts = true

[paths]
loop = {{ live_file = "loop.mp4" }}
"/cam/" = {{ relay = "{RELAY}", on_demand = true, transport = "tcp", record = true, keep = "12h" }}
"/studio/one" = {{ publish = true, take_over = false, record = "elsewhere" }}

[users.alice]
ha1 = "0123456789abcdef0123456789abcdef"
password = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"
publish = ["/studio/*"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "station.toml"


def test_a_whole_file(file: Path) -> None:
    file.write_text(WHOLE)
    told = read_configuration(file)
    assert (told.listen.host, told.listen.port, told.listen.rtp_port, told.listen.timeout) == (
        "127.0.0.1",
        9554,
        0,
        90,
    )
    limits = told.limits.limits()
    assert (limits.sessions, limits.idle_seconds, limits.connections) == (20, 120.0, 10_000)
    assert told.tls is not None
    assert (told.tls.port, told.tls.certificate, told.tls.key) == (
        8322,
        file.parent / "cert.pem",
        Path("/etc/key.pem"),
    )
    assert (told.live.any_path, told.live.take_over, told.live.patience, told.live.linger) == (
        False,
        True,
        2.5,
        10,
    )
    record = told.record
    assert (record.folder, record.segment, record.keep) == (file.parent / "recordings", 60, 7 * 86400)
    assert record.keep_size == 1_500_000_000
    assert told.paths == {
        "/movies": PathSettings(file=file.parent / "films", whole_ts=True),
        "/loop": PathSettings(live_file=file.parent / "loop.mp4"),
        "/cam": PathSettings(relay=RELAY, on_demand=True, transport="tcp", record=True, keep=12 * 3600.0),
        "/studio/one": PathSettings(publish=True, take_over=False, record=file.parent / "elsewhere"),
    }
    assert (told.users["alice"].read, told.users["alice"].publish) == (("/**",), ("/studio/*",))
    assert told.guard().describe() == "1 user; nothing without a login"


def test_an_empty_file_is_the_default(file: Path) -> None:
    file.write_text("")
    assert read_configuration(file) == read_configuration(None) == Configuration()


HA1 = "0123456789abcdef0123456789abcdef"
WRONG = [
    ("a = ", ":1: invalid value"),
    ("[listen]\nport 3", ":2: expected '=' after a key in a key/value pair"),
    ("[listen]\nport = 1\nport = 2", ":3: cannot overwrite a value"),
    ('[listen]\nhost = """', ":2: unterminated string"),
    ("a = " + "[" * 20_000, ": is no configuration: too deep"),
    ("lisen = 1", ":1: lisen: there is no such key; did you mean listen?"),
    ("listen = 1", ":1: listen: must be a table with keys of its own, not 1"),
    ("[listen]\n\nprot = 1", ":3: listen.prot: there is no such key; did you mean port?"),
    (
        "[tls]\nxyz = 1",
        ":2: tls.xyz: there is no such key; there are port, certificate, key, passphrase, self_signed",
    ),
    ("listen.port = 99999", ":1: listen.port: must be a whole number from 0 to 65535, not 99999"),
    ("[listen]\nport = true", ":2: listen.port: must be a whole number from 0 to 65535, not true"),
    ('[listen]\nport = "8554"', ":2: listen.port: must be a whole number from 0 to 65535, not '8554'"),
    ("[listen]\nport = 8554.0", ":2: listen.port: must be a whole number from 0 to 65535, not 8554.0"),
    ("limits.sessions = 0", ":1: limits.sessions: must be a whole number from 1 on, not 0"),
    (
        '[listen]\nhost = "localhost"',
        ':2: listen.host: must be a numeric address such as "192.168.1.5" or "::1", not \'localhost\'',
    ),
    (
        "[listen]\nhost = 1",
        ':2: listen.host: must be a numeric address such as "192.168.1.5" or "::1", not 1',
    ),
    (
        '[live]\npatience = "10 years"',
        ":2: live.patience: must be a number of seconds from 0 on, or text such as "
        '"10m" or "7d", not \'10 years\'',
    ),
    ("[live]\npatience = nan", ":2: live.patience: must be a number of seconds from 0 on"),
    ("[live]\npatience = inf", ":2: live.patience: must be a number of seconds from 0 on"),
    (f"[live]\npatience = {10**400}", ":2: live.patience: must be a number of seconds from 0 on"),
    ("[live]\npatience = -1", ":2: live.patience: must be a number of seconds from 0 on"),
    (
        '[record]\nkeep_size = "0 MB"',
        ':2: record.keep_size: must be a number of bytes, or text such as "500 MB" or "2 TB", not \'0 MB\'',
    ),
    ("[live]\ntake_over = 1", ":2: live.take_over: must be true or false, not 1"),
    ("[tls]", ':1: tls: there is no certificate; give certificate and key, or self_signed = "FILE"'),
    ('[tls]\nkey = "k"', ":2: tls.key: there is no certificate to it; give certificate too"),
    ("[tls]\nkey = {}", ":2: tls.key: must be a path, not a table"),
    (
        '[tls]\ncertificate = "c"\nself_signed = "s"',
        ":3: tls.self_signed: there is a certificate already; leave out the one or the other",
    ),
    ("[paths]\ncam = 1", ":2: paths.cam: must be a table with keys of its own, not 1"),
    ('[paths]\n"/cam" = 1', ':2: paths."/cam": must be a table with keys of its own, not 1'),
    (
        "[paths.cam]",
        ":1: paths.cam: there is nothing to serve; give file, live_file, relay or publish = true",
    ),
    (
        '[paths.cam]\nfile = "a"\npublish = true',
        ":3: paths.cam.publish: there is file already; a path has one of file, live_file, relay or publish = true",
    ),
    (
        '[paths.cam]\nfile = "a"\non_demand = true',
        ":3: paths.cam.on_demand: belongs to relay, not to file; leave it out",
    ),
    (
        '[paths.cam]\nlive_file = "a"\nrecord = true',
        ":3: paths.cam.record: belongs to relay or publish, not to live_file; leave it out",
    ),
    (
        "[paths.cam]\npublish = true\n\n[paths.'/cam/']\npublish = true",
        ':4: paths."/cam/": is there already, as "cam"; leave out one of them',
    ),
    (
        '[paths.cam]\nrelay = "http://user:secret@camera/"',
        ':2: paths.cam.relay: must be a URL such as "rtsp://user:password@camera/stream"',
    ),
    (
        '[paths.cam]\nrelay = "/secret"',
        ':2: paths.cam.relay: must be a URL such as "rtsp://user:password@camera/stream"',
    ),
    (
        '[paths.cam]\nrelay = "rtsp://a:b/c@d/e"',
        ':2: paths.cam.relay: must be a URL such as "rtsp://user:password@camera/stream"; '
        "in a password, / is written %2F and ? is written %3F",
    ),
    (
        '[paths.cam]\nrelay = "rtsp://a"\ntransport = "both"',
        ':3: paths.cam.transport: must be "auto" or "udp" or "tcp", not \'both\'',
    ),
    (
        '[paths.cam]\nrelay = "rtsps://a:secret@h/"\ntransport = "udp"',
        ':3: paths.cam.transport: over TLS media goes inside the connection; say "tcp", or leave it out',
    ),
    (
        'listen.port = 554\n[paths.cam]\nrelay = "rtsp://a:secret@localhost/cam/"',
        ":3: paths.cam.relay: is this path itself; name the camera, or the other server",
    ),
    (
        '[tls]\nself_signed = "a"\n[paths.cam]\nrelay = "rtsps://[::1]:8322/cam"',
        ":4: paths.cam.relay: is this path itself;",
    ),
    (
        "[paths.cam]\npublish = true\nrecord = 1",
        ":3: paths.cam.record: must be true, false or a folder, not 1",
    ),
    (
        "[paths.cam]\npublish = true\nrecord = true",
        ':3: paths.cam.record: there is no folder to record to; say folder = "DIRECTORY" in [record]',
    ),
    (
        "[record]\nevery = true",
        ':2: record.every: there is no folder to record to; say folder = "DIRECTORY" in [record]',
    ),
    (
        "listen.workers = 2\n[paths.cam]\npublish = true",
        ":1: listen.workers: workers share no live path, and /cam is one; say workers = 1, or have "
        "another server for what is live",
    ),
    (
        'listen.workers = 2\n[record]\nfolder = "a"\nevery = true',
        ":1: listen.workers: workers share no live path, so there is none to record; say workers = 1, or have "
        "another server for what is live",
    ),
    ("[users.bob]", ":1: users.bob: there is no password; `reelcast user NAME` prints what to write here"),
    (
        '[users.bob]\nha1 = "x"',
        ":2: users.bob.ha1: must be 32 hexadecimal digits in small letters; `reelcast user`",
    ),
    (
        '[users.bob]\nha1_sha256 = "x"',
        ":2: users.bob.ha1_sha256: must be 64 hexadecimal digits in small letters;",
    ),
    (
        '[users.bob]\npassword = "secret"',
        ':2: users.bob.password: must begin with "$argon2id$"; `reelcast user`',
    ),
    (
        f'[users.bob]\nha1 = "{HA1}"\npublish = ["cam"]',
        ":3: users.bob.publish: 'cam' is no pattern of paths: it begins",
    ),
    (f'[users."a:b"]\nha1 = "{HA1}"', ":1: users.\"a:b\": 'a:b' is no user: a name is without colons"),
    ("[login]\nrealm = 'a\"b'", ":2: login.realm: 'a\"b' is no realm: it is without quotes"),
    ('[anyone]\nread = ["cam"]', ":2: anyone.read: 'cam' is no pattern of paths: it begins"),
    ("[users.bob]\nread = 1", ":2: users.bob.read: must be a list of texts, not 1"),
    ('[users.bob]\nread = [""]', ":2: users.bob.read: must be a list of texts, not a list"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_said_in_one_line(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(file)
    line = str(caught.value)
    assert line.startswith(f"{file}{said}")
    assert "\n" not in line
    assert "secret" not in line


def test_a_file_that_is_not_there(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"station\.toml: cannot be read: No such file or directory"):
        read_configuration(file)


def test_a_file_that_is_no_text(file: Path) -> None:
    file.write_bytes(b"# one\n# tw\xff\n")
    with pytest.raises(ConfigurationError, match=r"station\.toml:2: is no UTF-8; save it as that"):
        read_configuration(file)


# Flags


def test_flags_come_before_the_file(file: Path) -> None:
    file.write_text(
        '[listen]\nport = 1\ntimeout = 50\n[paths.cam]\nrelay = "rtsp://a"\n[paths.studio]\npublish = true'
    )
    flags = Flags({"listen": {"port": 2}, "paths": {"/cam": {"file": Path("films")}}})
    for _ in range(2):
        told = read_configuration(file, flags)
        assert (told.listen.port, told.listen.timeout) == (2, 50)
        assert told.paths == {"/studio": PathSettings(publish=True), "/cam": PathSettings(file=Path("films"))}


def test_flags_stand_alone() -> None:
    told = read_configuration(None, Flags({"paths": {"cam": {"relay": RELAY}}, "live": {"patience": 3}}))
    assert told.paths["/cam"].relay == RELAY
    assert told.live.patience == 3


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"paths": {"cam": {"relay": "x"}}}, "--relay: paths.cam.relay: must be a URL"),
        (
            {"listen": {"workers": 2}, "paths": {"cam": {"publish": True}}},
            "--workers: listen.workers: workers share",
        ),
        ({"record": {"every": True}}, "record.every: there is no folder"),
    ],
)
def test_errors_name_the_flag(document: dict[str, Any], said: str) -> None:
    origins: dict[Place, str] = {("paths", "cam"): "--relay", ("listen", "workers"): "--workers"}
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(None, Flags(document, origins))
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("text", ['[record]\nfolder = "{}"', '[paths.cam]\npublish = true\nrecord = "{}"'])
def test_recordings_take_a_folder(file: Path, text: str) -> None:
    """It may be one that is not there yet."""
    for name in ("nowhere", "."):
        file.write_text(text.format(name))
        read_configuration(file)
    file.write_text(text.format("station.toml"))
    with pytest.raises(ConfigurationError, match=r"station\.toml is a file; name a folder$"):
        read_configuration(file)


def test_errors_beside_flags_name_the_file(file: Path) -> None:
    file.write_text("\n[listen]\nport = -1")
    with pytest.raises(ConfigurationError, match=r"station\.toml:3: listen\.port"):
        read_configuration(file, Flags({"listen": {"timeout": 30}}, {("listen", "timeout"): "--timeout"}))


FINGERPRINT = "AB:" * 31 + "AB"


@pytest.mark.parametrize(
    ("text", "trust"),
    [
        ('"anyone"', ANYONE),
        (f'"{FINGERPRINT}"', Trust(fingerprint=b"\xab" * 32)),
        ('"ca.pem"', None),
        (
            '"none.pem"',
            "must be a PEM file that is there, a SHA-256 fingerprint, or \"anyone\", not 'none.pem'",
        ),
        ("1", "must be a PEM file that is there"),
        ('""', "must be a PEM file that is there"),
    ],
)
def test_whom_a_relay_believes(file: Path, text: str, trust: Trust | str | None) -> None:
    """Files are looked for where the configuration is."""
    authorities = file.parent / "ca.pem"
    authorities.write_text("")
    file.write_text(f'[paths.cam]\nrelay = "rtsps://a"\ntrust = {text}')
    if isinstance(trust, str):
        with pytest.raises(ConfigurationError, match=re.escape(f"station.toml:3: paths.cam.trust: {trust}")):
            read_configuration(file)
    else:
        assert read_configuration(file).paths["/cam"].trust == (trust or Trust(authorities=authorities))


@pytest.mark.parametrize(
    ("name", "path"), [("", "/"), ("/", "/"), ("cam", "/cam"), ("/cam/", "/cam"), ("a//b", "/a/b")]
)
def test_path_names(name: str, path: str) -> None:
    assert path_name(name) == path


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.datetimes()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(["listen", "limits", "tls", "live", "record", "paths", "users", "other"]),
    st.sampled_from(["port", "host", "folder", "keep", "relay", "publish", "read", "cam"]),
    VALUES,
)
@settings(max_examples=200)
def test_any_values_are_taken_or_refused(table: str, key: str, value: object) -> None:
    for document in ({table: {key: value}}, {table: {"name": {key: value}}}):
        text = ""
        try:
            read_configuration(None, Flags(document))
        except ConfigurationError as error:
            text = str(error)
        assert "\n" not in text
