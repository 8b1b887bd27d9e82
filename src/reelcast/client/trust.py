"""Whom a client believes to be the server that an rtsps:// URL names."""

from __future__ import annotations

import functools
import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reelcast.errors import TransportError

__all__ = ["ANYONE", "SYSTEM", "Trust"]

_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")
_ANYONE: Final = "anyone"


@dataclass(frozen=True, slots=True)
class Trust:
    """How a server shows that it is who it should be.

    authorities   a PEM file with the certificates of authorities, or with the server's own if it is self-signed;
                  None for those that this system trusts
    fingerprint   the SHA-256 of the server's certificate: this one and no other, whoever signed it, and whatever
                  name it is made for; b"" where that is not known
    anyone        True to believe everyone: what is said then cannot be overheard, but who hears it is not known
    """

    authorities: Path | None = None
    fingerprint: bytes = b""
    anyone: bool = False

    @classmethod
    def of(cls, what: Trust | Path | str | None) -> Trust:
        """What a person means: a fingerprint (AB:CD:..., SHA-256), a PEM file, "anyone", or None for the system.

        Raises ValueError for a string that is none of these.
        """
        if what is None:
            return SYSTEM
        if isinstance(what, Trust):
            return what
        text = str(what)
        if text == _ANYONE:
            return ANYONE
        if _FINGERPRINT.fullmatch(text):
            return cls(fingerprint=bytes.fromhex(text.replace(":", "")))
        if not Path(text).is_file():
            raise ValueError(
                f"{text!r} is nothing to trust a server by: name a PEM file that is there, the SHA-256 fingerprint "
                "of its certificate, or 'anyone'"
            )
        return cls(authorities=Path(text))

    def context(self) -> ssl.SSLContext:
        """For a connection; TransportError where the file has no certificates."""
        if self.anyone or self.fingerprint:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if self.authorities is None:
            return _system_context()
        try:
            return ssl.create_default_context(cafile=self.authorities)
        except (OSError, ssl.SSLError) as error:
            advice = "it must hold certificates in PEM format"
            raise TransportError(
                f"{self.authorities}: no certificates can be read from it", advice=advice
            ) from error

    def check(self, connection: ssl.SSLObject | None) -> str | None:
        """Look at the server's certificate, behind the handshake; what is wrong with it, None if nothing."""
        if not self.fingerprint:
            return None
        shown = connection.getpeercert(binary_form=True) if connection is not None else None
        found = hashlib.sha256(shown or b"").digest()
        if found == self.fingerprint:
            return None
        return f"its certificate is another one, with the fingerprint {found.hex(':').upper()}"


@functools.cache
def _system_context() -> ssl.SSLContext:
    """Reading all authorities of a system takes tens of milliseconds: not for each of many connections."""
    return ssl.create_default_context()


SYSTEM: Final = Trust()
"""The authorities of this system, and the name in the URL."""
ANYONE: Final = Trust(anyone=True)
"""No look at the certificate at all."""
