"""From whole answers to what the port promises: one intent, or a page of a list.

An AttemptError says that the answer as a whole is not what was asked for, so that another try may help; a
MalformedAnswerError that a certain object has a fault, which would only be sent again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, TypeVar

import msgspec

from reconciler.adapters.stripe_gateway.answer import AttemptError, HttpAnswer, malformed
from reconciler.adapters.stripe_gateway.decoding import HEAD, FieldError, decode, is_id
from reconciler.adapters.stripe_gateway.translation import Translator
from reconciler.adapters.stripe_gateway.wire import (
    WireCharge,
    WireEvent,
    WireHead,
    WireIntent,
    WirePage,
)
from reconciler.domain.model.intent import Charge, Event, Intent
from reconciler.domain.model.page import EventPage, IntentPage
from reconciler.errors import MalformedAnswerError

T = TypeVar("T")
Wire = TypeVar("Wire", WireIntent, WireEvent, WireCharge)

INTENT: Final = msgspec.json.Decoder(WireIntent)
INTENT_PAGE: Final = msgspec.json.Decoder(WirePage[WireIntent])
EVENT: Final = msgspec.json.Decoder(WireEvent)
EVENT_PAGE: Final = msgspec.json.Decoder(WirePage[WireEvent])
CHARGE: Final = msgspec.json.Decoder(WireCharge)
CHARGE_PAGE: Final = msgspec.json.Decoder(WirePage[WireCharge])
RAW_PAGE: Final = msgspec.json.Decoder(WirePage[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class ReadFault:
    """An item of a list that could not be read: its id, or its place where even that is not readable; and the field."""

    item: str
    field: str
    has_id: bool


@dataclass(frozen=True, slots=True)
class ChargePage:
    """One page of an intent's charges."""

    charges: tuple[Charge, ...]
    next_after: str | None


def read_intent(
    answer: HttpAnswer, intent_id: str, translator: Translator, seen_at: datetime
) -> Intent:
    """The intent that was asked for, and no other."""
    try:
        intent = translator.intent(decode(answer.body, INTENT), seen_at, answer.request_id)
        field = "id"
    except FieldError as error:
        intent, field = None, error.field
    if intent is not None and intent.id == intent_id:
        return intent
    head = _head(answer.body)
    if head is None or head.object != "payment_intent" or head.id != intent_id:
        raise malformed("the answer is not that payment intent")
    raise _faulty(f"payment intent {intent_id}", field)


def read_intent_page(
    answer: HttpAnswer, after: str | None, translator: Translator, seen_at: datetime
) -> IntentPage:
    """A page of intents; what of it cannot be read is named in ``unreadable`` and does not lose the others."""
    items, has_more = _items(answer.body, INTENT_PAGE, INTENT)
    request_id = answer.request_id
    read = _each(items, lambda wire: translator.intent(wire, seen_at, request_id))
    # an intent that the page shows twice is one intent
    intents = tuple({item.id: item for item in read if not isinstance(item, ReadFault)}.values())
    if any(older.created > newer.created for newer, older in pairwise(intents)):
        raise malformed("the page is not newest first")
    return IntentPage(
        intents=intents,
        next_after=_cursor(read, after, has_more=has_more),
        seen_at=seen_at,
        request_id=request_id,
        unreadable=tuple(item.item for item in read if isinstance(item, ReadFault)),
    )


def read_event_page(
    answer: HttpAnswer, after: str | None, translator: Translator, seen_at: datetime
) -> EventPage:
    """A page of events. One that cannot be read loses the page: an event left out could be the one that matters."""
    items, has_more = _items(answer.body, EVENT_PAGE, EVENT)
    events = _whole(_each(items, translator.event), "event")
    return EventPage(events, _cursor(events, after, has_more=has_more), seen_at)


def read_charge_page(answer: HttpAnswer, after: str | None, translator: Translator) -> ChargePage:
    """A page of charges, whole or not at all."""
    items, has_more = _items(answer.body, CHARGE_PAGE, CHARGE)
    charges = _whole(_each(items, translator.charge), "charge")
    return ChargePage(charges, _cursor(charges, after, has_more=has_more))


def read_heads(answer: HttpAnswer) -> tuple[WireHead, ...]:
    """Of a list of anything: which objects, and of which mode."""
    try:
        return tuple(decode(item, HEAD) for item in decode(answer.body, RAW_PAGE).data)
    except FieldError as error:
        field = error.field
    raise malformed(f"{field} is not what a list has there")


def _items(
    body: bytes,
    whole: msgspec.json.Decoder[WirePage[Wire]],
    single: msgspec.json.Decoder[Wire],
) -> tuple[list[Wire | ReadFault], bool]:
    """The items of a page and ``has_more``: all at once, and one by one only where that finds a fault."""
    try:
        page = decode(body, whole)
    except FieldError:
        return _items_singly(body, single)
    return list(page.data), page.has_more


def _items_singly(
    body: bytes, single: msgspec.json.Decoder[Wire]
) -> tuple[list[Wire | ReadFault], bool]:
    try:
        raw = decode(body, RAW_PAGE)
    except FieldError as error:
        field = error.field
    else:
        return [
            _item(item, number, single) for number, item in enumerate(raw.data, 1)
        ], raw.has_more
    raise malformed(f"{field} is not what a list has there")


def _item(raw: msgspec.Raw, number: int, single: msgspec.json.Decoder[Wire]) -> Wire | ReadFault:
    try:
        return decode(raw, single)
    except FieldError as error:
        field = error.field
    head = _head(bytes(raw))
    if head is not None and is_id(head.id):
        return ReadFault(str(head.id), field, has_id=True)
    return ReadFault(f"object {number} of the page, whose id is not readable", field, has_id=False)


def _each(items: list[Wire | ReadFault], translate: Callable[[Wire], T]) -> list[T | ReadFault]:
    read: list[T | ReadFault] = []
    for number, item in enumerate(items, 1):
        if isinstance(item, ReadFault):
            read.append(item)
            continue
        try:
            read.append(translate(item))
        except FieldError as error:
            known = is_id(item.id)
            name = item.id if known else f"object {number} of the page, whose id is not readable"
            read.append(ReadFault(name, error.field, has_id=known))
    return read


def _whole(read: list[T | ReadFault], kind: str) -> tuple[T, ...]:
    for item in read:
        if isinstance(item, ReadFault):
            raise _faulty(f"{kind} {item.item}", item.field)
    return tuple(item for item in read if not isinstance(item, ReadFault))


def _cursor(
    read: list[Intent | ReadFault] | tuple[Event, ...] | tuple[Charge, ...],
    after: str | None,
    *,
    has_more: bool,
) -> str | None:
    """The id to go on after, None at the end of the list; a cursor that cannot move would go on for ever."""
    if not has_more:
        return None
    if not read:
        raise malformed("the page is empty and claims that more follows")
    last = read[-1]
    if isinstance(last, ReadFault) and not last.has_id:
        raise malformed("the page's last object has no readable id to go on from")
    cursor = last.item if isinstance(last, ReadFault) else last.id
    if cursor == after:
        raise malformed("the list does not move on")
    return cursor


def _head(body: bytes) -> WireHead | None:
    try:
        return decode(body, HEAD)
    except (FieldError, AttemptError):
        return None


def _faulty(what: str, field: str) -> MalformedAnswerError:
    return MalformedAnswerError(
        f"Stripe's answer about {what} is not what its API promises at {field}.",
        "Nothing was concluded from it; if it stays so, ask Stripe or report it.",
    )
