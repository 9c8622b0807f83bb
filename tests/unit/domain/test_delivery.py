"""What is sent, how it is signed and when it is sent again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.delivery_signature import signature
from reconciler.domain.outbox_message import (
    FIRST_SECONDS,
    LONGEST_SECONDS,
    Attempt,
    MessageType,
    OutboxMessage,
    Receipt,
    is_last_attempt,
    message_body,
    receipt_of,
    retry_pause,
)

NOW = datetime(2026, 11, 25, 12, 0, 0, 999_999, tzinfo=UTC)
NOTICE = OutboxMessage(
    account="default",
    number=42,
    type=MessageType.CORRECTED,
    created=NOW,
    payment_key="1001",
    payment_intent="pi_1",
    from_status="pending",
    to_status="paid",
    outcome="succeeded",
    ledger_seq=107,
)


def test_the_message_is_as_documented() -> None:
    """Exactly these fields, and none with personal data."""
    assert json.loads(message_body(NOTICE)) == {
        "id": "default:42",
        "type": "payment.corrected",
        "created": int(NOW.timestamp()),
        "account": "default",
        "data": {
            "payment_key": "1001",
            "payment_intent": "pi_1",
            "from_status": "pending",
            "to_status": "paid",
            "outcome": "succeeded",
            "ledger_seq": 107,
        },
    }


def test_the_signature_is_hmac_sha256_of_time_and_body() -> None:
    """A known answer, computed with openssl: printf '1795608000.{}' | openssl dgst -sha256 -hmac whsec_test."""
    assert signature(b"{}", "whsec_test", NOW) == (
        "t=1795608000,v1=a57f6c7fd0dc2be4d8c922a653a51975792143d5d37b179e072368fe04736d8d"
    )


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_from_seconds_to_an_hour(failures: int, chance: float) -> None:
    """Never less than half of the first, never more than an hour, and without jitter never shorter than the one before."""
    assert FIRST_SECONDS / 2 <= retry_pause(failures, chance) <= LONGEST_SECONDS
    assert retry_pause(failures, 0) <= retry_pause(failures + 1, 0)
    assert retry_pause(failures, 0) / 2 <= retry_pause(failures, chance) <= retry_pause(failures, 0)


def test_the_first_pauses() -> None:
    """They double."""
    assert [retry_pause(number, 0) for number in (1, 2, 3, 10, 11, 12)] == [
        5,
        10,
        20,
        2560,
        3600,
        3600,
    ]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_receipt(status: int) -> None:
    """Nothing else is asked of an answer."""
    assert receipt_of(status).fault is None


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 401, 404, 410, 429, 500, 503, 600])
def test_nothing_else_is(status: int) -> None:
    """A redirect, a 4xx and a 410 are failures like any other, and are named."""
    receipt = receipt_of(status)
    assert receipt.fault is not None
    assert str(status) in (receipt.fault or "")


@pytest.mark.parametrize(("tried_for", "expected"), [(0, False), (3599.9, False), (3600, True)])
def test_it_is_given_up_after_its_time(tried_for: float, expected: bool) -> None:
    """Time counts from the first attempt, however many there were."""
    assert is_last_attempt(Attempt(NOTICE, 1, tried_for), timedelta(hours=1)) is expected


@pytest.mark.parametrize(
    ("receipt", "its_own"),
    [
        (receipt_of(200), False),
        (receipt_of(302), True),
        (receipt_of(400), False),
        (receipt_of(404), False),
        (receipt_of(408), True),
        (receipt_of(410), False),
        (receipt_of(429), True),
        (receipt_of(500), True),
        (receipt_of(503), True),
        (Receipt(None, "no answer within 10 s"), True),
    ],
)
def test_whose_fault_a_failure_is(receipt: Receipt, its_own: bool) -> None:
    """An endpoint that answers 4xx is up and refuses that one notice; one that breaks, redirects or is silent is not."""
    assert receipt.is_endpoints_fault is its_own
