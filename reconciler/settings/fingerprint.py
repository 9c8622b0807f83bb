"""The fingerprint of a configuration: two sweeps with the same one were made under the same rules."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from reconciler.domain.audit.configuration_change import DecidingSettings
from reconciler.settings.loading import Settings


def configuration_fingerprint(settings: Settings) -> str:
    """SHA-256 of what decides a result: the mapping, the rules, the time zone, the accounts. No secret is in it."""
    text = json.dumps(_decides(settings), sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def deciding_settings(settings: Settings) -> DecidingSettings:
    """The same by key, such as payments.status: each value as text of JSON."""
    values: dict[str, str] = {}

    def add(key: str, value: object) -> None:
        if isinstance(value, dict) and value:
            for name, item in value.items():
                add(f"{key}.{name}" if key else str(name), item)
        else:
            values[key] = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)

    decides = _decides(settings)
    decides["accounts"] = {
        one.name: {
            "stripe_account": one.stripe_account,
            "livemode": one.livemode,
            "value": one.value,
            "holds_null": one.holds_null,
        }
        for one in settings.accounts
    }
    add("", decides)
    return DecidingSettings(configuration_fingerprint(settings), values)


def _decides(settings: Settings) -> dict[str, Any]:
    payments = settings.payments
    return {
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
