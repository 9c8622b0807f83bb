"""The shapes of Stripe's answers: the fields that are read, strictly typed. Everything else is skipped unread.

``client_secret`` is in every PaymentIntent that Stripe sends. It has no field here, so it never becomes an object.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec

Item = TypeVar("Item")

END_OF_TIME: Final = 221_845_391_999
"""The last second of the year 8999 in Unix time: a later one is no date, for graces and deadlines are added to it and a
calendar ends with the year 9999."""

Amount = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Minor units. msgspec takes neither ``10.0`` nor ``true`` for an int."""
Moment = Annotated[int, msgspec.Meta(ge=0, le=END_OF_TIME)]
"""Unix seconds."""


class WireCard(msgspec.Struct, gc=False):
    """``payment_method_details.card`` and ``.card_present``."""

    capture_before: Moment | None = None


class WireMethod(msgspec.Struct, gc=False):
    """``payment_method_details``."""

    type: str | None = None
    card: WireCard | None = None
    card_present: WireCard | None = None


class WireCharge(msgspec.Struct, gc=False):
    """A Charge."""

    id: str
    object: Literal["charge"]
    status: str
    created: Moment
    amount: Amount
    amount_captured: Amount
    amount_refunded: Amount
    refunded: bool
    disputed: bool
    livemode: bool
    failure_code: str | None = None
    payment_method_details: WireMethod | None = None


class WirePaymentError(msgspec.Struct, gc=False):
    """``last_payment_error``."""

    code: str | None = None
    payment_method_type: str | None = None


class WireIntent(msgspec.Struct, gc=False):
    """A PaymentIntent. ``next_action`` stays raw: where its expiry stands depends on its type."""

    id: str
    object: Literal["payment_intent"]
    status: str
    amount: Amount
    amount_received: Amount
    amount_capturable: Amount
    currency: str
    created: Moment
    livemode: bool
    canceled_at: Moment | None = None
    last_payment_error: WirePaymentError | None = None
    payment_method_types: list[str] | None = None
    next_action: msgspec.Raw = msgspec.Raw()
    latest_charge: WireCharge | str | None = None
    metadata: dict[str, str] | None = None


class WireEventObject(msgspec.Struct, gc=False):
    """``data.object`` of an event, of whatever type and API version: nothing about it is certain.

    ``last_payment_error`` stays raw, for only its being there counts, and it holds the customer's data.
    """

    object: Any = None
    id: Any = None
    payment_intent: Any = None
    status: Any = None
    amount_received: Any = None
    currency: Any = None
    last_payment_error: msgspec.Raw = msgspec.Raw()
    metadata: Any = None


class WireEventData(msgspec.Struct, gc=False):
    """``data`` of an event."""

    object: WireEventObject


class WireEvent(msgspec.Struct, gc=False):
    """An Event."""

    id: str
    object: Literal["event"]
    type: str
    created: Moment
    livemode: bool
    data: WireEventData
    pending_webhooks: Amount = 0


class WirePage(msgspec.Struct, Generic[Item], gc=False):
    """A list."""

    object: Literal["list"]
    data: list[Item]
    has_more: bool


class WireHead(msgspec.Struct, gc=False):
    """What says which object this is, and of which mode."""

    id: Any = None
    object: Any = None
    livemode: Any = None


class WireError(msgspec.Struct, gc=False):
    """``error`` of an error body. ``message`` may hold a shortened key: it is searched, never repeated."""

    type: str | None = None
    code: str | None = None
    param: str | None = None
    message: str | None = None


class WireErrorBody(msgspec.Struct, gc=False):
    """An error body."""

    error: WireError
