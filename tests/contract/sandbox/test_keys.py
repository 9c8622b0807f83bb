from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import (
    ACCOUNT,
    API_VERSION,
    LIVE_KEY,
    TEST_KEY,
    Sandbox,
    SandboxServer,
    make,
)
from reconciler.sandbox.state.seeding import PaymentKind
from tests.some_quick import some_quick

Clients = Callable[..., stripe.StripeClient]


def test_unknown_key(client_for: Clients) -> None:
    """An unknown key is the SDK's AuthenticationError, with the masked key in its message."""
    with pytest.raises(stripe.AuthenticationError) as caught:
        client_for("sk_test_unknownkeys1234").v1.payment_intents.list()
    assert caught.value.http_status == 401
    assert "Invalid API Key provided: sk_test_***********1234" in str(caught.value)
    assert caught.value.request_id is not None


def test_no_key(server: SandboxServer) -> None:
    """A request without a key gets instructions for sending one."""
    answer = httpx.get(f"{server.url}/v1/payment_intents")
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("You did not provide an API key.")


def test_basic_auth(server: SandboxServer) -> None:
    """The key may be the user of Basic authentication, as curl -u sends it."""
    assert httpx.get(f"{server.url}/v1/account", auth=(TEST_KEY, "")).json()["id"] == ACCOUNT


def test_missing_permission(client_for: Clients, sandbox: Sandbox) -> None:
    """A restricted key without the permission gets a 403 that names the permission, the account and the masked key."""
    sandbox.add_key("rk_test_abcdefghi1234", permissions=["event_read"])
    with pytest.raises(stripe.PermissionError) as caught:
        client_for("rk_test_abcdefghi1234").v1.payment_intents.list()
    assert caught.value.http_status == 403
    assert caught.value.user_message == (
        "The provided key 'rk_test_*********1234' does not have the required permissions for this endpoint on account "
        f"'{ACCOUNT}'. Having the 'rak_payment_intent_read' permission would allow this request to continue."
    )


@some_quick(
    ("target", "permission"),
    [
        ("/v1/charges", "charge_read"),
        ("/v1/refunds", "charge_read"),
        ("/v1/disputes", "dispute_read"),
        ("/v1/balance_transactions", "balance_read"),
        ("/v1/events", "event_read"),
        ("/v1/checkout/sessions", "checkout_session_read"),
        ("/v1/webhook_endpoints", "webhook_read"),
    ],
    quick=2,
)
def test_permission_of_each_endpoint(
    server: SandboxServer, sandbox: Sandbox, target: str, permission: str
) -> None:
    """Each endpoint requires its own permission, and a key with it can read."""
    sandbox.add_key("rk_test_none", permissions=[])
    sandbox.add_key("rk_test_one", permissions=[permission])
    refused = httpx.get(f"{server.url}{target}", headers={"Authorization": "Bearer rk_test_none"})
    assert f"'rak_{permission}'" in refused.json()["error"]["message"]
    allowed = httpx.get(f"{server.url}{target}", headers={"Authorization": "Bearer rk_test_one"})
    assert allowed.status_code == 200


def test_expanding_needs_a_permission(client_for: Clients, sandbox: Sandbox) -> None:
    """Expanding latest_charge needs charge_read too, on lists and on retrieves."""
    made = make(sandbox, PaymentKind.SUCCEEDED, 1)
    sandbox.add_key("rk_test_pi", permissions=["payment_intent_read"])
    sandbox.add_key("rk_test_both", permissions=["payment_intent_read", "charge_read"])
    narrow = client_for("rk_test_pi").v1.payment_intents
    assert narrow.retrieve(made.id).id == made.id
    with pytest.raises(stripe.PermissionError, match="rak_charge_read"):
        narrow.retrieve(made.id, {"expand": ["latest_charge"]})
    with pytest.raises(stripe.PermissionError, match="rak_charge_read"):
        narrow.list({"expand": ["data.latest_charge"]})
    wide = client_for("rk_test_both").v1.payment_intents
    assert wide.retrieve(made.id, {"expand": ["latest_charge"]}).id == made.id


def test_events_need_read_on_their_objects(client_for: Clients, sandbox: Sandbox) -> None:
    """Reading events needs Read on the objects in them."""
    make(sandbox, PaymentKind.SUCCEEDED, 1)
    sandbox.add_key("rk_test_ev", permissions=["event_read", "payment_intent_read"])
    events = client_for("rk_test_ev").v1.events
    assert len(events.list({"type": "payment_intent.*"}).data) == 2
    with pytest.raises(stripe.PermissionError, match="rak_charge_read"):
        events.list()


def test_write_includes_read(client_for: Clients, sandbox: Sandbox) -> None:
    """Write includes Read; a key that may only read cannot create."""
    sandbox.add_key("rk_test_write", permissions=["payment_intent_write"])
    sandbox.add_key("rk_test_read", permissions=["payment_intent_read"])
    assert client_for("rk_test_write").v1.payment_intents.list().data == []
    with pytest.raises(stripe.PermissionError, match="rak_payment_intent_write"):
        client_for("rk_test_read").v1.payment_intents.create({"amount": 1, "currency": "usd"})


def test_not_found(client: stripe.StripeClient) -> None:
    """An unknown intent is a 404 resource_missing with Stripe's sentence."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.retrieve("pi_x")
    assert caught.value.http_status == 404
    assert caught.value.code == "resource_missing"
    assert caught.value.user_message == "No such payment_intent: 'pi_x'"


def test_other_mode(client_for: Clients, sandbox: Sandbox) -> None:
    """An intent of the other mode is not found, and the message names that mode, in both directions."""
    live = sandbox.create_payment(1, livemode=True)
    test = sandbox.create_payment(1, livemode=False)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client_for(TEST_KEY).v1.payment_intents.retrieve(live.id)
    assert caught.value.user_message == (
        f"No such payment_intent: '{live.id}'; a similar object exists in live mode, but a test mode key was used to "
        "make this request."
    )
    with pytest.raises(
        stripe.InvalidRequestError, match="exists in test mode, but a live mode key was used"
    ):
        client_for(LIVE_KEY).v1.payment_intents.retrieve(test.id)
    assert client_for(LIVE_KEY).v1.payment_intents.retrieve(live.id).livemode is True


def test_accounts_are_separate(client_for: Clients, sandbox: Sandbox) -> None:
    """A key sees only its own account's payments; another account's payments are not found."""
    mine = sandbox.create_payment(1)
    sandbox.add_key("sk_test_other", account="acct_other")
    other = client_for("sk_test_other")
    assert other.v1.payment_intents.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match=r"No such payment_intent: '\w+'$"):
        other.v1.payment_intents.retrieve(mine.id)


def test_connected_account(client_for: Clients, sandbox: Sandbox) -> None:
    """A platform's key acts for a connected account with Stripe-Account, and for no other account."""
    sandbox.add_account("acct_child", platform=ACCOUNT)
    sandbox.add_account("acct_stranger")
    theirs = sandbox.create_payment(5, account="acct_child")
    acting = client_for(TEST_KEY, stripe_account="acct_child")
    assert [intent.id for intent in acting.v1.payment_intents.list().data] == [theirs.id]
    assert client_for().v1.payment_intents.list().data == []
    with pytest.raises(
        stripe.PermissionError, match="does not have access to account 'acct_stranger'"
    ):
        client_for(TEST_KEY, stripe_account="acct_stranger").v1.payment_intents.list()


def test_unknown_route(http: httpx.Client) -> None:
    """A URL that Stripe does not have is a 404 in Stripe's words."""
    answer = http.get("/v1/nothing/here")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith("Unrecognized request URL (GET: /v1/nothing/here).")


@pytest.mark.parametrize("target", ["/v1/account", "/v1/payment_intents/pi_x", "/v1/nothing"])
def test_headers(http: httpx.Client, clock: ManualClock, target: str) -> None:
    """Each answer has its own Request-Id, Stripe's version, and the sandbox's time as its Date."""
    clock.advance(timedelta(days=400, seconds=7))
    first, second = (
        http.get(target),
        http.get(target, headers={"Stripe-Version": "2025-03-31.basil"}),
    )
    assert parsedate_to_datetime(first.headers["Date"]) == clock.now()
    assert first.headers["Date"].endswith(" GMT")
    assert first.headers.get_list("Date", split_commas=False) == [first.headers["Date"]]
    assert first.headers["Request-Id"].startswith("req_")
    assert first.headers["Request-Id"] != second.headers["Request-Id"]
    assert first.headers["Stripe-Version"] == API_VERSION
    assert second.headers["Stripe-Version"] == "2025-03-31.basil"


def test_keys_are_not_logged(http: httpx.Client, sandbox: Sandbox) -> None:
    """The log of requests has their headers, but never the key."""
    http.get("/v1/account")
    (seen,) = sandbox.requests.recent
    assert seen.headers["host"].startswith("127.0.0.1")
    assert TEST_KEY not in repr(seen)
    assert TEST_KEY not in repr(sandbox.api_keys.keys[TEST_KEY])
