"""Checks of two lanes that work on one intent at once: neither loses what the other has just left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import NEXT_POLL, Recheck


@pytest.fixture
def table(shop, bench):
    """A store without a payment: checks need none."""
    return bench(shop())


def rechecks(table) -> dict[str, tuple[object, str]]:
    """When and why each intent is looked at again."""
    rows = table.all("SELECT payment_intent, due_at, reason FROM reconciler.rechecks")
    return {intent: (due_at, reason) for intent, due_at, reason in rows}


def test_the_schedule_does_not_replace_what_another_lane_left(table, seen):
    """A quiet page's schedule, which knows of no verdict, leaves every other check as it is, due or not."""
    week = timedelta(days=7)
    table.write(
        PageRecord(rechecks=(Recheck("pi_1", seen, "lost"), Recheck("pi_2", seen + week, "wait")))
    )
    later = [Recheck(intent, seen + 2 * week, NEXT_POLL) for intent in ("pi_1", "pi_2", "pi_3")]
    table.write(PageRecord(rechecks=tuple(later)))
    assert rechecks(table) == {
        "pi_1": (seen, "lost"),
        "pi_2": (seen + week, "wait"),
        "pi_3": (seen + 2 * week, NEXT_POLL),
    }


def test_a_verdicts_schedule_takes_the_place_of_a_check_that_was_due(table, seen):
    """The look that a due check asked for has been had; one that lies after this verdict stays."""
    hour, week = timedelta(hours=1), timedelta(days=7)
    table.write(
        PageRecord(rechecks=(Recheck("pi_1", seen, "lost"), Recheck("pi_2", seen + hour, "wait")))
    )
    later = tuple(Recheck(intent, seen + week, NEXT_POLL) for intent in ("pi_1", "pi_2"))
    table.write(PageRecord(rechecks=later, seen_at=seen))
    assert rechecks(table) == {"pi_1": (seen + week, NEXT_POLL), "pi_2": (seen + hour, "wait")}


def test_the_schedule_moves_and_every_other_check_replaces_it(table, seen):
    """A schedule is moved by the next one, and by a reason to look sooner."""
    week = timedelta(days=7)
    first = tuple(Recheck(intent, seen + week, NEXT_POLL) for intent in ("pi_1", "pi_2"))
    table.write(PageRecord(rechecks=first))
    table.write(
        PageRecord(
            rechecks=(Recheck("pi_1", seen + 2 * week, NEXT_POLL), Recheck("pi_2", seen, "lost"))
        )
    )
    assert rechecks(table) == {"pi_1": (seen + 2 * week, NEXT_POLL), "pi_2": (seen, "lost")}


def test_a_verdict_lifts_what_is_due_or_scheduled_alone(table, seen):
    """A check that lies after the verdict's time was left by a lane that knew more."""
    hour = timedelta(hours=1)
    table.write(
        PageRecord(
            rechecks=(
                Recheck("pi_1", seen, "lost"),
                Recheck("pi_2", seen + hour, "wait"),
                Recheck("pi_3", seen + hour, NEXT_POLL),
                Recheck("pi_4", seen, "of nobody's page"),
            )
        )
    )
    table.write(PageRecord(settled=("pi_1", "pi_2", "pi_3"), seen_at=seen))
    assert set(rechecks(table)) == {"pi_2", "pi_4"}


def test_a_verdict_without_a_time_lifts_all(table, seen):
    """Whoever names no time means these intents whatever their checks say."""
    table.write(PageRecord(rechecks=(Recheck("pi_1", seen + timedelta(hours=1), "wait"),)))
    table.write(PageRecord(settled=("pi_1",)))
    assert rechecks(table) == {}
