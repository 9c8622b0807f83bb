"""From a whole answer to what the port promises: one intent, or a page of a list.

An AttemptError says that the answer as a whole is not what was requested, so another try may help. A
MalformedAnswerError says that one object has a fault, and Stripe would only send it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, TypeVar

import msgspec

from reconciler.adapters.stripe_gateway.translation import Translator
from reconciler.adapters.stripe_gateway.transport import AttemptError, HttpAnswer, malformed_answer
from reconciler.adapters.stripe_gateway.wire import (
    FieldError,
    WireCharge,
    WireEvent,
    WireHead,
    WireIntent,
    WirePage,
    decode,
    is_id,
)
from reconciler.domain.model.intent import Charge, Event, Intent
from reconciler.domain.model.page import EventPage, IntentPage
from reconciler.errors import MalformedAnswerError

T = TypeVar("T")
Wire = TypeVar("Wire", WireIntent, WireEvent, WireCharge)

_HEAD: Final = msgspec.json.Decoder(WireHead)
_INTENT: Final = msgspec.json.Decoder(WireIntent)
_INTENT_PAGE: Final = msgspec.json.Decoder(WirePage[WireIntent])
_EVENT: Final = msgspec.json.Decoder(WireEvent)
_EVENT_PAGE: Final = msgspec.json.Decoder(WirePage[WireEvent])
_CHARGE: Final = msgspec.json.Decoder(WireCharge)
_CHARGE_PAGE: Final = msgspec.json.Decoder(WirePage[WireCharge])
_RAW_PAGE: Final = msgspec.json.Decoder(WirePage[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """An item of a list that cannot be read.

    ``name`` is its id if that is readable, else its position on the page. ``field`` is the field at fault.
    """

    name: str
    field: str
    has_id: bool


@dataclass(frozen=True, slots=True)
class ChargePage:
    """One page of an intent's charges. ``next_after`` is the cursor of the next page, None at the end."""

    charges: tuple[Charge, ...]
    next_after: str | None


def parse_intent(
    answer: HttpAnswer, intent_id: str, translator: Translator, seen_at: datetime
) -> Intent:
    """The intent that was requested, and no other."""
    try:
        intent = translator.intent(decode(answer.body, _INTENT), seen_at, answer.request_id)
        field = "id"
    except FieldError as error:
        intent, field = None, error.field
    if intent is not None and intent.id == intent_id:
        return intent

    # a fault in the right object would come again; a wrong object may be a proxy's, and the next try may be right
    head = _head_of(answer.body)
    if head is None or head.object != "payment_intent" or head.id != intent_id:
        raise malformed_answer("the answer is not that payment intent")
    raise _broken_promise(f"payment intent {intent_id}", field)


def parse_intent_page(
    answer: HttpAnswer, after: str | None, translator: Translator, seen_at: datetime
) -> IntentPage:
    """A page of intents. ``unreadable`` names those that cannot be read; the others are not lost."""
    items, has_more = _items(answer.body, _INTENT_PAGE, _INTENT)
    request_id = answer.request_id
    read = _translated(items, lambda wire: translator.intent(wire, seen_at, request_id))

    # an intent that the page shows twice is one intent
    by_id = {item.id: item for item in read if not isinstance(item, UnreadableItem)}
    intents = tuple(by_id.values())
    if any(older.created > newer.created for newer, older in pairwise(intents)):
        raise malformed_answer("the page is not newest first")

    return IntentPage(
        intents=intents,
        next_after=_cursor(read, after, has_more=has_more),
        seen_at=seen_at,
        request_id=request_id,
        unreadable=tuple(item.name for item in read if isinstance(item, UnreadableItem)),
    )


def parse_event_page(
    answer: HttpAnswer, after: str | None, translator: Translator, seen_at: datetime
) -> EventPage:
    """A page of events. One unreadable event makes the whole page unreadable: it could be the one that matters."""
    items, has_more = _items(answer.body, _EVENT_PAGE, _EVENT)
    events = _all_readable(_translated(items, translator.event), "event")
    return EventPage(events, _cursor(events, after, has_more=has_more), seen_at)


def parse_charge_page(answer: HttpAnswer, after: str | None, translator: Translator) -> ChargePage:
    """A page of charges, all of them or none."""
    items, has_more = _items(answer.body, _CHARGE_PAGE, _CHARGE)
    charges = _all_readable(_translated(items, translator.charge), "charge")
    return ChargePage(charges, _cursor(charges, after, has_more=has_more))


def parse_heads(answer: HttpAnswer) -> tuple[WireHead, ...]:
    """For a list of any objects: which they are, and of which mode."""
    try:
        return tuple(decode(item, _HEAD) for item in decode(answer.body, _RAW_PAGE).data)
    except FieldError as error:
        field = error.field
    raise malformed_answer(f"{field} is not what a list has there")


def _items(
    body: bytes,
    page_decoder: msgspec.json.Decoder[WirePage[Wire]],
    item_decoder: msgspec.json.Decoder[Wire],
) -> tuple[list[Wire | UnreadableItem], bool]:
    """The items of a page and ``has_more``."""
    try:
        page = decode(body, page_decoder)
    except FieldError:
        # one by one is slower, and tells which item has the fault
        return _items_one_by_one(body, item_decoder)
    return list(page.data), page.has_more


def _items_one_by_one(
    body: bytes, item_decoder: msgspec.json.Decoder[Wire]
) -> tuple[list[Wire | UnreadableItem], bool]:
    try:
        page = decode(body, _RAW_PAGE)
    except FieldError as error:
        field = error.field
    else:
        items = [_item(raw, number, item_decoder) for number, raw in enumerate(page.data, 1)]
        return items, page.has_more
    raise malformed_answer(f"{field} is not what a list has there")


def _item(
    raw: msgspec.Raw, number: int, item_decoder: msgspec.json.Decoder[Wire]
) -> Wire | UnreadableItem:
    try:
        return decode(raw, item_decoder)
    except FieldError as error:
        field = error.field
    head = _head_of(bytes(raw))
    if head is not None and is_id(head.id):
        return UnreadableItem(str(head.id), field, has_id=True)
    name = f"object {number} of the page, whose id is not readable"
    return UnreadableItem(name, field, has_id=False)


def _translated(
    items: list[Wire | UnreadableItem], translate: Callable[[Wire], T]
) -> list[T | UnreadableItem]:
    read: list[T | UnreadableItem] = []
    for item in items:
        if isinstance(item, UnreadableItem):
            read.append(item)
            continue
        try:
            read.append(translate(item))
        except FieldError as error:
            read.append(UnreadableItem(item.id, error.field, has_id=True))
    return read


def _all_readable(read: list[T | UnreadableItem], kind: str) -> tuple[T, ...]:
    """The items. Raises MalformedAnswerError for the first that is unreadable."""
    readable: list[T] = []
    for item in read:
        if isinstance(item, UnreadableItem):
            raise _broken_promise(f"{kind} {item.name}", item.field)
        readable.append(item)
    return tuple(readable)


def _cursor(
    read: list[Intent | UnreadableItem] | tuple[Event, ...] | tuple[Charge, ...],
    after: str | None,
    *,
    has_more: bool,
) -> str | None:
    """The id after which the next page begins, None at the end of the list.

    Raises AttemptError for a cursor that does not move: the list would never end.
    """
    if not has_more:
        return None
    if not read:
        raise malformed_answer("the page is empty and claims that more follows")
    last = read[-1]
    if isinstance(last, UnreadableItem) and not last.has_id:
        raise malformed_answer("the page's last object has no readable id to continue from")
    cursor = last.name if isinstance(last, UnreadableItem) else last.id
    if cursor == after:
        raise malformed_answer("the list does not move on")
    return cursor


def _head_of(body: bytes) -> WireHead | None:
    try:
        return decode(body, _HEAD)
    except (FieldError, AttemptError):
        return None


def _broken_promise(what: str, field: str) -> MalformedAnswerError:
    return MalformedAnswerError(
        f"Stripe's answer about {what} is not what its API promises at {field}.",
        "Reconciler concluded nothing from it. If this repeats, ask Stripe or report it.",
    )
