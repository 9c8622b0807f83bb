"""What goes to Stripe and what comes back: ids, the parameters of a list, and the shapes of the answers."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec

from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import StripeRequestError

Item = TypeVar("Item")

LAST_SECOND: Final = 221_845_391_999
"""The last second of the year 8999 in Unix time. A later time is refused: grace periods and deadlines are added to a
time, and Python's calendar ends with the year 9999."""

_ID_PATTERN: Final = r"^[A-Za-z0-9_]{1,255}\Z"
_ID: Final = re.compile(_ID_PATTERN)

Id = Annotated[str, msgspec.Meta(pattern=_ID_PATTERN)]
"""One of Stripe's ids. Stripe does not promise its prefix, only its characters and its length."""
Word = Annotated[str, msgspec.Meta(max_length=255)]
"""A word of Stripe's, such as a status: Stripe may add others."""
Amount = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Minor units. msgspec takes neither ``10.0`` nor ``true`` for an int."""
Balance = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Minor units of a balance transaction: negative if money leaves the balance."""
UnixSeconds = Annotated[int, msgspec.Meta(ge=0, le=LAST_SECOND)]


class WireCard(msgspec.Struct, gc=False):
    """``payment_method_details.card`` and ``.card_present``."""

    capture_before: UnixSeconds | None = None


class WireMethod(msgspec.Struct, gc=False):
    """``payment_method_details``."""

    type: Word | None = None
    card: WireCard | None = None
    card_present: WireCard | None = None


class WireCharge(msgspec.Struct, gc=False):
    """A Charge."""

    id: Id
    object: Literal["charge"]
    status: Word
    created: UnixSeconds
    amount: Amount
    amount_captured: Amount | None
    amount_refunded: Amount
    refunded: bool
    disputed: bool
    livemode: bool
    failure_code: Word | None = None
    payment_method_details: WireMethod | None = None


class WirePaymentError(msgspec.Struct, gc=False):
    """``last_payment_error``."""

    code: Word | None = None
    payment_method_type: Word | None = None


class WireIntent(msgspec.Struct, gc=False):
    """A PaymentIntent. ``next_action`` stays raw: the place of its expiry depends on its type.

    ``description`` stays raw too: it may be personal, and is only decoded if orders are linked by it.
    """

    id: Id
    object: Literal["payment_intent"]
    status: Word
    amount: Amount
    amount_received: Amount
    amount_capturable: Amount
    currency: Word
    created: UnixSeconds
    livemode: bool
    canceled_at: UnixSeconds | None = None
    last_payment_error: WirePaymentError | None = None
    payment_method_types: list[Word] | None = None
    next_action: msgspec.Raw = msgspec.Raw()
    latest_charge: WireCharge | str | None = None
    metadata: dict[str, str] | None = None
    customer: Id | None = None
    description: msgspec.Raw = msgspec.Raw()


class WireFoundIntent(msgspec.Struct, gc=False):
    """A PaymentIntent among the results of a search, as far as a result is trusted."""

    id: Id
    object: Literal["payment_intent"]
    livemode: bool
    metadata: dict[str, str] | None = None


class WireBalanceTransaction(msgspec.Struct, gc=False):
    """A BalanceTransaction."""

    object: Literal["balance_transaction"]
    amount: Balance
    currency: Word


class WireChargeBalance(msgspec.Struct, gc=False):
    """A Charge that was requested with ``balance_transaction`` expanded."""

    id: Id
    object: Literal["charge"]
    livemode: bool
    balance_transaction: WireBalanceTransaction | None


class WireChargeIntent(msgspec.Struct, gc=False):
    """A Charge, of which only the PaymentIntent is read."""

    id: Id
    object: Literal["charge"]
    livemode: bool
    payment_intent: Id | None


class WireRefund(msgspec.Struct, gc=False):
    """A Refund. It has no ``livemode``; old ones have no status."""

    id: Id
    object: Literal["refund"]
    charge: Id
    amount: Amount
    status: Word | None = None


class WireEvidenceDetails(msgspec.Struct, gc=False):
    """``evidence_details`` of a dispute."""

    due_by: UnixSeconds | None = None


class WireDispute(msgspec.Struct, gc=False):
    """A Dispute."""

    id: Id
    object: Literal["dispute"]
    charge: Id
    status: Word
    amount: Amount
    currency: Word
    created: UnixSeconds
    livemode: bool
    evidence_details: WireEvidenceDetails | None = None


class WireSession(msgspec.Struct, gc=False):
    """A Checkout Session. Its address and its customer's data have no field here."""

    id: Id
    object: Literal["checkout.session"]
    mode: Word
    payment_status: Word
    livemode: bool
    payment_intent: Id | None
    status: Word | None = None
    expires_at: UnixSeconds | None = None
    client_reference_id: str | None = None
    metadata: dict[str, str] | None = None


class WireEventObject(msgspec.Struct, gc=False):
    """``data.object`` of an event, of any type and API version: nothing about it is certain.

    ``last_payment_error`` stays raw: only its presence and its codes count, and it holds the customer's data.
    """

    object: Any = None
    id: Any = None
    payment_intent: Any = None
    status: Any = None
    amount_received: Any = None
    amount_capturable: Any = None
    currency: Any = None
    last_payment_error: msgspec.Raw = msgspec.Raw()
    metadata: Any = None


class WireEventError(msgspec.Struct, gc=False):
    """The codes of ``last_payment_error`` in an event. Nothing else of it is read: it holds the customer's data."""

    decline_code: Any = None
    code: Any = None


class WireEventData(msgspec.Struct, gc=False):
    """``data`` of an event."""

    object: WireEventObject


class WireEvent(msgspec.Struct, gc=False):
    """An Event."""

    id: Id
    object: Literal["event"]
    type: Word
    created: UnixSeconds
    livemode: bool
    data: WireEventData
    pending_webhooks: Amount = 0


class WirePage(msgspec.Struct, Generic[Item], gc=False):
    """A list."""

    object: Literal["list"]
    data: list[Item]
    has_more: bool


class WireSearchPage(msgspec.Struct, gc=False):
    """One page of the results of a search. Its items stay raw: one that is unreadable must not hide the others."""

    object: Literal["search_result"]
    data: list[msgspec.Raw]
    has_more: bool
    next_page: str | None = None


class WireHead(msgspec.Struct, gc=False):
    """The fields that say which object this is, of which mode, and what names it. None of them is certain."""

    id: Any = None
    object: Any = None
    livemode: Any = None
    metadata: Any = None


class WireError(msgspec.Struct, gc=False):
    """``error`` of an error body. ``message`` may hold a shortened key: it is searched, never repeated."""

    type: Word | None = None
    code: Word | None = None
    param: Word | None = None
    message: str | None = None


class WireErrorBody(msgspec.Struct, gc=False):
    """An error body."""

    error: WireError


def is_id(value: object) -> bool:
    """Whether this can be one of Stripe's ids."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


PAGE_SIZE: Final = 100


def raise_if_no_id(value: str) -> None:
    """Raise StripeRequestError: an empty id would list instead of retrieve, a slash would request something else."""
    if not is_id(value):
        raise StripeRequestError(
            f"{value[:300]!r} cannot be the id of a Stripe object; Reconciler sent no request.",
            "An id has up to 255 letters, digits and underscores, such as pi_3PgafyB7WZ01zgkW.",
        )


def list_parameters(created: TimeRange, after: str | None) -> dict[str, Any]:
    """The parameters that all lists share. Stripe's times are whole seconds."""
    params: dict[str, Any] = {"limit": PAGE_SIZE}
    bounds = {
        name: math.ceil(bound.timestamp())
        for name, bound in (("gte", created.since), ("lt", created.until))
        if bound is not None
    }
    if bounds:
        params["created"] = bounds
    if after is not None:
        raise_if_no_id(after)
        params["starting_after"] = after
    return params
