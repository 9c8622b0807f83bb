"""From a whole answer to what the port promises: one intent, or a page of a list.

An AttemptError says that the answer as a whole is not what was requested, so another try may help. A
MalformedAnswerError says that one object has a fault, and Stripe would only send it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, Generic, TypeVar

import msgspec

from reconciler.adapters.stripe_gateway.json_decoding import (
    FieldError,
    UnreadableItem,
    Wire,
    all_readable,
    broken_promise,
    decode,
    head_of,
    next_cursor,
    page_items,
    raise_if_too_many,
    read_item,
    translated,
)
from reconciler.adapters.stripe_gateway.translation import Translator
from reconciler.adapters.stripe_gateway.transport import HttpAnswer, malformed_answer
from reconciler.adapters.stripe_gateway.wire import (
    WireCharge,
    WireDispute,
    WireEvent,
    WireFoundIntent,
    WireHead,
    WireIntent,
    WirePage,
    WireRefund,
    WireSearchPage,
)
from reconciler.domain.model.found_intents import FoundIntent
from reconciler.domain.model.intent import Charge, Intent
from reconciler.domain.model.money_back import Dispute, Refund
from reconciler.domain.model.page import EventPage, IntentPage

T = TypeVar("T")
_HEAD: Final = msgspec.json.Decoder(WireHead)
_INTENT: Final = msgspec.json.Decoder(WireIntent)
_INTENT_PAGE: Final = msgspec.json.Decoder(WirePage[WireIntent])
_EVENT: Final = msgspec.json.Decoder(WireEvent)
_EVENT_PAGE: Final = msgspec.json.Decoder(WirePage[WireEvent])
_CHARGE: Final = msgspec.json.Decoder(WireCharge)
_CHARGE_PAGE: Final = msgspec.json.Decoder(WirePage[WireCharge])
_REFUND: Final = msgspec.json.Decoder(WireRefund)
_REFUND_PAGE: Final = msgspec.json.Decoder(WirePage[WireRefund])
_DISPUTE: Final = msgspec.json.Decoder(WireDispute)
_DISPUTE_PAGE: Final = msgspec.json.Decoder(WirePage[WireDispute])
_FOUND_INTENT: Final = msgspec.json.Decoder(WireFoundIntent)
_SEARCH_PAGE: Final = msgspec.json.Decoder(WireSearchPage)
_RAW_PAGE: Final = msgspec.json.Decoder(WirePage[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Requested:
    """The one object that was requested: its noun in messages, its type in Stripe's answers, and its id."""

    noun: str
    object: str
    id: str

    def __str__(self) -> str:
        return f"{self.noun} {self.id}"


@dataclass(frozen=True, slots=True)
class ListPage(Generic[T]):
    """One page of a list, with all of its items. ``next_after`` is the cursor of the next page, None at the end."""

    items: tuple[T, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """One page of the results of a search.

    ``next_page`` is Stripe's name of the next one, None at the end. ``is_whole`` is whether each result was readable.
    """

    intents: tuple[FoundIntent, ...]
    next_page: str | None
    is_whole: bool


def parse_intent(
    answer: HttpAnswer, seen_at: datetime, *, intent_id: str, translator: Translator
) -> Intent:
    """The intent that was requested, and no other."""
    requested = Requested("PaymentIntent", "payment_intent", intent_id)
    return parse_object(
        answer,
        _INTENT,
        requested,
        lambda wire: translator.intent(wire, seen_at, answer.request_id),
    )


def parse_object(
    answer: HttpAnswer,
    decoder: msgspec.json.Decoder[Wire],
    requested: Requested,
    translate: Callable[[Wire], T],
) -> T:
    """The object that was requested, and no other."""
    field = "id"
    try:
        wire = decode(answer.body, decoder)
        if wire.id == requested.id:
            return translate(wire)
    except FieldError as error:
        field = error.field

    # a fault in the right object would come again; a wrong object may be a proxy's, and the next try may be right
    head = head_of(answer.body)
    if head is None or head.object != requested.object or head.id != requested.id:
        raise malformed_answer(f"the answer is not the {requested.noun} that was requested")
    raise broken_promise(str(requested), field)


def parse_intent_page(
    answer: HttpAnswer, seen_at: datetime, *, after: str | None, translator: Translator
) -> IntentPage:
    """A page of intents. ``unreadable`` names those that cannot be read; the others are not lost."""
    items, has_more = page_items(answer.body, _INTENT_PAGE, _INTENT)
    request_id = answer.request_id
    read = translated(items, lambda wire: translator.intent(wire, seen_at, request_id))

    # an intent that the page shows twice is one intent
    by_id = {item.id: item for item in read if not isinstance(item, UnreadableItem)}
    intents = tuple(by_id.values())
    if any(older.created > newer.created for newer, older in pairwise(intents)):
        raise malformed_answer("the page does not list the newest objects first")

    return IntentPage(
        intents=intents,
        next_after=next_cursor(read, after, has_more=has_more),
        seen_at=seen_at,
        request_id=request_id,
        unreadable=tuple(item.name for item in read if isinstance(item, UnreadableItem)),
    )


def parse_event_page(
    answer: HttpAnswer, seen_at: datetime, *, after: str | None, translator: Translator
) -> EventPage:
    """A page of events. One unreadable event makes the whole page unreadable: it could be the one that matters."""
    items, has_more = page_items(answer.body, _EVENT_PAGE, _EVENT)
    events = all_readable(translated(items, translator.event), "event")
    return EventPage(events, next_cursor(events, after, has_more=has_more), seen_at)


def parse_charge_page(
    answer: HttpAnswer, after: str | None, translator: Translator
) -> ListPage[Charge]:
    """A page of charges, all of them or none."""
    items, has_more = page_items(answer.body, _CHARGE_PAGE, _CHARGE)
    charges = all_readable(translated(items, translator.charge), "charge")
    return ListPage(charges, next_cursor(charges, after, has_more=has_more))


def parse_refund_page(answer: HttpAnswer, after: str | None, charge_id: str) -> ListPage[Refund]:
    """A page of a charge's refunds, all of them or none."""
    items, has_more = page_items(answer.body, _REFUND_PAGE, _REFUND)

    def translate(wire: WireRefund) -> Refund:
        _raise_if_of_other_charge(wire, charge_id)
        return Refund(wire.id, wire.amount, wire.status)

    refunds = all_readable(translated(items, translate), "refund")
    return ListPage(refunds, next_cursor(refunds, after, has_more=has_more))


def parse_dispute_page(
    answer: HttpAnswer, after: str | None, charge_id: str, translator: Translator
) -> ListPage[Dispute]:
    """A page of a charge's disputes, all of them or none."""
    items, has_more = page_items(answer.body, _DISPUTE_PAGE, _DISPUTE)

    def translate(wire: WireDispute) -> Dispute:
        _raise_if_of_other_charge(wire, charge_id)
        return translator.dispute(wire)

    disputes = all_readable(translated(items, translate), "dispute")
    return ListPage(disputes, next_cursor(disputes, after, has_more=has_more))


def parse_search_page(
    answer: HttpAnswer, page: str | None, key: str, translator: Translator
) -> SearchPage:
    """A page of the intents that a search for a key of the metadata shows."""
    try:
        found = decode(answer.body, _SEARCH_PAGE)
        field = ""
    except FieldError as error:
        field = error.field
    if field:
        raise malformed_answer(f"the field {field} is not as Stripe's API defines it for a search")

    # the answer may say that more follows, and must then say where
    next_page = found.next_page if found.has_more else None
    if found.has_more and (not next_page or next_page == page):
        raise malformed_answer("the search names the page that was just read as the next page")

    raise_if_too_many(found.data)
    items = [read_item(raw, number, _FOUND_INTENT) for number, raw in enumerate(found.data, 1)]
    read = translated(items, lambda wire: translator.found_intent(wire, key))
    intents = tuple(item for item in read if not isinstance(item, UnreadableItem))
    return SearchPage(intents, next_page, is_whole=len(intents) == len(read))


def parse_heads(answer: HttpAnswer) -> tuple[WireHead, ...]:
    """For a list of any objects: which they are, and of which mode."""
    try:
        page = decode(answer.body, _RAW_PAGE)
        raise_if_too_many(page.data)
        return tuple(decode(item, _HEAD) for item in page.data)
    except FieldError as error:
        field = error.field
    raise malformed_answer(f"the field {field} is not as Stripe's API defines it for a list")


def _raise_if_of_other_charge(wire: WireRefund | WireDispute, charge_id: str) -> None:
    """Raise FieldError for an item that a list of another charge would have."""
    if wire.charge != charge_id:
        raise FieldError("charge")
