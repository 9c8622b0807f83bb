"""The condition that leaves out rows of other gateways is one that the sample proves."""

from __future__ import annotations

import pytest

from reconciler.domain.sample.row_conditions import separating_condition
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
