"""When a payment is looked at again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.model.intent import Intent, NextAction
from reconciler.domain.outcome import Outcome
from reconciler.domain.polling.next_poll import (
    LAG,
    SHORTEST_PAUSE,
    SLOT_AFTER_DEADLINE,
    SLOT_AFTER_LIMIT,
    deadlines,
    next_poll,
)
from reconciler.domain.rules.payment_method_deadlines import (
    CAPTURE_WARNING,
    capture_is_expiring,
    expected_until,
    is_overdue,
)
from tests.unit.domain.samples import charge, intent, polls

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
HORIZON = 30 * DAY
MONDAY = datetime(2026, 6, 8, 10, 3, 27, tzinfo=UTC)
METHODS = (
    "card",
    "us_bank_account",
    "sepa_debit",
    "bacs_debit",
    "au_becs_debit",
    "nz_bank_account",
    "klarna",
    "paypal",
    "acss_debit",
    None,
)
ACTIONS = (
    "redirect_to_url",
    "oxxo_display_details",
    "boleto_display_details",
    "konbini_display_details",
    "multibanco_display_details",
    "pix_display_qr_code",
    "display_bank_transfer_instructions",
    "verify_with_microdeposits",
    "a_new_one",
)
STATUSES = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
    "a_new_status",
)


def at(status: str, created: datetime = MONDAY, **changes: object) -> Intent:
    """An intent created then, with nothing in it that has another time."""
    return intent(status, **{"created": created, "charge": None, "canceled_at": None, **changes})


def held(created: datetime, hours: float, method: str = "card") -> Intent:
    until = created + hours * HOUR
    return at(
        "requires_capture",
        created,
        method=method,
        charge=charge(created=created, method=method, capture_before=until),
    )


def voucher(kind: str, days: float, created: datetime = MONDAY) -> Intent:
    return at("requires_action", created, next_action=NextAction(kind, created + days * DAY))


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    """Any intent at all: every status, method and next action, with and without charge and deadlines."""
    created = MONDAY + draw(st.timedeltas(timedelta(0), 14 * DAY))
    after = st.timedeltas(timedelta(0), 40 * DAY)
    method = draw(st.sampled_from(METHODS))
    attempt = None
    if draw(st.booleans()):
        tried = created + draw(st.timedeltas(timedelta(0), 2 * DAY))
        until = draw(st.none() | after.map(lambda later: tried + later))
        attempt = charge(created=tried, method=method, capture_before=until)
    action = None
    if draw(st.booleans()):
        until = draw(st.none() | after.map(lambda later: created + later))
        action = NextAction(draw(st.sampled_from(ACTIONS)), until)
    made = at(draw(st.sampled_from(STATUSES)), created, method=method)
    failure = draw(st.sampled_from([None, "card_declined"]))
    return replace(made, charge=attempt, next_action=action, failure_code=failure)


ages = st.timedeltas(timedelta(0), 80 * DAY) | st.timedeltas(timedelta(0), HOUR)
jitters = st.floats(0, 1, exclude_max=True)
horizons = st.sampled_from([HOUR, DAY, 7 * DAY, HORIZON, 60 * DAY])


@settings(max_examples=400)
@given(intents(), ages, horizons, jitters)
def test_looks_end_with_the_later_of_horizon_and_deadline(
    waiting: Intent, age: timedelta, horizon: timedelta, jitter: float
) -> None:
    """Until then there is a next look, never sooner than the floor; the one after it is the last."""
    now = waiting.created + age
    limit = expected_until(waiting, None, horizon)
    look = next_poll(waiting, now, None, horizon, jitter)
    if now > limit:
        assert look is None
    else:
        assert look is not None
        assert now + SHORTEST_PAUSE <= look
        assert look <= max(limit + LAG + 1.1 * SLOT_AFTER_LIMIT, now + SHORTEST_PAUSE)


@settings(max_examples=400)
@given(intents(), ages, ages, horizons, jitters)
def test_a_later_examination_never_gives_an_earlier_look(
    waiting: Intent, one: timedelta, other: timedelta, horizon: timedelta, jitter: float
) -> None:
    """However a look is delayed, the next is not moved forward by that."""
    earlier, later = sorted((one, other))
    first = next_poll(waiting, waiting.created + earlier, None, horizon, jitter)
    second = next_poll(waiting, waiting.created + later, None, horizon, jitter)
    if second is not None:
        assert first is not None
        assert first <= second


@settings(max_examples=400)
@given(intents(), ages, horizons, jitters)
def test_jitter_moves_no_look_past_a_deadline(
    waiting: Intent, age: timedelta, horizon: timedelta, jitter: float
) -> None:
    """A look that is planned before a deadline comes before it, and jitter adds at most a tenth of the way to it."""
    now = waiting.created + age
    planned = next_poll(waiting, now, None, horizon, 0.0)
    moved = next_poll(waiting, now, None, horizon, jitter)
    if planned is None or moved is None:
        assert planned is moved is None
        return
    assert planned <= moved
    slots = SLOT_AFTER_LIMIT / 10 + (planned - now) * 0.2
    weekend = 2 * DAY if waiting.outcome is not Outcome.AUTHORIZED else timedelta(0)
    assert moved - planned <= slots + weekend
    for deadline in (*deadlines(waiting), expected_until(waiting, None, horizon)):
        assert moved <= max(deadline, now + SHORTEST_PAUSE) or planned > deadline


@settings(max_examples=150)
@given(intents(), horizons, jitters)
def test_after_every_deadline_there_is_a_look(
    waiting: Intent, horizon: timedelta, jitter: float
) -> None:
    """What ends with a moment is seen soon after it; nothing that stays as it is costs more than some dozens of reads."""
    every = list(polls(waiting, None, horizon, jitter))
    limit = expected_until(waiting, None, horizon)
    assert len(every) <= 60
    assert every[-1] > limit
    assert all(other - one >= SHORTEST_PAUSE for one, other in pairwise([waiting.created, *every]))
    soon = LAG + 1.1 * SLOT_AFTER_DEADLINE + SHORTEST_PAUSE
    for deadline in deadlines(waiting):
        if waiting.created < deadline < limit:
            assert any(deadline <= look <= deadline + soon for look in every)


def test_no_deadline_brings_a_look_within_the_floor() -> None:
    """Who was examined just before the look that follows a deadline is not examined again at once."""
    hold = held(MONDAY, 168)
    halfway = MONDAY + 84 * HOUR
    after = min(look for look in polls(hold, None, HORIZON, 0.5) if look > halfway)
    now = after - MINUTE / 2
    assert next_poll(hold, now - MINUTE, None, HORIZON, 0.5) == after
    assert next_poll(hold, now, None, HORIZON, 0.5) == now + SHORTEST_PAUSE


def test_the_hours_of_a_weekend_do_not_count() -> None:
    """A debit of Saturday and one of Sunday wait alike: the bank sees both on Monday."""
    saturday = datetime(2026, 6, 13, 9, 0, tzinfo=UTC)
    for hours in (0, 20, 38):
        debit = at("processing", saturday + hours * HOUR, method="sepa_debit")
        first = next_poll(debit, debit.created, None, HORIZON, 0.0)
        assert first == datetime(2026, 6, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("waiting", "first", "by_then"),
    [
        (at("requires_payment_method"), (10 * MINUTE, 20 * MINUTE), (4, DAY)),
        (at("requires_payment_method", failure_code="x"), (10 * MINUTE, 20 * MINUTE), (4, DAY)),
        (at("requires_action"), (10 * MINUTE, 20 * MINUTE), (4, DAY)),
        (at("processing", method="card"), (5 * MINUTE, 11 * MINUTE), (4, HOUR)),
        (at("processing", method="us_bank_account"), (DAY, 2 * DAY), (7, 4 * DAY + 12 * HOUR)),
        (at("processing", method="sepa_debit"), (2 * DAY, 3 * DAY), (6, 10 * DAY)),
        (at("processing", method="bacs_debit"), (2 * DAY, 3 * DAY), (2, 4 * DAY)),
        (at("processing", method="au_becs_debit"), (DAY, 2 * DAY), (4, 3 * DAY)),
        (at("processing", method="nz_bank_account"), (DAY, 2 * DAY), (2, 2 * DAY)),
        (at("processing", method="paypal"), (15 * MINUTE, 30 * MINUTE), (7, DAY)),
        (voucher("oxxo_display_details", 5), (DAY, 2 * DAY), (4, 5 * DAY + HOUR)),
        (voucher("konbini_display_details", 60), (DAY, 2 * DAY), (20, 50 * DAY)),
        (voucher("pix_display_qr_code", 1 / 6), (10 * MINUTE, 20 * MINUTE), (4, 5 * HOUR)),
        (at("requires_action", next_action=NextAction("display_bank_transfer_instructions")),
         (6 * HOUR, 12 * HOUR), (3, DAY)),
        (at("requires_action", next_action=NextAction("verify_with_microdeposits")),
         (DAY, 2 * DAY), (2, 3 * DAY)),
        (held(MONDAY, 168), (HOUR, 2 * HOUR), (10, 7 * DAY + HOUR)),
        (at("succeeded"), (HOUR, 2 * HOUR), (6, DAY)),
        (at("a_new_status"), (HOUR, 2 * HOUR), (6, DAY)),
    ],
)  # fmt: skip
def test_the_pace_of_each_wait(
    waiting: Intent, first: tuple[timedelta, timedelta], by_then: tuple[int, timedelta]
) -> None:
    """Minutes for a customer at a card form, hours to days for banks, and no more looks than the figure in a while."""
    every = [look - MONDAY for look in polls(waiting, None, 60 * DAY, 0.5)]
    assert first[0] <= every[0] <= first[1] * 1.1
    most, span = by_then
    assert most / 2 <= sum(look <= span for look in every) <= most


def test_an_abandoned_cart_is_asked_about_ever_more_rarely() -> None:
    """Each wait is longer than the one before; a month of it costs less than ten reads."""
    for hours in range(0, 24 * 7, 5):
        cart = at("requires_payment_method", MONDAY + hours * HOUR)
        every = list(polls(cart, None, HORIZON, 0.5))
        assert len(every) < 10
        waits = [other - one for one, other in pairwise([cart.created, *every[:-1]])]
        assert all(other >= one / 2 for one, other in pairwise(waits))
        assert waits[-1] > 4 * DAY


@given(
    st.timedeltas(timedelta(0), 7 * DAY),
    st.sampled_from(["us_bank_account", "sepa_debit", "bacs_debit", "au_becs_debit"]),
    jitters,
)
def test_banks_are_asked_on_business_days(later: timedelta, method: str, jitter: float) -> None:
    """No look falls on a weekend, but for those that follow a deadline of the payment's own."""
    debit = at("processing", MONDAY + later, method=method)
    after = (*deadlines(debit), expected_until(debit, None, HORIZON))
    for look in polls(debit, None, HORIZON, jitter):
        follows = any(deadline < look <= deadline + 7 * HOUR for deadline in after)
        assert look.weekday() < 5 or follows


@given(st.floats(1, 40 * 24), jitters, st.timedeltas(timedelta(0), 7 * DAY))
def test_an_authorization_is_looked_at_before_it_ends(
    hours: float, jitter: float, later: timedelta
) -> None:
    """Halfway, when a day is left so that the warning is given in time, and when it has ended."""
    hold = held(MONDAY + later, hours)
    assert hold.charge is not None
    until = hold.charge.capture_before
    assert until is not None
    every = list(polls(hold, None, HORIZON, jitter))
    halfway = hold.created + (until - hold.created) / 2
    assert any(halfway <= look <= halfway + 30 * MINUTE for look in every)
    warned = [look for look in every if look < until and capture_is_expiring(hold, look)]
    if hours > 24:
        assert warned
        assert warned[0] <= until - CAPTURE_WARNING + 30 * MINUTE
    assert any(until <= look for look in every)


def test_a_hold_without_a_date_has_its_method_s_length() -> None:
    """Where the charge has no capture_before, the documented validity of the method stands for it."""
    lengths = {"klarna": 28, "afterpay_clearpay": 13, "cashapp": 7, "paypal": 10, "link": 7}
    for method, days in lengths.items():
        attempt = charge(created=MONDAY + HOUR, method=method)
        hold = at("requires_capture", method=method, charge=attempt)
        assert MONDAY + HOUR + days * DAY in deadlines(hold)
    assert MONDAY + 7 * DAY in deadlines(at("requires_capture", method="card"))


def test_who_pays_in_the_last_minutes_is_seen_the_next_business_day() -> None:
    """A voucher that ends on a Friday is asked about then, on Monday, and when its time is over."""
    friday = MONDAY + 4 * DAY
    every = list(polls(voucher("oxxo_display_details", 4), None, HORIZON, 0.5))
    for expected in (friday, friday + 3 * DAY, friday + 5 * DAY):
        assert any(expected < look < expected + 30 * MINUTE for look in every)
    final = every[every.index(min(look for look in every if look > friday + 5 * DAY))]
    assert is_overdue(voucher("oxxo_display_details", 4), final)


def test_payments_of_an_account_come_due_together() -> None:
    """With one jitter, a thousand carts of a day share a few looks; with another the account's slots are elsewhere."""

    def when(jitter: float) -> set[datetime]:
        day = [at("requires_payment_method", MONDAY + n * DAY / 1000) for n in range(1000)]
        nows = [cart.created + 2 * DAY for cart in day]
        return {
            look
            for cart, now in zip(day, nows, strict=True)
            if (look := next_poll(cart, now, None, HORIZON, jitter))
        }

    assert len(when(0.3)) <= 2
    assert not when(0.3) & when(0.7)


def test_the_row_decides_about_the_horizon() -> None:
    """The horizon counts from the row's creation, where it has one: as it does for what is exhausted."""
    cart = at("requires_payment_method")
    now = MONDAY + 2 * DAY
    assert next_poll(cart, now, MONDAY, DAY, 0.5) is None
    assert next_poll(cart, now, MONDAY + 2 * DAY, DAY, 0.5) is not None
    assert next_poll(cart, now, None, DAY, 0.5) is None
