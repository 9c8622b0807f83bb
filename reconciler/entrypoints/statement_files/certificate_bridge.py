"""The bridge of a certificate: how the rows of the table and Stripe's payments were matched, and that both add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from reconciler.domain.money import Money
from reconciler.domain.statement.bridge import bridge_of
from reconciler.domain.statement.day_entry import DayEntry
from reconciler.domain.statement.statement_figures import Movement
from reconciler.entrypoints.shown_text import money_text

_NOT_RECORDED: Final = "not known: an older version of Reconciler made a sweep of the period"
_ROWS: Final = {
    "matched_rows": "rows that hold a payment of Stripe",
    "only_local": "rows that name a payment that Stripe does not have",
    "not_met_rows": "rows that changed while the sweep ran, and were not examined",
    "rows": "together, the rows of your table before matching",
}
_PAYMENTS: Final = {
    "matched_payments": "payments of Stripe that a row holds",
    "only_stripe": "payments of Stripe that no row holds",
    "payments": "together, the payments of Stripe before matching",
}


def bridge_json(days: Sequence[DayEntry]) -> Mapping[str, Mapping[str, int]] | None:
    """The documented JSON shape for the days of one currency; None if an early version recorded one of them."""
    found = bridge_of(days)
    if found is None:
        return None
    sums: dict[str, Movement] = {name: getattr(found, name) for name in (*_ROWS, *_PAYMENTS)}
    return {name: {"count": one.count, "amount": one.amount} for name, one in sums.items()}


def bridge_lines(
    bridge: Mapping[str, Mapping[str, int]] | None, currency: str
) -> Iterator[tuple[str, str]]:
    """The same for people: a name and its value."""
    if bridge is None:
        yield "rows and payments by whether the other side has them", _NOT_RECORDED
        return
    for key, name in (_ROWS | _PAYMENTS).items():
        yield name, total_text(bridge[key]["count"], bridge[key]["amount"], currency)


def total_text(count: int, amount: int, currency: str) -> str:
    return f"{count:,}, control total {money_text(Money(amount, currency))}"
