"""Certificates for tests: an authority of our own, and what it signs; keys are made once."""

from __future__ import annotations

import datetime
import ipaddress
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

__all__ = ["PASSPHRASE", "authority", "key", "key_pem", "signed"]

PASSPHRASE = "open sesame"
_NOW = datetime.datetime.now(datetime.UTC)
_DAY = datetime.timedelta(days=1)


@cache
def key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """One of several keys."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(number: int = 0, passphrase: str | None = None) -> bytes:
    """A key as files have it."""
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase.encode())
    return key(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(number: int, names: list[x509.GeneralName], days: int, *, ca: bool) -> bytes:
    issuer = key(9)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name("authority" if ca else "server"))
        .issuer_name(_name("authority"))
        .public_key(key(number).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - 9 * _DAY)
        .not_valid_after(_NOW + days * _DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key(number).public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
        )
    )
    if names:
        certificate = certificate.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return certificate.sign(issuer, hashes.SHA256()).public_bytes(Encoding.PEM)


def authority(folder: Path) -> Path:
    """The authority's own certificate, in a file."""
    path = folder / "authority.pem"
    path.write_bytes(_certificate(9, [], 9, ca=True))
    return path


def signed(folder: Path, number: int = 0, *, days: int = 9, host: str = "127.0.0.1") -> Path:
    """A certificate of a server at this address, signed by the authority; valid for so many days more."""
    path = folder / f"server{number}.pem"
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(host))]
    path.write_bytes(_certificate(number, names, days, ca=False))
    return path
