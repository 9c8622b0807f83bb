"""What our tables hold about a page's intents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Connection
from reconciler.adapters.postgres.statements import statements
from reconciler.adapters.postgres.transactions import Cursor
from reconciler.domain.findings.discrepancy import Kind, Reason, State, StoredDiscrepancy
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.payment import Payment
from reconciler.errors import DatabaseUnavailableError

_SQL: Final = statements("page")


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """Questions that were asked in a pipeline, whose answers are there when it has ended.

    Without ``known`` and the rest, our schema is not there or may not be read.
    """

    at: Cursor
    known: Cursor | None = None
    events: Cursor | None = None
    rechecks: Cursor | None = None

    def loaded(
        self,
        payments: tuple[Payment, ...],
        claimable: tuple[Payment, ...] = (),
        paid: tuple[Payment, ...] = (),
    ) -> Loaded:
        """The answers, with the merchant's rows beside them."""
        present = self.at.fetchone()
        if present is None:
            raise DatabaseUnavailableError("PostgreSQL did not say what time it is.")
        return Loaded(
            payments=payments,
            claimable=claimable,
            paid=paid,
            known=tuple(_known(*row) for row in self.known or ()),
            events=tuple(Event(*row) for row in self.events or ()),
            at=present[0],
            rechecks=tuple(row[0] for row in self.rechecks or ()),
        )


def ask_for_stored_facts(
    connection: Connection, account: str, intents: Sequence[str], *, readable: bool, lock: bool
) -> StoredFacts:
    """Ask about these intents. ``lock`` keeps their discrepancies from a person until the transaction ends."""
    at = connection.execute(_SQL["current_time"])
    if not readable:
        return StoredFacts(at)
    parameters = {
        "account": account,
        "intents": [intent for intent in intents if "\x00" not in intent],
    }
    return StoredFacts(
        at=at,
        known=connection.execute(
            _SQL["stored_discrepancies_locked" if lock else "stored_discrepancies"], parameters
        ),
        events=connection.execute(_SQL["events_of_intents"], parameters),
        rechecks=connection.execute(_SQL["rechecks_of_intents"], parameters),
    )


def _known(
    number: int, subject: str, kind: str, state: str, fingerprint: str, reason: str | None
) -> StoredDiscrepancy:
    return StoredDiscrepancy(
        id=number,
        subject=subject,
        kind=Kind(kind),
        state=State(state),
        fingerprint=fingerprint,
        reason=None if reason is None else Reason(reason),
    )
