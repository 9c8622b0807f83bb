"""All objects of one account in one mode."""

from __future__ import annotations

from reconciler.sandbox.objects.records import (
    ChargeRecord,
    DisputeRecord,
    EventRecord,
    IntentRecord,
    RefundRecord,
    WebhookEndpointRecord,
)
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
        self.events: Timeline[EventRecord] = Timeline()
        self.endpoints: Timeline[WebhookEndpointRecord] = Timeline()

    def store(self, change: Transition) -> None:
        """Store the records of a change. Its events are stored separately, because Stripe may fail to generate them."""
        self.intents.put(change.intent)
        if change.charge is not None:
            self.charges.put(change.charge)
        if change.refund is not None:
            self.refunds.put(change.refund)
        if change.dispute is not None:
            self.disputes.put(change.dispute)

    def latest_charge(self, intent: IntentRecord) -> ChargeRecord | None:
        """The charge of the intent's last attempt, None if there was no attempt."""
        return self.charges.get(intent.latest_charge) if intent.latest_charge else None

    def lists(self, event: EventRecord, now: int) -> bool:
        """Whether the events list shows this event at this second: it is visible, and not older than 30 days."""
        return event.visible_at <= now and event.created > now - RETENTION
