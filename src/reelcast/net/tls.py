"""TLS of a server (RTSPS): which certificate it shows, on which port."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from reelcast.errors import TransportError

__all__ = ["DEFAULT_TLS_PORT", "Tls"]

DEFAULT_TLS_PORT: Final = 8322
"""Where RTSPS servers listen that have no rights to port 322."""


@dataclass(frozen=True, slots=True)
class Tls:
    """RTSPS on a port of its own.

    port          to listen at; 0 for any free one
    certificate   a PEM file: the server's own first, then those that lead to its authority
    key           a PEM file with its private key; None where the certificate's file holds that too
    passphrase    of the key, None where it is not encrypted
    """

    port: int
    certificate: Path
    key: Path | None = None
    passphrase: str | None = None

    @classmethod
    def self_signed(cls, file: Path, names: Iterable[str] = (), *, port: int = DEFAULT_TLS_PORT) -> Self:
        """With a certificate of its own, for who has none: made where `file` is not there, and kept in it.

        It is good for localhost, this machine's name and addresses, and `names`; clients are to be given the file,
        or the fingerprint. Raises TransportError where that file cannot be used, or written.
        """
        from reelcast.net import certificate

        certificate.make(file, names)
        return cls(port, file)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, AB:CD:...; TransportError where there is none to be read."""
        from reelcast.net import certificate

        return certificate.fingerprint(self.certificate)

    def context(self) -> ssl.SSLContext:
        """Read the files as they are now; TransportError, which names the file, where they are of no use."""
        from reelcast.net import certificate

        key = self.key or self.certificate
        certificate.check(self.certificate, key, self.passphrase)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # With TLS 1.2 a client could have the server compute keys again and again, on one connection.
        context.options |= ssl.OP_NO_RENEGOTIATION
        try:
            context.load_cert_chain(self.certificate, key, self.passphrase or "")
        except (OSError, ssl.SSLError) as error:
            raise TransportError(f"{self.certificate}: cannot be used: {error}") from error
        return context
