"""What a station is told of those who log in: the tables `login`, `anyone` and `users` of its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from reelcast.errors import ConfigurationError
from reelcast.server.guard import Guard, User
from reelcast.server.passwords import DEFAULT_REALM, Password
from reelcast.server.rights import Rights
from reelcast.station.settings import FLAG, TEXT, TEXTS, Setting

__all__ = ["AnyoneSettings", "LoginSettings", "UserSettings"]


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """How users log in."""

    realm: Annotated[
        str,
        Setting(
            TEXT, "What the passwords are for; HA1s are made with it, so that it cannot change by itself."
        ),
    ] = DEFAULT_REALM
    basic: Annotated[
        bool,
        Setting(
            FLAG, "Whether passwords may be said where others can listen: not by RTSPS, nor on this machine."
        ),
    ] = False

    def __post_init__(self) -> None:
        try:
            Guard(realm=self.realm)
        except ValueError as error:
            raise ConfigurationError(str(error), key=("realm",)) from error


@dataclass(frozen=True, slots=True)
class AnyoneSettings:
    """What may be done without a login; where this table is not, nothing, as soon as there are users."""

    read: Annotated[tuple[str, ...], Setting(TEXTS, "Patterns of the paths to read.")] = ()
    publish: Annotated[tuple[str, ...], Setting(TEXTS, "Patterns of the paths to publish to.")] = ()

    def __post_init__(self) -> None:
        _check_patterns(self.read, self.publish)

    def rights(self) -> Rights:
        """As the guard takes them."""
        return Rights(self.read, self.publish)


@dataclass(frozen=True, slots=True)
class UserSettings:
    """Who may log in, and to what; `reelcast user NAME` prints a table to paste here."""

    ha1: Annotated[
        str | None, Setting(TEXT, "What Digest keeps of the password, with MD5: for any player.")
    ] = None
    ha1_sha256: Annotated[str | None, Setting(TEXT, "The same with SHA-256, for players that know it.")] = (
        None
    )
    password: Annotated[
        str | None,
        Setting(TEXT, "The password's argon2 hash: of no use to who reads it here, but for RTSPS only."),
    ] = None
    read: Annotated[
        tuple[str, ...],
        Setting(TEXTS, 'Patterns of the paths to read: "/cam" is one, "/movies/**" all below, "/**" all.'),
    ] = ("/**",)
    publish: Annotated[tuple[str, ...], Setting(TEXTS, "Patterns of the paths to publish to.")] = ()

    def __post_init__(self) -> None:
        if self.ha1 is None and self.ha1_sha256 is None and self.password is None:
            raise ConfigurationError("there is no password; `reelcast user NAME` prints what to write here")
        for key, kind in (("ha1", "md5"), ("ha1_sha256", "sha256"), ("password", "argon2")):
            try:
                if getattr(self, key) is not None:
                    Password(**{kind: getattr(self, key)})
            except ValueError as error:
                raise ConfigurationError(str(error).removeprefix(f"{kind} "), key=(key,)) from error
        _check_patterns(self.read, self.publish)

    def user(self, name: str) -> User:
        """As the guard takes it. Raises ValueError where the name is none."""
        return User(name, Password(self.ha1, self.ha1_sha256, self.password), Rights(self.read, self.publish))


def _check_patterns(read: tuple[str, ...], publish: tuple[str, ...]) -> None:
    for key, rights in (("read", {"read": read}), ("publish", {"publish": publish})):
        try:
            Rights(**rights)
        except ValueError as error:
            raise ConfigurationError(str(error), key=(key,)) from error
