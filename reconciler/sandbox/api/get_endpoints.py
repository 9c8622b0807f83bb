"""The GET endpoints."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TypeVar

import msgspec

from reconciler.sandbox.api import parameters
from reconciler.sandbox.api.call import Call, list_body, spoiled
from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.json import (
    encode,
    event_shape,
    intent_parts,
    kind_of,
    shape_of,
    whole,
)
from reconciler.sandbox.objects.records import (
    ChargeRecord,
    DisputeRecord,
    EventRecord,
    IntentRecord,
    Record,
    RefundRecord,
    WebhookEndpointRecord,
)
from reconciler.sandbox.state.account_book import RETENTION, AccountBook
from reconciler.sandbox.state.timeline import PageQuery, Timeline

R = TypeVar("R", bound=Record)

TYPES_AT_MOST = 20
SUBJECT_PERMISSIONS = {
    "payment_intent": "payment_intent_read",
    "charge": "charge_read",
    "refund": "charge_read",
    "dispute": "dispute_read",
}

# Places of the objects in a book, as named in answers and looked for in the other mode.
INTENTS: Callable[[AccountBook], Timeline[IntentRecord]] = attrgetter("intents")
CHARGES: Callable[[AccountBook], Timeline[ChargeRecord]] = attrgetter("charges")
REFUNDS: Callable[[AccountBook], Timeline[RefundRecord]] = attrgetter("refunds")
DISPUTES: Callable[[AccountBook], Timeline[DisputeRecord]] = attrgetter("disputes")
EVENTS: Callable[[AccountBook], Timeline[EventRecord]] = attrgetter("events")
ENDPOINTS: Callable[[AccountBook], Timeline[WebhookEndpointRecord]] = attrgetter("endpoints")


def intent_bytes(call: Call, intent: IntentRecord, expand: frozenset[str]) -> bytes:
    """An intent, with its latest charge as the id or in whole."""
    head, tail = call.book.intents.parts(intent, intent_parts)
    charge = call.book.latest_charge(intent) if "latest_charge" in expand else None
    if charge is not None:
        return b"".join((head, call.book.charges.parts(charge, whole)[0], tail))
    return b"".join((head, msgspec.json.encode(intent.latest_charge), tail))


def intent_expansions(call: Call, *, listing: bool) -> frozenset[str]:
    """What of an intent to expand; a restricted key needs Read on it."""
    expand = parameters.expansions(call.params, ("latest_charge",), listing=listing)
    if expand:
        call.demand("charge_read")
    return expand


def retrieve_intent(call: Call) -> bytes:
    parameters.only(call.params, ("expand", "client_secret"))
    expand = intent_expansions(call, listing=False)
    return intent_bytes(call, call.found("payment_intent", INTENTS), expand)


def list_intents(call: Call) -> bytes:
    parameters.only(call.params, (*parameters.PAGING, "created", "customer", "customer_account"))
    expand = intent_expansions(call, listing=True)
    return _page(
        call,
        "payment_intent",
        INTENTS,
        ("customer",),
        lambda intent: intent_bytes(call, intent, expand),
    )


def retrieve_charge(call: Call) -> bytes:
    return _retrieve(call, "charge", CHARGES)


def list_charges(call: Call) -> bytes:
    parameters.only(
        call.params, (*parameters.PAGING, "created", "customer", "payment_intent", "transfer_group")
    )
    return _plain_page(call, "charge", CHARGES, ("payment_intent", "customer"))


def retrieve_refund(call: Call) -> bytes:
    return _retrieve(call, "refund", REFUNDS)


def list_refunds(call: Call) -> bytes:
    parameters.only(call.params, (*parameters.PAGING, "created", "charge", "payment_intent"))
    return _plain_page(call, "refund", REFUNDS, ("payment_intent", "charge"))


def retrieve_dispute(call: Call) -> bytes:
    return _retrieve(call, "dispute", DISPUTES)


def list_disputes(call: Call) -> bytes:
    parameters.only(call.params, (*parameters.PAGING, "created", "charge", "payment_intent"))
    return _plain_page(call, "dispute", DISPUTES, ("payment_intent", "charge"))


def list_endpoints(call: Call) -> bytes:
    parameters.only(call.params, parameters.PAGING)
    return _plain_page(call, "webhook_endpoint", ENDPOINTS, ())


def retrieve_endpoint(call: Call) -> bytes:
    return _retrieve(call, "webhook_endpoint", ENDPOINTS)


def list_checkout_sessions(call: Call) -> bytes:
    """Always empty: the sandbox's shop has no Checkout."""
    known = ("payment_intent", "status", "customer", "payment_link", "subscription", "created")
    parameters.only(call.params, (*parameters.PAGING, *known))
    parameters.page_query(call.params)
    return list_body(call.path, [], has_more=False)


def account(call: Call) -> bytes:
    """The account that the key speaks for."""
    parameters.only(call.params, ("expand",))
    return encode(
        {
            "id": call.book.account,
            "object": "account",
            "business_profile": {
                "mcc": None,
                "name": "Sandbox shop",
                "url": "https://shop.example.com",
            },
            "capabilities": {"card_payments": "active", "transfers": "active"},
            "charges_enabled": True,
            "country": "US",
            "default_currency": "usd",
            "details_submitted": True,
            "email": "owner@shop.example.com",
            "payouts_enabled": True,
            "settings": {"dashboard": {"display_name": "Sandbox shop", "timezone": "Etc/UTC"}},
            "type": "standard",
        }
    )


def retrieve_event(call: Call) -> bytes:
    parameters.only(call.params, ("expand",))
    event = call.found("event", EVENTS)
    if not call.book.lists(event, call.now):
        raise call.missing("event", EVENTS, call.ident, None)
    call.demand(SUBJECT_PERMISSIONS[kind_of(event.subject)])
    return _event_bytes(call, event)


def list_events(call: Call) -> bytes:
    parameters.only(
        call.params, (*parameters.PAGING, "created", "type", "types", "delivery_success")
    )
    wanted = _types(call)
    delivered = parameters.flag(call.params, "delivery_success")
    pending = call.sandbox.postman.pending

    def keep(event: EventRecord) -> bool:
        return (
            call.book.lists(event, call.now)
            and (wanted is None or _matches(event.type, wanted))
            and (delivered is None or (pending(event.id) == 0) is delivered)
        )

    def render(event: EventRecord) -> bytes:
        call.demand(SUBJECT_PERMISSIONS[kind_of(event.subject)])
        return _event_bytes(call, event)

    return _page(call, "event", EVENTS, (), render, keep)


def _types(call: Call) -> list[str] | None:
    one, many = parameters.text(call.params, "type"), parameters.strings(call.params, "types")
    if one is not None and many:
        raise ApiRefusal(
            400, "You may only specify one of these parameters: type, types.", param="type"
        )
    if len(many) > TYPES_AT_MOST:
        raise ApiRefusal(400, f"You may only specify up to {TYPES_AT_MOST} types.", param="types")
    return [one] if one is not None else many or None


def _matches(event_type: str, wanted: list[str]) -> bool:
    return any(
        event_type == pattern or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in wanted
    )


def _event_bytes(call: Call, event: EventRecord) -> bytes:
    return encode(event_shape(event, call.sandbox.postman.pending(event.id)))


def _retrieve(call: Call, kind: str, place: Callable[[AccountBook], Timeline[R]]) -> bytes:
    parameters.only(call.params, ("expand",))
    parameters.expansions(call.params, (), listing=False)
    return encode(shape_of(call.found(kind, place)))


def _plain_page(
    call: Call, kind: str, place: Callable[[AccountBook], Timeline[R]], filters: tuple[str, ...]
) -> bytes:
    parameters.expansions(call.params, (), listing=True)
    timeline = place(call.book)
    return _page(call, kind, place, filters, lambda record: timeline.parts(record, whole)[0])


def _page(
    call: Call,
    kind: str,
    place: Callable[[AccountBook], Timeline[R]],
    filters: tuple[str, ...],
    render: Callable[[R], bytes],
    keep: Callable[[R], bool] | None = None,
) -> bytes:
    """A page of any list. The first filter given narrows by index, the others by looking."""
    query = parameters.page_query(call.params)
    timeline = place(call.book)
    _check_cursor(call, kind, place, query)
    given = [
        (name, value)
        for name in filters
        if (value := parameters.text(call.params, name)) is not None
    ]
    others = given[1:]

    def kept(record: R) -> bool:
        return (keep is None or keep(record)) and all(
            getattr(record, name) == value for name, value in others
        )

    narrowed = given[0] if given else None
    page, more = timeline.page(query, narrowed, kept if keep or others else None)
    page, more = spoiled(page, more, call.page_fault)
    return list_body(call.path, [render(record) for record in page], has_more=more)


def _check_cursor(
    call: Call, kind: str, place: Callable[[AccountBook], Timeline[R]], query: PageQuery
) -> None:
    """Raises Stripe's 400 for a cursor that is unknown, or an event older than its retention."""
    for param in ("starting_after", "ending_before"):
        cursor = getattr(query, param)
        if cursor is None:
            continue
        record = place(call.book).get(cursor)
        expired = isinstance(record, EventRecord) and record.created <= call.now - RETENTION
        if record is None or expired:
            raise call.missing(kind, place, cursor, param)
