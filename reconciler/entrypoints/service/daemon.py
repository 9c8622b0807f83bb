"""``reconciler run``: the main thread takes signals, feeds the watchdog and sees that the others live.

No signal has a handler: they are blocked before the first thread begins and fetched here, so that nothing is ever
interrupted in the middle of a lock.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from reconciler.clock import Clock
from reconciler.engine.health.watchdog import Pulse
from reconciler.entrypoints.service.http_endpoints import Endpoints
from reconciler.entrypoints.service.metrics import Metrics
from reconciler.entrypoints.service.sd_notify import Notifier
from reconciler.entrypoints.service.service import Service
from reconciler.entrypoints.service.startup_checks import StartUp
from reconciler.entrypoints.service.status_queries import figures
from reconciler.errors import ExitCode, ReconcilerError
from reconciler.masking import redact
from reconciler.settings import Settings
from reconciler.wiring import holder

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
TICK_SECONDS: Final = 1.0
STOP_SECONDS: Final = 40.0
"""How long the pages in hand may take after a stop. systemd's TimeoutStopSec is a little longer."""
EXTENSION_SECONDS: Final = 30.0

log = structlog.stdlib.get_logger()


def block_signals() -> None:
    """Keep signals for ``sigtimedwait``. Call it before any thread begins: threads inherit it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


class Daemon:
    """The life of one process. ``load`` reads the configuration anew."""

    def __init__(
        self, load: Callable[[], Settings], environ: Mapping[str, str], clock: Clock
    ) -> None:
        self._load = load
        self._clock = clock
        self._notify = Notifier(environ, clock)
        self._metrics = Metrics()
        self._stopping = threading.Event()
        self._replica = holder()
        self._settings = load()
        self._pulse = Pulse(clock, self._settings.service.stall.total_seconds())
        self._service: Service | None = None
        self._endpoints: Endpoints | None = None
        self._startup: StartUp | None = None
        self._reload: StartUp | None = None
        self._reloading: Settings | None = None
        self._is_ready = False
        self._dumped: tuple[str, ...] = ()

    def run(self) -> ExitCode:
        """Work until a signal ends it. Raises ConfigurationError where a person has to act first."""
        faulthandler.enable(sys.stderr, all_threads=True)
        self._listen()
        self._metrics.watch_database(lambda: figures(self._settings, self._clock), self._clock)
        self._startup = StartUp(self._settings, self._clock, self._stopping)
        self._startup.start()
        log.info("service.starting", accounts=[one.name for one in self._settings.accounts])
        try:
            while True:
                number = self._signal()
                if number in (signal.SIGTERM, signal.SIGINT):
                    return self._stop()
                if number == signal.SIGHUP:
                    self._begin_reload()
                self._tick()
                if self._service is not None and not self._service.lives:
                    # a restart is quicker than the watchdog, and works without systemd as well
                    log.critical("service.died", why=self._service.died)
                    self._dump()
                    return self._leave(ExitCode.TEMPORARY)
        finally:
            self._stopping.set()
            if self._endpoints is not None:
                self._endpoints.stop()

    def _signal(self) -> int | None:
        watchdog = self._notify.watchdog
        pause = TICK_SECONDS if watchdog is None else min(TICK_SECONDS, watchdog / 3)
        found = signal.sigtimedwait(SIGNALS, pause)
        return None if found is None else found.si_signo

    def _tick(self) -> None:
        self._follow_startup()
        self._follow_reload()
        stuck = self._pulse.stuck()
        self._metrics.stuck(len(stuck))
        if stuck and stuck != self._dumped:
            log.critical("sweep.stuck", sweeps=list(stuck), seconds=self._pulse.stall)
            self._dump()
        self._dumped = stuck
        if self._service is not None:
            step = self._service.follow_clock()
            if step:
                log.warning("clock.stepped", seconds=round(step, 1))
        if not stuck:
            self._notify.alive()
        if self._is_ready and self._reloading is None:
            self._notify.status(self._status())

    def _follow_startup(self) -> None:
        startup = self._startup
        if startup is None:
            return
        if startup.fault is not None:
            raise startup.fault
        if startup.good:
            self._startup = None
            self._serve()
            self._ready()
        elif startup.waiting is not None:
            # it is up, and what it waits for is not in its hands
            self._ready()
        else:
            self._notify.extend(EXTENSION_SECONDS)

    def _ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._notify.ready()
            log.info("service.ready")

    def _status(self) -> str:
        if self._startup is not None:
            return redact(f"waiting: {self._startup.waiting}")[:200]
        return "" if self._service is None else self._service.status(self._pulse.running())

    def _begin_reload(self) -> None:
        """Read the configuration and check it in the background; the old one is at work meanwhile."""
        self._notify.reloading()
        try:
            settings = self._load()
        except ReconcilerError as error:
            self._keep(str(error))
            return
        self._reloading = settings
        # one round: what cannot be reached now cannot be checked, and the old configuration works
        held = {} if self._service is None else self._service.rate_limiters()
        self._reload = StartUp(settings, self._clock, self._stopping, once=True, held=held)
        self._reload.start()

    def _follow_reload(self) -> None:
        reload, settings = self._reload, self._reloading
        if reload is None or settings is None or reload.is_alive():
            return
        self._reload = self._reloading = None
        if not reload.good:
            why = str(reload.fault) if reload.fault is not None else reload.waiting
            self._keep(why or "it could not be checked")
            return
        service = self._service
        if service and not service.stop(self._while_stopping, STOP_SECONDS, leaves=False):
            # its sweeps were told to stop and its timetable is gone: it cannot go on, and a restart takes the new file
            log.critical("service.stop_hangs", sweeps=list(self._pulse.running()))
            self._dump()
            self._leave(ExitCode.TEMPORARY)
        listened = self._settings.service.listen
        self._settings = settings
        self._pulse.stall = settings.service.stall.total_seconds()
        if settings.service.listen != listened:
            self._listen_anew()
        self._startup = None
        self._serve()
        log.info("configuration.reloaded", source=str(settings.source))
        self._notify.ready()

    def _serve(self) -> None:
        self._service = Service(
            self._settings, self._replica, self._clock, self._pulse, self._metrics
        )
        self._service.start()

    def _keep(self, why: str) -> None:
        log.error("configuration.kept", why=redact(why))
        self._notify.ready()
        self._notify.status("the new configuration was not taken: see the log")

    def _listen(self) -> None:
        if self._settings.service.listen:
            self._endpoints = Endpoints(
                self._settings.service.listen, self._metrics.text, self._alive, self._serves
            )
            log.info("metrics.listening", port=self._endpoints.port)

    def _listen_anew(self) -> None:
        if self._endpoints is not None:
            self._endpoints.stop()
            self._endpoints = None
        try:
            self._listen()
        except ReconcilerError as error:
            log.warning("metrics.unreachable", why=str(error))

    def _alive(self) -> tuple[bool, Mapping[str, object]]:
        stuck = self._pulse.stuck()
        if self._service is None:
            return not stuck, {"waiting": self._startup and self._startup.waiting}
        return self._service.alive(self._pulse.running(), stuck)

    def _serves(self) -> tuple[bool, Mapping[str, object]]:
        if self._service is None:
            return False, {"waiting": self._startup and self._startup.waiting}
        errors_met = self._service.errors_met()
        return not errors_met, {"troubles": errors_met}

    def _stop(self) -> ExitCode:
        """Let the pages in hand end, give the leases back, and go."""
        self._notify.stopping()
        log.info("service.stopping")
        self._stopping.set()
        service = self._service
        if service is None or service.stop(self._while_stopping, STOP_SECONDS, leaves=True):
            log.info("service.stopped")
            return ExitCode.DONE
        log.critical("service.stop_hangs", sweeps=list(self._pulse.running()))
        self._dump()
        return self._leave(ExitCode.TEMPORARY)

    def _while_stopping(self) -> None:
        if not self._pulse.stuck():
            self._notify.alive()

    def _dump(self) -> None:
        """Every thread's stack into the journal: the names of functions and lines, no values."""
        sys.stderr.flush()
        faulthandler.dump_traceback(sys.stderr, all_threads=True)

    def _leave(self, code: ExitCode) -> ExitCode:
        """End now: a thread that hangs would keep the interpreter from ending."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(int(code))
