"""Certificates: what is wrong with a file is told by its name; one of our own is made once, and stays."""

from __future__ import annotations

import datetime
import hashlib
import logging
import socket
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from tests.net.authority import PASSPHRASE, key_pem, signed

from reelcast.errors import TransportError
from reelcast.net import certificate as module
from reelcast.net.certificate import check, fingerprint, make


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return signed(tmp_path)


def in_file(folder: Path, data: bytes, name: str = "key.pem") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def names_in(file: Path) -> list[str]:
    found = x509.load_pem_x509_certificate(file.read_bytes())
    extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(name.value) for name in extension.value]


# Those of others


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_a_pair_that_belongs_together(certificate: Path, tmp_path: Path, passphrase: str | None) -> None:
    check(certificate, in_file(tmp_path, key_pem(0, passphrase)), passphrase)


@pytest.mark.parametrize(
    ("key", "passphrase", "message"),
    [
        (key_pem(0, PASSPHRASE), None, "key.pem: the key is encrypted: give its passphrase"),
        (key_pem(0, PASSPHRASE), "wrong", "key.pem: the passphrase of the key is wrong"),
        (key_pem(0), PASSPHRASE, "key.pem: the key is not encrypted: leave the passphrase out"),
        (b"no key", None, "key.pem: no private key in PEM format is in this file"),
        (key_pem(1), None, "key.pem: the key is of another certificate than the first one in .*server0.pem"),
    ],
)
def test_a_key_that_is_of_no_use(
    certificate: Path, tmp_path: Path, key: bytes, passphrase: str | None, message: str
) -> None:
    with pytest.raises(TransportError, match=message):
        check(certificate, in_file(tmp_path, key), passphrase)


def test_files_that_are_missing_or_something_else(certificate: Path, tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"none\.pem: cannot be read: No such file"):
        check(tmp_path / "none.pem", certificate, None)
    with pytest.raises(TransportError, match=r"key\.pem: no certificate in PEM format"):
        check(in_file(tmp_path, key_pem()), certificate, None)
    with pytest.raises(TransportError, match=r"server0\.pem: no private key"):
        check(certificate, certificate, None)


def test_one_that_has_expired_is_served_and_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(signed(tmp_path, days=-1), in_file(tmp_path, key_pem()), None)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "clients will refuse it" in caplog.text


# One of our own


def test_one_of_our_own(tmp_path: Path) -> None:
    file = tmp_path / "below" / "tls.pem"
    make(file, ["cam.example", "10.1.2.3", "fe80::1%eth0"])
    check(file, file, None)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    names = names_in(file)
    assert {"localhost", "127.0.0.1", "::1", "cam.example", "10.1.2.3", "fe80::1"} <= set(names)
    assert len(set(names)) == len(names)
    found = x509.load_pem_x509_certificate(file.read_bytes())
    assert found.not_valid_after_utc > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=3000)
    # Good for itself: who is given the file can check it.
    ssl.create_default_context(cafile=file)


def test_it_stays_the_same(tmp_path: Path) -> None:
    file = tmp_path / "tls.pem"
    make(file, [])
    before = file.read_bytes()
    make(file, ["another.example"])
    assert file.read_bytes() == before
    der = ssl.PEM_cert_to_DER_cert(before[before.index(b"-----BEGIN CERT") :].decode())
    assert fingerprint(file) == hashlib.sha256(der).digest().hex(":").upper()


def test_another_is_made_when_it_has_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "tls.pem"
    monkeypatch.setattr(module, "VALID_DAYS", -1)
    monkeypatch.setattr(module, "SKEW", datetime.timedelta(days=9))
    make(file, [])
    before = fingerprint(file)
    monkeypatch.setattr(module, "VALID_DAYS", 9)
    make(file, [])
    assert fingerprint(file) != before


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    file = in_file(tmp_path, b"a diary")
    with pytest.raises(TransportError, match="no certificate in PEM format"):
        make(file, [])
    assert file.read_bytes() == b"a diary"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"tls\.pem: the certificate cannot be kept there: "):
        make(in_file(tmp_path, b"", "file") / "tls.pem", [])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64])
def test_a_name_that_no_host_has(tmp_path: Path, name: str) -> None:
    with pytest.raises(TransportError, match="is no host name"):
        make(tmp_path / "tls.pem", [name])


def test_a_machine_with_an_odd_name_and_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(socket, "gethostname", lambda: "x" * 64)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr(socket, "socket", fail)
    make(tmp_path / "tls.pem", [])
    assert names_in(tmp_path / "tls.pem") == ["localhost", "127.0.0.1", "::1"]
