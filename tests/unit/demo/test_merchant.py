"""The shop's webhook handler."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.demo.merchant import STATUS_OF, Luck, Merchant, WebhookFate
from reconciler.sandbox.webhooks import signature
from tests.unit.demo.staging import PRESENT, ListedShop, make_stage

LUCKY = Luck(0, 0.0, late=0.0)


def _opened(luck: Luck, seed: int = 1) -> tuple[Merchant, object]:
    world = make_stage(seed)
    world.clock.advance(PRESENT - world.clock.now())
    merchant = Merchant(world.shop, world.clock, luck)
    endpoint = world.sandbox.register_webhook(merchant.receive, enabled_events=tuple(STATUS_OF))
    merchant.secret = endpoint.secret
    return merchant, world


def test_a_webhook_moves_its_row() -> None:
    """A handled event brings the shop's own word for it into the row."""
    merchant, world = _opened(LUCKY)
    intent = world.open_intent(PRESENT)
    key = world.add_row("pending", intent)
    world.sandbox.succeed(intent.id)
    world.sandbox.deliver_due()
    assert world.shop.rows[key].status == "paid"
    assert list(merchant.fates.values()) == [WebhookFate.HANDLED]


def test_a_row_that_has_not_learnt_its_intent_is_found_by_the_order() -> None:
    """Shops on Checkout learn the intent's id from the first webhook."""
    _, world = _opened(LUCKY)
    intent = world.open_intent(PRESENT)
    key = world.add_row("pending", intent, holds=False)
    world.sandbox.succeed(intent.id)
    world.sandbox.deliver_due()
    assert world.shop.rows[key].payment_intent == intent.id


@pytest.mark.parametrize("given_back", [None, 100])
def test_only_money_that_was_taken_and_wholly_given_back_is_refunded(
    given_back: int | None,
) -> None:
    """A partial refund leaves the row paid."""
    _, world = _opened(LUCKY)
    intent = world.open_intent(PRESENT)
    key = world.add_row("pending", intent)
    world.sandbox.succeed(intent.id)
    world.sandbox.refund(intent.id, given_back)
    world.sandbox.deliver_due()
    assert world.shop.rows[key].status == ("refunded" if given_back is None else "paid")


def test_a_hold_that_is_let_go_is_canceled_not_refunded() -> None:
    """Stripe tells of a released hold as a refund of a charge that was never captured."""
    _, world = _opened(LUCKY)
    intent = world.open_intent(PRESENT, manual=True)
    key = world.add_row("pending", intent)
    world.sandbox.authorize(intent.id)
    world.sandbox.cancel(intent.id)
    world.sandbox.deliver_due()
    assert world.shop.rows[key].status == "canceled"


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
    """A wrong, missing or old signature is answered with 400, and nothing is read of the payload."""
    merchant, world = _opened(LUCKY)
    merchant.secret = "whsec_right"
    assert merchant.receive(b"{}", {"Stripe-Signature": header}) == 400
    assert world.shop.taken == []


def test_a_lost_webhook_never_reaches_the_table() -> None:
    """Down at every try, or answered 200 and dropped: Stripe believes the second one to be delivered."""
    merchant, world = _opened(Luck(0, 1.0, without_event=0.0))
    for _ in range(30):
        world.sandbox.succeed(world.open_intent(PRESENT).id)
    for _ in range(5):
        world.sandbox.deliver_due()
        world.clock.advance(timedelta(hours=3))
    assert world.shop.taken == []
    assert merchant.lost == len(merchant.fates) == 30
    assert set(merchant.fates.values()) == {WebhookFate.ENDPOINT_DOWN, WebhookFate.DROPPED}
    acknowledged = sum(delivery.last_status == 200 for delivery in world.sandbox.deliveries)
    dropped = sum(fate is WebhookFate.DROPPED for fate in merchant.fates.values())
    assert acknowledged == dropped
    assert world.sandbox.postman.waiting == 0


def test_a_late_webhook_is_handled_at_the_second_try() -> None:
    """It is refused once, and Stripe comes again an hour later."""
    merchant, world = _opened(Luck(0, 0.0, late=1.0))
    intent = world.open_intent(PRESENT)
    world.add_row("pending", intent)
    world.sandbox.succeed(intent.id)
    world.sandbox.deliver_due()
    assert world.shop.taken == []
    world.clock.advance(timedelta(hours=1))
    world.sandbox.deliver_due()
    assert [status for _, _, status, _ in world.shop.taken] == ["paid"]
    assert merchant.lost == 0


def test_a_refund_always_arrives() -> None:
    """However many webhooks are lost: that a row missed one is planted, never left to chance."""
    _, world = _opened(Luck(0, 1.0, without_event=0.0))
    for _ in range(20):
        intent = world.open_intent(PRESENT)
        world.sandbox.succeed(intent.id)
        world.sandbox.refund(intent.id)
    world.sandbox.deliver_due()
    assert [status for _, _, status, _ in world.shop.taken] == ["refunded"] * 20


@pytest.mark.parametrize("lose", [0.0, 0.1, 0.5, 1.0])
def test_the_ways_of_losing_add_up(lose: float) -> None:
    """The share lost is the one asked for, whether the event was generated or not."""
    luck = Luck(5, lose)
    lost = sum(
        not luck.is_generated(number) or luck.of_event(f"evt_{number}").is_lost
        for number in range(4000)
    )
    assert lost / 4000 == pytest.approx(lose, abs=0.03)
    assert lose not in (0.0, 1.0) or lost / 4000 == lose


def test_the_listed_shop_is_what_a_merchant_writes_to() -> None:
    """The list that stands in for the table in these tests takes what the real one takes."""
    from reconciler.adapters.postgres.demo.demo_shop import DemoShop

    assert {"add", "take"} <= set(vars(ListedShop)) & set(vars(DemoShop))
