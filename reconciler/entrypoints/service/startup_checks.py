"""Whether the service can begin: the doctor's checks, repeated until they succeed or a person has to act."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

import structlog

from reconciler.clock import Clock
from reconciler.engine.limits.rate_limiter import RateLimiter
from reconciler.entrypoints.doctor.configuration import key_checks
from reconciler.entrypoints.doctor.database import database_checks
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.entrypoints.doctor.stripe import stripe_checks
from reconciler.errors import ConfigurationError, ReconcilerError
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
    settings: Settings, clock: Clock, rate_limiters: Mapping[str, RateLimiter]
) -> CheckRound:
    """Run all checks on these settings. Costs a few reads for each account.

    ``rate_limiters`` are those of the accounts that this process holds meanwhile. If the database is unreachable, no
    read is sent to Stripe: every round of the outage would spend those reads again.
    """
    checks = [*key_checks(settings), *database_checks(settings)]
    if all(check.level is not CheckLevel.UNREACHABLE for check in checks):
        checks += stripe_checks(settings, clock, rate_limiters)

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


class StartupChecks(threading.Thread):
    """Repeats the checks until all succeed or a person has to act. With ``once`` an outage ends it after one round.

    ``has_succeeded`` says that the service may begin; ``fault`` is why it never will; ``waiting_for`` is the outage that it
    waits out.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        stopping: threading.Event,
        *,
        once: bool = False,
        rate_limiters: Mapping[str, RateLimiter] | None = None,
        run_round: Callable[[Settings, Clock, Mapping[str, RateLimiter]], CheckRound] = run_checks,
    ) -> None:
        super().__init__(name="startup-checks", daemon=True)
        self._once = once
        self._rate_limiters = rate_limiters or {}
        self._settings = settings
        self._clock = clock
        self._stopping = stopping
        self._run_round = run_round
        self.has_succeeded = False
        self.fault: ReconcilerError | None = None
        self.waiting_for: str | None = None

    def run(self) -> None:
        """Run rounds of checks, with pauses that double up to LONGEST_PAUSE."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            result = self._run_round(self._settings, self._clock, self._rate_limiters)
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
                    self._clock.wait(self._stopping, pause)
                    pause = min(LONGEST_PAUSE, pause * 2)
