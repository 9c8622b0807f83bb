"""A merchant with a real table, a Stripe that can be broken, and the program as its user starts it.

Stripe's clock stands still unless a test moves it, so that grace and ranges are exact. The waits between the gateway's
tries are cut to milliseconds, their number stays; nothing is paced unless a test says so.
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

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from reconciler.clock import ManualClock, SystemClock
from reconciler.entrypoints.cli.app import run
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxLimits, SandboxServer
from tests.conftest import Shop

REPOSITORY = Path(__file__).parents[2]
NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
RETRIEVE = "GET /v1/payment_intents/{id}"
LIST = "GET /v1/payment_intents"
EVENTS = "GET /v1/events"
TRIES = 5
"""How often the gateway asks before it gives up."""
CLIENT_SECRET = re.compile(r"_secret_[A-Za-z0-9]")
UNPACED = {"global_per_second": 100_000, "endpoint_per_second": 100_000, "share": 1}
ROWS_KEPT_BY_SETTLED = ("sweeps", "reads", "leases", "ledger", "ledger_heads")


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value that it must be."""
        return json.loads(self.out)


class World:
    """A merchant, its Stripe, and a configuration that joins them."""

    def __init__(
        self, shop: Shop, server: SandboxServer, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.shop = shop
        self.server = server
        self.stripe: Sandbox = server.sandbox
        self.folder = folder
        self.config = folder / "reconciler.toml"
        self._capsys = capsys
        self.secrets = [TEST_KEY]
        self.environ: dict[str, str] = {
            "STRIPE_API_KEY": TEST_KEY,
            "DATABASE_URL": shop.url,
            "RECONCILER_CONFIG": str(self.config),
        }
        self.sections: dict[str, Any] = {
            "stripe": {"api_base": server.url},
            "payments": payments_section(shop),
            "budget": dict(UNPACED),
        }
        self.configure()

    @property
    def clock(self) -> ManualClock:
        """Stripe's clock."""
        clock = self.stripe.clock
        assert isinstance(clock, ManualClock)
        return clock

    def set_clocks_right(self) -> None:
        """Let Stripe's clock show this machine's time, for the doctor's sake."""
        self.clock.advance(SystemClock().now() - self.clock.now())

    def configure(self, **sections: Mapping[str, Any] | list[Mapping[str, Any]]) -> None:
        """Change the configuration: a key that becomes None is taken out, a list takes a table's place."""
        for name, section in sections.items():
            if isinstance(section, list):
                self.sections[name] = section
                continue
            changed = {**self.sections.get(name, {}), **section}
            self.sections[name] = {
                key: value for key, value in changed.items() if value is not None
            }
        self.config.write_text(as_toml(self.sections), encoding="utf-8")

    def pay(
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
        """A payment that Stripe and the table know of; the PaymentIntent's id.

        ``becomes`` is what Stripe made of it a second later, as a method of the sandbox; ``intent`` goes to the
        PaymentIntent, the rest into the row.
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

    def missing(self, key: object, status: str = "pending", ident: str | None = None) -> str:
        """A row whose PaymentIntent Stripe does not know."""
        ident = ident or f"pi_unknown{key}"
        self.shop.insert(
            key=key,
            payment_intent=ident,
            status=status,
            created=(NOW - timedelta(days=2)).isoformat(),
        )
        return ident

    def statuses(self) -> dict[str, str | None]:
        """The status of every row, in the order of their keys."""
        rows = sorted(self.shop.rows().items(), key=lambda item: (len(item[0]), item[0]))
        return {key: row["status"] for key, row in rows}

    def ask(self, query: str) -> list[dict[str, Any]]:
        """What a query gives."""
        with psycopg.connect(self.shop.url, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def execute(self, query: str | sql.Composable) -> None:
        """Do something in the database, as somebody else."""
        self.shop.execute(query)

    def kinds(self) -> dict[str, list[str]]:
        """The stored discrepancies: kind to the states of all of that kind."""
        found: dict[str, list[str]] = {}
        for row in self.ask("SELECT kind, state FROM reconciler.discrepancies ORDER BY kind, id"):
            found.setdefault(row["kind"], []).append(row["state"])
        return found

    def dump(self) -> dict[str, list[str]]:
        """The merchant's table and everything of ours, as text, for a comparison of before and after.

        Leases and reads are left out: a sweep that ends in an error has asked, and has held its lease.
        """
        tables = [
            row["name"]
            for row in self.ask(
                "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'reconciler'"
                " AND tablename NOT IN ('leases', 'reads') AND tablename NOT LIKE '%yoyo%'"
                " ORDER BY 1"
            )
        ]
        dumped = {}
        for table in [sql.Identifier("reconciler", name) for name in tables] + [self.shop.table]:
            query = sql.SQL("SELECT t::text AS line FROM {} AS t ORDER BY 1").format(table)
            with psycopg.connect(self.shop.url) as connection:
                dumped[table.as_string()] = [line for (line,) in connection.execute(query)]
        return dumped

    def substance(self) -> dict[str, list[str]]:
        """As ``dump``, without what tells merely that a sweep took place."""
        return {
            name: lines
            for name, lines in self.dump().items()
            if not any(f'"{kept}"' in name for kept in ROWS_KEPT_BY_SETTLED)
        }

    def run(self, *arguments: str, **environ: str) -> Answer:
        """Carry out a command line. Whatever it says, it says no secret and shows no traceback."""
        self._capsys.readouterr()
        code = run(arguments, {**self.environ, **environ})
        captured = self._capsys.readouterr()
        self._is_decent(captured.out, captured.err)
        return Answer(code, captured.out, captured.err)

    def sweep(self, *arguments: str, **environ: str) -> Answer:
        """A sweep with its report as JSON."""
        return self.run("sweep", "--json", *arguments, **environ)

    def start(self, *arguments: str, **environ: str) -> Answer:
        """Carry out a command line in a process of its own, with real waits and a real exit code."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "reconciler", *arguments],
            cwd=REPOSITORY,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self._is_decent(done.stdout, done.stderr)
        return Answer(done.returncode, done.stdout, done.stderr)

    def verify(self) -> None:
        """The ledger's chain holds, and every correction has its row in the outbox."""
        answer = self.run("verify", "--json")
        assert (answer.code, answer.json["ok"]) == (0, True)
        written = self.ask(
            "SELECT account, seq FROM reconciler.ledger WHERE action IN ('correction', 'revert')"
            " OR (action = 'resolution' AND body ? 'after') ORDER BY account, seq"
        )
        waiting = self.ask(
            "SELECT account, ledger_seq AS seq FROM reconciler.outbox ORDER BY account, ledger_seq"
        )
        assert waiting == written

    def _is_decent(self, *texts: str) -> None:
        for text in texts:
            assert "Traceback" not in text, text
            assert not CLIENT_SECRET.search(text), text
            for secret in self.secrets:
                assert secret not in text, text


def payments_section(shop: Shop) -> dict[str, Any]:
    """The [payments] section of a shop's mapping."""
    mapping = shop.mapping
    named = {
        "table": mapping.table,
        "key": mapping.key,
        "payment_intent": mapping.payment_intent,
        "status": mapping.status,
        "amount": mapping.amount,
        "amount_unit": mapping.amount_unit,
        "currency": mapping.currency,
        "currency_constant": mapping.currency_constant,
        "created": mapping.created,
        "created_unit": mapping.created_unit,
        "updated": mapping.updated,
        "order": mapping.order,
        "account": mapping.account,
    }
    section: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    section["read"] = {value: outcome.value for value, outcome in mapping.statuses.read.items()}
    section["write"] = {
        outcome.value: value
        for outcome, value in mapping.statuses.write.items()
        if outcome.value not in ("refunded", "disputed")
    }
    return section


def as_toml(sections: Mapping[str, Any]) -> str:
    """A configuration file: sections with tables inside, and lists of tables."""
    lines: list[str] = []
    for name, section in sections.items():
        if isinstance(section, list):
            for item in section:
                lines.append(f"[[{name}]]")
                lines += [f"{_quoted(key)} = {json.dumps(value)}" for key, value in item.items()]
            continue
        inner = {key: value for key, value in section.items() if isinstance(value, Mapping)}
        lines.append(f"[{name}]")
        lines += [
            f"{_quoted(key)} = {json.dumps(value)}"
            for key, value in section.items()
            if key not in inner
        ]
        for key, table in inner.items():
            lines.append(f"[{name}.{_quoted(key)}]")
            lines += [f"{_quoted(one)} = {json.dumps(value)}" for one, value in table.items()]
    return "\n".join(lines) + "\n"


def _quoted(key: str) -> str:
    return json.dumps(key)


def a_stripe(limits: SandboxLimits | None = None) -> Sandbox:
    """A Stripe without payments, whose clock stands at NOW."""
    clock = ManualClock(NOW)
    return Sandbox(clock) if limits is None else Sandbox(clock, limits=limits)
