"""The message about a correction, what the endpoint's answer means, and when the message is sent again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.outbox_message import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
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
MESSAGE = OutboxMessage(
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


def test_the_body_has_the_documented_fields() -> None:
    """The body holds exactly these fields, and none with personal data."""
    assert json.loads(message_body(MESSAGE)) == {
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


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_from_seconds_to_an_hour(failures: int, chance: float) -> None:
    """A pause lies between half of the first pause and an hour; without chance it is never shorter than the last."""
    pause = retry_pause(failures, chance)
    longest = retry_pause(failures, 0)
    assert FIRST_PAUSE_SECONDS / 2 <= pause <= LONGEST_PAUSE_SECONDS
    assert longest / 2 <= pause <= longest <= retry_pause(failures + 1, 0)


def test_pauses_double() -> None:
    """The first pause is five seconds, each next one is twice as long, and none is longer than an hour."""
    pauses = [retry_pause(number, 0) for number in (1, 2, 3, 10, 11, 12)]
    assert pauses == [5, 10, 20, 2560, 3600, 3600]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_answer_is_receipt(status: int) -> None:
    """The endpoint received the message; the rest of its answer does not matter."""
    assert receipt_of(status).fault is None


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 401, 404, 410, 429, 500, 503, 600])
def test_every_other_answer_is_a_failure_that_names_its_status(status: int) -> None:
    """A redirect, a 404 and a 410 are failures like every other answer outside 2xx."""
    receipt = receipt_of(status)
    assert receipt.fault is not None
    assert str(status) in receipt.fault


@pytest.mark.parametrize(("tried_for", "expected"), [(0, False), (3599.9, False), (3600, True)])
def test_the_time_since_the_first_attempt_makes_an_attempt_the_last(
    tried_for: float, expected: bool
) -> None:
    """The number of attempts does not matter."""
    assert is_last_attempt(Attempt(MESSAGE, 1, tried_for), timedelta(hours=1)) is expected


@pytest.mark.parametrize(
    ("receipt", "endpoints_fault"),
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
def test_an_endpoint_that_is_down_differs_from_one_that_refuses(
    receipt: Receipt, endpoints_fault: bool
) -> None:
    """A 4xx answer refuses one message; a server error, a redirect or silence is the endpoint's own fault."""
    assert receipt.is_endpoints_fault is endpoints_fault
