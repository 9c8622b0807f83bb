"""Keeps an account with its table: a second table under one account's name would mix the records of both."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.model.table_binding import LedgerRow, TableBinding
from reconciler.errors import ConfigurationError, ConfigurationFault

SAMPLE: Final = 50
"""So many rows that the ledger names are looked for before an account of an older version is bound to a table."""
FOUND_AT_LEAST: Final = 0.5
"""Rows may have been deleted since, so not all of them have to be there. Of another table's rows nearly none is."""


class TableBindings(Protocol):
    """The stored binding of one account, and the configured table to compare it with."""

    def stored(self) -> TableBinding | None:
        """The table that the account is bound to, None if it is not bound yet."""
        ...

    def ledger_rows(self, limit: int) -> Sequence[LedgerRow]:
        """The rows that the ledger named last, each once."""
        ...

    def count_found(self, rows: Sequence[LedgerRow]) -> int:
        """How many of these rows are in the configured table with the same key and PaymentIntent."""
        ...

    def bind(self, binding: TableBinding) -> TableBinding:
        """Bind the account unless it is bound; returns the binding that counts from now on."""
        ...

    def rebind(self, binding: TableBinding, entry: Draft, epoch: int) -> None:
        """Bind the account to another table, with the ledger entry, under the lease of this epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Rebound:
    """What a rebinding did. ``found`` of ``looked_for`` rows that the ledger names are in the new table."""

    before: TableBinding | None
    after: TableBinding
    looked_for: int
    found: int


class TableGuard:
    """Keeps one account with its table. ``configured`` is the table that the configuration names."""

    def __init__(self, account: str, configured: TableBinding, bindings: TableBindings) -> None:
        self._account = account
        self._configured = configured
        self._bindings = bindings
        self._checked_in: int | None = None
        self.is_bound = False
        """Whether the account is known to be bound to the configured table, as a check under its lease has shown."""
        self.recorded_configuration: str | None = None
        """The fingerprint of the configuration with which the account was swept last, as that check has read it."""

    def raise_if_bound_elsewhere(self) -> None:
        """Raise ConfigurationError if the account is bound to another table than the configuration names."""
        stored = self._bindings.stored()
        if stored is not None and stored != self._configured:
            raise self._other_table(stored)

    def raise_if_not_its_table(self) -> None:
        """Raise ConfigurationError also if the account is not bound yet and its ledger names other rows. Writes nothing."""
        stored = self._bindings.stored()
        if stored is None:
            self._raise_if_rows_are_missing()
        elif stored != self._configured:
            raise self._other_table(stored)
        self.is_bound = stored is not None
        self.recorded_configuration = None if stored is None else stored.configuration

    def check(self, epoch: int) -> None:
        """As ``raise_if_not_its_table``, before something is written in this epoch of the account's lease.

        An account is bound to another table only under its lease, so one look in each epoch is enough.
        """
        if epoch != self._checked_in:
            self.raise_if_not_its_table()
            self._checked_in = epoch

    def bind(self) -> None:
        """Bind the account to the configured table, if it is not bound yet.

        Of two processes that bind it at once, the first one decides. Raises ConfigurationError as
        ``raise_if_not_its_table``.
        """
        if self.is_bound:
            return
        stored = self._bindings.stored()
        if stored is None:
            if self._checked_in is None:
                self._raise_if_rows_are_missing()
            stored = self._bindings.bind(self._configured)
        if stored != self._configured:
            raise self._other_table(stored)
        self.is_bound = True

    def rebind(self, epoch: int, by: AskedBy) -> Rebound:
        """Bind the account to the configured table because a person says so, with a ledger entry."""
        before = self._bindings.stored()
        rows = self._bindings.ledger_rows(SAMPLE)
        found = self._bindings.count_found(rows)
        body = {
            **by.fields,
            "before": None if before is None else before.fields,
            "after": self._configured.fields,
        }
        self._bindings.rebind(self._configured, Draft(Action.REBIND, body), epoch)
        return Rebound(before, self._configured, len(rows), found)

    def _raise_if_rows_are_missing(self) -> None:
        rows = self._bindings.ledger_rows(SAMPLE)
        found = self._bindings.count_found(rows)
        if found < FOUND_AT_LEAST * len(rows):
            raise ConfigurationError(
                (
                    ConfigurationFault(
                        f"The ledger of account {self._account} does not fit the table "
                        f"{self._configured.described}: of {len(rows)} rows that the ledger names, the table has "
                        f"{found} with the same PaymentIntent.",
                        self._hint("this is the right table"),
                    ),
                )
            )

    def _other_table(self, stored: TableBinding) -> ConfigurationError:
        return ConfigurationError(
            (
                ConfigurationFault(
                    f"Account {self._account} is bound to {stored.described}, and the configuration says"
                    f" {self._configured.described}. Nothing was written.",
                    self._hint("the account's own table has another name or other columns now"),
                ),
            )
        )

    def _hint(self, condition: str) -> str:
        return (
            f"If this is another table, give the account another name. If {condition}, run: reconciler migrate "
            f"--rebind {shlex.quote(self._account)}"
        )
