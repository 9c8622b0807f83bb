"""The items of a page of a list: each is readable, or is named as unreadable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import msgspec

from reconciler.adapters.stripe_gateway.transport import AttemptError, malformed_answer
from reconciler.adapters.stripe_gateway.wire import (
    FieldError,
    WireCharge,
    WireChargeBalance,
    WireChargeIntent,
    WireDispute,
    WireEvent,
    WireFoundIntent,
    WireHead,
    WireIntent,
    WirePage,
    WireRefund,
    WireSession,
    decode,
    is_id,
)
from reconciler.errors import MalformedAnswerError

T = TypeVar("T")
Wire = TypeVar(
    "Wire",
    WireIntent,
    WireEvent,
    WireCharge,
    WireRefund,
    WireDispute,
    WireFoundIntent,
    WireChargeBalance,
    WireChargeIntent,
    WireSession,
)

_HEAD: Final = msgspec.json.Decoder(WireHead)
_RAW_PAGE: Final = msgspec.json.Decoder(WirePage[msgspec.Raw])


class HasId(Protocol):
    """An object of Stripe's."""

    @property
    def id(self) -> str:
        """Stripe's id."""
        ...


@dataclass(frozen=True, slots=True)
class UnreadableItem:
    """An item of a list that cannot be read.

    ``name`` is its id if that is readable, else its position on the page. ``field`` is the field at fault.
    """

    name: str
    field: str
    has_id: bool


def page_items(
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
        items = [read_item(raw, number, item_decoder) for number, raw in enumerate(page.data, 1)]
        return items, page.has_more
    raise malformed_answer(f"{field} is not what a list has there")


def read_item(
    raw: msgspec.Raw, number: int, item_decoder: msgspec.json.Decoder[Wire]
) -> Wire | UnreadableItem:
    """One item. ``number`` is its position on the page, from 1."""
    try:
        return decode(raw, item_decoder)
    except FieldError as error:
        field = error.field
    head = head_of(bytes(raw))
    if head is not None and is_id(head.id):
        return UnreadableItem(str(head.id), field, has_id=True)
    name = f"object {number} of the page, whose id is not readable"
    return UnreadableItem(name, field, has_id=False)


def translated(
    items: list[Wire | UnreadableItem], translate: Callable[[Wire], T]
) -> list[T | UnreadableItem]:
    """The items as the domain's objects. One whose translation fails becomes unreadable."""
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


def all_readable(read: list[T | UnreadableItem], kind: str) -> tuple[T, ...]:
    """The items. Raises MalformedAnswerError for the first that is unreadable."""
    readable: list[T] = []
    for item in read:
        if isinstance(item, UnreadableItem):
            raise broken_promise(f"{kind} {item.name}", item.field)
        readable.append(item)
    return tuple(readable)


def next_cursor(
    read: Sequence[HasId | UnreadableItem],
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


def head_of(body: bytes) -> WireHead | None:
    """Which object a body is; None if that is not readable."""
    try:
        return decode(body, _HEAD)
    except (FieldError, AttemptError):
        return None


def broken_promise(what: str, field: str) -> MalformedAnswerError:
    """The error for one object that has a fault in a field. Stripe would only send it again."""
    return MalformedAnswerError(
        f"Stripe's answer about {what} is not what its API promises at {field}.",
        "Reconciler concluded nothing from it. If this repeats, ask Stripe or report it.",
    )
