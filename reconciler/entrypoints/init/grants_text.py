"""The GRANTs that a role of its own needs, as a file for psql."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.adapters.postgres.schema.grants import merchant_grants

ROLE: Final = "reconciler"


def grants_text(
    schema: str, table: str, written: Sequence[str], *, may_write: bool, others: Sequence[str]
) -> str:
    """The statements for a role that is called reconciler.

    ``written`` are the columns that a correction writes; their GRANT is a comment unless ``may_write``. ``others`` are the
    quoted names of other tables that the configuration's SQL texts read.
    """
    update, reading = merchant_grants(ROLE, schema, table, written)
    lines = [
        "-- What a role of its own needs. Run this as the owner of the table, then set its password, and name it in DATABASE_URL.",
        f"CREATE ROLE {ROLE} LOGIN;",
        *reading,
    ]
    lines += [f"GRANT SELECT ON {other} TO {ROLE};" for other in others]
    if written:
        lines.append("-- Only if rows are to be corrected:")
        lines.append(update if may_write else f"-- {update}")
    lines.append(f"-- Reconciler's own tables: reconciler migrate --daemon-role {ROLE}")
    return "\n".join(lines) + "\n"
