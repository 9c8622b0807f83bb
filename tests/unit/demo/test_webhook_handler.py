"""The shop's webhook handler."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.demo.webhook_handler import (
    STATUS_OF,
    ShopWebhookHandler,
    WebhookLosses,
    WebhookResult,
)
from reconciler.sandbox.webhooks import WebhookDeliveryState, signature
from tests.unit.demo.simulations import PRESENT, InMemoryShop, make_simulation

NO_LOSSES = WebhookLosses(0, 0.0, late_share=0.0)


def _make_handler(losses: WebhookLosses, seed: int = 1) -> tuple[ShopWebhookHandler, object]:
    simulation = make_simulation(seed)
    simulation.clock.advance(PRESENT - simulation.clock.now())
    handler = ShopWebhookHandler(simulation.shop, simulation.clock, losses)
    endpoint = simulation.sandbox.register_webhook(handler.receive, enabled_events=tuple(STATUS_OF))
    handler.secret = endpoint.secret
    return handler, simulation


def test_a_webhook_updates_its_row() -> None:
    """A handled event writes the shop's own status into the row."""
    handler, simulation = _make_handler(NO_LOSSES)
    intent = simulation.open_intent(PRESENT)
    key = simulation.add_row("pending", intent)
    simulation.sandbox.succeed(intent.id)
    simulation.sandbox.deliver_due()
    assert simulation.shop.rows[key].status == "paid"
    assert list(handler.results.values()) == [WebhookResult.HANDLED]


def test_a_row_without_intent_is_found_by_the_order() -> None:
    """A shop with Stripe Checkout gets the intent's id from the first webhook."""
    _, simulation = _make_handler(NO_LOSSES)
    intent = simulation.open_intent(PRESENT)
    key = simulation.add_row("pending", intent, holds=False)
    simulation.sandbox.succeed(intent.id)
    simulation.sandbox.deliver_due()
    assert simulation.shop.rows[key].payment_intent == intent.id


@pytest.mark.parametrize("refunded", [None, 100])
def test_only_a_full_refund_of_taken_money_is_refunded(
    refunded: int | None,
) -> None:
    """A partial refund leaves the row paid."""
    _, simulation = _make_handler(NO_LOSSES)
    intent = simulation.open_intent(PRESENT)
    key = simulation.add_row("pending", intent)
    simulation.sandbox.succeed(intent.id)
    simulation.sandbox.refund(intent.id, refunded)
    simulation.sandbox.deliver_due()
    assert simulation.shop.rows[key].status == ("refunded" if refunded is None else "paid")


def test_a_released_hold_is_canceled_not_refunded() -> None:
    """Stripe reports a released hold as a refund of a charge that was never captured."""
    _, simulation = _make_handler(NO_LOSSES)
    intent = simulation.open_intent(PRESENT, manual=True)
    key = simulation.add_row("pending", intent)
    simulation.sandbox.authorize(intent.id)
    simulation.sandbox.cancel(intent.id)
    simulation.sandbox.deliver_due()
    assert simulation.shop.rows[key].status == "canceled"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=,v1=00",
        "v1=00",
        "t=1,v1=00",
        f"t={int(PRESENT.timestamp())},v1=00",
        f"t={int(PRESENT.timestamp())}",
        signature(b"{}", "whsec_another", int(PRESENT.timestamp())),
        signature(b"{ }", "whsec_right", int(PRESENT.timestamp())),
        signature(b"{}", "whsec_right", int((PRESENT - timedelta(seconds=301)).timestamp())),
    ],
)
def test_an_unsigned_webhook_is_refused(header: str) -> None:
    """A wrong, missing or old signature is answered with 400, and the payload is not used."""
    handler, simulation = _make_handler(NO_LOSSES)
    handler.secret = "whsec_right"
    assert handler.receive(b"{}", {"Stripe-Signature": header}) == 400
    assert simulation.shop.taken == []


def test_a_lost_webhook_never_reaches_the_table() -> None:
    """The endpoint is down at every try, or answers 200 and drops it: then Stripe counts it as delivered."""
    handler, simulation = _make_handler(WebhookLosses(0, 1.0, not_generated_share=0.0))
    for _ in range(30):
        simulation.sandbox.succeed(simulation.open_intent(PRESENT).id)
    for _ in range(5):
        simulation.sandbox.deliver_due()
        simulation.clock.advance(timedelta(hours=3))
    assert simulation.shop.taken == []
    assert len(handler.results) == 30
    assert set(handler.results.values()) == {WebhookResult.ENDPOINT_DOWN, WebhookResult.DROPPED}

    acknowledged = sum(
        delivery.state is WebhookDeliveryState.DELIVERED
        for delivery in simulation.sandbox.deliveries
    )
    dropped = sum(result is WebhookResult.DROPPED for result in handler.results.values())
    assert acknowledged == dropped
    assert simulation.sandbox.webhooks.waiting == 0


def test_a_late_webhook_is_handled_at_the_second_try() -> None:
    """It is refused once, and Stripe tries again an hour later."""
    handler, simulation = _make_handler(WebhookLosses(0, 0.0, late_share=1.0))
    intent = simulation.open_intent(PRESENT)
    simulation.add_row("pending", intent)
    simulation.sandbox.succeed(intent.id)
    simulation.sandbox.deliver_due()
    assert simulation.shop.taken == []
    simulation.clock.advance(timedelta(hours=1))
    simulation.sandbox.deliver_due()
    assert [status for _, _, status, _ in simulation.shop.taken] == ["paid"]
    assert not any(result.is_lost for result in handler.results.values())


def test_a_refund_always_arrives() -> None:
    """However many webhooks are lost, a refund is not: missed refunds are planted on purpose."""
    _, simulation = _make_handler(WebhookLosses(0, 1.0, not_generated_share=0.0))
    for _ in range(20):
        intent = simulation.open_intent(PRESENT)
        simulation.sandbox.succeed(intent.id)
        simulation.sandbox.refund(intent.id)
    simulation.sandbox.deliver_due()
    assert [status for _, _, status, _ in simulation.shop.taken] == ["refunded"] * 20


@pytest.mark.parametrize("lose", [0.0, 0.1, 0.5, 1.0])
def test_all_ways_of_losing_a_webhook_make_the_share(lose: float) -> None:
    """Events never generated and webhooks lost make the requested share together."""
    losses = WebhookLosses(5, lose)
    lost = sum(
        not losses.is_event_generated(number) or losses.result_of(f"evt_{number}").is_lost
        for number in range(4000)
    )
    assert lost / 4000 == pytest.approx(lose, abs=0.03)
    assert lose not in (0.0, 1.0) or lost / 4000 == lose


def test_the_in_memory_shop_has_the_methods_of_the_real_one() -> None:
    """The shop of these tests offers what the webhook handler and the simulation call."""
    from reconciler.adapters.postgres.demo.demo_shop import DemoShop

    assert {"add", "take"} <= set(vars(InMemoryShop)) & set(vars(DemoShop))
