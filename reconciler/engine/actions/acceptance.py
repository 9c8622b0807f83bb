"""An acceptance of Stripe's outcome: who accepts what, what is written for it, and why it may not be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.findings.discrepancy import Kind, State, StoredDiscrepancy
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.acceptance_request import AcceptanceRequest
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.severity_and_evidence import stripe_values
from reconciler.errors import ReconcilerError
from reconciler.exit_codes import ExitCode

_MONEY = (
    "outcome", "currency", "amount_received", "amount_capturable", "amount_refunded", "refunded", "disputed",
)  # fmt: skip
"""What a person accepts of Stripe's values."""


class CannotAcceptError(ReconcilerError):
    """Stripe's outcome cannot be written to this row."""


class AcceptanceAnsweredError(ReconcilerError):
    """Another process has carried out or refused this request of a reviewer, or it has expired. Nothing was written."""


class AnotherRowPaidError(CannotAcceptError):
    """Another row that holds the intent already says that it was paid, so this one is not the row that is meant."""

    exit_code = ExitCode.NO


@dataclass(frozen=True, slots=True)
class AcceptedBy:
    """Who accepts Stripe's side, why, and how far: ``row`` is the row that is meant, None if only one is named.

    ``amount_differs`` is whether the person accepts that Stripe's amount is not the row's. ``request`` is what is carried
    out, if the person asked on a page: then nothing may have changed since, and the request is answered with the write.
    """

    by: AskedBy
    note: str
    row: str | None = None
    amount_differs: bool = False
    request: AcceptanceRequest | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What is written for an acceptance. ``match`` has what was read about the intent besides."""

    accepted: AcceptedBy
    match: Match
    intent: Intent
    outcome: Outcome
    status: str
    key: str


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """What was written: the row as it was, its new status and intent, and what the person should know of the money.

    ``held_status`` is Stripe's status of the intent that the row held, as the discrepancy has it; None if it does not.
    ``outbox`` is the outbox row that announces the write; None if a worker has deleted it.
    """

    payment: Payment
    status: str
    payment_intent: str
    remark: str | None
    held_status: str | None = None
    outbox: int | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person is told: the change, the intent that was replaced and can still be paid, the outbox, the money."""
        key, before = self.payment.key, self.payment.status
        announced = (
            f"Outbox row {self.outbox} tells your application of the change."
            if self.outbox
            else None
        )
        said = (
            f"Row {key} was changed from {before!r} to {self.status!r}.",
            self._replaced,
            announced,
            self.remark,
        )
        return tuple(one for one in said if one is not None)

    @property
    def _replaced(self) -> str | None:
        old = self.payment.payment_intent
        if old is None or old == self.payment_intent:
            return None
        said = f"Row {self.payment.key} now holds PaymentIntent {self.payment_intent} instead of {old}."
        if self.held_status in ("canceled", "succeeded"):
            return said
        return f"{said} The customer can still pay {old}: cancel it in Stripe's dashboard."


def held_status_of(discrepancy: Discrepancy) -> str | None:
    """Stripe's status of the intent that the row holds, if another one has paid and the sweep knew it."""
    own = discrepancy.evidence.get("own_intent")
    status = own.get("status") if isinstance(own, Mapping) else None
    return status if isinstance(status, str) else None


def resolution_body(
    discrepancy: Discrepancy, state: State, accepted: AcceptedBy
) -> dict[str, object]:
    """What every entry says of a settled discrepancy."""
    return {
        "discrepancy": discrepancy.id,
        "subject": discrepancy.subject,
        "kind": discrepancy.kind.value,
        "state": state.value,
        "note": accepted.note,
        **accepted.by.fields,
    }


def raise_if_changed(
    found: Discrepancy | StoredDiscrepancy | None, request: AcceptanceRequest
) -> None:
    """Raise CannotAcceptError unless the discrepancy is open and as the reviewer saw it."""
    if found is None or found.state is not State.OPEN or found.fingerprint != request.fingerprint:
        state = "removed" if found is None else found.state.value
        what = "has changed" if found is not None and found.state is State.OPEN else f"was {state}"
        raise CannotAcceptError(
            f"discrepancy {request.discrepancy} {what} after {request.asked_by} accepted Stripe's side:"
            " nothing was written.",
            "Look at the discrepancy again, and accept what it says now.",
        )


def raise_if_stripe_changed(discrepancy: Discrepancy, intent: Intent) -> None:
    """Raise CannotAcceptError if Stripe says something else about the money now than the reviewer saw."""
    now = stripe_values(intent)
    if discrepancy.kind is Kind.PAID_BY_OTHER_INTENT:
        # the values are those of the intent that the row holds; the reviewer accepts that the other one has paid
        changed = [] if intent.outcome is Outcome.SUCCEEDED else ["outcome"]
    else:
        # what was unknown and what is nothing are the same here
        changed = [
            name for name in _MONEY if (now[name] or 0) != (discrepancy.stripe.get(name) or 0)
        ]
    if changed:
        raise CannotAcceptError(
            f"Stripe's side of {intent.id} has changed since then ({', '.join(changed)}): nothing was written.",
            "The next sweep records the change. Look at the discrepancy after that, and accept what it says then.",
        )
