"""A Stripe in this process that has any number of intents without storing one: each is computed from its number.

It implements the engine's port and answers at once, so that reads and memory can be measured with a million payments. An
unpaid intent has no charge, as at Stripe.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.domain.model.found_intents import FoundIntents
from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent, Snapshot
from reconciler.domain.model.looked_up_id import ChargeIntent, CheckoutSession
from reconciler.domain.model.money_back import ChargeBalance, Dispute, Refund
from reconciler.domain.model.page import EventPage, IntentPage
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Endpoint

PAGE = 100
AMOUNT = 1250
PREFIX = "pi_"
DIGITS = 12


def intent_id(number: int) -> str:
    """The id of the intent with this number, from 0."""
    return f"{PREFIX}{number:0{DIGITS}d}"


@dataclass
class VirtualStripe:
    """``count`` intents spread evenly from ``since`` over ``span``, oldest first.

    ``present`` gives Stripe's time; intents created after it do not exist yet. ``is_paid`` says of a number whether its
    intent has succeeded; the others wait for a payment method. ``events`` are what the list of events shows, in any
    order. ``acquire`` is called before each read, as the gateway does.
    """

    count: int
    since: datetime
    span: timedelta
    is_paid: Callable[[int], bool]
    present: Callable[[], datetime]
    events: list[Event] = field(default_factory=list)
    acquire: Callable[[Endpoint], None] = lambda _: None
    rate_limited: int = 0
    spent: Counter[Endpoint] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def reads(self) -> int:
        """All reads so far."""
        return self.spent.total()

    @property
    def made(self) -> int:
        """How many intents exist now."""
        return self._first_from(self.present() + timedelta(seconds=1))

    def now(self) -> datetime:
        """Stripe's time."""
        return self.present()

    def retrieve(self, intent_id: str) -> Intent | MissingIntent:
        """One intent."""
        self._spend(Endpoint.RETRIEVE)
        number = int(intent_id.removeprefix(PREFIX))
        seen_at = self.present()
        if number >= self.made:
            return MissingIntent(intent_id, seen_at)
        return self._intent(number, seen_at)

    def list_intents(self, created: TimeRange, after: str | None = None) -> IntentPage:
        """A page, newest first."""
        self._spend(Endpoint.LIST)
        first = 0 if created.since is None else self._first_from(created.since)
        end = self.made if created.until is None else self._first_from(created.until)
        if after is not None:
            end = int(after.removeprefix(PREFIX))
        end = min(end, self.made)
        seen_at = self.present()
        shown = range(end - 1, max(first, end - PAGE) - 1, -1)
        intents = tuple(self._intent(number, seen_at) for number in shown)
        more = bool(intents) and shown[-1] > first
        return IntentPage(intents, intents[-1].id if more else None, seen_at)

    def list_events(
        self, created: TimeRange, types: Sequence[str], after: str | None = None
    ) -> EventPage:
        """A page of events, newest first."""
        self._spend(Endpoint.EVENTS)
        found = [event for event in self.events if event.created in created]
        found.sort(key=lambda event: (event.created, event.id), reverse=True)
        ids = [event.id for event in found]
        start = 0 if after is None else ids.index(after) + 1
        page = tuple(found[start : start + PAGE])
        more = start + PAGE < len(found)
        return EventPage(page, page[-1].id if more else None, self.present())

    def list_charges(self, intent_id: str) -> tuple[Charge, ...]:
        """No charges: only ``explain`` reads them."""
        self._spend(Endpoint.CHARGES)
        return ()

    def refunds(self, charge_id: str) -> tuple[Refund, ...]:
        """No refunds: no charge was refunded."""
        self._spend(Endpoint.OTHER)
        return ()

    def charge_balance(self, charge_id: str) -> ChargeBalance | None:
        """What every paid charge left in the balance."""
        self._spend(Endpoint.OTHER)
        return ChargeBalance(AMOUNT, "eur")

    def disputes(self, charge_id: str) -> tuple[Dispute, ...]:
        """No disputes: no charge is disputed."""
        self._spend(Endpoint.OTHER)
        return ()

    def session(self, session_id: str) -> CheckoutSession | None:
        """No Checkout Session."""
        self._spend(Endpoint.OTHER)
        return None

    def charge_intent(self, charge_id: str) -> ChargeIntent | None:
        """The intent of the charge with this number."""
        self._spend(Endpoint.OTHER)
        number = int(charge_id.removeprefix("ch_"))
        return ChargeIntent(charge_id, intent_id(number)) if number < self.made else None

    def search_intents(self, key: str, values: Sequence[str]) -> FoundIntents:
        """No intents: none has metadata."""
        self._spend(Endpoint.SEARCH)
        return FoundIntents((), tuple(values[:10]), is_whole=True)

    def pay(self, number: int) -> None:
        """Add the event that an intent has succeeded; ``is_paid`` must agree."""
        snapshot = Snapshot(self._intent(number, self.present()).outcome, AMOUNT, "eur")
        kind = "payment_intent.succeeded"
        name = f"evt_{len(self.events)}"
        self.events.append(Event(name, kind, self.present(), intent_id(number), True, snapshot))

    def created(self, number: int) -> datetime:
        """When an intent was created, in whole seconds."""
        seconds = int(self.span.total_seconds())
        return self.since + timedelta(seconds=number * seconds // self.count)

    def _first_from(self, moment: datetime) -> int:
        """The number of the oldest intent that was created at this moment or later."""
        seconds = int(self.span.total_seconds())
        offset = -((self.since - moment) // timedelta(seconds=1))
        return min(self.count, max(0, -(-offset * self.count // seconds)))

    def _intent(self, number: int, seen_at: datetime) -> Intent:
        paid = self.is_paid(number)
        created = self.created(number)

        return Intent(
            id=intent_id(number),
            status="succeeded" if paid else "requires_payment_method",
            amount=AMOUNT,
            amount_received=AMOUNT if paid else 0,
            amount_capturable=0,
            currency="eur",
            created=created,
            livemode=True,
            seen_at=seen_at,
            charge=_charge(number, created) if paid else None,
        )

    def _spend(self, endpoint: Endpoint) -> None:
        self.acquire(endpoint)
        with self._lock:
            self.spent[endpoint] += 1


def _charge(number: int, created: datetime) -> Charge:
    return Charge(
        id=f"ch_{number:0{DIGITS}d}",
        status="succeeded",
        created=created,
        amount=AMOUNT,
        amount_captured=AMOUNT,
        amount_refunded=0,
        refunded=False,
        disputed=False,
        method="card",
    )
