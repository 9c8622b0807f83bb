"""Stripe's search by metadata: how the query is written, and what is concluded from its answer."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler.adapters.stripe_gateway.search_query import LONGEST_QUERY, metadata_query
from reconciler.domain.model.found_intents import FoundIntent, FoundIntents
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.errors import (
    MalformedAnswerError,
    SearchRefusedError,
    StripeRefusedError,
    StripeRequestError,
    WrongKeyError,
)
from reconciler.exit_codes import ExitCode
from tests.unit.gateway.canned_server import error, intent, reply
from tests.unit.gateway.conftest import Serve


def results(*items: Any, next_page: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "object": "search_result",
        "url": "/v1/payment_intents/search",
        "data": list(items),
        "has_more": next_page is not None,
        "next_page": next_page,
        **changes,
    }


def found(number: int, **changes: Any) -> dict[str, Any]:
    return intent(id=f"pi_{number}", metadata={"order": f"o-{number}", "email": "x"}, **changes)


def test_one_search_names_several_orders(serve: Serve) -> None:
    """Ten values at most go into one query; the answer says which. An intent is found with its id and the searched
    metadata, and nothing else about it is trusted."""
    served = serve(reply(results(found(1), found(2))))
    orders = [f"o-{number}" for number in range(12)]
    assert served.gateway.search_intents("order", orders) == FoundIntents(
        (FoundIntent("pi_1", {"order": "o-1"}), FoundIntent("pi_2", {"order": "o-2"})),
        tuple(orders[:10]),
        is_whole=True,
    )
    query = parse_qs(urlsplit(served.server.targets[0]).query)
    assert query["query"] == [" OR ".join(f'metadata["order"]:"{order}"' for order in orders[:10])]
    assert served.hook_calls.acquired == [Endpoint.SEARCH]


@pytest.mark.parametrize(
    ("value", "written"),
    [('a"b', r"a\"b"), ("a\\", r"a\\"), (r"\"", r"\\\""), ('" OR status:"succeeded', r"\" OR status:\"succeeded")],
)  # fmt: skip
def test_a_value_cannot_leave_its_quotes(value: str, written: str) -> None:
    """Quotes and backslashes in an order's text are escaped, so that it stays one value."""
    assert metadata_query('k"', [value])[0] == rf'metadata["k\""]:"{written}"'


def test_a_query_is_not_longer_than_stripe_takes() -> None:
    """Long values share a query only as far as it stays within a thousand characters; one value always goes."""
    query, taken = metadata_query("order", ["x" * 300] * 9)
    assert (len(taken), len(query) <= LONGEST_QUERY) == (3, True)
    assert metadata_query("order", ['"' * 500, "y"])[1] == ('"' * 500,)


def test_nothing_is_asked_about_no_order(serve: Serve) -> None:
    """Without values there is nothing to search for, and no read is spent."""
    served = serve(reply(results()))
    assert served.gateway.search_intents("order", []) == FoundIntents((), (), is_whole=True)
    assert served.gateway.reads == 0


def test_every_page_of_a_search_is_read(serve: Serve) -> None:
    """The pages go by Stripe's own page name, and an intent that two pages show counts once."""
    served = serve(reply(results(found(1), next_page="p 2")), reply(results(found(1), found(2))))
    answer = served.gateway.search_intents("order", ["o-1"])
    assert ([item.id for item in answer.intents], answer.is_whole) == (["pi_1", "pi_2"], True)
    assert parse_qs(urlsplit(served.server.targets[1]).query)["page"] == ["p 2"]


def test_a_search_without_an_end_is_not_whole(serve: Serve) -> None:
    """Five pages are read; what was found may lack the intent that matters, and the answer says so."""
    numbers = iter(range(100))
    served = serve(lambda _: reply(results(found(number := next(numbers)), next_page=f"p{number}")))
    answer = served.gateway.search_intents("order", ["o-1"])
    assert (served.gateway.reads, len(answer.intents), answer.is_whole) == (5, 5, False)


@pytest.mark.parametrize(
    "changes", [{"metadata": {"order": 7}}, {"id": "pi/1"}, {"object": "charge"}]
)
def test_an_unreadable_result_makes_the_search_partial(
    serve: Serve, changes: dict[str, Any]
) -> None:
    """A result that cannot be read may be the one that matters; the others are not lost."""
    served = serve(reply(results(found(1), {**found(2), **changes})))
    answer = served.gateway.search_intents("order", ["o-1"])
    assert ([item.id for item in answer.intents], answer.is_whole) == (["pi_1"], False)


def test_a_result_may_lack_the_key(serve: Serve) -> None:
    """Stripe's index is behind: the intent may have lost that metadata since."""
    answer = serve(reply(results(intent()))).gateway.search_intents("order", ["o-1"])
    assert answer.intents == (FoundIntent("pi_1"),)


@pytest.mark.parametrize(
    "body",
    [
        results(next_page="p", has_more="yes"),
        results(has_more=True),
        {"object": "list", "data": [], "has_more": False},
        results(data=None),
    ],
    ids=["has_more is no boolean", "more without a page", "a list", "no data"],
)
def test_another_shape_is_an_error(serve: Serve, body: dict[str, Any]) -> None:
    """An answer that is no search result says nothing about the order."""
    with pytest.raises(MalformedAnswerError):
        serve(reply(body)).gateway.search_intents("order", ["o-1"])


def test_a_search_that_does_not_move_on_is_an_error(serve: Serve) -> None:
    """The same page again would never end."""
    with pytest.raises(MalformedAnswerError, match="names the page that was just read as the next"):
        serve(reply(results(found(1), next_page="p"))).gateway.search_intents("order", ["o-1"])


def test_a_result_of_the_other_mode_is_an_error(serve: Serve) -> None:
    """The key is not the one for this table."""
    served = serve(reply(results(found(1, livemode=True))), livemode=False)
    with pytest.raises(WrongKeyError):
        served.gateway.search_intents("order", ["o-1"])


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize(
    "message",
    [
        "The search feature is temporarily unavailable in your region. Please try again later.",
        "search feature unavailable for merchant",
        "Search is not available for this account.",
    ],
)
def test_an_account_without_search_is_no_refused_key(
    serve: Serve, status: int, message: str
) -> None:
    """Stripe offers no search to merchants in India. The key is right, so the sweep goes on: one read, exit code 75."""
    served = serve(error(status, message))
    with pytest.raises(SearchRefusedError) as caught:
        served.gateway.search_intents("order", ["o-1"])
    assert (served.gateway.reads, caught.value.exit_code) == (1, ExitCode.TEMPORARY)
    assert message not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(401, "Invalid API Key provided"), StripeRefusedError),
        (
            error(403, "Search is not available: having the 'rak_payment_intent_read' permission would allow it."),
            StripeRefusedError,
        ),
        (error(403, "The provided key does not have access to account.", code="account_invalid"), StripeRefusedError),
        (error(400, "We were unable to parse your search query."), StripeRequestError),  # Stripe's words; banned-words: allowed
    ],
    ids=["key", "permission", "account", "query"],
)  # fmt: skip
def test_other_refusals_of_a_search_stay_what_they_are(
    serve: Serve, answer: bytes, expected: type[Exception]
) -> None:
    """A refused key or a query that Stripe cannot read does not look like an account without search."""
    with pytest.raises(expected) as caught:
        serve(answer).gateway.search_intents("order", ["o-1"])
    assert not isinstance(caught.value, SearchRefusedError)
