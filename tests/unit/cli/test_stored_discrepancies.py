"""A discrepancy that is exported as it is stored has the shape of one that was read whole."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.postgres.discrepancies.discrepancy_list import discrepancy_of_row
from reconciler.adapters.postgres.discrepancies.stored_discrepancy import stored_discrepancies
from reconciler.adapters.postgres.discrepancies.stored_object import stored_value
from reconciler.domain.findings.discrepancy import Kind, State
from reconciler.entrypoints.cli.discrepancy_csv import write_discrepancies_csv
from reconciler.entrypoints.cli.discrepancy_fields import NAMES, as_json, values_of
from reconciler.entrypoints.quick_text import json_line
from reconciler.entrypoints.shown_text import json_text

TEXTS = st.sampled_from(["", "=1", 'a"b', "a,b", "a\nb", "\u202e", "sk_live_51HxQb2eZvKYlo2C", "é"])
MAYBE = st.none() | TEXTS
ZONES = st.sampled_from([UTC, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York")])
START = datetime(2020, 1, 1, tzinfo=UTC)
TIMES = st.builds(
    lambda zone, micros: (START + timedelta(microseconds=micros)).astimezone(zone),
    ZONES,
    st.integers(0, 10**14),
)
SIDES = st.fixed_dictionaries(
    {},
    optional={
        "status": MAYBE,
        "amount": st.integers(-5000, 5000) | st.none(),
        "amount_received": st.integers(0, 5000),
        "currency": st.sampled_from(["eur", "jpy"]),
        "outcome": st.sampled_from(["succeeded", "incomplete"]),
        "rows": st.lists(st.fixed_dictionaries({"status": TEXTS, "amount": st.integers()}), max_size=2),
    },
)  # fmt: skip
ROWS = st.tuples(
    st.integers(1, 10**9), TEXTS, st.sampled_from([one.value for one in Kind]), st.sampled_from(["critical", "info"]),
    st.sampled_from([one.value for one in State]), MAYBE, st.lists(TEXTS, max_size=2), st.integers(0, 10**9),
    st.sampled_from(["eur", "jpy", "kwd"]), MAYBE, MAYBE, MAYBE, MAYBE, MAYBE, TIMES, TIMES, TEXTS, SIDES, SIDES, SIDES,
    MAYBE, st.none() | TIMES, TIMES, MAYBE, st.none() | TIMES, st.none() | TIMES, TIMES,
)  # fmt: skip
CORRECTIONS = st.just((None, None, None)) | st.tuples(TIMES, TEXTS, st.none() | st.integers(1, 9))


def text_of(value: Any) -> Any:
    """A value as PostgreSQL sends it to a cursor for text."""
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(":00")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


@given(ROWS, CORRECTIONS)
def test_a_discrepancy_as_it_is_stored(row: tuple[Any, ...], corrected: tuple[Any, ...]) -> None:
    """Its line and its row of CSV are those of the discrepancy that a list shows."""
    values = [*row, *corrected]
    objects = [stored_value(text_of(one)) if isinstance(one, dict) else one for one in values]
    whole = discrepancy_of_row(*objects)
    (stored,) = stored_discrepancies(iter([[text_of(one) for one in values]]))
    assert json_line(NAMES, values_of(stored)) == json_text(as_json(whole))
    tables = [io.StringIO(), io.StringIO()]
    for found, table in zip((stored, whole), tables, strict=True):
        write_discrepancies_csv([found], table, excel=False)
    assert tables[0].getvalue() == tables[1].getvalue()


def test_a_time_that_no_calendar_has() -> None:
    """It is reported like any other value of the database that cannot be read."""
    row = [
        1,
        "default",
        "missed_outcome",
        "info",
        "open",
        None,
        [],
        1,
        "eur",
        *[None] * 5,
        "infinity",
    ]
    with pytest.raises(psycopg.DataError, match="out of range"):
        list(stored_discrepancies(iter([[*row, *[None] * 15]])))
