"""Whether the condition that [payments] where states is one that PostgreSQL can evaluate on the merchant's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import Relation, in_parentheses
from reconciler.adapters.postgres.merchant.sql_texts import evaluate_sample, volatile_function
from reconciler.adapters.postgres.statements import TEMPLATES
from reconciler.errors import ConfigurationFault as Fault
from reconciler.masking import redact

if TYPE_CHECKING:
    from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable

_TEMPLATES: Final = TEMPLATES["merchant"]

_OF_CONDITION: Final = ("42", "22", "25", "0A", "2F", "38", "39", "P0")
"""Classes of SQLSTATE that the condition itself is to blame for: its syntax, its values, or a write inside it."""


def condition_faults(database: Database, relation: Relation, where: str) -> tuple[Fault, ...]:
    """Evaluate the condition on some rows in a transaction that only reads. It may call no volatile function."""
    table = sql.Identifier(relation.schema, relation.name)
    condition = in_parentheses(where)
    with database.snapshot("evaluating the condition [payments] where") as connection:
        volatile = volatile_function(connection, where)
        if volatile is not None:
            return (
                Fault(
                    f"[payments] where: the condition {where!r} calls {volatile}, which may change the database or give"
                    " another value each time.",
                    "Use only functions that PostgreSQL marks as stable or immutable.",
                ),
            )
        try:
            parts = {"table": table, "condition": condition}
            evaluate_sample(connection, relation, "condition_check", condition, parts)
        except psycopg.Error as error:
            state = error.sqlstate or ""
            if not state.startswith(_OF_CONDITION):
                raise
            # an error about a value may quote a customer's row
            said = error.diag.message_primary if state.startswith("42") else type(error).__name__
            return (
                Fault(
                    f"[payments] where: PostgreSQL refuses the condition {where!r}: {redact(said or state)}.",
                    "Correct the condition: it has to be an expression that is true or false for a row.",
                ),
            )
    return ()


def count_if_true_for_none(database: Database, table: MerchantTable, where: str) -> int:
    """How many rows the table has if the condition is true for none of them, else 0.

    It reads up to the first row for which it is true. Raises DatabaseBusyError if that takes longer than a count may.
    """
    with database.counting("counting the rows that [payments] where leaves out") as connection:
        row = connection.execute(count_statement(table, where), {}).fetchone()
    return 0 if row is None else int(row[0])


def count_statement(table: MerchantTable, where: str) -> bytes:
    """The statement that counts a table's rows if the condition is true for none."""
    statement = _TEMPLATES["count_if_true_for_none"].format(
        table=sql.Identifier(table.schema, table.name), condition=in_parentheses(where)
    )
    return statement.as_bytes(None)
