"""What the merchant's endpoint is told of a correction, how that is signed, and when it is sent again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

FIRST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 3600.0


class MessageType(StrEnum):
    """What was done to the row."""

    CORRECTED = "payment.corrected"
    REVERTED = "payment.reverted"


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A row of the outbox: a correction, or the taking back of one, that the merchant's code has to act upon."""

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
        """The same in every attempt: what a receiver knows a repetition by."""
        return f"{self.account}:{self.number}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The ``number``-th attempt, from 1, to deliver a notice that has been tried for ``tried_for`` seconds."""

    notice: OutboxMessage
    number: int
    tried_for: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of an attempt. ``fault`` is why it is no delivery, None where the endpoint has said that it received
    it; that says nothing of what was fulfilled.

    ``status`` is the answer's, None where there was none.
    """

    status: int | None
    fault: str | None

    @property
    def is_endpoints_fault(self) -> bool:
        """Whether the failure is likely to be the endpoint's, and not one of what was sent."""
        if self.fault is None:
            return False
        return (
            self.status is None
            or self.status >= 500
            or 300 <= self.status < 400
            or self.status in (408, 429)
        )


def message_body(notice: OutboxMessage) -> bytes:
    """The message as JSON; ``created`` is in Unix seconds. No personal data, and no secret."""
    message = {
        "id": notice.id,
        "type": notice.type.value,
        "created": int(notice.created.timestamp()),
        "account": notice.account,
        "data": {
            "payment_key": notice.payment_key,
            "payment_intent": notice.payment_intent,
            "from_status": notice.from_status,
            "to_status": notice.to_status,
            "outcome": notice.outcome,
            "ledger_seq": notice.ledger_seq,
        },
    }
    return json.dumps(message, separators=(",", ":")).encode()


def receipt_of(status: int) -> Receipt:
    """What an answer's status says. Any 2xx is receipt; a redirect is none, for it is not followed."""
    if 200 <= status < 300:
        return Receipt(status, None)
    if 300 <= status < 400:
        return Receipt(status, f"it answered {status}, a redirect, which is not followed")
    return Receipt(status, f"it answered {status}")


def retry_pause(failures: int, chance: float, longest: float = LONGEST_SECONDS) -> float:
    """Seconds until the next attempt after so many failures in a row, from 1 on.

    Doubling from five seconds to ``longest``; ``chance``, from 0 to 1, takes up to half of it off.
    """
    doubled: float = FIRST_SECONDS * 2 ** min(failures - 1, 30)
    return min(doubled, longest) * (1 - chance / 2)


def is_last_attempt(attempt: Attempt, give_up: timedelta) -> bool:
    """Whether a failure of this attempt is the last: it has been tried for long enough."""
    return attempt.tried_for >= give_up.total_seconds()
