"""The condition that leaves out rows of other gateways is one that the sample proves."""

from __future__ import annotations

import pytest

from reconciler.domain.sample.row_conditions import deleted_rows, separating_condition
from reconciler.domain.sample.sampled_table import (
    SampledColumn,
    SampledTable,
    ValueKind,
    literal,
    reference,
)

STRIPE, OTHER = "pi_3mog3aTMOL2M3CUj", "PSP1"


def proposed(
    rows: list[tuple[str | None, str | None]], kind: ValueKind = ValueKind.TEXT, name: str = "gate"
) -> str:
    """The condition for rows of an id and another column."""
    columns = (SampledColumn("ref", ValueKind.TEXT), SampledColumn(name, kind))
    return separating_condition(
        SampledTable("public.t", columns, tuple(rows)), [row[0] for row in rows], "t.ref"
    )


MIXED: list[tuple[str | None, str | None]] = [
    *[(STRIPE, "it's")] * 6, (None, "adyen"), (" ", "adyen"), (OTHER, "adyen"),
]  # fmt: skip


def test_a_column_names_the_gateway() -> None:
    """All rows with Stripe's ids hold one value there, and no other row with an id does."""
    assert proposed(MIXED) == "t.gate = 'it''s'"
    assert proposed(MIXED, name="Gate") == "t.\"Gate\" = 'it''s'"


@pytest.mark.parametrize(
    "rows",
    [
        [*MIXED, (OTHER, "it's")],
        [*MIXED, (STRIPE, "adyen")],
        [(STRIPE, "stripe"), (OTHER, "adyen")],
        [*[(STRIPE, None)] * 6, (OTHER, "adyen")],
        [*[(STRIPE, "stripe")] * 6, *[(OTHER, str(number)) for number in range(30)]],
    ],
    ids=["shared", "two values", "few rows", "null", "no gateway"],
)
def test_no_column_proves_it(rows: list[tuple[str | None, str | None]]) -> None:
    """Then the ids themselves are compared, and rows without an id stay."""
    assert proposed(rows).startswith("(t.ref IS NULL OR t.ref = ''")


def test_numbers_name_no_gateway() -> None:
    """Only a text does."""
    assert "IS NULL" in proposed(MIXED, kind=ValueKind.INTEGER)


def test_texts_of_a_sample() -> None:
    """Names and values are written as SQL does; nulls and blanks are not present."""
    assert reference('a"B') == 't."a""B"'
    assert literal("a'b") == "'a''b'"
    expression = SampledColumn("data->>id", ValueKind.TEXT, "t.data->>'id'")
    assert expression.reference == "t.data->>'id'"
    table = SampledTable("t", (expression,), ((None,), (" ",), ("x",)))
    assert table.present(expression) == ["x"]


def marked(name: str, kind: ValueKind, *values: str | None, sql: str | None = None) -> SampledTable:
    """Rows with an id and a mark; the first two hold the same id."""
    columns = SampledColumn("ref", ValueKind.TEXT), SampledColumn(name, kind, sql)
    ids: list[str | None] = [STRIPE, STRIPE, None, "pi_2", "pi_3"]
    return SampledTable("t", columns, tuple(zip(ids, values, strict=False)))


@pytest.mark.parametrize(
    ("name", "kind", "values", "condition"),
    [
        ("DeletedAt", ValueKind.TIME, (None, "5", "5"), 't."DeletedAt" IS NULL'),
        ("is_deleted", ValueKind.BOOLEAN, ("false", "true", "true"), "t.is_deleted IS NOT TRUE"),
        ("archived", ValueKind.BOOLEAN, (None, "true", "true"), "t.archived IS NOT TRUE"),
    ],
)
def test_rows_that_are_marked_as_deleted(
    name: str, kind: ValueKind, values: tuple[str | None, ...], condition: str
) -> None:
    """A time or a truth by its name; a row whose PaymentIntent another row holds is counted."""
    table = marked(name, kind, *values)
    found = deleted_rows(table, [row[0] for row in table.rows])
    assert found is not None
    assert (found.condition, found.rows, found.twins) == (condition, 2, 1)


def test_no_deleted_rows() -> None:
    """No mark is set, or the column is something else."""
    for table in (
        marked("deleted_at", ValueKind.TIME, None, None),
        marked("deleted_by", ValueKind.TEXT, "ana", None),
        marked("deleted_at", ValueKind.TIME, "5", sql="t.data->>'deleted_at'"),
        marked("undeleted_at", ValueKind.TIME, "5"),
    ):
        assert deleted_rows(table, [row[0] for row in table.rows]) is None
