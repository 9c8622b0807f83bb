"""Which resources a key can read, for the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from reconciler.adapters.stripe_gateway.error_answer import ErrorAnswer, permission_hint
from reconciler.adapters.stripe_gateway.gateway import StripeGateway

NEEDED: Final = {
    "payment_intents": "rak_payment_intent_read",
    "charges": "rak_charge_read",
    "events": "rak_event_read",
    "refunds": "rak_charge_read",
    "disputes": "rak_dispute_read",
}
"""Each list that every configuration reads, with the permission that a restricted key needs for it."""
OPTIONAL: Final = {
    "checkout/sessions": "rak_checkout_session_read",
    "balance_transactions": "rak_balance_read",
}
"""Each list that only some shops need. What the key may not read there, Reconciler leaves to a person."""


@dataclass(frozen=True, slots=True)
class ResourceAccess:
    """Whether a resource can be read. ``missing`` is the missing permission, ``hint`` what to do about it."""

    resource: str
    missing: str | None = None
    hint: str = ""

    @property
    def is_optional(self) -> bool:
        """Whether Reconciler works without it."""
        return self.resource in OPTIONAL

    @property
    def ok(self) -> bool:
        """Whether the resource can be read."""
        return self.missing is None


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """What one read of each resource showed.

    ``seen_livemode`` is the mode of the objects that were read; None if there were none, or some of either mode.
    ``skew`` is Stripe's clock minus this machine's, exact to a second as the Date header; None if no answer had one.
    """

    resources: tuple[ResourceAccess, ...]
    seen_livemode: bool | None
    skew: timedelta | None
    metadata_keys: tuple[str, ...] = ()
    """The keys of the newest PaymentIntent's metadata, sorted."""


def read_key_access(gateway: StripeGateway) -> KeyAccess:
    """Read one object of each resource that Reconciler may need.

    Raises:
        StripeRefusedError: Stripe does not know the key, or the key may not act for the account.
        StripeUnavailableError: Stripe cannot be reached.
    """
    resources: list[ResourceAccess] = []
    modes: set[bool] = set()
    metadata_keys: set[str] = set()
    for resource, permission in (NEEDED | OPTIONAL).items():
        found = gateway.read_one(resource)
        if isinstance(found, ErrorAnswer):
            # Stripe's message names the permission in most cases, else the documentation does
            missing = found.permission or permission
            resources.append(ResourceAccess(resource, missing, permission_hint(missing)))
            continue
        resources.append(ResourceAccess(resource))
        if resource == "payment_intents":
            for head in found:
                metadata_keys |= set(head.metadata) if isinstance(head.metadata, dict) else set()
        modes |= {head.livemode for head in found if isinstance(head.livemode, bool)}

    return KeyAccess(
        resources=tuple(resources),
        seen_livemode=modes.pop() if len(modes) == 1 else None,
        skew=gateway.clock_skew,
        metadata_keys=tuple(sorted(metadata_keys)),
    )
