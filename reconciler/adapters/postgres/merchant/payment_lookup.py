"""Finds the rows that a person's text names, over all accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_reader import RowReader
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.model.found_row import FoundRow
from reconciler.domain.model.payment import AccountRows

_SQL: Final = STATEMENTS["page"]


class PostgresPaymentLookup:
    """``engine.actions.find_payment`` says what the methods mean."""

    def __init__(
        self,
        database: Database,
        table: MerchantTable,
        accounts: Sequence[AccountRows],
        *,
        can_read_schema: bool,
    ) -> None:
        self._database = database
        self._table = table
        self._accounts = accounts
        self._can_read_schema = can_read_schema

    def holding(self, texts: Sequence[str]) -> tuple[FoundRow, ...]:
        """Rows whose PaymentIntent's column holds one of the texts, or an id that is paired with one of them."""
        paired = self._pairs(texts)
        wanted = [*texts, *(stored for _, stored in paired)]
        return self._found("payment_intent", self._table.intents(dict.fromkeys(wanted)), paired)

    def with_key(self, text: str) -> tuple[FoundRow, ...]:
        """The row that has this key."""
        return self._found("key", self._table.key.held([text]))

    def with_order(self, text: str) -> tuple[FoundRow, ...]:
        """Rows of this order; none if orders are not mapped."""
        return self._found("order", self._table.orders([text]))

    def intents_of(self, text: str) -> tuple[tuple[str, str], ...]:
        """The accounts and PaymentIntents that a Checkout Session or a charge is known to stand for."""
        return tuple(
            (account, intent)
            for (account, stored), intent in self._pairs([text]).items()
            if stored == text and intent is not None
        )

    def _pairs(self, texts: Sequence[str]) -> Mapping[tuple[str, str], str | None]:
        if not self._can_read_schema:
            return {}
        parameters = {
            "accounts": [account.name for account in self._accounts],
            "texts": [text for text in texts if "\x00" not in text],
        }
        with self._database.connection("reading the ids of sessions and charges") as connection:
            rows = connection.execute(_SQL["pairs_of_any_account"], parameters).fetchall()
        return {(account, stored): intent for account, stored, intent in rows}

    def _found(
        self,
        part: Literal["payment_intent", "key", "order"],
        texts: Sequence[str],
        paired: Mapping[tuple[str, str], str | None] | None = None,
    ) -> tuple[FoundRow, ...]:
        if not texts:
            return ()
        statement = self._table.rows_named_by(part)
        # the account stands in the condition of no statement that has no such parameter
        parameters = {"texts": list(texts), "account": ""}
        with self._database.connection("looking for a payment") as connection:
            rows = connection.execute(statement, parameters).fetchall()
        if paired is None:
            held = [row[1] for row in rows if row[1] is not None]
            paired = self._pairs(held)
        return tuple(self._found_row(row, paired) for row in rows)

    def _found_row(
        self, row: tuple[object, ...], paired: Mapping[tuple[str, str], str | None]
    ) -> FoundRow:
        *columns, account_text, is_mapped = row
        account = self._account_of(account_text if isinstance(account_text, str) else None)

        reader = RowReader(self._table.mapping, account or "")
        (payment,) = reader.payments([tuple(columns)])  # type: ignore[list-item]
        held = payment.payment_intent
        intent = paired.get((account or "", held or ""))
        if intent is not None:
            payment = replace(payment, payment_intent=intent, stored_id=held)
        return FoundRow(
            replace(payment, excluded=account is None or not is_mapped),
            account,
            account_text if isinstance(account_text, str) else None,
        )

    def _account_of(self, text: str | None) -> str | None:
        if self._table.account is None:
            return self._accounts[0].name
        for account in self._accounts:
            if account.holds_null if text is None else account.held == text.rstrip(" "):
                return account.name
        return None
