"""A sweep that has to stop: the current page is recorded, and no other page is begun."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.engine.report import SweepKind, SweepReport
from reconciler.errors import (
    LeaseLostError,
    ReconcilerError,
    StoppedError,
    StripeUnavailableError,
)
from tests.integration.engine.sweeps import HeldLease, SweepRunner

STOP = StoppedError("The service was stopped.")


def raising_after(calls: int, error: ReconcilerError) -> Callable[[], None]:
    """A check of the lease that raises this error in every call after so many."""
    made = 0

    def check_lease() -> None:
        nonlocal made
        made += 1
        if made > calls:
            raise error

    return check_lease


def run_with(
    sweeps: SweepRunner,
    check_lease: Callable[[], None],
    kind: SweepKind = SweepKind.DUE,
    **request: object,
) -> SweepReport:
    """A sweep with this check of its lease."""
    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        return sweeps.run_under(HeldLease(database, lease.epoch, check_lease), kind, **request)


@pytest.mark.parametrize("calls", [0, 1])
def test_the_current_page_is_recorded(sweeps: SweepRunner, calls: int) -> None:
    """Whether the stop comes before the page is processed or while it is held: its rows are corrected."""
    for number in range(5):
        sweeps.add_both(number)
    report = run_with(sweeps, raising_after(calls, STOP))
    assert isinstance(report.failure, StoppedError)
    assert not report.complete
    assert report.corrected == 5
    assert set(sweeps.statuses().values()) == {"paid"}


def test_no_page_after_the_current_one_is_processed(sweeps: SweepRunner) -> None:
    """The held pages and the current one are recorded; the next sweep does the rest."""
    for number in range(250):
        sweeps.add_both(number)
    intents = tuple(f"pi_{number}" for number in range(250))
    report = run_with(sweeps, raising_after(1, STOP), intents=intents)
    assert isinstance(report.failure, StoppedError)
    assert Counter(sweeps.statuses().values()) == {"paid": 200, "pending": 50}


def test_after_the_lease_is_lost_nothing_is_written(sweeps: SweepRunner) -> None:
    """Another process works on the account by then, so the held pages are dropped."""
    for number in range(5):
        sweeps.add_both(number)
    report = run_with(sweeps, raising_after(1, LeaseLostError("The lease has ended.")))
    assert isinstance(report.failure, LeaseLostError)
    assert set(sweeps.statuses().values()) == {"pending"}


@pytest.mark.parametrize("found", [0, 6])
def test_with_an_unproved_key_nothing_is_recorded(sweeps: SweepRunner, found: int) -> None:
    """Stripe knows few of the intents: a stop does not prove the key, and does not make it a wrong key either."""
    for number in range(20):
        sweeps.add_row(number, f"pi_{number}")
        if number < found:
            sweeps.add_intent(f"pi_{number}")
    intents = tuple(f"pi_{number}" for number in range(20))
    report = run_with(sweeps, raising_after(0, STOP), intents=intents)
    assert isinstance(report.failure, StoppedError)
    assert set(sweeps.statuses().values()) == {"pending"}
    assert sweeps.query("SELECT * FROM reconciler.discrepancies") == []


def test_with_a_doubtful_key_nothing_is_recorded(sweeps: SweepRunner) -> None:
    """Stripe knows none of the few rows, and after a stop no further read is made to check the key."""
    for number in range(3):
        sweeps.add_row(number, f"pi_{number}")
    report = run_with(sweeps, raising_after(0, STOP))
    assert isinstance(report.failure, StoppedError)
    assert sweeps.query("SELECT * FROM reconciler.discrepancies") == []


def test_a_stop_while_intents_without_a_row_are_decided(sweeps: SweepRunner) -> None:
    """The last part of a sweep goes page by page too, and ends after the current page."""
    for number in range(1, 4):
        sweeps.add_both(number, "paid")
    for number in range(250):
        sweeps.add_intent(f"pi_without_{number:03}")
    # the three pages of the list, the recording of the held pages, and the first page of those without a row
    report = run_with(sweeps, raising_after(4, STOP), SweepKind.WINDOW)
    assert isinstance(report.failure, StoppedError)
    assert len(sweeps.query("SELECT * FROM reconciler.discrepancies")) == 100


def test_pages_without_an_answer_do_not_hide_a_stop(sweeps: SweepRunner) -> None:
    """Stripe does not answer any more when the stop comes: what had been read before is recorded all the same."""
    for number in range(300):
        sweeps.add_both(number)

    def fail(what: str) -> None:
        if what.startswith("pi_") and int(what.removeprefix("pi_")) >= 100:
            raise StripeUnavailableError("Stripe is unavailable.")

    sweeps.stripe.fail = fail
    intents = tuple(f"pi_{number}" for number in range(300))
    report = run_with(sweeps, raising_after(2, STOP), intents=intents)
    assert isinstance(report.failure, StoppedError)
    # the threads read on into the second page: up to three may find Stripe away before they send the last of the first
    assert 97 <= Counter(sweeps.statuses().values())["paid"] <= 100
