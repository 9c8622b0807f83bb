"""A sweep that is told to stop: the page in hand is finished, and nothing more is begun."""

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
from tests.integration.engine.sweeps import SweepRunner, SweepSlot
from tests.integration.engine.test_overtaken import a_payment, knows


def after(calls: int, error: ReconcilerError) -> Callable[[], None]:
    """A check that raises from the call after so many on."""
    made = [0]

    def recheck() -> None:
        made[0] += 1
        if made[0] > calls:
            raise error

    return recheck


def stopped(
    sweeps: SweepRunner,
    recheck: Callable[[], None],
    kind: SweepKind = SweepKind.DUE,
    **request: object,
) -> SweepReport:
    with Database(sweeps.shop.url) as database, sweeps.lease(database) as lease:
        return sweeps.cast(SweepSlot(database, lease.epoch, recheck), kind, **request)


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_the_page_in_hand_is_recorded(sweeps: SweepRunner, calls: int) -> None:
    """Told before its page is taken, or while that is held: its rows are right, and the sweep is not complete."""
    for number in range(5):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    report = stopped(sweeps, after(calls, StoppedError("The service was stopped.")))
    assert isinstance(report.failure, StoppedError)
    assert not report.complete
    assert report.corrected == 5
    assert set(sweeps.statuses().values()) == {"paid"}


def test_no_page_after_it_is_taken(sweeps: SweepRunner) -> None:
    """What is held is recorded with the page that was being handed over; the rest is left to the next sweep."""
    for number in range(250):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    report = stopped(
        sweeps,
        after(1, StoppedError("The service was stopped.")),
        intents=tuple(f"pi_{number}" for number in range(250)),
    )
    assert isinstance(report.failure, StoppedError)
    assert Counter(sweeps.statuses().values()) == {"paid": 200, "pending": 50}


def test_a_lost_lease_writes_nothing_more(sweeps: SweepRunner) -> None:
    """Another process is at work by now: what is held is dropped."""
    for number in range(5):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")
    report = stopped(sweeps, after(1, LeaseLostError("The lease has ended.")))
    assert isinstance(report.failure, LeaseLostError)
    assert set(sweeps.statuses().values()) == {"pending"}


@pytest.mark.parametrize("found", [0, 6])
def test_what_is_not_proved_is_not_recorded(sweeps: SweepRunner, found: int) -> None:
    """Most of what was asked is unknown to Stripe: a stop is no reason to believe the key, nor to blame it."""
    for number in range(20):
        a_payment(sweeps, number, f"pi_{number}")
        if number < found:
            knows(sweeps, f"pi_{number}")
    report = stopped(
        sweeps,
        after(0, StoppedError("The service was stopped.")),
        intents=tuple(f"pi_{number}" for number in range(20)),
    )
    assert isinstance(report.failure, StoppedError)
    assert set(sweeps.statuses().values()) == {"pending"}
    assert sweeps.table("SELECT * FROM reconciler.discrepancies") == []


def test_a_doubtful_key_is_not_believed(sweeps: SweepRunner) -> None:
    """Nothing of the few rows asked for was there: without a further read it cannot be known whose key it is."""
    for number in range(3):
        a_payment(sweeps, number, f"pi_{number}")
    report = stopped(sweeps, after(0, StoppedError("The service was stopped.")))
    assert isinstance(report.failure, StoppedError)
    assert sweeps.table("SELECT * FROM reconciler.discrepancies") == []


def test_a_stop_while_what_has_no_row_is_judged(sweeps: SweepRunner) -> None:
    """The last part of a sweep goes by pages too: it ends after the one in hand."""
    for number in range(1, 4):
        a_payment(sweeps, number, f"pi_{number}", "paid")
        knows(sweeps, f"pi_{number}")
    for number in range(250):
        knows(sweeps, f"pi_without_{number:03}")
    # the three pages of the list, the batch, and the first page of those without a row
    report = stopped(sweeps, after(4, StoppedError("The service was stopped.")), SweepKind.WINDOW)
    assert isinstance(report.failure, StoppedError)
    assert len(sweeps.table("SELECT * FROM reconciler.discrepancies")) == 100


def test_pages_that_are_lost_do_not_hide_a_stop(sweeps: SweepRunner) -> None:
    """Stripe was given up on because of the stop: what had been read before is recorded all the same."""
    for number in range(300):
        a_payment(sweeps, number, f"pi_{number}")
        knows(sweeps, f"pi_{number}")

    def down(asked: str) -> None:
        if asked.startswith("pi_") and int(asked.removeprefix("pi_")) >= 100:
            raise StripeUnavailableError("Stripe cannot be had.")

    sweeps.stripe.fail = down
    report = stopped(
        sweeps,
        after(2, StoppedError("The service was stopped.")),
        intents=tuple(f"pi_{number}" for number in range(300)),
    )
    assert isinstance(report.failure, StoppedError)
    assert Counter(sweeps.statuses().values()) == {"paid": 100, "pending": 200}
