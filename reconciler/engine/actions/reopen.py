"""A person opens discrepancies again: what was settled, accepted or reverted is a question once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.findings.discrepancy import Reason, State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


def reopen_discrepancies(
    account: OpenAccount, discrepancy_ids: Sequence[int], by: AskedBy
) -> tuple[Discrepancy, ...]:
    """Open discrepancies that are resolved, ignored, or open because their correction was taken back; all or none.

    The next sweep decides about their payments anew. Returns them as they were. Raises UsageError if one of them does
    not exist or is in another state, and ConfigurationError if Reconciler's schema does not exist.
    """
    account.raise_if_no_schema()
    store = account.ports.new_discrepancy_store()
    found = []
    for discrepancy_id in dict.fromkeys(discrepancy_ids):
        discrepancy = store.discrepancy(discrepancy_id)
        if discrepancy is None:
            raise UsageError(
                f"account {account.name} has no discrepancy {discrepancy_id}.",
                "List them with: reconciler discrepancies",
            )
        if not _may_be_reopened(discrepancy):
            raise UsageError(
                f"discrepancy {discrepancy_id} is {discrepancy.state.value}: there is no decision to take back.",
                "Only a resolved, ignored or reverted discrepancy can be opened again.",
            )
        found.append(discrepancy)
    store.reopen([item.id for item in found], [_entry(item, by) for item in found])
    return tuple(found)


def _may_be_reopened(discrepancy: Discrepancy) -> bool:
    return discrepancy.state.is_by_person or (
        discrepancy.state is State.OPEN and discrepancy.reason == Reason.REVERTED
    )


def _entry(discrepancy: Discrepancy, by: AskedBy) -> Draft:
    # what verify compares with the stored discrepancy is its state
    return Draft(
        Action.REOPENING,
        {
            "discrepancy": discrepancy.id,
            "subject": discrepancy.subject,
            "kind": discrepancy.kind.value,
            "state": State.OPEN.value,
            "before": discrepancy.state.value,
            **by.fields,
        },
    )
