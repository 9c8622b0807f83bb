"""Who sweeps, what the sweep may write, when it has to stop, and what it works with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Final

from reconciler.clock import Clock
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.model.match import Rules
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.domain.planning.plan import Budget
from reconciler.engine.limits.read_quota import SourceQuota
from reconciler.engine.ports import Store, Stripe
from reconciler.engine.report import Mode, Writing
from reconciler.errors import StoppedError

if TYPE_CHECKING:
    # imported by the service: a person's sweep reads every open row
    from reconciler.engine.due_rows import DueRows

QUOTA_SHORT: Final = (
    "Too few reads are left for this source: its part of the 30-day read quota is nearly "
    "spent. Reads become available again day by day."
)
SERVICE: Final = "service"
"""The name of the service as an actor. The hourly limit counts the corrections that were made in this name."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sweeps, and what the sweep may write. Every ledger entry of the sweep names it.

    ``sweep`` is the sweep's number, None in a dry run. ``epoch`` is that of the lease under which it writes.
    ``claimed_by`` is the name that the person gave besides.
    """

    account: str
    sweep: int | None
    asked_by: str
    mode: Mode
    writing: Writing
    epoch: int
    claimed_by: str | None = None
    again: int | None = None
    """The sweep whose reverted corrections a person wants to have made once more."""
    names_payments: bool = False
    """Whether a person has named the payments of the sweep: what the table refused before is tried at once."""
    person: AskedBy = field(init=False)
    """Who asked, as a ledger entry names it."""
    is_service: bool = field(init=False)
    """Whether the service sweeps. It keeps a schedule, and reads a payment again only when that is due."""

    def __post_init__(self) -> None:
        # the class is frozen, and both follow from the other fields
        object.__setattr__(self, "person", AskedBy(self.asked_by, self.claimed_by))
        object.__setattr__(self, "is_service", self.asked_by == SERVICE)


class ClaimedRechecks:
    """The rechecks that sweeps of the service are reading now. One object serves all sweeps of an account.

    The tail and the due source both read the rechecks that are due. The first sweep claims them until it ends, and
    the other sweep takes the rest, so that neither waits for the other. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claimed: set[str] = set()

    def claim(
        self, read_due: Callable[[int], tuple[str, ...]], most: int
    ) -> tuple[tuple[str, ...], bool]:
        """Claim up to ``most`` due intents that no other sweep has claimed; and whether there are more of them.

        ``read_due`` takes a number and returns at most so many intents with a due recheck.
        """
        # Read under the lock. A recheck that another sweep gives back before this read is settled by then.
        with self._lock:
            due = read_due(most + 1 + len(self._claimed))
            free = [intent for intent in due if intent not in self._claimed]
            claimed = tuple(free[:most])
            self._claimed.update(claimed)
            return claimed, len(free) > most

    def give_back(self, intents: Iterable[str]) -> None:
        """End the claim of a sweep that has ended. The next sweep can claim what this one did not settle."""
        with self._lock:
            self._claimed.difference_update(intents)

    def is_claimed(self, intent: str) -> bool:
        """Whether a sweep has claimed this intent."""
        with self._lock:
            return intent in self._claimed


@dataclass(frozen=True, slots=True)
class SweepContext:
    """What a sweep works with.

    ``workers`` is the number of threads that read; ``page_size`` is how many single retrieves make a page.
    ``per_hour`` is how many rows the service may correct in an hour. ``has_schema`` is whether Reconciler's schema
    exists and may be written to. ``rechecks`` is shared with the sweeps that run at the same time.
    """

    stripe: Stripe
    store: Store
    clock: Clock
    rules: Rules
    workers: int
    page_size: int
    per_hour: int
    has_schema: bool
    budget: Budget
    source_quota: SourceQuota
    rechecks: ClaimedRechecks
    zone: tzinfo = UTC
    """The time zone of the books, in which the totals of a day are made."""
    count_rows_of_no_account: Callable[[], RowsOfNoAccount] | None = None
    """Counts the rows that no configured account has; None if the table has no account column."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """The program's version and the configuration's fingerprint, for a certificate."""
    due_rows: DueRows | None = None
    """Finds what is due for the sweeps of the service; None if each of them reads every open row."""


class StopToken:
    """Tells a sweep between two pages whether it may still write, and whether it has to end.

    ``check_lease`` raises LeaseLostError if the lease is lost, and StoppedError if the sweep has to end. A lost lease
    is raised at once, because nothing more may be written. A stop is kept until the current page is recorded.
    """

    def __init__(self, check_lease: Callable[[], None]) -> None:
        self._check_lease = check_lease
        self._stop: StoppedError | None = None
        self.is_stopping = False
        """Whether the sweep has to end. It then records the pages that it holds, and begins no other page."""

    def raise_if_lease_lost(self) -> None:
        """Raise every error of ``check_lease`` except a StoppedError, which is kept for ``raise_if_stopping``."""
        try:
            self._check_lease()
        except StoppedError as error:
            self._stop = error
            self.is_stopping = True

    def raise_if_stopping(self) -> None:
        """Raise the StoppedError that was kept, if any.

        It does not call ``check_lease``: a stop that came only now would lose the pages that are still held.
        """
        if self._stop is not None:
            raise self._stop
