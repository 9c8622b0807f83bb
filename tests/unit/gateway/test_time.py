from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from reconciler.adapters.stripe_gateway.stripe_time import parse_date

from reconciler.clock import ManualClock
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import StripeUnavailableError
from tests.unit.gateway.canned import DATE, error, intent, page, reply
from tests.unit.gateway.conftest import Rigging

THERE = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (DATE, THERE),
        ("Sunday, 01-Mar-26 12:00:00 GMT", THERE),
        ("Sun Mar  1 12:00:00 2026", THERE),
        ("Sun, 01 Mar 2026 13:00:00 +0100", THERE),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Mar 2026 12:00:00 GMT", None),
        ("0", None),
    ],
)
def test_a_date_header_is_read_in_every_form_of_http(
    value: str | None, expected: datetime | None
) -> None:
    """The three forms of RFC 7231 are read as aware times in UTC; anything else is no date, and no error."""
    assert parse_date(value) == expected


def test_now_is_stripes_time_moved_on(rig: Rigging, clock: ManualClock) -> None:
    """Money is judged by Stripe's clock, not by ours, and asking for it again costs no read."""
    made = rig(reply(intent()))
    made.gateway.retrieve("pi_1")
    clock.advance(timedelta(seconds=90))
    assert made.gateway.now() == THERE + timedelta(seconds=90)
    assert made.gateway.reads == 1


def test_now_costs_the_cheapest_read_where_nothing_was_read(rig: Rigging) -> None:
    """Before the first answer one object is listed, once, however many threads ask at once."""
    made = rig(reply(page([])))
    seen: list[datetime] = []
    threads = [threading.Thread(target=lambda: seen.append(made.gateway.now())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [THERE] * 5
    assert made.server.targets == ["/v1/payment_intents?limit=1"]


def test_the_latest_answer_sets_the_time(rig: Rigging, clock: ManualClock) -> None:
    """Each answer brings Stripe's time anew, a refusal too: an old one drifts away with our own clock."""
    later = "Sun, 01 Mar 2026 12:07:00 GMT"
    made = rig(reply(intent()), error(404, code="resource_missing", date=later))
    made.gateway.retrieve("pi_1")
    missing = made.gateway.retrieve("pi_1")
    assert missing.seen_at == made.gateway.now() == THERE + timedelta(minutes=7)


@pytest.mark.parametrize("date", [None, "soon"])
def test_without_a_readable_date_our_clock_serves(
    rig: Rigging, clock: ManualClock, date: str | None
) -> None:
    """An answer without a readable Date was seen now, by our clock."""
    made = rig(reply(page([intent()]), date=date))
    found = made.gateway.list_intents(TimeRange())
    assert found.seen_at == found.intents[0].seen_at == clock.now().replace(microsecond=0)


@pytest.mark.parametrize(("took", "earlier"), [(0.0, 0), (0.06, 1), (1.0, 1), (2.5, 3)], ids=str)
def test_an_answer_may_be_as_old_as_its_request(
    rig: Rigging, clock: ManualClock, took: float, earlier: int
) -> None:
    """The Date is that of the answer, and what it shows was read before: an event of the time between is newer.

    Stripe's times are whole seconds, so the moment of the request is rounded down to one.
    """

    def slow(_: str) -> bytes:
        clock.advance(timedelta(seconds=took))
        return reply(page([intent()]))

    made = rig(slow)
    found = made.gateway.list_intents(TimeRange())
    assert found.seen_at == found.intents[0].seen_at == THERE - timedelta(seconds=earlier)
    assert made.gateway.now() == THERE


def test_a_proxys_date_is_not_stripes(rig: Rigging) -> None:
    """An error page without Stripe's Request-Id tells somebody else's time: money is not judged by it."""
    hours_later = "Sun, 01 Mar 2026 18:00:00 GMT"
    made = rig(reply(intent()), reply(b"<html>", 502, date=hours_later, request_id=""))
    made.gateway.retrieve("pi_1")
    with pytest.raises(StripeUnavailableError):
        made.gateway.retrieve("pi_1")
    assert made.gateway.now() - THERE < timedelta(hours=1)


def test_now_fails_where_nobody_answers(rig: Rigging) -> None:
    """Without any answer there is no time to judge by: that is an error, not our own clock's guess."""
    with pytest.raises(StripeUnavailableError):
        rig(error(500)).gateway.now()
