"""The GRANTs that a role of its own needs, as a file for psql."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.adapters.postgres.schema.grants import merchant_grants, quoted_name
from reconciler.entrypoints.init.presets import Preset, PresetMode
from reconciler.entrypoints.init.table_survey import Survey

ROLE: Final = "reconciler"


def grants_text(
    schema: str,
    table: str,
    written: Sequence[str],
    *,
    may_write: bool,
    others: Mapping[str, Sequence[str]],
) -> str:
    """The statements for a role that is called reconciler.

    ``written`` are the columns that a correction writes; their GRANT is a comment unless ``may_write``. ``others`` are the
    other tables that the configuration's SQL texts read, by quoted name, with the columns they need; none for all columns.
    """
    update, reading = merchant_grants(ROLE, schema, table, written)
    lines = [
        "-- What a role of its own needs. Run this as a role that owns the table and may create roles, then set its password, and name it in DATABASE_URL.",
        f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;",
        *reading,
    ]
    for other, columns in others.items():
        named = f" ({', '.join(quoted_name(one) for one in columns)})" if columns else ""
        lines.append(f"GRANT SELECT{named} ON {other} TO {ROLE};")
    if written:
        lines.append("-- Only if rows are to be corrected:")
        lines.append(update if may_write else f"-- {update}")
    lines.append(f"-- Reconciler's own tables: reconciler migrate --daemon-role {ROLE}")
    return "\n".join(lines) + "\n"


def grants_of_preset(preset: Preset, schema: str, table: str, *, may_write: bool) -> str:
    """The statements for a role that is called reconciler, for the table of a preset."""
    corrects = preset.head.mode is PresetMode.CORRECT
    return grants_text(
        schema,
        table,
        preset.written_columns if corrects else (),
        may_write=may_write,
        others={
            quoted_name(schema, other): columns for other, columns in preset.other_tables.items()
        },
    )


def written_columns(survey: Survey) -> list[str]:
    """The columns that a correction would write: the status, the time of the change, and a PaymentIntent that is linked."""
    if not survey.relation.is_updatable:
        return []
    parts = [*(survey.status.columns if survey.status else ()), survey.updated]
    if survey.order is not None:
        parts.append(survey.intent.column)
    return [part.name for part in parts if part is not None and part.sql is None]


def other_tables(survey: Survey) -> list[str]:
    """The quoted names of other tables that the configuration reads."""
    column = None if survey.currency is None else survey.currency.column
    return [] if column is None or column.other_table is None else [column.other_table]
