"""Plays the tutorial: its table, its rows, its configuration and its commands, against a sandbox Stripe.

What the commands answer goes into the page. Times and request ids are replaced, because they differ from run to run.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Final

import psycopg

from reconciler.clock import ManualClock, SystemClock
from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.cli.sandbox import _add_payments
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer
from tests.acceptance.docs.pages import DOCS

PAGE: Final = DOCS / "tutorial" / "first-reconciliation.md"
PAYMENTS: Final = 7
AGE: Final = timedelta(minutes=1)
"""How long ago the sandbox's payments were made: longer than the grace of the tutorial's configuration."""
STATUSES: Final = ("pending", "pending", "pending", "pending", "paid")
"""The statuses of the rows, one for each of the first payments. The others have no row."""


class Tutorial:
    """The tutorial, played in an empty database. ``blocks`` has each generated block of its page, by its name."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self.blocks: dict[str, str] = {}
        self.codes: dict[str, int] = {}
        clock = ManualClock(SystemClock().now() - AGE)
        stripe = Sandbox(clock)
        _add_payments(stripe, PAYMENTS)
        clock.advance(AGE)
        with SandboxServer(stripe) as server:
            self._environ = {
                "DATABASE_URL": url,
                "STRIPE_API_KEY": TEST_KEY,
                "RECONCILER_CONFIG": str(folder / "reconciler.toml"),
                "RECONCILER_STRIPE__API_BASE": server.url,
            }
            self._play([intent.id for intent in stripe.intents()])

    def _play(self, intents: list[str]) -> None:
        page = PAGE.read_text(encoding="utf-8")
        (self._folder / "reconciler.toml").write_text(_example(page, "toml"), encoding="utf-8")
        rows = ",\n".join(
            f"    ({number}, '{intent}', '{status}', {999 + number}, 'eur')"
            for number, (intent, status) in enumerate(zip(intents, STATUSES, strict=False), 1)
        )
        insert = (
            "INSERT INTO payments (id, payment_intent, status, amount, currency) VALUES\n"
            + rows
            + ";"
        )
        self.blocks["tutorial rows"] = f"```sql\n{insert}\n```"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(_example(page, "sql"))  # type: ignore[call-overload]
            connection.execute(insert)  # type: ignore[call-overload]

        self._command("migrate", "reconciler migrate")
        self._command("doctor", "reconciler doctor")
        self._command("due", "reconciler sweep --kind due")
        self._command("window", "reconciler sweep --kind window --since 1d")
        self._command("explain", f"reconciler explain {intents[0]}")
        self._command("apply", "reconciler sweep --apply")
        self._query("rows after", "SELECT id, status, amount FROM payments ORDER BY id;")
        self._query(
            "outbox",
            "SELECT payment_key, from_status, to_status, outcome FROM reconciler.outbox ORDER BY payment_key;",
        )
        self._command("verify", "reconciler verify")
        self._command("revert", "reconciler revert 1")
        self._query("rows reverted", "SELECT id, status, amount FROM payments ORDER BY id;")

    def _command(self, name: str, line: str) -> None:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = run(shlex.split(line)[1:], self._environ)
        self.codes[name] = code
        self.blocks[f"tutorial {name}"] = (
            f"```console\n$ {line}\n{_steady(out.getvalue()).strip()}\n```"
        )

    def _query(self, name: str, query: str) -> None:
        with psycopg.connect(self._url) as connection:
            cursor = connection.execute(query)  # type: ignore[call-overload]
            titles = [column.name for column in cursor.description or ()]
            rows = [[str(value) for value in row] for row in cursor.fetchall()]
        widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
        lines = [
            " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in [titles, *rows]
        ]
        lines.insert(1, "-+-".join("-" * width for width in widths))
        shown = "\n".join(f" {line}" for line in lines)
        self.blocks[f"tutorial {name}"] = f"```text\n=> {query}\n{shown}\n```"


def _example(page: str, language: str) -> str:
    """The first example of a language on the page that no block has generated."""
    by_hand = re.sub(r"<!-- generated: .*?<!-- end of generated -->", "", page, flags=re.DOTALL)
    found = re.search(rf"^```{language}\n(.*?)^```", by_hand, re.DOTALL | re.MULTILINE)
    assert found is not None, f"the tutorial has no example in {language}"
    return found[1]


def _steady(text: str) -> str:
    """An answer without what differs from run to run."""
    text = re.sub(r"\b\d+\.\d s\.", "0.3 s.", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-02 08:30:00", text)
    return re.sub(r"\breq_\w+", "req_1a2b3c", text)
