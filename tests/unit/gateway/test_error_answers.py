from __future__ import annotations

import pytest

from reconciler.domain.model.intent import MissingIntent
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import (
    StripeRefusedError,
    StripeRequestError,
)
from tests.unit.gateway.canned_server import (
    KEY,
    error,
    intent,
    reply,
)
from tests.unit.gateway.conftest import Serve

GOOD_INTENT = reply(intent())

HTML = b"<html><body>502 Bad Gateway</body></html>"


@pytest.mark.parametrize(
    ("message", "other_mode"),
    [
        ("No such payment_intent: 'pi_1'", False),
        ("No such payment_intent: 'pi_1'; a similar object exists in live mode, but a test mode key was used.", True),
        ("No such payment_intent: 'pi_1'; a similar object exists in test mode, but a live mode key was used.", True),
    ],
)  # fmt: skip
def test_stripes_404_is_an_answer(serve: Serve, message: str, other_mode: bool) -> None:
    """If Stripe says that there is no such intent, that is an answer, with what it says about the other mode."""
    served = serve(error(404, message, code="resource_missing"))
    found = served.gateway.retrieve("pi_1")
    assert isinstance(found, MissingIntent)
    assert (found.id, found.other_mode, found.request_id) == ("pi_1", other_mode, "req_abc")
    assert served.gateway.reads == 1


@pytest.mark.parametrize("answer", [error(404), reply(HTML, 404)], ids=["a path's", "a proxy's"])
def test_a_404_that_is_not_about_the_object_is_an_error(serve: Serve, answer: bytes) -> None:
    """A 404 from a proxy, or for a path that does not exist, says nothing about the payment."""
    with pytest.raises(StripeRequestError):
        serve(answer).gateway.retrieve("pi_1")


@pytest.mark.parametrize("message", ["No such payment_intent: 'pi_1'", ""])
def test_a_404_of_a_list_is_an_error(serve: Serve, message: str) -> None:
    """Only a retrieve can find that an object does not exist."""
    with pytest.raises(StripeRequestError, match="404"):
        serve(error(404, message, code="resource_missing")).gateway.list_charges("pi_1")


def test_a_missing_permission_is_named_with_a_hint(serve: Serve) -> None:
    """A 403 names the permission, and the hint names the resource that the restricted key must be able to read."""
    message = (
        "The provided key 'rk_test_*********' does not have the required permissions for this endpoint on account "
        "'acct_1'. Having the 'rak_charge_read' permission would allow this request to continue."
    )
    with pytest.raises(StripeRefusedError) as caught:
        serve(error(403, message)).gateway.list_charges("pi_1")
    assert caught.value.permission == "rak_charge_read"
    assert "Read on Charges and Refunds (rak_charge_read)" in caught.value.hint


def test_a_403_without_a_permission_says_what_to_check(serve: Serve) -> None:
    """If Stripe names no permission, the hint names those that are needed and the connected account."""
    with pytest.raises(StripeRefusedError, match="stripe_account") as caught:
        serve(error(403, code="account_invalid")).gateway.retrieve("pi_1")
    assert caught.value.permission is None


def test_a_refused_key_is_shown_by_its_prefix(serve: Serve) -> None:
    """A 401 names the account and shows no more of its key than the prefix."""
    with pytest.raises(StripeRefusedError, match="the key rk_test_… of account shop"):
        serve(error(401, f"Invalid API Key provided: {KEY}")).gateway.retrieve("pi_1")


def test_a_redirect_is_not_followed(serve: Serve) -> None:
    """A redirect is refused: the key goes to no other address than the configured one."""
    elsewhere = serve(GOOD_INTENT)
    served = serve(reply(b"", 301, location=f"{elsewhere.server.url}/v1/payment_intents/pi_1"))
    with pytest.raises(StripeRequestError, match=r"not Stripe answered .* with status 301"):
        served.gateway.retrieve("pi_1")
    assert elsewhere.server.targets == []


def test_stripes_code_and_parameter_are_named(serve: Serve) -> None:
    """The error of a wrong request has Stripe's code and parameter, and the request's id, which Stripe's support
    asks for."""
    answer = error(400, code="parameter_invalid_integer", param="created[gte]")
    with pytest.raises(StripeRequestError) as caught:
        serve(answer).gateway.list_intents(TimeRange())
    assert "(parameter_invalid_integer, parameter created[gte], request req_abc)" in str(
        caught.value
    )
