"""What is planted among the customers."""

from __future__ import annotations

from collections import Counter

import pytest

from reconciler.demo.disagreements import DISAGREEMENTS
from reconciler.demo.left_alone import JUST_NOW, SETTLED
from reconciler.demo.planting import plant
from reconciler.demo.side_conditions import SIDE_CONDITIONS, WITH_LOST_WEBHOOK
from reconciler.domain.findings.discrepancy import Kind
from tests.unit.demo.staging import PRESENT, make_stage

EVERY_KIND = set(Kind) - {Kind.MISSED_OUTCOME}


@pytest.mark.parametrize("losing", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_even_the_smallest_shop_has_one_of_each_kind(seed: int, losing: bool) -> None:
    """Every kind that a sweep can find, and little more than a payment for each."""
    world = make_stage(seed)
    plant(world, 1, losing=losing)
    assert {finding.kind for finding in world.expected.findings} == EVERY_KIND
    assert len(world.expected.waits) == 1
    assert world.expected.payments < 20


@pytest.mark.parametrize(("payments", "copies"), [(20, 1), (300, 3), (100_000, 10)])
def test_a_larger_shop_has_a_few_of_each(payments: int, copies: int) -> None:
    """Three of each among three hundred payments, and never a flood of them."""
    world = make_stage(4)
    plant(world, payments, losing=True)
    counts = Counter(finding.kind for finding in world.expected.findings)
    assert set(counts) == EVERY_KIND
    assert all(copies <= count <= 3 * copies for count in counts.values())


def test_every_way_gets_its_turn() -> None:
    """Ten copies of a kind come about in every way that there is: its rows differ by that."""
    ways = [*DISAGREEMENTS.values(), *SIDE_CONDITIONS.values(), JUST_NOW, SETTLED]
    assert max(len(each) for each in ways) + 1 <= 10
    assert set(DISAGREEMENTS) | set(SIDE_CONDITIONS) == EVERY_KIND
    assert set(WITH_LOST_WEBHOOK) <= set(SIDE_CONDITIONS)


@pytest.mark.parametrize("seed", range(10))
def test_without_losses_nothing_planted_is_to_be_corrected(seed: int) -> None:
    """A shop that loses nothing has no wrong row: every planted one must stay as it is."""
    world = make_stage(seed)
    plant(world, 300, losing=False)
    rows = world.shop.rows.values()
    assert [row for row in rows if row.status != world.expected.ends[row.id].status] == []


@pytest.mark.parametrize("seed", range(10))
def test_nothing_happens_in_the_future(seed: int) -> None:
    """What is planted lies before the present, and all but what must wait lies past the grace."""
    world = make_stage(seed)
    plant(world, 1000, losing=True)
    waits = world.expected.waits
    for event in world.sandbox.events():
        age = PRESENT.timestamp() - event.created
        about = getattr(event.subject, "payment_intent", None) or event.subject.id
        if about not in waits:
            assert age > 600
        assert age > 0
    assert all(row.created_at < PRESENT for row in world.shop.rows.values())
