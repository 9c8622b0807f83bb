"""Delivers the outbox to the merchant's endpoint: at least once, oldest first, each payment's messages in their order.

A message is claimed, sent, and noted as delivered or failed. No transaction is open meanwhile. If the process dies after
it has sent a message, the claim expires, and the message is sent again with the same id.
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
"""After so long a run begins no further message; the next run goes on."""
CLAIM_SLACK_SECONDS: Final = 15.0
"""How much longer than its request a claim lasts, so that the result can still be noted."""


class Outbox(Protocol):
    """One account's outbox. No call leaves a transaction or a lock behind."""

    def claim(self, epoch: int, seconds: float, *, probe: bool = False) -> Attempt | None:
        """Claim the oldest due message for so many seconds; None if none is due.

        As a ``probe``, claim the message with the fewest attempts. A message is never claimed while an older one of
        the same payment is not delivered. Raises LeaseLostError.
        """
        ...

    def delivered(self, number: int) -> None:
        """Note that the endpoint has received this message."""
        ...

    def failed(self, attempt: Attempt, error: str, seconds: float, *, given_up: bool) -> None:
        """Note that an attempt failed. The message is due again after so many seconds; never if it is given up."""
        ...

    def try_now(self, most_attempts: int) -> int:
        """Make every waiting message with at most so many attempts due now; returns how many."""
        ...


class WebhookSender(Protocol):
    """Sends messages to the merchant's endpoint."""

    def post(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Send one message once, within a bounded time. Does not raise for errors of the endpoint or the network."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveryTerms:
    """The secret that signs messages, how long one request may take, and after how long a message is given up."""

    secret: str = field(repr=False)
    timeout: timedelta
    give_up: timedelta


@dataclass(slots=True)
class DeliveryReport:
    """What a run did. ``last_fault`` is why its last failed attempt failed, ``failure`` the error that ended it early."""

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
        """The error that keeps the service from delivering. A stop, or a takeover by another process, is none."""
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
    """Delivers one account's outbox, one run at a time. ``chance`` returns numbers from 0 to 1."""

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

    def run(
        self, epoch: int, check_lease: Callable[[], None], progress: Progress
    ) -> DeliveryReport:
        """Deliver what is due, for a minute at most. An error of ``check_lease`` between two messages ends the run."""
        report = DeliveryReport(self._account)
        began = self._clock.monotonic()
        try:
            while self._clock.monotonic() - began < RUN_SECONDS:
                check_lease()
                if not self._deliver_next(epoch, report):
                    break
                progress.advance(report.delivered + report.failed, None)
        except ReconcilerError as error:
            report.failure = error
        report.endpoint_down = self._circuit.is_open
        report.seconds = self._clock.monotonic() - began
        return report

    def _deliver_next(self, epoch: int, report: DeliveryReport) -> bool:
        """Deliver one message; False if none may be sent now."""
        if self._circuit.has_recovered(self._account):
            # messages that failed because the endpoint was down need not wait for their own retry
            self._outbox.try_now(FAILURES)
        if not self._circuit.may_try():
            return False
        claim_seconds = self._terms.timeout.total_seconds() + CLAIM_SLACK_SECONDS
        attempt = self._outbox.claim(epoch, claim_seconds, probe=self._circuit.is_open)
        if attempt is None:
            return False

        self._circuit.began()
        receipt = self._send(attempt)
        if receipt.fault is None:
            self._circuit.succeeded()
            self._outbox.delivered(attempt.message.number)
            report.delivered += 1
            return True
        self._note_failure(attempt, receipt, receipt.fault, report)
        return True

    def _note_failure(
        self, attempt: Attempt, receipt: Receipt, fault: str, report: DeliveryReport
    ) -> None:
        if receipt.is_endpoints_fault:
            self._circuit.failed()
        else:
            # the endpoint answers and refuses this message alone, so the other messages need not wait
            self._circuit.succeeded()
        given_up = is_last_attempt(attempt, self._terms.give_up)
        seconds = retry_pause(attempt.number, self._chance())
        self._outbox.failed(attempt, fault, seconds, given_up=given_up)
        report.failed += 1
        report.given_up += given_up
        report.last_fault = fault

    def _send(self, attempt: Attempt) -> Receipt:
        body = message_body(attempt.message)
        signed = signature(body, self._terms.secret, self._clock.now())
        return self._sender.post(body, {SIGNATURE_HEADER: signed})
