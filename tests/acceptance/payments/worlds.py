"""Worlds of orders, each with any number of rows and PaymentIntents, and what happens to them between two reads.

A world knows the truth: what went back to the customer, whether a dispute is over. It serves it in the shapes that
Stripe has for it. Nothing here is taken from Reconciler's rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from tests.acceptance.payments.exact_stripe import SEARCH, ExactStripe
from tests.acceptance.payments.stripe_objects import (
    Json,
    balance_transaction,
    charge_of,
    dispute,
    payment_intent,
    refund,
)

OUTCOME_OF_STATUS = {
    "requires_payment_method": "incomplete",
    "requires_confirmation": "incomplete",
    "requires_action": "incomplete",
    "declined": "failed",
    "processing": "processing",
    "requires_capture": "authorized",
    "succeeded": "succeeded",
    "canceled": "canceled",
}
OVER = ("won", "prevented", "warning_closed")
AMOUNTS = (1250, 500, 750)
"""Two of them add up to the third: parts, and amounts that only seem to be parts."""


@dataclass(frozen=True)
class TrueIntent:
    """A PaymentIntent, and the truth about its money. ``shape`` is how Stripe shows a capture for less."""

    ident: str
    status: str
    amount: int = 1250
    currency: str = "eur"
    hours: int = 24
    order: str | None = None
    customer: str | None = None
    released: int = 0
    back: int = 0
    shape: str = "new"
    disputes: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """What became of it."""
        return OUTCOME_OF_STATUS[self.status]

    @property
    def received(self) -> int:
        """The money that was taken."""
        return self.amount - self.released if self.status == "succeeded" else 0

    @property
    def kept(self) -> int:
        """The money that the merchant still has."""
        lost = self.received if "lost" in self.disputes else 0
        return max(0, self.received - self.back - lost)

    @property
    def is_in_question(self) -> bool:
        """Whether money went back, or a dispute is not over."""
        return self.back > 0 or any(state not in OVER for state in self.disputes)

    @property
    def has_money(self) -> bool:
        """Whether money was taken, is held, or is under way."""
        return self.outcome in ("succeeded", "authorized", "processing")

    def objects(self) -> list[Json]:
        """Everything that Stripe has of it."""
        intent = payment_intent(
            self.ident,
            self.status,
            amount=self.amount,
            currency=self.currency,
            age=timedelta(hours=self.hours),
            order=self.order,
            captured=self.received,
            customer=self.customer,
        )
        if self.status != "succeeded":
            return [intent]
        charge = charge_of(intent)
        is_old = self.shape != "new" and self.released > 0
        charge["amount_refunded"] = self.back + (self.released if is_old else 0)
        charge["refunded"] = charge["amount_refunded"] == self.amount
        charge["disputed"] = bool(self.disputes)
        refunds = [self.back] if self.back else []
        if is_old and self.shape == "refund object":
            refunds.append(self.released)
        whole = self.amount if is_old else self.received
        return [
            balance_transaction(intent, whole),
            intent,
            *(refund(intent, amount) for amount in refunds),
            *(dispute(intent, state) for state in self.disputes),
        ]


@dataclass(frozen=True)
class TrueRow:
    """A row of the merchant's table."""

    key: int
    intent: str | None
    status: str
    amount: int
    currency: str = "eur"
    order: str | None = None


@dataclass(frozen=True)
class Happening:
    """Something that happens to an order just before Stripe answers a request for ``path``; at once if that is None.

    ``what`` is "webhook" (the row gets what its PaymentIntent says), "late" (the webhook of an attempt that was declined
    before comes late, and an open row gets that), "pays" (the customer pays the newest open
    PaymentIntent), "refund" (all that was received goes back), "taken" (a new row comes to hold an intent without a
    row), "repointed" (the first row is pointed at an intent without a row).
    """

    what: str
    order: int
    path: str | None = None


@dataclass(frozen=True)
class Sweep:
    """One sweep that may write, with what happens while it works."""

    kind: str
    meanwhile: tuple[Happening, ...] = ()


@dataclass(frozen=True)
class World:
    """The orders at the beginning, and the steps that follow."""

    intents: tuple[TrueIntent, ...]
    rows: tuple[TrueRow, ...]
    steps: tuple[Sweep | Happening, ...]
    linked: bool = True
    relink: bool = False


HAPPENINGS = ("webhook", "late", "late", "pays", "refund", "taken", "repointed")
PATHS = ("/", "/v1/events", "/v1/payment_intents/pi", SEARCH, "/v1/payment_intents")
LOCAL = ("pending", "failed", "processing", "authorized", "paid", "canceled", "refunded", "odd")
OPEN_FIRST = ("pending",) * 5 + ("failed",) * 2 + LOCAL
STATUSES = (*OUTCOME_OF_STATUS, "succeeded", "succeeded", "canceled", "declined")
OF_STATUS = {
    "incomplete": "pending",
    "failed": "failed",
    "processing": "processing",
    "authorized": "authorized",
    "succeeded": "paid",
    "canceled": "canceled",
}
"""The word of the merchant's table for each outcome."""


def _intents(chance: Random, order: int) -> list[TrueIntent]:
    made = []
    for number in range(chance.randint(1, 3)):
        amount = chance.choice(AMOUNTS[:1] * 4 + AMOUNTS)
        released = chance.choice((0, 0, 0, 0, 250))
        made.append(
            TrueIntent(
                ident=f"pi_{order}x{number}",
                status=chance.choice(STATUSES),
                amount=amount,
                currency=chance.choice(("eur",) * 6 + ("usd",)),
                hours=chance.choice((24, 20, 3, 2, 60)),
                order=chance.choice((f"o-{order}",) * 5 + (None,)),
                customer=chance.choice((None, None, "cus_1", "cus_2")),
                released=released,
                back=chance.choice((0,) * 6 + (100, 250, amount - released)),
                shape=chance.choice(("new", "old", "refund object")),
                disputes=chance.choice(
                    ((),) * 6 + (("won",), ("lost",), ("won", "needs_response"))
                ),
            )
        )
    return made


def _rows(chance: Random, order: int, intents: list[TrueIntent]) -> list[TrueRow]:
    made = []
    for number in range(chance.randint(0, 3)):
        # most rows hold the first intent: attempts, parts, and retries under an intent that no row holds
        held = chance.choice((*[intents[0].ident] * 4, *(one.ident for one in intents), None))
        of = next((one for one in intents if one.ident == held), intents[0])
        made.append(
            TrueRow(
                key=10 * order + number,
                intent=held,
                status=chance.choice(OPEN_FIRST),
                amount=chance.choice((of.received or of.amount,) * 4 + AMOUNTS),
                currency=chance.choice((of.currency,) * 6 + ("eur",)),
                order=f"o-{order}",
            )
        )
    return made


def _retried(chance: Random, order: int) -> tuple[list[TrueIntent], list[TrueRow]]:
    """An order whose row holds an attempt that came to nothing, and which a later PaymentIntent paid."""
    name = f"o-{order}"
    first = TrueIntent(f"pi_{order}x0", chance.choice(("canceled", "declined")), order=name)
    second = TrueIntent(f"pi_{order}x1", chance.choice(STATUSES), hours=20, order=name)
    row = TrueRow(10 * order, first.ident, "pending", first.amount, order=name)
    return [first, second], [row]


def _without_intent(chance: Random, order: int) -> tuple[list[TrueIntent], list[TrueRow]]:
    """An order whose row holds no PaymentIntent yet, and the one that its metadata name."""
    name = f"o-{order}"
    intent = TrueIntent(f"pi_{order}x0", chance.choice(STATUSES), hours=20, order=name)
    return [intent], [TrueRow(10 * order, None, "pending", intent.amount, order=name)]


def _happening(chance: Random, orders: int, path: str | None) -> Happening:
    return Happening(chance.choice(HAPPENINGS), chance.randint(1, orders), path)


def _sweep(chance: Random, orders: int) -> Sweep:
    kind = chance.choice(("all", "due", "window", "tail"))
    number = chance.randint(0, 6)
    return Sweep(
        kind, tuple(_happening(chance, orders, chance.choice(PATHS)) for _ in range(number))
    )


def world(seed: int, *, most_orders: int = 16, most_steps: int = 1, relink: bool = False) -> World:
    """A world with several orders, and a sweep, some more steps, and a last sweep over everything.

    A seed always gives the same world.
    """
    chance = Random(seed)
    orders = chance.randint(most_orders // 2, most_orders)
    intents: list[TrueIntent] = []
    rows: list[TrueRow] = []
    for order in range(1, orders + 1):
        what = chance.choice(("any", "any", "any", "retried", "retried", "without intent"))
        if what == "any":
            of_order = _intents(chance, order)
            rows_of_order = _rows(chance, order, of_order)
        else:
            make = _retried if what == "retried" else _without_intent
            of_order, rows_of_order = make(chance, order)
        intents += of_order
        rows += rows_of_order
    steps: list[Sweep | Happening] = [_sweep(chance, orders)]
    for _ in range(chance.randint(0, most_steps)):
        is_sweep = chance.random() < 0.5
        steps.append(_sweep(chance, orders) if is_sweep else _happening(chance, orders, None))
    return World(
        intents=tuple(intents),
        rows=tuple(rows),
        steps=(*steps, Sweep("all")),
        linked=relink or chance.choice((True, True, False)),
        relink=relink,
    )


def serve(stripe: ExactStripe, intents: tuple[TrueIntent, ...] | list[TrueIntent]) -> None:
    """Let Stripe have the PaymentIntents as they are now."""
    for one in intents:
        stripe.serve(*one.objects())
