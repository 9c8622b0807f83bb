"""Three weeks in a shop: what each customer does, what the shop hears of it, and how it truly ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from reconciler.demo.merchant import Luck, Merchant
from reconciler.demo.world import World
from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.state.sandbox import Sandbox

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
LATEST: Final = 4 * HOUR
"""So long before the present the last customer acts: Stripe's second and third try are over by then."""
THREE_WEEKS: Final = 21 * DAY
BY_CHECKOUT: Final = 0.2
"""The share of rows that learn their intent's id from the first webhook only."""


class CustomerAction(Enum):
    """One thing that happens to a payment. Each makes one event that the shop listens to."""

    ASK = "the customer is asked to do something"
    DECLINE = "the card is declined"
    GIVE_UP = "the authentication fails"
    LAPSE = "the voucher is not paid"
    BOUNCE = "the bank says no"
    START = "the bank begins to work on it"
    HOLD = "the money is held"
    PAY = "the money is taken"
    CAPTURE = "the held money is taken"
    CANCEL = "the payment is canceled"
    EXPIRE = "the hold runs out"
    REFUND = "the money is given back"
    DISPUTE = "the customer's bank takes it back"


_AUTHENTICATION: Final = "payment_intent_authentication_failure"
_EXPIRED: Final = "payment_intent_payment_attempt_expired"
_DO: Final[Mapping[CustomerAction, Callable[[Sandbox, str], IntentRecord]]] = {
    CustomerAction.ASK: lambda stripe, intent: stripe.require_action(intent),
    CustomerAction.DECLINE: lambda stripe, intent: stripe.fail(intent, "insufficient_funds"),
    CustomerAction.GIVE_UP: lambda stripe, intent: stripe.fail(intent, None, code=_AUTHENTICATION),
    CustomerAction.LAPSE: lambda stripe, intent: stripe.fail(intent, None, code=_EXPIRED),
    CustomerAction.BOUNCE: lambda stripe, intent: stripe.fail(
        intent, None, code="debit_not_authorized"
    ),
    CustomerAction.START: lambda stripe, intent: stripe.process(intent),
    CustomerAction.HOLD: lambda stripe, intent: stripe.authorize(intent),
    CustomerAction.PAY: lambda stripe, intent: stripe.succeed(intent),
    CustomerAction.CAPTURE: lambda stripe, intent: stripe.capture(intent),
    CustomerAction.CANCEL: lambda stripe, intent: stripe.cancel(intent, "requested_by_customer"),
    CustomerAction.EXPIRE: lambda stripe, intent: stripe.expire_authorization(intent),
    CustomerAction.REFUND: lambda stripe, intent: stripe.refund(
        intent, reason="requested_by_customer"
    ),
    CustomerAction.DISPUTE: lambda stripe, intent: stripe.dispute(intent),
}
_ALWAYS_HEARD: Final = frozenset({CustomerAction.REFUND, CustomerAction.DISPUTE})


@dataclass(frozen=True, slots=True)
class Story:
    """What a customer does. ``deeds`` come each so long after the one before; ``end`` is the right status at last.

    No story ends before a state that one of its own earlier events may have left in the table: whichever webhooks are
    lost, the row can be corrected. ``oldest`` keeps what is still open so young that nobody is late.
    """

    weight: int
    method: str
    currency: str
    end: str
    deeds: tuple[tuple[CustomerAction, timedelta], ...] = ()
    oldest: timedelta = THREE_WEEKS

    @property
    def lasts(self) -> timedelta:
        """From its beginning to its last deed."""
        return sum((after for _, after in self.deeds), timedelta(0))


_ASKED = (CustomerAction.ASK, MINUTE)
_AT_ONCE = (CustomerAction.PAY, MINUTE)
_DECLINED = (CustomerAction.DECLINE, MINUTE)
_HELD = (CustomerAction.HOLD, MINUTE)
_STARTED = (CustomerAction.START, 2 * MINUTE)

STORIES: Final = (
    # still open, and in time
    Story(5, "card", "eur", "pending"),
    Story(2, "card", "usd", "pending", (_ASKED,)),
    Story(1, "oxxo", "mxn", "pending", (_ASKED,), 4 * DAY),
    Story(1, "multibanco", "eur", "pending", (_ASKED,), 6 * DAY),
    Story(2, "sepa_debit", "eur", "processing", (_STARTED,), 8 * DAY),
    Story(2, "us_bank_account", "usd", "processing", (_STARTED,), 4 * DAY),
    Story(1, "bacs_debit", "gbp", "processing", (_STARTED,), 5 * DAY),
    Story(1, "nz_bank_account", "nzd", "processing", (_STARTED,), DAY),
    Story(1, "sepa_debit", "eur", "processing", (_DECLINED, (CustomerAction.START, HOUR)), 8 * DAY),
    Story(2, "card", "eur", "authorized", (_HELD,), 5 * DAY),
    Story(1, "cashapp", "usd", "authorized", (_ASKED, _HELD), 5 * DAY),
    Story(1, "klarna", "eur", "authorized", (_ASKED, _HELD), 20 * DAY),
    # no money
    Story(4, "card", "eur", "failed", (_DECLINED,)),
    Story(2, "card", "gbp", "failed", (_ASKED, (CustomerAction.GIVE_UP, 9 * MINUTE))),
    Story(1, "oxxo", "mxn", "failed", (_ASKED, (CustomerAction.LAPSE, 5 * DAY))),
    Story(2, "sepa_debit", "eur", "failed", (_STARTED, (CustomerAction.BOUNCE, 4 * DAY))),
    Story(2, "card", "usd", "canceled", ((CustomerAction.CANCEL, DAY),)),
    Story(1, "card", "eur", "canceled", (_DECLINED, (CustomerAction.CANCEL, DAY))),
    Story(1, "card", "eur", "canceled", (_HELD, (CustomerAction.CANCEL, 2 * DAY))),
    Story(1, "card", "eur", "canceled", (_HELD, (CustomerAction.EXPIRE, 7 * DAY))),
    Story(1, "us_bank_account", "usd", "canceled", (_STARTED, (CustomerAction.CANCEL, HOUR))),
    # paid
    Story(24, "card", "eur", "paid", (_AT_ONCE,)),
    Story(8, "card", "gbp", "paid", (_AT_ONCE,)),
    Story(6, "card", "usd", "paid", (_ASKED, (CustomerAction.PAY, 3 * MINUTE))),
    Story(4, "card", "eur", "paid", (_DECLINED, (CustomerAction.PAY, 5 * MINUTE))),
    Story(3, "ideal", "eur", "paid", (_ASKED, (CustomerAction.PAY, 2 * MINUTE))),
    Story(2, "konbini", "jpy", "paid", (_ASKED, (CustomerAction.PAY, 26 * HOUR))),
    Story(3, "sepa_debit", "eur", "paid", (_STARTED, (CustomerAction.PAY, 5 * DAY))),
    Story(2, "us_bank_account", "usd", "paid", (_STARTED, (CustomerAction.PAY, 4 * DAY))),
    Story(4, "card", "eur", "paid", (_HELD, (CustomerAction.CAPTURE, 2 * DAY))),
    Story(1, "klarna", "eur", "paid", (_ASKED, _HELD, (CustomerAction.CAPTURE, 3 * DAY))),
    # paid, and given back: the shop has heard of it
    Story(2, "card", "eur", "refunded", (_AT_ONCE, (CustomerAction.REFUND, 3 * DAY))),
    Story(1, "sepa_debit", "eur", "disputed", (_STARTED, (CustomerAction.PAY, 5 * DAY), (CustomerAction.DISPUTE, 6 * DAY))),
    Story(1, "card", "usd", "disputed", (_AT_ONCE, (CustomerAction.DISPUTE, 9 * DAY))),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Customer:
    number: int
    story: Story
    begins: datetime
    by_checkout: bool

    def steps(self) -> Iterator[tuple[datetime, int, int]]:
        """When each step is, the beginning first: sorted, they are the shop's history."""
        moment = self.begins
        yield moment, self.number, 0
        for place, (_, after) in enumerate(self.story.deeds, start=1):
            moment += after
            yield moment, self.number, place


def live(world: World, merchant: Merchant, luck: Luck, customers: int) -> None:
    """Let so many customers come, in the order of time, with webhooks delivered as they fall due.

    The clock ends at the stage's present.
    """
    crowd = [_customer(world, number) for number in range(customers)]
    intents: dict[int, str] = {}
    for moment, number, place in sorted(step for one in crowd for step in one.steps()):
        _reach(world, moment)
        customer = crowd[number]
        if place == 0:
            intents[number] = _begin(world, customer)
        else:
            _do(world, merchant, luck, customer, place, intents[number])
    _reach(world, world.present)


def _customer(world: World, number: int) -> _Customer:
    weights = [story.weight for story in STORIES]
    story = world.random.choices(STORIES, weights)[0]
    begins = world.ago(story.lasts + LATEST, max(story.oldest, story.lasts + LATEST))
    by_checkout = world.random.random() < BY_CHECKOUT
    # a dispute does not name the order: its webhook reaches only a row that holds the intent
    names_intent = bool(_ALWAYS_HEARD & {action for action, _ in story.deeds})
    return _Customer(number, story, begins, by_checkout and not names_intent)


def _reach(world: World, moment: datetime) -> None:
    """Move on in time, delivering on the way what falls due."""
    while (due := world.sandbox.postman.next_due()) is not None and due <= moment.timestamp():
        world.clock.advance(max(_until(world, due), timedelta(0)))
        world.sandbox.deliver_due()
    world.clock.advance(max(moment - world.clock.now(), timedelta(0)))


def _until(world: World, due: float) -> timedelta:
    return timedelta(seconds=due - world.clock.now().timestamp())


def _begin(world: World, customer: _Customer) -> str:
    """The customer opens the checkout: both sides begin to know of the payment."""
    story = customer.story
    manual = CustomerAction.HOLD in {action for action, _ in story.deeds}
    intent = world.open_intent(
        customer.begins, currency=story.currency, method=story.method, manual=manual
    )
    key = world.add_row("pending", intent, holds=not customer.by_checkout, end=story.end)
    world.expected.stories[key] = intent.id
    return intent.id


def _do(
    world: World, merchant: Merchant, luck: Luck, customer: _Customer, place: int, intent: str
) -> None:
    action = customer.story.deeds[place - 1][0]
    heard = action in _ALWAYS_HEARD or luck.is_generated(customer.number, place)
    if not heard:
        merchant.not_generated(f"customer {customer.number}, step {place}")
    plan = world.sandbox.faults
    plan.shares = replace(plan.shares, events_never_generated=0.0 if heard else 1.0)
    _DO[action](world.sandbox, intent)
    plan.shares = replace(plan.shares, events_never_generated=0.0)
