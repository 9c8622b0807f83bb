from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import API_VERSION, ApiRefusal, Sandbox, make
from reconciler.sandbox.objects.charge_to_json import balance_transaction_json
from reconciler.sandbox.state.seeding import PaymentKind

FIELDS = {
    "id", "object", "amount", "amount_capturable", "amount_received", "canceled_at", "cancellation_reason",
    "capture_method", "client_secret", "created", "currency", "customer", "last_payment_error", "latest_charge",
    "livemode", "metadata", "next_action", "payment_method", "payment_method_types", "payment_record", "processing",
    "status",
}  # fmt: skip


@pytest.mark.parametrize("kind", list(PaymentKind))
def test_fields(client: stripe.StripeClient, sandbox: Sandbox, kind: PaymentKind) -> None:
    """Payments of every kind have the fields of a PaymentIntent, and the SDK reads them."""
    made = make(sandbox, kind, 1000, "eur", metadata={"order_id": "7"})
    read = client.v1.payment_intents.retrieve(made.id, {"expand": ["latest_charge"]})
    assert set(read.to_dict()) >= FIELDS
    assert (read.status, read.amount, read.currency) == (made.status, 1000, "eur")
    assert read.metadata["order_id"] == "7"
    assert read.amount_received == made.amount_received
    assert read.client_secret is not None
    assert read.client_secret.startswith(f"{made.id}_secret_")


@pytest.mark.parametrize(
    ("kind", "status", "received", "events"),
    [
        (PaymentKind.ABANDONED, "requires_payment_method", 0, []),
        (PaymentKind.UNCONFIRMED, "requires_confirmation", 0, []),
        (PaymentKind.AUTHENTICATING, "requires_action", 0, ["payment_intent.requires_action"]),
        (PaymentKind.VOUCHER, "requires_action", 0, ["payment_intent.requires_action"]),
        (PaymentKind.FAILED, "requires_payment_method", 0, ["charge.failed", "payment_intent.payment_failed"]),
        (PaymentKind.PROCESSING, "processing", 0, ["payment_intent.processing", "charge.pending"]),
        (PaymentKind.AUTHORIZED, "requires_capture", 0, ["charge.succeeded", "payment_intent.amount_capturable_updated"]),
        (PaymentKind.SUCCEEDED, "succeeded", 1000, ["charge.succeeded", "payment_intent.succeeded"]),
        (PaymentKind.CANCELED, "canceled", 0, ["payment_intent.canceled"]),
        (PaymentKind.REFUNDED, "succeeded", 1000,
         ["charge.succeeded", "payment_intent.succeeded", "refund.created", "charge.refunded"]),
        (PaymentKind.DISPUTED, "succeeded", 1000,
         ["charge.succeeded", "payment_intent.succeeded", "charge.dispute.created", "charge.dispute.funds_withdrawn"]),
        (PaymentKind.PARTLY_CAPTURED, "requires_capture", 500,
         ["charge.succeeded", "payment_intent.amount_capturable_updated", "charge.captured",
          "payment_intent.amount_capturable_updated"]),
        (PaymentKind.CAPTURED_LESS, "succeeded", 500,
         ["charge.succeeded", "payment_intent.amount_capturable_updated", "charge.captured",
          "payment_intent.succeeded"]),
        (PaymentKind.EXPIRED, "canceled", 0,
         ["charge.succeeded", "payment_intent.amount_capturable_updated", "charge.expired",
          "payment_intent.canceled"]),
    ],
)  # fmt: skip
def test_status_and_events(
    sandbox: Sandbox, kind: PaymentKind, status: str, received: int, events: list[str]
) -> None:
    """Each kind of payment ends with Stripe's status and money, and has Stripe's events in their order."""
    made = make(sandbox, kind, 1000)
    assert (made.status, made.amount_received) == (status, received)
    assert [event.type for event in sandbox.events(made.id)] == ["payment_intent.created", *events]


def test_snapshots(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """An event shows the object as it was then, independent of later changes."""
    made = make(sandbox, PaymentKind.SUCCEEDED, 1000)
    created, _, succeeded = reversed(client.v1.events.list().data)
    assert created.type == "payment_intent.created"
    assert created.data.object["status"] == "requires_payment_method"
    assert succeeded.data.object["status"] == "succeeded"
    assert succeeded.data.object["latest_charge"] == made.latest_charge
    assert succeeded.api_version == API_VERSION
    assert succeeded.request is not None
    assert succeeded.request.id is None


def test_a_failure_is_on_intent_and_charge(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """A decline is in last_payment_error with its charge; the next attempt clears it."""
    intent = sandbox.create_payment(1000)
    sandbox.fail(intent.id, "insufficient_funds")
    read = client.v1.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    assert read.last_payment_error is not None
    assert read.last_payment_error.code == "card_declined"
    assert read.last_payment_error.decline_code == "insufficient_funds"
    assert read.last_payment_error.charge == read.latest_charge.id  # type: ignore[union-attr]
    assert sandbox.succeed(intent.id).last_payment_error is None


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("oxxo", "expires_after"),
        ("konbini", "expires_at"),
        ("boleto", "expires_at"),
        ("multibanco", "expires_at"),
    ],
)
def test_vouchers(http: httpx.Client, sandbox: Sandbox, method: str, field: str) -> None:
    """A voucher's expiry is in next_action, in Stripe's own field. An unpaid voucher fails without a charge."""
    intent = sandbox.create_payment(1000, "mxn", method=method)
    until = datetime(2026, 3, 4, tzinfo=UTC)
    sandbox.require_action(intent.id, expires_at=until)
    action = http.get(f"/v1/payment_intents/{intent.id}").json()["next_action"]
    assert action[action["type"]][field] == int(until.timestamp())
    clock = sandbox.clock
    assert isinstance(clock, ManualClock)
    clock.advance(timedelta(days=4))
    assert sandbox.expire_due() == 1
    failed = sandbox.intent(intent.id)
    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error is not None
    assert failed.latest_charge is None


def test_bank_debit(sandbox: Sandbox) -> None:
    """A debit's charge is pending while processing. The same charge then succeeds or fails."""
    intent = sandbox.create_payment(1000, method="sepa_debit")
    pending = sandbox.process(intent.id)
    charge = sandbox.latest_charge(intent.id)
    assert charge is not None
    assert (charge.status, charge.paid) == ("pending", False)
    done = sandbox.succeed(intent.id)
    assert done.latest_charge == pending.latest_charge
    assert len(sandbox.charges(intent.id)) == 1


def test_authorization(http: httpx.Client, sandbox: Sandbox, clock: ManualClock) -> None:
    """A held card payment shows until when it may be captured. After that Stripe cancels it."""
    made = make(sandbox, PaymentKind.AUTHORIZED, 1000)
    charge = http.get(f"/v1/charges/{made.latest_charge}").json()
    end = int((clock.now() + timedelta(days=7)).timestamp())
    assert charge["payment_method_details"]["card"]["capture_before"] == end
    assert (charge["captured"], charge["paid"], made.amount_capturable) == (False, True, 1000)
    clock.advance(timedelta(days=7, seconds=-1))
    assert sandbox.expire_due() == 0
    clock.advance(timedelta(seconds=1))
    assert sandbox.expire_due() == 1
    assert sandbox.intent(made.id).status == "canceled"


@pytest.mark.parametrize("counts", [False, True])
def test_capture_of_less(clock: ManualClock, counts: bool) -> None:
    """A final capture of less releases the rest. Since API version basil the charge does not count it as refunded;
    before, there is a refund of it, and the balance transaction has the whole amount."""
    sandbox = Sandbox(clock, releases_count_as_refunded=counts)
    made = make(sandbox, PaymentKind.CAPTURED_LESS, 1000)
    charge = sandbox.latest_charge(made.id)
    assert charge is not None
    refunded = 500 if counts else 0
    assert (charge.amount_captured, charge.amount_refunded, charge.refunded) == (500, refunded, False)  # fmt: skip
    assert (made.amount_received, made.amount_capturable) == (500, 0)
    assert [refund.amount for refund in sandbox.refunds(made.id)] == [500] * counts
    assert balance_transaction_json(charge)["amount"] == (1000 if counts else 500)
    assert "charge.refunded" not in {event.type for event in sandbox.events(made.id)}


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("expires", [False, True])
def test_a_canceled_hold(clock: ManualClock, counts: bool, expires: bool) -> None:
    """Since API version basil a canceled hold is no refund, and an expired one has the reason "expired"."""
    sandbox = Sandbox(clock, releases_count_as_refunded=counts)
    held = make(sandbox, PaymentKind.AUTHORIZED, 1000)
    gone = sandbox.expire_authorization(held.id) if expires else sandbox.cancel(held.id)
    charge = sandbox.latest_charge(held.id)
    assert charge is not None
    assert (charge.amount_captured, charge.amount_refunded, charge.refunded) == (0, 1000 * counts, counts)  # fmt: skip
    reason = ("automatic" if counts else "expired") if expires else None
    assert gone.cancellation_reason == reason
    kinds = [event.type for event in sandbox.events(held.id)]
    of_charge = ["charge.expired"] if expires else ["charge.refunded"] * counts
    assert kinds[3:] == [*of_charge, "payment_intent.canceled"]


def test_multicapture(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """After a capture that is not final, the status is requires_capture with money received, until the rest is
    captured."""
    made = make(sandbox, PaymentKind.AUTHORIZED, 1000)
    part = client.v1.payment_intents.capture(
        made.id, {"amount_to_capture": 300, "final_capture": False}
    )
    assert (part.status, part.amount_received, part.amount_capturable) == (
        "requires_capture",
        300,
        700,
    )
    rest = client.v1.payment_intents.capture(
        made.id, {"amount_to_capture": 700, "final_capture": False}
    )
    assert (rest.status, rest.amount_received) == ("succeeded", 1000)


@pytest.mark.parametrize(
    ("token", "status"),
    [
        ("pm_card_visa", "succeeded"),
        ("pm_card_authenticationRequired", "requires_action"),
        ("pm_usBankAccount", "processing"),
        ("pm_oxxo", "requires_action"),
    ],
)
def test_confirm_tokens(client: stripe.StripeClient, token: str, status: str) -> None:
    """Confirming with Stripe's test payment methods has the same result as at Stripe, in one step or in two."""
    at_once = client.v1.payment_intents.create(
        {"amount": 500, "currency": "USD", "payment_method": token, "confirm": True}
    )
    assert at_once.status == status
    waiting = client.v1.payment_intents.create(
        {"amount": 500, "currency": "usd", "payment_method": token}
    )
    assert waiting.status == "requires_confirmation"
    assert client.v1.payment_intents.confirm(waiting.id).status == status


def test_decline(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """A declined confirmation is the SDK's CardError with the intent in it, and the intent can be confirmed again."""
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_intents.create(
            {
                "amount": 500,
                "currency": "usd",
                "payment_method": "pm_card_chargeDeclined",
                "confirm": True,
            }
        )
    error = caught.value.error
    assert error is not None
    assert (error.code, error.decline_code) == ("card_declined", "generic_decline")
    intent = error.payment_intent
    assert intent is not None
    again = client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert again.status == "succeeded"


def test_manual_capture_over_http(client: stripe.StripeClient) -> None:
    """A shop that ships later creates with manual capture, captures a part, and refunds it."""
    held = client.v1.payment_intents.create(
        {"amount": 900, "currency": "usd", "capture_method": "manual", "payment_method": "pm_card_visa",
         "confirm": True}
    )  # fmt: skip
    assert (held.status, held.amount_capturable) == ("requires_capture", 900)
    taken = client.v1.payment_intents.capture(held.id, {"amount_to_capture": 600})
    assert (taken.status, taken.amount_received) == ("succeeded", 600)
    refund = client.v1.refunds.create({"payment_intent": held.id})
    assert refund.amount == 600
    with pytest.raises(stripe.InvalidRequestError, match="already been refunded"):
        client.v1.refunds.create({"charge": str(taken.latest_charge)})


def test_cancel(client: stripe.StripeClient) -> None:
    """Canceling sets reason and time. A canceled or succeeded intent cannot be canceled."""
    intent = client.v1.payment_intents.create({"amount": 900, "currency": "usd"})
    gone = client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason, gone.canceled_at) == (
        "canceled",
        "abandoned",
        intent.created,
    )
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.cancel(intent.id)
    assert caught.value.code == "payment_intent_unexpected_state"


SETTLED = [PaymentKind.PROCESSING, PaymentKind.SUCCEEDED, PaymentKind.CANCELED]


@pytest.mark.parametrize("kind", [*SETTLED, PaymentKind.AUTHORIZED])
def test_only_an_open_intent_can_be_confirmed_or_change_its_amount(
    client: stripe.StripeClient, sandbox: Sandbox, kind: PaymentKind
) -> None:
    """While the money is on its way, or after that, Stripe refuses both. The error has the intent in it."""
    made = make(sandbox, kind, 1000, method="us_bank_account" if kind is PaymentKind.PROCESSING else "card")  # fmt: skip
    for call in (
        lambda: client.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"}),
        lambda: client.v1.payment_intents.update(made.id, {"amount": 1001}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call()
        error = caught.value.error
        assert error is not None
        assert (caught.value.http_status, error.code) == (400, "payment_intent_unexpected_state")
        assert error.payment_intent is not None
        assert (error.payment_intent.id, error.payment_intent.status) == (made.id, made.status)
    assert sandbox.intent(made.id) == made


@pytest.mark.parametrize("kind", SETTLED)
def test_a_settled_intent_can_change_its_metadata(
    client: stripe.StripeClient, sandbox: Sandbox, kind: PaymentKind
) -> None:
    """Only the money of a settled intent is fixed; the same amount is no change."""
    made = make(sandbox, kind, 1000)
    changed = client.v1.payment_intents.update(made.id, {"metadata": {"order": "7"}, "amount": 1000})  # fmt: skip
    assert changed.metadata.to_dict() == {"order": "7"}


@pytest.mark.parametrize(
    ("amount", "currency", "code", "param"),
    [
        (49, "usd", "amount_too_small", "amount"),
        (29, "gbp", "amount_too_small", "amount"),
        (49, "jpy", "amount_too_small", "amount"),
        (0, "xof", "parameter_invalid_integer", "amount"),
        (10**12, "usd", "amount_too_large", "amount"),
        (1005, "kwd", "parameter_invalid_integer", "amount"),
        (501, "isk", "parameter_invalid_integer", "amount"),
        (1000, "xyz", None, "currency"),
        (1000, "bitcoin", None, "currency"),
    ],
)
def test_an_amount_that_stripe_does_not_charge_is_refused(
    client: stripe.StripeClient, amount: int, currency: str, code: str | None, param: str
) -> None:
    """Each currency has its minimum and its decimals; the amount of a payment has at most twelve digits."""
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.create({"amount": amount, "currency": currency})
    assert (caught.value.code, caught.value.param) == (code, param)
    intent = client.v1.payment_intents.create({"amount": 5000, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.update(intent.id, {"amount": 49})


@pytest.mark.parametrize(
    ("amount", "currency"), [(50, "usd"), (30, "gbp"), (50, "jpy"), (10**12 - 1, "eur"), (1010, "kwd"), (500, "isk")]
)  # fmt: skip
def test_the_smallest_and_largest_amounts_are_charged(
    client: stripe.StripeClient, amount: int, currency: str
) -> None:
    """The bounds themselves are amounts that Stripe takes."""
    assert client.v1.payment_intents.create({"amount": amount, "currency": currency}).amount == amount  # fmt: skip


def test_a_bank_transfer_may_come_in_parts(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """The instructions say what is still missing. The intent succeeds with the transfer that completes it."""
    intent = sandbox.create_payment(1000, "usd", method="customer_balance")
    sandbox.require_action(intent.id)
    assert sandbox.fund(intent.id, 400).status == "requires_action"
    action = client.v1.payment_intents.retrieve(intent.id).next_action
    assert action is not None
    assert action.display_bank_transfer_instructions is not None
    assert action.display_bank_transfer_instructions.amount_remaining == 600
    paid = sandbox.fund(intent.id, 600)
    assert (paid.status, paid.amount_received, paid.next_action) == ("succeeded", 1000, None)
    assert [event.type for event in sandbox.events(intent.id)][2:] == [
        "payment_intent.partially_funded", "charge.succeeded", "payment_intent.succeeded"
    ]  # fmt: skip
    with pytest.raises(ApiRefusal):
        sandbox.fund(intent.id, 1)


def test_a_refused_attempt_changes_nothing(sandbox: Sandbox) -> None:
    """An attempt on a settled intent is refused and changes nothing, without an event."""
    paid = make(sandbox, PaymentKind.SUCCEEDED, 100)
    before = len(sandbox.events())
    with pytest.raises(ApiRefusal):
        sandbox.fail(paid.id, method="sepa_debit")
    assert sandbox.intent(paid.id) == paid
    assert len(sandbox.events()) == before


def test_idempotency(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """A POST that is repeated with its key gets the first answer again. With other parameters it is an
    IdempotencyError."""
    params: stripe.params.PaymentIntentCreateParams = {"amount": 900, "currency": "usd"}
    first = client.v1.payment_intents.create(params, {"idempotency_key": "k1"})
    again = client.v1.payment_intents.create(params, {"idempotency_key": "k1"})
    assert first.id == again.id
    assert len(list(sandbox.intents())) == 1
    (event,) = sandbox.events()
    assert event.idempotency_key == "k1"
    assert event.request_id is not None
    with pytest.raises(stripe.IdempotencyError):
        client.v1.payment_intents.create(
            {"amount": 901, "currency": "usd"}, {"idempotency_key": "k1"}
        )


def test_update(client: stripe.StripeClient) -> None:
    """Metadata is merged; an empty value removes its key."""
    intent = client.v1.payment_intents.create(
        {"amount": 900, "currency": "usd", "metadata": {"order_id": "7", "gone": "x"}}
    )
    changed = client.v1.payment_intents.update(intent.id, {"metadata": {"gone": "", "new": "1"}})
    assert changed.metadata.to_dict() == {"order_id": "7", "new": "1"}
