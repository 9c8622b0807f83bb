"""An answer of Stripe that is older than 30 s is fetched again before anything is recorded by it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.model.page import IntentPage
from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.reads.fetcher import STALE_SECONDS
from reconciler.engine.report import SweepKind
from reconciler.errors import StripeUnavailableError
from tests.integration.engine.sweeps import LAST_WEEK, SweepRunner


def after_the_load(sweeps: SweepRunner, seconds: float, status: str) -> None:
    """Let so many seconds go by after each page was loaded, and the intent have this status from then on."""
    time_passed = timedelta(seconds=seconds)

    class SlowStore:
        def __init__(self, store: object) -> None:
            self._store = store

        def __getattr__(self, name: str) -> object:
            return getattr(self._store, name)

        def load(self, *args: object) -> object:
            loaded = self._store.load(*args)  # type: ignore[attr-defined]
            # once: a negative answer is loaded again with its order
            nonlocal time_passed
            sweeps.clock.advance(time_passed)
            time_passed = timedelta()
            sweeps.add_intent("pi_1", status)
            return loaded

    sweeps.wrap = SlowStore  # type: ignore[assignment,return-value]


@pytest.mark.parametrize(
    ("seconds", "read", "written"),
    [
        (STALE_SECONDS, ["pi_1"], "failed"),
        (STALE_SECONDS + 0.1, ["pi_1", "pi_1"], "paid"),
    ],
)
def test_a_row_is_written_by_no_stale_answer(
    sweeps: SweepRunner, seconds: float, read: list[str], written: str
) -> None:
    """The attempt had failed and the customer has paid since: after 30 s the intent is fetched again, and paid is written."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1", "requires_payment_method", failure_code="card_declined")
    after_the_load(sweeps, seconds, "succeeded")
    assert sweeps.run(SweepKind.DUE).corrected == 1
    assert sweeps.stripe.asked == read
    assert sweeps.statuses() == {"1": written}


def test_a_final_answer_is_never_stale(sweeps: SweepRunner) -> None:
    """Succeeded does not change any more, so it is recorded without another read of the intent."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1")
    after_the_load(sweeps, 10 * STALE_SECONDS, "succeeded")
    assert sweeps.run(SweepKind.DUE).corrected == 1
    assert sweeps.stripe.asked == ["pi_1"]


def test_a_stale_answer_that_cannot_be_fetched_again_is_not_recorded(sweeps: SweepRunner) -> None:
    """Nothing is written for it, and the report names it as not examined."""
    sweeps.add_row(1, "pi_1")
    sweeps.add_intent("pi_1", "requires_payment_method", failure_code="card_declined")
    after_the_load(sweeps, STALE_SECONDS + 1, "requires_payment_method")

    def fail(_: str) -> None:
        if sweeps.stripe.asked == ["pi_1", "pi_1"]:
            raise StripeUnavailableError("Stripe answered 500.", "Try again later.")

    sweeps.stripe.fail = fail
    report = sweeps.run(SweepKind.DUE)
    assert (report.complete, report.corrected) == (False, 0)
    assert [item.what for item in report.unexamined] == ["pi_1"]
    assert sweeps.statuses() == {"1": "pending"}


def test_an_intent_without_a_row_is_reported_by_no_stale_answer(sweeps: SweepRunner) -> None:
    """Money was on hold when the list was read, and the hold has been canceled since: there is nothing to report."""
    sweeps.add_row(1, "pi_1", "paid")
    sweeps.add_intent("pi_1")
    sweeps.add_intent("pi_held", "requires_capture")
    listed = sweeps.stripe.list_intents

    def list_intents(created: TimeRange, after: str | None = None) -> IntentPage:
        page = listed(created, after)
        sweeps.clock.advance(timedelta(seconds=STALE_SECONDS + 1))
        sweeps.add_intent("pi_held", "canceled", canceled_at=LAST_WEEK)
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    report = sweeps.run(SweepKind.WINDOW)
    assert Kind.MISSING_LOCALLY not in report.discrepancies
    assert sweeps.stripe.asked == ["pi_held"]


def test_a_row_is_linked_by_no_stale_answer(sweeps: SweepRunner) -> None:
    """Of an order's two intents the older one was paid after the list was read: the row is linked to that one."""
    sweeps.with_rules(link_metadata="order_id")
    sweeps.add_row(9, "pi_other", "paid", order="o9")
    sweeps.add_intent("pi_other")
    sweeps.add_row(1, None, order="o1")
    order = {"order_id": "o1"}
    older, newer = LAST_WEEK + timedelta(hours=1), LAST_WEEK + timedelta(hours=2)
    sweeps.add_intent("pi_a", "requires_payment_method", metadata=order, created=older)
    sweeps.add_intent("pi_b", "canceled", metadata=order, created=newer, canceled_at=newer)
    listed = sweeps.stripe.list_intents

    def list_intents(created: TimeRange, after: str | None = None) -> IntentPage:
        page = listed(created, after)
        sweeps.clock.advance(timedelta(seconds=STALE_SECONDS + 1))
        sweeps.add_intent("pi_a", metadata=order, created=older)
        return page

    sweeps.stripe.list_intents = list_intents  # type: ignore[method-assign]
    sweeps.run(SweepKind.WINDOW)
    row = sweeps.shop.rows()["1"]
    assert (row["payment_intent"], row["status"]) == ("pi_a", "paid")
