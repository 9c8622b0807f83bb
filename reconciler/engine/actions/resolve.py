"""A person settles a discrepancy: with a note, or by writing Stripe's outcome to a row that no sweep may correct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.page import Loaded, PageRecord, RowWrite
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.engine.ports import DiscrepancyStore, Store
from reconciler.errors import DatabaseBusyError, ReconcilerError, RowMovedError, UsageError

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


class CannotAcceptError(ReconcilerError):
    """Stripe's outcome cannot be written to this row."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was done. ``from_status`` and ``to_status`` are None if no row was written."""

    discrepancy: Discrepancy
    state: State
    key: str | None = None
    from_status: str | None = None
    to_status: str | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepts Stripe's outcome, with which note, and what is written for it."""

    by: str
    note: str
    intent: Intent
    outcome: Outcome
    status: str


def resolve_discrepancy(
    account: OpenAccount,
    discrepancy_id: int,
    note: str,
    by: str,
    *,
    accept_stripe: bool = False,
    ignore: bool = False,
) -> Resolution:
    """Settle a discrepancy. With ``accept_stripe``, write Stripe's present outcome to its row in the same transaction.

    Raises ConfigurationError if Reconciler's schema does not exist, UsageError if the discrepancy does not exist, or
    has no single row or intent to accept for. Raises CannotAcceptError if the outcome cannot be written to this row,
    and DatabaseBusyError if the row is locked or has changed.
    """
    account.raise_if_no_schema()
    if not accept_stripe:
        store = account.ports.new_discrepancy_store()
        return settle(store, discrepancy_id, note, by, ignore=ignore)
    with account.writing_epoch() as epoch:
        return _accept_stripe(account, epoch, discrepancy_id, note, by)


def settle(
    discrepancy_store: DiscrepancyStore,
    discrepancy_id: int,
    note: str,
    by: str,
    *,
    ignore: bool = False,
) -> Resolution:
    """Settle a discrepancy without a write to a row."""
    discrepancy = _existing(discrepancy_store, discrepancy_id)
    state = State.IGNORED if ignore else State.RESOLVED
    entry = Draft(Action.RESOLUTION, _entry_body(discrepancy, state, note, by))
    discrepancy_store.settle(discrepancy.id, state, note, by, entry)
    return Resolution(discrepancy, state)


def _accept_stripe(
    account: OpenAccount, epoch: int, discrepancy_id: int, note: str, by: str
) -> Resolution:
    discrepancy = _existing(account.ports.new_discrepancy_store(), discrepancy_id)
    # with several rows it is not known which one the person means
    if discrepancy.payment_intent is None or len(discrepancy.keys) != 1:
        raise UsageError(
            f"discrepancy {discrepancy.id} names {len(discrepancy.keys)} rows: Stripe's outcome can be"
            " accepted for exactly one.",
            "Put the rows right by hand and resolve it with a note.",
        )
    intent = account.ports.stripe.retrieve(discrepancy.payment_intent)
    if not isinstance(intent, Intent):
        raise CannotAcceptError(
            f"Stripe does not know {discrepancy.payment_intent}: there is no outcome to accept.",
            "Resolve the discrepancy with a note instead.",
        )
    # read now, because the stored finding may be days old
    outcome = _outcome_with_charge(intent)
    status = account.rules.statuses.write.get(outcome)
    if status is None:
        raise CannotAcceptError(
            f"{discrepancy.payment_intent} is {outcome.value} at Stripe, and the table has no value for that.",
            f"Add {outcome.value} to [payments.write], or resolve it with a note.",
        )
    acceptance = Acceptance(by, note, intent, outcome, status)
    payment = _write(account.ports.store, epoch, discrepancy, acceptance)
    return Resolution(discrepancy, State.RESOLVED, payment.key, payment.status, status)


def _write(store: Store, epoch: int, discrepancy: Discrepancy, acceptance: Acceptance) -> Payment:
    intent = acceptance.intent
    (key,) = discrepancy.keys
    try:
        with store.transaction(epoch) as transaction:
            # the same protocol as a correction: lock the row, check it, write it on condition that it is unchanged
            again = transaction.read_again([intent.id], discrepancy.keys, lock=True)
            payment = _row_to_write(again, key, acceptance)
            settled = DiscrepancyUpdate(
                discrepancy.id,
                discrepancy.payment_intent or "",
                discrepancy.kind,
                State.RESOLVED,
                None,
                is_news=True,
                by=acceptance.by,
                note=acceptance.note,
            )
            entry = _acceptance_entry(discrepancy, acceptance, payment)
            transaction.write(
                PageRecord(
                    writes=(RowWrite(payment, acceptance.status, intent.id, entry),),
                    updates=(settled,),
                    seen_at=intent.seen_at,
                )
            )
            return payment
    except RowMovedError:
        raise DatabaseBusyError(
            f"row {key} is locked, has changed or holds another intent: nothing was written.",
            "Check the row with reconciler explain, and try again.",
        ) from None


def _row_to_write(again: Loaded, key: str, acceptance: Acceptance) -> Payment:
    payment = next((row for row in again.payments if row.key == key), None)
    if payment is None or payment.payment_intent not in (None, acceptance.intent.id):
        raise RowMovedError(frozenset({key}))
    # the outcomes agree, so the finding is about the amount or the currency, which Reconciler never writes
    if payment.outcome is acceptance.outcome:
        raise CannotAcceptError(
            f"row {key} already says {acceptance.outcome.value}: there is no outcome to write.",
            "Put the amount or the currency right by hand and resolve it with a note.",
        )
    return payment


def _outcome_with_charge(intent: Intent) -> Outcome:
    """What became of the money, the charge included. A person must not write "paid" for a refunded payment."""
    if intent.outcome is Outcome.SUCCEEDED and intent.charge is not None:
        if intent.charge.disputed:
            return Outcome.DISPUTED
        if intent.charge.refunded:
            return Outcome.REFUNDED
    return intent.outcome


def _existing(discrepancy_store: DiscrepancyStore, discrepancy_id: int) -> Discrepancy:
    discrepancy = discrepancy_store.discrepancy(discrepancy_id)
    if discrepancy is None:
        raise UsageError(
            f"there is no discrepancy {discrepancy_id}.", "List them with: reconciler discrepancies"
        )
    return discrepancy


def _entry_body(discrepancy: Discrepancy, state: State, note: str, by: str) -> dict[str, object]:
    return {
        "discrepancy": discrepancy.id,
        "subject": discrepancy.payment_intent or f"row:{','.join(discrepancy.keys)}",
        "kind": discrepancy.kind.value,
        "state": state.value,
        "note": note,
        "asked_by": by,
    }


def _acceptance_entry(discrepancy: Discrepancy, acceptance: Acceptance, payment: Payment) -> Draft:
    intent = acceptance.intent
    body = _entry_body(discrepancy, State.RESOLVED, acceptance.note, acceptance.by)
    body |= {
        "key": payment.key,
        "payment_intent": intent.id,
        "outcome": acceptance.outcome.value,
        "before": {"status": payment.status, "payment_intent": payment.payment_intent},
        "after": {"status": acceptance.status, "payment_intent": intent.id},
        "request_id": intent.request_id,
        "seen_at": intent.seen_at,
    }
    return Draft(Action.RESOLUTION, body)
