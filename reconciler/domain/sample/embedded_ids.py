"""PaymentIntents whose ids stand inside longer texts, such as ``stripe:pi_3Q.../capture``."""

from __future__ import annotations

import re
from typing import Final

from reconciler.domain.sample.compared_table import find_intent
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

_WITHIN: Final = "(?:^|[^A-Za-z0-9_])(pi_[A-Za-z0-9]+)"
"""The id within a text, as both Python and PostgreSQL read it: PostgreSQL gives what is in the parentheses."""
_PATTERN: Final = re.compile(_WITHIN)
_SHORTEST: Final = len("pi_") + 10


def with_embedded_ids(table: SampledTable) -> SampledTable:
    """The sample, with a column of ids for each text column of which every value holds exactly one PaymentIntent's id.

    A table that has a column of ids already stays as it is.
    """
    if find_intent(table) is not None:
        return table
    added: list[tuple[SampledColumn, list[str | None]]] = []
    for column in table.columns:
        if column.kind is ValueKind.TEXT and table.present(column):
            ids = [_id_within(value) for value in table.values(column)]
            if None not in ids:
                text = f"substring({column.reference} from '{_WITHIN}')"
                name = f"{column.name} (the id within)"
                inner = SampledColumn(name, ValueKind.TEXT, text, is_of_text=True)
                added.append((inner, [one or None for one in ids]))
    rows = tuple((*row, *(ids[place] for _, ids in added)) for place, row in enumerate(table.rows))
    return SampledTable(table.name, (*table.columns, *(column for column, _ in added)), rows)


def _id_within(value: str | None) -> str | None:
    """The one id that a text holds, an empty text for no value, and None if the text holds none or several."""
    if value is None or not value.strip():
        return ""
    found = _PATTERN.findall(value)
    return found[0] if len(found) == 1 and len(found[0]) >= _SHORTEST else None
