"""A person opens discrepancies again: what was settled, accepted or reverted is a question once more."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.findings.discrepancy import Reason, State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.engine.actions.find_discrepancies import locked_discrepancies
from reconciler.engine.actions.review_store import ReviewStore
from reconciler.errors import UsageError


def reopen(
    store: ReviewStore, discrepancy_ids: Sequence[int], by: AskedBy
) -> tuple[Discrepancy, ...]:
    """Open discrepancies that are resolved, ignored, or open because their correction was taken back; all or none.

    They may be of several accounts. The next sweep decides about their payments anew. Returns them as they were. Raises
    UsageError if one of them does not exist or is in another state.
    """
    with store.transaction() as transaction:
        found = locked_discrepancies(transaction, discrepancy_ids)
        for discrepancy in found:
            if not may_be_reopened(discrepancy):
                raise UsageError(
                    f"discrepancy {discrepancy.id} is {discrepancy.state.value}: no person has decided about it.",
                    "Only a resolved, ignored or reverted discrepancy can be opened again.",
                )
        transaction.reopen([item.id for item in found])
        transaction.append([(item.account, _entry(item, by)) for item in found])
    return found


def may_be_reopened(discrepancy: Discrepancy) -> bool:
    """Whether a person has decided about it, which can be taken back."""
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
