"""The ids that rows hold: which of them lead to a PaymentIntent, and what is counted of the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from reconciler.domain.model.payment import RowReference
from reconciler.domain.model.stored_id import StoredIdKind, is_looked_up, stored_id
from reconciler.engine.id_sets import IdSet
from reconciler.engine.reads.id_reader import IdReader
from reconciler.engine.report import SweepReport

CHUNK: Final = 200
"""So many rows are taken at once, so that the ids to look up among them are read in parallel."""


class RowIds:
    """Turns the texts of the merchant's column into intents, for one sweep.

    Each row is counted once in the report, no matter how many sources name it.
    """

    def __init__(self, report: SweepReport, id_reader: IdReader) -> None:
        self._ids = report.row_ids
        self._id_reader = id_reader
        self._counted = IdSet()

    def intents(self, rows: Iterable[RowReference]) -> Iterator[str]:
        """The intents of the rows that lead to one, in the order of the rows."""
        source = iter(rows)
        while chunk := list(islice(source, CHUNK)):
            yield from self._intents(chunk)

    def _intents(self, rows: Sequence[RowReference]) -> Iterator[str]:
        looked_up = [row.payment_intent for row in rows if is_looked_up(row.payment_intent)]
        pairs = self._id_reader.pairs(looked_up) if looked_up else {}
        for row in rows:
            if row.holds_secret and self._is_new(row):
                self._ids.client_secrets += 1
            found = stored_id(row.payment_intent)
            match found.kind:
                case StoredIdKind.INTENT | StoredIdKind.CLIENT_SECRET:
                    yield found.id
                case StoredIdKind.SESSION | StoredIdKind.CHARGE:
                    pair = pairs.get(found.id)
                    if pair is not None and pair.payment_intent is not None:
                        yield pair.payment_intent
                    elif self._is_new(row):
                        self._ids.without_intent += 1
                case StoredIdKind.FOREIGN:
                    # blank text is no id of anything
                    if row.payment_intent.strip() and self._is_new(row):
                        self._ids.add_other(row.payment_intent)

    def _is_new(self, row: RowReference) -> bool:
        return self._counted.add(row.key)
