"""Rows of a merchant's table with any value in every column: sweeps end, correct what is safe, and change nothing else."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg
from psycopg import sql

from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.entrypoints.cli.app import run
from reconciler.sandbox import PaymentKind, SandboxServer, make
from tests.acceptance.configured_shop import PAYMENTS, ConfiguredShop
from tests.acceptance.installation import NO_RATE_LIMIT, NOW, make_stripe
from tests.conftest import COLUMNS, SERVER_SETTINGS, STATUSES, Server, Shop
from tests.fuzz.attempt import Attempt
from tests.unit.settings.test_random_configurations import ODD_TEXTS

ROWS: Final = 1000
PLAIN: Final = 20
"""Rows of each sweep that are as they should be, and must be corrected beside all the others."""
EXIT_CODES: Final = {0, 75}
TEMPLATE: Final = "fuzz_template"
CREATED: Final = NOW - timedelta(days=2)
AMOUNT: Final = 1250
OF_KIND: Final = {
    "failed": {PaymentKind.FAILED},
    "processing": {PaymentKind.PROCESSING},
    "authorized": {PaymentKind.AUTHORIZED},
    "paid": {PaymentKind.SUCCEEDED},
    "canceled": {PaymentKind.CANCELED, PaymentKind.EXPIRED},
}
"""For each status that may be written, what the payment must be at Stripe."""
OPEN: Final = ("pending", "failed", "processing", "authorized")
_EVIL: Final = (
    "\x1b]0;owned\x07\u202e",
    "=1+1",
    "'; DROP TABLE payments; --",
    "x" * 50_000,
    "pi_x_secret_" + "y" * 24,
)
_TEXTS: Final = tuple(
    text.replace("\x00", "").encode("utf-8", "replace").decode() for text in (*ODD_TEXTS, *_EVIL)
)
_AMOUNTS: Final = {
    "bigint": (0, -1, 1, 2**63 - 1, -(2**63), None, 1249),
    "numeric": ("NaN", "Infinity", "-Infinity", "0.5", "1250.000", "1e300", "-0", None, 1251),
}
_TIMES: Final = (
    "infinity", "-infinity", "9999-12-31", "0001-01-01", "4713-01-01 BC", "294276-12-31", "1970-01-01", "2026-10-31 01:30",
)  # fmt: skip


@contextmanager
def merchant_rows() -> Iterator[Attempt]:
    """Sweeps over a PostgreSQL of its own."""
    postgres = EmbeddedPostgres(SERVER_SETTINGS)
    try:
        postgres.start()
        with sweeps_over(Server(postgres.folder), ROWS) as attempt:
            yield attempt
    finally:
        postgres.stop()


@contextmanager
def sweeps_over(server: Server, count: int) -> Iterator[Attempt]:
    """Each attempt makes a table with so many rows, sweeps it, and looks at every row afterwards."""
    migrate(server.create(TEMPLATE), daemon_role=None, auditor_role=None)
    names = (f"fuzz_{number}" for number in itertools.count(1))
    try:
        with TemporaryDirectory() as folder:

            def attempt(random: Random) -> int:
                name = next(names)
                url = server.create(name, TEMPLATE)
                try:
                    # a Stripe of its own: payments of earlier tables would all be missing in this one
                    with SandboxServer(make_stripe()) as stripe:
                        _Sweep(url, stripe, Path(folder), random).check(count)
                finally:
                    server.drop(name)
                return count

            yield attempt
    finally:
        server.drop(TEMPLATE)


class _Sweep:
    """One table, one Stripe, and a sweep over both."""

    def __init__(self, url: str, stripe: SandboxServer, folder: Path, random: Random) -> None:
        self._random = random
        self._amount_type = random.choice(sorted(_AMOUNTS))
        mapping = {
            "table": "public.payments",
            "statuses": STATUSES,
            **{part: name for part, (name, _) in COLUMNS.items()},
        }
        self._shop = Shop(url, None, {})  # type: ignore[arg-type]
        self._columns = list(mapping)[2:]
        section = {**PAYMENTS, "link_metadata": random.choice((None, "order_id"))}
        self._configured = ConfiguredShop(
            self._shop,
            stripe,
            folder,
            {"payments": {key: value for key, value in section.items() if value is not None},
             "budget": NO_RATE_LIMIT, "corrections": {"per_hour": 100_000}},
        )  # fmt: skip
        self._kinds: dict[str, PaymentKind] = {}
        self._create_table()

    def check(self, count: int) -> None:
        """Fill the table, sweep it, and compare it with what it was. Raises AssertionError with what is wrong."""
        self._fill(count)
        before = self._rows()
        report = self._run({0, 75}, "sweep", "--json", "--apply", "--yes")
        after = self._rows()
        changed = [key for key, row in before.items() if after[key] != row]
        corrections = self._configured.query("SELECT payment_key FROM reconciler.outbox")
        assert set(changed) == {self._by_shown_key(key, before) for (key,) in corrections}, (
            corrections
        )
        assert report["corrected"] == len(changed)
        for key in changed:
            self._check_row(before[key], after[key])
        assert [after[f"plain-{n}"]["status"] for n in range(PLAIN)] == ["paid"] * PLAIN
        self._run({0}, "verify", "--json")
        self._run({0}, "discrepancies", "--json")

    def _by_shown_key(self, shown: str, rows: dict[str, Any]) -> str:
        # a key that looks like a secret is stored masked, with a part of its SHA-256 behind it
        if shown in rows:
            return shown
        digest = shown.rpartition("#")[2]
        found = next((key for key in rows if sha256(key.encode()).hexdigest()[:16] == digest), None)
        assert found is not None, f"the outbox names {shown[:200]!r}, which is no key"
        return found

    def _check_row(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Only an open row was changed, only its status and time, and to what Stripe says of its own intent."""
        facts, written = (before, after), ("status", "updated")
        assert {**before, **dict.fromkeys(written)} == {**after, **dict.fromkeys(written)}, facts
        assert before["status"] in OPEN, facts
        kind = self._kinds[before["payment_intent"].strip()]
        assert kind in OF_KIND[after["status"]], (kind, *facts)
        assert before["currency"].strip().lower() == "eur", facts
        if after["status"] in ("paid", "authorized"):
            assert float(before["amount"]) == AMOUNT, facts

    def _run(self, codes: set[int], *words: str) -> Any:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words, self._configured.environ)
        assert code in codes, (words, code, out.getvalue()[:2000], err.getvalue()[:2000])
        assert "Traceback" not in err.getvalue(), err.getvalue()
        assert not re.search(r"_secret_[A-Za-z0-9]", out.getvalue()), "a client secret was shown"
        return json.loads(out.getvalue())

    def _create_table(self) -> None:
        types = {**{part: kind for part, (_, kind) in COLUMNS.items()}, "amount": self._amount_type}
        types["key"] = "text PRIMARY KEY"
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(COLUMNS[part][0]), sql.SQL(types[part]))
            for part in self._columns
        )
        self._shop.execute(sql.SQL("CREATE TABLE public.payments ({})").format(columns))
        self._shop.execute("CREATE INDEX ON public.payments (stripe_payment_intent_id)")
        self._shop.execute("CREATE INDEX ON public.payments (order_id)")

    def _fill(self, count: int) -> None:
        intents = [self._intent(self._random.choice(list(PaymentKind))) for _ in range(count // 2)]
        rows = {f"plain-{n}": self._plain(f"plain-{n}") for n in range(PLAIN)}
        while len(rows) < count:
            row = self._odd(len(rows), intents)
            rows.setdefault(row["key"], row)
        names = sql.SQL(", ").join(sql.Identifier(COLUMNS[part][0]) for part in self._columns)
        with psycopg.connect(self._shop.url) as connection, connection.cursor() as cursor:
            statement = sql.SQL("COPY public.payments ({}) FROM STDIN").format(names)
            with cursor.copy(statement) as copy:
                for row in rows.values():
                    copy.write_row([row[part] for part in self._columns])

    def _intent(self, kind: PaymentKind) -> str:
        order = self._random.choice(("R-1", "R-2", None))
        made = make(
            self._configured.stripe,
            kind,
            AMOUNT,
            "eur",
            metadata=None if order is None else {"order_id": order},
            at=CREATED,
        )
        self._kinds[made.id] = kind
        return made.id

    def _plain(self, key: str) -> dict[str, Any]:
        return {
            "key": key,
            "payment_intent": self._intent(PaymentKind.SUCCEEDED),
            "status": "pending",
            "amount": AMOUNT,
            "currency": "eur",
            "created": CREATED.isoformat(),
            "updated": CREATED.isoformat(),
            "order": key,
        }

    def _odd(self, number: int, intents: list[str]) -> dict[str, Any]:
        """A row in which each column may hold anything that its type takes."""
        random = self._random
        texts = (*_TEXTS, None)

        def either(usual: Any, odd: tuple[Any, ...], share: float = 0.2) -> Any:
            return random.choice(odd) if random.random() < share else usual

        return {
            "key": either(f"row-{number}", tuple(f"{text}{number}" for text in _TEXTS)),
            "payment_intent": either(
                random.choice(intents),
                (*texts, "pi_unknown", "cs_test_1", "ch_1", f" {intents[0]} "),
            ),
            "status": either(random.choice(list(STATUSES.read)), texts),
            "amount": either(AMOUNT, _AMOUNTS[self._amount_type]),
            "currency": either("eur", (*texts, "EUR", "usd", "jpy")),
            "created": either(CREATED.isoformat(), (*_TIMES, None)),
            "updated": either(CREATED.isoformat(), (*_TIMES, None)),
            "order": either(f"order-{number}", (*texts, "R-1", "R-2")),
        }

    def _rows(self) -> dict[str, dict[str, Any]]:
        selected = sql.SQL(", ").join(
            sql.SQL("{}::text").format(sql.Identifier(COLUMNS[part][0])) for part in self._columns
        )
        with psycopg.connect(self._shop.url) as connection:
            found = connection.execute(sql.SQL("SELECT {} FROM public.payments").format(selected))
            rows = [dict(zip(self._columns, row, strict=True)) for row in found]
        return {str(row["key"]): row for row in rows}
