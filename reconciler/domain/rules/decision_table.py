"""The decision table: what a row's outcome against Stripe's means, before anything blocks a correction."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from reconciler.domain.outcome import AT_STRIPE, Outcome


class Cell(Enum):
    """What the table says of one pair of outcomes."""

    KEEP = "keep"
    CORRECT = "correct"
    REGRESSED = "regressed"
    CONTRADICTED = "contradicted"
    PAID_AFTER_CANCEL = "paid_after_cancel"


def _table() -> Mapping[tuple[Outcome, Outcome], Cell]:
    keep, correct, regressed = Cell.KEEP, Cell.CORRECT, Cell.REGRESSED
    contradicted, after_cancel = Cell.CONTRADICTED, Cell.PAID_AFTER_CANCEL
    # a row that says that money was taken is contradicted by every open outcome at Stripe
    four_open = [contradicted] * 4
    # columns: incomplete, failed, processing, authorized, succeeded, canceled
    rows = {
        Outcome.INCOMPLETE: [keep, correct, correct, correct, correct, correct],
        Outcome.FAILED: [keep, keep, correct, correct, correct, correct],
        Outcome.PROCESSING: [regressed, correct, keep, correct, correct, correct],
        Outcome.AUTHORIZED: [regressed, regressed, keep, keep, correct, correct],
        Outcome.SUCCEEDED: [*four_open, keep, contradicted],
        Outcome.CANCELED: [keep, keep, after_cancel, after_cancel, after_cancel, keep],
        Outcome.REFUNDED: [*four_open, keep, contradicted],
        Outcome.DISPUTED: [*four_open, keep, contradicted],
    }
    return {
        (local, stripe): cell
        for local, cells in rows.items()
        for stripe, cell in zip(AT_STRIPE, cells, strict=True)
    }


TABLE: Final = _table()
"""The cell for each pair of local outcome and outcome at Stripe."""
