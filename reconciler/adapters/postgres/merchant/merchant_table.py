"""The merchant's table as it was found: its identifiers and types, composed into the statements that we run on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from psycopg import sql

from reconciler.adapters.postgres.merchant.columns import TableColumn
from reconciler.adapters.postgres.merchant.table_mapping import TableMapping
from reconciler.adapters.postgres.statements import templates
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import OPEN, Outcome

_TEMPLATES: Final = templates("merchant")

_TRUE: Final = sql.SQL("true")
_NULL: Final = sql.SQL("NULL")
_LOCKING: Final = sql.SQL("FOR NO KEY UPDATE OF t SKIP LOCKED")


@dataclass(frozen=True)
class MerchantTable:
    """A table that fits its mapping. ``inspect`` makes it; its statements are composed once each.

    Every statement takes the parameter ``account``, whether the table has an account column or not.
    """

    mapping: TableMapping
    schema: str
    name: str
    key: TableColumn
    payment_intent: TableColumn
    status: TableColumn
    amount: TableColumn
    created: TableColumn
    currency: TableColumn | None = None
    updated: TableColumn | None = None
    order: TableColumn | None = None
    account: TableColumn | None = None

    @cached_property
    def open_statuses(self) -> list[str]:
        """The local values that mean an open outcome, as far as the column can hold them."""
        return self._statuses(*OPEN)

    @cached_property
    def paid_statuses(self) -> list[str]:
        """The local values that mean that the payment was made."""
        return self._statuses(Outcome.SUCCEEDED)

    def _statuses(self, *outcomes: Outcome) -> list[str]:
        values = self.mapping.statuses.values_of(*outcomes)
        return [value for value in values if self.status.holds(value)]

    def intents(self, ids: Iterable[str]) -> list[str]:
        """Those of the ids that the column could hold."""
        return [value for value in ids if value and self.payment_intent.holds(value)]

    def orders(self, names: Iterable[str]) -> list[str]:
        """Those of the orders that the column could hold, once each. They come from Stripe's metadata: anybody's text."""
        if self.order is None:
            return []
        return sorted({name for name in names if name and self.order.holds(name)})

    @cached_property
    def rows_of_intents(self) -> bytes:
        """Rows that hold one of ``intents``."""
        return self._compose("rows_of_intents")

    @cached_property
    def rows_again(self) -> bytes:
        """Rows that hold one of ``intents`` or have one of ``keys``."""
        return self._compose("rows_again", locking=sql.SQL(""))

    @cached_property
    def rows_locked(self) -> bytes:
        """The same, locked; those that another has locked are left out."""
        return self._compose("rows_again", locking=_LOCKING)

    @cached_property
    def rows_claimable(self) -> bytes:
        """Rows without an intent that have one of ``orders``."""
        return self._compose("rows_claimable")

    @cached_property
    def rows_paid(self) -> bytes:
        """Paid rows (a status of ``paid``) of the orders of ``intents``' rows and of ``orders``."""
        return self._compose("rows_paid")

    @cached_property
    def references_newest(self) -> bytes:
        """References to the ``limit`` rows created last."""
        return self._compose("references_newest")

    @cached_property
    def open_by_status(self) -> bytes:
        """How many rows have each of the statuses ``open``."""
        return self._compose("open_payments_by_status")

    def references(
        self, created: TimeRange, *, only_open: bool, after: bool, scheduled: bool = False
    ) -> bytes:
        """References to rows of a range in order of key, ``limit`` of them and those that share the last one's key.

        They begin after the key ``after`` where asked; rows without a key are left out. With ``scheduled``, only open
        rows for which no check lies after ``due_by``.
        """
        later = sql.SQL("{} > %(after)s::{}").format(self.key.identifier, self.key.type)
        return self._compose(
            "references",
            **self._filters(created, only_open, "is_due_by_key" if scheduled else None),
            after=later if after else _TRUE,
        )

    def references_count(
        self, created: TimeRange, *, only_open: bool, scheduled: bool = False
    ) -> bytes:
        """How many ``references`` there are in all."""
        filters = self._filters(created, only_open, "is_due" if scheduled else None)
        return self._compose("references_count", **filters)

    def histogram_span(self, created: TimeRange, *, scheduled: bool = False) -> bytes:
        """The first and last time of a range's open rows, and how many of them have none."""
        filters = self._filters(created, only_open=True, due="is_due" if scheduled else None)
        return self._compose("histogram_span", **filters)

    def histogram(self, created: TimeRange, *, scheduled: bool = False) -> bytes:
        """A range's rows counted by time in buckets of ``width``, and those ``open`` among them."""
        filters = self._filters(created, only_open=True, due="is_due" if scheduled else None)
        return self._compose("histogram", **filters)

    def range_parameters(self, created: TimeRange) -> dict[str, object]:
        """The parameters ``since`` and ``until`` in the column's own type."""
        unit = self.mapping.created_unit
        sides = {"since": created.since, "until": created.until}
        return {
            name: self.created.bound(moment, unit)
            for name, moment in sides.items()
            if moment is not None
        }

    def update(self, *, linking: bool) -> bytes:
        """The statement that writes rows which are still as they were compared.

        Without ``linking`` the PaymentIntent's column is not touched, so that no privilege on it is needed.
        """
        assign = sql.SQL("{} = {}")
        changes = [assign.format(sql.Identifier(self.status.name), sql.SQL("w.to_status"))]
        if linking:
            column = sql.Identifier(self.payment_intent.name)
            changes.append(assign.format(column, sql.SQL("w.to_intent")))
        if self.updated is not None:
            now = self.updated.now(self.mapping.created_unit)
            changes.append(assign.format(sql.Identifier(self.updated.name), now))
        return self._compose("update_rows", assignments=sql.SQL(", ").join(changes))

    def _filters(
        self, created: TimeRange, only_open: bool, due: str | None = None
    ) -> dict[str, sql.Composable]:
        """``due`` is the template of the condition on a row's check, None for no such condition."""
        of_status: sql.Composable = sql.SQL("{} = ANY(%(open)s::{}[])").format(
            self.status.identifier, self.status.type
        )
        if due is not None:
            of_status = sql.SQL("({} AND {})").format(of_status, self._compose_sql(due))
        column, kind = self.created.identifier, self.created.bound_type()
        bounds: list[sql.Composable] = []
        # a bound that is not there is left out of the statement: rows without a time are in no range but in the whole
        if created.since is not None:
            bounds.append(sql.SQL("{} >= %(since)s::{}").format(column, kind))
        if created.until is not None:
            bounds.append(sql.SQL("{} < %(until)s::{}").format(column, kind))
        return {
            "of_status": of_status if only_open else _TRUE,
            "within": sql.SQL(" AND ").join(bounds) if bounds else _TRUE,
        }

    def _compose_sql(self, name: str) -> sql.Composed:
        return _TEMPLATES[name].format(**self._parts)

    def _compose(self, name: str, **more: sql.Composable) -> bytes:
        return _TEMPLATES[name].format(**self._parts, row=self._row, **more).as_bytes(None)

    @cached_property
    def _row(self) -> sql.Composed:
        return _TEMPLATES["row"].format(**self._parts)

    @cached_property
    def _parts(self) -> Mapping[str, sql.Composable]:
        of_account: sql.Composable = _TRUE
        if self.account is not None:
            of_account = sql.SQL("{} = %(account)s::{}").format(
                self.account.identifier, self.account.type
            )
        return {
            "of_account": of_account,
            "table": sql.Identifier(self.schema, self.name),
            "key": self.key.identifier,
            "key_type": self.key.type,
            "payment_intent": self.payment_intent.identifier,
            "payment_intent_type": self.payment_intent.type,
            "status": self.status.identifier,
            "status_type": self.status.type,
            "amount": self.amount.identifier,
            "currency": self.currency.identifier if self.currency else _NULL,
            "created": self.created.created(self.mapping.created_unit),
            "created_column": self.created.identifier,
            "order": self.order.identifier if self.order else _NULL,
            "order_type": self.order.type if self.order else sql.SQL("text"),
        }
