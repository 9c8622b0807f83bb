"""The merchant's table as it was found: the statements that run on it, and the payments that its rows stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

from psycopg import sql

from reconciler.adapters.postgres.merchant.catalog import TableColumn, in_parentheses
from reconciler.adapters.postgres.statements import TEMPLATES
from reconciler.domain.model.payment import AccountRows, TableMapping
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import OPEN, Outcome
from reconciler.sql_expressions import without_row_name

_TEMPLATES: Final = TEMPLATES["merchant"]

_TRUE: Final = sql.SQL("true")
_NULL: Final = sql.SQL("NULL")
_TEXT: Final = sql.SQL("pg_catalog.text")
_EQUALS: Final = sql.SQL("OPERATOR(pg_catalog.=)")
_LOCKING: Final = sql.SQL("FOR NO KEY UPDATE OF t SKIP LOCKED")


@dataclass(frozen=True)
class MerchantTable:
    """A table that fits its mapping. ``inspect`` makes it; each of its statements is composed once.

    ``has_secrets`` is whether rows are also found by the id in front of a client secret. No index of the column serves
    that, so it is False until a row with a client secret was met. ``intent_is_indexed`` and
    ``order_is_indexed`` are whether an index serves lookups by them: without one, a lookup is one scan of the table. ``set_columns`` are
    the columns that [payments.set] names. ``has_texts`` is whether a part of the mapping, or ``where``, is an SQL text, which
    may fail for a row.

    ``account_rows`` says which rows belong to the account that is worked on; None: those that hold the account's name.

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
    has_secrets: bool = False
    intent_is_indexed: bool = True
    order_is_indexed: bool = True
    account_rows: AccountRows | None = None
    set_columns: tuple[TableColumn, ...] = ()
    has_texts: bool = False
    unreadable: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The keys of the rows that are set aside because an SQL text fails for them, by the part of the mapping."""
    whole: MerchantTable | None = None
    """The table without any row set aside; None if none is."""

    @cached_property
    def open_statuses(self) -> list[str]:
        """The local values that mean an open outcome, as far as the column can hold them."""
        return self.status.held(self.mapping.statuses.values_of(*OPEN))

    @cached_property
    def paid_statuses(self) -> list[str]:
        """The local values that mean that the payment was made, as far as the column can hold them."""
        return self.status.held(self.mapping.statuses.values_of(Outcome.SUCCEEDED))

    def intents(self, ids: Iterable[str]) -> list[str]:
        """Those of the ids that the column can hold."""
        return self.payment_intent.held(value for value in ids if value)

    def orders(self, names: Iterable[str]) -> list[str]:
        """Those of the orders that the column can hold, once each. They come from Stripe's metadata and may be any text."""
        if self.order is None:
            return []
        return sorted(set(self.order.held(name for name in names if name)))

    @cached_property
    def rows_of_intents(self) -> bytes:
        """Rows that hold one of ``intents``."""
        return self.compose("rows_of_intents")

    @cached_property
    def rows_again(self) -> bytes:
        """Rows that hold one of ``intents`` or have one of ``keys``."""
        return self.compose("rows_again", locking=sql.SQL(""), **self._by_intent_or_key)

    @cached_property
    def rows_locked(self) -> bytes:
        """The same rows, locked, without those that another session has locked."""
        return self.compose("rows_again", locking=_LOCKING, **self._by_intent_or_key)

    @cached_property
    def rows_claimable(self) -> bytes:
        """Rows without an intent that have one of ``orders``."""
        return self._by_order("rows_claimable", "rows_claimable_in_one_scan")

    @cached_property
    def rows_paid(self) -> bytes:
        """Paid rows (a status of ``paid``) of the orders of ``intents``' rows and of ``orders``."""
        return self._by_order("rows_paid", "rows_paid_in_one_scan")

    @cached_property
    def rows_of_orders(self) -> bytes:
        """Every row of ``orders``, of any account; None of them if orders are not mapped."""
        return self._by_order("rows_of_orders", "rows_of_orders_in_one_scan")

    @cached_property
    def rows_of_any_order(self) -> bytes:
        """Every row that has one of ``keys``, of any account."""
        return self.compose("rows_of_any_order")

    @cached_property
    def holders(self) -> bytes:
        """Every row that holds one of ``intents``, of any account; the last column is whether the row is excluded."""
        return self.compose("holders")

    @cached_property
    def rows_by_key(self) -> bytes:
        """Rows that have one of ``keys``."""
        return self.compose("rows_by_key")

    def rows_named_by(self, part: Literal["payment_intent", "key", "order"]) -> bytes:
        """Every row of which this part is one of ``texts``: of any account, and outside the mapping's condition too.

        Besides the row, the text of its account column, and whether the condition is true for it.
        """
        parts = self.parts
        column, equals, kind = {
            "payment_intent": ("payment_intent", "equals_intent", "lookup_type"),
            "key": ("key", "equals_key", "key_type"),
            "order": ("order", "equals_order", "order_type"),
        }[part]
        named = sql.SQL("{} {} ANY(%(texts)s::{}[])").format(
            parts[column], parts[equals], parts[kind]
        )
        if part == "key" and not self.key.can_check:
            # a text that the type does not take would make the statement fail
            named = sql.SQL("{}::pg_catalog.text {} ANY(%(texts)s)").format(parts["key"], _EQUALS)
        account: sql.Composable = sql.SQL("NULL::pg_catalog.text")
        if self.account is not None:
            account = sql.SQL("{}::pg_catalog.text").format(self.account.identifier)
        where, _ = _condition(self.mapping.where)
        return self.compose("rows_a_person_names", named=named, account=account, where=where)

    @cached_property
    def references_newest(self) -> bytes:
        """References to the ``limit`` rows created last."""
        return self.compose("references_newest")

    @cached_property
    def rows_to_try(self) -> bytes:
        """Up to ``limit`` rows with one of ``statuses``, locked, without those that another session has locked."""
        return self.compose("rows_to_try", locking=_LOCKING)

    @cached_property
    def open_by_status(self) -> bytes:
        """How many rows have each of the statuses ``open``."""
        return self.compose("open_payments_by_status")

    @cached_property
    def open_without_intent_count(self) -> bytes:
        """How many rows with a status of ``open`` hold no intent, counted up to ``limit``."""
        return self.compose("count_open_without_intent")

    def references(
        self,
        created: TimeRange,
        *,
        only_open: bool,
        after: bool,
        scheduled: bool = False,
        looked_up: bool = False,
    ) -> bytes:
        """References to rows of a range in order of key, ``limit`` of them and those that share the last one's key.

        With ``after`` they begin after the key of that parameter. Rows without a key are left out. With ``scheduled``,
        only open rows that no recheck later than ``due_by`` waits for.
        """
        later = sql.SQL("{} {} %(after)s::{}").format(
            self.key.identifier, self.key.is_greater, self.key.type
        )
        return self.compose(
            "references",
            **self.filters(created, only_open, "is_due_by_key" if scheduled else None),
            after=later if after else _TRUE,
            of_kind=self.parts["is_looked_up"] if looked_up else _TRUE,
        )

    def references_count(
        self, created: TimeRange, *, only_open: bool, scheduled: bool = False
    ) -> bytes:
        """How many ``references`` there are in all."""
        filters = self.filters(created, only_open, "is_due" if scheduled else None)
        return self.compose("references_count", **filters)

    def histogram_span(self, created: TimeRange, *, scheduled: bool = False) -> bytes:
        """The first and last time of a range's open rows, and how many of them have none."""
        filters = self.filters(created, only_open=True, due="is_due" if scheduled else None)
        return self.compose("histogram_span", **filters)

    def histogram(self, created: TimeRange, *, scheduled: bool = False) -> bytes:
        """A range's rows counted by time in buckets of ``width``, and those ``open`` among them."""
        filters = self.filters(created, only_open=True, due="is_due" if scheduled else None)
        return self.compose("histogram", **filters)

    def sums_by_day(self, created: TimeRange) -> bytes:
        """A range's rows that hold an intent, counted and summed by day, status and currency."""
        return self.compose("sums_by_day", within=self.filters(created, only_open=False)["within"])

    def rows_left_out(self, created: TimeRange) -> bytes:
        """A range's rows that ``sums_by_day`` leaves out, counted and summed by the reason, day, currency and status.

        With an account column the parameters are also ``held``, what it holds for the configured accounts, and
        ``null_is_held``.
        """
        of_no_account: sql.Composable = sql.SQL("false")
        if self.account is not None:
            of_no_account = _TEMPLATES["is_of_no_account"].format(
                account=self.account.identifier,
                equals_account=self.account.equals,
                account_type=self.account.type,
            )
        within = self.filters(created, only_open=False)["within"]
        return self.compose("rows_left_out", within=within, of_no_account=of_no_account)

    def range_parameters(self, created: TimeRange) -> dict[str, object]:
        """The parameters ``since`` and ``until`` in the column's own type."""
        unit = self.mapping.created_unit
        sides = {"since": created.since, "until": created.until}
        return {
            name: self.created.bound(moment, unit)
            for name, moment in sides.items()
            if moment is not None
        }

    def filters(
        self, created: TimeRange, only_open: bool, due: str | None = None
    ) -> dict[str, sql.Composable]:
        """The conditions ``of_status`` and ``within`` of a statement on a range's rows.

        ``due`` is the template of the condition on a row's recheck, None for no such condition.
        """
        of_status: sql.Composable = sql.SQL("{} {} ANY(%(open)s::{}[])").format(
            self.status.identifier, self.status.equals, self.status.type
        )
        if due is not None:
            of_status = sql.SQL("({} AND {})").format(
                of_status,
                _TEMPLATES[due].format(
                    **self.parts, is_same_row=_TEMPLATES["is_same_row"].format(**self.parts)
                ),
            )

        # only a bound that is given stands in the statement: a row without a time is in no range but in the whole
        column, kind = self.created.identifier, self.created.bound_type
        bounds: list[sql.Composable] = []
        if created.since is not None:
            bounds.append(sql.SQL("{} OPERATOR(pg_catalog.>=) %(since)s::{}").format(column, kind))
        if created.until is not None:
            bounds.append(sql.SQL("{} OPERATOR(pg_catalog.<) %(until)s::{}").format(column, kind))
        return {
            "of_status": of_status if only_open else _TRUE,
            "within": sql.SQL(" AND ").join(bounds) if bounds else _TRUE,
        }

    @property
    def _by_intent_or_key(self) -> dict[str, sql.Composable]:
        name = "by_intent_or_key" if self.intent_is_indexed else "by_intent_or_key_in_one_scan"
        return {"by_intent_or_key": _TEMPLATES[name].format(**self.parts)}

    @property
    def scans(self) -> bool:
        """Whether a lookup of a page reads the whole table."""
        return not self.intent_is_indexed or (self.order is not None and not self.order_is_indexed)

    def _by_order(self, indexed: str, not_indexed: str) -> bytes:
        return self.compose(indexed if self.order_is_indexed else not_indexed)

    def compose(self, name: str, **more: sql.Composable) -> bytes:
        """A statement of the template of this name, with ``more`` for placeholders that are its own."""
        return _TEMPLATES[name].format(**self.parts, row=self._row, **more).as_bytes(None)

    @cached_property
    def _refunded_at(self) -> sql.Composable:
        """When a row that reads as refunded was changed last: only such a row waits for that, and a time costs parsing."""
        never = sql.SQL("NULL::pg_catalog.timestamptz")
        if self.updated is None:
            return never
        refunded = self.mapping.statuses.values_of(Outcome.REFUNDED)
        if not refunded:
            return never
        return sql.SQL(
            "CASE WHEN {}::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY[{}]) THEN {} END"
        ).format(
            self.status.identifier,
            sql.SQL(", ").join(sql.Literal(value.replace("%", "%%")) for value in refunded),
            self.updated.moment(self.mapping.created_unit),
        )

    @cached_property
    def _row(self) -> sql.Composed:
        return _TEMPLATES["row"].format(**self.parts)

    def intent_of(self, alias: str) -> sql.Composable:
        """The expression that lookups compare: the column, or the id in front of its client secret."""
        # an SQL text is never written, so it is only looked up in the row itself
        column = (
            self.payment_intent.identifier
            if self.payment_intent.sql_text is not None
            else sql.Identifier(alias, self.payment_intent.name)
        )
        return self._secret_part("intent_without_secret", column) if self.has_secrets else column

    @property
    def equals_intent(self) -> sql.Composable:
        """The operator that compares ``intent_of``."""
        return _EQUALS if self.has_secrets else self.payment_intent.equals

    def _secret_part(self, name: str, column: sql.Composable) -> sql.Composable:
        holds_secret = _TEMPLATES["holds_secret"].format(column=column)
        return sql.SQL("({})").format(
            _TEMPLATES[name].format(column=column, holds_secret=holds_secret)
        )

    @cached_property
    def intent_without_secret(self) -> str:
        """The expression of the id in front of a client secret, as an index needs it."""
        text = self.payment_intent.sql_text
        column: sql.Composable = sql.Identifier(self.payment_intent.name)
        if text is not None:
            column = in_parentheses(without_row_name(text))
        return self._secret_part("intent_without_secret", column).as_string()

    @cached_property
    def ids_sampled(self) -> bytes:
        """What the ``limit`` rows created last hold: the id without a secret, and whether there is a secret."""
        return self.compose("ids_sampled")

    def sampled_payments(
        self, sampled: sql.Composable, ordered: sql.Composable, is_ordered: sql.Composable
    ) -> bytes:
        """Some rows of the account; the arguments say how they are reached, as ``how_to_sample`` gives them."""
        return self.compose(
            "sampled_payments", sampled=sampled, ordered=ordered, is_ordered=is_ordered
        )

    def _in_account(self, column: TableColumn) -> sql.Composable:
        """The condition that a row belongs to the account."""
        rows = self.account_rows
        value: sql.Composable = sql.SQL("%(account)s")
        if rows is not None:
            # psycopg reads a % as the start of a parameter
            value = sql.SQL(sql.Literal(rows.held).as_string().replace("%", "%%"))
        holds_value = sql.SQL("{} {} {}::{}").format(
            column.identifier, column.equals, value, column.type
        )
        if rows is None or not rows.holds_null:
            return holds_value
        is_null = sql.SQL("{} IS NULL").format(column.identifier)
        if not column.held([rows.held]):
            # a name that the column cannot hold, because its rows are those without an account
            return is_null
        return sql.SQL("({} OR {})").format(holds_value, is_null)

    @cached_property
    def parts(self) -> Mapping[str, sql.Composable]:
        """What the placeholders of the templates stand for."""
        of_account: sql.Composable = _TRUE
        where, where_in_update = _condition(self.mapping.where)
        if self.account is not None:
            of_account = self._in_account(self.account)
        column = self.payment_intent.identifier
        lookup_type = _TEXT if self.has_secrets else self.payment_intent.type
        intents: sql.Composable = sql.SQL("%(intents)s::{}[]").format(lookup_type)
        if not self.intent_is_indexed:
            # of a list alone, a prepared statement would compare every row with every intent
            intents = sql.SQL("SELECT pg_catalog.unnest({})").format(intents)
        return {
            "intents": intents,
            "lookup_type": lookup_type,
            "in_account": of_account,
            "in_mapping": where,
            "of_account": sql.SQL("{} AND {}").format(of_account, where),
            "of_account_in_update": sql.SQL("{} AND {}").format(of_account, where_in_update),
            "table": sql.Identifier(self.schema, self.name),
            "key": self.key.identifier,
            "key_type": self.key.type,
            "payment_intent": self.intent_of("t"),
            "payment_intent_type": self.payment_intent.type,
            "equals_intent": self.equals_intent,
            "equals_key": self.key.equals,
            "equals_status": self.status.equals,
            "equals_order": self.order.equals if self.order else _EQUALS,
            "shown_intent": self._secret_part("intent_without_secret", column),
            "stored_id": self._secret_part("stored_id", column),
            "is_looked_up": _TEMPLATES["is_looked_up"].format(column=column),
            "paired_intent": _TEMPLATES["paired_intent"].format(
                intent=self.intent_of("t"),
                is_looked_up=_TEMPLATES["is_looked_up"].format(column=column),
            ),
            "paired_shown": _TEMPLATES["paired_intent"].format(
                intent=self._secret_part("intent_without_secret", column),
                is_looked_up=_TEMPLATES["is_looked_up"].format(column=column),
            ),
            "bound_type": self.created.bound_type,
            "holds_secret": _TEMPLATES["holds_secret"].format(column=column),
            "status": self.status.identifier,
            "status_type": self.status.type,
            "amount": self.amount.identifier,
            "currency": self.currency.identifier if self.currency else _NULL,
            "refunded_at": self._refunded_at,
            "created": self.created.created(self.mapping.created_unit),
            "created_column": self.created.identifier,
            "order": self.order.identifier if self.order else _NULL,
            "order_type": self.order.type if self.order else _TEXT,
        }


def _condition(where: str | None) -> tuple[sql.Composable, sql.Composable]:
    """The condition on rows that the configuration states, for a SELECT and for the UPDATE.

    In the UPDATE a bare column's name could also be a column of what is written. The condition is therefore evaluated on
    the row alone.
    """
    if where is None:
        return _TRUE, _TRUE
    # psycopg reads a % as the start of a parameter; the text is the operator's own SQL
    condition = in_parentheses(where)
    return condition, sql.SQL("EXISTS (SELECT FROM (SELECT t.*) AS t WHERE {})").format(condition)
