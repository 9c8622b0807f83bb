"""Find the discrepancies that a person names by their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.engine.actions.review_store import ReviewStore, ReviewTransaction
from reconciler.errors import UsageError

_LIST: str = "List them with: reconciler discrepancies"
_MOST_NAMED = 10


class NoDiscrepancyError(UsageError):
    """There is no discrepancy with a number that a person named. Nothing was stored."""


def existing_discrepancy(store: ReviewStore, discrepancy_id: int) -> Discrepancy:
    """The discrepancy with this number. Raises UsageError if there is none."""
    found = store.discrepancy(discrepancy_id)
    if found is None:
        raise NoDiscrepancyError(f"there is no discrepancy {discrepancy_id}.", _LIST)
    return found


def locked_discrepancies(
    transaction: ReviewTransaction, ids: Sequence[int]
) -> tuple[Discrepancy, ...]:
    """All of these discrepancies, each once, locked. Raises UsageError that names those that do not exist."""
    found = transaction.discrepancies(tuple(dict.fromkeys(ids)))
    missing = sorted(set(ids) - {item.id for item in found})
    if missing:
        named = ", ".join(str(number) for number in missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise NoDiscrepancyError(
            f"there is no discrepancy {named}{more}: nothing was changed.", _LIST
        )
    return found
