"""An outbox in a real database, and a real endpoint on loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from psycopg.rows import dict_row

from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.outbox.outbox import PostgresOutbox
from reconciler.adapters.webhook_sender import HttpWebhookSender
from reconciler.clock import SystemClock
from reconciler.engine.delivery.circuit_breaker import CircuitBreaker
from reconciler.engine.delivery.deliver import Delivery, DeliveryReport, DeliveryTerms
from tests.endpoint import Endpoint, serving
from tests.kept_connections import kept_connection

SECRET = "whsec_" + "0123456789abcdef" * 4
TIMEOUT = 0.5


class NoProgress:
    def advance(self, examined: int, total: int | None) -> None:
        pass


@dataclass
class Post:
    """An account's outbox, its lease, and the endpoint that its messages go to."""

    url: str
    database: Database
    endpoint: Endpoint
    stack: ExitStack
    clock: SystemClock = field(default_factory=SystemClock)
    stopping: threading.Event = field(default_factory=threading.Event)
    terms: DeliveryTerms = field(
        default_factory=lambda: DeliveryTerms(SECRET, timedelta(seconds=TIMEOUT), timedelta(days=3))
    )

    def __post_init__(self) -> None:
        self.outbox = PostgresOutbox(self.database, "default")
        self.leases = PostgresLeaseStore(self.database, "default")
        self.epoch = self.leases.acquire("test", 60) or 0

    def put(self, *keys: str, kind: str = "correction") -> None:
        """Add an outbox row for each of these payments."""
        for key in keys:
            self.query(
                "INSERT INTO reconciler.outbox (account, payment_key, payment_intent, kind, from_status,"
                " to_status, outcome, ledger_seq) VALUES ('default', %(key)s, 'pi_' || %(key)s, %(kind)s,"
                " 'pending', 'paid', 'succeeded', (SELECT count(*) + 1 FROM reconciler.outbox)) RETURNING id",
                key=key,
                kind=kind,
            )

    def query(self, query: str, **values: object) -> list[dict[str, Any]]:
        cursor = kept_connection(self.url).cursor(row_factory=dict_row)
        return cursor.execute(query, values).fetchall()  # type: ignore[call-overload,no-any-return]

    def execute(self, query: str) -> None:
        kept_connection(self.url).execute(query)  # type: ignore[call-overload]

    def rows(self) -> list[dict[str, Any]]:
        return self.query("SELECT * FROM reconciler.outbox ORDER BY id")

    def waiting(self) -> list[str]:
        return [row["payment_key"] for row in self.rows() if row["delivered_at"] is None]

    def later(self) -> None:
        """End all pauses and all claims."""
        self.execute(
            "UPDATE reconciler.outbox SET next_attempt_at = now(), claimed_until = now()"
            " WHERE delivered_at IS NULL"
        )

    def new_delivery(self, circuit: CircuitBreaker | None = None) -> Delivery:
        """A delivery of this outbox with its own connection to the endpoint."""
        sender = HttpWebhookSender(self.endpoint.url, TIMEOUT, self.clock, self.stopping)
        self.stack.callback(sender.close)
        return Delivery(
            "default",
            self.outbox,
            sender,
            self.clock,
            circuit or CircuitBreaker(self.clock, lambda: 0.0),
            self.terms,
            lambda: 0.0,
        )

    def run(
        self, recheck: Callable[[], None] = lambda: None, epoch: int | None = None
    ) -> DeliveryReport:
        """One run of a new delivery, which knows nothing of the endpoint yet."""
        return self.new_delivery().run(
            self.epoch if epoch is None else epoch, recheck, NoProgress()
        )


@pytest.fixture
def post(database: str) -> Iterator[Post]:
    """An empty outbox whose lease the test holds, and an endpoint that answers 200."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(serving())
        opened = stack.enter_context(Database(database))
        yield Post(database, opened, endpoint, stack)
