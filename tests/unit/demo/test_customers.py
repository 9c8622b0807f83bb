"""The simulated customers of the demonstration."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import chain, combinations

import pytest

from reconciler.demo.configuration import READ
from reconciler.demo.customers import (
    QUIET_BEFORE_PRESENT,
    SCENARIOS,
    CustomerAction,
    CustomerScenario,
    simulate_customers,
)
from reconciler.demo.verdict import true_status
from reconciler.demo.webhook_handler import (
    STATUS_OF,
    ShopWebhookHandler,
    WebhookLosses,
    WebhookResult,
)
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision_table import TABLE, Cell
from tests.unit.demo.simulations import PRESENT, make_simulation

STATUS_AFTER = {
    CustomerAction.ASK: "pending",
    CustomerAction.DECLINE: "failed",
    CustomerAction.GIVE_UP: "failed",
    CustomerAction.LAPSE: "failed",
    CustomerAction.BOUNCE: "failed",
    CustomerAction.START: "processing",
    CustomerAction.HOLD: "authorized",
    CustomerAction.PAY: "paid",
    CustomerAction.CAPTURE: "paid",
    CustomerAction.CANCEL: "canceled",
    CustomerAction.EXPIRE: "canceled",
    CustomerAction.REFUND: "refunded",
    CustomerAction.DISPUTE: "disputed",
}
NEVER_LOST = (CustomerAction.REFUND, CustomerAction.DISPUTE)


def _possible_statuses(scenario: CustomerScenario) -> set[str]:
    """Every status that a row may have in the end, depending on which of the scenario's webhooks are lost."""
    actions = [action for action, _ in scenario.actions]
    may_be_lost = [place for place, action in enumerate(actions) if action not in NEVER_LOST]
    every_loss = chain.from_iterable(
        combinations(may_be_lost, count) for count in range(len(may_be_lost) + 1)
    )
    statuses = set()
    for lost in every_loss:
        received = [action for place, action in enumerate(actions) if place not in lost]
        statuses.add(STATUS_AFTER[received[-1]] if received else "pending")
    return statuses


@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=lambda scenario: f"{scenario.method}-{scenario.end}"
)
def test_a_lost_webhook_leaves_a_row_that_is_right_or_can_be_corrected(
    scenario: CustomerScenario,
) -> None:
    """Whichever webhooks are lost, no other kind of discrepancy than a missed outcome comes about by chance."""
    if scenario.end in {"refunded", "disputed"}:
        assert _possible_statuses(scenario) == {scenario.end}
        return
    for status in _possible_statuses(scenario):
        cell = TABLE[READ[status], READ[scenario.end]]
        assert cell is (Cell.KEEP if status == scenario.end else Cell.CORRECT)


@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=lambda scenario: f"{scenario.method}-{scenario.end}"
)
def test_every_scenario_fits_before_the_present(scenario: CustomerScenario) -> None:
    """It can end so early that every webhook was delivered before the present, and begin in the last three weeks."""
    assert scenario.duration + QUIET_BEFORE_PRESENT <= scenario.oldest <= timedelta(days=21)


def test_the_scenarios_end_in_every_outcome() -> None:
    """For each outcome that a row can have there is a scenario that ends in it."""
    assert {READ[scenario.end] for scenario in SCENARIOS} == set(Outcome) - {Outcome.UNKNOWN}


@pytest.mark.parametrize("seed", range(12))
def test_each_scenario_ends_as_the_sandbox_says(seed: int) -> None:
    """The scenario's end is the status that the sandbox knows, and the clock ends at the present."""
    simulation = make_simulation(seed)
    losses = WebhookLosses(seed, 0.4)
    simulate_customers(
        simulation, ShopWebhookHandler(simulation.shop, simulation.clock, losses), losses, 150
    )
    expected = {key: simulation.expected.rows[key].status for key in simulation.expected.customers}
    assert expected == {
        key: true_status(simulation.sandbox, intent)
        for key, intent in simulation.expected.customers.items()
    }
    assert simulation.clock.now() == PRESENT
    assert len(expected) == simulation.expected.payments == 150


@pytest.mark.parametrize("seed", range(6))
def test_without_lost_webhooks_every_row_is_right_in_the_end(seed: int) -> None:
    """Late webhooks, and webhooks in another order, do no harm to a careful shop."""
    simulation = make_simulation(seed)
    losses = WebhookLosses(seed, 0.0, late_share=0.5)
    handler = ShopWebhookHandler(simulation.shop, simulation.clock, losses)
    endpoint = simulation.sandbox.register_webhook(handler.receive, enabled_events=tuple(STATUS_OF))
    handler.secret = endpoint.secret
    simulate_customers(simulation, handler, losses, 120)
    assert not any(result.is_lost for result in handler.results.values())
    assert WebhookResult.LATE in handler.results.values()

    wrong = [
        row
        for key, row in simulation.shop.rows.items()
        if row.status != simulation.expected.rows[key].status
    ]
    assert wrong == []


def test_the_same_seed_makes_the_same_history() -> None:
    """A demonstration can be repeated: intents, rows and lost webhooks are the same."""

    def history() -> tuple[object, ...]:
        simulation = make_simulation(7)
        losses = WebhookLosses(7, 0.3)
        handler = ShopWebhookHandler(simulation.shop, simulation.clock, losses)
        endpoint = simulation.sandbox.register_webhook(
            handler.receive, enabled_events=tuple(STATUS_OF)
        )
        handler.secret = endpoint.secret
        simulate_customers(simulation, handler, losses, 60)
        return list(simulation.sandbox.intents()), simulation.shop.rows, handler.results

    assert history() == history()


def test_the_share_of_lost_webhooks_is_the_one_asked_for() -> None:
    """The three ways of losing a webhook all happen, and together make the share."""
    simulation = make_simulation(3)
    losses = WebhookLosses(3, 0.3)
    handler = ShopWebhookHandler(simulation.shop, simulation.clock, losses)
    endpoint = simulation.sandbox.register_webhook(handler.receive, enabled_events=tuple(STATUS_OF))
    handler.secret = endpoint.secret
    simulate_customers(simulation, handler, losses, 1500)
    results = Counter(handler.results.values())
    lost = sum(result.is_lost for result in handler.results.values())
    assert 0.26 < lost / results.total() < 0.34
    assert all(results[fate] > 20 for fate in WebhookResult)
