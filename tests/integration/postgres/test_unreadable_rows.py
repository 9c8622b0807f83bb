"""An SQL text that fails for one row: that row reads as unknown, and every other row is read and written as usual."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant import unreadable_rows
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.payment import SqlText
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.errors import ConfigurationError, RowMovedError

BAD = 400
ROWS = 500


@pytest.fixture
def notes(shop):
    """Many rows with a number in a text column; in one of them it is no number."""
    made = shop()
    made.execute("ALTER TABLE payments ADD note text")
    made.execute(
        "INSERT INTO payments SELECT g, 'pi_' || g, 'pending', 1250, 'eur', now() - interval '1 hour', now(), 'o' || g, '1250'"
        f" FROM generate_series(1, {ROWS}) AS g"
    )
    made.execute(f"UPDATE payments SET note = 'Ana''s' WHERE id = {BAD}")
    return made


def with_text(shop, part, text):
    changes = {part: text if part == "where" else SqlText(text)}
    return replace(shop, mapping=replace(shop.mapping, **changes))


TEXTS = {
    "amount": "t.note::int",
    "currency": "CASE WHEN t.note::int > 0 THEN 'eur' END",
    "status": "CASE WHEN t.note::int > 0 THEN t.status ELSE 'paid' END",
    "created": "CASE WHEN t.note::int > 0 THEN t.created_at END",
    "order": "CASE WHEN t.note::int > 0 THEN t.order_id END",
    "where": "t.note::int > 0",
}


@pytest.mark.parametrize("part", TEXTS)
def test_one_row_does_not_make_the_others_fail(notes, bench, part):
    """The row is named by the part that fails, its outcome is unknown, and all other rows are as they would be."""
    store = bench(with_text(notes, part, TEXTS[part]), writes=False).store
    rows = {row.key: row for row in store.load([f"pi_{n}" for n in range(1, ROWS + 1)]).payments}
    assert len(rows) == ROWS
    bad = rows.pop(str(BAD))
    assert (bad.unreadable, bad.outcome) == (part, Outcome.UNKNOWN)
    assert {(row.unreadable, row.outcome, row.amount, row.currency) for row in rows.values()} == {
        (None, Outcome.INCOMPLETE, 1250, "eur")
    }
    assert store.count_open(TimeRange()) >= ROWS - 1
    assert len(store.open_payments(TimeRange(), None, ROWS)) >= ROWS - 1
    assert store.histogram(TimeRange(), 1.0).buckets
    assert len(store.holders([f"pi_{BAD}", "pi_1"])) == 2


def test_a_row_with_an_unreadable_intent_holds_something_else(notes, bench):
    """It is not taken for a row without a PaymentIntent, which an order could link to another payment."""
    text = "CASE WHEN t.note::int > 0 THEN t.stripe_payment_intent_id END"
    store = bench(with_text(notes, "payment_intent", text), writes=False).store
    loaded = store.load(["pi_1", f"pi_{BAD}"], [f"o{BAD}"])
    assert [row.key for row in loaded.payments] == ["1"]
    assert loaded.claimable == ()
    references = {
        row.key: row.payment_intent for row in store.open_payments(TimeRange(), None, ROWS)
    }
    assert references[str(BAD)] == "payment_intent is not readable"


def test_a_row_with_an_unreadable_order_may_be_any_orders(notes, bench):
    """Nothing negative is written while such a row may belong to the order."""
    table = bench(with_text(notes, "order", TEXTS["order"]))
    table.store.load(["pi_1"])
    for rows in (table.store.rows_of_orders(["o7", "o8"]),):
        assert {(row.key, row.order) for row in rows} >= {
            ("7", "o7"),
            ("8", "o8"),
            (str(BAD), "o7"),
            (str(BAD), "o8"),
        }
    with table.store.transaction(table.epoch) as page:
        rows = page.rows_of_orders(["o7"])
    assert {row.key for row in rows} == {"7", str(BAD)}


def write_two(table, make_correction):
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(["pi_1", "pi_2"], [], lock=True).payments
        written = PageRecord(writes=tuple(make_correction(row) for row in rows))
        assert page.write(written).refused == {}


@pytest.mark.parametrize("part", ["amount", "where"])
def test_the_other_rows_are_written(notes, bench, make_correction, part):
    """The UPDATE may meet the row first: then the page is recorded again without it, and nothing is refused."""
    table = bench(with_text(notes, part, TEXTS[part]))
    with suppress(RowMovedError):
        write_two(table, make_correction)
    if notes.rows()["1"]["status"] == "pending":
        # a sweep tries such a page again
        write_two(table, make_correction)
    assert [notes.rows()[key]["status"] for key in "123"] == ["paid", "paid", "pending"]


def test_a_repaired_row_is_read_again(notes, bench):
    """The next sweep counts the rows, and takes the row back."""
    store = bench(with_text(notes, "amount", TEXTS["amount"]), writes=False).store
    assert store.load([f"pi_{BAD}"]).payments[0].unreadable == "amount"
    notes.execute(f"UPDATE payments SET note = '5' WHERE id = {BAD}")
    store.count_open(TimeRange())
    (row,) = store.load([f"pi_{BAD}"]).payments
    assert (row.unreadable, row.amount, row.outcome) == (None, 5, Outcome.INCOMPLETE)
    notes.execute("UPDATE payments SET note = 'x' WHERE id IN (5, 6)")
    notes.execute(f"UPDATE payments SET note = 'x' WHERE id = {BAD}")
    unreadable = [
        row.key for row in store.load(["pi_5", "pi_6", "pi_7"]).payments if row.unreadable
    ]
    assert unreadable == ["5", "6"]


def test_a_text_that_fails_for_many_rows_is_a_fault(notes, bench, monkeypatch):
    """Many rows are no exception: the message names the key of the configuration and one row."""
    monkeypatch.setattr(unreadable_rows, "MOST", 30)
    made = with_text(notes, "amount", TEXTS["amount"])
    store = bench(made, writes=False).store
    notes.execute(
        "INSERT INTO payments SELECT g, 'pi_' || g, 'pending', 1250, 'eur', now(), now(), 'o' || g, 'x'"
        " FROM generate_series(1000, 1040) AS g"
    )
    with pytest.raises(ConfigurationError) as raised:
        store.load([f"pi_{BAD}"])
    assert "[payments] amount: the SQL text fails for more than 30 rows" in str(raised.value)


def test_a_single_row_is_no_fault_at_start(notes):
    """A text that fails for most of the first rows is a fault; one that fails for one of them is that row's finding."""
    notes.execute("UPDATE payments SET note = 'x' WHERE id < 40")
    with Database(notes.url) as database:
        for part in ("amount", "where"):
            mapping = with_text(notes, part, TEXTS[part]).mapping
            assert inspect(database, mapping, writes=False).faults == (), part
        notes.execute("UPDATE payments SET note = 'x'")
        for part in ("amount", "where"):
            mapping = with_text(notes, part, TEXTS[part]).mapping
            (fault,) = inspect(database, mapping, writes=False).faults
            assert f"[payments] {part}" in fault.what
