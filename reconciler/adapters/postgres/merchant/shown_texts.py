"""What each SQL text of [payments] gives for some rows, for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from psycopg import sql

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import in_parentheses
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.unreadable_rows import texts_of
from reconciler.adapters.postgres.statements import TEMPLATES
from reconciler.domain.model.payment import SqlText
from reconciler.errors import DatabaseBusyError, ValueFailedError

_TEMPLATES = TEMPLATES["merchant"]


@dataclass(frozen=True, slots=True)
class ShownText:
    """A text under its key in [payments].

    ``values`` are keys of rows and what the text gives for each; None if that could not be found out in time. ``failing``
    are the keys of the rows for which it fails, as far as they are known.
    """

    key: str
    text: str
    values: tuple[tuple[str, str | None], ...] | None
    failing: tuple[str, ...] = ()


def shown_texts(database: Database, table: MerchantTable, rows: int) -> Iterator[ShownText]:
    """Each text with its values for so many rows, the last by key.

    The rows for which a text fails are set aside in ``table``.
    """
    whole = table.whole or table
    for part, value in texts_of(table).items():
        text = whole.mapping.where if part == "where" else getattr(whole, part).sql_text
        # the condition is true for every row in the mapping, so it is shown for the others too
        values = _values(database, table, value, rows, everywhere=part == "where")
        yield ShownText(part, text or "", values, tuple(sorted(table.unreadable.get(part, ()))))
    for outcome, columns in table.mapping.set.items():
        for name, written in columns.items():
            if isinstance(written, SqlText):
                value = in_parentheses(written.sql)
                values = _values(database, table, value, rows, everywhere=False)
                yield ShownText(f"set.{outcome.value}.{name}", written.sql, values)


def _values(
    database: Database, table: MerchantTable, value: sql.Composable, rows: int, *, everywhere: bool
) -> tuple[tuple[str, str | None], ...] | None:
    where = None if everywhere else table.mapping.where
    statement = _TEMPLATES["text_shown"].format(
        key=table.key.identifier,
        value=value,
        table=sql.Identifier(table.schema, table.name),
        in_mapping=sql.SQL("true") if where is None else in_parentheses(where),
    )
    try:
        with database.snapshot("showing what an SQL text gives") as connection:
            found = connection.execute(statement.as_bytes(None), {"limit": rows}).fetchall()
    except (DatabaseBusyError, ValueFailedError):
        return None
    return tuple((row[0], row[1]) for row in found)
