from __future__ import annotations

from typing import Any

import pytest
import stripe

from reconciler.adapters.stripe_gateway.sending import Bridge
from reconciler.adapters.stripe_gateway.transport import Timeouts, Transport
from reconciler.clock import ManualClock
from reconciler.errors import StripeUnavailableError
from tests.unit.gateway.canned import KEY, intent, reply
from tests.unit.gateway.conftest import Rigging


@pytest.mark.parametrize("call", ["post", "delete"])
def test_the_gateway_cannot_write(clock: ManualClock, call: str) -> None:
    """Even the SDK underneath has no way to change anything at Stripe through the gateway."""
    transport = Transport(Timeouts(), clock, 1)
    bridge = Bridge(transport)
    client = stripe.StripeClient(
        KEY, http_client=bridge, base_addresses={"api": "http://127.0.0.1:1"}
    )
    with pytest.raises(ValueError, match="only reads"):
        client.raw_request(call, "/v1/payment_intents/pi_1", amount=1)
    bridge.close()
    transport.close()


def test_an_sdk_that_sends_nothing_is_no_answer(
    rig: Rigging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the SDK fails before it sends, an earlier answer is not taken for this one's."""
    made = rig(reply(intent()))
    made.gateway.retrieve("pi_1")

    def fail(*_: Any, **__: Any) -> None:
        raise stripe.StripeError("broken inside")

    monkeypatch.setattr(stripe.StripeClient, "raw_request", fail)
    with pytest.raises(StripeUnavailableError, match="the SDK sent nothing"):
        made.gateway.retrieve("pi_1")
    assert len(made.server.targets) == 1


def test_the_version_is_that_of_the_sdk(rig: Rigging) -> None:
    """Every read names the API version that the SDK was made for, whatever the account's own is."""
    made = rig(reply(intent()))
    made.gateway.retrieve("pi_1")
    assert made.server.headers[0]["stripe-version"] == stripe.api_version
