"""A small merchant whose webhooks are lost, its Stripe in this process, and when each of its rows was written by us."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from reconciler.clock import SystemClock
from reconciler.sandbox import TEST_KEY, IntentRecord, Sandbox, SandboxServer
from tests.benchmarks.service import LONGEST, environment
from tests.benchmarks.shop import Databases, asked

AMOUNT = 1250
AGE = timedelta(hours=1)
NOTES = """
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


WINDOW_READ = """
INSERT INTO reconciler.sweeps (account, kind, mode, applied, asked_by, finished_at, complete, report)
VALUES ('default', 'window', 'update', true, 'service', now(), true, '{}')
"""


@dataclass
class Town:
    """The merchant's database, its Stripe, and what a service over them gets as its environment."""

    url: str
    sandbox: Sandbox
    environ: dict[str, str]
    intents: list[IntentRecord] = field(default_factory=list)

    def make(self, count: int, *, paid: bool) -> None:
        """Payments that are pending here, one a second until an hour ago; ``paid`` is whether Stripe knows better."""
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

    def count_window_as_read(self) -> None:
        """The day's window sweep was made already: a service begins with the due net and the tail."""
        with psycopg.connect(self.url) as connection:
            connection.execute(WINDOW_READ)

    def written(self) -> dict[int, float]:
        """When each row was written by us, in Unix seconds; the transaction has ended. Raises where one was twice."""
        rows = asked(self.url, "SELECT id, extract(epoch FROM at)::float8 FROM written")
        moments = {int(str(key)): float(str(at)) for key, at in rows}
        if len(moments) != len(rows):
            raise RuntimeError(f"{len(rows) - len(moments)} rows were written twice")
        return moments

    def wait_for(self, keys: Sequence[int], seconds: float = LONGEST) -> dict[int, float]:
        """When each of these was written, once all of them are."""
        clock, until = SystemClock(), time.monotonic() + seconds
        while time.monotonic() < until:
            written = self.written()
            if all(key in written for key in keys):
                return written
            clock.sleep(0.05)
        missing = [key for key in keys if key not in written]
        raise RuntimeError(f"{len(missing)} of {len(keys)} rows were not corrected in {seconds} s")


@contextmanager
def town(databases: Databases, **settings: str) -> Iterator[Town]:
    """A town with an empty table; ``settings`` as for :func:`environment`."""
    sandbox = Sandbox(SystemClock(), seed=1)
    with (
        databases.filled() as template,
        databases.copy_of(template) as url,
        SandboxServer(sandbox) as server,
        environment(url, server.url, TEST_KEY, **settings) as environ,
    ):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(NOTES)
        yield Town(url, sandbox, environ)
