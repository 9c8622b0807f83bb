"""What decides results in a configuration, and which of its keys changed between two sweeps, for the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft


@dataclass(frozen=True, slots=True)
class DecidingSettings:
    """The values by key, as text of JSON and without secrets, and the fingerprint of the configuration."""

    fingerprint: str
    values: Mapping[str, str]


def configuration_entry(
    before: DecidingSettings, after: DecidingSettings, by: AskedBy
) -> Draft | None:
    """The entry that names each changed key, with its value before and after; None if no value differs.

    A value is None if there was or is no such key. The keys are in the order of the alphabet.
    """
    keys = sorted(before.values.keys() | after.values.keys())
    changes = [
        {"key": key, "before": before.values.get(key), "after": after.values.get(key)}
        for key in keys
        if before.values.get(key) != after.values.get(key)
    ]
    if not changes:
        return None
    body: dict[str, object] = {
        **by.fields,
        "before": before.fingerprint,
        "after": after.fingerprint,
        "keys": changes,
    }
    return Draft(Action.CONFIGURATION, body)
