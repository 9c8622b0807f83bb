"""The ledger of one account, to close its periods, and what the configuration says about signatures."""

from __future__ import annotations

from reconciler.adapters.postgres.audit.period_ledger import PostgresPeriodLedger
from reconciler.adapters.postgres.database import Database
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.statement.close_state import Signing
from reconciler.engine.actions.close_period import Closer, PeriodLedger
from reconciler.settings import Settings


def period_ledger(database: Database, account: str) -> PeriodLedger:
    """The ledger of an account, as far as it is about periods."""
    return PostgresPeriodLedger(database, account)


def closer_of(settings: Settings, by: AskedBy, identity: str, seen: int | None = None) -> Closer:
    """A person who closes a period. ``identity`` is ``os:NAME`` for a user of this machine, ``web:NAME`` for the pages.

    ``seen`` is the last step of the period that the person has looked at, as ``Closer`` has it.
    """
    review = settings.review
    signing = Signing(review.four_eyes_above, review.materiality, review.people)
    return Closer(by, identity, signing, seen)
