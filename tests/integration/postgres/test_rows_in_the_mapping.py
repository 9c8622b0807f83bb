"""[payments] where: rows outside it are not judged and not written, but count as rows of an order and as holders."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.day_sums import left_out_by_day
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.payment import AccountRows
from reconciler.domain.model.time_range import TimeRange
from reconciler.exit_codes import ExitCode
from tests.some_quick import some_quick


@pytest.fixture
def listed(shop):
    """Four rows of one order, all with a discount text; the last two are deleted."""
    made = shop(columns={"order": ("order_id", "text")})
    made.execute("ALTER TABLE payments ADD COLUMN deleted boolean, ADD COLUMN rebate text")
    for n in (1, 2, 3, 4):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending", order="A")
    made.execute("UPDATE payments SET rebate = '5% off', deleted = id > 2")
    return made


def with_condition(shop, where: str):
    return replace(shop, mapping=replace(shop.mapping, where=where))


CONDITIONS = [
    "NOT deleted",
    "NOT t.deleted",
    "deleted IS NOT TRUE AND rebate LIKE '5%'",
    # names that the UPDATE's own source has too
    "status = 'pending' AND currency = 'eur' AND amount >= 0 AND NOT deleted",
    "id IN (SELECT p.id FROM payments AS p WHERE NOT p.deleted)",
    "NOT deleted OR false",
    # stable: one value in a statement
    "NOT deleted AND now() > '2020-01-01'",
]


@pytest.mark.parametrize("where", CONDITIONS)
def test_only_rows_in_the_mapping_are_compared_and_written(listed, bench, make_correction, where):
    """They are the only rows that are loaded, listed, counted, locked and corrected."""
    table = bench(with_condition(listed, where))
    intents = [f"pi_{n}" for n in (1, 2, 3, 4)]
    assert [row.key for row in table.store.load(intents).payments] == ["1", "2"]
    assert [row.key for row in table.store.open_payments(TimeRange(), None, 9)] == ["1", "2"]
    assert table.store.count_open(TimeRange()) == 2
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(intents, ["3", "4"], lock=True).payments
        assert [row.key for row in rows] == ["1", "2"]
        result = page.write(PageRecord(writes=tuple(make_correction(row) for row in rows)))
        assert result.refused == {}
    assert [listed.rows()[key]["status"] for key in "1234"] == [
        "paid",
        "paid",
        "pending",
        "pending",
    ]


def test_a_row_that_leaves_the_mapping_is_not_written(listed, bench, make_correction):
    """The UPDATE has the condition too: a row that was deleted since it was compared has moved."""
    table = bench(with_condition(listed, "NOT deleted"))
    payment = table.store.load(["pi_1"]).payments[0]
    listed.execute("UPDATE payments SET deleted = true WHERE id = 1")
    with table.store.transaction(table.epoch) as page:
        assert page.read_again(["pi_1"], ["1"], lock=True).payments == ()
    with pytest.raises(Exception, match="moved"):
        table.write(PageRecord(writes=(make_correction(payment),)))
    assert listed.rows()["1"]["status"] == "pending"


def test_a_correction_may_take_its_row_out_of_the_mapping(listed, bench, make_correction):
    """The condition is about the row that is judged, and not about what it becomes."""
    table = bench(with_condition(listed, "status = 'pending'"))
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(["pi_1"], [], lock=True).payments
        assert page.write(PageRecord(writes=(make_correction(rows[0]),))).refused == {}
    assert listed.rows()["1"]["status"] == "paid"


def test_rows_outside_the_mapping_count_as_holders_and_as_rows_of_an_order(listed, bench):
    """A row outside the condition is marked as excluded, and so is one for which it is NULL."""
    listed.execute("UPDATE payments SET deleted = NULL WHERE id = 2")
    store = bench(with_condition(listed, "NOT deleted")).store
    assert [row.key for row in store.rows_of_orders(["A"])] == ["1", "2", "3", "4"]
    held = store.holders(["pi_1", "pi_2", "pi_3"])
    assert {row.key: row.excluded for row in held} == {"1": False, "2": True, "3": True}


def test_a_row_of_another_account_is_excluded(shop, bench):
    """It holds the intent, and is not this account's to judge."""
    made = shop(columns={"account": ("acct", "text")})
    for n, account in enumerate(["one", "two", None], start=1):
        made.insert(key=n, payment_intent="pi_1", status="pending", account=account)
    store = bench(made, account="one", accounts=(AccountRows("one"), AccountRows("two"))).store
    assert {row.key: row.excluded for row in store.holders(["pi_1"])} == {
        "1": False,
        "2": True,
        "3": True,
    }


WRONG = [
    ("NOT delted", "delted"),
    ("amount", "boolean"),
    ("count(*) > 1", "aggregate"),
    ("rebate::int > 1", "InvalidTextRepresentation"),
    ("nextval('s') > 0", "calls nextval()"),
    ("random() < 0.5", "random(), which may change"),
    ("created_at < pg_catalog.clock_timestamp()", "calls clock_timestamp()"),
    ("id IN (SELECT p.id FROM payments p WHERE random() < 0.5)", "random(), which may"),
    ("NOT", "syntax error"),
]


@some_quick(("where", "said"), WRONG, quick=4)
def test_a_condition_that_cannot_be_evaluated_is_a_fault(listed, where, said):
    """The fault names the key, the text and what PostgreSQL says, and no value of a row. It ends the start with 78."""
    listed.execute("CREATE SEQUENCE s")
    with Database(listed.url) as database:
        found = inspect(database, replace(listed.mapping, where=where), writes=False)
    (fault,) = (str(fault) for fault in found.faults)
    assert "[payments] where" in fault
    assert where in fault
    assert said in fault
    assert "off" not in fault
    with pytest.raises(Exception, match="where") as caught:
        found.table_or_raise()
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_every_row_that_is_in_no_sum_is_counted_once_with_its_reason(shop, bench):
    """A certificate of completeness leaves out nothing in silence; rows of another configured account are that one's."""
    made = shop(columns={"account": ("acct", "text"), "amount": ("amount", "numeric")})
    made.execute("ALTER TABLE payments ADD COLUMN deleted boolean DEFAULT false")
    left_out = {
        1: {"payment_intent": "pi_1"},
        2: {"payment_intent": None},
        3: {"payment_intent": " ", "status": "pending"},
        4: {"payment_intent": "PAYPAL-4"},
        5: {"payment_intent": "pi_5", "account": "two"},
        6: {"payment_intent": "pi_6", "account": None},
        7: {"payment_intent": None, "account": "three"},
        8: {"payment_intent": "pi_8", "amount": "12.5"},
        9: {"payment_intent": "pi_9", "created": None},
        10: {"payment_intent": "pi_10", "currency": None},
        11: {"payment_intent": "pi_11", "created": "2026-11-02T00:00:00Z"},
    }
    for key, values in left_out.items():
        made.insert(
            **{"key": key, "status": "paid", "amount": key, "account": "one", **values}
        )  # fmt: skip
    made.insert(key=12, payment_intent="pi_12", status="paid", account="one", amount=12)
    made.execute("UPDATE payments SET deleted = true WHERE id = 12")
    accounts = (AccountRows("one"), AccountRows("two"))
    with_where = with_condition(made, "NOT deleted")
    with Database(made.url) as database:
        mapping = with_where.mapping
        table = inspect(
            database, mapping, writes=False, accounts=accounts, account_rows=accounts[0]
        )
        day = datetime(2026, 11, 1, tzinfo=UTC)
        found = left_out_by_day(
            database, table.table_or_raise(), "one", accounts,
            TimeRange(day, day + timedelta(days=1)), UTC,
        )  # fmt: skip

    def counts(*numbers: int) -> dict[str, int]:
        return dict(zip(("count", "amount", "paid_count", "paid_amount"), numbers, strict=True))

    assert found == {
        (day.date(), "eur"): {
            "no_payment_intent": counts(2, 5, 1, 2),
            "foreign_id": counts(1, 4, 1, 4),
            "no_account": counts(2, 13, 2, 13),
            "where": counts(1, 12, 1, 12),
            "no_amount": counts(1, 0, 1, 0),
        },
        (day.date(), ""): {"no_amount": counts(1, 0, 1, 0)},
        (None, "eur"): {"no_time": counts(1, 9, 1, 9)},
    }
