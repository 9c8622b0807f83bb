"""From Stripe's shapes to the domain's objects. Each object must be the one requested, and of the configured mode."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from reconciler.adapters.stripe_gateway.json_decoding import FieldError
from reconciler.adapters.stripe_gateway.wire import (
    LAST_SECOND,
    WireCharge,
    WireChargeBalance,
    WireChargeIntent,
    WireDispute,
    WireEvent,
    WireEventError,
    WireEventObject,
    WireFoundIntent,
    WireIntent,
    WireMethod,
    WireSession,
    is_id,
)
from reconciler.domain.model.found_intents import FoundIntent
from reconciler.domain.model.intent import (
    Charge,
    Event,
    Intent,
    NextAction,
    Snapshot,
    outcome_of_status,
)
from reconciler.domain.model.looked_up_id import ChargeIntent, CheckoutSession
from reconciler.domain.model.money_back import ChargeBalance, Dispute
from reconciler.errors import WrongKeyError

_EXPIRY_FIELDS: Final = ("expires_at", "expires_after")  # only OXXO says expires_after
_BANK_TRANSFER: Final = "display_bank_transfer_instructions"
_LONGEST_WORD: Final = 255
_LONGEST_ORDER: Final = 500
"""Characters of a description that may be an order: as many as a value of the metadata may have."""
_ABSENT: Final = (b"", b"null")
_FAILED: Final = "payment_intent.payment_failed"
_ERROR: Final = msgspec.json.Decoder(WireEventError)
_CODE: Final = re.compile(r"[a-z0-9_]{1,64}")
_NO_METADATA: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Translator:
    """Translates the objects of one account.

    ``livemode`` is the mode that each object must have; None takes both. Of an intent's metadata only
    ``metadata_keys`` are kept; None keeps all. Its description is only kept with ``keeps_description``.
    """

    account: str
    livemode: bool | None
    metadata_keys: Collection[str] | None
    keeps_description: bool = False

    def intent(self, wire: WireIntent, seen_at: datetime, request_id: str | None) -> Intent:
        """An intent that was requested with ``latest_charge`` expanded. Raises FieldError or WrongKeyError."""
        self._raise_if_other_mode(wire.livemode)
        charge = _latest_charge(wire)
        error = wire.last_payment_error
        return Intent(
            id=wire.id,
            status=wire.status,
            amount=wire.amount,
            amount_received=wire.amount_received,
            amount_capturable=wire.amount_capturable,
            currency=wire.currency.lower(),
            created=_time(wire.created),
            livemode=wire.livemode,
            seen_at=seen_at,
            request_id=request_id,
            canceled_at=None if wire.canceled_at is None else _time(wire.canceled_at),
            failure_code=None if error is None else error.code or "",
            method=_method(wire, charge),
            next_action=_next_action(wire.next_action),
            charge=charge,
            metadata=self._kept_metadata(wire.metadata),
            customer=wire.customer,
            description=_description(wire.description) if self.keeps_description else None,
        )

    def charge(self, wire: WireCharge) -> Charge:
        """A charge of a list of charges. Raises WrongKeyError."""
        self._raise_if_other_mode(wire.livemode)
        return _charge(wire)

    def event(self, wire: WireEvent) -> Event:
        """An event. Raises FieldError or WrongKeyError."""
        self._raise_if_other_mode(wire.livemode)
        return Event(
            id=wire.id,
            type=wire.type,
            created=_time(wire.created),
            payment_intent=_intent_id(wire),
            delivered=wire.pending_webhooks == 0,
            snapshot=self._snapshot(wire.data.object),
            failure_code=_failure_code(wire) if wire.type == _FAILED else None,
        )

    def charge_balance(self, wire: WireChargeBalance) -> ChargeBalance | None:
        """The balance transaction of a charge, None if it has none yet. Raises WrongKeyError."""
        self._raise_if_other_mode(wire.livemode)
        balance = wire.balance_transaction
        return None if balance is None else ChargeBalance(balance.amount, balance.currency.lower())

    def charge_intent(self, wire: WireChargeIntent) -> ChargeIntent:
        """Which intent a charge belongs to. Raises WrongKeyError."""
        self._raise_if_other_mode(wire.livemode)
        return ChargeIntent(wire.id, wire.payment_intent)

    def dispute(self, wire: WireDispute) -> Dispute:
        """A dispute. Raises WrongKeyError."""
        self._raise_if_other_mode(wire.livemode)
        due_by = None if wire.evidence_details is None else wire.evidence_details.due_by
        return Dispute(
            id=wire.id,
            status=wire.status,
            amount=wire.amount,
            currency=wire.currency.lower(),
            created=_time(wire.created),
            # Stripe sends 0 if there is nothing to respond to
            evidence_due_by=_time(due_by) if due_by else None,
        )

    def session(self, wire: WireSession) -> CheckoutSession:
        """A Checkout Session. Raises WrongKeyError."""
        self._raise_if_other_mode(wire.livemode)
        return CheckoutSession(
            id=wire.id,
            payment_intent=wire.payment_intent,
            mode=wire.mode,
            status=wire.status,
            payment_status=wire.payment_status,
            expires_at=None if wire.expires_at is None else _time(wire.expires_at),
            client_reference_id=wire.client_reference_id,
            metadata=self._kept_metadata(wire.metadata),
        )

    def found_intent(self, wire: WireFoundIntent, key: str) -> FoundIntent:
        """An intent that a search for a key of the metadata shows. Raises WrongKeyError."""
        self._raise_if_other_mode(wire.livemode)
        metadata = wire.metadata or {}
        searched = {key: metadata[key]} if key in metadata else {}
        return FoundIntent(wire.id, {**self._kept_metadata(metadata), **searched})

    def _snapshot(self, about: WireEventObject) -> Snapshot | None:
        """The intent as the event carries it, in any API version. None if it is another object or unreadable."""
        received, currency = about.amount_received, about.currency
        readable = (
            about.object == "payment_intent"
            and isinstance(about.status, str)
            and isinstance(received, int)
            and not isinstance(received, bool)
            and isinstance(currency, str)
            and len(currency) <= _LONGEST_WORD
        )
        if not readable:
            return None

        metadata = about.metadata if isinstance(about.metadata, dict) else {}
        texts = {key: value for key, value in metadata.items() if isinstance(value, str)}
        failed = bytes(about.last_payment_error) not in _ABSENT
        outcome = outcome_of_status(about.status, last_attempt_failed=failed)
        held = about.amount_capturable
        capturable = held if isinstance(held, int) and not isinstance(held, bool) else 0
        kept = self._kept_metadata(texts)
        return Snapshot(outcome, received, currency.lower(), kept, capturable)

    def _raise_if_other_mode(self, livemode: bool) -> None:
        """Raise WrongKeyError for an object of the other mode."""
        if self.livemode is None or livemode is self.livemode:
            return
        found, configured = ("live", "test") if livemode else ("test", "live")
        raise WrongKeyError(
            f"The Stripe key of account {self.account} shows {found} mode objects; the configuration says "
            f"{configured} mode.",
            f"Use a {configured} mode key, or correct livemode in the configuration. No row was changed because of these objects.",
        )

    def _kept_metadata(self, metadata: Mapping[str, str] | None) -> Mapping[str, str]:
        if not metadata:
            return _NO_METADATA
        if self.metadata_keys is None:
            return dict(metadata)
        return {key: metadata[key] for key in self.metadata_keys if key in metadata}


def _time(unix_seconds: int) -> datetime:
    return datetime.fromtimestamp(unix_seconds, UTC)


def _charge(wire: WireCharge) -> Charge:
    method = wire.payment_method_details
    return Charge(
        id=wire.id,
        status=wire.status,
        created=_time(wire.created),
        amount=wire.amount,
        amount_captured=wire.amount_captured or 0,  # null after a cancel, before API version basil
        amount_refunded=wire.amount_refunded,
        refunded=wire.refunded,
        disputed=wire.disputed,
        failure_code=wire.failure_code,
        method=None if method is None else method.type,
        capture_before=None if method is None else _capture_before(method),
    )


def _description(raw: msgspec.Raw) -> str | None:
    """The description, trimmed. None if there is none, or if it is no text or longer than an order."""
    if bytes(raw) in _ABSENT:
        return None
    try:
        text = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    trimmed = text.strip() if isinstance(text, str) else ""
    return trimmed if 0 < len(trimmed) <= _LONGEST_ORDER else None


def _latest_charge(wire: WireIntent) -> Charge | None:
    latest = wire.latest_charge
    if latest is None:
        return None
    if isinstance(latest, str):
        # Stripe did not expand it as requested, and an id alone hides refunds and disputes
        raise FieldError("latest_charge")
    return _charge(latest)


def _capture_before(method: WireMethod) -> datetime | None:
    for card in (method.card, method.card_present):
        if card is not None and card.capture_before is not None:
            return _time(card.capture_before)
    return None


def _method(wire: WireIntent, charge: Charge | None) -> str | None:
    """The payment method's type: of the charge, else of the failed attempt, else the only possible one."""
    if charge is not None and charge.method:
        return charge.method
    error = wire.last_payment_error
    if error is not None and error.payment_method_type:
        return error.payment_method_type
    possible = wire.payment_method_types
    return possible[0] if possible is not None and len(possible) == 1 else None


def _next_action(raw: msgspec.Raw) -> NextAction | None:
    """What the customer is to do, and until when: ``next_action[type].expires_at``, or that of a nested QR code.

    No decision about money depends on the expiry, so an unknown shape has none and is not an error. Raises FieldError
    for an ``amount_remaining`` that is no amount.
    """
    if bytes(raw) in _ABSENT:
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
    return NextAction(
        kind if isinstance(kind, str) else "unknown",
        _expiry(details),
        _amount_remaining(action.get(_BANK_TRANSFER)),
    )


def _amount_remaining(instructions: Any) -> int | None:
    """What a bank transfer still lacks, None if it is not said."""
    value = instructions.get("amount_remaining") if isinstance(instructions, dict) else None
    # `type`, because True is an int to isinstance
    if value is None or (type(value) is int and 0 <= value < 2**63):
        return value
    raise FieldError(f"next_action.{_BANK_TRANSFER}.amount_remaining")


def _expiry(details: list[Any]) -> datetime | None:
    for detail in details:
        if not isinstance(detail, dict):
            continue
        qr_code = detail.get("qr_code")
        for holder in (detail, qr_code if isinstance(qr_code, dict) else {}):
            for name in _EXPIRY_FIELDS:
                value = holder.get(name)
                # `type`, because True is an int to isinstance
                if type(value) is int and 0 <= value <= LAST_SECOND:
                    return _time(value)
    return None


def _failure_code(wire: WireEvent) -> str | None:
    """Why the attempt failed that an event is about; None if the event has no code, or one that is none of Stripe's."""
    try:
        error = _ERROR.decode(wire.data.object.last_payment_error)
    except (msgspec.MsgspecError, ValueError):
        return None
    for code in (error.decline_code, error.code):
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code
    return None


def _intent_id(wire: WireEvent) -> str | None:
    """The id of the event's intent: the object itself, or the one that a charge, refund or dispute names."""
    about = wire.data.object
    named = about.id if about.object == "payment_intent" else about.payment_intent
    if isinstance(named, dict):
        named = named.get("id")
    if named is None:
        return None
    if not is_id(named):
        raise FieldError("data.object.id or data.object.payment_intent")
    return str(named)
