"""The bridge between the two populations of a certificate: rows of the table, and payments of Stripe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.domain.statement.day_entry import DayEntry
from reconciler.domain.statement.statement_figures import Movement


@dataclass(frozen=True, slots=True)
class Bridge:
    """The rows and the payments of some days in one currency, by whether the other side has them; minor units.

    ``rows`` is ``matched_rows``, ``only_local`` and ``not_met_rows`` together: those that a sweep met with no payment that
    it examined, because they changed meanwhile. ``payments`` is ``matched_payments`` and ``only_stripe`` together.
    """

    rows: Movement
    matched_rows: Movement
    only_local: Movement
    payments: Movement
    only_stripe: Movement

    @property
    def not_met_rows(self) -> Movement:
        """The rows that the table's own sum counts, and no match had."""
        met = self.matched_rows + self.only_local
        return Movement(self.rows.count - met.count, self.rows.amount - met.amount)

    @property
    def matched_payments(self) -> Movement:
        """The payments that a row holds."""
        return Movement(
            self.payments.count - self.only_stripe.count,
            self.payments.amount - self.only_stripe.amount,
        )


def bridge_of(days: Iterable[DayEntry]) -> Bridge | None:
    """The bridge of the days of one currency; None if an early version recorded one of them."""
    rows = matched = only_local = payments = only_stripe = Movement()
    for day in days:
        found = day.matching
        if found is None:
            return None
        rows = sum((Movement(*count) for count in day.local.values()), rows)
        payments = sum((Movement(*count) for count in day.stripe.values()), payments)
        matched += Movement(*found.matched_rows)
        only_local += Movement(*found.only_local)
        only_stripe += Movement(*found.only_stripe)
    return Bridge(rows, matched, only_local, payments, only_stripe)
