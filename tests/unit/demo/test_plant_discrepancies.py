"""The discrepancies that are planted among the customers."""

from __future__ import annotations

from collections import Counter

import pytest

from reconciler.demo.no_discrepancies import CORRECT_ROWS, RECENT_CHANGES
from reconciler.demo.plant_discrepancies import plant_discrepancies
from reconciler.demo.retries_and_parts import (
    MONEY_BACK,
    OTHER_IDS,
    SEVERAL_ROWS,
    WITH_LOST_WEBHOOK,
)
from reconciler.demo.row_discrepancies import ROW_DISCREPANCIES
from reconciler.demo.side_discrepancies import BESIDE_A_CORRECTION, SIDE_DISCREPANCIES
from reconciler.domain.findings.discrepancy import Kind
from tests.unit.demo.simulations import PRESENT, make_simulation

NOT_PLANTED = {
    Kind.MISSED_OUTCOME,  # comes about by lost webhooks
}
EVERY_KIND = set(Kind) - NOT_PLANTED


@pytest.mark.parametrize("losing", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_even_the_smallest_shop_has_one_of_each_kind(seed: int, losing: bool) -> None:
    """Even one payment becomes one discrepancy of every planted kind, with little more than a payment for each."""
    simulation = make_simulation(seed)
    plant_discrepancies(simulation, 1, losing=losing)
    assert {finding.kind for finding in simulation.expected.findings} == EVERY_KIND
    assert len(simulation.expected.waits) == 1
    assert simulation.expected.payments < 32


@pytest.mark.parametrize(("payments", "copies"), [(20, 1), (300, 3), (100_000, 10)])
def test_a_larger_shop_has_a_few_of_each(payments: int, copies: int) -> None:
    """Three of each kind among three hundred payments, and at most ten among any number."""
    simulation = make_simulation(4)
    plant_discrepancies(simulation, payments, losing=True)
    counts = Counter(finding.kind for finding in simulation.expected.findings)
    assert set(counts) == EVERY_KIND
    assert all(copies <= count <= 3 * copies for count in counts.values())


def test_every_cause_is_used() -> None:
    """No kind has more causes than copies at most: ten copies of a kind use every cause of it."""
    causes = [
        *ROW_DISCREPANCIES.values(),
        *SIDE_DISCREPANCIES.values(),
        RECENT_CHANGES,
        CORRECT_ROWS,
        SEVERAL_ROWS,
        MONEY_BACK,
        OTHER_IDS,
        WITH_LOST_WEBHOOK,
    ]
    assert max(len(each) for each in causes) + 1 <= 10
    assert set(ROW_DISCREPANCIES) | set(SIDE_DISCREPANCIES) == EVERY_KIND
    assert set(BESIDE_A_CORRECTION) <= set(SIDE_DISCREPANCIES)


@pytest.mark.parametrize("seed", range(10))
def test_without_lost_webhooks_no_planted_row_needs_a_correction(seed: int) -> None:
    """If no webhook is lost no row is wrong: every planted row must stay unchanged."""
    simulation = make_simulation(seed)
    plant_discrepancies(simulation, 300, losing=False)
    rows = simulation.shop.rows.values()
    assert [row for row in rows if row.status != simulation.expected.rows[row.id].status] == []


@pytest.mark.parametrize("seed", range(10))
def test_nothing_happens_in_the_future(seed: int) -> None:
    """All that is planted is before the present, and longer ago than the grace, except for what must wait."""
    simulation = make_simulation(seed)
    plant_discrepancies(simulation, 1000, losing=True)
    waits = simulation.expected.waits
    for event in simulation.sandbox.events():
        age = PRESENT.timestamp() - event.created
        about = getattr(event.snapshot, "payment_intent", None) or event.snapshot.id
        if about not in waits:
            assert age > 600
        assert age > 0
    assert all(row.created_at < PRESENT for row in simulation.shop.rows.values())
