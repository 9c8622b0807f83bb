"""Rechecks of two sweeps that work on one intent at once: neither loses what the other has just stored."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import NEXT_POLL, Recheck


@pytest.fixture
def table(shop, bench):
    """A store without a payment: rechecks need none."""
    return bench(shop())


def rechecks(table) -> dict[str, tuple[object, str]]:
    """When and why each intent is read again."""
    rows = table.all("SELECT payment_intent, due_at, reason FROM reconciler.rechecks")
    return {intent: (due_at, reason) for intent, due_at, reason in rows}


def test_a_poll_does_not_replace_what_another_sweep_stored(table, seen):
    """The next poll of a page without a verdict leaves every other recheck as it is, due or not."""
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


def test_the_poll_after_a_verdict_replaces_a_recheck_that_was_due(table, seen):
    """The verdict ends a recheck that was due; a recheck later than the verdict stays."""
    hour, week = timedelta(hours=1), timedelta(days=7)
    table.write(
        PageRecord(rechecks=(Recheck("pi_1", seen, "lost"), Recheck("pi_2", seen + hour, "wait")))
    )
    later = tuple(Recheck(intent, seen + week, NEXT_POLL) for intent in ("pi_1", "pi_2"))
    table.write(PageRecord(rechecks=later, seen_at=seen))
    assert rechecks(table) == {"pi_1": (seen + week, NEXT_POLL), "pi_2": (seen + hour, "wait")}


def test_a_poll_moves_and_every_other_recheck_replaces_it(table, seen):
    """The next poll replaces a poll, and so does any recheck with another reason."""
    week = timedelta(days=7)
    first = tuple(Recheck(intent, seen + week, NEXT_POLL) for intent in ("pi_1", "pi_2"))
    table.write(PageRecord(rechecks=first))
    table.write(
        PageRecord(
            rechecks=(Recheck("pi_1", seen + 2 * week, NEXT_POLL), Recheck("pi_2", seen, "lost"))
        )
    )
    assert rechecks(table) == {"pi_1": (seen + 2 * week, NEXT_POLL), "pi_2": (seen, "lost")}


def test_a_verdict_deletes_only_polls_and_what_is_due(table, seen):
    """A recheck later than the verdict's time was stored by a sweep that knew more."""
    hour = timedelta(hours=1)
    table.write(
        PageRecord(
            rechecks=(
                Recheck("pi_1", seen, "lost"),
                Recheck("pi_2", seen + hour, "wait"),
                Recheck("pi_3", seen + hour, NEXT_POLL),
                Recheck("pi_4", seen, "of another page"),
            )
        )
    )
    table.write(PageRecord(settled=("pi_1", "pi_2", "pi_3"), seen_at=seen))
    assert set(rechecks(table)) == {"pi_2", "pi_4"}


def test_a_verdict_without_a_time_deletes_every_recheck(table, seen):
    """Without a time the verdict counts for these intents, however late their rechecks are."""
    table.write(PageRecord(rechecks=(Recheck("pi_1", seen + timedelta(hours=1), "wait"),)))
    table.write(PageRecord(settled=("pi_1",)))
    assert rechecks(table) == {}
