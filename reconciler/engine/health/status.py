"""The status of an account, and what of it needs a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from reconciler.domain.findings.discrepancy import Severity
from reconciler.domain.model.pause import Pause
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.engine.health.rate_usage import RateUsage

LATE: Final = 3
"""If no sweep of a source was complete for so many of its intervals, it is late: a warning."""
MISSING: Final = 12
"""If no sweep of a source was complete for so many of its intervals, it is missing: critical."""
SLACK: Final = timedelta(minutes=5)
"""How long a sweep may take: it is never late before that."""
SCARCE: Final = 0.9
"""The part of the 30-day read quota from which on its use is a warning."""
UNDELIVERED: Final = timedelta(minutes=15)
"""If an endpoint is configured, a row of the outbox that waits for longer is a warning."""
COVERING: Final[Mapping[str, tuple[str, ...]]] = {
    "tail": ("tail", "all"),
    "due": ("due", "all"),
    "window": ("window", "all"),
}
"""Which kinds of sweep read which source."""


class StatusLevel(IntEnum):
    """How bad it is, with the exit codes of a Nagios plugin."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """Who holds the account's lease. ``service`` is whether that is a service, and not a person's command.

    ``mode``, ``since`` and ``error`` are those of the service that took the account last. ``needs_person`` is whether
    the error stays until a person acts.
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
    """The last complete sweep of one kind, with its age in seconds by the database's clock; and the last of all."""

    kind: str
    complete: int | None
    complete_at: datetime | None
    age: float | None
    asked_by: str | None
    last: int | None
    last_at: datetime | None
    last_complete: bool | None
    stopped: str | None
    other_ids: int = 0
    """Rows without a PaymentIntent's id that the last sweep counted, and what one of them holds."""
    other_id_example: str | None = None
    anchor_error: str | None = None
    """Why the ledger's head was not written outside the database after the last sweep, which a person made."""
    rows_of_no_account: RowsOfNoAccount | None = None
    """Rows that belong to no configured account, as the last sweep counted them; None if it did not."""


@dataclass(frozen=True, slots=True)
class OpenFindings:
    """The open discrepancies of one severity, kind and currency. ``stake`` is in minor units.

    ``held_back`` is whether the hourly limit kept the service from correcting them. ``stake_once`` leaves out the payments
    of which another open discrepancy has a greater stake, so that its sum counts each payment once.
    """

    severity: Severity
    kind: str
    held_back: bool
    currency: str
    count: int
    stake: int
    stake_once: int


@dataclass(frozen=True, slots=True)
class Refusals:
    """Open corrections that the merchant's table refuses for one reason.

    ``reason`` is refused_by_table or not_kept_by_table. ``constraint`` is the rule that PostgreSQL names, empty if it
    names none; ``message`` is PostgreSQL's, or what the row holds instead.
    """

    reason: str
    constraint: str
    message: str
    count: int


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """The outbox rows that are not delivered, and those of them that are no longer tried.

    ``oldest_age`` is in seconds, ``last_error`` is that of the latest attempt.
    """

    waiting: int = 0
    given_up: int = 0
    oldest_age: float | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the configuration promises: the interval of each source, and the 30-day read quota (None if not limited).

    ``delivers`` is whether the service delivers the outbox to an endpoint. If not, the merchant's own worker reads it.
    """

    every: Mapping[str, timedelta]
    reads: int | None
    delivers: bool = False


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The status of one account. ``reads`` are those of 30 days, ``reads_allowed`` is how many Reconciler may use."""

    account: str
    lease: LeaseStatus
    sweeps: tuple[SweepStatus, ...]
    open_payments: Mapping[str, int]
    findings: tuple[OpenFindings, ...]
    reads: int
    reads_allowed: int
    requests: int
    tail_lag: float | None = None
    """Seconds from the newest event up to which the tail has handled every event until now; None if it was never read."""
    rate_usage: RateUsage | None = None
    table_fault: str | None = None
    """Why the merchant's table cannot be read, so that its open payments are not counted."""
    outbox: OutboxStatus = OutboxStatus()
    refusals: tuple[Refusals, ...] = ()
    pause: Pause | None = None

    def age(self, source: str) -> float | None:
        """Seconds since the last complete sweep of a source, None if there was none."""
        ages = [
            sweep.age
            for sweep in self.sweeps
            if sweep.kind in COVERING.get(source, (source,)) and sweep.age is not None
        ]
        return min(ages, default=None)

    @property
    def held_back(self) -> int:
        """The corrections that the hourly limit leaves to a person."""
        return sum(item.count for item in self.findings if item.held_back)

    @property
    def at_stake_total(self) -> Mapping[str, int]:
        """The money at stake by currency, in minor units: each payment counts once, with its greatest stake."""
        total: dict[str, int] = {}
        for item in self.findings:
            total[item.currency] = total.get(item.currency, 0) + item.stake_once
        return dict(sorted(total.items()))

    def open_count(self, severity: Severity) -> int:
        """The open discrepancies of a severity."""
        return sum(item.count for item in self.findings if item.severity is severity)


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that a person should know."""

    level: StatusLevel
    what: str


def remarks(status: AccountStatus, expected: Expectations) -> tuple[Remark, ...]:
    """Everything that is not as it should be, the worst first."""
    found = [*_of_sweeps(status, expected), *_of_service(status), *_of_findings(status)]
    found += _of_outbox(status.outbox, expected)
    if expected.reads:
        used = status.reads / expected.reads
        if used >= SCARCE:
            level = StatusLevel.CRITICAL if used >= 1 else StatusLevel.WARNING
            found.append(Remark(level, f"{used:.0%} of the reads of 30 days are used"))
    return tuple(sorted(found, key=lambda remark: -remark.level))


def worst(found: tuple[Remark, ...]) -> StatusLevel:
    """The highest level of the remarks."""
    return max((remark.level for remark in found), default=StatusLevel.OK)


def _of_sweeps(status: AccountStatus, expected: Expectations) -> Iterator[Remark]:
    for source, every in expected.every.items():
        age = status.age(source)
        if age is None:
            yield Remark(StatusLevel.CRITICAL, f"no {source} sweep has ever been complete")
        elif age > (MISSING * every + SLACK).total_seconds():
            yield Remark(
                StatusLevel.CRITICAL,
                f"the last complete {source} sweep was {duration_text(age)} ago",
            )
        elif age > (LATE * every + SLACK).total_seconds():
            yield Remark(
                StatusLevel.WARNING,
                f"the last complete {source} sweep was {duration_text(age)} ago",
            )
    for sweep in status.sweeps:
        if sweep.anchor_error is not None:
            what = f"sweep {sweep.last}: {' '.join(sweep.anchor_error.split())}"
            yield Remark(StatusLevel.WARNING, what)
        if sweep.kind in expected.every and sweep.last_complete is False:
            why = f": {' '.join(sweep.stopped.split())}" if sweep.stopped else ""
            yield Remark(StatusLevel.WARNING, f"the last {sweep.kind} sweep was not complete{why}")


def _of_service(status: AccountStatus) -> Iterator[Remark]:
    # an error of the service has line breaks, and a remark is one line
    lease = status.lease
    if status.pause is not None:
        yield Remark(
            StatusLevel.WARNING, f"writes to your rows are {status.pause.text}: reconciler resume"
        )
    if lease.error is not None:
        level = StatusLevel.CRITICAL if lease.needs_person else StatusLevel.WARNING
        yield Remark(level, " ".join(lease.error.split()))
    if status.table_fault is not None:
        yield Remark(StatusLevel.CRITICAL, " ".join(status.table_fault.split()))
    if lease.since is not None and lease.holder is None:
        yield Remark(
            StatusLevel.WARNING, "no service holds the lease on the account; one held it before"
        )


def _of_findings(status: AccountStatus) -> Iterator[Remark]:
    if status.held_back:
        what = f"{status.held_back} corrections were held back by per_hour: review them, then run sweep --apply"
        yield Remark(StatusLevel.CRITICAL, what)
    for refusals in status.refusals:
        rule = f" ({refusals.constraint})" if refusals.constraint else ""
        what = f"the table refuses {refusals.count} corrections{rule}, {refusals.reason}: {' '.join(refusals.message.split())}"
        yield Remark(StatusLevel.WARNING, what)
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
    # a given-up row is never delivered by itself, so a person has to act
    if outbox.given_up:
        what = (
            f"{outbox.given_up} deliveries were given up, {outbox.waiting} rows of the outbox wait,"
            f" the oldest for {duration_text(age)}{why}"
        )
        yield Remark(StatusLevel.CRITICAL, what)
    elif expected.delivers and age > UNDELIVERED.total_seconds():
        what = f"{outbox.waiting} rows of the outbox are not delivered, the oldest for {duration_text(age)}{why}"
        yield Remark(StatusLevel.WARNING, what)


def duration_text(seconds: float) -> str:
    """A span of time in words, such as ``3 min`` or ``2.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"
