"""How the bytes of Stripe's answers become objects, one or the items of a list: within bounds, a wrong shape named.

A FieldError names the field at fault and never quotes its value. An item of a list is readable, or is named as unreadable.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import msgspec

from reconciler.adapters.stripe_gateway.transport import AttemptError, malformed_answer
from reconciler.adapters.stripe_gateway.wire import (
    PAGE_SIZE,
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
    is_id,
)
from reconciler.errors import MalformedAnswerError

T = TypeVar("T")

UNCOUNTED_BYTES: Final = 1024 * 1024
"""A body of this size cannot take much memory, and an ordinary page is smaller."""
MOST_VALUES: Final = 200_000
"""A page of a hundred expanded intents with all their metadata has about 40,000."""
MOST_ESCAPES: Final = 200_000
_TEXT_OR_VALUE: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[,\[{]', re.DOTALL)

_PATH: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING_FIELD: Final = re.compile(r"^Object missing required field `([^`]*)`")
_NUL: Final = re.compile(rb"\\u0000|\\.", re.DOTALL)
_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_PAIR: Final = re.compile(
    rb"(?P<pair>" + _HIGH + _LOW + rb")|(?P<half>" + _HIGH + rb"|" + _LOW + rb")|\\.", re.DOTALL
)
_REPLACEMENT: Final = rb"\ufffd"


class FieldError(Exception):
    """An object is not what the API promises. ``field`` is a path such as ``latest_charge.amount``."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def decode(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as an object of the decoder's shape.

    A NUL character, which PostgreSQL's text cannot hold, becomes U+FFFD. So does half of a surrogate pair, which is no
    valid text: a description that was cut in the middle of an emoji has one.

    Raises:
        FieldError: a field is missing or of another type, or a text is not UTF-8.
        AttemptError: the body is not complete JSON.
    """
    data = bytes(body)
    if len(data) > UNCOUNTED_BYTES:
        _raise_if_too_many_values(data)
    is_repairable = b"\\" not in data or data.count(b"\\") <= MOST_ESCAPES
    if b"\\u0000" in data:
        if not is_repairable:
            raise malformed_answer(
                "the answer has more escaped characters than Stripe's answers ever have"
            )
        data = _NUL.sub(_without_nul, data)

    # almost no body has half of a pair, so the repair comes only after a failure
    with contextlib.suppress(msgspec.DecodeError):
        return _decode(data, decoder)
    if is_repairable:
        with contextlib.suppress(msgspec.DecodeError):
            return _decode(_HALF_PAIR.sub(_without_half, data), decoder)
    raise malformed_answer("the answer is cut short or not JSON")


def _raise_if_too_many_values(data: bytes) -> None:
    """Raise AttemptError for a large body that would become more objects than any page of Stripe's.

    A value takes up to a hundred times its bytes as an object: eight megabytes of empty lists would fill the memory.
    """
    if sum(map(data.count, (b",", b"[", b"{"))) <= MOST_VALUES:
        return

    # a text may itself be full of commas
    count = 0
    for found in _TEXT_OR_VALUE.finditer(data):
        count += found[0] in b",[{"
        if count > MOST_VALUES:
            raise malformed_answer("the answer has more values than Stripe's answers ever have")


def _decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode. Valid JSON of another shape raises a new FieldError, because msgspec's own error may quote the contents."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        field = _field_of(str(error))
    except UnicodeDecodeError:
        field = "(a text that is not UTF-8)"
    except RecursionError:
        field = "(nested too deep)"
    raise FieldError(field)


def _field_of(message: str) -> str:
    """The path of the field at fault. msgspec's message may also hold its value, which is left out."""
    path = _PATH.search(message)
    missing = _MISSING_FIELD.match(message)
    parts = [path[1] if path else "", missing[1] if missing else ""]
    return ".".join(part for part in parts if part) or "(the whole)"


def _without_nul(found: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if found[0] == rb"\u0000" else found[0]


def _without_half(found: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if found["half"] else found[0]


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
    """The items of a page and ``has_more``. Raises AttemptError for more items than were requested."""
    try:
        page = decode(body, page_decoder)
    except FieldError:
        # one by one is slower, and tells which item has the fault
        return _items_one_by_one(body, item_decoder)
    raise_if_too_many(page.data)
    return list(page.data), page.has_more


def raise_if_too_many(items: Sequence[object]) -> None:
    """Raise AttemptError for a page with more items than were requested."""
    if len(items) > PAGE_SIZE:
        raise malformed_answer("the page has more objects than Reconciler asked for")


def _items_one_by_one(
    body: bytes, item_decoder: msgspec.json.Decoder[Wire]
) -> tuple[list[Wire | UnreadableItem], bool]:
    try:
        page = decode(body, _RAW_PAGE)
    except FieldError as error:
        field = error.field
    else:
        raise_if_too_many(page.data)
        items = [read_item(raw, number, item_decoder) for number, raw in enumerate(page.data, 1)]
        return items, page.has_more
    raise malformed_answer(f"the field {field} is not as Stripe's API defines it for a list")


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
        raise malformed_answer("the page is empty, but says that more follows")
    last = read[-1]
    if isinstance(last, UnreadableItem) and not last.has_id:
        raise malformed_answer(
            "the page's last object has no readable id, so Reconciler cannot request the next page"
        )
    cursor = last.name if isinstance(last, UnreadableItem) else last.id
    if cursor == after:
        raise malformed_answer("the list names the page that was just read as the next page")
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
        f"Stripe's answer about {what} differs from Stripe's API reference at {field}.",
        "Reconciler changed nothing because of this answer. If the error repeats, ask Stripe, or report it as a bug.",
    )
