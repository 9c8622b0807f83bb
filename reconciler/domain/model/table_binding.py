"""Which table an account belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class TableBinding:
    """The rows of an account: the table, as ``schema.table``, its key, and the column that holds the PaymentIntent.

    A stored binding has the fingerprint of the configuration with which the account was swept last.
    If the table has several accounts, ``account_column`` says which one a row belongs to, and ``account_value`` is what it
    holds for this one. Both are None if the whole table belongs to the account.
    """

    table: str
    key: str
    payment_intent: str
    account_column: str | None = None
    account_value: str | None = None
    configuration: str | None = field(default=None, compare=False)

    @property
    def described(self) -> str:
        """The binding in words, for a message."""
        rows = ""
        if self.account_column is not None:
            rows = f", rows with {self.account_column} = {self.account_value}"
        return f"{self.table} (key {self.key}, PaymentIntent {self.payment_intent}{rows})"

    @property
    def fields(self) -> Mapping[str, str | None]:
        """The binding for an entry of the ledger."""
        fields = asdict(self)
        del fields["configuration"]
        return fields


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row of the merchant's that the ledger names, and the PaymentIntent that it held."""

    key: str
    payment_intent: str
