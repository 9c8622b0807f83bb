"""When an open payment is polled next."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

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
from tests.unit.domain.samples import SECOND, charge, intent, polls
from tests.unit.domain.seeds import seeds

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
    """An intent of this time that has no other time in it."""
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


@dataclass(frozen=True)
class Question:
    """What one seed makes: an intent, two times at which it may have been read, and the settings of its polls."""

    seed: int
    intent: Intent
    now: datetime
    other_now: datetime
    horizon: timedelta
    jitter: float

    def next_poll(
        self, now: datetime | None = None, jitter: float | None = None
    ) -> datetime | None:
        used = self.jitter if jitter is None else jitter
        return next_poll(self.intent, now or self.now, None, self.horizon, used)

    def limit(self) -> datetime:
        return expected_until(self.intent, None, self.horizon)


def question(seed: int) -> Question:
    """Any intent: every status, method and next action, with and without charge and deadlines."""
    chance = random.Random(seed)

    def later(than: datetime, days: float) -> datetime:
        return than + chance.random() * days * DAY

    created = later(MONDAY, 14)
    method = chance.choice(METHODS)
    attempt = None
    if chance.random() < 0.5:
        tried = later(created, 2)
        until = chance.choice([None, later(tried, 40)])
        attempt = charge(created=tried, method=method, capture_before=until)
    action = None
    if chance.random() < 0.5:
        action = NextAction(chance.choice(ACTIONS), chance.choice([None, later(created, 40)]))
    waiting = replace(
        at(chance.choice(STATUSES), created, method=method),
        charge=attempt,
        next_action=action,
        failure_code=chance.choice([None, "card_declined"]),
    )
    horizon = chance.choice([HOUR, DAY, 7 * DAY, HORIZON, 60 * DAY])
    # the moments around a deadline are those at which a rule is most easily wrong
    edges = [*deadlines(waiting), expected_until(waiting, None, horizon)]
    edge = chance.choice(edges) + chance.choice([-1, 0, 1, LAG // SECOND]) * SECOND
    times = [created, later(created, 1 / 24), later(created, 80), max(created, edge)]
    now, other_now = chance.choice(times), chance.choice([later(created, 1 / 24), *times])
    jitter = chance.choice([0.0, chance.random(), 0.999])
    return Question(seed, waiting, now, other_now, horizon, jitter)


@seeds(few=500, many=40_000)
def test_polls_end_with_the_later_of_horizon_and_deadline(numbers: range) -> None:
    """Until then there is a next poll, at least a minute away; the poll that follows is the last."""
    for seed in numbers:
        asked = question(seed)
        limit, poll = asked.limit(), asked.next_poll()
        if asked.now > limit:
            assert poll is None, asked
        else:
            assert poll is not None, asked
            earliest = asked.now + SHORTEST_PAUSE
            assert earliest <= poll <= max(limit + LAG + 1.1 * SLOT_AFTER_LIMIT, earliest), asked


@seeds(few=500, many=40_000)
def test_a_later_read_never_gives_an_earlier_poll(numbers: range) -> None:
    """A delayed poll does not bring the next one forward."""
    for seed in numbers:
        asked = question(seed)
        earlier, later = sorted((asked.now, asked.other_now))
        first, second = asked.next_poll(earlier), asked.next_poll(later)
        if second is not None:
            assert first is not None, asked
            assert first <= second, asked


@seeds(few=500, many=40_000)
def test_jitter_moves_no_poll_past_a_deadline(numbers: range) -> None:
    """A poll before a deadline stays before it, and jitter adds at most a tenth of its interval."""
    for seed in numbers:
        asked = question(seed)
        planned, moved = asked.next_poll(jitter=0.0), asked.next_poll()
        if planned is None or moved is None:
            assert planned is moved is None, asked
            continue
        assert planned <= moved, asked
        slots = SLOT_AFTER_LIMIT / 10 + (planned - asked.now) * 0.2
        weekend = 2 * DAY if asked.intent.outcome is not Outcome.AUTHORIZED else timedelta(0)
        assert moved - planned <= slots + weekend, asked
        for deadline in (*deadlines(asked.intent), asked.limit()):
            is_before = moved <= max(deadline, asked.now + SHORTEST_PAUSE)
            assert is_before or planned > deadline, asked


@seeds(few=300, many=10_000)
def test_a_poll_follows_every_deadline(numbers: range) -> None:
    """A poll comes soon after every deadline, and an intent that never changes costs at most 60 polls."""
    for seed in numbers:
        asked = question(seed)
        waiting, limit = asked.intent, asked.limit()
        every = list(polls(waiting, None, asked.horizon, asked.jitter))
        assert len(every) <= 60, asked
        assert every[-1] > limit, asked
        pauses = [other - one for one, other in pairwise([waiting.created, *every])]
        assert all(pause >= SHORTEST_PAUSE for pause in pauses), asked
        soon = LAG + 1.1 * SLOT_AFTER_DEADLINE + SHORTEST_PAUSE
        for deadline in deadlines(waiting):
            if waiting.created < deadline < limit:
                assert any(deadline <= poll <= deadline + soon for poll in every), asked


def test_no_deadline_brings_a_poll_within_the_shortest_pause() -> None:
    """An intent that was read just before the poll that follows a deadline is not read again at once."""
    hold = held(MONDAY, 168)
    halfway = MONDAY + 84 * HOUR
    after = min(poll for poll in polls(hold, None, HORIZON, 0.5) if poll > halfway)
    now = after - MINUTE / 2
    assert next_poll(hold, now - MINUTE, None, HORIZON, 0.5) == after
    assert next_poll(hold, now, None, HORIZON, 0.5) == now + SHORTEST_PAUSE


def test_the_hours_of_a_weekend_do_not_count() -> None:
    """A debit of Saturday and a debit of Sunday are polled first at the same time, because the bank works on Monday."""
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
def test_how_often_each_wait_is_polled(
    waiting: Intent, first: tuple[timedelta, timedelta], by_then: tuple[int, timedelta]
) -> None:
    """The first poll comes after minutes for a customer and after days for a bank; the number of polls is bounded."""
    every = [poll - MONDAY for poll in polls(waiting, None, 60 * DAY, 0.5)]
    assert first[0] <= every[0] <= first[1] * 1.1
    most, span = by_then
    assert most / 2 <= sum(poll <= span for poll in every) <= most


def test_an_abandoned_cart_is_polled_ever_more_rarely() -> None:
    """The pauses grow, and a month costs less than ten reads."""
    for hours in range(0, 24 * 7, 5):
        cart = at("requires_payment_method", MONDAY + hours * HOUR)
        every = list(polls(cart, None, HORIZON, 0.5))
        assert len(every) < 10
        waits = [other - one for one, other in pairwise([cart.created, *every[:-1]])]
        assert all(other >= one / 2 for one, other in pairwise(waits))
        assert waits[-1] > 4 * DAY


@seeds(few=100, many=3000)
def test_banks_are_polled_on_business_days(numbers: range) -> None:
    """No poll falls on a weekend, except one that follows a deadline of the payment."""
    for seed in numbers:
        chance = random.Random(seed)
        method = chance.choice(["us_bank_account", "sepa_debit", "bacs_debit", "au_becs_debit"])
        debit = at("processing", MONDAY + chance.random() * 7 * DAY, method=method)
        moments = (*deadlines(debit), expected_until(debit, None, HORIZON))
        for poll in polls(debit, None, HORIZON, chance.random()):
            follows = any(moment < poll <= moment + 7 * HOUR for moment in moments)
            assert poll.weekday() < 5 or follows, seed


@seeds(few=200, many=5000)
def test_an_authorization_is_polled_before_it_ends(numbers: range) -> None:
    """A poll comes halfway, another when a day is left so that the warning is in time, and another after the end."""
    for seed in numbers:
        chance = random.Random(seed)
        hours = chance.uniform(1, 40 * 24)
        hold = held(MONDAY + chance.random() * 7 * DAY, hours)
        assert hold.charge is not None
        end = hold.charge.capture_before
        assert end is not None
        every = list(polls(hold, None, HORIZON, chance.random()))
        halfway = hold.created + (end - hold.created) / 2
        assert any(halfway <= poll <= halfway + 30 * MINUTE for poll in every), seed
        if hours > 24:
            warned = [poll for poll in every if poll < end and capture_is_expiring(hold, poll)]
            assert warned, seed
            assert warned[0] <= end - CAPTURE_WARNING + 30 * MINUTE, seed
        assert any(end <= poll for poll in every), seed


def test_an_authorization_without_capture_before_lasts_as_long_as_its_method() -> None:
    """The documented time of the payment method stands for a missing capture_before."""
    lengths = {"klarna": 28, "afterpay_clearpay": 13, "cashapp": 7, "paypal": 10, "link": 7}
    for method, days in lengths.items():
        attempt = charge(created=MONDAY + HOUR, method=method)
        hold = at("requires_capture", method=method, charge=attempt)
        assert MONDAY + HOUR + days * DAY in deadlines(hold)
    assert MONDAY + 4 * DAY + 18 * HOUR in deadlines(at("requires_capture", method="card"))


def test_a_voucher_paid_in_its_last_minutes_is_seen_on_the_next_business_day() -> None:
    """A voucher that ends on a Friday is polled then, on Monday, and when it becomes overdue."""
    friday = MONDAY + 4 * DAY
    paid_late = voucher("oxxo_display_details", 4)
    every = list(polls(paid_late, None, HORIZON, 0.5))
    for expected in (friday, friday + 3 * DAY, friday + 5 * DAY):
        assert any(expected < poll < expected + 30 * MINUTE for poll in every)
    assert is_overdue(paid_late, min(poll for poll in every if poll > friday + 5 * DAY))


def test_payments_of_an_account_are_due_together() -> None:
    """With one jitter a thousand carts of a day share two polls; with another jitter the polls lie elsewhere."""

    def times(jitter: float) -> set[datetime]:
        found: set[datetime] = set()
        for number in range(1000):
            cart = at("requires_payment_method", MONDAY + number * DAY / 1000)
            poll = next_poll(cart, cart.created + 2 * DAY, None, HORIZON, jitter)
            if poll is not None:
                found.add(poll)
        return found

    assert 1 <= len(times(0.3)) <= 2
    assert not times(0.3) & times(0.7)


def test_the_horizon_begins_with_the_row() -> None:
    """The row's time counts if the row has one, as it does for exhausted findings."""
    cart = at("requires_payment_method")
    now = MONDAY + 2 * DAY
    assert next_poll(cart, now, MONDAY, DAY, 0.5) is None
    assert next_poll(cart, now, MONDAY + 2 * DAY, DAY, 0.5) is not None
    assert next_poll(cart, now, None, DAY, 0.5) is None
