from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.model.intent import Charge, Intent, NextAction
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.errors import MalformedAnswerError, StripeRequestError, WrongKeyError
from tests.unit.gateway.canned_server import CREATED, charge, event, intent, page, reply
from tests.unit.gateway.conftest import Serve

AT = datetime.fromtimestamp(CREATED, UTC)
SEEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read(serve: Serve, body: Any, **options: Any) -> Intent:
    answer = serve(reply(body), **options).gateway.retrieve("pi_1")
    assert isinstance(answer, Intent)
    return answer


def test_an_intent_is_read_whole(serve: Serve) -> None:
    """Every fact that a decision needs is read: times are aware, the currency is in lower case, seen_at is Stripe's
    time."""
    body = intent(
        currency="EUR",
        canceled_at=CREATED + 9,
        metadata={"order": "7", "email": "jenny@example.com"},
        last_payment_error={"code": "card_declined", "message": "Declined."},
    )
    assert read(serve, body, metadata_keys=["order", "absent"]) == Intent(
        id="pi_1",
        status="succeeded",
        amount=1099,
        amount_received=1099,
        amount_capturable=0,
        currency="eur",
        created=AT,
        livemode=False,
        seen_at=SEEN,
        request_id="req_abc",
        canceled_at=AT + timedelta(seconds=9),
        failure_code="card_declined",
        method="card",
        charge=Charge(
            id="ch_1",
            status="succeeded",
            created=AT + timedelta(seconds=1),
            amount=1099,
            amount_captured=1099,
            amount_refunded=0,
            refunded=False,
            disputed=False,
            method="card",
        ),
        metadata={"order": "7"},
    )


def test_an_error_without_a_code_is_a_failed_attempt(serve: Serve) -> None:
    """The presence of last_payment_error means a failed attempt: without a code, the failure code is empty."""
    body = intent(
        status="requires_payment_method", last_payment_error={"type": "api_error", "code": None}
    )
    answer = read(serve, body)
    assert (answer.failure_code, answer.outcome) == ("", Outcome.FAILED)


def test_no_attempt_means_no_charge(serve: Serve) -> None:
    """An intent whose latest_charge is null was never attempted."""
    answer = read(serve, intent(status="requires_payment_method", latest_charge=None))
    assert (answer.charge, answer.failure_code) == (None, None)


def test_unknown_strings_and_fields_are_kept(serve: Serve) -> None:
    """Stripe may add statuses, methods and fields without a new version; none of them breaks a read."""
    details = {"type": "telepathy", "telepathy": {"depth": [1]}}
    answer = read(
        serve, intent(status="pondering", mood={"x": 1}, latest_charge=charge(status="odd", payment_method_details=details))
    )  # fmt: skip
    assert (answer.status, answer.outcome, answer.method) == (
        "pondering",
        Outcome.UNKNOWN,
        "telepathy",
    )


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({"payment_method_types": ["card", "klarna"]}, "card"),
        (
            {
                "latest_charge": None,
                "last_payment_error": {"payment_method_type": "sepa_debit"},
                "payment_method_types": ["card", "sepa_debit"],
            },
            "sepa_debit",
        ),
        ({"latest_charge": None, "payment_method_types": ["oxxo"]}, "oxxo"),
        ({"latest_charge": None, "payment_method_types": ["oxxo", "card"]}, None),
        (
            {"latest_charge": charge(payment_method_details=None), "payment_method_types": None},
            None,
        ),
    ],
    ids=["charge", "error", "only one possible", "several possible", "nothing known"],
)
def test_the_method_is_the_one_that_was_used(
    serve: Serve, changes: dict[str, Any], method: str | None
) -> None:
    """The payment method is that of the charge, else of the failed attempt, else the only possible one."""
    assert read(serve, intent(**changes)).method == method


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}, None),
        ({"type": "boleto_display_details", "boleto_display_details": {"expires_at": CREATED}}, AT),
        ({"type": "konbini_display_details", "konbini_display_details": {"expires_at": CREATED}}, AT),
        ({"type": "multibanco_display_details", "multibanco_display_details": {"expires_at": CREATED}}, AT),
        ({"type": "pix_display_qr_code", "pix_display_qr_code": {"expires_at": CREATED}}, AT),
        ({"type": "klarna_display_qr_code", "klarna_display_qr_code": {"expires_at": CREATED}}, AT),
        ({"type": "oxxo_display_details", "oxxo_display_details": {"expires_after": CREATED}}, AT),
        ({"type": "oxxo_display_details", "oxxo_display_details": {"expires_after": None}}, None),
        ({"type": "cashapp_handle_redirect_or_display_qr_code",
          "cashapp_handle_redirect_or_display_qr_code": {"qr_code": {"expires_at": CREATED}}}, AT),
        ({"type": "newpay_await", "newpay_await": {"expires_at": CREATED}}, AT),
        ({"type": "newpay", "newpay_display_code": {"expires_at": CREATED}}, AT),
        ({"type": "pix_display_qr_code", "pix_display_qr_code": {"expires_at": "soon"}}, None),
        ({"type": "pix_display_qr_code", "pix_display_qr_code": {"expires_at": True}}, None),
        ({"type": "pix_display_qr_code", "pix_display_qr_code": {"expires_at": 10**15}}, None),
        ({"type": "pix_display_qr_code", "pix_display_qr_code": "gone"}, None),
    ],
)  # fmt: skip
def test_a_next_action_has_its_expiry(
    serve: Serve, action: dict[str, Any], expected: datetime | None
) -> None:
    """The expiry of a voucher or QR code is found in each type's own place; a value that is no time is no expiry."""
    body = intent(status="requires_action", latest_charge=None, next_action=action)
    assert read(serve, body).next_action == NextAction(action["type"], expected)


@pytest.mark.parametrize("action", ["soon", {}, {"type": 7}, [1]])
def test_a_next_action_of_unknown_shape_is_no_error(serve: Serve, action: Any) -> None:
    """No decision about money depends on it, so an unknown shape is read as unknown."""
    assert read(serve, intent(next_action=action)).next_action == NextAction("unknown")


def test_a_next_action_that_is_not_utf_8_is_no_error(serve: Serve) -> None:
    """Bytes in it that are not UTF-8 are read as unknown."""
    whole = reply(intent(next_action={"type": "NOT"})).replace(b"NOT", b"\xff\xfe\xfd")
    answer = serve(whole).gateway.retrieve("pi_1")
    assert isinstance(answer, Intent)
    assert answer.next_action == NextAction("unknown")


def bank_transfer(**instructions: Any) -> dict[str, Any]:
    kind = "display_bank_transfer_instructions"
    return {"type": kind, kind: {"currency": "usd", "type": "us_bank_transfer", **instructions}}


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [({"amount_remaining": 400}, 400), ({"amount_remaining": 0}, 0), ({"amount_remaining": None}, None), ({}, None)],
)  # fmt: skip
def test_a_bank_transfer_says_what_it_still_lacks(
    serve: Serve, instructions: dict[str, Any], expected: int | None
) -> None:
    """Money that came in part is seen by the amount that remains; without it, nothing is known of it."""
    body = intent(
        status="requires_action", latest_charge=None, next_action=bank_transfer(**instructions)
    )
    action = read(serve, body).next_action
    assert action == NextAction("display_bank_transfer_instructions", None, expected)


@pytest.mark.parametrize("value", [4.0, "400", True, -1, 2**63, [4]])
def test_a_remaining_amount_that_is_no_amount_is_named(serve: Serve, value: Any) -> None:
    """Money at stake depends on it, so an odd value makes the intent unreadable; it does not become nothing."""
    body = intent(next_action=bank_transfer(amount_remaining=value))
    with pytest.raises(MalformedAnswerError, match=r"bank_transfer_instructions\.amount_remaining"):
        serve(reply(body)).gateway.retrieve("pi_1")


def test_only_the_id_of_a_customer_is_kept(serve: Serve) -> None:
    """Two intents can be compared by their customer; its data has no place in an intent."""
    assert read(serve, intent(customer="cus_1")).customer == "cus_1"
    assert read(serve, intent(customer=None)).customer is None


def test_a_charge_that_captured_null_captured_nothing(serve: Serve) -> None:
    """Before API version basil the captured amount of a canceled hold is null."""
    answer = read(
        serve, intent(status="canceled", latest_charge=charge(amount_captured=None, captured=False))
    )
    assert answer.charge is not None
    assert answer.charge.amount_captured == 0


@pytest.mark.parametrize("kind", ["card", "card_present"])
def test_an_authorization_ends_at_capture_before(serve: Serve, kind: str) -> None:
    """The deadline for capturing is a field of the card, paid online or in person."""
    details = {"type": kind, kind: {"capture_before": CREATED + 60}}
    answer = read(serve, intent(latest_charge=charge(payment_method_details=details)))
    assert answer.charge is not None
    assert answer.charge.capture_before == AT + timedelta(seconds=60)


BROKEN = [
    ("amount", {"amount": 10.0}),
    ("amount", {"amount": True}),
    ("amount", {"amount": -1}),
    ("amount", {"amount": "1099"}),
    ("amount", {"amount": None}),
    ("amount", {"amount": 2**63}),
    ("amount_received", {"amount_received": 10.99}),
    ("amount_capturable", {"amount_capturable": None}),
    ("created", {"created": None}),
    ("created", {"created": 10**12}),
    ("created", {"created": -5}),
    ("status", {"status": None}),
    ("currency", {"currency": 5}),
    ("livemode", {"livemode": "false"}),
    ("canceled_at", {"canceled_at": "yesterday"}),
    ("latest_charge", {"latest_charge": "ch_1"}),
    ("latest_charge.id", {"latest_charge": charge(id="")}),
    ("latest_charge.refunded", {"latest_charge": charge(refunded=None)}),
    ("latest_charge.amount_refunded", {"latest_charge": charge(amount_refunded=-3)}),
    ("latest_charge.amount_captured", {"latest_charge": charge(amount_captured="0")}),
    ("customer", {"customer": {"id": "cus_1", "email": "jenny@example.com"}}),
    ("latest_charge.object", {"latest_charge": charge(object="refund")}),
    ("metadata[...]", {"metadata": {"order": 7}}),
]


@pytest.mark.parametrize(("field", "changes"), BROKEN)
def test_a_broken_field_is_named_and_never_quoted(
    serve: Serve, field: str, changes: dict[str, Any]
) -> None:
    """An intent with a broken amount or identity is refused, with its id and the field. It is requested once only,
    because Stripe would send the same object again."""
    served = serve(reply(intent(**changes)))
    with pytest.raises(MalformedAnswerError) as caught:
        served.gateway.retrieve("pi_1")
    assert f"PaymentIntent pi_1 differs from Stripe's API reference at {field}." in str(
        caught.value
    )
    assert served.gateway.reads == 1


@pytest.mark.parametrize(
    "field", ["amount", "amount_received", "amount_capturable", "created", "status", "livemode"]
)
def test_a_missing_field_is_never_read_as_zero(serve: Serve, field: str) -> None:
    """A missing field makes the answer malformed; it does not become 0."""
    body = intent()
    del body[field]
    with pytest.raises(MalformedAnswerError, match=f"at {field}"):
        serve(reply(body)).gateway.retrieve("pi_1")


@pytest.mark.parametrize(
    "body",
    [
        intent(id="pi_2"),
        intent(object="setup_intent"),
        charge(id="pi_1"),
        page([intent()]),
        {"message": "hello from a proxy"},
        [],
        None,
        "pi_1",
    ],
    ids=["another", "another kind", "a charge", "a list", "a proxy's", "array", "null", "string"],
)
def test_an_answer_about_another_object_is_requested_again(serve: Serve, body: Any) -> None:
    """An answer that is not the requested intent says nothing about it: five tries, then an error."""
    served = serve(reply(body))
    with pytest.raises(MalformedAnswerError, match="not the PaymentIntent that was requested"):
        served.gateway.retrieve("pi_1")
    assert served.gateway.reads == 5


def test_nul_and_half_characters_are_replaced(serve: Serve) -> None:
    """PostgreSQL's text can hold neither NUL nor half of a surrogate pair. An escaped backslash before u0000 stays."""
    body = b'{"metadata":{"a":"x\\u0000y","b":"x\\\\u0000y","c":"cut \\ud83d","d":"\\ud83d\\ude00","e":"\\\\ud83d"},'
    whole = reply(
        body
        + reply(intent(metadata={})).split(b"\r\n\r\n", 1)[1][1:].replace(b'"metadata": {}, ', b"")
    )
    answer = serve(whole, metadata_keys="abcde").gateway.retrieve("pi_1")
    assert isinstance(answer, Intent)
    assert answer.metadata == {
        "a": "x\ufffdy",
        "b": "x\\u0000y",
        "c": "cut \ufffd",
        "d": "\U0001f600",
        "e": "\\ud83d",
    }


@pytest.mark.parametrize(("expected", "found"), [(True, False), (False, True)])
def test_an_object_of_the_other_mode_is_an_error(serve: Serve, expected: bool, found: bool) -> None:
    """livemode of every object must be the configured one; else the key is not the one for this table."""
    item = intent(livemode=found)
    about = event(livemode=found)
    paid = charge(livemode=found)
    for body, call in [
        (item, lambda gateway: gateway.retrieve("pi_1")),
        (page([item]), lambda gateway: gateway.list_intents(TimeRange())),
        (page([about]), lambda gateway: gateway.list_events(TimeRange(), ["charge.failed"])),
        (page([paid]), lambda gateway: gateway.list_charges("pi_1")),
    ]:
        served = serve(reply(body), livemode=expected)
        with pytest.raises(WrongKeyError, match="live mode"):
            call(served.gateway)
        assert served.gateway.reads == 1


@pytest.mark.parametrize(
    "wrong", ["", "pi_1/capture", "../events", "pi 1", "pi_1?limit=1", "é", "x" * 256, "pi_1\n"]
)
def test_an_impossible_id_is_never_sent(serve: Serve, wrong: str) -> None:
    """An empty id would list, and one with a slash would request another object: no request is sent."""
    served = serve(reply(intent()))
    for call in (
        lambda: served.gateway.retrieve(wrong),
        lambda: served.gateway.list_charges(wrong),
        lambda: served.gateway.list_intents(TimeRange(), wrong),
        lambda: served.gateway.list_events(TimeRange(), ["charge.failed"], wrong),
    ):
        with pytest.raises(StripeRequestError, match="cannot be the id"):
            call()
    assert (served.gateway.reads, served.hook_calls.acquired, served.server.targets) == (0, [], [])


def test_the_longest_id_is_requested(serve: Serve) -> None:
    """Ids have up to 255 characters and no promised prefix."""
    longest = "X" * 255
    answer = serve(reply(intent(id=longest))).gateway.retrieve(longest)
    assert answer.id == longest
