"""Lines of JSON and CSV for exports of a million rows: the text that ``shown_text`` makes, some times as fast.

What is rare takes the way of ``shown_text``: a secret, a character that cannot be seen, a cell that a spreadsheet would run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from json.encoder import encode_basestring

from reconciler.adapters.postgres.discrepancies.stored_object import StoredObject
from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.entrypoints.shown_text import FORMULA_STARTS, json_text
from reconciler.masking import may_hold_secret, visible_json


def json_line(fields: Mapping[str, object]) -> str:
    """An object as ``json_text`` writes it, on one line. Raises TypeError for a value that JSON has not."""
    members = [f'"{name}": {_json(value)}' for name, value in fields.items()]
    line = f"{{{', '.join(members)}}}"
    # json_text masks the values one by one
    return json_text(fields) if may_hold_secret(line) else visible_json(line)


def _json(value: object) -> str:
    kind = type(value)
    if value is None:
        return "null"
    if kind is str:
        return encode_basestring(value)  # type: ignore[arg-type]
    if kind is int:
        return str(value)
    if kind is datetime:
        return f'"{rfc3339(value)}"'  # type: ignore[arg-type]
    return value.text if kind is StoredObject else json_text(value)  # type: ignore[attr-defined]


def csv_line(values: Iterable[object], delimiter: str, *, decimal_comma: bool) -> str | None:
    """A row of whole cells as CSV, without a line feed; None if it has to be written in the usual way.

    ``decimal_comma`` writes a Decimal with a comma, for a spreadsheet that expects it.
    """
    cells: list[str] = []
    for value in values:
        kind = type(value)
        if value is None:
            cell = ""
        elif kind is str:
            cell = value  # type: ignore[assignment]
            if cell.startswith(FORMULA_STARTS):
                return None
        elif kind is int:
            cell = str(value)
        elif kind is datetime:
            cell = rfc3339(value)  # type: ignore[arg-type]
        elif kind is Decimal:
            cell = str(value).replace(".", ",") if decimal_comma else str(value)
        elif kind is StoredObject:
            cell = value.text  # type: ignore[attr-defined]
        else:
            return None
        # csv.writer looks at each letter, which takes longer than all the rest
        if '"' in cell or delimiter in cell:
            escaped = cell.replace('"', '""')
            cell = f'"{escaped}"'
        cells.append(cell)
    line = delimiter.join(cells)
    return line if line.isprintable() and not may_hold_secret(line) else None
