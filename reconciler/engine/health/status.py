"""The status of an account: who works on it, its sweeps, its open discrepancies and its outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final

from reconciler.domain.findings.discrepancy import Severity
from reconciler.domain.model.pause import Pause
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.engine.health.rate_usage import RateUsage

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
    """The last complete sweep of one kind, with its age in seconds by the database's clock; and the last of all.

    A sweep of named payments, or of a range of time, is only a part: it is never the last complete one.
    """

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

    ``oldest_age`` is in seconds, ``last_error`` is that of the latest attempt. ``failures`` are the attempts to deliver the
    rows that wait and have an error, ``failing_since`` is when the first of them was made.
    """

    waiting: int = 0
    given_up: int = 0
    oldest_age: float | None = None
    last_error: str | None = None
    failures: int = 0
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the configuration promises: the interval of each source, and the 30-day read quota (None if not limited).

    ``delivers`` is whether the service delivers the outbox to an endpoint. If not, the merchant's own worker reads it.
    ``endpoint`` is the endpoint's host, None if it is not known.
    """

    every: Mapping[str, timedelta]
    reads: int | None
    delivers: bool = False
    endpoint: str | None = None


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
    open_without_intent: int | None = None
    """How many open rows hold no PaymentIntent; None if the table cannot be read."""
    outbox: OutboxStatus = OutboxStatus()
    refusals: tuple[Refusals, ...] = ()
    pause: Pause | None = None

    def age(self, source: str) -> float | None:
        """Seconds since the last complete sweep of all that a source reads, None if there was none."""
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


def duration_text(seconds: float) -> str:
    """A span of time in words, such as ``3 min`` or ``2.5 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"
