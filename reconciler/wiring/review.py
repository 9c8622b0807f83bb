"""What people do with findings: lists, notes, owners and decisions, without a Stripe key and the mapping."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import PostgresDiscrepancyList
from reconciler.adapters.postgres.discrepancies.review_store import PostgresReviewStore
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.engine.actions.review_store import ReviewStore
from reconciler.errors import ConfigurationError, ConfigurationFault
from reconciler.settings import Settings

_NO_SCHEMA: Final = ConfigurationFault(
    "The schema reconciler does not exist, or this role may not read it.",
    "Run: reconciler migrate",
)


@dataclass(frozen=True, slots=True)
class Review:
    """The queue: ``store`` is what the engine's actions take, ``discrepancies`` lists them."""

    store: ReviewStore
    discrepancies: PostgresDiscrepancyList
    database: Database


@contextmanager
def open_review(settings: Settings) -> Iterator[Review]:
    """The queue for the length of the block. Raises ConfigurationError if Reconciler's schema does not exist or may not be
    read, and NewerSchemaError if a newer version has migrated it."""
    with Database(settings.database_url.get_secret_value()) as database:
        if not schema_access(database).may_read:
            raise ConfigurationError((_NO_SCHEMA,))
        yield Review(PostgresReviewStore(database), PostgresDiscrepancyList(database), database)
