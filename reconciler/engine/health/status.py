"""How the work on an account stands, and whether anybody has to do something about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from reconciler.domain.findings.discrepancy import Severity

LATE: Final = 3
"""A sweep that has not been complete for so many of its intervals is late; for four times that, it is missing."""
MISSING: Final = 12
SLACK: Final = timedelta(minutes=5)
"""A sweep takes its time: before that nothing is late."""
SCARCE: Final = 0.9
UNDELIVERED: Final = timedelta(minutes=15)
"""A row of the outbox that waits for longer is worth a warning where an endpoint should have it."""
COVERING: Final[Mapping[str, tuple[str, ...]]] = {
    "tail": ("tail", "all"),
    "due": ("due", "all"),
    "window": ("window", "all"),
}
"""Which kinds of sweep do the work of which net."""


class StatusLevel(IntEnum):
    """How bad it is, with the numbers that Nagios and its kin want."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """Who holds the account. ``service`` is whether that is a service, and not a person's single sweep.

    ``mode``, ``since`` and ``error`` are those of the service that took the account last.
    """

    holder: str | None
    seconds_left: float | None
    service: bool
    mode: str | None
    since: datetime | None
    error: str | None
    error_at: datetime | None
    needs_person: bool


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """The last sweeps of one kind: the last complete one with its age by the database's clock, and the last of all."""

    kind: str
    complete: int | None
    complete_at: datetime | None
    age: float | None
    asked_by: str | None
    last: int | None
    last_at: datetime | None
    last_complete: bool | None
    stopped: str | None


@dataclass(frozen=True, slots=True)
class OpenFindings:
    """Open discrepancies of one severity, kind and currency. ``stake`` is in minor units.

    ``held_back``: corrections that the hourly limit did not let the service make.
    """

    severity: Severity
    kind: str
    held_back: bool
    currency: str
    count: int
    stake: int


@dataclass(frozen=True, slots=True)
class EndpointRate:
    """Requests a second of an endpoint, or of all: what the service allows itself, what Stripe's refusals left of that,
    and the most within any second of the last ten minutes."""

    limit: float
    rate: float
    busiest: int

    @property
    def used(self) -> float:
        """The part of the limit that the busiest second used."""
        return self.busiest / self.limit


@dataclass(frozen=True, slots=True)
class RateUsage:
    """How fast the service asks Stripe, as it said when its last sweep ended. Only endpoints that were asked."""

    at: datetime
    overall: EndpointRate
    endpoints: Mapping[str, EndpointRate]


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """The outbox rows that nobody has taken delivery of, and those of them that are no longer tried.

    ``oldest_age`` is in seconds; ``last_error`` is that of the latest attempt.
    """

    waiting: int = 0
    given_up: int = 0
    oldest_age: float | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the configuration promises: intervals of the nets, and the reads of 30 days (None: not limited).

    ``delivers`` is whether the outbox goes to an endpoint, and is not a worker's of the merchant.
    """

    every: Mapping[str, timedelta]
    reads: int | None
    delivers: bool = False


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """Everything that there is to see of one account. ``reads`` are those of 30 days, ``reads_allowed`` our share."""

    account: str
    lease: LeaseStatus
    sweeps: tuple[SweepStatus, ...]
    open_payments: Mapping[str, int]
    findings: tuple[OpenFindings, ...]
    reads: int
    reads_allowed: int
    requests: int
    tail_lag: float | None = None
    """Seconds between now and the newest event that the tail is sure to have handled; None where it never was read."""
    rate_usage: RateUsage | None = None
    table_fault: str | None = None
    """Why the merchant's table cannot be read, and its open payments not be counted."""
    outbox: OutboxStatus = OutboxStatus()

    def age(self, source: str) -> float | None:
        """Seconds since the net was last cast completely, None where it never was."""
        ages = [
            item.age
            for item in self.sweeps
            if item.kind in COVERING.get(source, (source,)) and item.age is not None
        ]
        return min(ages, default=None)

    @property
    def held_back(self) -> int:
        """Corrections that wait for a person because of the hourly limit."""
        return sum(item.count for item in self.findings if item.held_back)

    def open_count(self, severity: Severity) -> int:
        """Open discrepancies of a severity."""
        return sum(item.count for item in self.findings if item.severity is severity)


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that somebody should know."""

    level: StatusLevel
    what: str


def remarks(status: AccountStatus, expected: Expectations) -> tuple[Remark, ...]:
    """All that is not as it should be, the worst first."""
    found = [*_of_sweeps(status, expected), *_of_service(status), *_of_findings(status)]
    found += _of_outbox(status.outbox, expected)
    if expected.reads:
        used = status.reads / expected.reads
        if used >= SCARCE:
            level = StatusLevel.CRITICAL if used >= 1 else StatusLevel.WARNING
            found.append(Remark(level, f"{used:.0%} of the reads of 30 days are used"))
    return tuple(sorted(found, key=lambda remark: -remark.level))


def worst(found: tuple[Remark, ...]) -> StatusLevel:
    """The level of the whole."""
    return max((remark.level for remark in found), default=StatusLevel.OK)


def _of_sweeps(status: AccountStatus, expected: Expectations) -> Iterator[Remark]:
    for source, every in expected.every.items():
        age = status.age(source)
        if age is None:
            yield Remark(StatusLevel.CRITICAL, f"no {source} sweep has ever been complete")
        elif age > (MISSING * every + SLACK).total_seconds():
            yield Remark(
                StatusLevel.CRITICAL, f"the last complete {source} sweep was {in_words(age)} ago"
            )
        elif age > (LATE * every + SLACK).total_seconds():
            yield Remark(
                StatusLevel.WARNING, f"the last complete {source} sweep was {in_words(age)} ago"
            )
    for item in status.sweeps:
        if item.kind in expected.every and item.last_complete is False:
            why = f": {' '.join(item.stopped.split())}" if item.stopped else ""
            yield Remark(StatusLevel.WARNING, f"the last {item.kind} sweep was not complete{why}")


def _of_service(status: AccountStatus) -> Iterator[Remark]:
    lease = status.lease
    if lease.error is not None:
        level = StatusLevel.CRITICAL if lease.needs_person else StatusLevel.WARNING
        yield Remark(level, " ".join(lease.error.split()))
    if status.table_fault is not None:
        yield Remark(StatusLevel.CRITICAL, " ".join(status.table_fault.split()))
    if lease.since is not None and lease.holder is None:
        yield Remark(StatusLevel.WARNING, "no service holds the account; one did before")


def _of_findings(status: AccountStatus) -> Iterator[Remark]:
    if status.held_back:
        what = (
            f"{status.held_back} corrections were held back by per_hour: look, then sweep --apply"
        )
        yield Remark(StatusLevel.CRITICAL, what)
    for severity, level in (
        (Severity.CRITICAL, StatusLevel.CRITICAL),
        (Severity.WARNING, StatusLevel.WARNING),
    ):
        count = status.open_count(severity)
        if count:
            yield Remark(level, f"{count} {severity.value} discrepancies are open")


def _of_outbox(outbox: OutboxStatus, expected: Expectations) -> Iterator[Remark]:
    age = outbox.oldest_age
    if age is None:
        return
    why = f"; the last error: {outbox.last_error}" if outbox.last_error else ""
    if outbox.given_up:
        what = (
            f"{outbox.given_up} deliveries were given up, {outbox.waiting} rows of the outbox wait,"
            f" the oldest for {in_words(age)}{why}"
        )
        yield Remark(StatusLevel.CRITICAL, what)
    elif expected.delivers and age > UNDELIVERED.total_seconds():
        what = f"{outbox.waiting} rows of the outbox are not delivered, the oldest for {in_words(age)}{why}"
        yield Remark(StatusLevel.WARNING, what)


def in_words(seconds: float) -> str:
    """A span as people say it, such as ``3 min`` or ``2.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"
