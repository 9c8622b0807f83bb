"""What a merchant's column may hold instead of a PaymentIntent's id, and the id that Reconciler works with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_SECRET: Final = re.compile(r"(pi_[A-Za-z0-9_]{1,252}?)_secret_.*", re.DOTALL)
_INTENT: Final = re.compile(r"pi_[A-Za-z0-9_]{1,252}")
_SESSION: Final = re.compile(r"cs_[A-Za-z0-9_]{1,252}")
_CHARGE: Final = re.compile(r"(?:ch|py)_[A-Za-z0-9_]{1,252}")


class StoredIdKind(StrEnum):
    """What sort of id a column holds."""

    INTENT = "payment_intent"
    CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a sort of id
    """A PaymentIntent's client secret: the id in front of it is used, the secret is never kept."""
    SESSION = "checkout_session"
    CHARGE = "charge"
    FOREIGN = "foreign"
    """Another gateway's id, another object of Stripe's, an order number: nothing is asked about it."""


@dataclass(frozen=True, slots=True)
class StoredId:
    """A column's text, understood. ``id`` is what may be read, joined, shown and stored; it holds no secret."""

    kind: StoredIdKind
    id: str


def stored_id(text: str) -> StoredId:
    """What a column's text is. Stripe's ids are up to 255 characters of letters, digits and underscores."""
    secret = _SECRET.fullmatch(text)
    if secret is not None:
        return StoredId(StoredIdKind.CLIENT_SECRET, secret[1])
    # a Checkout Session and a SetupIntent have client secrets too, and none may be sent as an id
    if "_secret_" in text:
        return StoredId(StoredIdKind.FOREIGN, text)
    for kind, pattern in (
        (StoredIdKind.INTENT, _INTENT),
        (StoredIdKind.SESSION, _SESSION),
        (StoredIdKind.CHARGE, _CHARGE),
    ):
        if pattern.fullmatch(text):
            return StoredId(kind, text)
    return StoredId(StoredIdKind.FOREIGN, text)


def is_intent_id(text: str) -> bool:
    """Whether a text can be the id of a PaymentIntent."""
    return stored_id(text).kind is StoredIdKind.INTENT


def is_looked_up(text: str) -> bool:
    """Whether a text is a Checkout Session's or a charge's id, which Stripe is asked about to find the intent."""
    return stored_id(text).kind in (StoredIdKind.SESSION, StoredIdKind.CHARGE)
