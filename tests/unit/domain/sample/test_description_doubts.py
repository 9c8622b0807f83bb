"""Descriptions are only trusted as orders if they are orders of the table."""

from __future__ import annotations

import pytest

from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.description_doubts import described_orders, description_doubts
from tests.unit.domain.samples import intent_of, rules

RULES = rules(link_description=True, link_metadata="order_id")


def test_only_descriptions_that_may_link_are_compared() -> None:
    """An unpaid intent, one without a description, and one whose metadata name the order say nothing."""
    intents = [
        intent_of(Outcome.SUCCEEDED, description="B"),
        intent_of(Outcome.AUTHORIZED, description="A"),
        intent_of(Outcome.SUCCEEDED),
        intent_of(Outcome.CANCELED, description="C"),
        intent_of(Outcome.SUCCEEDED, description="D", metadata={"order_id": "1"}),
    ]
    assert described_orders(intents, RULES) == ("A", "B")


@pytest.mark.parametrize(("known", "doubts"), [(0, 1), (1, 1), (2, 0), (20, 0)])
def test_a_setting_that_links_nearly_nothing_is_named(known: int, doubts: int) -> None:
    """Fewer than a tenth of twenty descriptions are orders of the table."""
    descriptions = [f"o{number}" for number in range(20)]
    found = list(description_doubts(descriptions, set(descriptions[:known])))
    assert [doubt.is_fault for doubt in found] == [False] * doubts


def test_few_descriptions_prove_nothing() -> None:
    """A new shop is not warned."""
    assert list(description_doubts(["a"] * 19, ())) == []
