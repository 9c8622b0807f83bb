"""Runs of the delivery, with an outbox and an endpoint made of plain lists."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.outbox_message import (
    Attempt,
    MessageType,
    OutboxMessage,
    Receipt,
    receipt_of,
)
from reconciler.engine.delivery.circuit_breaker import (
    FAILURES,
    LONGEST_PROBE_SECONDS,
    CircuitBreaker,
)
from reconciler.engine.delivery.deliver import RUN_SECONDS, Delivery, DeliveryReport, DeliveryTerms
from reconciler.errors import LeaseLostError, StoppedError
from tests.unit.engine.doubles import NOW

SECRET = "whsec_" + "a" * 32


@dataclass
class PlainOutbox:
    """Messages by number. Those that failed wait until ``try_now``."""

    due: list[int]
    waiting: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    resumed: int = 0
    tries: Counter[int] = field(default_factory=Counter)

    def claim(self, epoch: int, seconds: float, *, probe: bool = False) -> Attempt | None:
        if not self.due:
            return None
        number = min(self.due, key=lambda one: (self.tries[one] if probe else 0, one))
        self.tries[number] += 1
        message = OutboxMessage(
            "default",
            number,
            MessageType.CORRECTED,
            NOW,
            str(number),
            "pi",
            "pending",
            "paid",
            "succeeded",
            1,
        )
        return Attempt(message, 1, 0.0)

    def delivered(self, number: int) -> None:
        self.due.remove(number)
        self.done.append(number)

    def failed(self, attempt: Attempt, error: str, seconds: float, *, given_up: bool) -> None:
        self.due.remove(attempt.message.number)
        (self.given_up if given_up else self.waiting).append(attempt.message.number)

    def try_now(self, most_attempts: int) -> int:
        self.resumed += 1
        again = [number for number in self.waiting if self.tries[number] <= most_attempts]
        self.waiting = [number for number in self.waiting if number not in again]
        self.due = sorted(self.due + again)
        return len(again)


@dataclass
class PlainSender:
    """Answers with ``status``; each request takes ``seconds``."""

    clock: ManualClock
    status: int = 200
    seconds: float = 0.0
    posts: int = 0

    refused: Mapping[str, int] = field(default_factory=dict)
    """The status for single payments, by their key."""

    def post(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        self.posts += 1
        self.clock.advance(timedelta(seconds=self.seconds))
        key = json.loads(body)["data"]["payment_key"]
        return receipt_of(self.refused.get(key, self.status))


class Bench:
    """One delivery with its outbox, sender and clock. It is the Progress of its runs as well."""

    def __init__(self, count: int) -> None:
        self.clock = ManualClock(NOW)
        self.outbox = PlainOutbox(list(range(1, count + 1)))
        self.sender = PlainSender(self.clock)
        self.circuit = CircuitBreaker(self.clock, lambda: 0.0)
        self.terms = DeliveryTerms(SECRET, timedelta(seconds=10), timedelta(days=3))
        self.check_lease: Callable[[], None] = lambda: None
        self.progress: list[int] = []
        self.delivery = self.delivery_of(self.outbox)

    def delivery_of(self, outbox: PlainOutbox, account: str = "default") -> Delivery:
        return Delivery(
            account, outbox, self.sender, self.clock, self.circuit, self.terms, lambda: 0.0
        )

    def advance(self, examined: int, total: int | None) -> None:
        self.progress.append(examined)

    def run(self) -> DeliveryReport:
        return self.delivery.run(1, self.check_lease, self)

    def wait(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


def test_all_that_is_due_goes_out_in_order() -> None:
    """The oldest message goes first, and each one counts as progress."""
    bench = Bench(5)
    report = bench.run()
    assert (report.delivered, report.failed) == (5, 0)
    assert bench.outbox.done == [1, 2, 3, 4, 5]
    assert bench.progress == [1, 2, 3, 4, 5]


def test_a_refused_message_does_not_delay_the_others() -> None:
    """An endpoint that answers 404 to single messages is not down: all others go out at once."""
    bench = Bench(40)
    bench.sender.refused = {str(number): 404 for number in range(1, 31)}
    report = bench.run()
    assert (report.delivered, report.failed, report.endpoint_down) == (10, 30, False)


def test_a_probe_is_the_message_with_the_fewest_attempts() -> None:
    """If the endpoint fails each time at certain messages, another message shows that it is not down."""
    bench = Bench(20)
    bench.sender.refused = {str(number): 500 for number in range(1, FAILURES + 1)}
    for _ in range(2 * FAILURES):
        bench.run()
        bench.wait(LONGEST_PROBE_SECONDS)
    assert set(bench.outbox.done) == set(range(FAILURES + 1, 21))


def test_an_endpoint_that_is_down_gets_few_requests() -> None:
    """After a few failures in a row nothing is sent but one probe after each pause, and the pauses grow."""
    bench = Bench(1000)
    bench.sender.status = 503
    assert bench.run().endpoint_down
    assert bench.sender.posts == FAILURES
    bench.run()
    assert bench.sender.posts == FAILURES
    for _ in range(100):
        bench.wait(LONGEST_PROBE_SECONDS + 1)
        before = bench.sender.posts
        bench.run()
        bench.run()
        assert bench.sender.posts == before + 1
    assert len(bench.outbox.done) == 0


def test_a_day_of_outage_costs_few_requests() -> None:
    """If a run begins every ten seconds for a day, one probe is sent every five minutes."""
    bench = Bench(1000)
    bench.sender.status = 500
    for _ in range(8640):
        bench.run()
        bench.wait(10)
    assert 250 < bench.sender.posts < 300


def test_everything_is_delivered_after_the_first_success() -> None:
    """A message that failed because the endpoint was down does not wait for its own retry."""
    bench = Bench(20)
    bench.sender.status = 500
    bench.run()
    assert bench.outbox.waiting == [1, 2, 3]
    bench.sender.status = 200
    bench.wait(LONGEST_PROBE_SECONDS)
    report = bench.run()
    assert report.delivered == 20
    assert not report.endpoint_down
    assert bench.outbox.resumed == 1


def test_accounts_share_the_state_of_the_endpoint() -> None:
    """If the endpoint failed for one account, another account sends nothing to it either."""
    bench = Bench(10)
    bench.sender.status = 500
    bench.run()
    outbox = PlainOutbox([1, 2, 3], waiting=[4])
    assert bench.delivery_of(outbox, "other").run(1, lambda: None, bench).failed == 0
    assert bench.sender.posts == FAILURES
    bench.sender.status = 200
    bench.wait(LONGEST_PROBE_SECONDS)
    bench.run()
    bench.delivery_of(outbox, "other").run(1, lambda: None, bench)
    assert sorted(outbox.done) == [1, 2, 3, 4]


def test_a_row_that_the_endpoint_refuses_does_not_stop_the_others() -> None:
    """One failure among successes concerns one message, so the endpoint does not count as down."""
    bench = Bench(3)
    statuses = iter([200, 410, 200])
    original = bench.sender.post

    def post(body: bytes, headers: Mapping[str, str]) -> Receipt:
        bench.sender.status = next(statuses)
        return original(body, headers)

    bench.sender.post = post  # type: ignore[method-assign]
    report = bench.run()
    assert (report.delivered, report.failed, report.endpoint_down) == (2, 1, False)
    assert bench.outbox.waiting == [2]
    assert report.last_fault == "the endpoint answered 410"


def test_what_was_tried_for_long_enough_is_given_up() -> None:
    """A message whose time is over is not tried again, and the report counts it."""
    bench = Bench(1)
    bench.terms = replace(bench.terms, give_up=timedelta(0))
    bench.delivery = bench.delivery_of(bench.outbox)
    bench.sender.status = 500
    report = bench.run()
    assert (report.failed, report.given_up) == (1, 1)
    assert bench.outbox.given_up == [1]


@pytest.mark.parametrize("error", [LeaseLostError("gone."), StoppedError("stop.")])
def test_it_stops_between_two_messages(error: LeaseLostError | StoppedError) -> None:
    """After the lease is lost or the service has to stop, nothing more is sent, and neither counts as an error."""
    bench = Bench(5)

    def check_lease() -> None:
        if bench.sender.posts == 2:
            raise error

    bench.check_lease = check_lease
    report = bench.run()
    assert bench.outbox.done == [1, 2]
    assert report.failure is error
    assert report.error_met is None


def test_a_slow_endpoint_does_not_make_a_run_endless() -> None:
    """A run ends after its time, however many messages wait."""
    bench = Bench(1000)
    bench.sender.seconds = 9
    assert bench.run().delivered == RUN_SECONDS // 9 + 1


def test_the_secret_is_in_no_text() -> None:
    """Neither the terms nor the report show it."""
    bench = Bench(1)
    assert SECRET not in repr(bench.terms)
    assert SECRET not in str(bench.run().as_json())
