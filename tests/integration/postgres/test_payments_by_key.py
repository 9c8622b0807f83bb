"""Rows listed by key, page by page: every row once, for any keys."""

from __future__ import annotations

import pytest

from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.merchant.table_warnings import warnings_of
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.sources.source_reader import all_rows


@pytest.fixture(params=["open_payments", "payments_between"])
def listed(request, shop, bench):
    """A factory: what a list in pages of two gives for rows with these keys, and what the count gives."""

    def run(keys: list[object], kind: str = "bigint") -> tuple[list[str], int]:
        made = shop(columns={"key": ("id", kind)})
        for number, key in enumerate(keys):
            made.insert(key=key, payment_intent=f"pi_{number}", status="pending")
        store = bench(made).store
        read = getattr(store, request.param)
        count = store.count_open if request.param == "open_payments" else store.count_between
        pages = 0

        def page(after: str | None):
            nonlocal pages
            pages += 1
            assert pages < 20, "the list does not end"
            return read(TimeRange(), after, 2)

        return [row.payment_intent for row in all_rows(page, 2)], count(TimeRange())

    return run


def test_rows_that_share_the_last_key_of_a_page_are_listed(listed):
    """A page ends with all rows of its last key: none of them is skipped."""
    intents, count = listed([1, 2, 2, 2, 3, 4, 4])
    assert sorted(intents) == [f"pi_{number}" for number in range(7)]
    assert count == 7


@pytest.mark.parametrize("kind", ["bigint", "text", "char(3)"])
def test_a_row_without_a_key_is_not_listed(listed, kind):
    """Nothing comes after NULL: the next page would begin the list from its start."""
    assert listed([1, 2, None, None, 3], kind) == (["pi_0", "pi_1", "pi_4"], 3)


@pytest.mark.parametrize("kind", ["bigint", "text"])
def test_a_row_without_a_key_is_read_and_never_written(shop, bench, make_correction, kind):
    """Its intent is not missing; a correction of it is refused, and no other row is written instead."""
    made = shop(columns={"key": ("id", kind)})
    made.insert(key=None, payment_intent="pi_1", status="pending", order="A")
    table = bench(made)
    [payment] = table.store.load(["pi_1"]).payments
    again = [payment.key]
    with table.store.transaction(table.epoch) as page:
        result = page.write(
            PageRecord(
                writes=tuple(
                    make_correction(row)
                    for row in page.read_again(["pi_1"], again, lock=True).payments
                )
            )
        )
    assert list(result.refused) == [""]
    assert [row["status"] for row in made.rows().values()] == ["pending"]


@pytest.mark.parametrize(
    ("kind", "warns"), [("bigint UNIQUE", True), ("bigint NOT NULL UNIQUE", False)]
)
def test_doctor_warns_of_a_key_that_may_be_null(shop, bench, kind, warns):
    """The warning has the statement that ends it."""
    made = shop(columns={"key": ("id", kind)})
    database = bench(made).database

    def found() -> list[str]:
        warnings = warnings_of(database, inspect(database, made.mapping, writes=True))
        return [str(warning) for warning in warnings if "NULL" in warning.what]

    assert len(found()) == warns
    for warning in found():
        made.execute(warning.partition("Run: ")[2])
    assert found() == []
