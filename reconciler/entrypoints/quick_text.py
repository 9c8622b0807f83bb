"""Lines of JSON and CSV for exports of a million rows: the text that ``shown_text`` makes, some times as fast.

What is rare takes the way of ``shown_text``: a secret, a character that cannot be seen, a cell that a spreadsheet would run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from operator import attrgetter
from types import NoneType
from typing import Any, Final

from reconciler.adapters.postgres.discrepancies.stored_object import StoredObject
from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.entrypoints.shown_text import FORMULA_STARTS, json_text
from reconciler.masking import may_hold_secret, visible_json


def json_line(names: tuple[str, ...], values: Sequence[object]) -> str:
    """The object with these names and values as ``json_text`` writes it, on one line.

    Raises TypeError for a value that JSON has not.
    """
    texts = [
        "null" if value is None else _JSON_OF.get(type(value), json_text)(value) for value in values
    ]
    line = _members(names) % tuple(texts)
    if may_hold_secret(line):
        # json_text masks the values one by one
        return json_text(dict(zip(names, values, strict=True)))
    return visible_json(line)


@lru_cache(maxsize=16)
def _members(names: Sequence[str]) -> str:
    """What an object with these names is, with a place for each value."""
    members = (f"{json_text(name)}: ".replace("%", "%%") + "%s" for name in names)
    return f"{{{', '.join(members)}}}"


@lru_cache(maxsize=64)
def _time(moment: datetime) -> str:
    # the times of one object are often the same
    return rfc3339(moment)


_FORMULA_STARTS: Final = frozenset(FORMULA_STARTS)
_JSON_OF: Final[Mapping[type, Callable[[Any], str]]] = {
    str: encode_basestring,
    int: str,
    datetime: lambda moment: f'"{_time(moment)}"',
    StoredObject: attrgetter("text"),
}


def csv_line(values: Sequence[object], delimiter: str, *, decimal_comma: bool) -> str | None:
    """A row of whole cells as CSV, without a line feed; None if it has to be written in the usual way.

    ``decimal_comma`` writes a Decimal with a comma, for a spreadsheet that expects it.
    """
    texts = [value for value in values if type(value) is str]
    # to look at all of them together is quicker than to look at each
    together = " ".join(texts)
    if not together.isprintable() or not _FORMULA_STARTS.isdisjoint([text[:1] for text in texts]):
        return None
    objects = "".join([value.text for value in values if type(value) is StoredObject])
    # to ask each letter of a long text whether it is printable takes longer than all the rest
    if not (_is_plain_json(objects) or objects.isprintable()):
        return None
    is_quoted = '"' in together or delimiter in together
    cell_of = _cells_of(delimiter, decimal_comma=decimal_comma, is_text_quoted=is_quoted)
    try:
        line = delimiter.join([cell_of[type(value)](value) for value in values])
    except KeyError:
        return None
    return None if may_hold_secret(line) else line


@lru_cache
def _cells_of(
    delimiter: str, *, decimal_comma: bool, is_text_quoted: bool
) -> Mapping[type, Callable[[Any], str]]:
    """The cell of a value by its type."""

    def quoted(cell: str) -> str:
        # csv.writer looks at each letter, which takes longer than all the rest
        if '"' in cell or delimiter in cell:
            escaped = cell.replace('"', '""')
            return f'"{escaped}"'
        return cell

    def number(value: Decimal) -> str:
        return quoted(str(value).replace(".", ",") if decimal_comma else str(value))

    return {
        NoneType: lambda _: "",
        str: quoted if is_text_quoted else str,
        int: str,
        datetime: _time,
        Decimal: number,
        StoredObject: lambda value: quoted(value.text),
    }


def _is_plain_json(text: str) -> bool:
    """Whether JSON text has ASCII alone, of which JSON escapes every other character that cannot be seen."""
    return text.isascii() and "\x7f" not in text
