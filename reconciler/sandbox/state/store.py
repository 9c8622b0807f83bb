"""The state of a sandbox: accounts, keys, objects by account and mode, events and their deliveries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from reconciler.clock import Clock
from reconciler.sandbox.faults.faults import FaultPlan
from reconciler.sandbox.faults.seeded_chance import SeededChance
from reconciler.sandbox.objects.answers import unknown_object
from reconciler.sandbox.objects.ids import Ids
from reconciler.sandbox.objects.records import (
    ChargeRecord,
    DisputeRecord,
    EventRecord,
    EventSubject,
    IntentRecord,
    Record,
    RefundRecord,
    WebhookEndpointRecord,
)
from reconciler.sandbox.state.account_records import AccountRecords
from reconciler.sandbox.state.keys import ApiKey, ApiKeys
from reconciler.sandbox.state.transitions import PaymentState, Step, Transition
from reconciler.sandbox.webhooks import (
    Receiver,
    WebhookDelivery,
    WebhookQueue,
    http_receiver,
    is_subscribed,
)

ACCOUNT = "acct_1SandboxShop0001"

R = TypeVar("R", bound=Record)


class SandboxStore:
    """The state of a sandbox. :class:`Sandbox` adds the changes of payments. Safe to share between threads."""

    def __init__(self, clock: Clock, faults: FaultPlan, *, seed: int, livemode: bool) -> None:
        self.clock = clock
        self.faults = faults
        self.livemode = livemode
        self.api_keys = ApiKeys()
        self.lock = threading.RLock()
        self._cause: tuple[str | None, str | None] = (None, None)
        self._ids = Ids(seed)
        self._records: dict[tuple[str, bool], AccountRecords] = {}
        self._records_of_intent: dict[str, AccountRecords] = {}
        self.webhooks = WebhookQueue(faults)

    def new_id(self, prefix: str) -> str:
        """A new id."""
        with self.lock:
            return self._ids.new(prefix)

    # Accounts and keys

    def add_account(self, ident: str, *, platform: str | None = None) -> str:
        """Add an account and return its id. ``platform`` may act for it with ``Stripe-Account``."""
        with self.lock:
            return self.api_keys.account(ident, platform).id

    def add_key(
        self, secret: str, *, account: str = ACCOUNT, permissions: Iterable[str] | None = None
    ) -> ApiKey:
        """Add a key. It is a live key if it contains ``_live_``.

        ``permissions`` makes it a restricted key. They are names such as ``payment_intent_read``, without ``rak_``.
        """
        with self.lock:
            self.api_keys.account(account)
            allowed = None if permissions is None else frozenset(permissions)
            key = self.api_keys.keys[secret] = ApiKey(secret, account, allowed)
            return key

    def revoke_key(self, secret: str) -> None:
        """Remove the key: requests with it get a 401."""
        with self.lock:
            self.api_keys.keys.pop(secret, None)

    def records(self, account: str = ACCOUNT, livemode: bool | None = None) -> AccountRecords:
        """The objects of an account in a mode; by default the sandbox's own."""
        mode = self.livemode if livemode is None else livemode
        with self.lock:
            self.api_keys.account(account)
            return self._records.setdefault((account, mode), AccountRecords(account, livemode=mode))

    # Reading the state

    def intents(
        self, account: str | None = None, livemode: bool | None = None
    ) -> Iterator[IntentRecord]:
        """All present intents, oldest first; only of one account or mode, if given."""
        with self.lock:
            all_records = list(self._records.values())
        for records in all_records:
            if account in (None, records.account) and livemode in (None, records.livemode):
                yield from records.intents

    def intent(self, ident: str) -> IntentRecord:
        """The present intent. Raises Stripe's 404 as :class:`ApiRefusal`."""
        found = self._records_with(ident).intents.get(ident)
        if found is None:
            raise unknown_object("payment_intent", ident, other_mode_of=None)
        return found

    def latest_charge(self, ident: str) -> ChargeRecord | None:
        """The present charge of the intent's last attempt, None if there was no attempt."""
        return self._records_with(ident).latest_charge(self.intent(ident))

    def charges(self, intent: str) -> list[ChargeRecord]:
        """All attempts of an intent, oldest first."""
        return self._records_with(intent).charges.of("payment_intent", intent)

    def refunds(self, intent: str) -> list[RefundRecord]:
        """All refunds of an intent, oldest first, including those for released money."""
        return self._records_with(intent).refunds.of("payment_intent", intent)

    def disputes(self, intent: str) -> list[DisputeRecord]:
        """All disputes of an intent, oldest first."""
        return self._records_with(intent).disputes.of("payment_intent", intent)

    def events(
        self, about: str | None = None, *, account: str = ACCOUNT, livemode: bool | None = None
    ) -> list[EventRecord]:
        """All generated events, oldest first, even if the list does not show them yet; only of one intent, if given."""
        return [
            event
            for event in self.records(account, livemode).events
            if about is None
            or about in (event.snapshot.id, getattr(event.snapshot, "payment_intent", None))
        ]

    def _records_with(self, ident: str) -> AccountRecords:
        with self.lock:
            records = self._records_of_intent.get(ident)
        if records is None:
            raise unknown_object("payment_intent", ident, other_mode_of=None)
        return records

    def find(self, get: Callable[[AccountRecords], R | None], kind: str, ident: str) -> R:
        """The object of this id in any account and mode. Raises Stripe's 404 as :class:`ApiRefusal`."""
        with self.lock:
            for records in self._records.values():
                found = get(records)
                if found is not None:
                    return found
        raise unknown_object(kind, ident, other_mode_of=None)

    # Changes

    def load(self, prepared: Iterable[tuple[IntentRecord, ChargeRecord | None]]) -> int:
        """Store many payments without events, and return their number. Oldest first is fastest.

        A payment with a known id is replaced, so a test can set an unknown status or an impossible amount.
        """
        count = 0
        with self.lock:
            for intent, charge in prepared:
                records = self.records(intent.account, intent.livemode)
                records.intents.put(intent)
                self._records_of_intent[intent.id] = records
                if charge is not None:
                    records.charges.put(charge)
                count += 1
        return count

    @contextmanager
    def caused_by(self, request_id: str, idempotency_key: str | None) -> Iterator[None]:
        """Let the events of this block name the API request that caused them. Other events name none."""
        with self.lock:
            self._cause = (request_id, idempotency_key)
            try:
                yield
            finally:
                self._cause = (None, None)

    def second(self, at: datetime | None) -> int:
        """A moment in Unix seconds, by default the clock's present one."""
        return int((at or self.clock.now()).timestamp())

    def _begin(self, intent: IntentRecord) -> IntentRecord:
        """Store a new intent and make its event."""
        with self.lock:
            records = self.records(intent.account, intent.livemode)
            self._records_of_intent[intent.id] = records
            return self._apply(
                records, Transition(intent, (("payment_intent.created", intent),)), intent.created
            )

    def _change(
        self, ident: str, at: datetime | None, step: Step, *, charge: str | None = None
    ) -> IntentRecord:
        """Change an intent by a step and make its events. ``charge`` is another charge than its latest one."""
        with self.lock:
            records = self._records_with(ident)
            intent = self.intent(ident)
            moment = self.second(at)
            latest = records.charges.get(charge) if charge else records.latest_charge(intent)
            payment = PaymentState(intent, latest, self.new_id, moment)
            return self._apply(records, step(payment), moment)

    def _apply(self, records: AccountRecords, change: Transition, moment: int) -> IntentRecord:
        before = {snapshot.id: records.present(snapshot.id) for _, snapshot in change.events}
        records.store(change, moment)
        for kind, snapshot in change.events:
            self.add_event(records, kind, snapshot, moment, before[snapshot.id])
        return change.intent

    def add_event(
        self,
        records: AccountRecords,
        kind: str,
        snapshot: EventSubject,
        moment: int,
        previous: EventSubject | None = None,
    ) -> None:
        """Make an event and its deliveries. ``previous`` is the object before the change."""

        ident = self._ids.new("evt")
        shares = self.faults.shares
        chance = SeededChance(shares.seed)
        if chance.hit(shares.events_never_generated, "generated", ident):
            return

        late = shares.listed_after if chance.hit(shares.events_listed_late, "listed", ident) else 0
        request_id, idempotency_key = self._cause
        event = EventRecord(
            id=ident,
            account=records.account,
            livemode=records.livemode,
            created=moment,
            type=kind,
            snapshot=snapshot,
            previous=previous,
            visible_at=moment + late,
            request_id=request_id,
            idempotency_key=idempotency_key,
        )
        records.events.put(event)

        for endpoint in records.endpoints:
            if is_subscribed(endpoint, kind):
                self.webhooks.post(event, endpoint, float(moment))

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
        """Send the account's later events to an address, or to a function in this process.

        The endpoint's ``secret`` signs them. :meth:`deliver_due` sends them.
        """
        url = receiver if isinstance(receiver, str) else "https://shop.example.com/webhooks"
        with self.lock:
            records = self.records(account, livemode)
            endpoint = WebhookEndpointRecord(
                id=self._ids.new("we"),  # Stripe's prefix; banned-words: allowed
                account=account,
                livemode=records.livemode,
                created=self.second(None),
                url=url,
                secret=secret or f"whsec_{self._ids.letters(32)}",
                enabled_events=enabled_events,
            )
            records.endpoints.put(endpoint)
            self.webhooks.connect(
                endpoint, http_receiver(url) if isinstance(receiver, str) else receiver
            )
        return endpoint

    def deliver_due(self) -> int:
        """Make every delivery that is due, retries included. Returns the number of attempts."""
        return self.webhooks.deliver_due(lambda: self.clock.now().timestamp())

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """The deliveries that have ended, in order: delivered, or failed after the last attempt."""
        return list(self.webhooks.finished)
