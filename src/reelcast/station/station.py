"""What a configuration says, made: a server with everything mounted; and made anew where it says otherwise."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from reelcast.archive.recording import RecordingPolicy, RecordingStatistics
from reelcast.errors import ConfigurationError, MediaError, TransportError
from reelcast.media.demux import open_demuxer
from reelcast.media.library import Library
from reelcast.server.app import Server
from reelcast.server.broadcast import Broadcast
from reelcast.server.feed import Era
from reelcast.server.live import Live, LivePolicy
from reelcast.server.mounts import on_disk
from reelcast.station.configuration import Configuration, PathSettings
from reelcast.station.recordings import Recordings
from reelcast.station.relay import Relay
from reelcast.station.status import Status

__all__ = ["Station"]

log = logging.getLogger(__name__)

FIXED = ("listen", "limits", "tls")
"""Tables that say what the server is begun with."""

_MADE = PathSettings(publish=True)
"""What is said of a path that a publisher has made."""
_Prepared = Path | Library | Broadcast | Live | None
"""What is to be mounted of a file, opened; None of a live path."""


@dataclass(slots=True)
class _Served:
    """A path as it is served."""

    settings: PathSettings
    live: Live | None = None
    relay: Relay | None = None


class Station:
    """A server, and what it serves.

    told     the configuration that it is made by
    server   with all of it mounted
    flaws    of the files that were opened last, each in a line; they are served all the same
    """

    def __init__(self, told: Configuration, *, worker: int | None = None, era: Era | None = None) -> None:
        """Open what is to be served; nothing listens yet.

        `worker` is the number of one of several, which share the port and the `era`. Raises ConfigurationError
        or MediaError where a path cannot be served, TransportError where a certificate is of no use.
        """
        listen = told.listen
        self.told = told
        self.flaws: list[str] = []
        self._status = Status()
        self._recordings = Recordings()
        self._begun = False
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
            guard=told.guard(),
        )
        self.server.play_back(self._recordings)
        self._served: dict[str, _Served] = {}
        for name, what in self._prepare(told, list(told.paths)).items():
            self._mount(name, what)
        self._allow()

    def begin(self) -> None:
        """Record what is to be recorded; called when the server has started."""
        self._begun = True
        self._record()

    async def end(self) -> None:
        """Finish what is recorded; called when the server has stopped."""
        await self._recordings.close()

    def close(self) -> None:
        """Let go of what was opened, of a station that is not to serve."""
        for name in list(self._served):
            self._unmount(name)

    def notices(self) -> list[str]:
        """What who starts it is to know: what is wrong with the files, and who may do what."""
        lines = [*self.flaws, self.server.guard.describe()]
        if self.told.listen.workers > 1:
            lines.append("with several workers, nobody can publish")
        if self._tls is not None:
            lines.append(f"SHA-256 of the certificate: {self._tls.fingerprint}")
        return lines

    def say_status(self) -> None:
        """Say in the log how each live path is."""
        for line in self._status.lines(self._live_paths(), time.monotonic()):
            log.info("%s", line)

    async def apply(self, told: Configuration) -> None:
        """Serve what another configuration says; who plays what is the same in both is not disturbed.

        Raises ConfigurationError or MediaError where a path cannot be served: then all stays as it was.
        """
        before, told = self.told, self._as_begun(told)
        ended = [name for name in before.paths if name not in told.paths]
        changed = [
            name
            for name, settings in told.paths.items()
            if name in before.paths and _source(before.paths[name]) != _source(settings)
        ]
        new = [name for name in told.paths if name not in before.paths]
        self.flaws.clear()
        prepared = await asyncio.to_thread(self._prepare, told, [*changed, *new])
        for flaw in self.flaws:
            log.warning("%s", flaw)
        for name in [*ended, *changed]:
            self._unmount(name)
        self.told = told
        if _who(before) != _who(told):
            self.server.guard = told.guard()
            log.info("%s", self.server.guard.describe())
        for name, what in prepared.items():
            self._mount(name, what)
        for name, served in self._served.items():
            self._adjust(served, told.paths[name])
        self._allow()
        self._record()
        for word, names in (("new", new), ("changed", changed), ("no longer served", ended)):
            if names:
                log.info("%s: %s", word, ", ".join(names))
        try:
            self.server.reload_certificate()
        except TransportError as error:
            log.error("%s; the certificate stays as it was", error)

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
        if settings.file is None:
            return None
        there = on_disk(settings.file)
        if isinstance(there, Path) and not settings.whole_ts:
            self._look_at(there)
        return there

    def _look_at(self, file: Path) -> None:
        """Note what is wrong with a file, which readers would only be told as 415; it may be mended meanwhile.

        Not of a transport stream that is kept whole: opening one takes as long as reading it through.
        """
        try:
            open_demuxer(file).close()
        except MediaError as error:
            self.flaws.append(f"{error}; who asks for it is answered 415")

    def _mount(self, name: str, what: _Prepared) -> None:
        settings = self.told.paths[name]
        served = self._served[name] = _Served(settings)
        if what is None:
            what = served.live = self._live(name, served)
        self.server.mount(quote(name), what, whole_ts=settings.whole_ts)

    def _live(self, name: str, served: _Served) -> Live:
        """The live path of a relay, or of publishers; one that they have made already becomes this one."""
        settings, policy = served.settings, self._policy(served.settings)
        if settings.relay is not None:
            served.relay = Relay(
                settings.relay,
                on_demand=settings.on_demand,
                transport=settings.transport,
                timeout=settings.timeout,
                trust=settings.trust,
            )
        there = self.server.mounted(quote(name))
        if isinstance(there, Live) and served.relay is None:
            there.policy, there.on_over = policy, None
            return there
        if isinstance(there, Live):
            there.close()
            self._recordings.end(there)
        return Live(name, policy, origin=served.relay)

    def _unmount(self, name: str) -> None:
        served = self._served.pop(name)
        self.server.unmount(quote(name), evict=True)
        if served.live is not None:
            served.live.close()
            self._recordings.end(served.live)

    def _adjust(self, served: _Served, settings: PathSettings) -> None:
        """Change what can be changed of a path while it is read."""
        served.settings = settings
        if served.live is not None:
            served.live.policy = self._policy(settings)

    # All paths

    def _allow(self) -> None:
        """Say to which paths one may publish that are not in the configuration."""
        alone = self.told.listen.workers == 1
        policy = self._policy(None) if self.told.live.any_path and alone else None
        self.server.allow_publishing(policy, self._made)

    def _made(self, live: Live) -> None:
        """A publisher has made a path."""
        forget = live.on_over

        def over() -> None:
            if forget is not None:
                forget()
            self._recordings.end(live)

        live.on_over = over
        self._record()

    def _record(self) -> None:
        """Record all live paths as is said."""
        if not self._begun:
            return
        told = self.told.record
        if told.folder is not None:
            self._recordings.look_into([told.folder])
        for live in self.server.live_paths():
            served = self._served.get(live.name)
            settings = _MADE if served is None else served.settings
            folder = told.folder if settings.record is None or settings.record is True else settings.record
            wanted = told.every if settings.record is None else settings.record
            if wanted and isinstance(folder, Path):
                self._recordings.record(live, folder, self._recording_policy(settings))
            else:
                self._recordings.end(live)

    def _policy(self, settings: PathSettings | None) -> LivePolicy:
        """What is said of a path, and where nothing is, of all."""
        said = {name: getattr(settings, name, None) for name in ("take_over", "patience", "linger")}
        return LivePolicy(
            **{
                name: getattr(self.told.live, name) if value is None else value
                for name, value in said.items()
            }
        )

    def _recording_policy(self, settings: PathSettings) -> RecordingPolicy:
        told = self.told.record
        return RecordingPolicy(
            segment_seconds=settings.segment or told.segment,
            keep_seconds=settings.keep or told.keep,
            keep_bytes=settings.keep_size or told.keep_size,
            total_bytes=told.total_size,
            reserve_bytes=told.reserve or 0,
        )

    def _live_paths(self) -> Iterator[tuple[Live, Relay | None, RecordingStatistics | None]]:
        """All live paths, with what feeds them and what is recorded of them."""
        for live in self.server.live_paths():
            served = self._served.get(live.name)
            relay = None if served is None else served.relay
            yield live, relay, self._recordings.statistics(live)

    def _as_begun(self, told: Configuration) -> Configuration:
        """The configuration, but for what a server cannot change while it runs; that is said."""
        for table in FIXED:
            before, after = getattr(self.told, table), getattr(told, table)
            if before != after:
                log.warning("%s has changed: that takes effect when the server is started again", table)
        return replace(told, **{table: getattr(self.told, table) for table in FIXED})


def _who(told: Configuration) -> tuple[object, ...]:
    """What a guard is made of."""
    return told.login, told.anyone, told.users


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
