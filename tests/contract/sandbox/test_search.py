from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import PaymentKind, Sandbox, SandboxLimits, make

TARGET = "/v1/payment_intents/search"


def ids(client: stripe.StripeClient, query: str) -> list[str]:
    return [found.id for found in client.v1.payment_intents.search({"query": query}).data]


def make_orders(sandbox: Sandbox, clock: ManualClock, *orders: str) -> dict[str, str]:
    """A paid payment for each order; all are in the index by now."""
    made = {order: make(sandbox, PaymentKind.SUCCEEDED, 1000, metadata={"order": order}).id for order in orders}  # fmt: skip
    clock.advance(timedelta(seconds=sandbox.search_delay))
    return made


def test_payments_are_found_by_their_orders(
    client: stripe.StripeClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    """Several orders in one query are found by their exact text, newest first."""
    made = make_orders(sandbox, clock, "o-1", "o-12", 'a "b" \\', "O-1")
    assert ids(client, 'metadata["order"]:"o-1"') == [made["o-1"]]
    both = ids(client, r'metadata["order"]:"o-12" OR metadata["order"]:"a \"b\" \\"')
    assert both == [made['a "b" \\'], made["o-12"]]
    assert ids(client, 'metadata["order"]:"o-2"') == []


def test_the_index_is_behind(
    client: stripe.StripeClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A new payment is not found at first, and a changed one is found as it was; the clock brings both in."""
    old = make_orders(sandbox, clock, "o-1")["o-1"]
    new = sandbox.create_payment(1000, metadata={"order": "o-2"}).id
    sandbox.update(old, metadata={"order": "o-3"})
    sandbox.refund(old)
    clock.advance(timedelta(seconds=sandbox.search_delay - 1))
    assert ids(client, 'metadata["order"]:"o-2"') == []
    stale = client.v1.payment_intents.search({"query": 'metadata["order"]:"o-1"'}).data
    assert [one.metadata.to_dict() for one in stale] == [{"order": "o-1"}]
    assert client.v1.payment_intents.retrieve(old).metadata.to_dict() == {"order": "o-3"}

    clock.advance(timedelta(seconds=1))
    assert ids(client, 'metadata["order"]:"o-2"') == [new]
    assert ids(client, 'metadata["order"]:"o-1"') == []
    assert ids(client, 'metadata["order"]:"o-3"') == [old]


def test_an_outage_makes_the_index_late(
    client: stripe.StripeClient, sandbox: Sandbox, clock: ManualClock
) -> None:
    """A test sets how far the index is behind."""
    sandbox.search_delay = 3600.0
    made = make(sandbox, PaymentKind.SUCCEEDED, 1000).id
    clock.advance(timedelta(minutes=59))
    assert ids(client, "amount:1000") == []
    clock.advance(timedelta(minutes=1))
    assert ids(client, "amount:1000") == [made]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("status:'succeeded'", 2),
        ("-status:'succeeded'", 1),
        ("currency:'EUR' OR currency:'eur'", 2),
        ("amount>1000", 1),
        ("amount>=1000 AND amount<2000", 2),
        ("amount>=1000 amount<=1000", 2),
        ("customer:'cus_1'", 1),
        ("customer:null", 2),
        ("-metadata['order']:null", 1),
        ("metadata['order']~'BC-'", 1),
        ("created>0", 3),
    ],
)
def test_stripes_operators(
    client: stripe.StripeClient, sandbox: Sandbox, clock: ManualClock, query: str, count: int
) -> None:
    """The fields, signs and words of Stripe's search language are understood."""
    make(sandbox, PaymentKind.SUCCEEDED, 1000, "eur", customer="cus_1")
    make(sandbox, PaymentKind.SUCCEEDED, 1000, "usd", metadata={"order": "abc-7"})
    make(sandbox, PaymentKind.CANCELED, 2000, "eur")
    clock.advance(timedelta(minutes=1))
    assert len(ids(client, query)) == count


@pytest.mark.parametrize(
    "query",
    [
        "", " ", "status", "status:", "colour:'red'", "status:'succeeded' AND amount:1 OR amount:2", "metadata:'x'",
        "status['x']:'y'", "amount>'x'", "status>'succeeded'", "amount~'100'", "metadata['o']~'ab'", "status:'a",
        " OR ".join(["amount:1"] * 11), "amount:1,amount:2",
    ],
)  # fmt: skip
def test_a_query_that_stripe_cannot_read_is_refused(http: httpx.Client, query: str) -> None:
    """Stripe answers 400 and does not search for something else."""
    assert http.get(TARGET, params={"query": query}).status_code == 400


def test_pages(client: stripe.StripeClient, sandbox: Sandbox, clock: ManualClock) -> None:
    """The SDK reads page after page, each payment once; the number of all is given on request."""
    made = make_orders(sandbox, clock, *map(str, range(25)))
    first = client.v1.payment_intents.search(
        {"query": "amount:1000", "limit": 10, "expand": ["total_count", "data.latest_charge"]}
    )
    assert (first["total_count"], first.has_more) == (25, True)
    assert isinstance(first.data[0].latest_charge, stripe.Charge)
    assert [one.id for one in first.auto_paging_iter()] == list(reversed(made.values()))


def test_an_account_may_have_no_search(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """Stripe offers no search to merchants in India."""
    sandbox.offers_search = False
    with pytest.raises(stripe.InvalidRequestError, match="unavailable in your region"):
        ids(client, "amount:1")


def test_search_has_a_limit_of_its_own(http: httpx.Client, sandbox: Sandbox) -> None:
    """Stripe takes 20 searches a second, fewer than reads of another endpoint."""
    sandbox.limiter.limits = SandboxLimits(test_per_second=None)
    statuses = [http.get(TARGET, params={"query": "amount:1"}).status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]


def test_a_restricted_key_needs_read_on_payments(
    client_for: Callable[..., stripe.StripeClient], sandbox: Sandbox
) -> None:
    """The search of payments needs the permission of payments, and no other."""
    sandbox.add_key("rk_test_search", permissions={"payment_intent_read"})
    assert ids(client_for("rk_test_search"), "amount:1") == []
    sandbox.add_key("rk_test_other", permissions={"charge_read"})
    with pytest.raises(stripe.PermissionError):
        ids(client_for("rk_test_other"), "amount:1")
