"""What Reconciler's own tables hold about a page's intents: read before the page is decided, stored with it.

They are the discrepancies, the known events and the rechecks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from reconciler.adapters.postgres.audit.ledger import stored_json
from reconciler.adapters.postgres.database import Connection, Cursor, Database
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, State, StoredDiscrepancy
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.findings.reverted_correction import Revert
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import Loaded, PageRecord
from reconciler.domain.model.payment import Payment
from reconciler.domain.model.recheck import NEXT_POLL, Recheck
from reconciler.errors import DatabaseUnavailableError
from reconciler.masking import storable_texts

_SQL: Final = STATEMENTS["page"]
_DISCREPANCIES: Final = STATEMENTS["discrepancies"]


@dataclass(frozen=True, slots=True)
class StoredFacts:
    """Questions that were asked in a pipeline; ``loaded`` reads the answers when it has ended.

    Without ``known`` and the rest, the schema reconciler does not exist or may not be read.
    """

    at: Cursor
    known: Cursor | None = None
    events: Cursor | None = None
    rechecks: Cursor | None = None
    pause: Cursor | None = None

    def loaded(
        self,
        payments: tuple[Payment, ...],
        claimable: tuple[Payment, ...] = (),
        paid: tuple[Payment, ...] = (),
    ) -> Loaded:
        """The answers, with the merchant's rows beside them."""
        row = self.at.fetchone()
        if row is None:
            raise DatabaseUnavailableError("PostgreSQL did not say what time it is.")
        return Loaded(
            payments=payments,
            claimable=claimable,
            paid=paid,
            known=tuple(_stored_discrepancy(*row) for row in self.known or ()),
            events=tuple(Event(*row) for row in self.events or ()),
            at=row[0],
            waiting=tuple(Recheck(*row) for row in self.rechecks or ()),
            is_paused=self.pause is not None and self.pause.fetchone() is not None,
        )


def ask_for_stored_facts(
    connection: Connection,
    account: str,
    intents: Sequence[str],
    *,
    readable: bool,
    lock: bool,
    with_pause: bool = False,
) -> StoredFacts:
    """Ask about these intents; ``with_pause`` also whether a person has paused all writes to the account's rows.

    ``lock`` keeps a person from settling their discrepancies until the transaction ends.
    """
    at = connection.execute(_SQL["current_time"])
    if not readable:
        return StoredFacts(at)
    parameters = {
        "account": account,
        # an id may be any text that a person or Stripe gave, and PostgreSQL's text cannot hold NUL
        "intents": [intent for intent in intents if "\x00" not in intent],
    }
    return StoredFacts(
        at=at,
        known=connection.execute(
            _SQL["stored_discrepancies_locked" if lock else "stored_discrepancies"], parameters
        ),
        events=connection.execute(_SQL["events_of_intents"], parameters),
        rechecks=connection.execute(_SQL["rechecks_of_intents"], parameters),
        pause=connection.execute(_SQL["page_pause"], {"account": account}) if with_pause else None,
    )


def _stored_discrepancy(
    number: int,
    subject: str,
    kind: str,
    state: str,
    fingerprint: str,
    reason: str | None,
    payment_intent: str | None,
    reverted: dict[str, Any] | None,
    keys: Sequence[str],
) -> StoredDiscrepancy:
    return StoredDiscrepancy(
        id=number,
        subject=subject,
        kind=Kind(kind),
        state=State(state),
        fingerprint=fingerprint,
        reason=None if reason is None else Reason(reason),
        payment_intent=payment_intent if subject.startswith("row:") else None,
        revert=None if reverted is None else _revert(reverted),
        keys=tuple(keys),
    )


def _revert(stored: dict[str, Any]) -> Revert:
    return Revert(**{**stored, "keys": tuple(stored["keys"])})


def store_facts(connection: Connection, account: str, record: PageRecord) -> None:
    """Store what a page says about discrepancies, rechecks and events. Meant for a pipeline."""
    _store_updates(connection, account, record)
    _store_rechecks(connection, account, record)
    _store_events(connection, account, record)


def _store_updates(connection: Connection, account: str, record: PageRecord) -> None:
    """Insert, refresh and close discrepancies, with three statements at most.

    An update without a finding only changes the state. If one identity occurs twice, the last update counts.
    """
    updates = {(update.subject, update.kind): update for update in record.updates}.values()
    common: dict[str, object] = {
        "account": account,
        "seen_at": record.seen_at,
        "sweep": record.sweep,
    }
    inserted, refreshed, closed = [], [], []
    for update in updates:
        if update.finding is None:
            closed.append(update)
        elif update.id is None:
            inserted.append(_values(update, update.finding))
        else:
            refreshed.append(_values(update, update.finding))

    if inserted:
        parameters = {**common, "changes": stored_json(inserted)}
        connection.execute(_DISCREPANCIES["discrepancies_insert"], parameters)
    if refreshed:
        parameters = {**common, "changes": stored_json(refreshed)}
        connection.execute(_DISCREPANCIES["discrepancies_update"], parameters)
    if closed:
        parameters = {
            **common,
            "subjects": storable_texts(update.subject for update in closed),
            "kinds": [update.kind.value for update in closed],
            "states": [update.state.value for update in closed],
            "closings": [update.closing for update in closed],
            "notes": storable_texts(update.note for update in closed),
            "settled_by": [update.by for update in closed],
            "news": [update.is_news for update in closed],
            "ends_revert": [update.ends_revert for update in closed],
            "reverts": [_stored_revert(update.revert) for update in closed],
        }
        connection.execute(_DISCREPANCIES["discrepancies_move"], parameters)


def _values(update: DiscrepancyUpdate, finding: Finding) -> dict[str, object]:
    return {
        "subject": update.subject,
        "kind": update.kind.value,
        "state": update.state.value,
        "is_news": update.is_news,
        "payment_intent": finding.payment_intent,
        "keys": finding.keys,
        "severity": finding.severity.value,
        "reason": finding.reason,
        "cause": finding.cause,
        "stake_amount": abs(finding.stake.amount),
        "currency": finding.stake.currency,
        "local": finding.local,
        "stripe": finding.stripe,
        "evidence": finding.evidence,
        "fingerprint": finding.fingerprint,
        "note": update.note,
        "settled_by": update.by,
        "ends_revert": update.ends_revert,
        "order_reference": finding.order,
        "payment_created": finding.payment_created,
    }


def _stored_revert(revert: Revert | None) -> str | None:
    return None if revert is None else stored_json(asdict(revert))


def _store_rechecks(connection: Connection, account: str, record: PageRecord) -> None:
    common: dict[str, object] = {
        "account": account,
        "scheduled": NEXT_POLL,
        "now": record.seen_at,
    }
    if record.settled:
        parameters = {**common, "intents": list(record.settled)}
        connection.execute(_SQL["rechecks_remove"], parameters)

    # the last one of an intent counts: an INSERT may not meet one row twice
    last = {recheck.payment_intent: recheck for recheck in record.rechecks}
    if last:
        parameters = {
            **common,
            "intents": list(last),
            "due": [recheck.due_at for recheck in last.values()],
            "reasons": [recheck.reason for recheck in last.values()],
        }
        connection.execute(_SQL["rechecks_put"], parameters)


def _store_events(connection: Connection, account: str, record: PageRecord) -> None:
    last = {event.id: event for event in record.events}
    if last:
        parameters = {
            "account": account,
            "ids": list(last),
            "types": [event.type for event in last.values()],
            "created": [event.created for event in last.values()],
            "intents": [event.payment_intent for event in last.values()],
            "delivered": [event.delivered for event in last.values()],
            "failure_codes": [event.failure_code for event in last.values()],
        }
        connection.execute(_SQL["events_put"], parameters)


def recheck_reported_findings(database: Database, account: str) -> int:
    """Let the next sweep read every payment that was only reported; returns how many there are.

    For a service that may write rows now: an open finding is otherwise read once a day.
    """
    with database.connection(
        "setting when to read the PaymentIntents of findings again"
    ) as connection:
        parameters = {"account": account}
        return connection.execute(_SQL["rechecks_of_reported_due_now"], parameters).rowcount


def recheck_findings_of_expired_pause(database: Database, account: str) -> int:
    """Let the next sweep read every payment that was only recorded during a pause whose time is over; returns how many.

    ``resume`` does the same for a pause that a person ends.
    """
    with database.connection(
        "setting when to read PaymentIntents again after a pause"
    ) as connection:
        parameters = {"account": account}
        return connection.execute(_SQL["rechecks_after_expired_pause"], parameters).rowcount
