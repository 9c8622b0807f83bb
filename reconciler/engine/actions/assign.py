"""A person says who deals with discrepancies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.engine.actions.find_discrepancies import locked_discrepancies
from reconciler.engine.actions.review_store import ReviewStore
from reconciler.errors import UsageError
from reconciler.masking import redact

LONGEST_OWNER: Final = 200
"""In characters."""


class UnusableOwnerError(UsageError):
    """What a person wrote is no name of an owner. Nothing was stored."""


def assign(
    store: ReviewStore, discrepancy_ids: Sequence[int], owner: str | None, by: AskedBy
) -> tuple[Discrepancy, ...]:
    """Give discrepancies of any accounts an owner; None takes it away. All or none of them.

    Returns those whose owner changed, as they were. Raises UsageError if one of them does not exist, or for a name that
    is empty, too long or not printable.
    """
    name = None if owner is None else _owner(owner)
    with store.transaction() as transaction:
        found = locked_discrepancies(transaction, discrepancy_ids)
        changed = tuple(item for item in found if item.owner != name)
        transaction.assign([item.id for item in changed], name)
        transaction.append([(item.account, _entry(item, name, by)) for item in changed])
    return changed


def _owner(owner: str) -> str:
    name = redact(owner.strip())
    if not name or len(name) > LONGEST_OWNER or not name.isprintable():
        raise UnusableOwnerError(
            "this is not a name of an owner.",
            f"Write 1 to {LONGEST_OWNER} printable characters, such as an e-mail address.",
        )
    return name


def _entry(discrepancy: Discrepancy, owner: str | None, by: AskedBy) -> Draft:
    return Draft(
        Action.ASSIGNMENT,
        {
            "discrepancy": discrepancy.id,
            "subject": discrepancy.subject,
            "kind": discrepancy.kind.value,
            "owner": owner,
            "before": discrepancy.owner,
            **by.fields,
        },
    )
