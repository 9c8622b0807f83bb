"""Three weeks of customers in the shop: what each does, and the status that its payment must have in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from reconciler.demo.simulation import Simulation
from reconciler.demo.webhook_handler import ShopWebhookHandler, WebhookLosses
from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.state.sandbox import Sandbox

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
QUIET_BEFORE_PRESENT: Final = 4 * HOUR
"""No customer acts in this time before the present: by then Stripe has repeated every delivery that failed."""
THREE_WEEKS: Final = 21 * DAY
CHECKOUT_SHARE: Final = 0.2
"""The share of rows that get their intent's id from the first webhook, as with Stripe Checkout."""


class CustomerAction(Enum):
    """One thing that happens to a payment. Each causes one event that the shop's webhook endpoint receives."""

    ASK = "the customer is asked to do something"
    DECLINE = "the customer's card is declined"
    GIVE_UP = "the authentication fails"
    LAPSE = "the voucher is not paid"
    BOUNCE = "the bank refuses the debit"
    START = "the bank starts to process the payment"
    HOLD = "the money is held"
    PAY = "the money is taken"
    CAPTURE = "the held money is taken"
    CANCEL = "the payment is canceled"
    EXPIRE = "the authorization ends"
    REFUND = "the money is given back"
    DISPUTE = "the customer's bank takes the money back"


_AUTHENTICATION: Final = "payment_intent_authentication_failure"
_EXPIRED: Final = "payment_intent_payment_attempt_expired"
_CARRY_OUT: Final[Mapping[CustomerAction, Callable[[Sandbox, str], IntentRecord]]] = {
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
_NEVER_LOST: Final = frozenset({CustomerAction.REFUND, CustomerAction.DISPUTE})


@dataclass(frozen=True, slots=True)
class CustomerScenario:
    """What one kind of customer does.

    ``weight`` is how frequent it is. Each of ``actions`` comes so long after the one before. ``end`` is the right status
    in the end. ``oldest`` is the longest time before the present at which the payment began: it keeps open payments so
    young that no deadline has passed.

    If some of its webhooks are lost, the status left in the row can always be corrected to ``end``.
    """

    weight: int
    method: str
    currency: str
    end: str
    actions: tuple[tuple[CustomerAction, timedelta], ...] = ()
    oldest: timedelta = THREE_WEEKS

    @property
    def duration(self) -> timedelta:
        """The time from its beginning to its last action."""
        return sum((after for _, after in self.actions), timedelta(0))


_ASKED = (CustomerAction.ASK, MINUTE)
_AT_ONCE = (CustomerAction.PAY, MINUTE)
_DECLINED = (CustomerAction.DECLINE, MINUTE)
_HELD = (CustomerAction.HOLD, MINUTE)
_STARTED = (CustomerAction.START, 2 * MINUTE)

SCENARIOS: Final = (
    # still open, no deadline passed
    CustomerScenario(5, "card", "eur", "pending"),
    CustomerScenario(2, "card", "usd", "pending", (_ASKED,)),
    CustomerScenario(1, "oxxo", "mxn", "pending", (_ASKED,), 4 * DAY),
    CustomerScenario(1, "multibanco", "eur", "pending", (_ASKED,), 6 * DAY),
    CustomerScenario(2, "sepa_debit", "eur", "processing", (_STARTED,), 8 * DAY),
    CustomerScenario(2, "us_bank_account", "usd", "processing", (_STARTED,), 4 * DAY),
    CustomerScenario(1, "bacs_debit", "gbp", "processing", (_STARTED,), 5 * DAY),
    CustomerScenario(1, "nz_bank_account", "nzd", "processing", (_STARTED,), DAY),
    CustomerScenario(1, "sepa_debit", "eur", "processing", (_DECLINED, (CustomerAction.START, HOUR)), 8 * DAY),
    CustomerScenario(2, "card", "eur", "authorized", (_HELD,), 5 * DAY),
    CustomerScenario(1, "cashapp", "usd", "authorized", (_ASKED, _HELD), 5 * DAY),
    CustomerScenario(1, "klarna", "eur", "authorized", (_ASKED, _HELD), 20 * DAY),
    # no money
    CustomerScenario(4, "card", "eur", "failed", (_DECLINED,)),
    CustomerScenario(2, "card", "gbp", "failed", (_ASKED, (CustomerAction.GIVE_UP, 9 * MINUTE))),
    CustomerScenario(1, "oxxo", "mxn", "failed", (_ASKED, (CustomerAction.LAPSE, 5 * DAY))),
    CustomerScenario(2, "sepa_debit", "eur", "failed", (_STARTED, (CustomerAction.BOUNCE, 4 * DAY))),
    CustomerScenario(2, "card", "usd", "canceled", ((CustomerAction.CANCEL, DAY),)),
    CustomerScenario(1, "card", "eur", "canceled", (_DECLINED, (CustomerAction.CANCEL, DAY))),
    CustomerScenario(1, "card", "eur", "canceled", (_HELD, (CustomerAction.CANCEL, 2 * DAY))),
    CustomerScenario(1, "card", "eur", "canceled", (_HELD, (CustomerAction.EXPIRE, 7 * DAY))),
    CustomerScenario(1, "us_bank_account", "usd", "canceled", (_STARTED, (CustomerAction.CANCEL, HOUR))),
    # paid
    CustomerScenario(24, "card", "eur", "paid", (_AT_ONCE,)),
    CustomerScenario(8, "card", "gbp", "paid", (_AT_ONCE,)),
    CustomerScenario(6, "card", "usd", "paid", (_ASKED, (CustomerAction.PAY, 3 * MINUTE))),
    CustomerScenario(4, "card", "eur", "paid", (_DECLINED, (CustomerAction.PAY, 5 * MINUTE))),
    CustomerScenario(3, "ideal", "eur", "paid", (_ASKED, (CustomerAction.PAY, 2 * MINUTE))),
    CustomerScenario(2, "konbini", "jpy", "paid", (_ASKED, (CustomerAction.PAY, 26 * HOUR))),
    CustomerScenario(3, "sepa_debit", "eur", "paid", (_STARTED, (CustomerAction.PAY, 5 * DAY))),
    CustomerScenario(2, "us_bank_account", "usd", "paid", (_STARTED, (CustomerAction.PAY, 4 * DAY))),
    CustomerScenario(4, "card", "eur", "paid", (_HELD, (CustomerAction.CAPTURE, 2 * DAY))),
    CustomerScenario(1, "klarna", "eur", "paid", (_ASKED, _HELD, (CustomerAction.CAPTURE, 3 * DAY))),
    # paid, and the money given back: these webhooks are never lost
    CustomerScenario(2, "card", "eur", "refunded", (_AT_ONCE, (CustomerAction.REFUND, 3 * DAY))),
    CustomerScenario(1, "sepa_debit", "eur", "disputed", (_STARTED, (CustomerAction.PAY, 5 * DAY), (CustomerAction.DISPUTE, 6 * DAY))),
    CustomerScenario(1, "card", "usd", "disputed", (_AT_ONCE, (CustomerAction.DISPUTE, 9 * DAY))),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Customer:
    number: int
    scenario: CustomerScenario
    begins: datetime
    uses_checkout: bool

    def steps(self) -> Iterator[tuple[datetime, int, int]]:
        """Each step as (time, customer, number of the action), the beginning with number 0."""
        moment = self.begins
        yield moment, self.number, 0
        for action_number, (_, after) in enumerate(self.scenario.actions, start=1):
            moment += after
            yield moment, self.number, action_number


def simulate_customers(
    simulation: Simulation, handler: ShopWebhookHandler, losses: WebhookLosses, count: int
) -> None:
    """Let so many customers act, in the order of time, and deliver webhooks when they are due.

    The simulation's clock ends at its present.
    """
    # all customers are chosen first, so that their steps can be sorted by time
    customers = [_new_customer(simulation, number) for number in range(count)]
    intents: dict[int, str] = {}
    for moment, number, action_number in sorted(
        step for customer in customers for step in customer.steps()
    ):
        _advance_to(simulation, moment)
        customer = customers[number]
        if action_number == 0:
            intents[number] = _open_checkout(simulation, customer)
        else:
            _carry_out(simulation, handler, losses, customer, action_number, intents[number])
    _advance_to(simulation, simulation.present)


def _new_customer(simulation: Simulation, number: int) -> _Customer:
    # the youngest customer still has ended before the quiet time
    weights = [scenario.weight for scenario in SCENARIOS]
    scenario = simulation.random.choices(SCENARIOS, weights)[0]
    youngest = scenario.duration + QUIET_BEFORE_PRESENT
    begins = simulation.ago(youngest, max(scenario.oldest, youngest))
    uses_checkout = simulation.random.random() < CHECKOUT_SHARE

    # a dispute does not name the order: its webhook reaches only a row that holds the intent
    needs_intent = bool(_NEVER_LOST & {action for action, _ in scenario.actions})
    return _Customer(number, scenario, begins, uses_checkout and not needs_intent)


def _advance_to(simulation: Simulation, moment: datetime) -> None:
    """Advance the clock, and on the way deliver the webhooks that become due."""
    while (due := simulation.sandbox.webhooks.next_due()) is not None and due <= moment.timestamp():
        # a delivery may create new ones: each is made at its own time
        until_due = timedelta(seconds=due - simulation.clock.now().timestamp())
        simulation.clock.advance(max(until_due, timedelta(0)))
        simulation.sandbox.deliver_due()
    simulation.clock.advance(max(moment - simulation.clock.now(), timedelta(0)))


def _open_checkout(simulation: Simulation, customer: _Customer) -> str:
    """Make the customer's intent and row; returns the intent's id."""
    scenario = customer.scenario
    # only a payment that is captured by hand can be held
    manual = CustomerAction.HOLD in {action for action, _ in scenario.actions}
    intent = simulation.open_intent(
        customer.begins, currency=scenario.currency, method=scenario.method, manual=manual
    )
    key = simulation.add_row("pending", intent, holds=not customer.uses_checkout, end=scenario.end)
    simulation.expected.customers[key] = intent.id
    return intent.id


def _carry_out(
    simulation: Simulation,
    handler: ShopWebhookHandler,
    losses: WebhookLosses,
    customer: _Customer,
    action_number: int,
    intent: str,
) -> None:
    action = customer.scenario.actions[action_number - 1][0]
    is_generated = action in _NEVER_LOST or losses.is_event_generated(
        customer.number, action_number
    )
    if not is_generated:
        handler.note_not_generated(f"customer {customer.number}, step {action_number}")

    # the sandbox makes an event for each action, unless its faults say otherwise
    faults = simulation.sandbox.faults
    faults.shares = replace(faults.shares, events_never_generated=0.0 if is_generated else 1.0)
    _CARRY_OUT[action](simulation.sandbox, intent)
    faults.shares = replace(faults.shares, events_never_generated=0.0)
