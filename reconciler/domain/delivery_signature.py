"""How a delivery to the merchant's endpoint is signed: HMAC-SHA256 over the time and the body."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final

SIGNATURE_HEADER: Final = "Reconciler-Signature"
"""The header of the request that carries the signature."""


def signature(body: bytes, secret: str, at: datetime) -> str:
    """The value of the header: ``t=SECONDS,v1=HEX``.

    HEX is the HMAC-SHA256 of ``SECONDS.BODY``, as Stripe signs its webhooks
    (https://docs.stripe.com/webhooks/signature). ``at`` is part of it, so that a receiver can refuse an old message.
    """
    seconds = int(at.timestamp())
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"
