"""Kill the service at random moments while it works, and check what it has done.

    python tests/benchmarks/chaos.py [--kills 200] [--payments 2000] [--replicas 1|2] [--seed N]

Payments with lost webhooks are added all the time, while a merchant's handler writes and locks the same rows. A random
replica is killed with SIGKILL at a random moment and started again. At the end every row must have Stripe's outcome, each
row must have been written once, and the ledger must verify. The program prints its seed and one JSON object, and ends
with 1 if anything is wrong.
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
from tests.benchmarks.service_process import ServiceProcess  # noqa: E402

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
STATUSES = ("paid", "paid", "paid", "failed", "canceled")
LATE_WEBHOOK_SHARE = 0.2
"""The share of late webhooks that arrive: the handler writes those rows at the same time as the service."""
LONGEST_SETTLING_SECONDS = 180.0


@dataclass
class ChaosShop:
    """The merchant's database, its Stripe, and the status that each row must have in the end, by key."""

    url: str
    sandbox: Sandbox
    random: random.Random
    right_status: dict[int, str] = field(default_factory=dict)

    def add_payments(self, count: int) -> None:
        """Add payments that ended an hour ago, with rows that are still pending."""
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        rows = []

        for _ in range(count):
            intent = self.sandbox.create_payment(1250, "eur", at=at)
            status = self.random.choice(STATUSES)
            match status:
                case "paid":
                    self.sandbox.succeed(intent.id, at=at)
                case "failed":
                    self.sandbox.fail(intent.id, at=at)
                case _:
                    self.sandbox.cancel(intent.id, at=at)
            key = len(self.right_status) + 1
            self.right_status[key] = status
            rows.append((key, intent.id, at))

        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, created_at)"
                " VALUES (%s, %s, 'pending', 1250, %s)",
                rows,
            )

    def query(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload]

    def wrong_rows(self) -> dict[int, str]:
        """The rows whose status is not the right one, with their status."""
        rows = dict(self.query("SELECT id, status FROM payments"))
        return {
            key: str(rows[key]) for key, right in self.right_status.items() if rows[key] != right
        }


class Handler(threading.Thread):
    """The merchant's own code: late webhooks write rows, and other work locks them for some milliseconds."""

    def __init__(self, shop: ChaosShop, seed: int) -> None:
        super().__init__(name="handler", daemon=True)
        self._shop = shop
        self._random = random.Random(seed)
        self.stopping = threading.Event()
        self.written = 0

    def run(self) -> None:
        application = psycopg.connect(self._shop.url, application_name="merchant", autocommit=True)

        with application as connection:
            while not self.stopping.wait(0.01):
                keys = [*self._shop.right_status]
                if not keys:
                    continue
                key = self._random.choice(keys[-200:])

                with connection.transaction():
                    connection.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", (key,))
                    if self._random.random() < LATE_WEBHOOK_SHARE:
                        done = connection.execute(
                            "UPDATE payments SET status = %s WHERE id = %s AND status = 'pending'",
                            (self._shop.right_status[key], key),
                        )
                        self.written += done.rowcount
                    else:
                        connection.execute(
                            "UPDATE payments SET touched = touched + 1 WHERE id = %s", (key,)
                        )
                    self.stopping.wait(self._random.random() * 0.02)


@contextmanager
def chaos_shop(seed: int) -> Iterator[tuple[ChaosShop, dict[str, str]]]:
    """A shop for the length of the block, and the environment of services that work on it."""
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
        yield ChaosShop(url, server.sandbox, random.Random(seed)), environ


def chaos(*, kills: int, payments: int, replicas: int, seed: int) -> dict[str, object]:
    """Run replicas and kill them; returns the counts. ``ok`` is whether nothing was wrong."""
    chance, clock, pause = random.Random(seed), SystemClock(), threading.Event()
    began = clock.monotonic()

    with chaos_shop(seed) as (shop, environ):
        handler = Handler(shop, seed)
        group = [ServiceProcess(environ) for _ in range(replicas)]

        try:
            for replica in group:
                replica.start()
            handler.start()
            killed = killed_at_work = 0

            while killed < kills:
                shop.add_payments(payments * (killed + 1) // kills - payments * killed // kills)
                if chance.random() < 0.8:
                    # most kills come while a replica works, some while all replicas are starting
                    _wait_for_lease(group, pause)
                pause.wait(chance.random() * 1.5)
                victim = chance.choice(group)
                killed_at_work += victim.has_logged("lease.taken")
                victim.end(signal.SIGKILL)
                victim.start()
                killed += 1

            until = clock.monotonic() + LONGEST_SETTLING_SECONDS
            while shop.wrong_rows() and clock.monotonic() < until:
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

        return _counts(shop, environ, handler) | {
            "seed": seed,
            "replicas": replicas,
            "kills": killed,
            "kills_in_work": killed_at_work,
            "ended_well": codes == [0] * replicas,
            "seconds": round(clock.monotonic() - began, 1),
        }


def _wait_for_lease(group: list[ServiceProcess], pause: threading.Event) -> None:
    for _ in range(600):
        if any(replica.has_logged("lease.taken") for replica in group):
            return
        pause.wait(0.05)


def _counts(shop: ChaosShop, environ: dict[str, str], handler: Handler) -> dict[str, object]:
    verified = subprocess.run(
        [sys.executable, "-m", "reconciler", "verify"],
        cwd=REPOSITORY,
        env={"PATH": os.defpath, **environ},
        capture_output=True,
        check=False,
    )
    (written_twice,) = shop.query(
        "SELECT count(*) FROM (SELECT id FROM written GROUP BY id HAVING count(*) > 1) AS twice"
    )[0]
    (corrected,) = shop.query("SELECT count(*) FROM written WHERE by = 'reconciler'")[0]
    (outbox, outbox_rows) = shop.query(
        "SELECT count(*), count(DISTINCT payment_key) FROM reconciler.outbox"
    )[0]
    (entries,) = shop.query("SELECT count(*) FROM reconciler.ledger WHERE action = 'correction'")[0]
    (epochs,) = shop.query("SELECT max(epoch) FROM reconciler.leases")[0]
    wrong = len(shop.wrong_rows())

    return {
        "payments": len(shop.right_status),
        "corrected": corrected,
        "written_by_handler": handler.written,
        "wrong": wrong,
        "written_twice": written_twice,
        "outbox": outbox,
        "ledger_corrections": entries,
        "ledger_verifies": verified.returncode == 0,
        "takeovers": epochs,
        "ok": wrong == 0
        and written_twice == 0
        and corrected == outbox == outbox_rows == entries
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
    counts = chaos(
        kills=given.kills, payments=given.payments, replicas=given.replicas, seed=given.seed
    )
    print(json.dumps(counts))  # noqa: T201
    return 0 if counts["ok"] and counts["ended_well"] else 1


if __name__ == "__main__":
    sys.exit(main())
