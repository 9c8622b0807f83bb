"""A person settles a discrepancy: by a note, or by writing Stripe's outcome where the rules would not."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import Discrepancy, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Rules
from reconciler.domain.model.page import Loaded, PageRecord, RowWrite
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.engine.ports import DiscrepancyStore, Store, Stripe
from reconciler.errors import DatabaseBusyError, ReconcilerError, RowMovedError, UsageError


class CannotAcceptError(ReconcilerError):
    """Stripe's outcome cannot be written to this row."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was done. ``from_status`` and ``to_status`` are set where a row was written."""

    discrepancy: Discrepancy
    state: State
    key: str | None = None
    from_status: str | None = None
    to_status: str | None = None


def resolve(
    discrepancy_store: DiscrepancyStore,
    discrepancy_id: int,
    note: str,
    by: str,
    *,
    ignore: bool = False,
) -> Resolution:
    """Settle a discrepancy without touching a row."""
    found = _found(discrepancy_store, discrepancy_id)
    state = State.IGNORED if ignore else State.RESOLVED
    discrepancy_store.settle(found.id, state, note, by, _entry(found, state, note, by, None))
    return Resolution(found, state)


def accept_stripe(
    stripe: Stripe,
    store: Store,
    discrepancy_store: DiscrepancyStore,
    rules: Rules,
    epoch: int,
    discrepancy_id: int,
    note: str,
    by: str,
) -> Resolution:
    """Write Stripe's present outcome to the discrepancy's row and settle it, in one transaction.

    Raises UsageError for a discrepancy that has no single row or intent, CannotAcceptError where there is no local
    value for the outcome, DatabaseBusyError where the row is locked or moved.
    """
    found = _found(discrepancy_store, discrepancy_id)
    if found.payment_intent is None or len(found.keys) != 1:
        raise UsageError(
            f"discrepancy {found.id} names {len(found.keys)} rows: Stripe's outcome can be"
            " accepted for exactly one.",
            "Put the rows right by hand and resolve it with a note.",
        )
    intent = stripe.retrieve(found.payment_intent)
    if not isinstance(intent, Intent):
        raise CannotAcceptError(
            f"Stripe does not know {found.payment_intent}: there is no outcome to accept.",
            "Resolve the discrepancy with a note instead.",
        )
    outcome = _outcome(intent)
    status = rules.statuses.write.get(outcome)
    if status is None:
        raise CannotAcceptError(
            f"{found.payment_intent} is {outcome.value} at Stripe, and the table has no word for it.",
            f"Add {outcome.value} to [payments.write], or resolve it with a note.",
        )
    payment = _write(store, epoch, found, intent, outcome, status, note, by)
    return Resolution(found, State.RESOLVED, payment.key, payment.status, status)


def _write(
    store: Store,
    epoch: int,
    found: Discrepancy,
    intent: Intent,
    outcome: Outcome,
    status: str,
    note: str,
    by: str,
) -> Payment:
    try:
        with store.transaction(epoch) as transaction:
            again = transaction.read_again([intent.id], found.keys, lock=True)
            payment = _row(again, found.keys[0], intent, outcome)
            entry = _entry(found, State.RESOLVED, note, by, (payment, intent, status))
            settled = DiscrepancyUpdate(
                found.id,
                found.payment_intent or "",
                found.kind,
                State.RESOLVED,
                None,
                is_news=True,
                by=by,
                note=note,
            )
            transaction.write(
                PageRecord(
                    writes=(RowWrite(payment, status, intent.id, entry),),
                    updates=(settled,),
                    seen_at=intent.seen_at,
                )
            )
            return payment
    except RowMovedError:
        raise DatabaseBusyError(
            f"row {found.keys[0]} is locked, has changed or holds another intent: nothing was written.",
            "Look at it with explain and try again.",
        ) from None


def _row(again: Loaded, key: str, intent: Intent, outcome: Outcome) -> Payment:
    payment = next((row for row in again.payments if row.key == key), None)
    if payment is None or payment.payment_intent not in (None, intent.id):
        raise RowMovedError(frozenset({key}))
    if payment.outcome is outcome:
        raise CannotAcceptError(
            f"row {key} already says {outcome.value}: there is no outcome to write.",
            "Put the amount or the currency right by hand and resolve it with a note.",
        )
    return payment


def _outcome(intent: Intent) -> Outcome:
    """What Stripe says became of the money, the charge included: a person must not write paid for a refund."""
    if intent.outcome is Outcome.SUCCEEDED and intent.charge is not None:
        if intent.charge.disputed:
            return Outcome.DISPUTED
        if intent.charge.refunded:
            return Outcome.REFUNDED
    return intent.outcome


def _found(discrepancy_store: DiscrepancyStore, discrepancy_id: int) -> Discrepancy:
    found = discrepancy_store.discrepancy(discrepancy_id)
    if found is None:
        raise UsageError(
            f"there is no discrepancy {discrepancy_id}.", "List them with: reconciler discrepancies"
        )
    return found


def _entry(
    found: Discrepancy,
    state: State,
    note: str,
    by: str,
    written: tuple[Payment, Intent, str] | None,
) -> Draft:
    body: dict[str, object] = {
        "discrepancy": found.id,
        "subject": found.payment_intent or f"row:{','.join(found.keys)}",
        "kind": found.kind.value,
        "state": state.value,
        "note": note,
        "asked_by": by,
    }
    if written is not None:
        payment, intent, status = written
        body |= {
            "key": payment.key,
            "payment_intent": intent.id,
            "outcome": _outcome(intent).value,
            "before": {"status": payment.status, "payment_intent": payment.payment_intent},
            "after": {"status": status, "payment_intent": intent.id},
            "request_id": intent.request_id,
            "seen_at": intent.seen_at,
        }
    return Draft(Action.RESOLUTION, body)
