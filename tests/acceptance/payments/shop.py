"""A merchant's table, a configuration, and the program as its user starts it, against an exact Stripe."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from reconciler.entrypoints.cli.app import run
from tests.acceptance.configured_shop import as_toml
from tests.acceptance.installation import NO_RATE_LIMIT, Answer
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.stripe_objects import DAY
from tests.kept_connections import kept_connection

KEY = "rk_test_" + "j" * 24
TABLE = """
CREATE TABLE public.payments (
    id bigint PRIMARY KEY,
    intent text,
    status text NOT NULL,
    amount bigint,
    currency text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz,
    order_id text,
    account text
)
"""
PAYMENTS: Mapping[str, Any] = {
    "table": "public.payments",
    "key": "id",
    "payment_intent": "intent",
    "status": "status",
    "amount": "amount",
    "currency": "currency",
    "created": "created_at",
    "read": {
        "pending": "incomplete",
        "failed": "failed",
        "processing": "processing",
        "authorized": "authorized",
        "paid": "succeeded",
        "canceled": "canceled",
        "refunded": "refunded",
        "disputed": "disputed",
    },
    "write": {
        "failed": "failed",
        "processing": "processing",
        "authorized": "authorized",
        "succeeded": "paid",
        "canceled": "canceled",
    },
}
ORDERS = {"order": "order_id"}
LINKED = {"order": "order_id", "link_metadata": "order_id"}
SIDE_KINDS = frozenset(
    {"duplicate_payment", "capture_expiring", "overdue", "exhausted", "partially_funded"}
)


@dataclass(frozen=True)
class Row:
    """A row of the merchant's table, as it stands now."""

    intent: str | None
    status: str
    amount: int | None
    currency: str | None


class PaymentShop:
    """A merchant with a table, and Reconciler beside it."""

    def __init__(self, url: str, stripe: ExactStripe, folder: Path, payments: Mapping[str, Any]):
        self.url = url
        self.stripe = stripe
        self.config = folder / "reconciler.toml"
        self.outputs: list[str] = []
        """All that the program wrote to its standard outputs."""
        self.sections: dict[str, Any] = {
            "stripe": {"api_base": stripe.url},
            "payments": {**PAYMENTS, **payments},
            "corrections": {"mode": "update"},
            "budget": dict(NO_RATE_LIMIT),
        }
        self.configure()

    def configure(self, **sections: Mapping[str, Any] | list[Mapping[str, Any]]) -> None:
        """Change the configuration: a list takes a section's place, the keys of a mapping are added."""
        for name, section in sections.items():
            changed = section
            if isinstance(section, Mapping):
                changed = {**self.sections.get(name, {}), **section}
            self.sections[name] = changed
        self.config.write_text(as_toml(self.sections), encoding="utf-8")

    def configure_accounts(self, *accounts: Mapping[str, Any]) -> None:
        """Several accounts, each a connected account of its own; Stripe serves the same objects to all."""
        self.configure(
            accounts=[
                {"stripe_account": f"acct_{number}", **account}
                for number, account in enumerate(accounts)
            ]
        )

    def execute(self, query: str | sql.Composable, *values: object) -> None:
        """Do something in the database, as another program of the merchant's."""
        kept_connection(self.url).execute(query, values or None)  # type: ignore[call-overload]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives."""
        return kept_connection(self.url).execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    @contextlib.contextmanager
    def locked(self, query: str) -> Iterator[None]:
        """Hold what a query locks, as a transaction of the merchant's that has not ended."""
        with psycopg.connect(self.url) as connection:
            connection.execute(query)  # type: ignore[call-overload]
            yield
            connection.rollback()

    def row(
        self,
        key: int,
        intent: str | None,
        status: str = "pending",
        amount: int | None = 1250,
        currency: str = "eur",
        *,
        age: timedelta = DAY,
        order: str | None = None,
        **more: object,
    ) -> None:
        """Add a row; ``more`` are other columns."""
        columns: dict[str, object] = {
            "id": key,
            "intent": intent,
            "status": status,
            "amount": amount,
            "currency": currency,
            "created_at": datetime.now(UTC) - age,
            "order_id": order,
            **more,
        }
        self.execute(
            sql.SQL("INSERT INTO public.payments ({}) VALUES ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(map(sql.Literal, columns.values())),
            )
        )

    def rows(self) -> dict[int, Row]:
        """Every row, by key."""
        found = self.ask("SELECT id, intent, status, amount, currency FROM payments ORDER BY id")
        return {key: Row(*rest) for key, *rest in found}

    def statuses(self) -> dict[int, str]:
        """Every row's status, by key."""
        return {key: row.status for key, row in self.rows().items()}

    def run(self, *arguments: str, **environ: str) -> Answer:
        """Carry out a command line in this process. It shows no traceback, no key and no client secret."""
        out, err = io.StringIO(), io.StringIO()
        variables = {
            "STRIPE_API_KEY": KEY,
            "DATABASE_URL": self.url,
            "RECONCILER_CONFIG": str(self.config),
            "COLUMNS": "200",
            **environ,
        }
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(arguments, variables)
        answer = Answer(code, out.getvalue(), err.getvalue())
        self.outputs += [answer.out, answer.err]
        for text in (answer.out, answer.err):
            assert "Traceback" not in text, text
            assert KEY not in text, text
        return answer

    def sweep(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """A sweep that may write, and its report."""
        return self.report("--apply", *arguments, code=code)

    def report(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """A sweep, dry if no argument says otherwise, and its report."""
        answer = self.run("sweep", "--json", *arguments)
        report: dict[str, Any] = answer.json
        assert answer.code == code, (answer.out, answer.err)
        assert report["complete"] is (code == 0), report
        return report

    def discrepancies(self, *states: str) -> list[dict[str, Any]]:
        """The stored discrepancies, the oldest first: of these states, or of all."""
        options = [part for state in states for part in ("--state", state)]
        answer = self.run("discrepancies", "--json", *options)
        assert answer.code == 0, answer.err
        return sorted(answer.json, key=lambda one: one["id"])

    def open(self) -> list[dict[str, Any]]:
        """The open discrepancies, the oldest first."""
        return self.discrepancies("open")

    def open_kinds(self) -> list[str]:
        """The kinds of the open discrepancies, sorted."""
        return sorted(one["kind"] for one in self.open())

    def by_row(self) -> dict[str, list[dict[str, Any]]]:
        """The open discrepancies of each row, by the text of its key, the pair kind first."""
        found: dict[str, list[dict[str, Any]]] = {}
        for one in sorted(self.open(), key=lambda one: (one["kind"] in SIDE_KINDS, one["kind"])):
            found.setdefault(one["payment"] or one["payment_intent"], []).append(one)
        return found

    def flags(self) -> dict[str, list[tuple[str, str, str | None]]]:
        """Kind, severity and reason of the open discrepancies of each row."""
        return {
            key: [(one["kind"], one["severity"], one["reason"]) for one in found]
            for key, found in self.by_row().items()
        }

    def reasons(self) -> dict[str, list[tuple[str, str | None]]]:
        """Kind and reason of the open discrepancies of each row."""
        return {
            key: [(kind, reason) for kind, _, reason in found]
            for key, found in self.flags().items()
        }

    def only(self) -> dict[str, Any]:
        """The one open discrepancy."""
        found = self.open()
        assert len(found) == 1, [(one["kind"], one["reason"], one["payment"]) for one in found]
        return found[0]

    def outbox(self) -> list[tuple[str, str | None, str | None, str | None]]:
        """Each outbox row: key, PaymentIntent, status before and after; in the order of their keys."""
        return self.ask(  # type: ignore[return-value]
            "SELECT payment_key, payment_intent, from_status, to_status FROM reconciler.outbox"
            " ORDER BY payment_key, id"
        )

    def ledger(self, action: str) -> list[dict[str, Any]]:
        """The bodies of the ledger's entries of one action."""
        found = self.ask("SELECT action, body FROM reconciler.ledger ORDER BY account, seq")
        return [body for of, body in found if of == action]

    def stored_text(self) -> str:
        """Everything in Reconciler's own tables, as one text."""
        names = self.ask("SELECT tablename FROM pg_tables WHERE schemaname = 'reconciler'")
        parts = []
        for (name,) in names:
            query = sql.SQL("SELECT t::text FROM {} AS t").format(
                sql.Identifier("reconciler", name)
            )
            parts += [line for (line,) in kept_connection(self.url).execute(query)]
        return "\n".join(parts)

    def accept(self, ident: int, *options: str, note: str = "the customer called") -> Answer:
        """A person accepts Stripe's side of a discrepancy."""
        return self.run("resolve", str(ident), "--accept", "stripe", "--note", note, *options)

    def assert_untouched(self, before: Mapping[int, Row]) -> None:
        """No row was written, and the application is not asked to act."""
        assert self.rows() == dict(before)
        assert self.outbox() == []
        assert self.ledger("correction") == []

    def assert_sound(self) -> None:
        """The ledger's chain holds, and each correction in it has its row in the outbox."""
        answer = self.run("verify", "--json")
        assert answer.code == 0, answer.out
        assert answer.json["ok"] is True
        written = self.ask(
            "SELECT account, seq FROM reconciler.ledger WHERE action IN ('correction', 'revert')"
            " OR (action = 'resolution' AND body ? 'after') ORDER BY account, seq"
        )
        sent = self.ask("SELECT account, ledger_seq FROM reconciler.outbox ORDER BY 1, 2")
        assert sent == written


def json_text(value: object) -> str:
    """A value as text, to search it."""
    return json.dumps(value, default=str)
