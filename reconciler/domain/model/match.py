"""A match, which is one intent with its rows, and the configured rules by which it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.domain.model.intent import Intent, MissingIntent, Snapshot
from reconciler.domain.model.match_facts import NO_FACTS, MatchFacts
from reconciler.domain.model.payment import Payment, StatusMap, is_intent_id


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about decisions.

    ``relink`` is whether a sweep may point a row at the intent that paid for its order. ``metadata`` is what an intent's
    metadata must hold so that an intent without a row concerns this table: for each key the value, or None for any value.
    ``link_metadata`` is the metadata key that names the order of a row; None if orders are not linked.
    ``link_description`` is whether an intent whose metadata name no order may name it by its whole description.
    ``writes_intent`` is whether a row's intent is a column, so that an intent can be written to a row.
    """

    statuses: StatusMap
    grace: timedelta
    horizon: timedelta
    metadata: Mapping[str, str | None]
    link_metadata: str | None = None
    link_description: bool = False
    relink: bool = False
    writes_intent: bool = True

    def owns(self, intent: Intent | Snapshot) -> bool:
        """Whether an intent that no row holds concerns this table."""
        held = intent.metadata
        return all(
            key in held if value is None else held.get(key) == value
            for key, value in self.metadata.items()
        )


@dataclass(frozen=True, slots=True)
class PaidSibling:
    """Another intent that was paid for the same order, as a row says or as Stripe said in this sweep.

    ``row_created`` is the time of its row, ``created`` Stripe's time of the intent; None if it is not known.
    """

    payment_intent: str
    key: str | None
    amount: int | None
    currency: str | None
    row_created: datetime | None = None
    created: datetime | None = None

    @classmethod
    def of_row(cls, payment: Payment) -> PaidSibling:
        """The sibling of which a row says that it was paid."""
        held = payment.payment_intent or ""
        return cls(
            # without an intent another gateway took the money
            payment_intent=held if is_intent_id(held) else "",
            key=payment.key,
            amount=payment.amount,
            currency=payment.currency,
            row_created=payment.created,
        )

    @classmethod
    def of_intent(cls, intent: Intent, row: Payment | None) -> PaidSibling:
        """The sibling of which Stripe says that it was paid. ``row`` is the row of its order, if there is one."""
        return cls(
            payment_intent=intent.id,
            key=None if row is None else row.key,
            amount=intent.amount_received,
            currency=intent.currency,
            row_created=None if row is None else row.created,
            created=intent.created,
        )

    def is_later_than(self, other: PaidSibling) -> bool:
        """Whether this one was created later. Of two siblings exactly one is later, whichever of them is asked.

        Two rows' times are compared first, then two intents' times, then the time of one row with that of one intent,
        and the ids if no time decides.
        """
        # the merchant's clock and Stripe's clock differ, so one clock alone decides if it can
        for own_time, other_time in (
            (self.row_created, other.row_created),
            (self.created, other.created),
            (self.created or self.row_created, other.created or other.row_created),
        ):
            if own_time is not None and other_time is not None and own_time != other_time:
                return own_time > other_time
        return self.payment_intent > other.payment_intent


@dataclass(frozen=True, slots=True)
class Match:
    """An intent, the rows that belong to it, and the paid siblings of its order: the unit of deciding.

    ``contested`` is whether its rows were found by an order for which several intents or several rows come into
    question, so that no row may be written. ``facts`` are what was read because a verdict depended on it.
    """

    account: str
    intent: Intent | MissingIntent
    payments: tuple[Payment, ...]
    order: str | None = None
    siblings: tuple[PaidSibling, ...] = ()
    contested: bool = False
    facts: MatchFacts = NO_FACTS

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its rows, sorted."""
        return tuple(sorted(payment.key for payment in self.payments))
