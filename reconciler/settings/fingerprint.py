"""The fingerprint of a configuration: two sweeps with the same one were made under the same rules."""

from __future__ import annotations

import hashlib
import json

from reconciler.settings.loading import Settings


def configuration_fingerprint(settings: Settings) -> str:
    """SHA-256 of what decides a result: the mapping, the rules, the time zone, the accounts. No secret is in it."""
    payments = settings.payments
    decides = {
        "payments": None if payments is None else payments.model_dump(mode="json"),
        "corrections": settings.corrections.model_dump(mode="json"),
        "sweep": settings.sweep.model_dump(mode="json"),
        "statement": settings.statement.model_dump(mode="json"),
        "review": settings.review.model_dump(mode="json"),
        "accounts": [
            [one.name, one.stripe_account, one.livemode, one.value, one.holds_null]
            for one in settings.accounts
        ],
    }
    text = json.dumps(decides, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
