"""The keys of documents as columns, up to three levels deep, and the numbers and times that are stored as texts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from reconciler.adapters.postgres.merchant.catalog import TableColumn
from reconciler.domain.sample.sampled_table import (
    SampledColumn,
    ValueKind,
    literal,
    reference,
)

MOST_KEYS: Final = 120
"""Keys of a document that count as columns."""
_KEY: Final = re.compile(r"[A-Za-z0-9_ .-]{1,60}")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}([.][0-9]{1,18})?")
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*")


def _seconds(text: str) -> str | None:
    """A time of a document in seconds since 1970; one without a zone is read as UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return str((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def document_columns(
    column: TableColumn, texts: Sequence[str | None]
) -> list[tuple[SampledColumn, list[str | None]]]:
    """The keys of a document as columns, the outer ones first, and then the most frequent.

    Each text is an object whose names are paths, lists of JSON such as ``["payment", "id"]``.
    """
    documents = [json.loads(text) if text else {} for text in texts]
    counted = Counter(path for document in documents for path in document)
    paths = {path: parts for path in counted if _is_written(parts := json.loads(path))}
    ordered = sorted(paths, key=lambda path: (len(paths[path]), -counted[path]))
    return [
        _document_column(column, paths[path], [document.get(path) for document in documents])
        for path in ordered[:MOST_KEYS]
    ]


def _is_written(path: Sequence[str]) -> bool:
    return all(_KEY.fullmatch(part) for part in path)


def _document_column(
    column: TableColumn, path: Sequence[str], values: list[str | None]
) -> tuple[SampledColumn, list[str | None]]:
    *outer, key = path
    into = "".join(f"->{literal(part)}" for part in outer)
    text = f"{column.sql_text or reference(column.name)}{into}->>{literal(key)}"
    name = f"{column.name}{''.join(f'->{part}' for part in outer)}->>{key}"
    return typed_column(SampledColumn(name, ValueKind.TEXT, text), values)


def typed_column(
    column: SampledColumn, values: list[str | None]
) -> tuple[SampledColumn, list[str | None]]:
    """A column of texts as numbers or times if every value is one, with the SQL text that converts it; times in seconds."""
    present = [value for value in values if value is not None and value.strip()]

    def all_are(pattern: re.Pattern[str]) -> bool:
        return bool(present) and all(pattern.fullmatch(value) for value in present)

    # a cast that fails on one row of a million would end every sweep, so only what looks right is converted
    text = column.reference
    if all_are(_NUMBER):
        number = f"CASE WHEN {text} ~ '^-?[0-9]+([.][0-9]+)?$' THEN ({text})::numeric END"
        kind = ValueKind.INTEGER if all_are(_WHOLE) else ValueKind.NUMERIC
        return replace(column, kind=kind, number_sql=number), values
    if all_are(_ISO):
        time = (
            f"CASE WHEN {text} ~ '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9]{{2}}:[0-9]{{2}}'"
            f" THEN ({text})::timestamptz END"
        )
        seconds = [None if value is None else _seconds(value) for value in values]
        return replace(column, kind=ValueKind.TIME, time_sql=time), seconds
    return column, values
