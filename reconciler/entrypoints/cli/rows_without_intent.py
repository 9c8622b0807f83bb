"""What a sweep of due says about open rows that hold no PaymentIntent: it reads intents, so it cannot examine them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reconciler.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount
    from reconciler.engine.report import SweepReport
    from reconciler.settings.sections import PaymentsSection

MOST_COUNTED: Final = 10_000
"""They are counted no further: a sweep is waited for."""


def note_rows_without_intent(
    opened: OpenAccount, mapped: PaymentsSection, report: SweepReport
) -> None:
    """Add to a report how many open rows hold no PaymentIntent, and which sweep examines them.

    Without it a shop that learns the PaymentIntent from the webhook which it lost would read that nothing is open.
    """
    if report.failure is not None:
        return
    try:
        count = opened.ports.store.count_open_without_intent(MOST_COUNTED + 1)
    except ReconcilerError as error:
        report.notes.append(f"Open rows without a PaymentIntent were not counted: {error}")
        return
    if not count:
        return

    many = f"more than {MOST_COUNTED:,}" if count > MOST_COUNTED else f"{count:,}"
    how = (
        "A sweep of kind window finds the paid ones among these rows: run reconciler sweep --kind window --since 30d"
        if mapped.links
        else (
            "If these rows lost the webhook with the PaymentIntent's id, set payments.link_metadata. Without this "
            "setting no sweep can match them."
        )
    )
    report.notes.append(
        f"Open rows without a PaymentIntent: {many}. A sweep of kind due does not examine them. {how}"
    )
