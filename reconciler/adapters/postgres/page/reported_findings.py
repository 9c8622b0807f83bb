"""What the service found while it was not allowed to correct it."""

from __future__ import annotations

from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.statements import statements

_SQL: Final = statements("page")


def take_up_reported(database: Database, account: str) -> int:
    """Let the next sweep look at every payment that was only reported; how many there are.

    For a service that may write rows now: an open finding is otherwise looked at once a day.
    """
    with database.connection("taking up what was reported") as connection:
        parameters = {"account": account}
        return connection.execute(_SQL["rechecks_take_up_reported"], parameters).rowcount
