from __future__ import annotations

from typing import Any

import pytest
import stripe

from reconciler.adapters.stripe_gateway import Timeouts
from reconciler.adapters.stripe_gateway.reader import do_nothing
from reconciler.adapters.stripe_gateway.transport import SdkTransport, Transport
from reconciler.clock import ManualClock
from reconciler.errors import StripeUnavailableError
from tests.unit.gateway.canned_server import KEY, intent, reply
from tests.unit.gateway.conftest import Serve


@pytest.mark.parametrize("call", ["post", "delete"])
def test_the_gateway_cannot_write(clock: ManualClock, call: str) -> None:
    """Even the SDK cannot change anything at Stripe through the gateway."""
    transport = Transport("http://127.0.0.1:1", Timeouts(), clock, 1, lambda: False, do_nothing)
    sdk_transport = SdkTransport(transport)
    client = stripe.StripeClient(
        KEY, http_client=sdk_transport, base_addresses={"api": "http://127.0.0.1:1"}
    )
    with pytest.raises(ValueError, match="only reads"):
        client.raw_request(call, "/v1/payment_intents/pi_1", amount=1)
    sdk_transport.close()
    transport.close()


def test_an_sdk_that_sends_nothing_gives_no_answer(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the SDK fails before it sends, an earlier answer is not taken for this one."""
    served = serve(reply(intent()))
    served.gateway.retrieve("pi_1")

    def fail(*_: Any, **__: Any) -> None:
        raise stripe.StripeError("broken before sending")

    monkeypatch.setattr(stripe.StripeClient, "raw_request", fail)
    with pytest.raises(StripeUnavailableError, match="the SDK sent nothing"):
        served.gateway.retrieve("pi_1")
    assert len(served.server.targets) == 1


def test_the_api_version_is_the_sdks(serve: Serve) -> None:
    """Every read names the API version that the SDK was made for, independent of the account's own version."""
    served = serve(reply(intent()))
    served.gateway.retrieve("pi_1")
    assert served.server.headers[0]["stripe-version"] == stripe.api_version
