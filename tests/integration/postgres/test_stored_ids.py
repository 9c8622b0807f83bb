"""Rows whose column holds a client secret, a Checkout Session or a charge instead of a PaymentIntent's id."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.model.looked_up_id import IdPair
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import NEXT_POLL, Recheck
from reconciler.domain.model.time_range import TimeRange

ALL = TimeRange()
SECRET = "pi_1_secret_AbCdEf"


@pytest.fixture
def sessions(shop, bench):
    """Two open rows that hold sessions; the first one's intent is known."""
    made = shop()
    made.insert(key=1, payment_intent="cs_1", status="pending", order="A")
    made.insert(key=2, payment_intent="cs_2", status="pending", order="B")
    table = bench(made)
    table.store.remember_pairs([IdPair("cs_1", "pi_1")], store=True)
    return made, table


def column(made, part: str) -> list[str | None]:
    """What the rows hold in a column, in the order of their keys."""
    return [row[part] for _, row in sorted(made.rows().items())]


def test_another_store_finds_the_row_by_the_intent(sessions, bench):
    """The pair is stored, and both the intent and the column's text are told."""
    made, _ = sessions
    store = bench(made).store
    (payment,) = store.load(["pi_1", "pi_2"]).payments
    assert (payment.key, payment.payment_intent, payment.stored_id) == ("1", "pi_1", "cs_1")
    assert [row.key for row in bench(made).store.holders(["pi_1"])] == ["1"]
    (paired, unpaired) = bench(made).store.rows_of_orders(["A", "B"])
    assert (paired.payment_intent, unpaired.payment_intent) == ("pi_1", "cs_2")


def test_what_is_not_stored_is_known_to_its_store_alone(sessions, bench):
    """A dry run writes nothing."""
    made, table = sessions
    table.store.remember_pairs([IdPair("cs_2", "pi_2")], store=False)
    assert [row.key for row in table.store.load(["pi_2"]).payments] == ["2"]
    assert bench(made).store.load(["pi_2"]).payments == ()


def test_a_pair_that_another_process_corrected(sessions, bench):
    """The session decides against the metadata: the earlier pair is forgotten."""
    made, table = sessions
    assert len(table.store.load(["pi_1"]).payments) == 1
    bench(made).store.remember_pairs([IdPair("cs_1", "pi_9")], store=True)
    assert [row.payment_intent for row in table.store.load(["pi_1"]).payments] in ([], ["pi_9"])
    assert table.store.load(["pi_1"]).payments == ()
    assert len(table.store.load(["pi_9"]).payments) == 1


def test_a_correction_keeps_the_column(sessions, make_correction):
    """The status is written, and the session stays."""
    made, table = sessions
    with table.store.transaction(table.epoch) as page:
        (payment,) = page.read_again(["pi_1"], ["1"], lock=True).payments
        result = page.write(PageRecord(writes=(make_correction(payment, "paid"),)))
    assert result.refused == {}
    assert column(made, "payment_intent") == ["cs_1", "cs_2"]
    assert column(made, "status") == ["paid", "pending"]


def test_a_recheck_of_the_intent_schedules_the_row(sessions, seen):
    """The service does not read a row's intent before its next poll, also if the row holds a session."""
    _, table = sessions
    later = Recheck("pi_1", seen + timedelta(days=9), NEXT_POLL)
    table.write(PageRecord(rechecks=(later,)))
    due = table.store.open_payments(ALL, None, 9, seen)
    assert [row.key for row in due] == ["2"]
    assert table.store.count_open(ALL, seen) == 1


def test_only_looked_up_rows(sessions):
    """Sessions and charges, and no other text."""
    made, table = sessions
    for key, held in ((3, "pi_3"), (4, "ch_4"), (5, "py_5"), (6, "re_6"), (7, SECRET)):
        made.insert(key=key, payment_intent=held, status="pending")
    found = table.store.looked_up_payments(ALL, None, 9)
    assert [row.payment_intent for row in found] == ["cs_1", "cs_2", "ch_4", "py_5"]


def test_a_secret_behind_the_newest_rows(shop, bench):
    """No secret was among the rows that were looked at first: the row is found as soon as one is met."""
    made = shop()
    made.insert(key=1, payment_intent="pi_2", status="pending")
    table = bench(made)
    made.insert(key=2, payment_intent=SECRET, status="pending")
    assert [
        (row.payment_intent, row.holds_secret) for row in table.store.open_payments(ALL, None, 9)
    ] == [("pi_2", False), ("pi_1", True)]
    (payment,) = table.store.load(["pi_1"]).payments
    assert "AbCdEf" not in repr(payment)
    assert payment.column_text != "pi_1"


def test_a_link_beside_a_secret_keeps_the_secret(shop, bench, make_correction):
    """One statement writes both rows, and only the linked one's intent."""
    made = shop()
    made.insert(key=1, payment_intent=SECRET, status="pending")
    made.insert(key=2, payment_intent=None, status="pending", order="B")
    table = bench(made)
    with table.store.transaction(table.epoch) as page:
        one, two = page.read_again([], ["1", "2"], lock=True).payments
        writes = (
            make_correction(one, "paid"),
            make_correction(two, "paid", intent="pi_2"),
        )
        assert page.write(PageRecord(writes=writes)).refused == {}
    assert column(made, "payment_intent") == [SECRET, "pi_2"]
