"""Two intents were paid for one order: the finding belongs to the later one, whichever of the two a sweep reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from reconciler.domain.model.page import EventPage
from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.report import SweepKind, Writing
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW

EARLIER, LATER = NOW - timedelta(days=8), NOW - timedelta(days=7)


@pytest.fixture
def duplicate(sweeps: SweepRunner) -> SweepRunner:
    """pi_1 and, a day later, pi_2 were paid for one order, and a sweep has stored the finding of pi_2."""
    for number, created in ((1, EARLIER), (2, LATER)):
        sweeps.add_row(number, f"pi_{number}", order="o1", created=created.isoformat())
        sweeps.add_intent(f"pi_{number}", created=created)
    sweeps.run(SweepKind.DUE, Writing.FINDINGS)
    # from now on the table itself shows that pi_2 was paid
    sweeps.shop.execute("UPDATE public.payments SET status = 'paid' WHERE id = 2")
    return sweeps


def read_alone(sweeps: SweepRunner, intent: str) -> None:
    """Make a sweep that reads this intent of the pair, and not the other."""
    sweeps.run(SweepKind.DUE, Writing.FINDINGS, intents=(intent,))


def resolve(sweeps: SweepRunner) -> None:
    """A person resolves the finding."""
    sweeps.shop.execute(
        "UPDATE reconciler.discrepancies SET state = 'resolved', resolved_by = 'ann', note = 'both wanted'"
        " WHERE kind = 'duplicate_payment'"
    )


def stored(sweeps: SweepRunner) -> dict[str, object]:
    """The stored finding."""
    (found,) = sweeps.query(
        "SELECT state, closing, note, resolved_by, payment_intent FROM reconciler.discrepancies"
        " WHERE kind = 'duplicate_payment'"
    )
    return found


def entries(sweeps: SweepRunner) -> list[tuple[object, object]]:
    """What the ledger says about the finding: action and state."""
    rows = sweeps.query(
        "SELECT action, body ->> 'state' AS state FROM reconciler.ledger"
        " WHERE body ->> 'kind' = 'duplicate_payment' ORDER BY seq"
    )
    return [(row["action"], row["state"]) for row in rows]


@pytest.mark.parametrize("intent", ["pi_1", "pi_2"])
def test_a_sweep_that_reads_one_of_the_pair_does_not_open_it_again(
    duplicate: SweepRunner, intent: str
) -> None:
    """The finding is known, also if only the earlier intent is read: it stays open, and the ledger has no new entry."""
    read_alone(duplicate, intent)
    assert (stored(duplicate)["payment_intent"], stored(duplicate)["state"]) == ("pi_2", "open")
    assert entries(duplicate) == [("finding_opened", "open")]


def test_a_persons_decision_stands_if_the_earlier_intent_alone_is_read(
    duplicate: SweepRunner,
) -> None:
    """While both sides stay as they are, the finding stays resolved, and the ledger does not say that it is open again."""
    resolve(duplicate)
    read_alone(duplicate, "pi_1")
    assert stored(duplicate) == {
        "state": "resolved",
        "closing": None,
        "note": "both wanted",
        "resolved_by": "ann",
        "payment_intent": "pi_2",
    }
    assert entries(duplicate) == [("finding_opened", "open")]


def test_a_resolved_finding_opens_again_if_its_values_change(duplicate: SweepRunner) -> None:
    """Both payments have another amount by now. The sweep that reads the earlier intent alone opens the finding again."""
    resolve(duplicate)
    duplicate.shop.execute("UPDATE public.payments SET amount = 1200")
    duplicate.add_intent("pi_1", created=EARLIER, amount=1200, amount_received=1200)
    read_alone(duplicate, "pi_1")
    assert (stored(duplicate)["payment_intent"], stored(duplicate)["state"]) == ("pi_2", "open")
    assert entries(duplicate) == [("finding_opened", "open"), ("finding_changed", "open")]


def test_a_persons_decision_stands_if_the_grace_ends_during_the_sweep(
    duplicate: SweepRunner,
) -> None:
    """pi_1 alone is read: within the grace at first, and past the grace when the recent events have been read."""
    resolve(duplicate)
    duplicate.add_intent("pi_1", created=EARLIER, canceled_at=NOW - timedelta(seconds=119))
    listed = duplicate.stripe.list_events

    def list_events(
        created: TimeRange, types: Sequence[str], after: str | None = None
    ) -> EventPage:
        duplicate.stripe.present = NOW + timedelta(seconds=3)
        return listed(created, types, after)

    duplicate.stripe.list_events = list_events  # type: ignore[method-assign]
    read_alone(duplicate, "pi_1")
    assert (stored(duplicate)["state"], stored(duplicate)["note"]) == ("resolved", "both wanted")
