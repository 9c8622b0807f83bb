"""Worlds of orders, each with any number of rows and PaymentIntents, and what happens to them between two reads.

A world knows the truth: what went back to the customer, whether a dispute is over. It serves it in the shapes that
Stripe has for it. Nothing here is taken from Reconciler's rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import strategies as st

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

    ``what`` is "webhook" (the row gets what its PaymentIntent says), "pays" (the customer pays the newest open
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
    orders: int = field(default=1)


HAPPENINGS = ("webhook", "pays", "refund", "taken", "repointed")
PATHS = ("/v1/events", "/v1/payment_intents/pi", SEARCH, "/v1/payment_intents")
LOCAL = ("pending", "failed", "processing", "authorized", "paid", "canceled", "refunded", "odd")
_open_first = st.sampled_from(("pending",) * 5 + ("failed",) * 2 + LOCAL)
_statuses = st.sampled_from((*OUTCOME_OF_STATUS, "succeeded", "succeeded", "canceled", "declined"))


@st.composite
def _intents(draw: st.DrawFn, order: int) -> list[TrueIntent]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        amount = draw(st.sampled_from(AMOUNTS[:1] * 4 + AMOUNTS))
        released = draw(st.sampled_from((0, 0, 0, 0, 250)))
        received = amount - released
        made.append(
            TrueIntent(
                ident=f"pi_{order}x{number}",
                status=draw(_statuses),
                amount=amount,
                currency=draw(st.sampled_from(("eur",) * 6 + ("usd",))),
                hours=draw(st.sampled_from((24, 20, 3, 2, 60))),
                order=draw(st.sampled_from((f"o-{order}",) * 5 + (None,))),
                customer=draw(st.sampled_from((None, None, "cus_1", "cus_2"))),
                released=released,
                back=draw(st.sampled_from((0,) * 6 + (100, 250, received))),
                shape=draw(st.sampled_from(("new", "old", "refund object"))),
                disputes=draw(
                    st.sampled_from(((),) * 6 + (("won",), ("lost",), ("won", "needs_response")))
                ),
            )
        )
    return made


@st.composite
def _rows(draw: st.DrawFn, order: int, intents: list[TrueIntent]) -> list[TrueRow]:
    made = []
    for number in range(draw(st.integers(0, 3))):
        # most rows hold the first intent: attempts, parts, and retries under an intent that no row holds
        held = draw(
            st.sampled_from((*[intents[0].ident] * 4, *(one.ident for one in intents), None))
        )
        of = next((one for one in intents if one.ident == held), intents[0])
        made.append(
            TrueRow(
                key=10 * order + number,
                intent=held,
                status=draw(_open_first),
                amount=draw(st.sampled_from((of.received or of.amount,) * 4 + AMOUNTS)),
                currency=draw(st.sampled_from((of.currency,) * 6 + ("eur",))),
                order=f"o-{order}",
            )
        )
    return made


@st.composite
def worlds(
    draw: st.DrawFn, *, most_orders: int = 8, most_steps: int = 1, relink: bool = False
) -> World:
    """A world with several orders, and a sweep, some more steps, and a last sweep over everything."""
    orders = draw(st.integers(1, most_orders))
    intents: list[TrueIntent] = []
    rows: list[TrueRow] = []
    for order in range(1, orders + 1):
        of_order = draw(_intents(order))
        intents += of_order
        rows += draw(_rows(order, of_order))
    happenings = st.builds(
        Happening, st.sampled_from(HAPPENINGS), st.integers(1, orders), st.sampled_from(PATHS)
    )
    sweeps = st.builds(
        Sweep,
        st.sampled_from(("all", "due", "window", "tail")),
        st.lists(happenings, max_size=2).map(tuple),
    )
    steps = st.one_of(sweeps, happenings.map(lambda one: replace(one, path=None)))
    return World(
        intents=tuple(intents),
        rows=tuple(rows),
        steps=(draw(sweeps), *draw(st.lists(steps, max_size=most_steps)), Sweep("all")),
        linked=relink or draw(st.sampled_from((True, True, False))),
        relink=relink,
        orders=orders,
    )


def serve(stripe: ExactStripe, intents: tuple[TrueIntent, ...] | list[TrueIntent]) -> None:
    """Let Stripe have the PaymentIntents as they are now."""
    for one in intents:
        stripe.serve(*one.objects())
