"""The figures of a period that a person prepares and another one signs, by currency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from reconciler.domain.statement.reconciling_item import DIFFERS_STILL
from reconciler.domain.statement.statement import Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """The figures of one currency, in minor units, as they stood at the cut-off.

    ``items`` is how many findings explain the difference. Facts that are dated before the cut-off and were found after it
    are in no other figure: ``late`` is how they change the difference, ``late_money_back`` what went back to customers, and
    ``late_items`` how many they are.
    """

    local: int = 0
    stripe: int = 0
    refunded: int = 0
    disputed: int = 0
    difference: int = 0
    explained: int = 0
    unexplained: int = 0
    items: int = 0
    late: int = 0
    late_items: int = 0
    late_money_back: int = 0

    @property
    def money(self) -> int:
        """The money of the period: that of the side which has more."""
        return max(abs(self.local), abs(self.stripe))


Figures = Mapping[str, PeriodFigures]
"""By currency."""
_NONE = PeriodFigures()


@dataclass(frozen=True, slots=True)
class LateFact:
    """What the ledger recorded of a payment of a period after the cut-off, although it happened before.

    ``kind`` is that of a finding: ``dated`` is when Stripe took the payment, or when it was created, and ``change`` is by
    currency, what the payment differs by less what the period's figures have of it. Or it is ``refunded`` or ``disputed``:
    ``dated`` is the time of Stripe's last event about it, and ``money_back`` what the figures lack of it, by currency.
    """

    seq: int
    found_at: datetime
    subject: str
    kind: str
    dated: datetime
    change: Mapping[str, int]
    money_back: Mapping[str, int] = field(default_factory=dict)


def late_money_back(statement: Statement) -> tuple[LateFact, ...]:
    """The refunds and lost disputes of before the cut-off that a sweep met after it. Without an event there is no date."""
    return tuple(
        LateFact(
            one.seq,
            one.at,
            one.payment,
            one.figure.value,
            one.dated,
            {},
            {one.currency: one.change},
        )
        for currency in statement.currencies
        for one in currency.later
        if one.payment is not None and one.dated is not None and one.dated <= statement.cut
    )


def late_change(
    difference: Mapping[str, int], state_before: str | None, difference_before: Mapping[str, int]
) -> dict[str, int]:
    """What a late finding changes, by currency. What it was before the cut-off counts if the sides differed then."""
    before = difference_before if state_before in DIFFERS_STILL else {}
    changes = {
        currency: difference.get(currency, 0) - before.get(currency, 0)
        for currency in difference.keys() | before.keys()
    }
    return {currency: amount for currency, amount in sorted(changes.items()) if amount}


def figures_of(statement: Statement, late: Iterable[LateFact]) -> dict[str, PeriodFigures]:
    """The figures of a statement, and of the facts that were found after its cut-off."""
    amounts: Counter[str] = Counter()
    backs: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for fact in late:
        amounts.update(fact.change)
        backs.update(fact.money_back)
        counts.update([*fact.change, *fact.money_back])
    found = {one.currency: one for one in statement.currencies}
    return {
        currency: _figures(
            found.get(currency, CurrencyStatement(currency)),
            amounts[currency],
            counts[currency],
            backs[currency],
        )
        for currency in sorted({*found, *counts})
    }


def _figures(one: CurrencyStatement, late: int, late_items: int, back: int) -> PeriodFigures:
    return PeriodFigures(
        local=one.local,
        stripe=one.stripe,
        refunded=one.refunded,
        disputed=one.disputed,
        difference=one.difference,
        explained=one.explained,
        unexplained=one.unexplained,
        items=len(one.items),
        late=late,
        late_items=late_items,
        late_money_back=back,
    )


def figures_dict(figures: Figures) -> dict[str, dict[str, int]]:
    """The figures as a ledger entry and JSON have them."""
    return {currency: asdict(one) for currency, one in sorted(figures.items())}


def read_figures(written: Mapping[str, Any]) -> dict[str, PeriodFigures]:
    """The figures of a ledger entry. Raises TypeError or ValueError for what no program wrote."""
    names = {one.name for one in fields(PeriodFigures)}
    return {
        currency: PeriodFigures(**{name: int(one[name]) for name in names & one.keys()})
        for currency, one in written.items()
    }


@dataclass(frozen=True, slots=True)
class FigureChange:
    """A figure that is another one now."""

    currency: str
    name: str
    before: int
    now: int


def changes(before: Figures, now: Figures) -> tuple[FigureChange, ...]:
    """Every figure that differs, by currency."""
    return tuple(
        FigureChange(currency, one.name, old, new)
        for currency in sorted(before.keys() | now.keys())
        for one in fields(PeriodFigures)
        if (old := getattr(before.get(currency, _NONE), one.name))
        != (new := getattr(now.get(currency, _NONE), one.name))
    )
