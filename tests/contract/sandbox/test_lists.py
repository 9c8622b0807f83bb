from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import Sandbox, make, prepared
from reconciler.sandbox.state.seeding import PaymentKind

LIST = "/v1/payment_intents"


def ids_of(page: httpx.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return [item["id"] for item in page.json()["data"]]


@pytest.fixture
def oldest_first(sandbox: Sandbox, clock: ManualClock) -> list[str]:
    """25 intents, two in each second."""
    made = []
    for number in range(25):
        made.append(sandbox.create_payment(100 + number).id)
        if number % 2:
            clock.advance(timedelta(seconds=1))
    return made


def test_newest_first(http: httpx.Client, oldest_first: list[str]) -> None:
    """A list shows the newest first, ten by default, and says whether there are more."""
    page = http.get(LIST)
    assert ids_of(page) == oldest_first[:-11:-1]
    assert page.json()["has_more"] is True
    assert page.json()["object"] == "list"
    assert page.json()["url"] == LIST


@pytest.mark.parametrize("limit", [1, 3, 24, 25, 100])
def test_all_pages_backward(
    client: stripe.StripeClient, oldest_first: list[str], limit: int
) -> None:
    """starting_after shows each intent once, with any page size, even if intents share a second."""
    page = client.v1.payment_intents.list({"limit": limit})
    assert [intent.id for intent in page.auto_paging_iter()] == oldest_first[::-1]


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_all_pages_forward(
    client: stripe.StripeClient, oldest_first: list[str], limit: int
) -> None:
    """ending_before shows the oldest first over all pages, as the SDK's iterator promises."""
    page = client.v1.payment_intents.list({"limit": limit, "ending_before": oldest_first[4]})
    assert [intent.id for intent in page.auto_paging_iter()] == oldest_first[5:]


def test_page_before_a_cursor(http: httpx.Client, oldest_first: list[str]) -> None:
    """A page before a cursor has the items next to it, newest first, and says whether there are newer ones."""
    page = http.get(LIST, params={"limit": 3, "ending_before": oldest_first[10]})
    assert ids_of(page) == [oldest_first[13], oldest_first[12], oldest_first[11]]
    assert page.json()["has_more"] is True
    last = http.get(LIST, params={"limit": 3, "ending_before": oldest_first[21]})
    assert ids_of(last) == oldest_first[:21:-1]
    assert last.json()["has_more"] is False


@pytest.mark.parametrize(
    ("bounds", "seconds"),
    [
        ({"created[gte]": 3, "created[lte]": 5}, (3, 4, 5)),
        ({"created[gt]": 3, "created[lt]": 5}, (4,)),
        ({"created[gt]": 3, "created[lte]": 5}, (4, 5)),
        ({"created[gte]": 3, "created[lt]": 5}, (3, 4)),
        ({"created": 4}, (4,)),
        ({"created[gte]": 11}, (11, 12)),
        ({"created[lt]": 0}, ()),
        ({"created[gt]": 9, "created[lt]": 4}, ()),
    ],
)
def test_created_bounds(
    http: httpx.Client,
    sandbox: Sandbox,
    oldest_first: list[str],
    bounds: dict[str, int],
    seconds: tuple[int, ...],
) -> None:
    """gte and lte include their second, gt and lt do not. A plain number is only that second."""
    zero = sandbox.intent(oldest_first[0]).created
    page = http.get(LIST, params={"limit": 100, **{n: zero + s for n, s in bounds.items()}})
    expected = [i for i in reversed(oldest_first) if sandbox.intent(i).created - zero in seconds]
    assert ids_of(page) == expected


def test_range_with_cursor(http: httpx.Client, sandbox: Sandbox, oldest_first: list[str]) -> None:
    """A cursor moves within the range of created."""
    since = sandbox.intent(oldest_first[8]).created
    page = http.get(
        LIST, params={"limit": 100, "created[gte]": since, "starting_after": oldest_first[12]}
    )
    assert ids_of(page) == [oldest_first[i] for i in (11, 10, 9, 8)]
    assert page.json()["has_more"] is False


def test_customer(http: httpx.Client, sandbox: Sandbox) -> None:
    """customer filters the list by one customer's intents."""
    mine = [sandbox.create_payment(1, customer="cus_a").id for _ in range(3)]
    sandbox.create_payment(1, customer="cus_b")
    assert ids_of(http.get(LIST, params={"customer": "cus_a"})) == mine[::-1]
    assert ids_of(http.get(LIST, params={"customer": "cus_c"})) == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("created[gte]=soon", "created[gte]"),
        ("created[from]=1", "created[from]"),
        ("status=succeeded", "status"),
        ("starting_after=pi_none", "starting_after"),
        ("starting_after=pi_a&ending_before=pi_b", "starting_after"),
        ("expand[]=data.nothing", "expand"),
        ("expand[]=latest_charge", "expand"),
    ],
)
def test_bad_parameters(http: httpx.Client, query: str, param: str) -> None:
    """A parameter that is unknown, out of bounds or not a number is a 400 that names it. There is no status filter."""
    answer = http.get(f"{LIST}?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("parameter", ["expand[]", "expand[0]", "expand%5B%5D", "expand%5B0%5D"])
def test_both_formats_of_expand(http: httpx.Client, sandbox: Sandbox, parameter: str) -> None:
    """Both formats of a list expand, escaped or not; a list needs the prefix data."""
    paid = make(sandbox, PaymentKind.SUCCEEDED, 500)
    one = http.get(f"{LIST}/{paid.id}?{parameter}=latest_charge").json()
    listed = http.get(f"{LIST}?{parameter}=data.latest_charge").json()["data"][0]
    assert one == listed
    assert one["latest_charge"]["object"] == "charge"
    assert one["latest_charge"]["id"] == paid.latest_charge


def test_unexpanded(http: httpx.Client, sandbox: Sandbox) -> None:
    """Without expand latest_charge is the id. It is null before the first attempt, expanded or not."""
    cart = sandbox.create_payment(500)
    paid = make(sandbox, PaymentKind.SUCCEEDED, 500)
    assert http.get(f"{LIST}/{paid.id}").json()["latest_charge"] == paid.latest_charge
    assert http.get(f"{LIST}/{cart.id}").json()["latest_charge"] is None
    assert http.get(f"{LIST}/{cart.id}?expand[]=latest_charge").json()["latest_charge"] is None


def test_a_changed_intent_is_served_changed(http: httpx.Client, sandbox: Sandbox) -> None:
    """After a change, neither the intent nor its charge is served as it was before."""
    paid = make(sandbox, PaymentKind.SUCCEEDED, 500)
    target = f"{LIST}/{paid.id}?expand[]=latest_charge"
    assert http.get(target).json()["latest_charge"]["amount_refunded"] == 0
    sandbox.refund(paid.id, 200)
    assert http.get(target).json()["latest_charge"]["amount_refunded"] == 200
    sandbox.set_status(paid.id, "teleported")
    assert http.get(target).json()["status"] == "teleported"


def test_page_size(http: httpx.Client, sandbox: Sandbox, clock: ManualClock) -> None:
    """An expanded page of 100 has several hundred KB, as Stripe's has, so measurements are realistic."""
    sandbox.load(prepared(100, since=clock.now() - timedelta(days=1), until=clock.now()))
    page = http.get(f"{LIST}?limit=100&expand[]=data.latest_charge")
    assert len(page.json()["data"]) == 100
    assert 400_000 < len(page.content) < 900_000


def test_charges_of_an_intent(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """The charges list shows all attempts of an intent, newest first; latest_charge is only the last."""
    intent = sandbox.create_payment(900)
    sandbox.fail(intent.id, "insufficient_funds")
    sandbox.succeed(intent.id)
    make(sandbox, PaymentKind.SUCCEEDED, 1)
    attempts = client.v1.charges.list({"payment_intent": intent.id}).data
    assert [charge.status for charge in attempts] == ["succeeded", "failed"]
    assert attempts[1].failure_code == "card_declined"
    assert attempts[1].outcome is not None
    assert attempts[1].outcome.reason == "insufficient_funds"
    assert client.v1.charges.retrieve(attempts[0].id).amount == 900


def test_refunds_and_disputes(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """Refunds and disputes are listed by intent and by charge."""
    paid = make(sandbox, PaymentKind.PARTLY_REFUNDED, 900)
    disputed = make(sandbox, PaymentKind.DISPUTED, 700)
    refunds = client.v1.refunds.list({"payment_intent": paid.id}).data
    assert [(refund.amount, refund.status) for refund in refunds] == [(300, "succeeded")]
    disputes = client.v1.disputes.list({"charge": str(disputed.latest_charge)}).data
    assert [(dispute.amount, dispute.status) for dispute in disputes] == [(700, "needs_response")]
    assert client.v1.disputes.list({"payment_intent": paid.id}).data == []


def test_no_checkout_sessions(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """The list of Checkout sessions of an intent is empty."""
    assert client.v1.checkout.sessions.list({"payment_intent": "pi_x"}).data == []
