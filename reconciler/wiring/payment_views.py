"""Who looked at which payment: stored, so that it can be asked what no person has seen."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.review_store import record_view
from reconciler.settings import Settings


def record_payment_view(
    settings: Settings, account: str | None, names: Sequence[str], viewer: str
) -> None:
    """Store that a person looked at a payment: ``names`` are its PaymentIntent and its rows, as ``row:KEY``.

    Nothing is stored without an account or Reconciler's schema, or if the role has no right to it. Raises the database's
    errors.
    """
    if account is None or not names:
        return
    with Database(settings.database_url.get_secret_value(), size=1) as database:
        record_view(database, account, names, viewer)
