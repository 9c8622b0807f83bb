"""Whether a PaymentIntent can be confirmed, and what confirming it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.sandbox.api.api_call import ApiCall
from reconciler.sandbox.api.expansions import Path
from reconciler.sandbox.api.get_endpoints import intent_bytes
from reconciler.sandbox.objects.answers import ApiRefusal, wrong_state
from reconciler.sandbox.objects.payment_methods import Token
from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.objects.to_json import intent_json
from reconciler.sandbox.state.transitions import WAITING


def confirm_or_refuse(
    call: ApiCall, intent: IntentRecord, token: Token | None, paths: Sequence[Path]
) -> bytes:
    """Attempt the payment. Raises Stripe's 402, with the intent in it, for a decline."""
    if intent.status not in WAITING:
        raise wrong_state("confirm", "confirmed", intent, WAITING)
    if token is None and intent.payment_method is None:
        raise ApiRefusal(
            400,
            "You cannot confirm this PaymentIntent because it's missing a payment method. Update the PaymentIntent with "
            "a payment method and then confirm it again.",
            code="payment_intent_unexpected_state",
            payment_intent=intent_json(intent),
        )
    changed = call.sandbox.confirm(intent.id, token)
    error = changed.last_payment_error
    if changed.status == "requires_payment_method" and error is not None:
        extra: dict[str, Any] = {
            "charge": error.charge,
            "decline_code": error.decline_code,
            "payment_intent": intent_json(changed),
        }
        shown = {name: value for name, value in extra.items() if value is not None}
        raise ApiRefusal(402, error.message, kind=error.type, code=error.code, **shown)
    return intent_bytes(call, changed, paths)
