"""What a reviewer accepted on a page: Stripe's outcome for a row. The service or a command writes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AcceptanceRequest:
    """A stored request that waits.

    ``fingerprint`` is that of the discrepancy as the person saw it. ``row`` is the key of the row that is meant, None if
    the discrepancy names only one. ``amount_differs`` is whether the person accepts that Stripe's amount is not the row's.
    ``asked_by`` is the user of the pages, ``role`` the role of the database that stored the request.
    """

    id: int
    discrepancy: int
    fingerprint: str
    row: str | None
    amount_differs: bool
    note: str
    asked_by: str
    role: str
