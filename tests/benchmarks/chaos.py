"""Kill the service again and again while it works, and look at what it has done.

    python tests/benchmarks/chaos.py [--kills 200] [--payments 2000] [--replicas 1|2] [--seed N]

Payments whose webhooks were lost come in all the time; a merchant's handler writes and locks the same rows; a random
replica is killed with SIGKILL at a random moment and started again. At the end every row must be what Stripe says,
each must have been written once, and the ledger must verify. It prints its seed and one JSON object, and ends with 1
where anything is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

REPOSITORY = Path(__file__).parents[2]
if __name__ == "__main__":
    sys.path.insert(0, str(REPOSITORY))

from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres  # noqa: E402
from reconciler.adapters.postgres.schema.migration import migrate  # noqa: E402
from reconciler.clock import SystemClock  # noqa: E402
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer  # noqa: E402
from tests.benchmarks.service import Service  # noqa: E402

CONFIGURATION = """
[stripe]
livemode = false
[payments]
table = "public.payments"
key = "id"
payment_intent = "stripe_payment_intent_id"
status = "status"
amount = "amount"
currency_constant = "eur"
created = "created_at"
[payments.read]
pending = "incomplete"
failed = "failed"
paid = "succeeded"
canceled = "canceled"
[payments.write]
failed = "failed"
succeeded = "paid"
canceled = "canceled"
[corrections]
mode = "update"
grace = "1s"
per_hour = 1000000
[budget]
share = 1
reads_per_30_days = 100000000
global_per_second = 60
endpoint_per_second = 60
[service]
listen = ""
lease = "1s"
tail = "10s"
due = "1s"
"""
TABLE = """
CREATE TABLE payments (
    id bigint PRIMARY KEY, stripe_payment_intent_id text NOT NULL, status text NOT NULL, amount bigint NOT NULL,
    created_at timestamptz NOT NULL, touched bigint NOT NULL DEFAULT 0
);
CREATE INDEX ON payments (stripe_payment_intent_id);
CREATE TABLE written (id bigint, was text, became text, by text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO written VALUES (NEW.id, OLD.status, NEW.status, current_setting('application_name'));
    RETURN NEW;
END $$;
CREATE TRIGGER note AFTER UPDATE ON payments FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION note();
"""
OUTCOMES = ("paid", "paid", "paid", "failed", "canceled")
HANDLED = 0.2
"""The share of late webhooks that do arrive: the handler writes those rows while we do."""
LONGEST_SETTLING = 180.0


@dataclass
class World:
    """The merchant, its Stripe, and what each row has to become."""

    url: str
    sandbox: Sandbox
    random: random.Random
    truth: dict[int, str] = field(default_factory=dict)

    def pay(self, count: int) -> None:
        """Payments that ended an hour ago, and of which the table does not know."""
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        rows = []
        for _ in range(count):
            intent = self.sandbox.create_payment(1250, "eur", at=at)
            outcome = self.random.choice(OUTCOMES)
            match outcome:
                case "paid":
                    self.sandbox.succeed(intent.id, at=at)
                case "failed":
                    self.sandbox.fail(intent.id, at=at)
                case _:
                    self.sandbox.cancel(intent.id, at=at)
            key = len(self.truth) + 1
            self.truth[key] = outcome
            rows.append((key, intent.id, at))
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, created_at)"
                " VALUES (%s, %s, 'pending', 1250, %s)",
                rows,
            )

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload]

    def wrong(self) -> dict[int, str]:
        """Rows that are not what Stripe says."""
        rows = dict(self.ask("SELECT id, status FROM payments"))
        return {key: str(rows[key]) for key, want in self.truth.items() if rows[key] != want}


class Handler(threading.Thread):
    """The merchant's own code: late webhooks write rows, and other work locks them for a while."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(name="handler", daemon=True)
        self._world = world
        self._random = random.Random(seed)
        self.stopping = threading.Event()
        self.wrote = 0

    def run(self) -> None:
        application = psycopg.connect(self._world.url, application_name="merchant", autocommit=True)
        with application as connection:
            while not self.stopping.wait(0.01):
                keys = [*self._world.truth]
                if not keys:
                    continue
                key = self._random.choice(keys[-200:])
                with connection.transaction():
                    connection.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", (key,))
                    if self._random.random() < HANDLED:
                        done = connection.execute(
                            "UPDATE payments SET status = %s WHERE id = %s AND status = 'pending'",
                            (self._world.truth[key], key),
                        )
                        self.wrote += done.rowcount
                    else:
                        connection.execute(
                            "UPDATE payments SET touched = touched + 1 WHERE id = %s", (key,)
                        )
                    self.stopping.wait(self._random.random() * 0.02)


@contextmanager
def a_world(seed: int) -> Iterator[tuple[World, dict[str, str]]]:
    """Everything but the service: its environment comes with it."""
    with ExitStack() as stack:
        postgres = EmbeddedPostgres()
        stack.callback(postgres.stop)
        url = postgres.start()
        migrate(url, daemon_role=None, auditor_role=None)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE)
        server = stack.enter_context(SandboxServer(Sandbox(SystemClock(), seed=seed)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reconciler-chaos-")))
        config = folder / "reconciler.toml"
        config.write_text(CONFIGURATION, encoding="utf-8")
        environ = {
            "STRIPE_API_KEY": TEST_KEY,
            "DATABASE_URL": url,
            "RECONCILER_CONFIG": str(config),
            "RECONCILER_STRIPE__API_BASE": server.url,
        }
        yield World(url, server.sandbox, random.Random(seed)), environ


def chaos(*, kills: int, payments: int, replicas: int, seed: int) -> dict[str, object]:
    """Make it, and tell what came of it. ``ok`` is whether nothing was wrong."""
    chance, clock, pause = random.Random(seed), SystemClock(), threading.Event()
    began = clock.monotonic()
    with a_world(seed) as (world, environ):
        handler = Handler(world, seed)
        group = [Service(environ) for _ in range(replicas)]
        try:
            for replica in group:
                replica.start()
            handler.start()
            done = in_work = 0
            while done < kills:
                world.pay(payments * (done + 1) // kills - payments * done // kills)
                if chance.random() < 0.8:
                    # most of the time in the middle of work, now and then while all are starting
                    _somebody_works(group, pause)
                pause.wait(chance.random() * 1.5)
                victim = chance.choice(group)
                in_work += victim.has_told("lease.taken")
                victim.end(signal.SIGKILL)
                victim.start()
                done += 1
            until = clock.monotonic() + LONGEST_SETTLING
            while world.wrong() and clock.monotonic() < until:
                pause.wait(0.5)
            handler.stopping.set()
            handler.join(30)
            for replica in group:
                replica.wait_for("service.ready", seconds=60)
            codes = [replica.end(signal.SIGTERM) for replica in group]
        finally:
            handler.stopping.set()
            for replica in group:
                replica.close()
        return _tally(world, environ, handler) | {
            "seed": seed,
            "replicas": replicas,
            "kills": done,
            "kills_in_work": in_work,
            "ended_well": codes == [0] * replicas,
            "seconds": round(clock.monotonic() - began, 1),
        }


def _somebody_works(group: list[Service], pause: threading.Event) -> None:
    for _ in range(600):
        if any(replica.has_told("lease.taken") for replica in group):
            return
        pause.wait(0.05)


def _tally(world: World, environ: dict[str, str], handler: Handler) -> dict[str, object]:
    verified = subprocess.run(
        [sys.executable, "-m", "reconciler", "verify"],
        cwd=REPOSITORY,
        env={"PATH": os.defpath, **environ},
        capture_output=True,
        check=False,
    )
    (twice,) = world.ask(
        "SELECT count(*) FROM (SELECT id FROM written GROUP BY id HAVING count(*) > 1) AS twice"
    )[0]
    (ours,) = world.ask("SELECT count(*) FROM written WHERE by = 'reconciler'")[0]
    (outbox, of_rows) = world.ask(
        "SELECT count(*), count(DISTINCT payment_key) FROM reconciler.outbox"
    )[0]
    (entries,) = world.ask("SELECT count(*) FROM reconciler.ledger WHERE action = 'correction'")[0]
    (epochs,) = world.ask("SELECT max(epoch) FROM reconciler.leases")[0]
    wrong = len(world.wrong())
    return {
        "payments": len(world.truth),
        "corrected": ours,
        "written_by_handler": handler.wrote,
        "wrong": wrong,
        "written_twice": twice,
        "outbox": outbox,
        "ledger_corrections": entries,
        "ledger_verifies": verified.returncode == 0,
        "takeovers": epochs,
        "ok": wrong == 0
        and twice == 0
        and ours == outbox == of_rows == entries
        and verified.returncode == 0,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the service at random moments.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--payments", type=int, default=2000)
    parser.add_argument("--replicas", type=int, default=1, choices=(1, 2, 3))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    given = parser.parse_args()
    print(f"seed {given.seed}", file=sys.stderr, flush=True)  # noqa: T201
    tally = chaos(
        kills=given.kills, payments=given.payments, replicas=given.replicas, seed=given.seed
    )
    print(json.dumps(tally))  # noqa: T201
    return 0 if tally["ok"] and tally["ended_well"] else 1


if __name__ == "__main__":
    sys.exit(main())
