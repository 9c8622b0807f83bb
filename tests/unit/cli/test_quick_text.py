"""The quick lines of an export are those of the usual way, letter by letter."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.postgres.discrepancies.stored_object import StoredObject, stored_value
from reconciler.entrypoints import quick_text
from reconciler.entrypoints.shown_text import csv_cells, json_text

KEY = "sk_live_51HxQb2eZvKYlo2C"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["", "=1", "-1", 'a"b', "a,b", "a;b", "a\nb", "\x1b[31m", "\x7f", "\u202e", f"key {KEY}", "http://me:pw@x", "é"]
)  # fmt: skip
# PostgreSQL writes what a terminal would obey as it is
OBJECTS = st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=3).map(
    lambda values: StoredObject(json.dumps(values, ensure_ascii=False))
)
VALUES = (
    st.none()
    | TEXTS
    | st.integers()
    | st.booleans()
    | st.datetimes(timezones=st.just(UTC))
    | OBJECTS
)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=2)
ROWS = st.lists(VALUES | DECIMALS, min_size=2, max_size=5)


def usual_csv(values: Sequence[object], delimiter: str, *, decimal_comma: bool) -> str:
    cells, quoting = csv_cells(values, whole=True)
    if decimal_comma:
        cells = [str(one).replace(".", ",") if type(one) is Decimal else one for one in cells]
    out = io.StringIO()
    csv.writer(out, lineterminator="", quoting=quoting, delimiter=delimiter).writerow(cells)
    return out.getvalue()


@given(st.dictionaries(st.sampled_from("abcdef"), VALUES))
def test_an_object_in_json(fields: Mapping[str, object]) -> None:
    """The line of an object is that of json_text: without secrets, and without what a terminal would obey."""
    assert quick_text.json_line(tuple(fields), tuple(fields.values())) == json_text(fields)


@given(ROWS, st.sampled_from(",;"), st.booleans())
def test_a_row_in_csv(values: list[object], delimiter: str, decimal_comma: bool) -> None:
    """A row is as csv writes it, or it is left to csv."""
    line = quick_text.csv_line(values, delimiter, decimal_comma=decimal_comma)
    assert line in (None, usual_csv(values, delimiter, decimal_comma=decimal_comma))


def test_a_usual_row_is_quick() -> None:
    """A row of ids, amounts, times and objects is not left to csv, which would take several times as long."""
    made = stored_value(b'{"status": "paid", "amount": 1250}')
    row = [1, "pi_3Q", None, Decimal("12.50"), datetime(2026, 11, 2, tzinfo=UTC), made, "a, b"]
    assert quick_text.csv_line(row, ",", decimal_comma=False) == (
        '1,pi_3Q,,12.50,2026-11-02T00:00:00.000000Z,"{""status"": ""paid"", ""amount"": 1250}","a, b"'
    )


@pytest.mark.parametrize("value", ["=1+1", KEY, "\x1b[31m", "\u202e", "a\nb", 1.5, ["a"]])
def test_what_is_rare_is_left_to_csv(value: object) -> None:
    """A secret, a formula and a character that a terminal obeys take the usual way, which makes them harmless."""
    assert quick_text.csv_line(["a", value], ",", decimal_comma=False) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": {"b": 1.50}}', {"a": {"b": 1.5}}),
        ('{"n": 123456789012345678901234567890}', {"n": 123456789012345678901234567890}),
        ('{"n": 1e400}', {"n": float("inf")}),
        ("[1]", [1]),
    ],
)
def test_a_stored_object_keeps_its_text(text: str, value: object) -> None:
    """An object is read as the standard library reads it, and a file holds the very text of the database."""
    found = stored_value(text.encode())
    assert found == value
    assert getattr(found, "text", text) == text
    assert isinstance(found, StoredObject) is isinstance(value, dict)
