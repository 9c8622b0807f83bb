"""A merchant with a real table, a Stripe that can be broken, and the program as its user starts it.

Stripe's clock advances only when a test advances it, so that grace and time ranges are exact. The gateway makes as many
tries as usual, but waits only milliseconds between them. No rate limit applies unless a test configures one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql
from psycopg.rows import dict_row

from reconciler.clock import ManualClock, SystemClock
from reconciler.entrypoints.cli.app import run
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxLimits, SandboxServer
from tests.acceptance.configured_shop import REPOSITORY, ConfiguredShop, payments_section
from tests.conftest import Shop
from tests.kept_connections import kept_connection

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
RETRIEVE = "GET /v1/payment_intents/{id}"
LIST = "GET /v1/payment_intents"
EVENTS = "GET /v1/events"
TRIES = 5
"""How many tries the gateway makes for one read."""
CLIENT_SECRET = re.compile(r"_secret_[A-Za-z0-9]")
NO_RATE_LIMIT = {
    "global_per_second": 100_000,
    "endpoint_per_second": 100_000,
    "search_per_second": 100_000,
    "share": 1,
}
TABLES_OF_EVERY_SWEEP = ("sweeps", "reads", "leases", "ledger", "ledger_heads")
"""A sweep that changes nothing still writes to these."""


@dataclass(frozen=True)
class Answer:
    """A command's exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value that it must be."""
        return json.loads(self.out)


class Installation(ConfiguredShop):
    """A configured shop whose commands run in this process, and are checked for secrets and tracebacks."""

    def __init__(
        self, shop: Shop, server: SandboxServer, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sections = {"payments": payments_section(shop), "budget": dict(NO_RATE_LIMIT)}
        super().__init__(shop, server, folder, sections)
        self._capsys = capsys
        self.secrets = [TEST_KEY]

    @property
    def clock(self) -> ManualClock:
        """Stripe's clock."""
        clock = self.stripe.clock
        assert isinstance(clock, ManualClock)
        return clock

    def set_clock_to_now(self) -> None:
        """Set Stripe's clock to this machine's time, because the doctor compares the two."""
        self.clock.advance(SystemClock().now() - self.clock.now())

    def add_payment(
        self,
        key: object,
        status: str = "pending",
        becomes: str | None = "succeed",
        *,
        amount: int = 1250,
        currency: str = "eur",
        age: timedelta = timedelta(days=2),
        intent: Mapping[str, Any] | None = None,
        **row: object,
    ) -> str:
        """Add a payment at Stripe and in the table; returns the PaymentIntent's id.

        ``becomes`` is the sandbox's method that is called a second after the payment's creation. ``intent`` has
        arguments for the PaymentIntent, ``row`` has columns of the row.
        """
        created = NOW - age
        made = self.stripe.create_payment(amount, currency, at=created, **(intent or {}))
        if becomes is not None:
            getattr(self.stripe, becomes)(made.id, at=created + timedelta(seconds=1))
        values = {
            "key": key,
            "payment_intent": made.id,
            "status": status,
            "amount": amount,
            "created": created.isoformat(),
            **row,
        }
        if "currency" in self.shop.names:
            values.setdefault("currency", currency)
        self.shop.insert(**values)
        return made.id

    def add_unknown_payment(
        self, key: object, status: str = "pending", ident: str | None = None
    ) -> str:
        """Add a row whose PaymentIntent Stripe does not know; returns the PaymentIntent's id."""
        ident = ident or f"pi_unknown{key}"
        self.shop.insert(
            key=key,
            payment_intent=ident,
            status=status,
            created=(NOW - timedelta(days=2)).isoformat(),
        )
        return ident

    def statuses(self) -> dict[str, str | None]:
        """The status of every row by key, in the order of the keys."""
        rows = sorted(self.shop.rows().items(), key=lambda item: (len(item[0]), item[0]))
        return {key: row["status"] for key, row in rows}

    def query_dicts(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query, each as column to value."""
        cursor = kept_connection(self.shop.url).cursor(row_factory=dict_row)
        return cursor.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def states_by_kind(self) -> dict[str, list[str]]:
        """The states of the stored discrepancies, by kind."""
        found: dict[str, list[str]] = {}
        for row in self.query_dicts(
            "SELECT kind, state FROM reconciler.discrepancies ORDER BY kind, id"
        ):
            found.setdefault(row["kind"], []).append(row["state"])
        return found

    def dump(self) -> dict[str, list[str]]:
        """The rows of the merchant's table and of Reconciler's tables as text, to compare before and after.

        Leases and reads are left out: a sweep that ends in an error has read from Stripe and has held its lease.
        """
        tables = [
            row["name"]
            for row in self.query_dicts(
                "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'reconciler'"
                " AND tablename NOT IN ('leases', 'reads') AND tablename NOT LIKE '%yoyo%'"
                " ORDER BY 1"
            )
        ]
        dumped = {}
        for table in [sql.Identifier("reconciler", name) for name in tables] + [self.shop.table]:
            query = sql.SQL("SELECT t::text AS line FROM {} AS t ORDER BY 1").format(table)
            found = kept_connection(self.shop.url).execute(query)
            dumped[table.as_string()] = [line for (line,) in found]
        return dumped

    def dump_results(self) -> dict[str, list[str]]:
        """As ``dump``, without the tables to which every sweep writes."""
        return {
            name: lines
            for name, lines in self.dump().items()
            if not any(f'"{table}"' in name for table in TABLES_OF_EVERY_SWEEP)
        }

    def run(self, *arguments: str, **environ: str) -> Answer:
        """Run a command line in this process. Its output must have no secret and no traceback."""
        self._capsys.readouterr()
        code = run(arguments, {**self.environ, **environ})
        captured = self._capsys.readouterr()
        self._check_output(captured.out, captured.err)
        return Answer(code, captured.out, captured.err)

    def sweep(self, *arguments: str, **environ: str) -> Answer:
        """Run ``sweep`` with its report as JSON."""
        return self.run("sweep", "--json", *arguments, **environ)

    def run_process(self, *arguments: str, **environ: str) -> Answer:
        """Run a command line in a process of its own, with real waits and a real exit code."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "reconciler", *arguments],
            cwd=REPOSITORY,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self._check_output(done.stdout, done.stderr)
        return Answer(done.returncode, done.stdout, done.stderr)

    def check_ledger(self) -> None:
        """Assert that the ledger verifies, and that every correction has its row in the outbox."""
        answer = self.run("verify", "--json")
        assert (answer.code, answer.json["ok"]) == (0, True)
        written = self.query_dicts(
            "SELECT account, seq FROM reconciler.ledger WHERE action IN ('correction', 'revert')"
            " OR (action = 'resolution' AND body ? 'after') ORDER BY account, seq"
        )
        waiting = self.query_dicts(
            "SELECT account, ledger_seq AS seq FROM reconciler.outbox ORDER BY account, ledger_seq"
        )
        assert waiting == written

    def _check_output(self, *texts: str) -> None:
        for text in texts:
            assert "Traceback" not in text, text
            assert not CLIENT_SECRET.search(text), text
            for secret in self.secrets:
                assert secret not in text, text


def make_stripe(limits: SandboxLimits | None = None) -> Sandbox:
    """A Stripe without payments, whose clock begins at NOW."""
    clock = ManualClock(NOW)
    return Sandbox(clock) if limits is None else Sandbox(clock, limits=limits)
