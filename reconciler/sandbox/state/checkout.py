"""Checkout Sessions of a sandbox, as customers and Stripe change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.payment_methods import METHODS, Flow
from reconciler.sandbox.objects.records import SessionRecord
from reconciler.sandbox.state.sandbox import Sandbox
from reconciler.sandbox.state.store import ACCOUNT
from reconciler.sandbox.state.transitions import WAITING

OPEN_FOR = timedelta(hours=24)
"""How long a session is open, unless its creator says otherwise."""


class Checkout:
    """The Checkout Sessions of a sandbox. Each change happens at the clock's second, or at ``at`` if given."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def create(
        self,
        amount: int | None = None,
        currency: str | None = "usd",
        *,
        mode: str = "payment",
        method: str = "card",
        client_reference_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        intent_metadata: Mapping[str, str] | None = None,
        customer: str | None = None,
        open_for: timedelta = OPEN_FOR,
        account: str = ACCOUNT,
        livemode: bool | None = None,
        at: datetime | None = None,
    ) -> SessionRecord:
        """A new open session. It has no PaymentIntent yet.

        ``intent_metadata`` is ``payment_intent_data[metadata]``: Stripe does not copy the session's own metadata.
        """
        sandbox, created = self._sandbox, self._sandbox.second(at)
        records = sandbox.records(account, livemode)
        with sandbox.lock:
            session = SessionRecord(
                id=sandbox.new_id(f"cs_{'live' if records.livemode else 'test'}"),
                account=account,
                livemode=records.livemode,
                created=created,
                expires_at=created + int(open_for.total_seconds()),
                mode=mode,
                payment_status="no_payment_required" if mode == "setup" else "unpaid",
                amount=None if mode == "setup" else amount,
                currency=None if mode == "setup" else currency,
                method=method,
                customer=customer,
                client_reference_id=client_reference_id,
                metadata=dict(metadata or {}),
                intent_metadata=dict(intent_metadata or {}),
            )
            records.sessions.put(session)
            return session

    def get(self, ident: str) -> SessionRecord:
        """The present session. Raises Stripe's 404 as :class:`ApiRefusal`."""
        return self._sandbox.find(
            lambda records: records.sessions.get(ident), "checkout.session", ident
        )

    def begin_payment(self, ident: str, *, at: datetime | None = None) -> SessionRecord:
        """Let the customer confirm: the session gets its PaymentIntent, and stays open until the payment is made."""
        session = self._open(ident)
        if session.mode != "payment" or session.payment_intent is not None:
            return session
        intent = self._sandbox.create_payment(
            session.amount or 0,
            session.currency or "usd",
            method=session.method,
            customer=session.customer,
            metadata=session.intent_metadata,
            account=session.account,
            livemode=session.livemode,
            at=at,
        )
        return self._put(replace(session, payment_intent=intent.id))

    def complete(self, ident: str, *, at: datetime | None = None) -> SessionRecord:
        """Let the customer complete the session. A bank debit is paid later: see :meth:`settle`."""
        session = self.begin_payment(ident, at=at)
        paid = {"payment": "paid", "subscription": "paid"}.get(session.mode, session.payment_status)
        if session.payment_intent is not None:
            if METHODS[session.method].flow is Flow.DEBIT:
                self._sandbox.process(session.payment_intent, at=at)
                paid = "unpaid"
            else:
                self._sandbox.succeed(session.payment_intent, at=at)
        new_id = self._sandbox.new_id
        completed = replace(
            session,
            status="complete",
            payment_status=paid,
            setup_intent=new_id("seti") if session.mode == "setup" else None,
            subscription=new_id("sub") if session.mode == "subscription" else None,
        )
        return self._put(completed, "checkout.session.completed", at)

    def settle(self, ident: str, *, paid: bool, at: datetime | None = None) -> SessionRecord:
        """Let a bank debit of a completed session succeed or fail."""
        session = self.get(ident)
        if session.payment_intent is None:
            raise ApiRefusal(400, f"The Checkout Session {ident} has no payment.")
        if not paid:
            self._sandbox.fail(session.payment_intent, None, code="debit_not_authorized", at=at)
            return self._put(session, "checkout.session.async_payment_failed", at)
        self._sandbox.succeed(session.payment_intent, at=at)
        settled = replace(session, payment_status="paid")
        return self._put(settled, "checkout.session.async_payment_succeeded", at)

    def expire(self, ident: str, *, at: datetime | None = None) -> SessionRecord:
        """Let an open session expire. A payment that was begun and not made is canceled."""
        session = self._open(ident)
        begun = session.payment_intent
        if begun is not None and self._sandbox.intent(begun).status in WAITING:
            self._sandbox.cancel(begun, at=at)
        return self._put(replace(session, status="expired"), "checkout.session.expired", at)

    def _open(self, ident: str) -> SessionRecord:
        session = self.get(ident)
        if session.status != "open":
            raise ApiRefusal(
                400,
                f'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status '
                f"of {session.status}.",
            )
        return session

    def _put(
        self, session: SessionRecord, event: str | None = None, at: datetime | None = None
    ) -> SessionRecord:
        sandbox = self._sandbox
        records = sandbox.records(session.account, session.livemode)
        with sandbox.lock:
            previous = records.sessions.get(session.id)
            records.sessions.put(session)
            if event is not None:
                sandbox.add_event(records, event, session, sandbox.second(at), previous)
        return session
