"""What a column can hold, and which of its values are before a moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.adapters.postgres.merchant.catalog import EPOCH, ColumnKind, TableColumn

TEXT = TableColumn("c", "text", "pg_catalog", "text", "S", None, (), True, True)
ZONES = st.sampled_from([UTC, timezone(timedelta(hours=9, minutes=30))])
MOMENTS = st.builds(
    lambda microseconds, zone: (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone),
    st.integers(0, 7 * 10**15),
    ZONES,
)


def column(
    name: str, category: str = "N", schema: str = "pg_catalog", members: tuple[str, ...] = ()
) -> TableColumn:
    return replace(TEXT, type_name=name, type_schema=schema, category=category, members=members)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (TEXT, ColumnKind.TEXT),
        (column("varchar", "S"), ColumnKind.TEXT),
        (column("citext", "S", "public"), ColumnKind.TEXT),
        (column("bpchar", "S"), ColumnKind.PADDED),
        (column("state", "E", "public", ("a",)), ColumnKind.ENUM),
        (column("int2"), ColumnKind.INTEGER),
        (column("int8"), ColumnKind.INTEGER),
        (column("int8", "U", "public"), ColumnKind.OTHER),
        (column("numeric"), ColumnKind.NUMERIC),
        (column("float4"), ColumnKind.FLOAT),
        (column("uuid", "U"), ColumnKind.UUID),
        (column("timestamptz", "D"), ColumnKind.TIMESTAMPTZ),
        (column("money"), ColumnKind.OTHER),
        (column("jsonb", "U"), ColumnKind.OTHER),
    ],
)
def test_the_kind_of_each_type(found, kind):
    """A type of pg_catalog is known by its name; any other is an enum, a kind of text, or another kind."""
    assert found.kind is kind


@pytest.mark.parametrize(
    ("found", "value", "holds"),
    [
        (TEXT, "anything é 😀", True),
        (TEXT, "nul\x00", False),
        (column("int2"), "32767", True),
        (column("int2"), "32768", False),
        (column("int4"), "-2147483648", True),
        (column("int4"), "-2147483649", False),
        (column("int8"), "9223372036854775807", True),
        (column("int8"), "9223372036854775808", False),
        (column("int8"), "99999999999999999999", False),
        (column("int8"), "0", True),
        (column("int8"), "-0", False),
        (column("int8"), "007", False),
        (column("int8"), "+7", False),
        (column("int8"), " 7", False),
        (column("int8"), "7\n", False),
        (column("int8"), "\u0667", False),
        (column("int8"), "", False),
        (column("int8"), "7.0", False),
        (column("numeric"), "7.0", True),
        (column("numeric"), "NaN", False),
        (column("numeric"), "1e5", False),
        (column("numeric"), "9" * 101, False),
        (column("uuid", "U"), "0b0f7e5c-1111-4222-8333-000000000001", True),
        (column("uuid", "U"), "0B0F7E5C-1111-4222-8333-000000000001", False),
        (column("uuid", "U"), "{0b0f7e5c-1111-4222-8333-000000000001}", False),
        (column("uuid", "U"), "x", False),
        (column("state", "E", "public", ("a", "b")), "a", True),
        (column("state", "E", "public", ("a", "b")), "A", False),
    ],
)
def test_what_a_column_holds(found, value, holds):
    """Only a value that the column would print in the same characters is compared with it."""
    assert found.held([value]) == ([value] if holds else [])


@pytest.mark.parametrize(("unit", "size"), [("s", 1_000_000), ("ms", 1_000)])
@pytest.mark.parametrize("name", ["int8", "numeric"])
@given(moment=MOMENTS, value=st.integers(-(10**6), 10**6))
def test_a_number_is_on_the_right_side_of_its_bound(name, unit, size, moment, value):
    """A value near the bound is at or above it if, and only if, its time is not before the moment."""
    bound = column(name).bound(moment, unit)
    whole = int(bound) + value
    assert (whole >= bound) == (EPOCH + timedelta(microseconds=whole * size) >= moment)


@given(moment=MOMENTS, days=st.integers(-3, 3))
def test_a_date_is_on_the_right_side_of_its_bound(moment, days):
    """A date counts as its midnight in UTC."""
    bound = column("date", "D").bound(moment, None)
    assert isinstance(bound, date)
    day = bound + timedelta(days=days)
    assert (day >= bound) == (datetime(day.year, day.month, day.day, tzinfo=UTC) >= moment)


@given(moment=MOMENTS)
def test_a_timestamp_is_the_same_moment_in_utc(moment):
    """With a zone the bound is the moment itself, without one it is the moment in UTC."""
    assert column("timestamptz", "D").bound(moment, None) == moment
    plain = column("timestamp", "D").bound(moment, None)
    assert plain.tzinfo is None
    assert plain.replace(tzinfo=UTC) == moment


def test_a_fraction_of_a_second_is_kept_if_the_column_can_hold_it():
    """The bound of a numeric column has decimals; that of an integer column is rounded up."""
    moment = datetime(2026, 11, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    assert column("numeric").bound(moment, "s") == Decimal("1793527200.5")
    assert column("int4").bound(moment, "s") == 1793527201
    assert column("int8").bound(moment, "ms") == 1793527200500
