from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.adapters.stripe_gateway.transport import parse_date
from reconciler.clock import ManualClock
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import StripeUnavailableError
from tests.unit.gateway.canned_server import DATE, error, intent, page, reply
from tests.unit.gateway.conftest import Serve

STRIPE_TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (DATE, STRIPE_TIME),
        ("Sunday, 01-Mar-26 12:00:00 GMT", STRIPE_TIME),
        ("Sun Mar  1 12:00:00 2026", STRIPE_TIME),
        ("Sun, 01 Mar 2026 13:00:00 +0100", STRIPE_TIME),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Sun, 99 Mar 2026 12:00:00 GMT", None),
        ("0", None),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
    ],
)
def test_a_date_header_is_read_in_every_format_of_http(
    value: str | None, expected: datetime | None
) -> None:
    """The three date formats of RFC 7231 are read as aware times in UTC. Any other text is no date, and no error."""
    assert parse_date(value) == expected


def test_now_is_stripes_time_advanced(serve: Serve, clock: ManualClock) -> None:
    """Decisions about money use Stripe's clock, not this machine's. A second call costs no read."""
    served = serve(reply(intent()))
    served.gateway.retrieve("pi_1")
    clock.advance(timedelta(seconds=90))
    assert served.gateway.now() == STRIPE_TIME + timedelta(seconds=90)
    assert served.gateway.reads == 1


def test_the_first_now_costs_the_cheapest_read(serve: Serve) -> None:
    """Before the first answer, one object is listed once, even if many threads ask at the same time."""
    served = serve(reply(page([])))
    seen: list[datetime] = []
    threads = [threading.Thread(target=lambda: seen.append(served.gateway.now())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [STRIPE_TIME] * 5
    assert served.server.targets == ["/v1/payment_intents?limit=1"]


def test_the_latest_answer_sets_the_time(serve: Serve, clock: ManualClock) -> None:
    """Each answer sets Stripe's time anew, a refusal too: an old time would drift with this machine's clock."""
    later = "Sun, 01 Mar 2026 12:07:00 GMT"
    served = serve(reply(intent()), error(404, code="resource_missing", date=later))
    served.gateway.retrieve("pi_1")
    missing = served.gateway.retrieve("pi_1")
    assert missing.seen_at == served.gateway.now() == STRIPE_TIME + timedelta(minutes=7)


@pytest.mark.parametrize("date", [None, "soon"])
def test_without_a_readable_date_the_machines_clock_serves(
    serve: Serve, clock: ManualClock, date: str | None
) -> None:
    """An answer without a readable Date was seen now, by this machine's clock."""
    served = serve(reply(page([intent()]), date=date))
    found = served.gateway.list_intents(TimeRange())
    assert found.seen_at == found.intents[0].seen_at == clock.now().replace(microsecond=0)


@pytest.mark.parametrize(("took", "earlier"), [(0.0, 0), (0.06, 1), (1.0, 1), (2.5, 3)], ids=str)
def test_an_answer_may_be_as_old_as_its_request(
    serve: Serve, clock: ManualClock, took: float, earlier: int
) -> None:
    """Date is the time of the answer, but Stripe read the object before it: an event in between is newer.

    Stripe's times are whole seconds, so the time of the request is rounded down to one.
    """

    def slow(_: str) -> bytes:
        clock.advance(timedelta(seconds=took))
        return reply(page([intent()]))

    served = serve(slow)
    found = served.gateway.list_intents(TimeRange())
    assert found.seen_at == found.intents[0].seen_at == STRIPE_TIME - timedelta(seconds=earlier)
    assert served.gateway.now() == STRIPE_TIME


def test_a_proxys_date_is_not_stripes(serve: Serve) -> None:
    """An error page without Stripe's Request-Id has a proxy's time, which decides nothing about money."""
    hours_later = "Sun, 01 Mar 2026 18:00:00 GMT"
    served = serve(reply(intent()), reply(b"<html>", 502, date=hours_later, request_id=""))
    served.gateway.retrieve("pi_1")
    with pytest.raises(StripeUnavailableError):
        served.gateway.retrieve("pi_1")
    assert served.gateway.now() - STRIPE_TIME < timedelta(hours=1)


def test_now_fails_without_any_answer(serve: Serve) -> None:
    """Without any answer, Stripe's time is unknown: that is an error, and this machine's clock does not replace it."""
    with pytest.raises(StripeUnavailableError):
        serve(error(500)).gateway.now()
