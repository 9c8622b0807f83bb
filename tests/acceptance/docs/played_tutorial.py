"""Plays the tutorial: its table, its rows, its configuration and its commands, against a sandbox Stripe.

What the commands answer goes into the page. Times and request ids are replaced, because they differ from run to run.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from reconciler.clock import ManualClock, SystemClock
from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.cli.sandbox import _add_payments
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer
from tests.acceptance.configured_shop import NO_RATE_LIMIT
from tests.acceptance.docs.pages import DOCS

PAGE: Final = DOCS / "tutorial" / "first-reconciliation.md"
PAYMENTS: Final = 7
AGE: Final = timedelta(minutes=1)
"""How long ago the sandbox's payments were made: longer than the grace of the tutorial's configuration."""
STATUSES: Final = ("pending", "pending", "pending", "pending", "paid")
"""The statuses of the rows, one for each of the first payments. The others have no row."""


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str


class Tutorial:
    """The tutorial, played in an empty database. Its shop and its Stripe exist until the end of the block.

    ``blocks`` has each generated block of its page, ``codes`` the exit code of each command, by their names.
    """

    def __init__(self, url: str, folder: Path, copied: Tutorial | None = None) -> None:
        """``copied`` is a played tutorial of whose database the one at ``url`` is a copy: it is not played again."""
        self.url = url
        self._folder = folder
        self.blocks: dict[str, str] = {}
        self.codes: dict[str, int] = {}
        self._copied = copied
        self.began: datetime = copied.began if copied else SystemClock().now() - AGE
        clock = ManualClock(self.began)
        self.stripe = Sandbox(clock)
        _add_payments(self.stripe, PAYMENTS)
        clock.advance(SystemClock().now() - self.began)
        self.intents = [intent.id for intent in self.stripe.intents()]
        self._server = SandboxServer(self.stripe)

    def __enter__(self) -> Self:
        self._server.__enter__()
        try:
            if self._copied is None:
                self._play()
            else:
                self._take(self._copied)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.__exit__(None, None, None)

    def run(self, line: str, **environ: str) -> Answer:
        """Run a command line of the page."""
        out = io.StringIO()
        environment = {
            "DATABASE_URL": self.url,
            "STRIPE_API_KEY": TEST_KEY,
            "RECONCILER_CONFIG": str(self._folder / "reconciler.toml"),
            "RECONCILER_STRIPE__API_BASE": self._server.url,
            **NO_RATE_LIMIT,
            **environ,
        }
        with contextlib.redirect_stdout(out):
            code = run(shlex.split(line)[1:], environment)
        return Answer(code, out.getvalue())

    def execute(self, query: str) -> psycopg.Cursor[Any]:
        """Run SQL."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query)  # type: ignore[call-overload,no-any-return]

    def _configure(self, page: str) -> None:
        config = self._folder / "reconciler.toml"
        config.write_text(_example(page, "toml"), encoding="utf-8")

    def _take(self, copied: Tutorial) -> None:
        assert self.intents == copied.intents
        self._configure(PAGE.read_text(encoding="utf-8"))
        self.blocks = dict(copied.blocks)
        self.codes = dict(copied.codes)

    def _play(self) -> None:
        page = PAGE.read_text(encoding="utf-8")
        self._configure(page)
        rows = ",\n".join(
            f"    ({number}, '{intent}', '{status}', {999 + number}, 'eur')"
            for number, (intent, status) in enumerate(zip(self.intents, STATUSES, strict=False), 1)
        )
        columns = "id, payment_intent, status, amount, currency"
        insert = f"INSERT INTO payments ({columns}) VALUES\n{rows};"
        self.blocks["tutorial rows"] = f"```sql\n{insert}\n```"
        self.execute(_example(page, "sql"))
        self.execute(insert)

        self._command("migrate", "reconciler migrate")
        self._command("doctor", "reconciler doctor")
        self._command("due", "reconciler sweep --kind due")
        self._command("window", "reconciler sweep --kind window --since 1d")
        self._command("explain", f"reconciler explain {self.intents[0]}")
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
        answer = self.run(line)
        self.codes[name] = answer.code
        shown = _steady(answer.out).strip()
        self.blocks[f"tutorial {name}"] = f"```console\n$ {line}\n{shown}\n```"

    def _query(self, name: str, query: str) -> None:
        with psycopg.connect(self.url) as connection:
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
    """An answer without what differs from run to run, or from version to version."""
    # a new migration is no news to a learner
    text = re.sub(r"(applied: 0001\w+\n)(?:applied: \w+\n)+", r"\1…\n", text)
    text = re.sub(r"\b\d+\.\d s\.", "0.3 s.", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-11-02 08:30:00", text)
    return re.sub(r"\breq_\w+", "req_1a2b3c", text)
