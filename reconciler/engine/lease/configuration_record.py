"""Records a changed configuration in the ledger, before the first sweep that is made with it."""

from __future__ import annotations

from typing import Protocol

from reconciler.domain.audit.configuration_change import DecidingSettings, configuration_entry
from reconciler.domain.audit.ledger_entry import AskedBy, Draft


class ConfigurationRecord(Protocol):
    """The configuration with which one account was swept last."""

    def stored(self) -> DecidingSettings | None:
        """That configuration, None if none is stored yet."""
        ...

    def store(self, settings: DecidingSettings, entry: Draft | None, epoch: int) -> None:
        """Store another one, with its ledger entry, under the lease of this epoch. Raises LeaseLostError."""
        ...


def record_configuration(
    record: ConfigurationRecord, settings: DecidingSettings, by: AskedBy, epoch: int
) -> None:
    """Store the configuration, with an entry that names each changed key. The first one has no entry."""
    before = record.stored()
    if before is None:
        record.store(settings, None, epoch)
    elif before.fingerprint != settings.fingerprint:
        record.store(settings, configuration_entry(before, settings, by), epoch)
