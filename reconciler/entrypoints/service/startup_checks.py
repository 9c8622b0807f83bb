"""Whether the service can begin: the doctor's checks, until they pass or a person has to act."""

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


class StartHealth(Enum):
    """What came of a round of checks."""

    GOOD = "good"
    UNREACHABLE = "unreachable"
    FAULTY = "faulty"


@dataclass(frozen=True, slots=True)
class CheckRound:
    """One round. ``told`` are the checks that are not as they should be, as sentences."""

    health: StartHealth
    told: tuple[str, ...]


def check(settings: Settings, clock: Clock, held: Mapping[str, RateLimiter]) -> CheckRound:
    """All checks of settings that were read without a fault. Costs a few reads an account.

    ``held`` are the pacers of the accounts that this process holds meanwhile. While the database is away Stripe is not
    asked: those reads would be made anew each round, for as long as that lasts.
    """
    checks = [*key_checks(settings), *database_checks(settings)]
    if all(one.level is not CheckLevel.UNREACHABLE for one in checks):
        checks += stripe_checks(settings, clock, held)
    faults = tuple(map(_sentence, (one for one in checks if one.level is CheckLevel.FAULT)))
    away = tuple(map(_sentence, (one for one in checks if one.level is CheckLevel.UNREACHABLE)))
    if faults:
        return CheckRound(StartHealth.FAULTY, faults)
    if away:
        return CheckRound(StartHealth.UNREACHABLE, away)
    for one in checks:
        if one.level is CheckLevel.WARNING:
            log.warning("check.warning", about=one.about, what=one.what, hint=one.hint)
    return CheckRound(StartHealth.GOOD, ())


def _sentence(one: DoctorCheck) -> str:
    return " ".join(f"{one.about}: {one.what.rstrip('.')}. {one.hint}".split())


class StartUp(threading.Thread):
    """Checks until all is good or a person has to act; outages are waited out for ever, unless ``once``.

    ``good`` is set when the service may begin; ``fault`` is why it never will; ``waiting`` is what it waits for.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        stopping: threading.Event,
        *,
        once: bool = False,
        held: Mapping[str, RateLimiter] | None = None,
        look: Callable[[Settings, Clock, Mapping[str, RateLimiter]], CheckRound] = check,
    ) -> None:
        super().__init__(name="start-up", daemon=True)
        self._once = once
        self._held = held or {}
        self._settings = settings
        self._clock = clock
        self._stopping = stopping
        self._look = look
        self.good = False
        self.fault: ReconcilerError | None = None
        self.waiting: str | None = None

    def run(self) -> None:
        """Look, and look again."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            found = self._look(self._settings, self._clock, self._held)
            match found.health:
                case StartHealth.GOOD:
                    self.good = True
                    return
                case StartHealth.FAULTY:
                    self.fault = ConfigurationError(found.told)
                    return
                case StartHealth.UNREACHABLE:
                    self.waiting = found.told[0]
                    if self._once:
                        return
                    log.warning("start.waiting", why=list(found.told), again_in=pause)
                    self._clock.wait(self._stopping, pause)
                    pause = min(LONGEST_PAUSE, pause * 2)
