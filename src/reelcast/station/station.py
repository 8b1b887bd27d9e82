"""What a configuration says, made: a server with everything mounted; and made anew where it says otherwise."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from reelcast.errors import ConfigurationError, MediaError
from reelcast.media.library import Library
from reelcast.server import Era, Server
from reelcast.server.broadcast import Broadcast
from reelcast.server.live import Live, LivePolicy
from reelcast.server.mounts import on_disk
from reelcast.station.configuration import Configuration, PathSettings
from reelcast.station.status import Status

__all__ = ["Station"]

log = logging.getLogger(__name__)

FIXED = ("listen", "limits", "tls")
"""Tables that say what the server is begun with."""

_Prepared = Path | Library | Broadcast | None
"""What is to be mounted of a file, opened; None of a live path."""


@dataclass(slots=True)
class _Served:
    """A path as it is served."""

    settings: PathSettings
    live: Live | None = None


class Station:
    """A server, and what it serves.

    told     the configuration that it is made by
    server   with all of it mounted
    """

    def __init__(self, told: Configuration, *, worker: int | None = None, era: Era | None = None) -> None:
        """Open what is to be served; nothing listens yet.

        `worker` is the number of one of several, which share the port and the `era`. Raises ConfigurationError
        or MediaError where a path cannot be served, TransportError where a certificate is of no use.
        """
        listen = told.listen
        self.told = told
        self._tls = None if told.tls is None else told.tls.tls()
        if self._tls is not None:
            self._tls.context()
        self.server = Server(
            listen.host,
            listen.port,
            rtp_port=listen.rtp_port + 2 * (worker or 0) if listen.rtp_port else 0,
            timeout=listen.timeout,
            reuse_port=worker is not None,
            era=era,
            limits=told.limits.limits(),
            tls=self._tls,
        )
        self._status = Status()
        self._served: dict[str, _Served] = {}
        for name, what in self._prepare(told, list(told.paths)).items():
            self._mount(name, told, what)
        self._allow()

    def close(self) -> None:
        """Let go of what was opened, of a station that is not to serve."""
        for name in list(self._served):
            self._unmount(name)

    def notices(self) -> list[str]:
        """What who starts it is to know: who may do what."""
        publishing = "publishing only from this machine" if self.told.listen.workers == 1 else "no publishing"
        lines = [f"without users: anyone may read, {publishing}"]
        if self._tls is not None:
            lines.append(f"SHA-256 of the certificate: {self._tls.fingerprint}")
        return lines

    def say_status(self) -> None:
        """Say in the log how each live path is."""
        for line in self._status.lines(self.server.live_paths(), time.monotonic()):
            log.info("%s", line)

    async def apply(self, told: Configuration) -> None:
        """Serve what another configuration says; who plays what is the same in both is not disturbed.

        Raises ConfigurationError or MediaError where a path cannot be served: then all stays as it was; and
        TransportError where the certificate is of no use any more: then that stays as it was.
        """
        before = self.told
        ended = [name for name in before.paths if name not in told.paths]
        changed = [
            name
            for name, settings in told.paths.items()
            if name in before.paths and _source(before.paths[name]) != _source(settings)
        ]
        new = [name for name in told.paths if name not in before.paths]
        prepared = await asyncio.to_thread(self._prepare, told, [*changed, *new])
        for name in [*ended, *changed]:
            self._unmount(name)
        self.told = self._as_begun(told)
        for name, what in prepared.items():
            self._mount(name, told, what)
        for name, served in self._served.items():
            self._adjust(served, told.paths[name])
        self._allow()
        for word, names in (("new", new), ("changed", changed), ("no longer served", ended)):
            if names:
                log.info("%s: %s", word, ", ".join(names))
        self.server.reload_certificate()

    # Paths

    def _prepare(self, told: Configuration, names: list[str]) -> dict[str, _Prepared]:
        """Open what these paths serve; takes a while, and changes nothing."""
        prepared: dict[str, _Prepared] = {}
        for name in names:
            try:
                prepared[name] = self._open(name, told.paths[name])
            except MediaError as error:
                for opened in prepared.values():
                    if isinstance(opened, Broadcast):
                        opened.close()
                where = told.where(("paths", name))
                if not where:
                    raise
                raise ConfigurationError(str(error), where=where, key=("paths", name)) from error
        return prepared

    def _open(self, name: str, settings: PathSettings) -> _Prepared:
        if settings.live_file is not None:
            return self.server.looped(quote(name), settings.live_file)
        return None if settings.file is None else on_disk(settings.file)

    def _mount(self, name: str, told: Configuration, what: _Prepared) -> None:
        settings = told.paths[name]
        served = self._served[name] = _Served(settings)
        if what is None:
            served.live = self._live(name, settings, told)
        mounted = served.live if what is None else what
        assert mounted is not None
        self.server.mount(quote(name), mounted, whole_ts=settings.whole_ts)

    def _live(self, name: str, settings: PathSettings, told: Configuration) -> Live:
        """The live path of a relay, or of publishers; one that they have made already becomes this one."""
        policy = _policy(settings, told)
        there = self.server.mounted(quote(name))
        if not isinstance(there, Live):
            return Live(name, policy)
        there.policy, there.on_over = policy, None
        return there

    def _unmount(self, name: str) -> None:
        served = self._served.pop(name)
        self.server.unmount(quote(name), evict=True)
        if served.live is not None:
            served.live.close()

    def _adjust(self, served: _Served, settings: PathSettings) -> None:
        """Change what can be changed of a path while it is read."""
        served.settings = settings
        if served.live is not None:
            served.live.policy = _policy(settings, self.told)

    def _allow(self) -> None:
        """Say who may publish."""
        alone = self.told.listen.workers == 1
        self.server.allow_publishing(_policy(None, self.told) if self.told.live.any_path and alone else None)

    def _as_begun(self, told: Configuration) -> Configuration:
        """The configuration, but for what a server cannot change while it runs; that is said."""
        for table in FIXED:
            before, after = getattr(self.told, table), getattr(told, table)
            if before != after:
                log.warning("%s has changed: that takes effect when the server is started again", table)
        return replace(told, **{table: getattr(self.told, table) for table in FIXED})


def _source(settings: PathSettings) -> PathSettings:
    """What of a path its readers notice when it changes."""
    return replace(
        settings,
        take_over=None,
        patience=None,
        linger=None,
        record=None,
        segment=None,
        keep=None,
        keep_size=None,
    )


def _policy(settings: PathSettings | None, told: Configuration) -> LivePolicy:
    """What is said of a path, and where nothing is, of all."""
    said = {name: getattr(settings, name, None) for name in ("take_over", "patience", "linger")}
    return LivePolicy(
        **{name: getattr(told.live, name) if value is None else value for name, value in said.items()}
    )
