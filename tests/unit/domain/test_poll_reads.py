"""How many reads the polls of a shop cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.domain.model.intent import Intent, NextAction
from reconciler.domain.planning.histogram import ListingModel
from reconciler.domain.read_limits_and_shortage import tail_interval
from tests.unit.domain.poll_workload import Cohort, reads_per_day
from tests.unit.domain.samples import charge, intent, polls

DAY = timedelta(days=1)
HORIZON = 30 * DAY
BEGIN = datetime(2026, 6, 8, 10, 3, 27, tzinfo=UTC)
TICKS_A_DAY = DAY / timedelta(seconds=10)


def waiting(status: str, **changes: object) -> Intent:
    return intent(status, **{"created": BEGIN, "charge": None, "canceled_at": None, **changes})


CART = waiting("requires_payment_method")
DEBIT = waiting(
    "processing", method="sepa_debit", charge=charge(created=BEGIN, method="sepa_debit")
)
HOLD = waiting("requires_capture", charge=charge(created=BEGIN, capture_before=BEGIN + 7 * DAY))
VOUCHER = waiting(
    "requires_action", next_action=NextAction("oxxo_display_details", BEGIN + 5 * DAY)
)


def open_payments(a_day: float) -> list[Cohort]:
    """Of a hundred payments five are abandoned carts, one is a debit, one is captured later and one is a voucher."""
    return [
        Cohort(CART, a_day * 0.05, 40 * DAY),
        Cohort(DEBIT, a_day * 0.01, 6 * DAY),
        Cohort(HOLD, a_day * 0.01, 4 * DAY),
        Cohort(VOUCHER, a_day * 0.01, 5 * DAY),
    ]


def test_a_small_shop_stays_under_the_read_quota() -> None:
    """Twenty payments a month, ten abandoned carts for each, a daily window sweep and the tail: half of 10,000 reads."""
    cohorts = [
        Cohort(CART, 200 / 30, 40 * DAY),
        Cohort(DEBIT, 5 / 30, 6 * DAY),
        Cohort(HOLD, 5 / 30, 4 * DAY),
        Cohort(VOUCHER, 5 / 30, 5 * DAY),
    ]
    poll_reads = 30 * reads_per_day(cohorts, 220 / 30, HORIZON, days=30)
    window_reads = 30 * 3
    interval = tail_interval(timedelta(minutes=1), 5_000)
    assert poll_reads < 1500
    assert interval < timedelta(minutes=20)
    assert HORIZON / interval + poll_reads + window_reads < 5001


@pytest.mark.long
def test_ten_times_the_open_payments_cost_a_tenth_more() -> None:
    """With a hundred thousand payments a month, ten times as many open ones make the reads of a day 1.1 times as many."""
    few = [Cohort(CART, 3333 * 0.03, 40 * DAY)]
    many = [Cohort(CART, 3333 * 0.30, 40 * DAY)]
    one, ten = (reads_per_day(cohorts, 3333, HORIZON) for cohorts in (few, many))
    assert TICKS_A_DAY + ten <= 1.1 * (TICKS_A_DAY + one)
    assert ten <= 0.2 * 3333


def test_polls_that_share_slots_cost_a_tenth_of_single_polls() -> None:
    """A list covers the polls of one slot. Without slots each poll of a cart would be a read."""
    carts = 900
    together = reads_per_day([Cohort(CART, carts, 40 * DAY)], 3000, HORIZON)
    assert together < 0.1 * carts * len(list(polls(CART, None, HORIZON, 0.5)))


def test_intents_without_rows_make_lists_expensive() -> None:
    """With ten intents for each row fewer lists are worth their reads, and a day costs more."""
    expensive = reads_per_day(
        open_payments(500), 500, HORIZON, listing_model=ListingModel(ratio=10)
    )
    assert expensive > 1.5 * reads_per_day(open_payments(500), 500, HORIZON)


def test_a_shop_without_open_payments_costs_nothing() -> None:
    """Nothing is polled."""
    assert reads_per_day([], 1000, HORIZON) == 0


def test_a_single_payment_costs_a_read_for_each_poll() -> None:
    """One cart a day that is paid after a day costs the four polls of that day."""
    one = [Cohort(waiting("requires_payment_method", canceled_at=BEGIN), 1, DAY)]
    assert 3 <= reads_per_day(one, 1, HORIZON) <= 5
