"""An auditor's sample of the ledger, drawn in the database, with the evidence of each item."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.adapters.postgres.audit.ledger import MOST_BYTES
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import (
    DiscrepancyFilter,
    found_discrepancies,
)
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import read_entry
from reconciler.domain.findings.history_item import OutboxRow
from reconciler.domain.findings.listed_discrepancy import Discrepancy

_SQL: Final = STATEMENTS["audit"]


@dataclass(frozen=True, slots=True)
class SampleItem:
    """An entry that was drawn, and what goes with it.

    ``draw`` is the SHA-256 that it was drawn by. ``discrepancy`` is the finding as it stands now; None if there is
    none. ``outbox`` is the row that announces a correction; None if there is none any more.
    """

    draw: str
    entry: Entry
    discrepancy: Discrepancy | None
    outbox: OutboxRow | None


@dataclass(frozen=True, slots=True)
class DrawnSample:
    """A sample of an account. ``corrections`` and ``findings`` count what it was drawn from."""

    corrections: int
    findings: int
    head: tuple[int, str] | None
    items: tuple[SampleItem, ...]


def drawn_sample(
    database: Database, account: str, start: datetime, end: datetime, size: int, seed: int
) -> DrawnSample:
    """Draw ``size`` of the corrections and first findings recorded from ``start`` until before ``end``.

    An entry's draw is the SHA-256 of the seed, a colon and the entry's hash; the lowest draws are the sample. All is
    of one moment. Raises UnreadableEntryError for an entry that no program wrote.
    """
    parameters = {
        "account": account,
        "start": start,
        "end": end,
        "size": size,
        "seed": str(seed),
        "most": MOST_BYTES,
    }
    with database.snapshot("drawing a sample") as connection:
        head = connection.execute(_SQL["ledger_head"], {"account": account}).fetchone()
        counts = connection.execute(_SQL["sample_population"], parameters).fetchone() or (0, 0)
        drawn = [
            (draw, number, read_entry(*entry))
            for draw, number, *entry in connection.execute(_SQL["sample_draw"], parameters)
        ]
        wanted = DiscrepancyFilter(ids=tuple({one for _, one, _ in drawn if one is not None}))
        found = {one.id: one for one in found_discrepancies(connection, wanted)}
        messages = connection.execute(
            STATEMENTS["outbox"]["outbox_of_entries"],
            {"account": account, "seqs": [entry.seq for _, _, entry in drawn]},
        )
        outbox = {row.seq: row for row in (OutboxRow(*one) for one in messages)}
    items = tuple(
        SampleItem(draw, entry, found.get(number), outbox.get(entry.seq))
        for draw, number, entry in drawn
    )
    return DrawnSample(
        int(counts[0]),
        int(counts[1]),
        None if head is None else (int(head[0]), str(head[1])),
        items,
    )
