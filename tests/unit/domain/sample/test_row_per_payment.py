"""Rows that note the refund of a payment are told from the payment itself, and no payment is left out with them."""

from __future__ import annotations

import pytest

from reconciler.domain.sample.row_per_payment import payment_rows
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

Row = tuple[str | None, str | None]
CHARGES: list[Row] = [(f"pi_{number}", "charge") for number in range(20)]
REFUNDS: list[Row] = [(f"pi_{number}", "refund") for number in range(6)]


def sample(
    rows: list[Row], name: str = "kind", kind: ValueKind = ValueKind.TEXT, **more: bool
) -> SampledTable:
    """Rows of a PaymentIntent and a word."""
    columns = SampledColumn("pi", ValueKind.TEXT), SampledColumn(name, kind, **more)
    return SampledTable("public.t", columns, tuple(rows))


def found_in(table: SampledTable) -> str | None:
    found = payment_rows(table, table.values(table.columns[0]))
    return None if found is None else found.condition


def test_refunds_beside_charges() -> None:
    """The frequent word of which each PaymentIntent has one row; rows without an id do not matter."""
    table = sample([*CHARGES, *REFUNDS, (None, "payout"), ("", None)])
    found = payment_rows(table, table.values(table.columns[0]))
    assert found is not None
    assert (found.condition, found.others) == ("t.kind = 'charge'", 6)
    assert found.of(table).rows == tuple(CHARGES)
    # one refund in the sample whose charge is not
    assert found_in(
        sample([*CHARGES, *[(f"pi_{n}", "refund") for n in range(20)], ("pi_99", "refund")])
    )


@pytest.mark.parametrize(
    "rows",
    [
        CHARGES,
        [*CHARGES, *REFUNDS[:4]],
        # payments of their own that have another word
        [*CHARGES, *REFUNDS, *[(f"pi_x{number}", "topup") for number in range(6)]],
        # two rows with the word: attempts, or parts
        [*CHARGES, *CHARGES[:6], *REFUNDS],
        [(ident, "charge") for ident, _ in [*CHARGES, *REFUNDS]],
        [*CHARGES, *[(ident, f"r{ident}") for ident, _ in [*CHARGES, *REFUNDS]]],
    ],
)
def test_what_proves_nothing(rows: list[Row]) -> None:
    """Too few, payments of their own, several rows with the word, or no other word."""
    assert found_in(sample(rows)) is None


def test_other_columns() -> None:
    """A status says what became of a payment; a number, and a column that is unique, say nothing."""
    rows = [*CHARGES, *REFUNDS]
    assert found_in(sample(rows, name="payment_status")) is None
    assert found_in(sample(rows, kind=ValueKind.INTEGER)) is None
    assert found_in(sample(rows, is_unique=True)) is None
