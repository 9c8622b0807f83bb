"""How a delivery is signed."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final

SIGNATURE_HEADER: Final = "Reconciler-Signature"


def signature(body: bytes, secret: str, at: datetime) -> str:
    """The header's value: HMAC-SHA256 of "t.body", as Stripe signs (https://docs.stripe.com/webhooks/signature)."""
    seconds = int(at.timestamp())
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"
