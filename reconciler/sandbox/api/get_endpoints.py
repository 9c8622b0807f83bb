"""The GET endpoints. Each takes a call and returns the body of its answer, or raises ApiRefusal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TypeVar

import msgspec

from reconciler.sandbox.api import parameters
from reconciler.sandbox.api.api_call import ApiCall, list_body, page_with_fault
from reconciler.sandbox.api.expansions import PERMISSIONS, Path, expand, expansions
from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.charge_to_json import balance_transaction_json
from reconciler.sandbox.objects.records import (
    ChargeRecord,
    DisputeRecord,
    EventRecord,
    IntentRecord,
    Record,
    RefundRecord,
    SessionRecord,
    WebhookEndpointRecord,
)
from reconciler.sandbox.objects.to_json import (
    encode,
    event_json,
    intent_parts,
    record_json,
    type_name,
    whole_bytes,
)
from reconciler.sandbox.state.account_records import RETENTION, AccountRecords
from reconciler.sandbox.state.timeline import PageQuery, Timeline

R = TypeVar("R", bound=Record)

MOST_TYPES = 20

# How to find the objects of one type in the records of an account and mode.
INTENTS: Callable[[AccountRecords], Timeline[IntentRecord]] = attrgetter("intents")
CHARGES: Callable[[AccountRecords], Timeline[ChargeRecord]] = attrgetter("charges")
REFUNDS: Callable[[AccountRecords], Timeline[RefundRecord]] = attrgetter("refunds")
DISPUTES: Callable[[AccountRecords], Timeline[DisputeRecord]] = attrgetter("disputes")
SESSIONS: Callable[[AccountRecords], Timeline[SessionRecord]] = attrgetter("sessions")
EVENTS: Callable[[AccountRecords], Timeline[EventRecord]] = attrgetter("events")
ENDPOINTS: Callable[[AccountRecords], Timeline[WebhookEndpointRecord]] = attrgetter("endpoints")


def intent_bytes(call: ApiCall, intent: IntentRecord, paths: Sequence[Path]) -> bytes:
    """An intent, with these fields expanded."""
    if not set(paths) <= {("latest_charge",)}:
        return encode(expand(call, "payment_intent", record_json(intent), paths))

    # almost every reader expands the latest charge or nothing, and both parts are made once
    head, tail = call.records.intents.parts(intent, intent_parts)
    charge = call.records.latest_charge(intent) if paths else None
    if charge is not None:
        return b"".join((head, call.records.charges.parts(charge, whole_bytes)[0], tail))
    return b"".join((head, msgspec.json.encode(intent.latest_charge), tail))


def intent_expansions(call: ApiCall, *, listing: bool) -> list[Path]:
    """The fields of an intent to expand."""
    return expansions(call, "payment_intent", listing=listing)


def retrieve_intent(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(call.params, ("expand", "client_secret"))
    paths = intent_expansions(call, listing=False)
    return intent_bytes(call, call.find("payment_intent", INTENTS), paths)


def list_intents(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(
        call.params, (*parameters.PAGING, "created", "customer", "customer_account")
    )
    paths = intent_expansions(call, listing=True)
    return _page(
        call,
        "payment_intent",
        INTENTS,
        ("customer",),
        lambda intent: intent_bytes(call, intent, paths),
    )


def retrieve_charge(call: ApiCall) -> bytes:
    return _retrieve(call, "charge", CHARGES)


def list_charges(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(
        call.params, (*parameters.PAGING, "created", "customer", "payment_intent", "transfer_group")
    )
    return _plain_page(call, "charge", CHARGES, ("payment_intent", "customer"))


def retrieve_refund(call: ApiCall) -> bytes:
    return _retrieve(call, "refund", REFUNDS)


def list_refunds(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(
        call.params, (*parameters.PAGING, "created", "charge", "payment_intent")
    )
    return _plain_page(call, "refund", REFUNDS, ("payment_intent", "charge"))


def retrieve_dispute(call: ApiCall) -> bytes:
    return _retrieve(call, "dispute", DISPUTES)


def list_disputes(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(
        call.params, (*parameters.PAGING, "created", "charge", "payment_intent")
    )
    return _plain_page(call, "dispute", DISPUTES, ("payment_intent", "charge"))


def list_balance_transactions(call: ApiCall) -> bytes:
    """The newest ones of captured charges, without a cursor."""
    parameters.raise_if_unknown(call.params, ("limit",))
    query = parameters.page_query(call.params)
    page, _ = call.records.charges.page(query, None, lambda charge: charge.captured)
    found = [encode(balance_transaction_json(charge)) for charge in page]
    return list_body(call.path, found, has_more=False)


def list_endpoints(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(call.params, parameters.PAGING)
    return _plain_page(call, "webhook_endpoint", ENDPOINTS, ())


def retrieve_endpoint(call: ApiCall) -> bytes:
    return _retrieve(call, "webhook_endpoint", ENDPOINTS)


def retrieve_session(call: ApiCall) -> bytes:
    return _retrieve(call, "checkout.session", SESSIONS)


def list_sessions(call: ApiCall) -> bytes:
    known = ("payment_intent", "status", "customer", "payment_link", "subscription", "created")
    parameters.raise_if_unknown(call.params, (*parameters.PAGING, *known))
    wanted = {
        name: value
        for name in ("payment_intent", "status", "customer", "subscription")
        if (value := parameters.text(call.params, name)) is not None
    }

    # without an index: a session gets its payment later
    def keep(session: SessionRecord) -> bool:
        return all(getattr(session, name) == value for name, value in wanted.items())

    return _plain_page(call, "checkout.session", SESSIONS, (), keep)


def account(call: ApiCall) -> bytes:
    """The account of the key."""
    parameters.raise_if_unknown(call.params, ("expand",))
    return encode(
        {
            "id": call.records.account,
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
            "settings": {
                "branding": {"icon": None, "logo": None},
                "card_payments": {"statement_descriptor_prefix": None},
                "dashboard": {"display_name": "Sandbox shop", "timezone": "Etc/UTC"},
                "payments": {"statement_descriptor": "SHOP.EXAMPLE.COM"},
            },
            "type": "standard",
        }
    )


def retrieve_event(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(call.params, ("expand",))
    expansions(call, "event", listing=False)
    event = call.find("event", EVENTS)
    if not call.records.lists(event, call.now):
        raise call.missing_error("event", EVENTS, call.ident, None)
    call.raise_if_forbidden(PERMISSIONS[type_name(event.snapshot)])
    return _event_bytes(call, event)


def list_events(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(
        call.params, (*parameters.PAGING, "created", "type", "types", "delivery_success")
    )
    expansions(call, "event", listing=True)
    wanted = _types(call)
    delivered = parameters.flag(call.params, "delivery_success")
    pending = call.sandbox.webhooks.pending

    def keep(event: EventRecord) -> bool:
        return (
            call.records.lists(event, call.now)
            and (wanted is None or _matches(event.type, wanted))
            and (delivered is None or (pending(event.id) == 0) is delivered)
        )

    def render(event: EventRecord) -> bytes:
        call.raise_if_forbidden(PERMISSIONS[type_name(event.snapshot)])
        return _event_bytes(call, event)

    return _page(call, "event", EVENTS, (), render, keep)


def _types(call: ApiCall) -> list[str] | None:
    one, many = parameters.text(call.params, "type"), parameters.strings(call.params, "types")
    if one is not None and many:
        raise ApiRefusal(
            400, "You may only specify one of these parameters: type, types.", param="type"
        )
    if len(many) > MOST_TYPES:
        raise ApiRefusal(400, f"You may only specify up to {MOST_TYPES} types.", param="types")
    return [one] if one is not None else many or None


def _matches(event_type: str, wanted: list[str]) -> bool:
    return any(
        event_type == pattern or (pattern.endswith(".*") and event_type.startswith(pattern[:-1]))
        for pattern in wanted
    )


def _event_bytes(call: ApiCall, event: EventRecord) -> bytes:
    return encode(event_json(event, call.sandbox.webhooks.pending(event.id)))


def _retrieve(
    call: ApiCall, kind: str, records_of: Callable[[AccountRecords], Timeline[R]]
) -> bytes:
    parameters.raise_if_unknown(call.params, ("expand",))
    paths = expansions(call, kind, listing=False)
    return encode(expand(call, kind, record_json(call.find(kind, records_of)), paths))


def _plain_page(
    call: ApiCall,
    kind: str,
    records_of: Callable[[AccountRecords], Timeline[R]],
    filters: tuple[str, ...],
    keep: Callable[[R], bool] | None = None,
) -> bytes:
    paths = expansions(call, kind, listing=True)
    timeline = records_of(call.records)

    def render(record: R) -> bytes:
        if paths:
            return encode(expand(call, kind, record_json(record), paths))
        return timeline.parts(record, whole_bytes)[0]

    return _page(call, kind, records_of, filters, render, keep)


def _page(
    call: ApiCall,
    kind: str,
    records_of: Callable[[AccountRecords], Timeline[R]],
    filters: tuple[str, ...],
    render: Callable[[R], bytes],
    keep: Callable[[R], bool] | None = None,
) -> bytes:
    """A page of any list. The first given filter uses an index; the others check each record."""
    query = parameters.page_query(call.params)
    timeline = records_of(call.records)
    _raise_if_no_cursor(call, kind, records_of, query)
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

    indexed = given[0] if given else None
    page, more = timeline.page(query, indexed, kept if keep or others else None)
    page, more = page_with_fault(page, more, call.page_fault)
    return list_body(call.path, [render(record) for record in page], has_more=more)


def _raise_if_no_cursor(
    call: ApiCall, kind: str, records_of: Callable[[AccountRecords], Timeline[R]], query: PageQuery
) -> None:
    """Raise Stripe's 400 for a cursor that is unknown, or for an event that is older than 30 days."""
    for param in ("starting_after", "ending_before"):
        cursor = getattr(query, param)
        if cursor is None:
            continue
        record = records_of(call.records).get(cursor)
        expired = isinstance(record, EventRecord) and record.created <= call.now - RETENTION
        if record is None or expired:
            raise call.missing_error(kind, records_of, cursor, param)
