"""Ids inside longer texts become a column of their own, if each text holds exactly one."""

from __future__ import annotations

import pytest

from reconciler.domain.sample.compared_table import find_intent
from reconciler.domain.sample.embedded_ids import with_embedded_ids
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

ID = "pi_3QabcDEFghij"
OTHER = "pi_3QzzzDEFghij"


def table(*values: str | None) -> SampledTable:
    """A table with the key 1, 2, ... and a text."""
    columns = (
        SampledColumn("id", ValueKind.INTEGER),
        SampledColumn("reference", ValueKind.TEXT),
    )
    rows = tuple((str(number), value) for number, value in enumerate(values, 1))
    return SampledTable("public.receipts", columns, rows)


def test_one_id_in_each_text() -> None:
    """The ids are a column, with the SQL text that gives them; a row without a text has none."""
    found = with_embedded_ids(table(f"stripe:{ID}/1", None, f"stripe:{OTHER}/2", " "))
    column = found.columns[-1]
    assert column.sql == "substring(t.reference from '(?:^|[^A-Za-z0-9_])(pi_[A-Za-z0-9]+)')"
    assert column.is_of_text
    assert found.values(column) == [ID, None, OTHER, None]
    intent = find_intent(found)
    assert intent is not None
    assert intent.column is column


@pytest.mark.parametrize(
    "value",
    [
        "adyen:8515131751004933",
        f"{ID} and {OTHER}",
        "key:api_key123456789",
        "stripe:pi_short",
    ],
    ids=["another gateway", "two ids", "a word that ends so", "too short"],
)
def test_a_text_that_does_not_hold_exactly_one(value: str) -> None:
    """One such value is enough: the column is no column of PaymentIntents."""
    odd = table(f"stripe:{ID}/1", value)
    assert with_embedded_ids(odd).columns == odd.columns


def test_a_table_with_ids_stays() -> None:
    """A column that holds ids by themselves is the one, so nothing is taken out of texts."""
    plain = table(ID, OTHER)
    assert with_embedded_ids(plain) is plain
