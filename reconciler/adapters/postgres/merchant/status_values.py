"""Whether the local statuses of the configuration can stand in the status column, and mean what is said."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.adapters.postgres.merchant.columns import ColumnKind, TableColumn
from reconciler.domain.model.payment import StatusMap


def status_faults(statuses: StatusMap, column: TableColumn) -> Iterator[str]:
    """Values to write that the column would not take, or that would not be read back as what they mean."""
    for outcome, value in statuses.write.items():
        said = f'[payments.write] {outcome.value} = "{value}"'
        back = statuses.outcome(value)
        if back is not outcome:
            means = f"reads it as {back.value}" if value in statuses.read else "does not know it"
            yield f'{said}, but [payments.read] {means}. Add "{value}" = "{outcome.value}" there, or write another value.'
        if column.kind is ColumnKind.ENUM and value not in column.members:
            yield f"{said} is no member of {column.declared}, which has {', '.join(column.members)}. Write one of these."
        elif not column.holds(value):
            yield f"{said} cannot be a value of {column.name} ({column.declared}). Write one that can."
        elif column.length is not None and len(value) > column.length:
            yield f"{said} is longer than {column.name} allows ({column.declared}). Write a shorter value or widen the column."
        elif _loses_blanks(column, value):
            yield f"{said} ends in blanks, which {column.name} ({column.declared}) does not keep. Leave them out on both sides."


def status_warnings(statuses: StatusMap, column: TableColumn) -> Iterator[str]:
    """Values to read that no row can have: a slip of the pen, most likely."""
    for value, outcome in statuses.read.items():
        too_long = column.length is not None and len(value) > column.length
        if not column.holds(value) or too_long or _loses_blanks(column, value):
            yield (
                f'[payments.read] "{value}" = "{outcome.value}": no row can have this value, {column.name} is'
                f" {column.declared}{_members(column)}. Check its spelling."
            )


def _members(column: TableColumn) -> str:
    return f" ({', '.join(column.members)})" if column.members else ""


def _loses_blanks(column: TableColumn, value: str) -> bool:
    return column.kind is ColumnKind.PADDED and value != value.rstrip(" ")
