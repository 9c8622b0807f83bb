"""What a sandbox keeps: accounts, keys, objects by account and mode, events and their deliveries."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from reconciler.clock import Clock
from reconciler.sandbox.faults.faults import FaultPlan
from reconciler.sandbox.objects.answers import unknown_object
from reconciler.sandbox.objects.records import (
    ChargeRecord,
    EventRecord,
    IntentRecord,
    RefundRecord,
    Subject,
    WebhookEndpointRecord,
)
from reconciler.sandbox.state.account_book import AccountBook
from reconciler.sandbox.state.chance import Ids, SeededChance
from reconciler.sandbox.state.keys import Key, KeyRing
from reconciler.sandbox.state.transitions import Moment, Step, Transition
from reconciler.sandbox.webhooks import Delivery, Receiver, WebhookPoster, over_http, wants

ACCOUNT = "acct_1SandboxShop0001"


class SandboxStore:
    """The state of a sandbox and the truth about it; :class:`Sandbox` adds what moves payments."""

    def __init__(self, clock: Clock, faults: FaultPlan, *, seed: int, livemode: bool) -> None:
        self.clock = clock
        self.faults = faults
        self.livemode = livemode
        self.keyring = KeyRing()
        self.lock = threading.RLock()
        self._cause: tuple[str | None, str | None] = (None, None)
        self._ids = Ids(seed)
        self._books: dict[tuple[str, bool], AccountBook] = {}
        self._home: dict[str, AccountBook] = {}
        self.postman = WebhookPoster(faults)

    def fresh(self, prefix: str) -> str:
        """A new id."""
        with self.lock:
            return self._ids.fresh(prefix)

    # Accounts and keys

    def add_account(self, ident: str, *, platform: str | None = None) -> str:
        """Open an account; ``platform`` may then act for it by ``Stripe-Account``. Returns its id."""
        with self.lock:
            return self.keyring.account(ident, platform).id

    def add_key(
        self, secret: str, *, account: str = ACCOUNT, permissions: Iterable[str] | None = None
    ) -> Key:
        """Register a key; its mode follows from ``_live_`` in it.

        ``permissions`` makes it a restricted one: names such as ``payment_intent_read``, without Stripe's ``rak_``.
        """
        with self.lock:
            self.keyring.account(account)
            allowed = None if permissions is None else frozenset(permissions)
            key = self.keyring.keys[secret] = Key(secret, account, allowed)
            return key

    def revoke_key(self, secret: str) -> None:
        """Let the key be unknown from now on."""
        with self.lock:
            self.keyring.keys.pop(secret, None)

    def book(self, account: str = ACCOUNT, livemode: bool | None = None) -> AccountBook:
        """The objects of an account in a mode."""
        mode = self.livemode if livemode is None else livemode
        with self.lock:
            self.keyring.account(account)
            return self._books.setdefault((account, mode), AccountBook(account, livemode=mode))

    # The truth

    def intents(
        self, account: str | None = None, livemode: bool | None = None
    ) -> Iterator[IntentRecord]:
        """All intents as they are now, oldest first; of one account or mode if given."""
        with self.lock:
            books = list(self._books.values())
        for book in books:
            if account in (None, book.account) and livemode in (None, book.livemode):
                yield from book.intents

    def intent(self, ident: str) -> IntentRecord:
        """The intent as it is now; raises the 404 as :class:`Refusal`."""
        found = self._book_of(ident).intents.get(ident)
        if found is None:
            raise unknown_object("payment_intent", ident, other_mode_of=None)
        return found

    def latest_charge(self, ident: str) -> ChargeRecord | None:
        """The charge of the intent's last attempt as it is now."""
        return self._book_of(ident).latest_charge(self.intent(ident))

    def charges(self, intent: str) -> list[ChargeRecord]:
        """All attempts of an intent, oldest first."""
        return self._book_of(intent).charges.of("payment_intent", intent)

    def refunds(self, intent: str) -> list[RefundRecord]:
        """All refunds of an intent, oldest first, those of released money included."""
        return self._book_of(intent).refunds.of("payment_intent", intent)

    def events(
        self, about: str | None = None, *, account: str = ACCOUNT, livemode: bool | None = None
    ) -> list[EventRecord]:
        """All generated events, oldest first, of one intent if given; whether the list shows them yet or not."""
        return [
            event
            for event in self.book(account, livemode).events
            if about is None
            or about in (event.subject.id, getattr(event.subject, "payment_intent", None))
        ]

    def _book_of(self, ident: str) -> AccountBook:
        with self.lock:
            book = self._home.get(ident)
        if book is None:
            raise unknown_object("payment_intent", ident, other_mode_of=None)
        return book

    # Changes

    def load(self, prepared: Iterable[tuple[IntentRecord, ChargeRecord | None]]) -> int:
        """Take in many payments as they are, without events; returns how many. Oldest first is fastest.

        A known id is replaced: so a test puts an unknown status or an impossible amount in place.
        """
        count = 0
        with self.lock:
            for intent, charge in prepared:
                book = self.book(intent.account, intent.livemode)
                book.intents.put(intent)
                self._home[intent.id] = book
                if charge is not None:
                    book.charges.put(charge)
                count += 1
        return count

    @contextmanager
    def caused_by(self, request_id: str, idempotency_key: str | None) -> Iterator[None]:
        """Let the events made inside name the API request; all others are Stripe's own doing."""
        with self.lock:
            self._cause = (request_id, idempotency_key)
            try:
                yield
            finally:
                self._cause = (None, None)

    def _second(self, at: datetime | None) -> int:
        return int((at or self.clock.now()).timestamp())

    def _begin(self, intent: IntentRecord) -> IntentRecord:
        """Store a new intent and tell of it."""
        with self.lock:
            book = self.book(intent.account, intent.livemode)
            self._home[intent.id] = book
            return self._apply(
                book, Transition(intent, (("payment_intent.created", intent),)), intent.created
            )

    def _change(self, ident: str, at: datetime | None, step: Step) -> IntentRecord:
        """Move an intent by a step and tell of it."""
        with self.lock:
            book = self._book_of(ident)
            intent = self.intent(ident)
            moment = self._second(at)
            now = Moment(intent, book.latest_charge(intent), self.fresh, moment)
            return self._apply(book, step(now), moment)

    def _apply(self, book: AccountBook, change: Transition, moment: int) -> IntentRecord:
        book.take(change)
        for kind, subject in change.events:
            self._tell(book, kind, subject, moment)
        return change.intent

    def _tell(self, book: AccountBook, kind: str, subject: Subject, moment: int) -> None:
        ident = self._ids.fresh("evt")
        shares = self.faults.shares
        chance = SeededChance(shares.seed)
        if chance.hit(shares.events_never_generated, "generated", ident):
            return
        late = shares.listed_after if chance.hit(shares.events_listed_late, "listed", ident) else 0
        request_id, idempotency_key = self._cause
        event = EventRecord(
            id=ident,
            account=book.account,
            livemode=book.livemode,
            created=moment,
            type=kind,
            subject=subject,
            visible_at=moment + late,
            request_id=request_id,
            idempotency_key=idempotency_key,
        )
        book.events.put(event)
        for endpoint in book.endpoints:
            if wants(endpoint, kind):
                self.postman.post(event, endpoint, float(moment))

    # Webhooks

    def register_webhook(
        self,
        receiver: str | Receiver,
        *,
        enabled_events: tuple[str, ...] = ("*",),
        secret: str | None = None,
        account: str = ACCOUNT,
        livemode: bool | None = None,
    ) -> WebhookEndpointRecord:
        """Send the account's events from now on to an address, or to a callable in this process.

        The endpoint's ``secret`` signs them. Nothing is sent before :meth:`deliver_due`.
        """
        url = receiver if isinstance(receiver, str) else "https://shop.example.com/webhooks"
        with self.lock:
            book = self.book(account, livemode)
            endpoint = WebhookEndpointRecord(
                id=self._ids.fresh("we"),
                account=account,
                livemode=book.livemode,
                created=self._second(None),
                url=url,
                secret=secret or f"whsec_{self._ids.letters(32)}",
                enabled_events=enabled_events,
            )
            book.endpoints.put(endpoint)
            self.postman.connect(
                endpoint, over_http(url) if isinstance(receiver, str) else receiver
            )
        return endpoint

    def deliver_due(self) -> int:
        """Deliver all webhooks that are due at the clock's time, retries included; returns the attempts made."""
        return self.postman.deliver_due(lambda: self.clock.now().timestamp())

    @property
    def deliveries(self) -> list[Delivery]:
        """The deliveries that came to an end, in order: delivered or given up."""
        return list(self.postman.finished)
