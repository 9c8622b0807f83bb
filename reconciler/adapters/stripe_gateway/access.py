"""What a key can read, for the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

NEEDED: Final = {
    "payment_intents": "rak_payment_intent_read",
    "charges": "rak_charge_read",
    "events": "rak_event_read",
    "refunds": "rak_charge_read",
    "disputes": "rak_dispute_read",
}
"""Each list that we probe, with the permission that a restricted key needs for it."""


@dataclass(frozen=True, slots=True)
class ResourceAccess:
    """Whether a resource can be read; ``missing`` is the permission that is not there, ``mend`` what to do."""

    resource: str
    missing: str | None = None
    hint: str = ""

    @property
    def ok(self) -> bool:
        """It can be read."""
        return self.missing is None


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """What a look at each resource found.

    ``restricted`` and ``key_livemode`` are what the key's prefix says; ``seen_livemode`` is the mode of the objects that
    were seen; each None where that is not known. ``skew`` is Stripe's clock less ours, None where no answer had a date;
    it is as exact as the Date header, to a second.
    """

    resources: tuple[ResourceAccess, ...]
    restricted: bool | None
    key_livemode: bool | None
    seen_livemode: bool | None
    skew: timedelta | None

    @property
    def missing(self) -> tuple[str, ...]:
        """The permissions that are not there, each once."""
        return tuple(dict.fromkeys(entry.missing for entry in self.resources if entry.missing))


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one read of a resource found: the access, and the modes of the objects seen."""

    access: ResourceAccess
    modes: frozenset[bool] = frozenset()
