"""``reconciler run``: the main thread takes signals, feeds the watchdog, and ends the process if another thread has died.

No signal has a handler. They are blocked before the first thread starts and fetched here, so that no thread is ever
interrupted while it holds a lock.
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
from reconciler.entrypoints.service.http_endpoints import HttpEndpoints
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.entrypoints.service.sd_notify import Notifier
from reconciler.entrypoints.service.service import Service
from reconciler.entrypoints.service.startup_checks import StartupChecks
from reconciler.entrypoints.service.status_queries import statuses_for_metrics
from reconciler.entrypoints.service.unexpected_errors import UnexpectedErrors
from reconciler.errors import ReconcilerError
from reconciler.exit_codes import ExitCode
from reconciler.masking import redact
from reconciler.settings import Settings
from reconciler.wiring.account import new_holder

STOP_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
SIGNALS: Final = STOP_SIGNALS | {signal.SIGHUP}
TICK_SECONDS: Final = 1.0
STOP_SECONDS: Final = 4.0
"""How long the running sweeps may take to end their page after a stop. Also if Stripe, the endpoint or the database hangs,
the process ends within a second more."""
RELOAD_SECONDS: Final = 40.0
"""The same before a reload: no one waits for that."""
EXTENSION_SECONDS: Final = 30.0

log = structlog.stdlib.get_logger()


def block_signals() -> None:
    """Keep signals for ``sigtimedwait``. Call it before the first thread starts: threads inherit the mask."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


class Daemon:
    """One process of the service. ``load`` reads the configuration; a reload calls it again."""

    def __init__(
        self, load: Callable[[], Settings], environ: Mapping[str, str], clock: Clock
    ) -> None:
        self._load = load
        self._clock = clock
        self._notify = Notifier(environ, clock)
        self._metrics = Metrics()
        self._stopping = threading.Event()
        # one name for the whole life of the process: after a reload it keeps its place among the replicas
        self._replica = new_holder()
        self._settings = load()
        self._pulse = Pulse(clock, self._settings.service.stall.total_seconds())
        self._unexpected = UnexpectedErrors()
        self._service: Service | None = None
        self._endpoints: HttpEndpoints | None = None
        self._startup: StartupChecks | None = None
        self._reload: StartupChecks | None = None
        self._new_settings: Settings | None = None
        self._is_ready = False
        self._stuck_before: tuple[str, ...] = ()

    def run(self) -> ExitCode:
        """Work until a signal ends it. Raises ConfigurationError if a person has to act before the service can begin."""
        # a crash in C code leaves the stacks in the journal, too
        faulthandler.enable(sys.stderr, all_threads=True)
        self._unexpected.watch()

        # health and metrics are served from the start: the checks may take long
        self._listen()
        self._metrics.watch_database(
            lambda: statuses_for_metrics(self._settings, self._clock), self._clock
        )
        self._startup = StartupChecks(self._settings, self._clock, self._stopping, self._pulse)
        self._startup.start()
        log.info("service.starting", accounts=[account.name for account in self._settings.accounts])

        try:
            while True:
                number = self._next_signal()
                if number in STOP_SIGNALS:
                    return self._stop()
                if number == signal.SIGHUP:
                    self._begin_reload()
                self._tick()
                if dead_thread := self._dead_thread():
                    # a restart is quicker than the watchdog, and also works without systemd
                    log.critical("service.died", why=dead_thread)
                    self._dump_stacks()
                    return self._exit_now(ExitCode.TEMPORARY)
        finally:
            self._stopping.set()
            if self._endpoints is not None:
                self._endpoints.stop()

    def _dead_thread(self) -> str | None:
        if self._unexpected.dead_thread is not None:
            return self._unexpected.dead_thread
        return None if self._service is None else self._service.dead_thread

    def _next_signal(self) -> int | None:
        watchdog = self._notify.watchdog_seconds
        pause = TICK_SECONDS if watchdog is None else min(TICK_SECONDS, watchdog / 3)
        # the only place where the main thread waits: a signal ends the wait at once
        found = signal.sigtimedwait(SIGNALS, pause)
        return None if found is None else found.si_signo

    def _tick(self) -> None:
        self._follow_startup()
        self._follow_reload()

        # logged once for each new set of stuck work: the stacks are long
        stuck = self._pulse.stuck()
        self._metrics.set_stuck(len(stuck))
        if stuck and stuck != self._stuck_before:
            log.critical("sweep.stuck", sweeps=list(stuck), seconds=self._pulse.stall)
            self._dump_stacks()
        self._stuck_before = stuck

        if self._service is not None:
            step = self._service.follow_clock()
            if step:
                log.warning("clock.stepped", seconds=round(step, 1))

        # without its messages systemd restarts the process, which is what stuck work needs
        if not stuck:
            self._notify.feed_watchdog()
        if self._is_ready and self._new_settings is None:
            self._notify.status(self._status_line())

    def _follow_startup(self) -> None:
        startup = self._startup
        if startup is None:
            return
        if startup.fault is not None:
            # the thread only keeps the fault: raised here, it becomes the exit code
            raise startup.fault
        if startup.has_succeeded:
            self._startup = None
            self._start_service()
            self._set_ready()
        elif startup.waiting_for is not None:
            # an outage of Stripe or the database is no failed start: a restart would not help
            self._set_ready()
        else:
            self._notify.extend_timeout(EXTENSION_SECONDS)

    def _set_ready(self) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._notify.ready()
            log.info("service.ready")

    def _status_line(self) -> str:
        if self._startup is not None:
            return redact(f"waiting: {self._startup.waiting_for}")[:200]
        return "" if self._service is None else self._service.status_line(self._pulse.running())

    def _begin_reload(self) -> None:
        """Read the new configuration and check it in the background; the service goes on under the old one."""
        # systemctl reload waits from here until READY
        self._notify.reloading()
        try:
            settings = self._load()
        except ReconcilerError as error:
            self._keep_old_settings(str(error))
            return

        self._new_settings = settings
        # the checks read beside the running sweeps, under the same limits
        held = {} if self._service is None else self._service.rate_limiters()
        # one round: during an outage nothing can be checked, and the old configuration works
        self._reload = StartupChecks(
            settings, self._clock, self._stopping, self._pulse, once=True, rate_limiters=held
        )
        self._reload.start()

    def _follow_reload(self) -> None:
        reload, settings = self._reload, self._new_settings
        if reload is None or settings is None or reload.is_alive():
            return

        self._reload = self._new_settings = None
        if not reload.has_succeeded:
            why = str(reload.fault) if reload.fault is not None else reload.waiting_for
            self._keep_old_settings(why or "the new configuration could not be checked")
            return

        # the accounts are not left to other replicas: this process takes them again in a moment
        service = self._service
        if service and not service.stop(self._stop_limit(RELOAD_SECONDS), leaves=False):
            # its sweeps are stopping and its scheduler has ended: it cannot go on, and a restart reads the new file
            log.critical("service.stop_hangs", sweeps=list(self._pulse.running()))
            self._dump_stacks()
            self._exit_now(ExitCode.TEMPORARY)
        self._service = None
        if signal.sigpending() & STOP_SIGNALS:
            return  # the next signal that is fetched ends the process

        # the port stays open if its address is the same: a scraper sees no gap
        old = self._settings.service
        self._settings = settings
        self._pulse.stall = settings.service.stall.total_seconds()
        if (settings.service.listen, settings.service.hosts) != (old.listen, old.hosts):
            self._listen_again()
        self._startup = None
        self._start_service()
        log.info("configuration.reloaded", source=str(settings.source))
        self._notify.ready()

    def _start_service(self) -> None:
        self._service = Service(
            self._settings, self._replica, self._clock, self._pulse, self._metrics
        )
        self._service.start()

    def _keep_old_settings(self, why: str) -> None:
        log.error("configuration.kept", why=redact(why))
        self._notify.ready()
        self._notify.status("the new configuration was refused, the old one stays: see the log")

    def _listen(self) -> None:
        if self._settings.service.listen:
            self._endpoints = HttpEndpoints(
                self._settings.service.listen,
                self._settings.service.hosts,
                self._metrics.text,
                self._health,
                self._readiness,
                self._clock,
            )
            log.info("metrics.listening", port=self._endpoints.port)

    def _listen_again(self) -> None:
        if self._endpoints is not None:
            self._endpoints.stop()
            self._endpoints = None
        try:
            self._listen()
        except ReconcilerError as error:
            # the sweeps matter more than the metrics: the service goes on without them
            log.warning("metrics.unreachable", why=str(error))

    def _health(self) -> tuple[bool, Mapping[str, object]]:
        stuck = self._pulse.stuck()
        # a process that waits out an outage is healthy: a restart would not help
        if self._service is None:
            return not stuck, {"waiting": self._startup and self._startup.waiting_for}
        return self._service.health(self._pulse.running(), stuck)

    def _readiness(self) -> tuple[bool, Mapping[str, object]]:
        if self._service is None:
            return False, {"waiting": self._startup and self._startup.waiting_for}
        errors, late = self._service.errors(), self._service.late(self._pulse.running())
        facts = {"troubles": errors, "late": late}  # banned-words: allowed, a key of /readyz
        return not (errors or late), facts

    def _stop(self) -> ExitCode:
        """Let every sweep end its page, give the leases back, and end."""
        self._notify.stopping()
        log.info("service.stopping")
        self._stopping.set()
        service = self._service
        if service is None or service.stop(self._stop_limit(STOP_SECONDS), leaves=True):
            log.info("service.stopped")
            # a thread of the checks or of a chore may still wait for the database: the interpreter would wait for it
            return self._exit_now(ExitCode.DONE)
        log.critical("service.stop_hangs", sweeps=list(self._pulse.running()))
        self._dump_stacks()
        return self._exit_now(ExitCode.TEMPORARY)

    def _stop_limit(self, seconds: float) -> Callable[[], bool]:
        """A check whether so many seconds are over, which also feeds the watchdog meanwhile."""
        until = self._clock.monotonic() + seconds

        def is_over() -> bool:
            nonlocal until
            if not self._pulse.stuck():
                self._notify.feed_watchdog()
            now = self._clock.monotonic()
            # a stop that comes during a reload has its own, shorter limit
            if signal.sigpending() & STOP_SIGNALS:
                until = min(until, now + STOP_SECONDS)
            return now > until

        return is_over

    def _dump_stacks(self) -> None:
        """Write every thread's stack to the journal: names of functions and line numbers, no values."""
        sys.stderr.flush()
        faulthandler.dump_traceback(sys.stderr, all_threads=True)

    def _exit_now(self, code: ExitCode) -> ExitCode:
        """End at once: the interpreter would wait for a thread that hangs."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(int(code))
