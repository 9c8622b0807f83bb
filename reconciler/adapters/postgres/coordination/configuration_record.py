"""The configuration with which an account was swept last."""

from __future__ import annotations

import json
from typing import Final

from reconciler.adapters.postgres.audit.ledger import append
from reconciler.adapters.postgres.database import (
    Database,
    begin,
    lock_lease,
    raise_if_lease_lost,
)
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.configuration_change import DecidingSettings
from reconciler.domain.audit.ledger_entry import Draft
from reconciler.masking import map_texts, storable

_SQL: Final = STATEMENTS["coordination"]


class PostgresConfigurationRecord:
    """One account's record; see ``engine.lease.configuration_record.ConfigurationRecord``."""

    def __init__(self, database: Database, account: str) -> None:
        self._database = database
        self._account = account

    def stored(self) -> DecidingSettings | None:
        """See ``ConfigurationRecord``."""
        with self._database.connection("reading the recorded configuration") as connection:
            row = connection.execute(_SQL["configuration"], {"account": self._account}).fetchone()
        return None if row is None else DecidingSettings(*row)

    def store(self, settings: DecidingSettings, entry: Draft | None, epoch: int) -> None:
        """See ``ConfigurationRecord``."""
        with self._database.transaction("recording the configuration") as connection:
            with connection.pipeline():
                begin(connection)
                locked = lock_lease(connection, self._account, epoch)
                connection.execute(_SQL["configuration_put"], self._parameters(settings))
                append(connection, self._account, epoch, () if entry is None else (entry,))
            raise_if_lease_lost(locked, self._account)

    def store_first(self, settings: DecidingSettings) -> None:
        """Store it if none is stored yet, without a lease: no sweep can have been made with another one."""
        with self._database.connection("recording the configuration") as connection:
            connection.execute(_SQL["configuration_first"], self._parameters(settings))

    def _parameters(self, settings: DecidingSettings) -> dict[str, object]:
        values = json.dumps(map_texts(settings.values, storable))
        return {
            "account": self._account,
            "fingerprint": settings.fingerprint,
            "settings": values,
        }
