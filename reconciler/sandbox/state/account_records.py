"""All objects of one account in one mode."""

from __future__ import annotations

from reconciler.sandbox.objects.records import (
    ChargeRecord,
    DisputeRecord,
    EventRecord,
    EventSubject,
    IntentRecord,
    RefundRecord,
    SessionRecord,
    WebhookEndpointRecord,
)
from reconciler.sandbox.state.search_index import SearchIndex
from reconciler.sandbox.state.timeline import Timeline
from reconciler.sandbox.state.transitions import Transition

RETENTION = 30 * 86_400


class AccountRecords:
    """The objects of one account in one mode, by type. Live and test objects never mix."""

    def __init__(self, account: str, *, livemode: bool) -> None:
        self.account = account
        self.livemode = livemode
        self.intents: Timeline[IntentRecord] = Timeline(("customer",))
        self.charges: Timeline[ChargeRecord] = Timeline(("payment_intent", "customer"))
        self.refunds: Timeline[RefundRecord] = Timeline(("payment_intent", "charge"))
        self.disputes: Timeline[DisputeRecord] = Timeline(("payment_intent", "charge"))
        self.sessions: Timeline[SessionRecord] = Timeline()
        self.events: Timeline[EventRecord] = Timeline()
        self.endpoints: Timeline[WebhookEndpointRecord] = Timeline()
        self.search_index = SearchIndex()

    def store(self, change: Transition, moment: int) -> None:
        """Store the records of a change. Its events are stored separately, because Stripe may fail to generate them."""
        self.search_index.note(self.intents.get(change.intent.id), change.intent, moment)
        self.intents.put(change.intent)
        if change.charge is not None:
            self.charges.put(change.charge)
        if change.refund is not None:
            self.refunds.put(change.refund)
        if change.dispute is not None:
            self.disputes.put(change.dispute)

    def present(self, ident: str) -> EventSubject | None:
        """The stored object of this id, of any type that events are about; None if there is none."""
        for timeline in (self.intents, self.charges, self.refunds, self.disputes, self.sessions):
            found: EventSubject | None = timeline.get(ident)
            if found is not None:
                return found
        return None

    def latest_charge(self, intent: IntentRecord) -> ChargeRecord | None:
        """The charge of the intent's last attempt, None if there was no attempt."""
        return self.charges.get(intent.latest_charge) if intent.latest_charge else None

    def lists(self, event: EventRecord, now: int) -> bool:
        """Whether the events list shows this event at this second: it is visible, and not older than 30 days."""
        return event.visible_at <= now and event.created > now - RETENTION
