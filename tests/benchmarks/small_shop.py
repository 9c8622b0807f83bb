"""A small shop whose webhooks are lost, its Stripe in this process, and when Reconciler wrote each of its rows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from reconciler.clock import SystemClock
from reconciler.sandbox import TEST_KEY, IntentRecord, Sandbox, SandboxServer
from tests.benchmarks.databases import Databases, query_rows
from tests.benchmarks.service_process import LONGEST_SECONDS, environment

AMOUNT = 1250
AGE = timedelta(hours=1)
NOTE_WRITES = """
CREATE TABLE written (id bigint NOT NULL, at timestamptz NOT NULL);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO written VALUES (NEW.id, clock_timestamp());
    RETURN NEW;
END $$;
CREATE TRIGGER note AFTER UPDATE ON payments FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND current_setting('application_name') = 'reconciler')
    EXECUTE FUNCTION note();
"""

WINDOW_SWEPT = """
INSERT INTO reconciler.sweeps (account, kind, mode, applied, asked_by, finished_at, complete, report)
VALUES ('default', 'window', 'update', true, 'service', now(), true, '{}')
"""


@dataclass
class SmallShop:
    """The shop's database, its Stripe, and the environment of a service that works on them."""

    url: str
    sandbox: Sandbox
    environ: dict[str, str]
    intents: list[IntentRecord] = field(default_factory=list)

    def add_payments(self, count: int, *, paid: bool) -> None:
        """Add payments whose rows are pending, one a second until an hour ago; ``paid`` is whether Stripe says paid."""
        first = len(self.intents)
        oldest = datetime.now(UTC).replace(microsecond=0) - AGE - timedelta(seconds=count)

        for number in range(count):
            at = oldest + timedelta(seconds=number)
            intent = self.sandbox.create_payment(AMOUNT, "eur", at=at)
            if paid:
                self.sandbox.succeed(intent.id, at=at)
            self.intents.append(intent)

        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO payments (id, pi, status, amount, currency, created_at)"
                " VALUES (%s, %s, 'pending', %s, 'eur', %s)",
                [
                    (number, intent.id, AMOUNT, datetime.fromtimestamp(intent.created, UTC))
                    for number, intent in enumerate(self.intents[first:], first)
                ],
            )

    def note_window_sweep(self) -> None:
        """Note that the day's window sweep was made: a service begins with the due and tail sweeps only."""
        with psycopg.connect(self.url) as connection:
            connection.execute(WINDOW_SWEPT)

    def written(self) -> dict[int, float]:
        """When Reconciler wrote each row, by key, in Unix seconds. Raises RuntimeError if it wrote a row twice."""
        rows = query_rows(self.url, "SELECT id, extract(epoch FROM at)::float8 FROM written")
        moments = {int(str(key)): float(str(at)) for key, at in rows}
        if len(moments) != len(rows):
            raise RuntimeError(f"{len(rows) - len(moments)} rows were written twice")
        return moments

    def wait_for(self, keys: Sequence[int], seconds: float = LONGEST_SECONDS) -> dict[int, float]:
        """Wait until all these rows are written; returns when each was. Raises RuntimeError if that takes too long."""
        clock, until = SystemClock(), time.monotonic() + seconds
        while time.monotonic() < until:
            written = self.written()
            if all(key in written for key in keys):
                return written
            clock.sleep(0.05)
        missing = [key for key in keys if key not in written]
        raise RuntimeError(f"{len(missing)} of {len(keys)} rows were not corrected in {seconds} s")


@contextmanager
def small_shop(databases: Databases, **settings: str) -> Iterator[SmallShop]:
    """A shop with an empty table; ``settings`` as for :func:`environment`."""
    sandbox = Sandbox(SystemClock(), seed=1)
    with (
        databases.filled() as template,
        databases.copy_of(template) as url,
        SandboxServer(sandbox) as server,
        environment(url, server.url, TEST_KEY, **settings) as environ,
    ):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(NOTE_WRITES)
        yield SmallShop(url, sandbox, environ)
