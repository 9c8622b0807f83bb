"""Accept Stripe's outcome for a row that no sweep may correct, in one transaction with its discrepancy."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import Finding, Kind, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate, finding_entry
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.acceptance_request import AcceptanceRequest
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import FactNeededError, Question
from reconciler.domain.model.money_back import DisputePhase
from reconciler.domain.model.page import Loaded, PageRecord, RowWrite
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.comparison import compare
from reconciler.domain.rules.money_kept import MoneyKept, money_kept
from reconciler.domain.statement.payment_difference import with_difference
from reconciler.engine.actions.acceptance import (
    Acceptance,
    AcceptanceAnsweredError,
    AcceptedBy,
    AcceptedRow,
    AnotherRowPaidError,
    CannotAcceptError,
    held_status_of,
    raise_if_changed,
    raise_if_stripe_changed,
    resolution_body,
)
from reconciler.engine.ports import PageTransaction
from reconciler.engine.reads.charge_facts import with_fact
from reconciler.errors import AcceptedWriteRefusedError, DatabaseBusyError, RowMovedError
from reconciler.masking import redact, storable

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


def accept(
    account: OpenAccount,
    discrepancy: Discrepancy,
    key: str,
    accepted: AcceptedBy,
    epoch: int | None = None,
) -> AcceptedRow:
    """Write Stripe's present outcome to the row with this key, and settle the discrepancy with it.

    ``epoch`` is that of a lease that the caller holds; without it a lease is taken, or the service's is used. Raises
    AcceptanceAnsweredError if the request that is carried out waits no more, CannotAcceptError if the outcome cannot be
    written, AcceptedWriteRefusedError if the table refuses it, and DatabaseBusyError if the row is locked or has changed.
    """
    with account.writing_epoch() if epoch is None else nullcontext(epoch) as current:
        if accepted.request is not None:
            raise_if_changed(discrepancy, accepted.request)
        acceptance = _acceptance(account, discrepancy, key, accepted)
        return _write(account, current, discrepancy, acceptance)


def _acceptance(
    account: OpenAccount, discrepancy: Discrepancy, key: str, accepted: AcceptedBy
) -> Acceptance:
    """What is to be written, by what Stripe says now. Raises CannotAcceptError if there is nothing to write."""
    paying = discrepancy.evidence.get("paying_intent")
    is_other = discrepancy.kind is Kind.PAID_BY_OTHER_INTENT
    wanted = str(paying) if is_other and paying else discrepancy.payment_intent or ""
    intent = account.ports.stripe.retrieve(wanted)
    if not isinstance(intent, Intent):
        raise CannotAcceptError(
            f"Stripe does not know {wanted}: there is no outcome to accept.",
            "Resolve the discrepancy with a note instead.",
        )
    if accepted.request is not None:
        raise_if_stripe_changed(discrepancy, intent)
    match, money = _money(account, intent)
    outcome = _outcome_with_money(intent, money)
    status = account.rules.statuses.write.get(outcome)
    if status is None:
        raise CannotAcceptError(
            f"{wanted} is {outcome.value} at Stripe, and [payments.write] has no status for {outcome.value}.",
            f"Add {outcome.value} to [payments.write], or resolve the discrepancy with a note.",
        )
    return Acceptance(accepted, match, intent, outcome, status, key)


def _money(account: OpenAccount, intent: Intent) -> tuple[Match, MoneyKept | None]:
    """What was kept of the intent's money, and the match with what was read for that; None if nothing was taken."""
    match = Match(account.name, intent, ())
    if intent.outcome is not Outcome.SUCCEEDED:
        return match, None
    while True:
        try:
            return match, money_kept(match, intent)
        except FactNeededError as needed:
            match = with_fact(account.ports.stripe, match, needed.question)


def _outcome_with_money(intent: Intent, money: MoneyKept | None) -> Outcome:
    """What became of the money. A person must not write "paid" for a payment that went back."""
    if money is None:
        return intent.outcome
    if money.dispute is not None and money.dispute.phase is not DisputePhase.INQUIRY:
        return Outcome.DISPUTED
    if money.refunded and money.refunded >= money.received:
        return Outcome.REFUNDED
    return intent.outcome


def _write(
    account: OpenAccount, epoch: int, discrepancy: Discrepancy, acceptance: Acceptance
) -> AcceptedRow:
    intent, key = acceptance.intent, acceptance.key
    try:
        with account.ports.store.transaction(epoch) as transaction:
            names = [intent.id, discrepancy.payment_intent or intent.id]
            again = transaction.read_again(names, [key], lock=True)
            request = acceptance.accepted.request
            if request is not None:
                known = [one for one in again.known if one.id == discrepancy.id]
                raise_if_changed(known[0] if known else None, request)
            payment = _row_to_write(again, discrepancy, acceptance)
            _raise_if_intent_not_writable(account, payment, acceptance)
            entry = _acceptance_entry(discrepancy, acceptance, payment)
            updates = _updates(account, discrepancy, acceptance, payment, again)
            result = transaction.write(
                PageRecord(
                    writes=(
                        RowWrite(payment, acceptance.status, intent.id, entry, acceptance.outcome),
                    ),
                    updates=tuple(updates),
                    # the entry of the write settles the discrepancy itself, and has no values of the others
                    drafts=tuple(
                        finding_entry(update, None, acceptance.accepted.by)
                        for update in updates
                        if update.finding is not None
                    ),
                    seen_at=intent.seen_at,
                )
            )
            refused = result.refused.get(payment.key)
            if refused is not None:
                by = f" by {refused.constraint}" if refused.constraint else ""
                raise AcceptedWriteRefusedError(
                    f"the table refused the write to row {key}{by}: {refused.message.rstrip(' .')}. Nothing was written.",
                    "The owner of the table has to change the row, or the rule that refuses the write. Then try again.",
                )
            written = _accepted_row(transaction, discrepancy, acceptance, payment)
            if request is not None:
                _answer(transaction, request, written)
            return written
    except RowMovedError:
        raise DatabaseBusyError(
            f"nothing was written to row {key}: it is locked, it has changed or holds another "
            "PaymentIntent, or another row holds this one.",
            "Check the row with reconciler explain, and try again.",
        ) from None


def _accepted_row(
    transaction: PageTransaction, discrepancy: Discrepancy, acceptance: Acceptance, payment: Payment
) -> AcceptedRow:
    intent = acceptance.intent
    held_status = held_status_of(discrepancy)
    outbox = transaction.newest_message(payment.key, intent.id)
    remark = _remark(acceptance)
    return AcceptedRow(payment, acceptance.status, intent.id, remark, held_status, outbox)


def _answer(transaction: PageTransaction, request: AcceptanceRequest, written: AcceptedRow) -> None:
    """Answer the request in the transaction of its write. Raises AcceptanceAnsweredError, which takes the write back."""
    if not transaction.answer_acceptance(request.id, redact(" ".join(written.lines))):
        raise AcceptanceAnsweredError(
            f"request {request.id} of {request.asked_by} already has an answer: nothing was written."
        )


def _row_to_write(again: Loaded, discrepancy: Discrepancy, acceptance: Acceptance) -> Payment:
    """The row, as it is now. Raises RowMovedError or CannotAcceptError if the outcome may not be written to it."""
    key, intent, outcome = acceptance.key, acceptance.intent, acceptance.outcome
    payment = next((row for row in again.payments if storable(row.key) == key), None)
    allowed = {None, intent.id, discrepancy.payment_intent}
    if payment is None or payment.payment_intent not in allowed:
        raise RowMovedError(frozenset({key}))

    others = _other_rows(again, payment, intent)
    unreadable = next((row for row in (payment, *others) if row.unreadable is not None), None)
    if unreadable is not None:
        raise CannotAcceptError(
            f"row {unreadable.key} cannot be read: the SQL text of payments.{unreadable.unreadable} fails for this row.",
            "Correct the row or the SQL text, and run the sweep again.",
        )
    paid = next((row for row in others if row.outcome is Outcome.SUCCEEDED), None)
    if paid is not None:
        raise AnotherRowPaidError(
            f"row {paid.key} holds {intent.id} too, and its status says paid.",
            "Correct the rows by hand and resolve the discrepancy with a note.",
        )
    if payment.outcome is outcome and payment.payment_intent == intent.id:
        raise CannotAcceptError(
            f"row {key} already says {outcome.value}: there is no outcome to write.",
            "Correct the amount or the currency by hand, and resolve the discrepancy with a note.",
        )
    if payment.stored_id is not None and payment.payment_intent != intent.id:
        raise CannotAcceptError(
            f"row {key} holds a Checkout Session, a charge or a client secret, and Reconciler never "
            f"replaces these: {intent.id} cannot be written to it.",
            "Correct the row by hand and resolve the discrepancy with a note.",
        )
    _raise_if_amount_differs(payment, acceptance)
    return payment


def _raise_if_intent_not_writable(
    account: OpenAccount, payment: Payment, acceptance: Acceptance
) -> None:
    if payment.payment_intent != acceptance.intent.id and not account.rules.writes_intent:
        raise CannotAcceptError(
            f"row {payment.key} does not hold {acceptance.intent.id}, and [payments] payment_intent is an SQL text,"
            " which cannot be written.",
            "Correct the row by hand and resolve the discrepancy with a note.",
        )


def _raise_if_amount_differs(payment: Payment, acceptance: Acceptance) -> None:
    intent = acceptance.intent
    match intent.outcome:
        case Outcome.SUCCEEDED:
            amount = intent.amount_received
        case Outcome.AUTHORIZED:
            amount = intent.amount_capturable
        case _:
            return
    same = (payment.amount, payment.currency) == (amount, intent.currency)
    if not same and not acceptance.accepted.amount_differs:
        raise CannotAcceptError(
            f"row {payment.key} says {payment.amount} {payment.currency}, and Stripe {amount} {intent.currency}"
            " (in minor units): nothing was written.",
            "If Stripe's amount is right, add --amount-differs: the row gets the new status and keeps its own amount.",
        )


def _updates(
    account: OpenAccount,
    discrepancy: Discrepancy,
    acceptance: Acceptance,
    payment: Payment,
    again: Loaded,
) -> Sequence[DiscrepancyUpdate]:
    """The settled discrepancy, and what the row will still disagree about: the acceptance settles that too.

    Without it the accepted money would come up again as soon as the row has its new status.
    """
    accepted = acceptance.accepted
    stored = {(item.subject, item.kind): item.id for item in again.known}
    stored[discrepancy.subject, discrepancy.kind] = discrepancy.id

    def settled(subject: str, kind: Kind, finding: Finding | None) -> DiscrepancyUpdate:
        return DiscrepancyUpdate(
            stored.get((subject, kind)),
            subject,
            kind,
            State.RESOLVED,
            finding,
            is_news=True,
            by=accepted.by.name,
            note=accepted.note,
            # the row has Stripe's outcome now, as the person wants it
            ends_revert=True,
        )

    updates = {
        (discrepancy.subject, discrepancy.kind): settled(
            discrepancy.subject, discrepancy.kind, None
        )
    }
    for finding in _remaining(account, acceptance, payment, again):
        identity = (finding.subject, finding.kind)
        updates[identity] = settled(finding.subject, finding.kind, finding)
    return tuple(updates.values())


def _remaining(
    account: OpenAccount, acceptance: Acceptance, payment: Payment, again: Loaded
) -> Sequence[Finding]:
    """What the rows and the intent disagree about once the row is written."""
    intent = acceptance.intent
    written = replace(
        payment,
        status=acceptance.status,
        outcome=acceptance.outcome,
        payment_intent=intent.id,
    )
    others = _other_rows(again, payment, intent)
    match = replace(acceptance.match, payments=(written, *others))
    try:
        found = compare(match, account.rules, intent.seen_at).findings
    except FactNeededError as needed:
        if needed.question is Question.ORDER:
            return ()
        raise
    return with_difference(match, tuple(one for one in found if not one.kind.is_side))


def _other_rows(again: Loaded, payment: Payment, intent: Intent) -> list[Payment]:
    """The rows beside ``payment`` that hold the intent too."""
    return [
        row for row in again.payments if row.key != payment.key and row.payment_intent == intent.id
    ]


def _remark(acceptance: Acceptance) -> str | None:
    """What a person should know of the money that was accepted."""
    intent = acceptance.intent
    if intent.outcome is not Outcome.SUCCEEDED:
        return None
    money = money_kept(acceptance.match, intent)
    if money.dispute is not None:
        return f"The payment is disputed ({money.dispute.status})."
    if money.refunded is None:
        return "Stripe does not show whether a part of the payment was refunded or released."
    if money.refunded:
        return f"Refunded at Stripe: {money.refunded} {intent.currency} (in minor units)."
    return None


def _acceptance_entry(discrepancy: Discrepancy, acceptance: Acceptance, payment: Payment) -> Draft:
    intent = acceptance.intent
    body = resolution_body(discrepancy, State.RESOLVED, acceptance.accepted)
    body |= {
        "key": payment.key,
        "payment_intent": intent.id,
        "outcome": acceptance.outcome.value,
        "before": {"status": payment.status, "payment_intent": payment.payment_intent},
        "after": {"status": acceptance.status, "payment_intent": intent.id},
        "request_id": intent.request_id,
        "seen_at": intent.seen_at,
    }
    request = acceptance.accepted.request
    if request is not None:
        body["request"] = {"id": request.id, "role": request.role}
    return Draft(Action.RESOLUTION, body)
