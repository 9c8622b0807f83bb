"""Everything of one account in one mode."""

from __future__ import annotations

from reconciler.sandbox.objects.records import (
    Charge,
    Dispute,
    Event,
    Intent,
    Refund,
    WebhookEndpoint,
)
from reconciler.sandbox.state.timeline import Timeline
from reconciler.sandbox.state.transitions import Change

RETENTION = 30 * 86_400


class Book:
    """The objects of one account in one mode; live and test never mix."""

    def __init__(self, account: str, *, livemode: bool) -> None:
        self.account = account
        self.livemode = livemode
        self.intents: Timeline[Intent] = Timeline(("customer",))
        self.charges: Timeline[Charge] = Timeline(("payment_intent", "customer"))
        self.refunds: Timeline[Refund] = Timeline(("payment_intent", "charge"))
        self.disputes: Timeline[Dispute] = Timeline(("payment_intent", "charge"))
        self.events: Timeline[Event] = Timeline()
        self.endpoints: Timeline[WebhookEndpoint] = Timeline()

    def take(self, change: Change) -> None:
        """Store what a change made; events are stored apart, for they may fail to be generated."""
        self.intents.put(change.intent)
        if change.charge is not None:
            self.charges.put(change.charge)
        if change.refund is not None:
            self.refunds.put(change.refund)
        if change.dispute is not None:
            self.disputes.put(change.dispute)

    def latest_charge(self, intent: Intent) -> Charge | None:
        """The charge of the last attempt."""
        return self.charges.get(intent.latest_charge) if intent.latest_charge else None

    def lists(self, event: Event, now: int) -> bool:
        """Whether the events list shows this event at this second: generated, visible, not older than 30 days."""
        return event.visible_at <= now and event.created > now - RETENTION
