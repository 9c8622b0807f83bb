"""A Stripe in memory. Python code creates and changes its payments, as customers, banks and Stripe would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from reconciler.clock import Clock, SystemClock
from reconciler.sandbox.faults.faults import FaultPlan, Faults
from reconciler.sandbox.faults.rate_limits import NO_LIMITS, RequestLimiter, SandboxLimits
from reconciler.sandbox.objects.answers import ApiRefusal, fixed_amount
from reconciler.sandbox.objects.payment_methods import METHODS, Token, TokenReaction, reaction_of
from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.state import transitions
from reconciler.sandbox.state.money_back import MoneyBack
from reconciler.sandbox.state.request_log import RequestLog
from reconciler.sandbox.state.search_index import DELAY_SECONDS
from reconciler.sandbox.state.store import ACCOUNT
from reconciler.sandbox.state.transitions import PaymentState, Step, Transition

TEST_KEY = "sk_test_sandbox"
LIVE_KEY = "sk_live_sandbox"


class Sandbox(MoneyBack):
    """A Stripe in memory that can fail on purpose. Safe to share between threads.

    It begins with one account, :data:`ACCOUNT`, and its two full keys, :data:`TEST_KEY` and :data:`LIVE_KEY`.

    A change of a payment happens at the clock's current second, or at ``at`` if given. It makes the events that Stripe
    would make, and returns the changed intent. A change that Stripe would refuse raises :class:`ApiRefusal`. ``method``
    changes the payment method of the attempt.

    Args:
        clock: Stripe's time: ``created``, the ``Date`` header, retention, retries of webhooks.
        rate_clock: Real time, for rate limits and latency.
        seed: The same seed gives the same ids and faults.
        limits: Rate limits; off unless given.
        faults: The shares of faults.
        livemode: The mode of new payments, if a call does not say.
        releases_count_as_refunded: Whether money that a smaller capture or a cancel releases counts as refunded, as
            before API version 2025-03-31.basil.

    Attributes:
        requests: The log of all API requests.
        limiter: The rate limits, which may be replaced at any time.
        faults: Shares and script of the faults.
        search_delay: How many seconds of Stripe's time the search is behind.
        offers_search: Whether the account may search at all; merchants in India may not.
        before_answer: Called with endpoint and target before the sandbox works on a request, so that a test can change
            a payment in the middle of a sweep.
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
        releases_count_as_refunded: bool = False,
    ) -> None:
        super().__init__(
            clock, FaultPlan(faults or Faults(seed=seed)), seed=seed, livemode=livemode
        )
        self.releases_count_as_refunded = releases_count_as_refunded
        self.rate_clock: Clock = rate_clock or SystemClock()
        self.limiter = RequestLimiter(limits, self.rate_clock)
        self.requests = RequestLog()
        self.search_delay = DELAY_SECONDS
        self.offers_search = True
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
            method: The type of payment method of its attempts, a key of ``METHODS``.
            capture_method: ``manual`` holds the money first.
            ident: Its id, if a test chooses it.
        """
        _raise_if_unknown_method(method)
        records = self.records(account, livemode)
        with self.lock:
            intent = IntentRecord(
                id=ident or self.new_id("pi"),
                account=account,
                livemode=records.livemode,
                created=self.second(at),
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
        """Change amount, metadata or description, and clear ``last_payment_error`` as Stripe does.

        Stripe makes no event for it. Metadata is merged; an empty value removes its key.
        """

        def step(payment: PaymentState) -> Transition:
            intent = payment.intent
            if amount not in (None, intent.amount) and intent.status not in transitions.WAITING:
                raise fixed_amount(intent, transitions.WAITING)
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
        """Make the step with a payment method: a new one if there is none, or if ``method`` is another type."""
        if method is not None:
            _raise_if_unknown_method(method)

        def with_method(payment: PaymentState) -> Transition:
            intent = payment.intent
            wanted = method or intent.method
            if intent.payment_method is None or wanted != intent.method:
                intent = replace(intent, method=wanted, payment_method=self.new_id("pm"))
            return step(replace(payment, intent=intent))

        return self._change(ident, at, with_method)

    def attach(
        self,
        ident: str,
        *,
        method: str | None = None,
        token: Token | None = None,
        at: datetime | None = None,
    ) -> IntentRecord:
        """Attach a payment method without an attempt: ``requires_confirmation``. :meth:`confirm` uses the token."""
        intent = self._attempt(
            ident, at, token.method if token else method, transitions.await_confirmation
        )
        if token is not None:
            self._tokens[ident] = token
        return intent

    def confirm(
        self, ident: str, token: Token | None = None, *, at: datetime | None = None
    ) -> IntentRecord:
        """Attempt the payment, with the result of the test token, or the usual one of the payment method."""
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
        """Begin an attempt that waits for the customer: 3-D Secure, a redirect or a voucher, by payment method."""
        until = None if expires_at is None else int(expires_at.timestamp())
        return self._attempt(
            ident, at, method, partial(transitions.require_action, action=action, expires_at=until)
        )

    def process(
        self, ident: str, *, method: str | None = None, at: datetime | None = None
    ) -> IntentRecord:
        """Begin an attempt that takes the bank days: ``processing`` with a pending charge."""
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
        """Collect the money, in a new attempt or at the end of ``processing`` or ``requires_action``."""
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
        """Let the attempt fail: ``requires_payment_method`` with ``last_payment_error``."""
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
        """Collect held money, all or ``amount``. Unless ``final``, the status stays ``requires_capture``."""
        step = partial(
            transitions.capture,
            amount=amount,
            final=final,
            counts_release=self.releases_count_as_refunded,
        )
        return self._change(ident, at, step)

    def cancel(
        self, ident: str, reason: str | None = None, *, at: datetime | None = None
    ) -> IntentRecord:
        """Cancel the intent; ``reason`` is a ``cancellation_reason``."""
        counts = self.releases_count_as_refunded
        step = partial(transitions.cancel, reason=reason, counts_release=counts)
        return self._change(ident, at, step)

    def expire_authorization(self, ident: str, *, at: datetime | None = None) -> IntentRecord:
        """Let the authorization expire: ``charge.expired``, and Stripe cancels the intent."""
        counts = self.releases_count_as_refunded
        reason = "automatic" if counts else "expired"
        step = partial(transitions.cancel, reason=reason, expired=True, counts_release=counts)
        return self._change(ident, at, step)

    def fund(self, ident: str, amount: int, *, at: datetime | None = None) -> IntentRecord:
        """Receive a bank transfer for an intent that waits for one. It succeeds once its amount is complete."""
        return self._change(ident, at, partial(transitions.fund, amount=amount))

    def set_status(self, ident: str, status: str) -> IntentRecord:
        """Set any string as the status, without an event."""
        return self._change(
            ident, None, lambda payment: Transition(replace(payment.intent, status=status))
        )

    def expire_due(self) -> int:
        """Cancel the authorizations and fail the vouchers that have expired. Returns their number."""
        now = self.second(None)
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


def _raise_if_unknown_method(method: str) -> None:
    if method not in METHODS:
        raise ApiRefusal(
            400,
            f"The payment method type provided: {method} is invalid.",
            param="payment_method_types",
        )
