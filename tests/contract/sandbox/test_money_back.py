from __future__ import annotations

from typing import Any

import pytest
import stripe

from reconciler.clock import ManualClock
from reconciler.sandbox import ApiRefusal, IntentRecord, PaymentKind, Sandbox, make


@pytest.fixture
def paid(sandbox: Sandbox) -> IntentRecord:
    return make(sandbox, PaymentKind.SUCCEEDED, 1000, "eur")


def charge_of(client: stripe.StripeClient, intent: IntentRecord) -> stripe.Charge:
    return client.v1.charges.retrieve(str(intent.latest_charge), {"expand": ["refunds"]})


def newest_events(client: stripe.StripeClient, count: int) -> list[Any]:
    """The newest events, oldest first, as type and previous attributes."""
    found = client.v1.events.list({"limit": count}).data
    previous = [getattr(event.data, "previous_attributes", None) for event in found]
    pairs = [
        (event.type, before and before.to_dict())
        for event, before in zip(found, previous, strict=True)
    ]
    return pairs[::-1]


def test_a_pending_refund_counts_until_it_fails(
    client: stripe.StripeClient, sandbox: Sandbox, paid: IntentRecord
) -> None:
    """A refund by bank is pending for days. If it fails, the money stays, and the charge does not count it."""
    sandbox.refund(paid.id, 300, status="pending")
    (refund,) = sandbox.refunds(paid.id)
    assert charge_of(client, paid).amount_refunded == 300
    sandbox.change_refund(refund.id, "failed", failure_reason="declined")
    read = client.v1.refunds.retrieve(refund.id)
    assert (read.status, read.failure_reason) == ("failed", "declined")
    charge = charge_of(client, paid)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert [kind for kind, _ in newest_events(client, 5)] == [
        "refund.created", "charge.refunded", "refund.updated", "charge.refund.updated", "refund.failed"
    ]  # fmt: skip


def test_an_update_says_what_was_before(
    client: stripe.StripeClient, sandbox: Sandbox, paid: IntentRecord
) -> None:
    """The events of updates have the former values of the changed fields; other events have none."""
    sandbox.refund(paid.id, 300, status="pending")
    sandbox.change_refund(sandbox.refunds(paid.id)[0].id, "succeeded")
    created, refunded, updated, of_charge = newest_events(client, 4)
    assert created == ("refund.created", None)
    assert refunded == ("charge.refunded", {"amount_refunded": 0})
    former = {"status": "pending", "pending_reason": "processing"}
    assert updated == ("refund.updated", former)
    assert of_charge == ("charge.refund.updated", former)


@pytest.mark.parametrize("counts", [False, True])
def test_only_captured_money_can_be_refunded(clock: ManualClock, counts: bool) -> None:
    """After a capture of less, the captured part can go back, in either shape, and no more."""
    sandbox = Sandbox(clock, releases_count_as_refunded=counts)
    made = make(sandbox, PaymentKind.CAPTURED_LESS, 1000)
    with pytest.raises(ApiRefusal, match="greater than unrefunded amount"):
        sandbox.refund(made.id, 501)
    sandbox.refund(made.id)
    charge = sandbox.latest_charge(made.id)
    assert charge is not None
    assert (charge.amount_refunded, charge.refunded) == (1000 if counts else 500, True)
    with pytest.raises(ApiRefusal, match="already been refunded"):
        sandbox.refund(made.id, 1)


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        ("under_review", ["charge.dispute.updated"]),
        ("lost", ["charge.dispute.closed"]),
        ("prevented", ["charge.dispute.closed"]),
        ("won", ["charge.dispute.closed", "charge.dispute.funds_reinstated"]),
    ],
)
def test_a_dispute_has_states(
    client: stripe.StripeClient, sandbox: Sandbox, paid: IntentRecord, status: str, kinds: list[str]
) -> None:
    """A dispute is opened, reviewed, and won or lost; each change has its events."""
    sandbox.dispute(paid.id)
    (dispute,) = sandbox.disputes(paid.id)
    opened = client.v1.disputes.retrieve(dispute.id)
    assert opened.evidence_details.due_by is not None
    sandbox.change_dispute(dispute.id, status)
    read = client.v1.disputes.retrieve(dispute.id)
    assert (read.status, read.evidence_details.due_by) == (status, None)
    assert charge_of(client, paid).disputed
    assert [kind for kind, _ in newest_events(client, len(kinds))] == kinds


def test_a_charge_may_have_several_disputes(
    client: stripe.StripeClient, sandbox: Sandbox, paid: IntentRecord
) -> None:
    """An inquiry moves no money and may become a dispute; another dispute may follow."""
    sandbox.dispute(paid.id, status="warning_needs_response")
    assert newest_events(client, 1)[0][0] == "charge.dispute.created"
    first = sandbox.disputes(paid.id)[0].id
    sandbox.change_dispute(first, "needs_response")
    assert [kind for kind, _ in newest_events(client, 2)] == [
        "charge.dispute.updated", "charge.dispute.funds_withdrawn"
    ]  # fmt: skip
    sandbox.change_dispute(first, "lost")
    sandbox.dispute(paid.id, amount=200)
    found = client.v1.disputes.list({"charge": str(paid.latest_charge)}).data
    assert [(one.status, one.amount) for one in found] == [("needs_response", 200), ("lost", 1000)]


def test_an_unknown_refund_or_dispute_is_missing(sandbox: Sandbox) -> None:
    """A change of an object that does not exist is refused."""
    with pytest.raises(ApiRefusal, match="No such refund"):
        sandbox.change_refund("re_1", "failed")
    with pytest.raises(ApiRefusal, match="No such dispute"):
        sandbox.change_dispute("dp_1", "won")
