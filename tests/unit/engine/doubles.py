"""Doubles of the engine's ports and clock, made of plain dictionaries and lists."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from reconciler.clock import ManualClock
from reconciler.domain.model.found_intents import FoundIntent, FoundIntents
from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent
from reconciler.domain.model.looked_up_id import ChargeIntent, CheckoutSession
from reconciler.domain.model.money_back import ChargeBalance, Dispute, Refund
from reconciler.domain.model.page import EventPage, IntentPage
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.engine.limits.rate_limiter import RateLimiter

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


def an_intent(ident: str, status: str = "succeeded", **changes: object) -> Intent:
    """An intent of ten euros, created an hour ago and seen now."""
    facts: dict[str, object] = {
        "id": ident,
        "status": status,
        "amount": 1000,
        "amount_received": 1000 if status == "succeeded" else 0,
        "amount_capturable": 1000 if status == "requires_capture" else 0,
        "currency": "eur",
        "created": NOW - timedelta(hours=1),
        "livemode": False,
        "seen_at": NOW,
    }
    return Intent(**{**facts, **changes})  # type: ignore[arg-type]


@dataclass
class PlainStripe:
    """A Stripe that answers from dictionaries.

    ``events`` are listed as Stripe lists them; without any, ``event_pages`` come in their order. ``fail`` is called
    before each answer with what is read, and may raise. ``acquire`` is called before each read, as the gateway does.
    ``refunds_of``, ``balances`` and ``disputes_of`` are by charge. A search finds the intents by their metadata, ten values
    at a time.
    """

    intents: dict[str, Intent] = field(default_factory=dict)
    event_pages: list[tuple[Event, ...]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    refunds_of: dict[str, tuple[Refund, ...]] = field(default_factory=dict)
    balances: dict[str, ChargeBalance] = field(default_factory=dict)
    disputes_of: dict[str, tuple[Dispute, ...]] = field(default_factory=dict)
    sessions: dict[str, CheckoutSession] = field(default_factory=dict)
    charge_intents: dict[str, ChargeIntent] = field(default_factory=dict)
    present: datetime = NOW
    fail: Callable[[str], None] = lambda _: None
    acquire: Callable[[Endpoint], None] = lambda _: None
    reads: int = 0
    rate_limited: int = 0
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> datetime:
        return self.present

    def retrieve(self, intent_id: str) -> Intent | MissingIntent:
        self.acquire(Endpoint.RETRIEVE)
        with self.lock:
            self.reads += 1
            self.asked.append(intent_id)
        self.fail(intent_id)
        found = self.intents.get(intent_id)
        if found is None:
            return MissingIntent(intent_id, self.present)
        return replace(found, seen_at=self.present)

    def list_intents(self, created: TimeRange, after: str | None = None) -> IntentPage:
        self.acquire(Endpoint.LIST)
        with self.lock:
            self.reads += 1
        self.fail(after or "first page")
        found = sorted(
            (intent for intent in self.intents.values() if intent.created in created),
            key=lambda intent: (intent.created, intent.id),
            reverse=True,
        )
        start = 0 if after is None else [intent.id for intent in found].index(after) + 1
        page = [replace(one, seen_at=self.present) for one in found[start : start + 100]]
        more = start + 100 < len(found)
        return IntentPage(tuple(page), page[-1].id if more else None, self.present)

    def list_events(
        self, created: TimeRange, types: Sequence[str], after: str | None = None
    ) -> EventPage:
        self.acquire(Endpoint.EVENTS)
        with self.lock:
            self.reads += 1
        assert len(types) <= 20
        self.fail(f"events after {after}")
        if self.events:
            return self._listed_events(created, after)
        number = 0 if after is None else int(after)
        last = number + 1 >= len(self.event_pages)
        events = self.event_pages[number] if self.event_pages else ()
        return EventPage(events, None if last else str(number + 1), self.present)

    def _listed_events(self, created: TimeRange, after: str | None) -> EventPage:
        found = sorted(
            (event for event in self.events if event.created in created),
            key=lambda event: event.created,
            reverse=True,
        )
        start = 0 if after is None else [event.id for event in found].index(after) + 1
        page = tuple(found[start : start + 100])
        more = start + 100 < len(found)
        return EventPage(page, page[-1].id if more else None, self.present)

    def list_charges(self, intent_id: str) -> tuple[Charge, ...]:
        return ()

    def refunds(self, charge_id: str) -> tuple[Refund, ...]:
        self._spend(Endpoint.OTHER, f"the refunds of {charge_id}")
        return self.refunds_of.get(charge_id, ())

    def charge_balance(self, charge_id: str) -> ChargeBalance | None:
        self._spend(Endpoint.OTHER, f"the balance of {charge_id}")
        return self.balances.get(charge_id)

    def disputes(self, charge_id: str) -> tuple[Dispute, ...]:
        self._spend(Endpoint.OTHER, f"the disputes of {charge_id}")
        return self.disputes_of.get(charge_id, ())

    def session(self, session_id: str) -> CheckoutSession | None:
        self._spend(Endpoint.OTHER, session_id)
        return self.sessions.get(session_id)

    def charge_intent(self, charge_id: str) -> ChargeIntent | None:
        self._spend(Endpoint.OTHER, charge_id)
        return self.charge_intents.get(charge_id)

    def search_intents(self, key: str, values: Sequence[str]) -> FoundIntents:
        searched = tuple(values[:10])
        self._spend(Endpoint.SEARCH, f"a search for {', '.join(searched)}")
        found = tuple(
            FoundIntent(intent.id, intent.metadata)
            for intent in self.intents.values()
            if intent.metadata.get(key) in searched
        )
        return FoundIntents(found, searched, is_whole=True)

    def _spend(self, endpoint: Endpoint, what: str) -> None:
        self.acquire(endpoint)
        with self.lock:
            self.reads += 1
            self.asked.append(what)
        self.fail(what)


@dataclass
class PlainLeases:
    """A LeaseStore of one lease. Renewals are answered from a list: a bool, or an error to raise; then with True."""

    free: bool = True
    answers: list[bool | Exception] = field(default_factory=list)
    renewed: threading.Event = field(default_factory=threading.Event)
    released: int = 0
    released_last_second: int = 0

    def acquire(self, holder: str, seconds: float) -> int | None:
        return 7 if self.free else None

    def renew(self, holder: str, epoch: int, seconds: float) -> bool:
        answer = self.answers.pop(0) if self.answers else True
        if not self.answers:
            self.renewed.set()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def release(self, holder: str, epoch: int, last_second: int = 0) -> None:
        self.released += 1
        self.released_last_second = last_second

    def last_second(self) -> int:
        return self.released_last_second

    def holder(self) -> str | None:
        return "host:12"


class YieldingClock(ManualClock):
    """Advances at once by what a thread waits for, and lets the other threads run meanwhile."""

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.advance(timedelta(seconds=seconds))
        return event.wait(0.001)


def take_many(
    rate_limiter: RateLimiter, clock: ManualClock, endpoint: Endpoint, count: int
) -> list[float]:
    """Take and release so many reads, one after the other; when each was let go."""
    times = []
    for _ in range(count):
        rate_limiter.take(endpoint)
        times.append(clock.monotonic())
        rate_limiter.release(endpoint)
    return times


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most of these times in any window of that length, its end not included."""
    rounding = 1e-6
    return max(
        sum(start <= moment < start + seconds - rounding for moment in times) for start in times
    )
