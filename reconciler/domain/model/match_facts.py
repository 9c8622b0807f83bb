"""What was read about a match besides its intent and its rows, because a verdict depends on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.money_back import Dispute, RefundFacts
from reconciler.domain.model.payment import Payment


class Question(StrEnum):
    """What a verdict may depend on that a list of intents does not show. Each answer costs reads."""

    REFUNDS = "refunds"
    """The refunds of the charge."""
    BALANCE = "balance"
    """The balance transaction of the charge."""
    DISPUTES = "disputes"
    """The disputes of the charge."""
    ORDER = "order"
    """The other rows and the other intents of the order."""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """Everything known of the order of a row.

    ``rows`` are the other rows of the order, in any account, with or without an intent, inside the mapping or not.
    ``intents`` are the other intents that name the order; ``held`` are the ids that some row of the table holds.
    ``is_complete`` is whether no other intent can name the order. ``rows_are_known`` is False if the order has more
    rows than are read, or a row that may be paid by something that Stripe could not be asked about.
    """

    rows: tuple[Payment, ...] = ()
    intents: tuple[Intent, ...] = ()
    held: frozenset[str] = frozenset()
    is_complete: bool = False
    rows_are_known: bool = True


@dataclass(frozen=True, slots=True)
class UnmatchedPayment:
    """An intent that no row holds and that took or holds money: ``amount`` in minor units of ``currency``."""

    id: str
    amount: int
    currency: str
    created: datetime


@dataclass(frozen=True, slots=True)
class MatchFacts:
    """The answers so far; an empty one was not asked for.

    ``unmatched_paid`` are intents that no row holds and that took or hold money, as far as this sweep and the stored
    findings know them: they matter if orders cannot be found. ``excluded_rows`` hold the intent and lie outside the
    mapping: deleted rows, rows of another sort. ``pays_for_row`` is whether a finding names this intent as the one that
    paid for the order of a row. ``may_belong_to_row`` is whether a row of the intent's order waits for its intent, and only
    a sweep that knows every intent of the order can say which one that is.
    """

    refunds: RefundFacts = field(default_factory=RefundFacts)
    disputes: tuple[Dispute, ...] | None = None
    order: OrderFacts | None = None
    unmatched_paid: tuple[UnmatchedPayment, ...] = ()
    excluded_rows: tuple[Payment, ...] = ()
    pays_for_row: bool = False
    may_belong_to_row: bool = False


NO_FACTS = MatchFacts()


class FactNeededError(Exception):
    """A verdict depends on something that was not read. Inside the program only: the sweep reads it and decides again."""

    def __init__(self, question: Question) -> None:
        super().__init__(f"this verdict needs a fact that was not read: {question.value}")
        self.question = question
