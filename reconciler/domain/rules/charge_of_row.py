"""Rows that hold a charge: each stands for one attempt to pay its intent."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import Payment
from reconciler.domain.model.stored_id import StoredIdKind, stored_id
from reconciler.domain.outcome import NEGATIVE, PAID_OR_HELD


def is_earlier_charge(rows: Sequence[Payment], intent: Intent) -> bool:
    """Whether a row holds another charge than the latest one: that an intent was paid does not make this attempt paid."""
    if intent.outcome not in PAID_OR_HELD:
        return False
    latest = None if intent.charge is None else intent.charge.id
    earlier = [
        row
        for row in rows
        if row.stored_id not in (None, latest)
        and stored_id(row.stored_id or "").kind is StoredIdKind.CHARGE
    ]
    # the row of an earlier attempt may stand beside the row of the latest one
    is_history = len(earlier) < len(rows) and all(row.outcome in NEGATIVE for row in earlier)
    return bool(earlier) and not is_history
