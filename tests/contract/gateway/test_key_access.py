from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.adapters.stripe_gateway.key_access import NEEDED, OPTIONAL, read_key_access
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import StripeRefusedError
from reconciler.sandbox import PaymentKind, Sandbox, make
from tests.contract.gateway.conftest import START, OpenGateway

ENOUGH = {"payment_intent_read", "charge_read", "event_read", "dispute_read"}
EVERYTHING = ENOUGH | {"checkout_session_read", "balance_read"}


def test_the_documented_permissions_are_enough(sandbox: Sandbox, open_gateway: OpenGateway) -> None:
    """A restricted key with the four documented Read permissions can make every read of the port."""
    made = make(sandbox, PaymentKind.DISPUTED, 100, at=START)
    sandbox.add_key("rk_test_reader", permissions=ENOUGH)
    gateway = open_gateway("rk_test_reader")
    access = read_key_access(gateway)
    assert {entry.resource for entry in access.resources if not entry.ok} == {*OPTIONAL}
    assert all(entry.ok or entry.is_optional for entry in access.resources)
    assert access.seen_livemode is False
    gateway.retrieve(made.id)
    gateway.list_intents(TimeRange())
    gateway.list_events(TimeRange(), ["payment_intent.created"])
    gateway.list_charges(made.id)


def test_nothing_is_missing_with_every_permission(
    sandbox: Sandbox, open_gateway: OpenGateway
) -> None:
    """With Checkout Sessions and balance transactions too the doctor has nothing to say."""
    make(sandbox, PaymentKind.DISPUTED, 100, at=START)
    sandbox.add_key("rk_test_reader", permissions=EVERYTHING)
    access = read_key_access(open_gateway("rk_test_reader"))
    assert all(entry.ok for entry in access.resources)


@pytest.mark.parametrize("permission", sorted(EVERYTHING))
def test_each_missing_permission_is_named(
    sandbox: Sandbox, open_gateway: OpenGateway, permission: str
) -> None:
    """A missing permission is named for each resource that needs it. An event also needs Read on its object."""
    make(sandbox, PaymentKind.DISPUTED, 100, at=START)
    sandbox.add_key("rk_test_reader", permissions=EVERYTHING - {permission})
    access = read_key_access(open_gateway("rk_test_reader"))
    name = f"rak_{permission}"
    refused = {entry.resource: entry.missing for entry in access.resources if not entry.ok}
    assert set(refused.values()) == {name}
    assert set(refused) - {"events"} == {
        resource for resource, needed in (NEEDED | OPTIONAL).items() if needed == name
    } - {"events"}


def test_a_missing_permission_to_expand_is_named(
    sandbox: Sandbox, open_gateway: OpenGateway
) -> None:
    """Listing intents with their charges needs Read on charges too: the 403 names it, without the SDK too."""
    make(sandbox, PaymentKind.SUCCEEDED, 100, at=START)
    sandbox.add_key("rk_test_reader", permissions=ENOUGH - {"charge_read"})
    with pytest.raises(StripeRefusedError) as caught:
        open_gateway("rk_test_reader").list_intents(TimeRange())
    assert caught.value.permission == "rak_charge_read"


def test_the_clocks_are_compared(gateway: StripeGateway) -> None:
    """The difference between Stripe's clock and this machine's is exact to the second."""
    assert read_key_access(gateway).skew == timedelta(days=28, hours=12)
