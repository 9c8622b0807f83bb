"""The rows that a store has set aside because an SQL text of [payments] fails for them."""

from __future__ import annotations

from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.payment_counts import PaymentCounts
from reconciler.adapters.postgres.merchant.row_reader import RowReader
from reconciler.adapters.postgres.merchant.unreadable_rows import (
    Unreadable,
    find_unreadable,
    parts_by_key,
    still_unreadable,
    without_unreadable,
)
from reconciler.adapters.postgres.page.sweep_records import PostgresSweepRecords


class StoreWithRowsSetAside(PostgresSweepRecords):
    """What a store does if an SQL text fails for a row. The store itself sets these attributes."""

    _table: MerchantTable
    _whole_table: MerchantTable
    """The table without any row set aside."""
    _unreadable: Unreadable
    _reader: RowReader
    _counts: PaymentCounts

    def _set_unreadable_aside(self) -> bool:
        """Find the rows for which an SQL text fails, and set them aside; whether they are others than before."""
        if not self._whole_table.has_texts:
            return False
        found = find_unreadable(self._database, self._whole_table)
        return self._set_aside(found)

    def _take_repaired_rows_back(self) -> None:
        """Read the rows as usual again for which no text fails any more."""
        self._set_aside(still_unreadable(self._database, self._whole_table, self._unreadable))

    def _set_aside(self, unreadable: Unreadable) -> bool:
        is_new = unreadable != self._unreadable
        if is_new:
            self._unreadable = unreadable
            self._use_table()
        return is_new

    def _use_table(self) -> None:
        """Compose the statements anew, without the rows that are set aside."""
        self._table = self._whole_table
        if self._unreadable:
            self._table = without_unreadable(self._whole_table, self._unreadable)
        self._reader.unreadable = parts_by_key(self._unreadable)
        self._reader.without_order = self._unreadable.get("order", frozenset())
        self._counts = PaymentCounts(self._database, self._table, self._account)
