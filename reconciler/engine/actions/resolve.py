"""A person settles a discrepancy: with a note, or by accepting Stripe's outcome for its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.engine.actions.accept import accept
from reconciler.engine.actions.acceptance import AcceptedBy, AcceptedRow, resolution_body
from reconciler.engine.actions.find_discrepancies import locked_discrepancies
from reconciler.engine.actions.note import checked_text
from reconciler.engine.actions.review_store import ReviewStore
from reconciler.errors import ReconcilerError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.masking import storable

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was done. ``written`` is the row that was given Stripe's outcome; None if no row was written."""

    discrepancy: Discrepancy
    state: State
    written: AcceptedRow | None = None


class AlreadyCorrectedError(ReconcilerError):
    """The rows of a discrepancy were corrected, so that there is nothing to settle. Nothing was stored."""

    exit_code = ExitCode.NO


def resolve(
    store: ReviewStore,
    discrepancy_ids: Sequence[int],
    note: str,
    by: AskedBy,
    *,
    ignore: bool = False,
) -> tuple[Resolution, ...]:
    """Settle discrepancies of any accounts without a write to a row; all or none of them.

    Raises UsageError if one of them does not exist, or if the note is empty, and AlreadyCorrectedError.
    """
    accepted = AcceptedBy(by, checked_text(note, "the note"))
    state = State.IGNORED if ignore else State.RESOLVED
    with store.transaction() as transaction:
        found = locked_discrepancies(transaction, discrepancy_ids)
        corrected = [str(item.id) for item in found if item.state is State.CORRECTED]
        if corrected:
            # it would leave the list of what was put right, and nothing is left to settle
            raise AlreadyCorrectedError(
                f"Reconciler has corrected the rows of discrepancy {', '.join(corrected)}: nothing is left to resolve.",
                "Write a note with: reconciler note ID TEXT",
            )
        transaction.settle([item.id for item in found], state, accepted.note, by.name)
        transaction.append(
            [
                (item.account, Draft(Action.RESOLUTION, resolution_body(item, state, accepted)))
                for item in found
            ]
        )
    return tuple(Resolution(item, state) for item in found)


def accept_stripe(
    account: OpenAccount, discrepancy_id: int, accepted: AcceptedBy, epoch: int | None = None
) -> Resolution:
    """Write Stripe's present outcome to the row of a discrepancy, and settle it in the same transaction.

    ``epoch`` is that of a lease that the caller holds; without it a lease is taken, or the service's is used.

    Raises ConfigurationError if Reconciler's schema does not exist, UsageError if the discrepancy does not exist, or
    has no single row or intent to accept for. Raises CannotAcceptError if the outcome cannot be written to this row,
    and DatabaseBusyError if the row is locked or has changed.
    """
    account.raise_if_no_schema()
    store = account.ports.new_discrepancy_store()
    discrepancy = store.discrepancy(discrepancy_id)
    if discrepancy is None:
        raise UsageError(
            f"account {account.name} has no discrepancy {discrepancy_id}.",
            "List them with: reconciler discrepancies",
        )
    key = _key(discrepancy, accepted.row)
    written = accept(account, discrepancy, key, accepted, epoch)
    return Resolution(discrepancy, State.RESOLVED, written)


def _key(discrepancy: Discrepancy, row: str | None) -> str:
    """The key of the row that is meant. Raises UsageError if the finding does not name exactly that row."""
    if discrepancy.payment_intent is None:
        raise UsageError(
            f"discrepancy {discrepancy.id} is about no PaymentIntent: there is no outcome to accept.",
            "Correct the row by hand, and resolve the discrepancy with a note.",
        )
    if row is not None:
        # a discrepancy has a key with a secret in it masked
        if storable(row) not in discrepancy.keys:
            raise UsageError(
                f"discrepancy {discrepancy.id} does not name row {row}.",
                f"The discrepancy names: {', '.join(discrepancy.keys) or 'no row'}.",
            )
        return storable(row)
    if len(discrepancy.keys) != 1:
        raise UsageError(
            f"discrepancy {discrepancy.id} names {len(discrepancy.keys)} rows: Stripe's outcome can be"
            " accepted for exactly one.",
            "Choose one row with --row KEY, or correct the rows by hand and then resolve the discrepancy with a note.",
        )
    return discrepancy.keys[0]
