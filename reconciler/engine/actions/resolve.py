"""A person settles a discrepancy: with a note, or by accepting Stripe's outcome for its row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.engine.actions.accept import AcceptedBy, accept, resolution_body
from reconciler.engine.ports import DiscrepancyStore
from reconciler.errors import UsageError
from reconciler.masking import storable

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was done. ``from_status`` and ``to_status`` are None if no row was written.

    ``remark`` is what the person should know of the money: what was refunded, or is disputed.
    """

    discrepancy: Discrepancy
    state: State
    key: str | None = None
    from_status: str | None = None
    to_status: str | None = None
    remark: str | None = None


def resolve_discrepancy(
    account: OpenAccount,
    discrepancy_id: int,
    accepted: AcceptedBy,
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
    store = account.ports.new_discrepancy_store()
    if not accept_stripe:
        return settle(store, discrepancy_id, accepted, ignore=ignore)
    discrepancy = _existing(store, discrepancy_id)
    key = _key(discrepancy, accepted.row)
    done = accept(account, discrepancy, key, accepted)
    return Resolution(
        discrepancy, State.RESOLVED, done.payment.key, done.payment.status, done.status, done.remark
    )


def settle(
    discrepancy_store: DiscrepancyStore,
    discrepancy_id: int,
    accepted: AcceptedBy,
    *,
    ignore: bool = False,
) -> Resolution:
    """Settle a discrepancy without a write to a row."""
    discrepancy = _existing(discrepancy_store, discrepancy_id)
    state = State.IGNORED if ignore else State.RESOLVED
    entry = Draft(Action.RESOLUTION, resolution_body(discrepancy, state, accepted))
    discrepancy_store.settle(discrepancy.id, state, accepted.note, accepted.by.name, entry)
    return Resolution(discrepancy, state)


def _key(discrepancy: Discrepancy, row: str | None) -> str:
    """The key of the row that is meant. Raises UsageError if the finding does not name exactly that row."""
    if discrepancy.payment_intent is None:
        raise UsageError(
            f"discrepancy {discrepancy.id} is about no PaymentIntent: there is no outcome to accept.",
            "Correct the row by hand and resolve it with a note.",
        )
    if row is not None:
        # a discrepancy has a key with a secret in it masked
        if storable(row) not in discrepancy.keys:
            raise UsageError(
                f"discrepancy {discrepancy.id} does not name row {row}.",
                f"It names: {', '.join(discrepancy.keys) or 'no row'}.",
            )
        return storable(row)
    if len(discrepancy.keys) != 1:
        raise UsageError(
            f"discrepancy {discrepancy.id} names {len(discrepancy.keys)} rows: Stripe's outcome can be"
            " accepted for exactly one.",
            "Choose one row with --row KEY, or correct the rows by hand and then resolve the discrepancy with a note.",
        )
    return discrepancy.keys[0]


def _existing(discrepancy_store: DiscrepancyStore, discrepancy_id: int) -> Discrepancy:
    discrepancy = discrepancy_store.discrepancy(discrepancy_id)
    if discrepancy is None:
        raise UsageError(
            f"there is no discrepancy {discrepancy_id}.", "List them with: reconciler discrepancies"
        )
    return discrepancy
