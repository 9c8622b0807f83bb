"""Which ticks of the service meet which row, while it compares only what is due between two searches of the whole table.

A search of the whole table is made again after an hour here.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.clock import ManualClock
from reconciler.engine.report import SweepKind, SweepReport
from reconciler.engine.sweep_context import SERVICE
from reconciler.errors import StripeUnavailableError
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

HOUR = timedelta(hours=1)
LATER = timedelta(minutes=6)


class SearchingClock(ManualClock):
    """Each search of the whole table takes ten seconds by this clock, so the next one is due after an hour."""

    def monotonic(self) -> float:
        self.sleep(10)
        return super().monotonic()


@pytest.fixture
def ticks(sweeps: SweepRunner) -> SweepRunner:
    """Three open payments that the service has read, a week old, without anything to do before tomorrow."""
    sweeps.search_clock = SearchingClock(NOW)
    for number in (1, 2, 3):
        add_open(sweeps, number)
    assert [tick(sweeps).examined for _ in range(3)] == [3, 0, 0]
    sweeps.stripe.asked.clear()
    return sweeps


def add_open(
    sweeps: SweepRunner, number: int, status: str = "requires_payment_method", **row: object
) -> None:
    sweeps.add_row(number, f"pi_{number}", **row)
    sweeps.add_intent(f"pi_{number}", status)


def tick(sweeps: SweepRunner) -> SweepReport:
    report = sweeps.run(SweepKind.DUE, asked_by=SERVICE)
    assert report.complete
    return report


def an_hour_later(sweeps: SweepRunner) -> None:
    """Let the whole table be searched at the next tick."""
    assert sweeps.search_clock is not None
    sweeps.search_clock.advance(HOUR)


def test_a_new_row_is_met_at_the_next_tick(ticks: SweepRunner) -> None:
    """Its time tells it: it was created after the last search of the whole table, or an hour before."""
    add_open(ticks, 4, created=(NOW - timedelta(minutes=50)).isoformat())
    assert tick(ticks).examined == 1
    assert ticks.stripe.asked == ["pi_4"]
    assert tick(ticks).examined == 0


def test_a_row_inserted_late_is_met_at_the_next_whole_search(ticks: SweepRunner) -> None:
    """Its time is old, and no recheck names it."""
    add_open(ticks, 4)
    assert tick(ticks).examined == 0
    an_hour_later(ticks)
    assert tick(ticks).examined == 1


def test_a_row_without_a_time_is_met_at_the_next_whole_search(ticks: SweepRunner) -> None:
    """It cannot be told from an old one."""
    add_open(ticks, 4, created=None)
    assert tick(ticks).examined == 0
    an_hour_later(ticks)
    assert tick(ticks).examined == 1


def test_a_status_set_back_by_hand_is_met_at_the_next_whole_search(ticks: SweepRunner) -> None:
    """The row was paid, so it had no recheck. The search finds it, and it is corrected again."""
    ticks.add_both(4, "paid")
    assert tick(ticks).examined == 0
    ticks.shop.execute("UPDATE public.payments SET status = 'pending' WHERE id = 4")
    assert tick(ticks).examined == 0
    an_hour_later(ticks)
    assert tick(ticks).corrected == 1


def test_a_row_opened_again_before_its_poll_is_met_when_the_poll_is_due(
    ticks: SweepRunner,
) -> None:
    """Its recheck is still stored, so it needs no search."""
    ticks.shop.execute("UPDATE public.payments SET status = 'paid' WHERE id = 1")
    assert tick(ticks).examined == 0
    ticks.shop.execute("UPDATE public.payments SET status = 'pending' WHERE id = 1")
    ticks.shop.execute(
        f"UPDATE reconciler.rechecks SET due_at = '{NOW.isoformat()}' WHERE payment_intent = 'pi_1'"
    )
    assert tick(ticks).examined == 1


def test_what_is_due_is_met_and_corrected(ticks: SweepRunner) -> None:
    """By the recheck whose time has come, without a search of the whole table."""
    ticks.stripe.intents["pi_2"] = an_intent("pi_2")
    ticks.shop.execute(
        f"UPDATE reconciler.rechecks SET due_at = '{NOW.isoformat()}' WHERE payment_intent = 'pi_2'"
    )
    assert tick(ticks).corrected == 1
    assert ticks.stripe.asked == ["pi_2"]


def test_the_poll_of_a_settled_row_is_removed(ticks: SweepRunner) -> None:
    """It would be compared with the table at every tick. A recheck that waits for a verdict stays."""
    ticks.shop.execute("UPDATE public.payments SET status = 'paid' WHERE id IN (1, 2)")
    ticks.shop.execute(f"UPDATE reconciler.rechecks SET due_at = '{NOW.isoformat()}'")
    ticks.shop.execute(
        "INSERT INTO reconciler.rechecks (account, payment_intent, due_at, reason)"
        f" VALUES ('other', 'pi_1', '{NOW.isoformat()}', 'schedule')"
    )
    assert tick(ticks).examined == 1
    left = ticks.query("SELECT account, payment_intent FROM reconciler.rechecks ORDER BY 1")
    assert [tuple(row.values()) for row in left] == [("default", "pi_3"), ("other", "pi_1")]


def test_a_row_that_could_not_be_read_is_met_at_the_next_tick(sweeps: SweepRunner) -> None:
    """A search of the whole table found it without a recheck; the read failed, and no second search is needed."""
    sweeps.search_clock = SearchingClock(NOW)
    tick(sweeps)
    add_open(sweeps, 1)

    def fail(_: str) -> None:
        raise StripeUnavailableError("Stripe does not answer.")

    sweeps.stripe.fail = fail
    assert not sweeps.run(SweepKind.DUE, asked_by=SERVICE).complete
    sweeps.stripe.fail = lambda _: None
    assert tick(sweeps).examined == 1


def test_a_refused_row_that_changed_is_met_at_the_next_tick(ticks: SweepRunner) -> None:
    """The table refused its correction, and waits a day. A person has changed the row since."""
    ticks.shop.execute(
        "UPDATE reconciler.rechecks SET reason = 'refused by the table: pending 1000 eur -> paid'"
        " WHERE payment_intent = 'pi_1'"
    )
    assert tick(ticks).examined == 0
    ticks.shop.execute("UPDATE public.payments SET amount = 1001 WHERE id = 1")
    assert tick(ticks).examined == 1


def test_due_neighbours_are_listed(ticks: SweepRunner) -> None:
    """Many due rows of one time cost the reads of a list, as in a search of the whole table."""
    for number in range(10, 50):
        add_open(ticks, number, created=NOW.isoformat())
        ticks.add_intent(f"pi_{number}", "requires_payment_method", created=NOW)
    report = tick(ticks)
    assert (report.examined, report.reads) == (40, 1)
