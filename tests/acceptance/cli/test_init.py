"""``init`` finds a table that was not made for it, and its first dry sweep shows what is wrong in it.

The schemas are odd on purpose: a document, a status in two columns, integers with a currency next door.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli import init_dialogue
from reconciler.entrypoints.cli.app import run
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer
from tests.acceptance.configured_shop import NO_RATE_LIMIT
from tests.acceptance.installation import Answer
from tests.some_quick import some_quick

START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)


@dataclass(frozen=True)
class Made:
    """A PaymentIntent as the shop knows it."""

    id: str
    amount: int
    currency: str
    created: datetime


@dataclass
class Place:
    """An empty database, a Stripe, and a folder in which ``init`` writes."""

    url: str
    server: SandboxServer
    folder: Path

    @property
    def stripe(self) -> Sandbox:
        return self.server.sandbox

    @property
    def config(self) -> Path:
        return self.folder / "reconciler.toml"

    def execute(self, statement: str, rows: list[tuple[Any, ...]] | None = None) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            if rows is None:
                connection.execute(statement)
            else:
                connection.cursor().executemany(statement, rows)

    def run(self, *arguments: str, **environ: str) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        variables = {
            "STRIPE_API_KEY": TEST_KEY,
            "DATABASE_URL": self.url,
            "RECONCILER_STRIPE__API_BASE": self.server.url,
            "COLUMNS": "200",
            **NO_RATE_LIMIT,
            **environ,
        }
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(arguments, variables)
        text = out.getvalue() + err.getvalue()
        assert "Traceback" not in text, text
        assert "_secret_" not in text, text
        return Answer(code, out.getvalue(), err.getvalue())

    def init(self, *arguments: str, **environ: str) -> Answer:
        return self.run("init", "--output", str(self.config), *arguments, **environ)

    def payments(self) -> dict[str, Any]:
        """The section [payments] that was written."""
        section: dict[str, Any] = tomllib.loads(self.config.read_text(encoding="utf-8"))["payments"]
        return section

    def sweep(self) -> dict[str, Any]:
        """A dry sweep of the last week with the configuration that was written."""
        answer = self.run(
            "--config", str(self.config), "sweep", "--kind", "window", "--since", "7d", "--json"
        )
        assert answer.code == 0, answer.err
        report: dict[str, Any] = answer.json
        return report

    def doctor(self) -> list[dict[str, str]]:
        """The doctor's faults and warnings of the table and its rows."""
        answer = self.run("--config", str(self.config), "doctor", "--json")
        return [
            check
            for check in answer.json["checks"]
            if check["level"] in ("fault", "warning")
            and check["about"].startswith(("table", "rows", "configuration"))
        ]


@pytest.fixture
def place(database: str, tmp_path: Path, original_logging: None) -> Iterator[Place]:
    with SandboxServer(Sandbox(SystemClock())) as server:
        yield Place(database, server, tmp_path)


def fill(
    place: Place, *, currencies: tuple[str, ...] = ("eur",), orders: bool = False
) -> list[tuple[Made, str, int]]:
    """92 payments at Stripe, each with the word that a correct shop would hold, and its number.

    40 are paid, 26 open, 26 canceled; three of the paid ones lost their webhook, and their word is the open one.
    """
    made = []
    for number in range(92):
        at = START + timedelta(minutes=5 * number)
        metadata = {"order": f"A-{number + 1000}"} if orders else {"app": "shop"}
        intent = place.stripe.create_payment(
            1999 + 7 * number, currencies[number % len(currencies)], at=at, metadata=metadata
        )
        word = "open"
        if number < 40:
            place.stripe.succeed(intent.id, at=at + timedelta(seconds=30))
            word = "open" if number < 3 else "paid"
        elif number < 66:
            place.stripe.cancel(intent.id, at=at + timedelta(minutes=2))
            word = "canceled"
        made.append((Made(intent.id, intent.amount, intent.currency, at), word, number))
    return made


def kinds(report: dict[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in report["items"]:
        counts[item["kind"]] = counts.get(item["kind"], 0) + 1
    return counts


@some_quick(("kind", "data"), [("jsonb", "t.data"), ("text", "(t.data)::jsonb")], quick=1)
def test_a_table_of_documents(place: Place, kind: str, data: str) -> None:
    """Everything but the key is in a document, which may be a text: each part becomes an SQL text, and findings are right."""
    place.execute(
        f"CREATE SCHEMA app; CREATE TABLE app.documents (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), data {kind})"
    )
    words = {"open": "awaiting_payment", "paid": "Completed", "canceled": "dropped"}
    rows = [
        (json.dumps({
            "stripeId": intent.id, "state": words[word], "totalCents": intent.amount, "cur": "EUR",
            "at": intent.created.isoformat(), "customer": {"name": "x"},
        }),)
        for intent, word, _ in fill(place)
    ]  # fmt: skip
    place.execute("INSERT INTO app.documents (data) VALUES (%s)", rows)
    answer = place.init("--yes")
    assert answer.code == 0, answer.err
    section = place.payments()
    assert section["table"] == "app.documents"
    assert section["key"] == "id"
    assert section["payment_intent"] == {"sql": f"{data}->>'stripeId'"}
    assert section["amount_unit"] == "minor"
    assert section["currency"] == {"sql": f"{data}->>'cur'"}
    assert section["read"] == {
        "awaiting_payment": "incomplete",
        "Completed": "succeeded",
        "dropped": "canceled",
    }
    assert kinds(place.sweep()) == {"missed_outcome": 3}
    assert "missed_outcome" in answer.out
    assert not [check for check in place.doctor() if check["level"] == "fault"]


def test_a_status_in_two_columns(place: Place) -> None:
    """Two columns say together what the payment is, and a correction writes both; amounts are major units."""
    place.execute(
        "CREATE TABLE public.invoices (id bigserial PRIMARY KEY, reference text UNIQUE, closed boolean NOT NULL, result text NOT NULL,"
        " total numeric(12, 2), curr char(3), made timestamp, changed timestamp)"
    )
    place.execute(
        "CREATE TABLE public.webhook_log (id bigserial PRIMARY KEY, object text, kind text)"
    )
    words = {"open": (False, "none"), "paid": (True, "won"), "canceled": (True, "none")}
    made = fill(place, currencies=("eur", "usd"))
    place.execute(
        "INSERT INTO public.invoices (reference, closed, result, total, curr, made, changed) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [
            (
                intent.id,
                *words[word],
                f"{intent.amount / 100:.2f}",
                intent.currency,
                at := intent.created.replace(tzinfo=None),
                at,
            )
            for intent, word, _ in made
        ],
    )
    place.execute(
        "INSERT INTO public.webhook_log (object, kind) VALUES (%s, 'x')",
        [(intent.id,) for intent, _, _ in made * 3],
    )
    answer = place.init("--yes")
    assert answer.code == 0, answer.err
    section = place.payments()
    assert section["table"] == "public.invoices"
    assert "public.webhook_log" in answer.out
    assert (section["amount"], section["amount_unit"]) == ("total", "major")
    assert (section["created"], section["updated"]) == ("made", "changed")
    assert section["read"] == {"true/won": "succeeded", "true/none": "canceled"}
    # the open word is known to the shop alone, and three of its rows are paid: it is not guessed
    assert '# "false/none"' in place.config.read_text()
    assert section["set"]["succeeded"] == {"closed": "true", "result": "won"}
    with_word = place.config.read_text().replace('# "false/none"', '"false/none"')
    place.config.write_text(with_word)
    assert kinds(place.sweep()) == {"missed_outcome": 3}
    assert not [check for check in place.doctor() if check["level"] == "fault"]


def test_times_in_the_place_of_a_status(place: Place) -> None:
    """Without a status column, the times are proposed as a comment. Uncommented it finds the lost webhooks and can be written."""
    place.execute(
        "CREATE TABLE public.charges (id bigserial PRIMARY KEY, pi text UNIQUE, cents bigint, currency text,"
        " created_at timestamptz, paid_at timestamptz, canceled_at timestamptz, shipped_at timestamptz)"
    )
    place.execute(
        "INSERT INTO public.charges (pi, cents, currency, created_at, paid_at, canceled_at) VALUES (%s, %s, %s, %s, %s, %s)",
        [
            (
                intent.id,
                intent.amount,
                intent.currency,
                intent.created,
                intent.created + timedelta(minutes=1) if word == "paid" else None,
                intent.created + timedelta(minutes=2) if word == "canceled" else None,
            )
            for intent, word, _ in fill(place)
        ],
    )
    answer = place.init("--yes")
    assert answer.code == 1
    assert "init found no value for payments.status, payments.read." in answer.err
    head, mark, proposal = place.config.read_text().partition(
        "# No single column was shown to be the status"
    )
    lines = proposal.splitlines()
    uncommented = [line.removeprefix("# ") for line in lines[2:]]
    place.config.write_text("\n".join([head, mark + lines[0], lines[1], *uncommented]))
    section = place.payments()
    assert section["read"] == {
        "canceled": "canceled",
        "succeeded": "succeeded",
        "pending": "incomplete",
    }
    assert section["set"] == {
        "canceled": {"canceled_at": {"sql": "now()"}},
        "succeeded": {"paid_at": {"sql": "now()"}},
    }
    assert section["write"]["failed"] == "keep"
    assert kinds(place.sweep()) == {"missed_outcome": 3}
    assert not [check for check in place.doctor() if check["level"] == "fault"]
    place.run("migrate", "--daemon-role", "postgres")
    applied = place.run(
        "--config",
        str(place.config),
        "sweep",
        "--apply",
        "--kind",
        "window",
        "--since",
        "7d",
        "--json",
    )
    assert applied.json["corrected"] == 3, applied.out
    assert kinds(place.sweep()) == {}


def test_integers_and_a_currency_next_door(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quoted camel case, integer statuses, epoch milliseconds, the currency by a key, and rows of another gateway."""
    place.execute(
        'CREATE TABLE public."Currency" (id int PRIMARY KEY, "isoCode" text);'
        "INSERT INTO public.\"Currency\" VALUES (1, 'EUR'), (2, 'USD');"
        'CREATE TABLE public."shopPayments" ("Id" int PRIMARY KEY, gateway text, "gatewayRef" text, "orderNo" text,'
        ' "statusCode" smallint, "amountCents" bigint, "currencyId" int REFERENCES public."Currency", "createdAt" bigint)'
    )
    codes = {"open": 10, "paid": 20, "canceled": 90}
    currency = {"eur": 1, "usd": 2}
    rows = [
        (number, "stripe", intent.id, f"A-{number + 1000}", codes[word], intent.amount, currency[intent.currency],
         int(intent.created.timestamp() * 1000))
        for intent, word, number in fill(place, currencies=("eur", "usd"), orders=True)
    ]  # fmt: skip
    rows += [
        (
            500 + number,
            "paypal",
            f"PAYID-{number}",
            f"B-{number}",
            20,
            100,
            1,
            int(START.timestamp() * 1000),
        )
        for number in range(9)
    ]
    place.execute('INSERT INTO public."shopPayments" VALUES (%s, %s, %s, %s, %s, %s, %s, %s)', rows)
    answer = place.init("--yes")
    assert answer.code == 0, answer.err
    section = place.payments()
    assert section["table"] == "public.shopPayments"
    assert (
        section["currency"]["sql"]
        == '(SELECT c."isoCode" FROM "public"."Currency" c WHERE c."id" = t."currencyId")'
    )
    assert (section["created"], section["created_unit"]) == ("createdAt", "ms")
    assert (section["order"], section["link_metadata"]) == ("orderNo", "order")
    assert section["where"] == "t.gateway = 'stripe'"
    assert section["read"] == {"20": "succeeded", "90": "canceled"}
    assert '# "10" = "incomplete"' in place.config.read_text()
    monkeypatch.setattr(init_dialogue, "can_ask", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("guess\nn\n"))
    assert place.init("--force").code == 0
    assert place.payments()["read"]["10"] == "incomplete"
    assert kinds(place.sweep()) == {"missed_outcome": 3}
    grants = (place.folder / "reconciler-grants.sql").read_text()
    assert 'GRANT SELECT ON "public"."Currency" TO reconciler;' in grants
    assert '-- GRANT UPDATE ("statusCode", "gatewayRef") ON "public"."shopPayments"' in grants
    assert not [check for check in place.doctor() if check["level"] == "fault"]


def test_a_shop_that_learns_the_intent_from_the_webhook(place: Place) -> None:
    """Open rows hold no PaymentIntent yet: they are compared by their order, so that their word is proved; and yen."""
    place.execute(
        "CREATE TABLE public.checkouts (order_no text PRIMARY KEY, pi text, state text, total numeric(12, 2), cur text,"
        " created_at timestamptz)"
    )
    place.execute(
        "INSERT INTO public.checkouts VALUES (%s, %s, %s, %s, %s, %s)",
        [
            (
                f"A-{number + 1000}",
                None if word == "open" else intent.id,
                {"open": "AWAITING", "paid": "SETTLED", "canceled": "EXPIRED"}[word],
                intent.amount / (1 if intent.currency == "jpy" else 100),
                intent.currency,
                intent.created,
            )
            for intent, word, number in fill(place, currencies=("eur", "jpy", "jpy"), orders=True)
        ],
    )
    answer = place.init("--yes")
    assert answer.code == 0, answer.err
    assert "CHECK THIS" not in place.config.read_text()
    assert (place.payments()["amount"], place.payments()["amount_unit"]) == ("total", "major")
    written = place.config.read_text()
    assert '# "AWAITING" = "incomplete"' in written
    assert "26 of 29 rows are unpaid, and 3 are not" in written


PLAIN = (
    "CREATE TABLE public.payments (id bigint PRIMARY KEY, intent text, status text, amount bigint, currency text,"
    " created_at timestamptz)"
)


def plain(place: Place) -> None:
    """A plain table with well-known words."""
    place.execute(PLAIN)
    words = {"open": "pending", "paid": "paid", "canceled": "canceled"}
    place.execute(
        "INSERT INTO public.payments VALUES (%s, %s, %s, %s, %s, %s)",
        [
            (number, intent.id, words[word], intent.amount, intent.currency, intent.created)
            for intent, word, number in fill(place)
        ],
    )


def test_a_role_that_may_only_select_in_a_read_only_database(
    place: Place, role: Callable[[str], tuple[str, Callable[[str], str]]]
) -> None:
    """As on a standby: nothing is written, and what was found is shown with counts."""
    plain(place)
    name, url_of = role("reader")
    place.execute(f"GRANT SELECT ON public.payments TO {name}")
    url = make_conninfo(url_of(place.url), options="-c default_transaction_read_only=on")
    answer = place.init("--yes", DATABASE_URL=url)
    assert answer.code == 0, answer.err
    assert "paid 37, pending 29, canceled 26" in answer.out
    assert "missed_outcome" in answer.out
    # the next steps are those of a database without the role and the schema
    assert "--apply" not in answer.out.partition("\nNext:\n")[0]
    steps = [line for line in answer.out.partition("\nNext:\n")[2].splitlines() if line]
    grants = place.folder / "reconciler-grants.sql"
    assert steps[0].endswith(f'psql "$DATABASE_URL" --file {grants}')
    assert "migrate --daemon-role reconciler" in steps[1]
    assert "DATABASE_URL" in steps[2]
    assert steps[3].endswith(f"reconciler --config {place.config} doctor")


@some_quick("shape", ["view", "partitioned"], quick=1)
def test_other_relations(place: Place, shape: str) -> None:
    """A view and a partitioned table are found like a table."""
    plain(place)
    if shape == "view":
        place.execute(
            "CREATE SCHEMA own; ALTER TABLE public.payments SET SCHEMA own;"
            'CREATE VIEW public."All payments" AS SELECT * FROM own.payments'
        )
        answer = place.init("--yes", "--table", "public.All payments")
    else:
        place.execute(
            "ALTER TABLE public.payments RENAME TO old; CREATE TABLE public.payments (LIKE old) PARTITION BY HASH (id);"
            "CREATE TABLE public.payments_1 PARTITION OF public.payments FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
            "INSERT INTO public.payments SELECT * FROM old; DROP TABLE old"
        )
        answer = place.init("--yes")
    assert answer.code == 0, answer.err
    assert place.payments()["key"] == "id"
    assert kinds(place.sweep()) == {"missed_outcome": 3}


def test_without_a_key(place: Place) -> None:
    """By the database alone well-known words are marked and never written, and the next command says what is missing."""
    plain(place)
    answer = place.init("--yes", STRIPE_API_KEY="")
    assert answer.code == 0, answer.err
    section = place.payments()
    assert (section["payment_intent"], section["amount"], section["created"]) == (
        "intent",
        "amount",
        "created_at",
    )
    assert section["read"] == {"paid": "succeeded", "pending": "incomplete", "canceled": "canceled"}
    assert "write" not in section
    assert "CHECK THIS: guessed from the status's name alone; 37 rows" in place.config.read_text()
    assert "CHECK THIS: the column was not compared with Stripe" in place.config.read_text()
    assert "Next: set STRIPE_API_KEY" in answer.out


def test_no_table_and_no_overwriting(place: Place) -> None:
    """Exit 1 if no table has ids of Stripe's; an existing file is kept."""
    place.execute(PLAIN)
    answer = place.init("--yes")
    assert answer.code == 1
    assert "None of them holds the id of a PaymentIntent." in answer.err
    assert not place.config.exists()
    place.config.write_text("mine")
    assert place.init("--yes").code == 64
    assert place.config.read_text() == "mine"
    assert place.init("--yes", "--table", "public.nothing", "--force").code == 1
    assert place.init("--yes", "--table", "public.payments", "--force").code == 1
    assert place.config.read_text() == "mine"


def test_the_questions(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal three questions are asked; an answer that names nothing known is asked for again."""
    plain(place)
    place.execute("UPDATE public.payments SET status = 'odd' WHERE id IN (3, 4)")
    place.execute("CREATE TABLE public.orders AS SELECT * FROM public.payments LIMIT 20")
    monkeypatch.setattr(init_dialogue, "can_ask", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("1\nodd=nothing\nodd=succeeded\ny\n"))
    answer = place.init()
    assert answer.code == 0, answer.err
    assert answer.err.count("What do these statuses mean?") == 2
    section = place.payments()
    assert section["table"] == "public.payments"
    assert section["read"]["odd"] == "succeeded"
    # a shop without a word for failed leaves a row as it is when an attempt is declined
    assert section["write"]["failed"] == "keep"
    # the answer y grants the right, and the service still only reports
    assert 'mode = "report"' in place.config.read_text()
    assert '\nGRANT UPDATE ("status"' in (place.folder / "reconciler-grants.sql").read_text()


def test_a_status_that_is_not_mapped_is_named(place: Place) -> None:
    """Without questions init names each status that it left as a comment, with its rows and what to do."""
    plain(place)
    place.execute("UPDATE public.payments SET status = 'odd' WHERE id IN (3, 4)")
    answer = place.init("--yes")
    assert answer.code == 0, answer.err
    assert (
        f'2 rows have the status "odd", which is not mapped. Write in {place.config} what this status means, and uncomment the line.'
        in answer.out
    )
    assert answer.out.count("which is not mapped") == 1
    assert "--apply" not in answer.out.partition("\nNext:\n")[0]


def test_a_preset(place: Place) -> None:
    """An application is recognised by its signature, or named; its schema is the one where it is.

    dj-stripe 2.9 has the columns of both of its presets: the one whose signature names more columns is taken.
    """
    place.execute(
        "CREATE SCHEMA django; CREATE TABLE django.djstripe_paymentintent (djstripe_id bigint PRIMARY KEY, id varchar(255) UNIQUE,"
        " amount bigint, currency varchar(3), status varchar(40), created timestamptz, stripe_data jsonb)"
    )
    for arguments in (("--yes",), ("--yes", "--force", "--preset", "dj-stripe")):
        answer = place.init(*arguments)
        assert answer.code == 0, answer.err
        assert place.payments()["table"] == "django.djstripe_paymentintent"
        assert "dj-stripe 2.4" in answer.out
    assert place.init("--force", "--preset", "checkout").code == 1
    assert place.init("--force", "--preset", "no").code == 64


def test_a_preset_whose_view_is_missing(place: Place) -> None:
    """The application is recognised by the tables below the view, and the page with the CREATE VIEW is named."""
    place.execute(
        "CREATE TABLE payment_attempt (attempt_id varchar(64), merchant_id varchar(64), payment_id varchar(64),"
        " connector_transaction_id varchar(128), net_amount bigint, merchant_connector_id varchar(32))"
    )
    for arguments in (("--yes",), ("--preset", "hyperswitch")):
        answer = place.init(*arguments)
        assert answer.code == 1
        assert "with the statements in docs/presets/hyperswitch.md." in answer.err


@pytest.mark.long
def test_two_thousand_tables(place: Place) -> None:
    """The table is found among 2,000 tables and views within 30 seconds, its dry sweep included."""
    plain(place)
    # one connection: two thousand of them take longer than the tables
    with psycopg.connect(place.url, autocommit=True) as connection:
        for number in range(2000):
            connection.execute(
                f"CREATE TABLE t{number} (id int PRIMARY KEY, a text, b text, c text, data jsonb);"
                f"INSERT INTO t{number} SELECT g, md5(g::text), 'x', 'y', '{{}}' FROM generate_series(1, 40) AS g"
            )
    begun = time.monotonic()
    answer = place.init("--yes")
    assert answer.code == 0, answer.err
    assert place.payments()["table"] == "public.payments"
    assert time.monotonic() - begun < 30


def test_a_broken_view_hides_no_table(place: Place) -> None:
    """A view that fails for some row is left out, and the tables beside it are found."""
    plain(place)
    place.execute(
        "CREATE VIEW public.aaa AS SELECT 'x'::text AS a, 1 / (id - 1) AS b, (1 / (id - 1))::text AS c FROM public.payments"
    )
    answer = place.init("--yes")
    assert answer.code == 0, answer.err
    assert place.payments()["table"] == "public.payments"


def test_parts_that_are_missing(place: Place) -> None:
    """A table without a status is written as far as it is known, and exit 1 names what a person has to add."""
    plain(place)
    place.execute("ALTER TABLE public.payments DROP COLUMN status, DROP COLUMN amount")
    answer = place.init("--yes")
    assert answer.code == 1
    assert "init found no value for payments.status, payments.amount, payments.read." in answer.err
    assert place.payments()["payment_intent"] == "intent"
    lost = place.run("init", "--yes", "--output", str(place.folder / "none" / "a.toml"))
    assert lost.code == 64
    assert "There is no folder" in lost.err
