"""The query of a search by metadata, in Stripe's query language. Source: docs, "Search"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

MOST_VALUES: Final = 10
LONGEST_QUERY: Final = 1_000
"""Characters. A query of one value may be longer: a value of 500 characters that are all quotes needs more."""


def metadata_query(key: str, values: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The query for the first of these values, as many as fit, and those values. ``values`` must not be empty."""
    query = _clause(key, values[0])
    count = 1
    for value in values[1:MOST_VALUES]:
        longer = f"{query} OR {_clause(key, value)}"
        if len(longer) > LONGEST_QUERY:
            break
        query = longer
        count += 1
    return query, tuple(values[:count])


def _clause(key: str, value: str) -> str:
    return f'metadata["{_escaped(key)}"]:"{_escaped(value)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
