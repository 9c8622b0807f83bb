"""The ids that rows hold: which of them name a PaymentIntent, and what is counted of the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.domain.model.payment import RowReference
from reconciler.domain.model.stored_id import StoredIdKind, stored_id
from reconciler.engine.id_sets import IdSet
from reconciler.engine.report import SweepReport


class RowIds:
    """Tells the ids of PaymentIntents from the other texts of the merchant's column, for one sweep.

    Each row is counted once in the report, no matter how many sources name it.
    """

    def __init__(self, report: SweepReport) -> None:
        self._ids = report.row_ids
        self._counted = IdSet()

    def intents(self, rows: Iterable[RowReference]) -> Iterator[str]:
        """The intents of the rows that name one, in the order of the rows."""
        for row in rows:
            if row.holds_secret and self._is_new(row):
                self._ids.client_secrets += 1
            found = stored_id(row.payment_intent)
            match found.kind:
                case StoredIdKind.INTENT | StoredIdKind.CLIENT_SECRET:
                    yield found.id
                case _:
                    # blank text is no id of anything
                    if row.payment_intent.strip() and self._is_new(row):
                        self._ids.add_other(row.payment_intent)

    def _is_new(self, row: RowReference) -> bool:
        return self._counted.add(row.key)
