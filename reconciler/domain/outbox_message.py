"""What the merchant's endpoint receives about a correction, what its answer means, and when the message is sent again.

``delivery_signature`` signs the body.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 3600.0


class MessageType(StrEnum):
    """What was done to the row."""

    CORRECTED = "payment.corrected"
    REVERTED = "payment.reverted"


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One row of the outbox: a correction, or a correction that was taken back. The merchant's code acts on it."""

    account: str
    number: int
    type: MessageType
    created: datetime
    payment_key: str
    payment_intent: str | None
    from_status: str | None
    to_status: str | None
    outcome: str
    ledger_seq: int

    @property
    def id(self) -> str:
        """The same in every attempt, so that a receiver recognizes a message that it already has."""
        return f"{self.account}:{self.number}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver a message.

    ``number`` counts the attempts from 1. ``tried_for`` is the time since the first attempt, in seconds.
    """

    message: OutboxMessage
    number: int
    tried_for: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of an attempt.

    ``status`` is the HTTP status of the answer, None if no answer came. ``fault`` says why the message was not
    delivered, None if the endpoint said that it received it. Receipt does not mean that the order was fulfilled.
    """

    status: int | None
    fault: str | None

    @property
    def is_endpoints_fault(self) -> bool:
        """Whether the endpoint seems to be down, rather than to refuse this one message."""
        if self.fault is None:
            return False
        # a 4xx comes from an endpoint that works and refuses this message; 408 and 429 say that it is overloaded
        return (
            self.status is None
            or self.status >= 500
            or 300 <= self.status < 400
            or self.status in (408, 429)
        )


def message_body(message: OutboxMessage) -> bytes:
    """The message as JSON, with ``created`` in Unix seconds. It holds no personal data and no secret."""
    # documented fields only: receivers rely on them, and each new field is a promise
    body = {
        "id": message.id,
        "type": message.type.value,
        "created": int(message.created.timestamp()),
        "account": message.account,
        "data": {
            "payment_key": message.payment_key,
            "payment_intent": message.payment_intent,
            "from_status": message.from_status,
            "to_status": message.to_status,
            "outcome": message.outcome,
            "ledger_seq": message.ledger_seq,
        },
    }
    return json.dumps(body, separators=(",", ":")).encode()


def receipt_of(status: int) -> Receipt:
    """What the HTTP status of an answer means: every 2xx is receipt. A redirect is none, because it is not followed."""
    if 200 <= status < 300:
        return Receipt(status, None)
    if 300 <= status < 400:
        return Receipt(status, f"the endpoint answered {status}, a redirect, which is not followed")
    return Receipt(status, f"the endpoint answered {status}")


def retry_pause(failures: int, chance: float, longest: float = LONGEST_PAUSE_SECONDS) -> float:
    """Seconds until the next attempt, after this many failures in a row (from 1).

    The pause doubles from five seconds up to ``longest``. ``chance``, from 0 to 1, takes up to half of it off, so that
    messages that failed together are not sent together again.
    """
    # 2 ** 30 is far beyond every pause; the bound keeps the number small
    doubled: float = FIRST_PAUSE_SECONDS * 2 ** min(failures - 1, 30)
    return min(doubled, longest) * (1 - chance / 2)


def is_last_attempt(attempt: Attempt, give_up: timedelta) -> bool:
    """Whether no attempt follows if this one fails: the message was tried for at least ``give_up``."""
    return attempt.tried_for >= give_up.total_seconds()
