"""The delivery of an account's outbox to the configured endpoint."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.outbox.outbox import PostgresOutbox
from reconciler.adapters.webhook_sender import HttpWebhookSender
from reconciler.clock import Clock
from reconciler.engine.delivery.circuit_breaker import CircuitBreaker
from reconciler.engine.delivery.deliver import Delivery, DeliveryTerms
from reconciler.errors import ConfigurationError
from reconciler.settings import Settings
from reconciler.settings.signing import NO_SECRET


def random_fraction() -> float:
    """A random number from 0 to 1, for jitter."""
    return secrets.randbelow(1000) / 1000


@contextmanager
def open_delivery(
    settings: Settings,
    account: str,
    clock: Clock,
    database: Database,
    circuit: CircuitBreaker,
    stopping: threading.Event,
) -> Iterator[Delivery]:
    """The delivery of an account's outbox, for the length of the block.

    Once ``stopping`` is set, a request has two seconds left. Raises ConfigurationError if no endpoint is configured.
    """
    section = settings.delivery
    if section.url is None or settings.signing_secret is None:
        raise ConfigurationError((NO_SECRET,))
    timeout = section.timeout
    sender = HttpWebhookSender(section.url, timeout.total_seconds(), clock, stopping)
    terms = DeliveryTerms(settings.signing_secret.get_secret_value(), timeout, section.give_up)
    outbox = PostgresOutbox(database, account)
    try:
        yield Delivery(account, outbox, sender, clock, circuit, terms, random_fraction)
    finally:
        sender.close()
