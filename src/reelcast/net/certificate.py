"""Certificates of a server: read and checked before they are used, or made where there is none to be had.

What goes wrong with them is told by file and cause: OpenSSL's own words for a wrong passphrase, a key that does
not belong or a file that is none are all the same.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import logging
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reelcast.errors import TransportError

__all__ = ["check", "fingerprint", "make"]

log = logging.getLogger(__name__)

VALID_DAYS: Final = 3650
"""Of a certificate that was made here: clients know it by its fingerprint, which should stay as it is."""
SKEW: Final = datetime.timedelta(days=1)
"""Valid since so long before it is made: cameras and recorders without a clock of their own are late."""
MAX_FILE_BYTES: Final = 1 << 20
"""Of a PEM file: a long chain has a hundredth of it."""


def check(certificate: Path, key: Path, passphrase: str | None) -> None:
    """Raise TransportError, which says what to do, where a server cannot use these PEM files together."""
    chain = _certificates(certificate)
    held = _read(key)
    try:
        private = load_pem_private_key(held, passphrase.encode() if passphrase is not None else None)
    except TypeError as error:
        if passphrase is None:
            raise TransportError(f"{key}: the key is encrypted: give its passphrase") from error
        raise TransportError(f"{key}: the key is not encrypted: leave the passphrase out") from error
    except Exception as error:
        # What cryptography raises for a wrong passphrase and for a broken key changes from version to version.
        if b"ENCRYPTED" in held and passphrase is not None:
            raise TransportError(f"{key}: the passphrase of the key is wrong") from error
        raise TransportError(f"{key}: no private key in PEM format is in this file") from error
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != chain[0].public_key().public_bytes(*form):
        raise TransportError(
            f"{key}: the key is of another certificate than the first one in {certificate}; "
            "the server's own must come first"
        )
    if _is_over(chain[0]):
        log.warning("%s: expired on %s: clients will refuse it", certificate, chain[0].not_valid_after_utc)


def fingerprint(certificate: Path) -> str:
    """The SHA-256 of the first certificate in a PEM file, as people compare it: AB:CD:... TransportError."""
    digest = _certificates(certificate)[0].fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def make(file: Path, names: Iterable[str]) -> None:
    """Have a self-signed certificate and its key in `file`, readable for its owner alone; kept where it is valid.

    `names` are host names and addresses that clients may know the server by, beside those that this machine knows
    itself by. Raises TransportError where the file is none of this kind or cannot be written.
    """
    if file.exists():
        check(file, file, None)
        if not _is_over(_certificates(file)[0]):
            return
    known = [*_local_names(), *map(_general_name, names)]
    key = ec.generate_private_key(ec.SECP256R1())
    held = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = held + _self_signed(key, dict.fromkeys(known)).public_bytes(Encoding.PEM)
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            undo.callback(beside.unlink, missing_ok=True)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(pem)
            os.replace(beside, file)
    except OSError as error:
        raise TransportError(f"{file}: the certificate cannot be kept there: {error.strerror}") from error
    log.info("%s: a self-signed certificate was made", file)


def _local_names() -> list[x509.GeneralName]:
    """localhost, the host's name, and its addresses as far as they are known."""
    names = ["localhost", "127.0.0.1", "::1", socket.gethostname()]
    with contextlib.suppress(OSError):
        names += [str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None)]
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # Nothing is sent: the kernel only says which address of ours it would send from (RFC 5737, RFC 3849).
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            names.append(probe.getsockname()[0])
    known: list[x509.GeneralName] = []
    for name in names:
        with contextlib.suppress(TransportError):
            known.append(_general_name(name))
    return known


def _self_signed(key: ec.EllipticCurvePrivateKey, names: Iterable[x509.GeneralName]) -> x509.Certificate:
    """A server's certificate for these names, which no authority has signed (RFC 5280)."""
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reelcast")])
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        # A zone belongs to the machine that uses the address, not to the address.
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        pass
    try:
        coded = name.encode("idna").decode()
    except UnicodeError:
        coded = ""
    if not coded:
        raise TransportError(f"{name!r} is no host name that a certificate can be made for")
    return x509.DNSName(coded)


def _certificates(file: Path) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(_read(file))
    except ValueError as error:
        raise TransportError(f"{file}: no certificate in PEM format is in this file") from error
    return found


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_FILE_BYTES)
    except OSError as error:
        raise TransportError(f"{file}: cannot be read: {error.strerror}") from error


def _is_over(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc <= datetime.datetime.now(datetime.UTC)
