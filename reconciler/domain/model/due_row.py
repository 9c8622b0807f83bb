"""An open row that is due, and what an earlier search already knows of such rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from reconciler.domain.model.payment import RowReference


@dataclass(frozen=True, slots=True)
class DueRow:
    """An open row that no later recheck waits for.

    ``intent`` is the intent that its rechecks name: that of its Checkout Session or charge, if that is known. ``created``
    is None if the row has no time.
    """

    reference: RowReference
    intent: str
    created: datetime | None


@dataclass(frozen=True, slots=True)
class KnownRows:
    """What need not be looked for in the whole table again.

    ``left`` are the ids of the rows that were due at the last search; those that were not read since are still due.
    Rows created from ``created_since`` on may be new.
    """

    left: tuple[str, ...]
    created_since: datetime
