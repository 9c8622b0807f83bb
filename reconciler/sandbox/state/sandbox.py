"""The sandbox in memory: payments made and moved from Python, as customers, banks and Stripe would move them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from reconciler.clock import Clock, SystemClock
from reconciler.sandbox.faults.faults import FaultPlan, Faults
from reconciler.sandbox.faults.rate_limits import NO_LIMITS, Gate, RequestLog, SandboxLimits
from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.payment_methods import METHODS, Token, TokenReaction, reaction_of
from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.state import transitions
from reconciler.sandbox.state.store import ACCOUNT, SandboxStore
from reconciler.sandbox.state.transitions import Moment, Step, Transition

TEST_KEY = "sk_test_sandbox"
LIVE_KEY = "sk_live_sandbox"


class Sandbox(SandboxStore):
    """A Stripe in memory, to be broken on purpose.

    It opens with one account, :data:`ACCOUNT`, and its two full keys, :data:`TEST_KEY` and :data:`LIVE_KEY`. Every
    method that changes a payment happens at the clock's current second, or at ``at`` where given, makes the events
    that Stripe would make, and returns the intent as it is afterwards. A change that Stripe would refuse raises
    :class:`ApiRefusal`. ``method`` changes the payment method of the attempt. Safe to share between threads.

    Args:
        clock: Stripe's time: ``created``, the ``Date`` header, retention, retries of webhooks.
        pace_clock: Real time, for rate limits and latency.
        seed: Makes ids and faults repeat.
        limits: Rate limits; off unless given.
        faults: What goes wrong by share.
        livemode: The mode in which payments are made where a call does not say.

    Attributes:
        requests: Counts of all API requests.
        faults: Shares and script of what goes wrong.
        before_answer: Called with endpoint and target before a request is looked at, so that a test can change the
            world in the middle of a sweep.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        rate_clock: Clock | None = None,
        seed: int = 0,
        limits: SandboxLimits = NO_LIMITS,
        faults: Faults | None = None,
        livemode: bool = False,
    ) -> None:
        super().__init__(
            clock, FaultPlan(faults or Faults(seed=seed)), seed=seed, livemode=livemode
        )
        self.rate_clock: Clock = rate_clock or SystemClock()
        self.gate = Gate(limits, self.rate_clock)
        self.requests = RequestLog()
        self.before_answer: Callable[[str, str], None] | None = None
        self._tokens: dict[str, Token] = {}
        self.add_key(TEST_KEY)
        self.add_key(LIVE_KEY)

    def create_payment(
        self,
        amount: int,
        currency: str = "usd",
        *,
        method: str = "card",
        capture_method: str = "automatic_async",
        customer: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        account: str = ACCOUNT,
        livemode: bool | None = None,
        at: datetime | None = None,
        ident: str | None = None,
    ) -> IntentRecord:
        """A new PaymentIntent in ``requires_payment_method``.

        Args:
            amount: Minor units.
            currency: ISO code in lower case.
            method: The type of payment method its attempts use, a key of ``METHODS``.
            capture_method: ``manual`` to hold the money first.
            ident: Its id, where a test wants to choose it.
        """
        _known_method(method)
        book = self.book(account, livemode)
        with self.lock:
            intent = IntentRecord(
                id=ident or self.fresh("pi"),
                account=account,
                livemode=book.livemode,
                created=self._second(at),
                amount=amount,
                currency=currency,
                method=method,
                capture_method=capture_method,
                customer=customer,
                description=description,
                metadata=dict(metadata or {}),
                secret=self._ids.letters(25),
            )
            return self._begin(intent)

    def update(
        self,
        ident: str,
        *,
        amount: int | None = None,
        metadata: Mapping[str, str] | None = None,
        description: str | None = None,
    ) -> IntentRecord:
        """Change what may be changed before the money moved; clears ``last_payment_error`` as Stripe does.

        Stripe makes no event of it. Metadata is merged; an empty value removes its key.
        """

        def step(now: Moment) -> Transition:
            intent = now.intent
            merged = {k: v for k, v in {**intent.metadata, **(metadata or {})}.items() if v}
            changed = replace(
                intent,
                metadata=merged,
                amount=intent.amount if amount is None else amount,
                description=intent.description if description is None else description,
                last_payment_error=None,
            )
            return Transition(changed)

        return self._change(ident, None, step)

    def _attempt(
        self, ident: str, at: datetime | None, method: str | None, step: Step
    ) -> IntentRecord:
        """Make the step with a payment method: a new one if there is none or another type is wanted."""
        if method is not None:
            _known_method(method)

        def paid(now: Moment) -> Transition:
            intent = now.intent
            wanted = method or intent.method
            if intent.payment_method is None or wanted != intent.method:
                intent = replace(intent, method=wanted, payment_method=self.fresh("pm"))
            return step(replace(now, intent=intent))

        return self._change(ident, at, paid)

    def attach(
        self,
        ident: str,
        *,
        method: str | None = None,
        token: Token | None = None,
        at: datetime | None = None,
    ) -> IntentRecord:
        """Attach a payment method without confirming: ``requires_confirmation``. A token is kept for the attempt."""
        intent = self._attempt(
            ident, at, token.method if token else method, transitions.await_confirmation
        )
        if token is not None:
            self._tokens[ident] = token
        return intent

    def confirm(
        self, ident: str, token: Token | None = None, *, at: datetime | None = None
    ) -> IntentRecord:
        """Attempt the payment as a test token says, or as the intent's payment method usually goes."""
        token = token or self._tokens.pop(ident, None)
        reaction = token.reaction if token else reaction_of(self.intent(ident).method)
        method = token.method if token else None
        if reaction is TokenReaction.FAIL and token is not None:
            return self.fail(ident, token.decline_code, code=token.code, method=method, at=at)
        if reaction is TokenReaction.REQUIRE_ACTION:
            return self.require_action(ident, method=method, at=at)
        if reaction is TokenReaction.PROCESS:
            return self.process(ident, method=method, at=at)
        if self.intent(ident).capture_method == "manual":
            return self.authorize(ident, method=method, at=at)
        return self.succeed(ident, method=method, at=at)

    def require_action(
        self,
        ident: str,
        *,
        method: str | None = None,
        action: str | None = None,
        expires_at: datetime | None = None,
        at: datetime | None = None,
    ) -> IntentRecord:
        """An attempt that waits for the customer: 3-D Secure, a redirect or a voucher, by payment method."""
        until = None if expires_at is None else int(expires_at.timestamp())
        return self._attempt(
            ident, at, method, partial(transitions.require_action, action=action, expires_at=until)
        )

    def process(
        self, ident: str, *, method: str | None = None, at: datetime | None = None
    ) -> IntentRecord:
        """An attempt that takes the bank days: ``processing`` with a pending charge."""
        return self._attempt(ident, at, method, transitions.process)

    def authorize(
        self,
        ident: str,
        *,
        method: str | None = None,
        capture_before: datetime | None = None,
        at: datetime | None = None,
    ) -> IntentRecord:
        """Hold the money: ``requires_capture`` until ``capture_before`` (a card's default is 7 days)."""
        until = None if capture_before is None else int(capture_before.timestamp())
        return self._attempt(
            ident, at, method, partial(transitions.authorize, capture_before=until)
        )

    def succeed(
        self, ident: str, *, method: str | None = None, at: datetime | None = None
    ) -> IntentRecord:
        """Collect the money, at once or at the end of ``processing`` or ``requires_action``."""
        return self._attempt(ident, at, method, transitions.succeed)

    def fail(
        self,
        ident: str,
        decline_code: str | None = "generic_decline",
        *,
        code: str = "card_declined",
        method: str | None = None,
        at: datetime | None = None,
    ) -> IntentRecord:
        """Let the attempt fail: back to ``requires_payment_method`` with ``last_payment_error``."""
        declined = decline_code if code == "card_declined" else None
        return self._attempt(
            ident, at, method, partial(transitions.fail, code=code, decline_code=declined)
        )

    def capture(
        self,
        ident: str,
        amount: int | None = None,
        *,
        final: bool = True,
        at: datetime | None = None,
    ) -> IntentRecord:
        """Collect held money, all or ``amount``. Not ``final``: stays ``requires_capture`` with money received."""
        return self._change(ident, at, partial(transitions.capture, amount=amount, final=final))

    def cancel(
        self, ident: str, reason: str | None = None, *, at: datetime | None = None
    ) -> IntentRecord:
        """Cancel it; ``reason`` is a ``cancellation_reason``."""
        return self._change(ident, at, partial(transitions.cancel, reason=reason))

    def expire_authorization(self, ident: str, *, at: datetime | None = None) -> IntentRecord:
        """The hold ran out: ``charge.expired``, and canceled by Stripe."""
        return self._change(
            ident, at, partial(transitions.cancel, reason="automatic", expired=True)
        )

    def refund(
        self,
        ident: str,
        amount: int | None = None,
        *,
        reason: str | None = None,
        at: datetime | None = None,
    ) -> IntentRecord:
        """Give money back, all that is left or ``amount``; the intent stays ``succeeded``."""
        return self._change(ident, at, partial(transitions.refund, amount=amount, reason=reason))

    def dispute(
        self,
        ident: str,
        *,
        reason: str = "fraudulent",
        amount: int | None = None,
        at: datetime | None = None,
    ) -> IntentRecord:
        """Open a dispute on the latest charge; the intent stays ``succeeded``."""
        return self._change(ident, at, partial(transitions.dispute, amount=amount, reason=reason))

    def set_status(self, ident: str, status: str) -> IntentRecord:
        """Put any string there as the status, without an event."""
        return self._change(ident, None, lambda now: Transition(replace(now.intent, status=status)))

    def expire_due(self) -> int:
        """Let time do its work: cancel authorizations and fail vouchers past their end; returns how many."""
        now = self._second(None)
        count = 0
        for intent in list(self.intents()):
            if intent.status == "requires_capture":
                charge = self.latest_charge(intent.id)
                if charge and charge.capture_before is not None and charge.capture_before <= now:
                    self.expire_authorization(intent.id)
                    count += 1
            elif intent.status == "requires_action" and intent.next_action:
                until = intent.next_action.expires_at
                if until is not None and until <= now:
                    self.fail(intent.id, None, code="payment_intent_payment_attempt_expired")
                    count += 1
        return count


def _known_method(method: str) -> None:
    if method not in METHODS:
        raise ApiRefusal(
            400,
            f"The payment method type provided: {method} is invalid.",
            param="payment_method_types",
        )
