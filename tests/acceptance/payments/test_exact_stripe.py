"""The Stripe of these tests answers as Stripe does."""

from __future__ import annotations

import pytest

from tests.acceptance.payments.exact_stripe import SEARCH, ExactStripe
from tests.acceptance.payments.search_query import Query, QueryError
from tests.acceptance.payments.stripe_objects import (
    HOUR,
    MINUTE,
    checkout_session,
    event,
    payment_intent,
    refund,
)


def test_an_inner_object_is_an_id_until_it_is_expanded(stripe: ExactStripe) -> None:
    """latest_charge is an id, or the charge where the request expands it, in lists too."""
    stripe.serve(payment_intent("pi_1"))
    assert stripe.answer("/v1/payment_intents/pi_1")[1]["latest_charge"] == "ch_1"
    for target in ("/v1/payment_intents/pi_1?expand[0]=latest_charge",):
        assert stripe.answer(target)[1]["latest_charge"]["amount"] == 1250
    _, listed = stripe.answer("/v1/payment_intents?expand[]=data.latest_charge.refunds")
    assert listed["data"][0]["latest_charge"]["refunds"]["data"] == []
    assert stripe.answer("/v1/payment_intents/pi_1?expand[]=nothing")[0] == 400


def test_a_list_is_newest_first_and_in_pages(stripe: ExactStripe) -> None:
    """A list shows at most its limit, newest first, and goes on after an id."""
    stripe.serve(*(payment_intent(f"pi_{n}", age=n * HOUR) for n in range(1, 6)))
    _, page = stripe.answer("/v1/payment_intents?limit=2")
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (["pi_1", "pi_2"], True)
    _, rest = stripe.answer("/v1/payment_intents?limit=3&starting_after=pi_2")
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (
        ["pi_3", "pi_4", "pi_5"],
        False,
    )
    assert stripe.answer("/v1/payment_intents?status=succeeded")[0] == 400


def test_the_search_is_late(stripe: ExactStripe) -> None:
    """What was created within the lag is not found; the list shows it."""
    stripe.search.lag = 30 * MINUTE
    stripe.serve(payment_intent("pi_1", order="o-1"))
    stripe.serve(payment_intent("pi_2", order="o-1", age=10 * MINUTE))
    _, found = stripe.answer(f'{SEARCH}?query=metadata["order_id"]:"o-1"')
    assert [one["id"] for one in found["data"]] == ["pi_1"]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('metadata["order_id"]:"o-1"', True),
        ("metadata['order_id']:'o-2'", False),
        (r'metadata["order_id"]:"o-1" OR metadata["order_id"]:"say \"x\""', True),
        ('status:"canceled" metadata["order_id"]:"o-1"', False),
        ('-status:"canceled" AND created>1', True),
    ],
)
def test_a_query_finds_what_it_says(text: str, holds: bool) -> None:
    """Clauses are joined by AND or OR; a quoted value may hold escaped quotes."""
    assert Query(text).matches(payment_intent("pi_1", order="o-1")) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        'metadata["order_id"]:"o"1"',
        'status:"a" OR status:"b" AND status:"c"',
        " OR ".join(['status:"a"'] * 11),
    ],
)
def test_a_wrong_query_is_refused(text: str) -> None:
    """A quote that is not escaped, AND beside OR, and more than ten clauses are errors."""
    with pytest.raises(QueryError):
        Query(text)


def test_lists_of_one_charge_or_intent(stripe: ExactStripe) -> None:
    """Refunds, sessions and events are found by what they are about."""
    intent = payment_intent("pi_1")
    stripe.serve(intent, refund(intent, 5), checkout_session("cs_1", "pi_1"))
    stripe.serve(event("payment_intent.succeeded", intent, pending=1))
    assert len(stripe.answer("/v1/refunds?charge=ch_1")[1]["data"]) == 1
    assert stripe.answer("/v1/refunds?charge=ch_2")[1]["data"] == []
    assert len(stripe.answer("/v1/checkout/sessions?payment_intent=pi_1")[1]["data"]) == 1
    _, events = stripe.answer("/v1/events?types[0]=payment_intent.succeeded")
    assert events["data"][0]["data"]["object"]["latest_charge"] == "ch_1"
    assert stripe.answer("/v1/events?delivery_success=true")[1]["data"] == []


def test_refusals_and_actions(stripe: ExactStripe) -> None:
    """A refusal lasts as many requests as it was given; an action runs once, before the answer."""
    stripe.serve(payment_intent("pi_1", "processing"))
    stripe.refuse("/v1/payment_intents", 500, times=1)
    stripe.before("/v1/payment_intents/pi_1", lambda: stripe.change("pi_1", status="canceled"))
    assert stripe.answer("/v1/payment_intents")[0] == 500
    assert stripe.answer("/v1/payment_intents/pi_1")[1]["status"] == "canceled"
    assert stripe.answer("/v1/payment_intents/pi_2")[0] == 404
