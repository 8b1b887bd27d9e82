"""What a station is told: every table of its configuration file, every key with its default and its meaning.

docs/configuration.md is made from what is written here (`python -m scripts.configuration`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated

from reelcast.client.options import Transport, is_encrypted
from reelcast.client.trust import Trust
from reelcast.errors import ConfigurationError
from reelcast.net.tls import DEFAULT_TLS_PORT, Tls
from reelcast.server.app import DEFAULT_PORT
from reelcast.server.guard import Guard
from reelcast.server.limits import Limits
from reelcast.server.session import DEFAULT_TIMEOUT
from reelcast.station.logins import AnyoneSettings, LoginSettings, UserSettings
from reelcast.station.relay import leads_back
from reelcast.station.settings import (
    ADDRESS,
    FLAG,
    FLAG_OR_FOLDER,
    FOLDER,
    PATH,
    RTSP_URL,
    SECONDS,
    SIZE,
    TEXT,
    TRUST,
    Setting,
    choice,
    seconds_from,
    whole,
)

__all__ = [
    "Configuration",
    "LimitSettings",
    "ListenSettings",
    "LiveSettings",
    "PathSettings",
    "RecordSettings",
    "TlsSettings",
]

_PORT = whole(0, 65535)
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """Where and how the server listens. To change this, start it again."""

    host: Annotated[str | None, Setting(ADDRESS, "Address to listen on; all of them if not given.")] = None
    port: Annotated[int, Setting(_PORT, "TCP port of RTSP; 0 takes a free one.")] = DEFAULT_PORT
    rtp_port: Annotated[
        int,
        Setting(
            whole(0, 65534), "UDP port of RTP, RTCP takes the next; 0 takes free ones. Each worker adds 2."
        ),
    ] = 0
    timeout: Annotated[
        int, Setting(whole(5, 86400), "Seconds without a sign of life that end a session.")
    ] = DEFAULT_TIMEOUT
    workers: Annotated[
        int,
        Setting(
            whole(1, 64), "Processes that share the port, of a server of files alone: one for each core."
        ),
    ] = 1


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What clients may take. To change this, start the server again."""

    connections: Annotated[
        int, Setting(whole(1), "Connections at once; each of several workers keeps to its own count.")
    ] = _LIMITS.connections
    connections_per_address: Annotated[int, Setting(whole(1), "Connections at once from one address.")] = (
        _LIMITS.connections_per_address
    )
    sessions: Annotated[int, Setting(whole(1), "Sessions at once.")] = _LIMITS.sessions
    sessions_per_address: Annotated[int, Setting(whole(1), "Sessions at once of one address.")] = (
        _LIMITS.sessions_per_address
    )
    publications: Annotated[int, Setting(whole(1), "Publishers at once.")] = _LIMITS.publications
    idle_seconds: Annotated[
        float, Setting(seconds_from(1), "Until a connection without a session is closed.")
    ] = _LIMITS.idle_seconds
    message_seconds: Annotated[
        float, Setting(seconds_from(1), "Until a request that was begun must be complete.")
    ] = _LIMITS.message_seconds
    stalled_seconds: Annotated[
        float, Setting(seconds_from(1), "How long a client may take nothing of what is sent to it.")
    ] = _LIMITS.stalled_seconds

    def limits(self) -> Limits:
        """As the server takes them."""
        return Limits(**{item.name: getattr(self, item.name) for item in fields(self)})


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """RTSPS: RTSP over TLS, on a port of its own. Where this table is not, there is none."""

    port: Annotated[int, Setting(_PORT, "TCP port of RTSPS; 0 takes a free one.")] = DEFAULT_TLS_PORT
    certificate: Annotated[
        Path | None, Setting(PATH, "File with the certificate, and those that lead to its authority, as PEM.")
    ] = None
    key: Annotated[
        Path | None, Setting(PATH, "File with the certificate's key, as PEM; the same file if not given.")
    ] = None
    passphrase: Annotated[str | None, Setting(TEXT, "What the key is encrypted with, if it is.")] = None
    self_signed: Annotated[
        Path | None,
        Setting(
            PATH,
            "Instead of those: file that a certificate of our own is kept in, made where it is not there.",
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.certificate is None and self.key is not None:
            raise ConfigurationError("there is no certificate to it; give certificate too", key=("key",))
        if self.certificate is not None and self.self_signed is not None:
            raise ConfigurationError(
                "there is a certificate already; leave out the one or the other", key=("self_signed",)
            )
        if self.certificate is None and self.self_signed is None:
            raise ConfigurationError(
                'there is no certificate; give certificate and key, or self_signed = "FILE"'
            )

    def tls(self) -> Tls:
        """As the server takes it; a certificate of our own is made where there is none yet.

        Raises TransportError where that cannot be written.
        """
        if self.self_signed is not None:
            return Tls.self_signed(self.self_signed, port=self.port)
        assert self.certificate is not None
        return Tls(self.port, self.certificate, self.key, self.passphrase)


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """What holds for every path that is fed by a publisher or a relay, where it does not say otherwise."""

    any_path: Annotated[
        bool,
        Setting(
            FLAG,
            "Whether publishers may publish to paths that are not in this file, each for as long as it does.",
        ),
    ] = True
    take_over: Annotated[
        bool,
        Setting(FLAG, "Whether a publisher takes over from one that is there; else it is refused (403)."),
    ] = False
    patience: Annotated[
        float, Setting(SECONDS, "How long readers wait for a source that went away to come back.")
    ] = 10.0
    linger: Annotated[
        float, Setting(SECONDS, "How long a relay on demand goes on when its last reader has left.")
    ] = 10.0


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """How live paths are recorded."""

    folder: Annotated[Path | None, Setting(FOLDER, "Folder of the recordings and their index.")] = None
    every: Annotated[
        bool, Setting(FLAG, "Whether every live path is recorded that does not say `record = false`.")
    ] = False
    segment: Annotated[
        float, Setting(seconds_from(1), "How long the files are; they are cut at keyframes.")
    ] = 60.0
    keep: Annotated[
        float | None, Setting(seconds_from(1), "How long recordings are kept; for ever if not given.")
    ] = None
    keep_size: Annotated[
        int | None,
        Setting(SIZE, "How much is kept of each path, the newest; as much as the disk holds if not given."),
    ] = None
    total_size: Annotated[int | None, Setting(SIZE, "How much is kept in the folder, of all paths.")] = None
    reserve: Annotated[
        int | None,
        Setting(SIZE, "How much of the disk stays free: the oldest recordings make room for that."),
    ] = None


@dataclass(frozen=True, slots=True)
class PathSettings:
    """What is served at a path: one of `file`, `live_file`, `relay` and `publish`, and more about it."""

    file: Annotated[
        Path | None, Setting(PATH, "A file, or a folder with all below it, each reader from the start.")
    ] = None
    live_file: Annotated[
        Path | None, Setting(PATH, "A file as an endless live stream, the same for all readers.")
    ] = None
    relay: Annotated[str | None, Setting(RTSP_URL, "A stream of another server, or of a camera.")] = None
    publish: Annotated[bool, Setting(FLAG, "What is published to this path.")] = False
    whole_ts: Annotated[
        bool, Setting(FLAG, "Of a file: send MPEG transport streams whole, not the tracks that are in them.")
    ] = False
    on_demand: Annotated[
        bool, Setting(FLAG, "Of a relay: connect when the first reader comes, not at once and for ever.")
    ] = False
    transport: Annotated[
        Transport, Setting(choice("auto", "udp", "tcp"), "Of a relay: how its media comes.")
    ] = "auto"
    timeout: Annotated[float, Setting(seconds_from(1), "Of a relay: how long it waits for media.")] = 10.0
    trust: Annotated[
        Trust | None,
        Setting(TRUST, "Of a relay by rtsps: whom it believes; authorities of this system if not given."),
    ] = None
    take_over: Annotated[bool | None, Setting(FLAG, "Of what is published: see `live.take_over`.")] = None
    patience: Annotated[
        float | None, Setting(SECONDS, "Of a relay or what is published: see `live.patience`.")
    ] = None
    linger: Annotated[float | None, Setting(SECONDS, "Of a relay on demand: see `live.linger`.")] = None
    record: Annotated[
        bool | Path | None,
        Setting(
            FLAG_OR_FOLDER,
            "Of a relay or what is published: whether it is recorded, or the folder to record to.",
        ),
    ] = None
    segment: Annotated[
        float | None, Setting(seconds_from(1), "Of what is recorded: see `record.segment`.")
    ] = None
    keep: Annotated[float | None, Setting(seconds_from(1), "Of what is recorded: see `record.keep`.")] = None
    keep_size: Annotated[int | None, Setting(SIZE, "Of what is recorded: see `record.keep_size`.")] = None

    def __post_init__(self) -> None:
        kinds = [kind for kind in _BELONGS if getattr(self, kind) not in (None, False)]
        if not kinds:
            raise ConfigurationError(f"there is nothing to serve; give {_ONE_OF}")
        if len(kinds) > 1:
            raise ConfigurationError(
                f"there is {kinds[0]} already; a path has one of {_ONE_OF}", key=(kinds[1],)
            )
        for item in fields(self):
            belongs = item.name in (kinds[0], *_BELONGS[kinds[0]])
            if not belongs and getattr(self, item.name) != item.default:
                others = " or ".join(kind for kind, names in _BELONGS.items() if item.name in names)
                raise ConfigurationError(
                    f"belongs to {others}, not to {kinds[0]}; leave it out", key=(item.name,)
                )
        if self.relay is not None and self.transport == "udp" and is_encrypted(self.relay):
            message = 'over TLS media goes inside the connection; say "tcp", or leave it out'
            raise ConfigurationError(message, key=("transport",))

    @property
    def live(self) -> bool:
        """Whether a publisher or a relay feeds it."""
        return self.publish or self.relay is not None


_RECORDED = ("record", "segment", "keep", "keep_size")
_BELONGS: Mapping[str, tuple[str, ...]] = {
    "file": ("whole_ts",),
    "live_file": (),
    "relay": ("on_demand", "transport", "timeout", "trust", "patience", "linger", *_RECORDED),
    "publish": ("take_over", "patience", *_RECORDED),
}
"""What a path may be, and the keys that each kind has beside its own."""
_FOLDER = 'say folder = "DIRECTORY" in [record]'
_ONE_OF = "file, live_file, relay or publish = true"


@dataclass(frozen=True, slots=True)
class Configuration:
    """All tables. Where there are no users, anyone may read, and this machine may publish.

    paths   by their names, which begin with "/", in the order of the file
    users   by their names
    where   "station.toml:12", or the flag, for the names that lead to a setting; "" where that is not known
    """

    listen: ListenSettings = ListenSettings()
    limits: LimitSettings = LimitSettings()
    tls: TlsSettings | None = None
    live: LiveSettings = LiveSettings()
    record: RecordSettings = RecordSettings()
    paths: Mapping[str, PathSettings] = field(default_factory=dict)
    login: LoginSettings = field(default_factory=LoginSettings)
    anyone: AnyoneSettings | None = None
    users: Mapping[str, UserSettings] = field(default_factory=dict)
    where: Callable[[tuple[str, ...]], str] = field(default=lambda _: "", compare=False, repr=False)

    def __post_init__(self) -> None:
        self._check_workers()
        for name, user in self.users.items():
            try:
                user.user(name)
            except ValueError as error:
                raise ConfigurationError(str(error), key=("users", name)) from error
        ports = {self.listen.port} if self.tls is None else {self.listen.port, self.tls.port}
        for name, path in self.paths.items():
            if path.relay is not None and leads_back(path.relay, name, ports):
                message = "is this path itself; name the camera, or the other server"
                raise ConfigurationError(message, key=("paths", name, "relay"))
            if path.record is True and self.record.folder is None:
                key = ("paths", name, "record")
                raise ConfigurationError(f"there is no folder to record to; {_FOLDER}", key=key)
        if self.record.every and self.record.folder is None:
            raise ConfigurationError(f"there is no folder to record to; {_FOLDER}", key=("record", "every"))

    def guard(self) -> Guard:
        """Who may do what."""
        return Guard(
            [settings.user(name) for name, settings in self.users.items()],
            anyone=None if self.anyone is None else self.anyone.rights(),
            realm=self.login.realm,
            basic=self.login.basic,
        )

    def _check_workers(self) -> None:
        if self.listen.workers == 1:
            return
        live = [name for name, path in self.paths.items() if path.live]
        if live or self.record.every:
            what = f"and {live[0]} is one" if live else "so there is none to record"
            raise ConfigurationError(
                f"workers share no live path, {what}; say workers = 1, or have another server for what is live",
                key=("listen", "workers"),
            )
