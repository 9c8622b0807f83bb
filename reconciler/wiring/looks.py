"""Who looked at which payment: stored, so that it can be asked what nobody has seen."""

from __future__ import annotations

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.review_store import record_look
from reconciler.settings import Settings


def record_persons_look(settings: Settings, account: str, subject: str, reader: str) -> None:
    """Store that a person looked at a payment: ``subject`` is its PaymentIntent, or ``row:KEY``.

    Nothing is stored without Reconciler's schema, or if the role has no right to it. Raises the database's errors.
    """
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        record_look(database, account, subject, reader)
