"""The signature, as a receiver verifies it with Stripe's own SDK."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import stripe

from reconciler.domain.delivery_signature import signature
from reconciler.domain.outbox_message import message_body
from tests.unit.domain.test_outbox_message import MESSAGE

SECRET = "whsec_" + "0123456789abcdef" * 4


def verify(body: bytes, header: str, secret: str = SECRET) -> bool:
    checked = stripe.WebhookSignature.verify_header(body.decode(), header, secret, tolerance=300)
    return bool(checked)


def test_stripes_sdk_verifies_the_signature() -> None:
    """A receiver can verify Reconciler's messages with Stripe's SDK, without code of its own."""
    body = message_body(MESSAGE)
    assert verify(body, signature(body, SECRET, datetime.now(UTC)))


NOW = datetime.now(UTC)
BODY = message_body(MESSAGE)


@pytest.mark.parametrize(
    ("body", "secret", "signed_at"),
    [
        (BODY.replace(b"paid", b"free"), SECRET, NOW),
        (BODY, "whsec_another", NOW),
        (BODY, SECRET, datetime.fromtimestamp(0, UTC)),
    ],
    ids=["another body", "another secret", "an old message"],
)
def test_stripes_sdk_refuses_another_message(body: bytes, secret: str, signed_at: datetime) -> None:
    """A changed body, another secret and an old message that is replayed are refused."""
    header = signature(BODY, SECRET, signed_at)
    with pytest.raises(stripe.SignatureVerificationError):
        verify(body, header, secret)
