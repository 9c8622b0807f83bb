"""Checks of the SQL texts of [payments]: what each gives for some rows, and the rows for which one fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.shown_texts import ShownText, shown_texts
from reconciler.adapters.postgres.merchant.sql_texts import shown_text
from reconciler.domain.model.payment import StoredIdKind, stored_id
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.masking import redact, visible

ROWS: Final = 5
LONGEST: Final = 60
"""Characters of a value that are shown."""


def sql_text_checks(
    about: str, database: Database, table: MerchantTable | None
) -> Iterator[DoctorCheck]:
    """One line for each SQL text, and a warning for each that fails for a row. None if the mapping has a fault."""
    if table is None or not (table.has_texts or table.set_columns):
        return
    for text in shown_texts(database, table, ROWS):
        said = f"payments.{text.key}: the SQL text {shown_text(text.text)}"
        if text.failing:
            yield _failing(about, said, text)
        if text.values is None:
            yield DoctorCheck(about, CheckLevel.SKIPPED, f"{said} was not evaluated for some rows")
        elif text.values:
            values = ", ".join(f"row {_masked(key)}: {_value(value)}" for key, value in text.values)
            yield DoctorCheck(about, CheckLevel.OK, f"{said} gives {values}")


def _failing(about: str, said: str, text: ShownText) -> DoctorCheck:
    many = "1 row" if len(text.failing) == 1 else f"{len(text.failing):,} rows"
    return DoctorCheck(
        about,
        CheckLevel.WARNING,
        f"{said} fails for {many}, such as the row {_masked(text.failing[0])}. Reconciler does not write such a "
        "row, and records it as unknown_status with the reason not_readable",
        "Let the SQL text give NULL for such a row, or correct the row.",
    )


def _value(value: str | None) -> str:
    if value is None:
        return "NULL"
    known = stored_id(value)
    # of a client secret only the id in front is shown
    is_secret = known.kind is StoredIdKind.CLIENT_SECRET
    text = f"{known.id}, with a client secret" if is_secret else _masked(value)
    return f'"{text[:LONGEST]}…"' if len(text) > LONGEST else f'"{text}"'


def _masked(text: str) -> str:
    return visible(redact(text))
