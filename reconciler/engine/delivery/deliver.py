"""The outbox goes to the merchant's endpoint: at least once, oldest first, and no payment's rows out of order.

Claim, send, note; between them no transaction is open. Whoever dies after sending leaves a claim that ends by itself,
and the notice is sent again under the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from reconciler.clock import Clock
from reconciler.domain.delivery_signature import SIGNATURE_HEADER, signature
from reconciler.domain.outbox_message import (
    Attempt,
    Receipt,
    is_last_attempt,
    message_body,
    retry_pause,
)
from reconciler.engine.delivery.circuit_breaker import FAILURES, CircuitBreaker
from reconciler.engine.ports import Progress
from reconciler.errors import LeaseLostError, ReconcilerError, StoppedError

RUN_SECONDS: Final = 60.0
"""A run ends after that at the next notice, whatever waits: the next tick goes on."""
CLAIM_SLACK_SECONDS: Final = 15.0
"""How much longer than its request a claim lasts: to note what came of it."""


class Outbox(Protocol):
    """One account's outbox. No call leaves a transaction or a lock behind."""

    def claim(self, epoch: int, seconds: float, *, probe: bool = False) -> Attempt | None:
        """The oldest row that is due, taken for so many seconds; None where there is none.

        As a ``probe`` the one that was tried least.
        Never a row with an undelivered one of the same payment before it. Raises LeaseLostError.
        """
        ...

    def delivered(self, number: int) -> None:
        """The endpoint has received it."""
        ...

    def failed(self, attempt: Attempt, error: str, seconds: float, *, given_up: bool) -> None:
        """It has not; it is due again in so many seconds, or never where it is given up."""
        ...

    def try_now(self, most_attempts: int) -> int:
        """Let everything that was tried no more often, and waits for its next attempt, be due at once; how many there are."""
        ...


class WebhookSender(Protocol):
    """The way to the merchant's endpoint."""

    def post(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Send it once, within a bounded time; never raises for what the endpoint or the network does."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveryTerms:
    """How notices are signed, for how long a request may take and for how long one is tried."""

    secret: str = field(repr=False)
    timeout: timedelta
    give_up: timedelta


@dataclass(slots=True)
class DeliveryReport:
    """What a run did. ``last_fault`` is why the last attempt that failed did; ``failure`` is what ended the run early."""

    account: str
    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    seconds: float = 0.0
    endpoint_down: bool = False
    last_fault: str | None = None
    failure: ReconcilerError | None = None

    @property
    def error_met(self) -> ReconcilerError | None:
        """What keeps us from delivering at all: a stop, or another process that goes on, is no trouble."""
        return None if isinstance(self.failure, StoppedError | LeaseLostError) else self.failure

    def as_json(self) -> Mapping[str, object]:
        """The report as one line of the log."""
        return {
            "account": self.account,
            "delivered": self.delivered,
            "failed": self.failed,
            "given_up": self.given_up,
            "endpoint_down": self.endpoint_down,
            "last_fault": self.last_fault,
            "stopped": None if self.failure is None else str(self.failure),
            "seconds": round(self.seconds, 3),
        }


class Delivery:
    """Delivers one account's outbox, a run at a time. ``chance`` gives numbers from 0 to 1."""

    def __init__(
        self,
        account: str,
        outbox: Outbox,
        sender: WebhookSender,
        clock: Clock,
        circuit: CircuitBreaker,
        terms: DeliveryTerms,
        chance: Callable[[], float],
    ) -> None:
        self._account = account
        self._outbox = outbox
        self._sender = sender
        self._clock = clock
        self._circuit = circuit
        self._terms = terms
        self._chance = chance

    def run(self, epoch: int, recheck: Callable[[], None], progress: Progress) -> DeliveryReport:
        """Deliver what is due, for a minute at most. What ``check`` raises between notices ends it."""
        report = DeliveryReport(self._account)
        began = self._clock.monotonic()
        try:
            while self._clock.monotonic() - began < RUN_SECONDS:
                recheck()
                if not self._deliver_next(epoch, report):
                    break
                progress.advance(report.delivered + report.failed, None)
        except ReconcilerError as error:
            report.failure = error
        report.endpoint_down = self._circuit.is_open
        report.seconds = self._clock.monotonic() - began
        return report

    def _deliver_next(self, epoch: int, report: DeliveryReport) -> bool:
        """One notice; False where none may be sent now."""
        if self._circuit.has_recovered(self._account):
            # what failed because the endpoint was down need not wait its own time
            self._outbox.try_now(FAILURES)
        if not self._circuit.may_try():
            return False
        claim = self._terms.timeout.total_seconds() + CLAIM_SLACK_SECONDS
        attempt = self._outbox.claim(epoch, claim, probe=self._circuit.is_open)
        if attempt is None:
            return False
        self._circuit.began()
        receipt = self._send(attempt)
        if receipt.fault is None:
            self._circuit.succeeded()
            self._outbox.delivered(attempt.message.number)
            report.delivered += 1
            return True
        if receipt.is_endpoints_fault:
            self._circuit.failed()
        else:
            # it answers: what it refuses is this notice, and the others need not wait for that
            self._circuit.succeeded()
        given_up = is_last_attempt(attempt, self._terms.give_up)
        seconds = retry_pause(attempt.number, self._chance())
        self._outbox.failed(attempt, receipt.fault, seconds, given_up=given_up)
        report.failed += 1
        report.given_up += given_up
        report.last_fault = receipt.fault
        return True

    def _send(self, attempt: Attempt) -> Receipt:
        body = message_body(attempt.message)
        signed = signature(body, self._terms.secret, self._clock.now())
        return self._sender.post(body, {SIGNATURE_HEADER: signed})
