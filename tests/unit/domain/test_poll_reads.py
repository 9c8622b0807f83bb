"""What the schedule costs a shop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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


def shop(a_day: float) -> list[Cohort]:
    """Of a hundred payments five carts are left for good, one is a debit, one is captured later, one is a voucher."""
    return [
        Cohort(CART, a_day * 0.05, 40 * DAY),
        Cohort(DEBIT, a_day * 0.01, 6 * DAY),
        Cohort(HOLD, a_day * 0.01, 4 * DAY),
        Cohort(VOUCHER, a_day * 0.01, 5 * DAY),
    ]


def test_a_small_shop_stays_under_its_allowance() -> None:
    """Twenty transactions a month, ten carts left for each, a daily window sweep and the tail: under 10,000 reads."""
    cohorts = [
        Cohort(CART, 200 / 30, 40 * DAY),
        Cohort(DEBIT, 5 / 30, 6 * DAY),
        Cohort(HOLD, 5 / 30, 4 * DAY),
        Cohort(VOUCHER, 5 / 30, 5 * DAY),
    ]
    looks = 30 * reads_per_day(cohorts, 220 / 30, HORIZON)
    windows = 30 * 3
    interval = tail_interval(timedelta(minutes=1), 5_000)
    assert looks < 1500
    assert interval < timedelta(minutes=20)
    assert HORIZON / interval + looks + windows < 5001


def test_ten_times_the_open_payments_cost_hardly_more() -> None:
    """A hundred thousand payments a month, as many changes, ten times as many open: 1.1 x the reads of a day."""
    few = [Cohort(CART, 3333 * 0.03, 40 * DAY)]
    many = [Cohort(CART, 3333 * 0.30, 40 * DAY)]
    one, ten = (reads_per_day(cohorts, 3333, HORIZON) for cohorts in (few, many))
    assert TICKS_A_DAY + ten <= 1.1 * (TICKS_A_DAY + one)
    assert ten <= 0.2 * 3333


def test_looks_one_by_one_would_cost_ten_times_as_much() -> None:
    """What the common slots are for: without them each look at a cart would be a read of its own."""
    carts = 900
    together = reads_per_day([Cohort(CART, carts, 40 * DAY)], 3000, HORIZON)
    assert together < 0.1 * carts * len(list(polls(CART, None, HORIZON, 0.5)))


def test_intents_without_rows_make_lists_dear() -> None:
    """With ten intents a row fewer stretches are worth a list, and the day costs more."""
    dear = reads_per_day(shop(500), 500, HORIZON, listing_model=ListingModel(ratio=10))
    assert dear > 1.5 * reads_per_day(shop(500), 500, HORIZON)


def test_nobody_waiting_costs_nothing() -> None:
    """A shop without open payments is not looked at."""
    assert reads_per_day([], 1000, HORIZON) == 0


def test_a_payment_costs_its_looks() -> None:
    """One cart a day that is paid after a day costs its four looks of that day, each a read."""
    one = [Cohort(waiting("requires_payment_method", canceled_at=BEGIN), 1, DAY)]
    assert 3 <= reads_per_day(one, 1, HORIZON) <= 5
