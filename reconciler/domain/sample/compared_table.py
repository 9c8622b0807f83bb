"""The rows of a sample beside Stripe's side of them, and the column that names the PaymentIntent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import StoredIdKind, stored_id
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

_IDS = (StoredIdKind.INTENT, StoredIdKind.CLIENT_SECRET)
_LOOKED_UP = (StoredIdKind.SESSION, StoredIdKind.CHARGE)


@dataclass(frozen=True, slots=True)
class IntentColumn:
    """The column with the PaymentIntent's id, and how many of its values are ids of each sort."""

    column: SampledColumn
    kinds: Mapping[StoredIdKind, int]

    @property
    def found(self) -> int:
        """How many values lead to a PaymentIntent."""
        return sum(self.kinds.get(kind, 0) for kind in (*_IDS, *_LOOKED_UP))

    @property
    def foreign(self) -> int:
        """How many values are no id of a payment at Stripe."""
        return self.kinds.get(StoredIdKind.FOREIGN, 0)


def find_intent(table: SampledTable) -> IntentColumn | None:
    """The text column with the most PaymentIntents, else with the most ids that lead to one; None if there is none."""
    best: tuple[tuple[int, int, bool, bool], IntentColumn] | None = None
    for column in table.columns:
        if column.kind is not ValueKind.TEXT:
            continue
        kinds = Counter(stored_id(value.strip()).kind for value in table.present(column))
        found = IntentColumn(column, kinds)
        intents = sum(kinds[kind] for kind in _IDS)
        rank = (intents, found.found, "intent" in column.name.lower(), column.sql is None)
        if found.found and (best is None or rank > best[0]):
            best = rank, found
    return None if best is None else best[1]


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """A sample, and the PaymentIntent of each of its rows as far as it was read; None for the others."""

    table: SampledTable
    intents: tuple[Intent | None, ...]

    @classmethod
    def of(
        cls, table: SampledTable, column: SampledColumn, intents: Mapping[str, Intent]
    ) -> ComparedTable:
        """The sample beside these PaymentIntents, by id."""
        ids = (
            None if value is None else stored_id(value.strip()).id for value in table.values(column)
        )
        return cls(table, tuple(intents.get(ident or "") for ident in ids))

    def joined_by_order(
        self, column: SampledColumn, key: str, intents: Mapping[str, Intent]
    ) -> ComparedTable:
        """The same, with rows that hold no id beside the PaymentIntent whose metadata ``key`` names their order.

        Of several, the one that was paid, else the newest. One that another row holds is left out.
        """
        held = {intent.id for intent in self.compared}
        by_order: dict[str, Intent] = {}
        for intent in sorted(intents.values(), key=lambda one: (one.is_paid, one.created)):
            if key in intent.metadata and intent.id not in held:
                by_order[intent.metadata[key]] = intent
        orders = self.table.values(column)
        joined = (
            intent or by_order.get((order or "").strip())
            for order, intent in zip(orders, self.intents, strict=True)
        )
        return ComparedTable(self.table, tuple(joined))

    def pairs(self, column: SampledColumn) -> Iterator[tuple[str, Intent]]:
        """The value of a column and the intent of each row that has both."""
        for value, intent in zip(self.table.values(column), self.intents, strict=True):
            if value is not None and value.strip() and intent is not None:
                yield value.strip(), intent

    @property
    def compared(self) -> tuple[Intent, ...]:
        """The intents of the rows that were compared."""
        return tuple(intent for intent in self.intents if intent is not None)
