"""What the newest rows of the merchant's table hold in the PaymentIntent's column."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.domain.model.payment import StoredIdKind, stored_id
from reconciler.masking import redact

SAMPLE: Final = 500
"""How many of the newest rows are looked at."""
LONGEST_EXAMPLE: Final = 60


@dataclass(frozen=True, slots=True)
class IdSample:
    """How many of the sampled rows hold what. Rows without text are not counted.

    ``client_secrets`` are those among ``intents`` that stand in a client secret. ``example`` is one of the other texts,
    without any secret.
    """

    rows: int = 0
    intents: int = 0
    client_secrets: int = 0
    other: int = 0
    example: str | None = None

    @property
    def is_wrong_column(self) -> bool:
        """Whether no row holds an id that leads to a PaymentIntent."""
        return self.rows > 0 and self.other == self.rows


NO_SAMPLE: Final = IdSample()


def sample_ids(database: Database, table: MerchantTable) -> IdSample:
    """Look at the newest rows. A client secret stays in the database."""
    statement = table.ids_sampled
    with database.counting("looking at the newest ids") as connection:
        found = connection.execute(statement, {"limit": SAMPLE}).fetchall()
    kinds = Counter(stored_id(text).kind for text, _ in found)
    others = (text for text, _ in found if stored_id(text).kind is StoredIdKind.FOREIGN)
    example = next(others, None)
    return IdSample(
        rows=len(found),
        intents=kinds[StoredIdKind.INTENT],
        client_secrets=sum(
            holds_secret and stored_id(text).kind is StoredIdKind.INTENT
            for text, holds_secret in found
        ),
        other=kinds[StoredIdKind.FOREIGN],
        example=None if example is None else redact(example)[:LONGEST_EXAMPLE],
    )
