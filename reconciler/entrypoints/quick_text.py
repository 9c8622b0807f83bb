"""Lines of JSON and CSV for exports of a million rows: the text that ``shown_text`` makes, some times as fast.

What is rare takes the way of ``shown_text``: a secret, a character that cannot be seen, a cell that a spreadsheet would run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any, Final

from reconciler.adapters.postgres.discrepancies.stored_object import StoredObject
from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.entrypoints.shown_text import FORMULA_STARTS, json_text
from reconciler.masking import may_hold_secret, visible_json


def json_line(fields: Mapping[str, object]) -> str:
    """An object as ``json_text`` writes it, on one line. Raises TypeError for a value that JSON has not."""
    values = [
        "null" if value is None else _JSON_OF.get(type(value), json_text)(value)
        for value in fields.values()
    ]
    line = _members(tuple(fields)) % tuple(values)
    # json_text masks the values one by one
    return json_text(fields) if may_hold_secret(line) else visible_json(line)


@lru_cache(maxsize=16)
def _members(names: Sequence[str]) -> str:
    """What an object with these names is, with a place for each value."""
    members = (f"{json_text(name)}: ".replace("%", "%%") + "%s" for name in names)
    return f"{{{', '.join(members)}}}"


@lru_cache(maxsize=64)
def _time(moment: datetime) -> str:
    # the times of one object are often the same
    return rfc3339(moment)


_JSON_OF: Final[Mapping[type, Callable[[Any], str]]] = {
    str: encode_basestring,
    int: str,
    datetime: lambda moment: f'"{_time(moment)}"',
    StoredObject: attrgetter("text"),
}


def csv_line(values: Iterable[object], delimiter: str, *, decimal_comma: bool) -> str | None:
    """A row of whole cells as CSV, without a line feed; None if it has to be written in the usual way.

    ``decimal_comma`` writes a Decimal with a comma, for a spreadsheet that expects it.
    """
    cells: list[str] = []
    for value in values:
        kind = type(value)
        if value is None:
            cells.append("")
        elif kind is str:
            if value.startswith(FORMULA_STARTS) or not value.isprintable():  # type: ignore[attr-defined]
                return None
            cells.append(_quoted(value, delimiter))  # type: ignore[arg-type]
        elif kind is int:
            cells.append(str(value))
        elif kind is datetime:
            cells.append(_time(value))
        elif kind is Decimal:
            cell = str(value).replace(".", ",") if decimal_comma else str(value)
            cells.append(_quoted(cell, delimiter))
        elif kind is StoredObject:
            text: str = value.text  # type: ignore[attr-defined]
            # to ask each letter of a long text whether it is printable takes longer than all the rest
            if not (_is_plain_json(text) or text.isprintable()):
                return None
            cells.append(_quoted(text, delimiter))
        else:
            return None
    line = delimiter.join(cells)
    return None if may_hold_secret(line) else line


def _is_plain_json(text: str) -> bool:
    """Whether JSON text has ASCII alone, of which JSON escapes every other character that cannot be seen."""
    return text.isascii() and "\x7f" not in text


def _quoted(cell: str, delimiter: str) -> str:
    # csv.writer looks at each letter, which takes longer than all the rest
    if '"' in cell or delimiter in cell:
        escaped = cell.replace('"', '""')
        return f'"{escaped}"'
    return cell
