"""From Stripe's shapes to the domain's: each object is checked for being what was asked for, of the right mode."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from reconciler.adapters.stripe_gateway.decoding import FieldError, is_id
from reconciler.adapters.stripe_gateway.wire import (
    END_OF_TIME,
    WireCharge,
    WireEvent,
    WireEventObject,
    WireIntent,
    WireMethod,
)
from reconciler.domain.model.intent import Charge, Event, Intent, NextAction, Snapshot
from reconciler.domain.outcome import of_stripe
from reconciler.errors import WrongKeyError

_EXPIRIES: Final = ("expires_at", "expires_after")  # OXXO alone says expires_after
_NOTHING: Final = (b"", b"null")
_NO_METADATA: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Translator:
    """What every object of one account is checked against.

    ``livemode`` None takes both modes. Only ``metadata_keys`` of an intent's metadata are kept.
    """

    account: str
    livemode: bool | None
    metadata_keys: Collection[str]

    def intent(self, wire: WireIntent, seen_at: datetime, request_id: str | None) -> Intent:
        """An intent; raises FieldError or WrongKeyError. It was asked for with ``latest_charge`` expanded."""
        if not is_id(wire.id):
            raise FieldError("id")
        self.check_mode(wire.livemode)
        charge = _latest_charge(wire)
        error = wire.last_payment_error
        return Intent(
            id=wire.id,
            status=wire.status,
            amount=wire.amount,
            amount_received=wire.amount_received,
            amount_capturable=wire.amount_capturable,
            currency=wire.currency.lower(),
            created=moment(wire.created),
            livemode=wire.livemode,
            seen_at=seen_at,
            request_id=request_id,
            canceled_at=None if wire.canceled_at is None else moment(wire.canceled_at),
            failure_code=None if error is None else error.code or "",
            method=_method(wire, charge),
            next_action=next_action(wire.next_action),
            charge=charge,
            metadata=self._kept(wire.metadata),
        )

    def charge(self, wire: WireCharge) -> Charge:
        """A charge of a list of charges; raises FieldError or WrongKeyError."""
        self.check_mode(wire.livemode)
        return charge_of(wire)

    def event(self, wire: WireEvent) -> Event:
        """An event; raises FieldError or WrongKeyError."""
        if not is_id(wire.id):
            raise FieldError("id")
        self.check_mode(wire.livemode)
        return Event(
            id=wire.id,
            type=wire.type,
            created=moment(wire.created),
            payment_intent=_intent_of(wire),
            delivered=wire.pending_webhooks == 0,
            snapshot=self._snapshot(wire.data.object),
        )

    def _snapshot(self, about: WireEventObject) -> Snapshot | None:
        """The intent as the event carries it, in whatever API version; None where it is none or cannot be read."""
        received, currency = about.amount_received, about.currency
        readable = (
            about.object == "payment_intent"
            and isinstance(about.status, str)
            and isinstance(received, int)
            and not isinstance(received, bool)
            and isinstance(currency, str)
        )
        if not readable:
            return None
        metadata = about.metadata if isinstance(about.metadata, dict) else {}
        texts = {key: value for key, value in metadata.items() if isinstance(value, str)}
        failed = bytes(about.last_payment_error) not in _NOTHING
        outcome = of_stripe(about.status, last_attempt_failed=failed)
        return Snapshot(outcome, received, currency.lower(), self._kept(texts))

    def check_mode(self, livemode: bool) -> None:
        """Raise WrongKeyError for an object of the other mode."""
        if self.livemode is None or livemode is self.livemode:
            return
        there, wanted = ("live", "test") if livemode else ("test", "live")
        raise WrongKeyError(
            f"The Stripe key of account {self.account} shows {there} mode objects; the configuration says {wanted} mode.",
            "Use the key of that mode, or correct livemode; no row was touched on this evidence.",
        )

    def _kept(self, metadata: Mapping[str, str] | None) -> Mapping[str, str]:
        if not metadata or not self.metadata_keys:
            return _NO_METADATA
        return {key: metadata[key] for key in self.metadata_keys if key in metadata}


def moment(seconds: int) -> datetime:
    """Unix seconds as a time."""
    return datetime.fromtimestamp(seconds, UTC)


def charge_of(wire: WireCharge) -> Charge:
    """A charge; raises FieldError."""
    if not is_id(wire.id):
        raise FieldError("id")
    method = wire.payment_method_details
    return Charge(
        id=wire.id,
        status=wire.status,
        created=moment(wire.created),
        amount=wire.amount,
        amount_captured=wire.amount_captured,
        amount_refunded=wire.amount_refunded,
        refunded=wire.refunded,
        disputed=wire.disputed,
        failure_code=wire.failure_code,
        method=None if method is None else method.type,
        capture_before=None if method is None else _capture_before(method),
    )


def _latest_charge(wire: WireIntent) -> Charge | None:
    latest = wire.latest_charge
    if latest is None:
        return None
    if isinstance(latest, str):
        # a bare id hides refunds and disputes, although it was asked for in full
        raise FieldError("latest_charge")
    try:
        return charge_of(latest)
    except FieldError as error:
        raise FieldError(f"latest_charge.{error.field}") from None


def _capture_before(method: WireMethod) -> datetime | None:
    for card in (method.card, method.card_present):
        if card is not None and card.capture_before is not None:
            return moment(card.capture_before)
    return None


def _method(wire: WireIntent, charge: Charge | None) -> str | None:
    """The type that was paid or tried with; what is merely possible counts where it is the only one."""
    if charge is not None and charge.method:
        return charge.method
    error = wire.last_payment_error
    if error is not None and error.payment_method_type:
        return error.payment_method_type
    possible = wire.payment_method_types
    return possible[0] if possible is not None and len(possible) == 1 else None


def next_action(raw: msgspec.Raw) -> NextAction | None:
    """What the customer is to do, and until when: ``next_action[type].expires_at``, or that of a nested QR code.

    Nothing about money hangs on it, so that a shape that we do not know has no expiry and is no error.
    """
    if bytes(raw) in _NOTHING:
        return None
    try:
        action: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NextAction("unknown")
    if not isinstance(action, dict):
        return NextAction("unknown")
    kind = action.get("type")
    details = [action.get(kind)] if isinstance(kind, str) else []
    details += [value for name, value in action.items() if "_display_" in name]
    return NextAction(kind if isinstance(kind, str) else "unknown", _expiry(details))


def _expiry(details: list[Any]) -> datetime | None:
    for hash_ in details:
        if not isinstance(hash_, dict):
            continue
        nested = hash_.get("qr_code")
        for holder in (hash_, nested if isinstance(nested, dict) else {}):
            for name in _EXPIRIES:
                value = holder.get(name)
                if type(value) is int and 0 <= value <= END_OF_TIME:
                    return moment(value)
    return None


def _intent_of(wire: WireEvent) -> str | None:
    """The intent that an event is about: the object itself, or the one that a charge, refund or dispute names."""
    about = wire.data.object
    named = about.id if about.object == "payment_intent" else about.payment_intent
    if isinstance(named, dict):
        named = named.get("id")
    if named is None:
        return None
    if not is_id(named):
        raise FieldError("data.object.id or data.object.payment_intent")
    return str(named)
