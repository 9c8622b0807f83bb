"""A page: what is read of both sides for up to a hundred intents, and what is written about them at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.domain.audit.ledger_entry import Draft
from reconciler.domain.findings.discrepancy import StoredDiscrepancy
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.payment import Payment


@dataclass(frozen=True, slots=True)
class IntentPage:
    """One page of Stripe's list, newest first. ``next_after`` is the cursor for the next page, None at the end.

    ``unreadable`` names the objects of the page that could not be understood.
    """

    intents: tuple[Intent, ...]
    next_after: str | None
    seen_at: datetime
    request_id: str | None = None
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventPage:
    """One page of Stripe's events, newest first; ``next_after`` as in an IntentPage."""

    events: tuple[Event, ...]
    next_after: str | None
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class RowReference:
    """A row of the merchant's table that is to be asked about: its key and the id that it holds."""

    key: str
    payment_intent: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the database knows about a page.

    ``payments`` hold one of its intents; ``claimable`` hold none and have one of its orders; ``paid`` are rows of the
    same orders that are paid, whatever intent they hold. ``known`` are stored discrepancies and ``events`` the known
    events of its intents; both are empty where our schema is not there. ``at`` is the database's clock.
    """

    payments: tuple[Payment, ...]
    claimable: tuple[Payment, ...]
    paid: tuple[Payment, ...]
    known: tuple[StoredDiscrepancy, ...]
    events: tuple[Event, ...]
    at: datetime
    rechecks: tuple[str, ...] = ()
    """Those of its intents that a check waits for."""


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One row to change, on condition that it is still the one compared.

    ``payment`` is the row as it was read again in this transaction; ``payment_intent`` is what the row will hold:
    the same as before, or the intent that a link found for it.
    """

    payment: Payment
    to_status: str
    payment_intent: str | None
    entry: Draft
    """The ledger entry that records the write; an outbox row names it."""


NEXT_POLL: Final = "schedule"
"""The reason of a check that only says when an open payment is worth the next look.

Where the row is settled meanwhile it has nothing more to say. Every other check goes only with a verdict.
"""


@dataclass(frozen=True, slots=True)
class Recheck:
    """An intent to look at again, and why."""

    payment_intent: str
    due_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PageRecord:
    """All that is written for one page, in one transaction or not at all.

    ``updates`` come with the ledger drafts that they make in ``drafts`` (already in order). ``settled`` are the intents
    that got a verdict, so that their checks go.
    """

    writes: tuple[RowWrite, ...] = ()
    updates: tuple[DiscrepancyUpdate, ...] = ()
    rechecks: tuple[Recheck, ...] = ()
    settled: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    drafts: tuple[Draft, ...] = ()
    seen_at: datetime | None = None
    """Stripe's time of this examination: first and last seen of its discrepancies."""
    sweep: int | None = None
    """The sweep that its discrepancies were last examined by."""
    most_an_hour: int | None = None
    """How many rows the service may correct in an hour, these among them; None for a person's sweep."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            self.writes
            or self.updates
            or self.rechecks
            or self.settled
            or self.events
            or self.drafts
        )
