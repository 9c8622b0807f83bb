from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.adapters.stripe_gateway.key_access import read_key_access
from reconciler.clock import ManualClock
from reconciler.domain.model.intent import Charge, Intent, MissingIntent, outcome_of_status
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.engine.ports import Stripe
from reconciler.errors import StripeRefusedError, WrongKeyError
from reconciler.sandbox import LIVE_KEY, PaymentKind, Sandbox, fill, make
from tests.contract.gateway.conftest import START, OpenGateway

INTENT_TYPES = (
    "payment_intent.created",
    "payment_intent.requires_action",
    "payment_intent.processing",
    "payment_intent.amount_capturable_updated",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
)


def every_intent(gateway: StripeGateway, created: TimeRange) -> list[Intent]:
    found: list[Intent] = []
    page = gateway.list_intents(created)
    while True:
        assert page.unreadable == ()
        found += page.intents
        if page.next_after is None:
            return found
        page = gateway.list_intents(created, page.next_after)


def test_the_gateway_fits_the_port(gateway: StripeGateway) -> None:
    """The gateway fits the engine's port: mypy checks the types, this test the names."""
    port: Stripe = gateway
    assert all(hasattr(port, name) for name in vars(Stripe) if not name.startswith("_"))


@pytest.mark.parametrize("kind", PaymentKind)
def test_every_kind_of_payment_is_read_as_it_is(
    sandbox: Sandbox, open_gateway: OpenGateway, kind: PaymentKind
) -> None:
    """Retrieved or listed, a payment has the facts that the sandbox has."""
    made = make(sandbox, kind, 4200, "eur", metadata={"order": "A7", "email": "x"}, at=START)
    gateway = open_gateway(metadata_keys=["order"], livemode=False)
    found = gateway.retrieve(made.id)
    listed = gateway.list_intents(TimeRange()).intents
    truth, paid = sandbox.intent(made.id), sandbox.latest_charge(made.id)
    assert isinstance(found, Intent)
    assert (found.id, found.status, found.currency) == (made.id, truth.status, "eur")
    assert (found.amount, found.amount_received, found.amount_capturable) == (
        truth.amount,
        truth.amount_received,
        truth.amount_capturable,
    )
    assert found.created == START
    assert (found.charge is None) == (paid is None)
    if found.charge is not None and paid is not None:
        assert (found.charge.id, found.charge.status) == (paid.id, paid.status)
        assert (found.charge.amount_captured, found.charge.amount_refunded) == (
            paid.amount_captured,
            paid.amount_refunded,
        )
        assert found.charge.disputed is paid.disputed
    assert found.outcome is outcome_of_status(
        truth.status, last_attempt_failed=kind is PaymentKind.FAILED
    )
    assert (found.failure_code is not None) == (kind is PaymentKind.FAILED)
    assert found.metadata == {"order": "A7"}
    assert listed == (replace(found, request_id=listed[0].request_id),)


@pytest.mark.parametrize(
    ("description", "kept"),
    [(" A7\n", "A7"), ("é" * 500, "é" * 500), ("x" * 501, None), ("  ", None), (None, None)],
)
def test_a_description_is_kept_only_if_it_is_asked_for(
    sandbox: Sandbox, open_gateway: OpenGateway, description: str | None, kept: str | None
) -> None:
    """It may be personal. It is kept to link orders by it, without blanks around it and no longer than an order may be."""
    made = sandbox.create_payment(4200, "eur", description=description, at=START)
    found = open_gateway(keeps_description=True).retrieve(made.id)
    other = open_gateway().retrieve(made.id)
    assert isinstance(found, Intent)
    assert isinstance(other, Intent)
    assert (found.description, other.description) == (kept, None)
    assert kept is None or kept not in repr(found)


@pytest.mark.parametrize("kind", [PaymentKind.AUTHORIZED, PaymentKind.VOUCHER])
def test_deadlines_are_found(sandbox: Sandbox, gateway: StripeGateway, kind: PaymentKind) -> None:
    """An authorization has the time until which it can be captured, a voucher the time until which it can be paid."""
    found = gateway.retrieve(make(sandbox, kind, 4200, at=START).id)
    assert isinstance(found, Intent)
    if kind is PaymentKind.AUTHORIZED:
        assert found.charge is not None
        deadline = found.charge.capture_before
    else:
        assert found.next_action is not None
        deadline = found.next_action.expires_at
    assert deadline is not None
    assert timedelta(0) < deadline - START <= timedelta(days=31)


def test_a_range_is_listed_completely_and_in_order(
    sandbox: Sandbox, gateway: StripeGateway, stripe_clock: ManualClock
) -> None:
    """Page by page, a list has every intent of the range once, newest first, and none outside it."""
    fill(sandbox, 250, days=10)
    since, until = START - timedelta(days=8), START - timedelta(days=1)
    found = every_intent(gateway, TimeRange(since, until))
    truth = [
        item for item in sandbox.intents() if since.timestamp() <= item.created < until.timestamp()
    ]
    assert sorted(item.id for item in found) == sorted(item.id for item in truth)
    assert [item.created for item in found] == sorted(
        (item.created for item in found), reverse=True
    )
    assert 100 < len(found) < 250
    assert gateway.reads == -(-len(found) // 100)


def test_every_event_names_its_payment(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """All events of a range are listed, each with its intent and whether it was delivered."""
    fill(sandbox, 120, days=2)
    found = []
    after: str | None = None
    while True:
        page = gateway.list_events(TimeRange(), INTENT_TYPES, after)
        found += page.events
        after = page.next_after
        if after is None:
            break
    truth = {item.id: item for item in sandbox.events() if item.type in INTENT_TYPES}
    assert {item.id for item in found} == set(truth)
    ids = {item.id for item in sandbox.intents()}
    assert {item.payment_intent for item in found} <= ids
    assert all(
        item.delivered and item.snapshot for item in found
    )  # there is no endpoint that has not acknowledged


def test_charge_events_name_their_payment(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """The events of a refund and of a dispute name the payment."""
    earlier = START - timedelta(hours=1)
    refunded = make(sandbox, PaymentKind.REFUNDED, 500, at=earlier)
    disputed = make(sandbox, PaymentKind.DISPUTED, 500, at=earlier)
    types = ["charge.refunded", "charge.dispute.created", "refund.created"]
    found = gateway.list_events(TimeRange(), types).events
    assert {(item.type, item.payment_intent) for item in found} == {
        ("charge.refunded", refunded.id),
        ("refund.created", refunded.id),
        ("charge.dispute.created", disputed.id),
    }


def test_every_attempt_is_listed(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """All charges of an intent are read, newest first, the failed ones with their codes."""
    made = sandbox.create_payment(900)
    sandbox.fail(made.id, "insufficient_funds")
    sandbox.succeed(made.id, at=START + timedelta(seconds=5))
    found = gateway.list_charges(made.id)
    assert all(isinstance(item, Charge) for item in found)
    assert [item.status for item in found] == ["succeeded", "failed"]
    assert found[1].failure_code == "card_declined"


def test_a_missing_intent_names_the_other_mode(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """A 404 is an answer. If the payment is of the other mode, Stripe's message says so."""
    live = sandbox.create_payment(100, livemode=True)
    there, nowhere = gateway.retrieve(live.id), gateway.retrieve("pi_nowhere")
    assert isinstance(there, MissingIntent)
    assert isinstance(nowhere, MissingIntent)
    assert (there.other_mode, nowhere.other_mode) == (True, False)
    assert there.seen_at == START


def test_an_object_of_the_other_mode_is_an_error(
    sandbox: Sandbox, open_gateway: OpenGateway
) -> None:
    """A live key in test mode is detected by the first object."""
    sandbox.create_payment(100, livemode=True)
    with pytest.raises(WrongKeyError):
        open_gateway(LIVE_KEY, livemode=False).list_intents(TimeRange())


def test_an_unknown_status_is_kept(sandbox: Sandbox, gateway: StripeGateway) -> None:
    """A status that Stripe may add later is read as it is."""
    made = sandbox.create_payment(100)
    sandbox.set_status(made.id, "requires_telepathy")
    found = gateway.retrieve(made.id)
    assert isinstance(found, Intent)
    assert (found.status, found.outcome) == ("requires_telepathy", Outcome.UNKNOWN)


def test_now_is_stripes_time(gateway: StripeGateway, clock: ManualClock) -> None:
    """Stripe's clock is a month ahead of this machine's here, and now() is Stripe's."""
    assert gateway.now() == START
    clock.advance(timedelta(hours=1))
    assert gateway.now() == START + timedelta(hours=1)
    assert gateway.reads == 1


def test_a_platform_reads_its_connected_account(
    sandbox: Sandbox, open_gateway: OpenGateway
) -> None:
    """With stripe_account only the connected account's payments are read, with and without the SDK."""
    sandbox.add_account("acct_platform")
    sandbox.add_account("acct_shop", platform="acct_platform")
    sandbox.add_key("rk_test_platform", account="acct_platform")
    made = sandbox.create_payment(700, account="acct_shop")
    gateway = open_gateway("rk_test_platform", stripe_account="acct_shop")
    assert isinstance(gateway.retrieve(made.id), Intent)
    assert [item.id for item in gateway.list_intents(TimeRange()).intents] == [made.id]
    own = open_gateway("rk_test_platform")
    assert isinstance(own.retrieve(made.id), MissingIntent)
    with pytest.raises(StripeRefusedError, match="stripe_account"):
        read_key_access(open_gateway(stripe_account="acct_shop"))
