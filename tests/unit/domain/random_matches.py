"""Random matches, rules and events: each seed makes one example."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent, NextAction
from reconciler.domain.model.match import Match, PaidSibling, Rules
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.model.money_back import Dispute, Refund, RefundFacts
from reconciler.domain.model.payment import Payment, StatusMap
from reconciler.domain.outcome import Outcome
from tests.unit.domain.samples import (
    HORIZON,
    LOCAL_STATUS,
    NOW,
    STATUS_OF,
    WRITTEN,
    intent_of,
    payment,
)

T = TypeVar("T")

# most amounts and currencies agree, so that what else differs decides
AMOUNTS = [4200] * 6 + [0, 1, 4199, 4201]
CURRENCIES = ["eur"] * 6 + ["usd", "jpy"]
REFUNDED = [0] * 5 + [1, 4200]
STATUSES = [*STATUS_OF.values(), "requires_action", "requires_confirmation", "succeeded"]
DISPUTES = ["lost", "needs_response", "won", "warning_closed", "under_review", "new_status"]
METHODS = ["card", "sepa_debit", "us_bank_account", "klarna", None]


@dataclass(frozen=True)
class Example:
    """What one seed makes."""

    seed: int
    match: Match
    rules: Rules
    events: tuple[Event, ...]


def example(seed: int) -> Example:
    """Any match, with any rules and events."""
    chance = Chance(seed)
    return Example(seed, chance.match(), chance.rules(), chance.events())


def correctable_example(seed: int) -> Example:
    """A match that is likely to be corrected: one open row with the right money."""
    chance = Chance(seed)
    outcome = chance.choice(list(WRITTEN))
    charge = chance.maybe(chance.charge)
    seen = intent_of(outcome, charge=charge, amount=chance.choice(AMOUNTS))
    local = chance.choice([one for one in Outcome if one.is_open])
    row = payment(local, created=chance.maybe(chance.moment))
    match = Match(
        "default", seen, (row,), siblings=chance.siblings(), order="o1", facts=chance.facts()
    )
    return Example(seed, match, chance.rules(), ())


class Chance(random.Random):
    """Makes random payments and intents."""

    def rarely(self) -> bool:
        return self.random() < 1 / 6

    def maybe(self, make: Callable[[], T]) -> T | None:
        return make() if self.random() < 1 / 2 else None

    def moment(self) -> datetime:
        """A whole second in the last 60 days, now, or in the next minutes."""
        return NOW + timedelta(seconds=self.choice([0, self.randint(-60 * 86_400, 180)]))

    def past(self) -> datetime:
        """Often a time that is past every grace and before every horizon."""
        return self.choice([self.moment(), NOW - timedelta(hours=3)])

    def charge(self) -> Charge:
        return Charge(
            id=self.choice(["ch_1", "ch_2"]),
            status=self.choice(["succeeded", "failed", "pending"]),
            created=self.past(),
            amount=self.choice(AMOUNTS),
            amount_captured=self.choice(AMOUNTS),
            amount_refunded=self.choice(REFUNDED),
            refunded=self.rarely(),
            disputed=self.rarely(),
            capture_before=self.maybe(self.moment),
        )

    def intent(self) -> Intent:
        return Intent(
            id="pi_1",
            status=self.choice(STATUSES),
            amount=self.choice(AMOUNTS),
            amount_received=self.choice(AMOUNTS),
            amount_capturable=self.choice(AMOUNTS),
            currency=self.choice(CURRENCIES),
            created=self.past(),
            livemode=True,
            seen_at=NOW,
            canceled_at=self.maybe(self.past),
            failure_code=self.choice([None, None, "card_declined", ""]),
            method=self.choice(METHODS),
            next_action=self.maybe(lambda: NextAction("voucher", self.maybe(self.moment))),
            charge=self.maybe(self.charge),
            metadata=self.choice([{}, {"app": "shop"}]),
        )

    def missing_intent(self) -> MissingIntent:
        other_mode = self.choice([True, False])
        return MissingIntent("pi_1", NOW, other_mode=other_mode, impossible=self.rarely())

    def row(self, number: int) -> Payment:
        return payment(
            self.choice(list(Outcome)),
            key=f"p{number}",
            amount=self.choice([None, *AMOUNTS]),
            currency=self.choice([None, *CURRENCIES]),
            payment_intent=self.choice(["pi_1", "pi_1", None]),
            created=self.maybe(self.moment),
        )

    def siblings(self) -> tuple[PaidSibling, ...]:
        return tuple(
            PaidSibling(
                payment_intent=intent_id,
                key=self.choice([None, "p9"]),
                amount=self.choice([None, *AMOUNTS]),
                currency=self.choice([None, *CURRENCIES]),
                created=self.maybe(self.moment),
            )
            for intent_id in self.sample(["pi_0", "pi_1", "pi_2", "pi_3"], self.randint(0, 3))
        )

    def match(self) -> Match:
        """Most often an intent with one row."""
        is_missing = self.random() < 1 / 4
        return Match(
            account="default",
            intent=self.missing_intent() if is_missing else self.intent(),
            payments=tuple(self.row(n) for n in range(self.choice([0, 1, 1, 1, 1, 1, 2, 3]))),
            order=self.choice([None, "o1"]),
            siblings=self.siblings(),
            contested=self.rarely(),
            facts=self.facts(),
        )

    def facts(self) -> MatchFacts:
        """Everything was read: refunds that may add up, disputes of any status, an order that is known."""
        refunds = tuple(
            Refund(f"re_{n}", self.choice(REFUNDED), "succeeded")
            for n in range(self.choice([0, 1]))
        )
        disputes = tuple(
            Dispute(f"dp_{n}", self.choice(DISPUTES), 4200, "eur", self.past())
            for n in range(self.choice([0, 1, 2]))
        )
        return MatchFacts(
            refunds=RefundFacts(refunds, None, balance_was_read=True),
            disputes=disputes,
            order=OrderFacts(is_complete=not self.rarely()),
        )

    def rules(self) -> Rules:
        left_out = self.sample(list(WRITTEN), self.choice([0, 0, 0, 1, 3]))
        written = {outcome: WRITTEN[outcome] for outcome in WRITTEN if outcome not in left_out}
        read = {status: outcome for outcome, status in LOCAL_STATUS.items()}
        return Rules(
            statuses=StatusMap(read, written),
            grace=self.choice([timedelta(0), timedelta(minutes=2)]),
            horizon=HORIZON,
            metadata=self.choice([{}, {"app": "shop"}]),
        )

    def events(self) -> tuple[Event, ...]:
        return tuple(
            Event("evt", "x", created=self.moment(), payment_intent="pi_1")
            for _ in range(self.choice([0, 0, 1, 2]))
        )
