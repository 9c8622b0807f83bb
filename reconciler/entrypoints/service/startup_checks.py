"""Whether the service can begin: the doctor's checks, repeated until they succeed or a person has to act."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Final

import structlog

from reconciler.clock import Clock
from reconciler.engine.health.watchdog import Pulse, Steps
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.entrypoints.doctor.configuration import certificate_checks, key_checks
from reconciler.entrypoints.doctor.database import database_checks
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.entrypoints.doctor.stripe import stripe_checks
from reconciler.errors import ConfigurationError, ReconcilerError
from reconciler.exit_codes import ExitCode
from reconciler.settings import Settings

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0

log = structlog.stdlib.get_logger()


class StartupHealth(Enum):
    """The result of one round of checks."""

    GOOD = "good"
    UNREACHABLE = "unreachable"
    FAULTY = "faulty"


@dataclass(frozen=True, slots=True)
class CheckRound:
    """One round of checks. ``problems`` has a sentence for each check that failed."""

    health: StartupHealth
    problems: tuple[str, ...]


def run_checks(
    settings: Settings,
    clock: Clock,
    rate_limiters: Mapping[str, RateLimiter],
    stopping: threading.Event,
    advance: Callable[[], None],
) -> CheckRound:
    """Run all checks on these settings. Costs a few reads for each account.

    ``rate_limiters`` are those of the accounts that this process holds meanwhile. ``stopping`` ends the reads.
    ``advance`` is called after each check. If the database is unreachable, no read is sent to Stripe: every round of the
    outage would spend those reads again.
    """
    checks: list[DoctorCheck] = []
    for check in chain(
        key_checks(settings), certificate_checks(settings), database_checks(settings)
    ):
        checks.append(check)
        advance()
    if all(check.level is not CheckLevel.UNREACHABLE for check in checks):
        for check in stripe_checks(settings, clock, rate_limiters, stopping):
            checks.append(check)
            advance()

    # a fault outweighs an outage: waiting does not help, a person has to act
    faults = tuple(_sentence(check) for check in checks if check.level is CheckLevel.FAULT)
    outages = tuple(_sentence(check) for check in checks if check.level is CheckLevel.UNREACHABLE)
    if faults:
        return CheckRound(StartupHealth.FAULTY, faults)
    if outages:
        return CheckRound(StartupHealth.UNREACHABLE, outages)

    # only now: during an outage every round would repeat them
    for check in checks:
        if check.level is CheckLevel.WARNING:
            log.warning("check.warning", about=check.about, what=check.what, hint=check.hint)
    return CheckRound(StartupHealth.GOOD, ())


def _sentence(check: DoctorCheck) -> str:
    return " ".join(f"{check.about}: {check.what.rstrip('.')}. {check.hint}".split())


RunRound = Callable[
    [Settings, Clock, Mapping[str, RateLimiter], threading.Event, Callable[[], None]], CheckRound
]
"""``run_checks``, or a test's own."""


class StartupChecks(threading.Thread):
    """Repeats the checks until all succeed or a person has to act. With ``once`` an outage ends it after one round.

    ``has_succeeded`` says that the service may begin; ``fault`` is why it never will; ``waiting_for`` is the outage that it
    waits out. A round that does not go on is stuck work to ``pulse``.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        stopping: threading.Event,
        pulse: Pulse,
        *,
        once: bool = False,
        rate_limiters: Mapping[str, RateLimiter] | None = None,
        run_round: RunRound = run_checks,
    ) -> None:
        super().__init__(name="startup-checks", daemon=True)
        self._once = once
        self._rate_limiters = rate_limiters or {}
        self._settings = settings
        self._clock = clock
        self._stopping = stopping
        self._pulse = pulse
        self._run_round = run_round
        self.has_succeeded = False
        self.fault: ReconcilerError | None = None
        self.waiting_for: str | None = None

    def run(self) -> None:
        """Run rounds of checks, with pauses that double up to LONGEST_PAUSE."""
        with self._pulse.attending("checks at the start") as steps:
            self._run_rounds(steps)

    def _run_rounds(self, steps: Steps) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            result = self._round(steps)
            match result.health:
                case StartupHealth.GOOD:
                    self.has_succeeded = True
                    return
                case StartupHealth.FAULTY:
                    self.fault = ConfigurationError(result.problems)
                    return
                case StartupHealth.UNREACHABLE:
                    # for people one problem is enough; the log has all of them
                    self.waiting_for = result.problems[0]
                    if self._once:
                        return
                    log.warning("start.waiting", why=list(result.problems), again_in=pause)
                    with steps.resting():
                        self._clock.wait(self._stopping, pause)
                    pause = min(LONGEST_PAUSE, pause * 2)

    def _round(self, steps: Steps) -> CheckRound:
        """One round. An error that no check has turned into its result counts as one."""
        try:
            return self._run_round(
                self._settings, self._clock, self._rate_limiters, self._stopping, steps.advance
            )
        except ReconcilerError as error:
            needs_person = error.exit_code is ExitCode.CONFIGURATION
            health = StartupHealth.FAULTY if needs_person else StartupHealth.UNREACHABLE
            return CheckRound(health, (str(error),))
