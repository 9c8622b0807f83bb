"""Times whose names say an outcome are a status together, unless Stripe's side speaks against them."""

from __future__ import annotations

from dataclasses import replace

from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.compared_table import ComparedTable
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind
from reconciler.domain.sample.status_times import find_status_times
from tests.unit.domain.samples import charge, intent_of

PAID, DROPPED, NEW = (
    intent_of(outcome) for outcome in (Outcome.SUCCEEDED, Outcome.CANCELED, Outcome.INCOMPLETE)
)
BACK = intent_of(Outcome.SUCCEEDED, charge=charge(refunded=True, amount_refunded=4200))
SET: list[str | None] = ["1", "1", None, None]
CANCELED: list[str | None] = [None, None, "1", None]


def sample(**columns: list[str | None]) -> ComparedTable:
    """A paid row, one that was paid and refunded, a canceled and an open one."""
    made = tuple(SampledColumn(name, ValueKind.TIME) for name in columns)
    rows = tuple(zip(*columns.values(), strict=True))
    return ComparedTable(SampledTable("public.t", made, rows), (PAID, BACK, DROPPED, NEW))


def test_the_last_time_of_a_life_decides() -> None:
    """A refunded row was paid before, so the refund comes first; a correction sets no refund."""
    found = find_status_times(
        sample(
            paid_at=SET, refunded_on=[None, "1", None, None], canceledAt=CANCELED, shipped_at=SET
        ),
        (),
    )
    assert found is not None
    assert found.sql == (
        "CASE WHEN t.refunded_on IS NOT NULL THEN 'refunded' WHEN t.\"canceledAt\" IS NOT NULL THEN 'canceled'"
        " WHEN t.paid_at IS NOT NULL THEN 'succeeded' ELSE 'pending' END"
    )
    assert [(one.outcome, one.compared, one.agreeing) for one in found.times] == [
        ("refunded", 1, 1),
        ("canceled", 1, 1),
        ("succeeded", 2, 2),
    ]
    assert [one.column.name for one in found.written] == ["canceledAt", "paid_at"]


def test_stripe_speaks_against_a_name() -> None:
    """A time that is set for payments that were not made is none of a payment."""
    assert find_status_times(sample(paid_at=CANCELED), ()) is None


def test_what_cannot_be_empty_or_is_used_says_nothing() -> None:
    """A time that each row has, one that is the time of creation, another type, and no time of a payment at all."""
    table = sample(paid_at=SET)
    (column,) = table.table.columns
    assert find_status_times(table, (column,)) is None
    assert find_status_times(sample(canceled_at=CANCELED), ()) is None
    for other in (
        replace(column, is_nullable=False),
        replace(column, kind=ValueKind.TEXT),
        replace(column, sql="t.paid_at"),
    ):
        changed = replace(table, table=replace(table.table, columns=(other,)))
        assert find_status_times(changed, ()) is None
