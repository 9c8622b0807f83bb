"""What is examined together, and by which rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.domain.model.payment import Payment, StatusMap


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about judging."""

    statuses: StatusMap
    grace: timedelta
    horizon: timedelta
    metadata: Mapping[str, str]
    """An intent without a row is ours where its metadata has all of these."""
    link_metadata: str | None = None
    """The metadata key whose value names the order of a row that has not learnt its intent yet."""

    def owns(self, intent: Intent) -> bool:
        """Whether an intent that no row names is ours."""
        return all(intent.metadata.get(key) == value for key, value in self.metadata.items())


@dataclass(frozen=True, slots=True)
class PaidSibling:
    """Another intent that was paid for the same order: as a row says, or as Stripe said in this sweep.

    ``row_created`` is its row's time, ``created`` the intent's own where Stripe has shown it. They come from different
    clocks, so they are compared with one another only where nothing else decides.
    """

    payment_intent: str
    key: str | None
    amount: int | None
    currency: str | None
    row_created: datetime | None = None
    created: datetime | None = None

    @classmethod
    def of_row(cls, payment: Payment) -> PaidSibling:
        """A row that says that its intent was paid."""
        return cls(
            payment_intent=payment.payment_intent or "",
            key=payment.key,
            amount=payment.amount,
            currency=payment.currency,
            row_created=payment.created,
        )

    @classmethod
    def of_intent(cls, intent: Intent, row: Payment | None) -> PaidSibling:
        """An intent that Stripe says was paid."""
        return cls(
            payment_intent=intent.id,
            key=None if row is None else row.key,
            amount=intent.amount_received,
            currency=intent.currency,
            row_created=None if row is None else row.created,
            created=intent.created,
        )

    def is_later_than(self, other: PaidSibling) -> bool:
        """Which of two was created later; the same answer whichever side asks.

        The rows' times first, for those of both are loaded wherever both have a row; then the intents'; then one's
        against the other's; the ids where no time decides.
        """
        for mine, others in (
            (self.row_created, other.row_created),
            (self.created, other.created),
            (self.created or self.row_created, other.created or other.row_created),
        ):
            if mine is not None and others is not None and mine != others:
                return mine > others
        return self.payment_intent > other.payment_intent


@dataclass(frozen=True, slots=True)
class Match:
    """An intent, the rows that hold or claim it, and the paid siblings of the same order.

    ``contested`` is whether several intents or rows lay claim to one another by link, so that no row may be written.
    """

    account: str
    intent: Intent | MissingIntent
    payments: tuple[Payment, ...]
    order: str | None = None
    siblings: tuple[PaidSibling, ...] = ()
    contested: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its rows, sorted."""
        return tuple(sorted(payment.key for payment in self.payments))
