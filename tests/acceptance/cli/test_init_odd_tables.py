"""``init`` on shapes that no application of the presets has: a joined view, partitions, lists, deep documents."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli.app import run
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer
from tests.acceptance.cli.test_init import Place, fill, kinds
from tests.acceptance.configured_shop import NO_RATE_LIMIT


@pytest.fixture
def shop(database: str, tmp_path: Path, original_logging: None) -> Iterator[Place]:
    with SandboxServer(Sandbox(SystemClock())) as server:
        yield Place(database, server, tmp_path)


def test_a_view_that_joins_the_status(shop: Place) -> None:
    """A partitioned table with client secrets and deleted rows, whose status stands in another table: the view is found.

    Its schema has a space and is not on the search_path. Nothing is written for a view that cannot be corrected, rows that
    are only marked as deleted are a question, and no client secret is shown.
    """
    shop.execute(
        'CREATE SCHEMA "Billing Core"; CREATE TABLE "Billing Core"."Attempts" ("AttemptNo" bigint, "ClientSecret" text NOT NULL,'
        ' "GrossMinor" bigint NOT NULL, "Ccy" char(3) NOT NULL, "CreatedMs" bigint, "DeletedAt" timestamptz,'
        ' PRIMARY KEY ("AttemptNo", "CreatedMs")) PARTITION BY RANGE ("CreatedMs");'
        'CREATE TABLE "Billing Core"."Attempts_all" PARTITION OF "Billing Core"."Attempts" DEFAULT;'
        'CREATE TABLE "Billing Core"."States" ("AttemptNo" bigint PRIMARY KEY, "State" text, "ChangedAt" timestamptz);'
        'CREATE VIEW "Billing Core"."vAttempts" AS SELECT a.*, s."State", s."ChangedAt" FROM "Billing Core"."Attempts" a'
        ' JOIN "Billing Core"."States" s USING ("AttemptNo")'
    )
    words = {"open": "pending", "paid": "Settled", "canceled": "Dropped"}
    attempts, states = [], []
    for intent, word, number in fill(shop, currencies=("eur", "usd")):
        secret = f"{intent.id}_secret_{number}abcDEF"
        made = int(intent.created.timestamp() * 1000)
        row = (secret, intent.amount, intent.currency.upper(), made)
        attempts.append((number, *row, None))
        states.append((number, words[word], intent.created))
        if number in (7, 50):
            attempts.append((number + 500, *row, intent.created))
            states.append((number + 500, "pending", intent.created))
    shop.execute('INSERT INTO "Billing Core"."Attempts" VALUES (%s, %s, %s, %s, %s, %s)', attempts)
    shop.execute('INSERT INTO "Billing Core"."States" VALUES (%s, %s, %s)', states)

    answer = shop.init("--yes")
    assert answer.code == 0, answer.err
    section = shop.payments()
    assert (section["table"], section["key"]) == ("Billing Core.vAttempts", "AttemptNo")
    assert (section["created"], section["created_unit"]) == ("CreatedMs", "ms")
    # a view whose rows cannot be written
    assert section["write"] == {"failed": "keep"}
    assert "UPDATE" not in (shop.folder / "reconciler-grants.sql").read_text()
    deleted = (
        "2 sampled rows are marked as deleted by DeletedAt, and 2 of them share their PaymentIntent"
    )
    assert deleted in answer.out
    line = '# where = "t.\\"DeletedAt\\" IS NULL"'
    assert line in shop.config.read_text()
    shop.config.write_text(shop.config.read_text().replace(line, line.removeprefix("# ")))
    assert kinds(shop.sweep()) == {"missed_outcome": 3}


@pytest.mark.long
def test_a_deep_document(shop: Place) -> None:
    """The PaymentIntent stands three levels deep, and amounts are texts in major units, of a currency without minor units too."""
    shop.execute(
        "CREATE TABLE public.carts (id bigserial PRIMARY KEY, state text, doc jsonb, created_at timestamptz)"
    )
    words = {"open": "pending", "paid": "paid", "canceled": "canceled"}
    rows = []
    for intent, word, _ in fill(shop, currencies=("eur", "jpy")):
        price = str(intent.amount) if intent.currency == "jpy" else f"{intent.amount / 100:.2f}"
        stripe = {"id": intent.id, "price": price, "currency": intent.currency}
        rows.append((words[word], json.dumps({"payment": {"stripe": stripe}}), intent.created))
    shop.execute("INSERT INTO public.carts (state, doc, created_at) VALUES (%s, %s, %s)", rows)
    answer = shop.init("--yes")
    assert answer.code == 0, answer.err
    section = shop.payments()
    assert section["payment_intent"] == {"sql": "t.doc->'payment'->'stripe'->>'id'"}
    assert section["amount_unit"] == "major"
    assert kinds(shop.sweep()) == {"missed_outcome": 3}


@pytest.mark.long
def test_a_list_of_attempts(shop: Place) -> None:
    """An order keeps every PaymentIntent that it had, and the last one is taken: it is said that a person has to check that."""
    shop.execute(
        "CREATE TABLE public.orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), intents text[], cents bigint, cur text,"
        " state text, created_at timestamptz)"
    )
    words = {"open": "pending", "paid": "paid", "canceled": "canceled"}
    shop.execute(
        "INSERT INTO public.orders (intents, cents, cur, state, created_at) VALUES (%s, %s, %s, %s, %s)",
        [
            (
                [*[f"pi_old{number:020d}"] * (number % 2), intent.id],
                intent.amount,
                intent.currency,
                words[word],
                intent.created,
            )
            for intent, word, number in fill(shop)
        ],
    )
    answer = shop.init("--yes")
    assert answer.code == 0, answer.err
    assert shop.payments()["payment_intent"] == {"sql": "t.intents[array_upper(t.intents, 1)]"}
    assert (
        "CHECK THIS: the column holds lists, and the last id of each is taken"
        in shop.config.read_text()
    )
    assert kinds(shop.sweep()) == {"missed_outcome": 3}


@pytest.mark.long
def test_ids_inside_a_longer_text(shop: Place) -> None:
    """Each reference is a text that holds one id: it is taken out by an SQL text, and no correction writes the column."""
    shop.execute(
        "CREATE TABLE public.receipts (id bigserial PRIMARY KEY, reference text NOT NULL UNIQUE, cents bigint, cur text,"
        " state text, created_at timestamptz)"
    )
    words = {"open": "pending", "paid": "paid", "canceled": "canceled"}
    shop.execute(
        "INSERT INTO public.receipts (reference, cents, cur, state, created_at) VALUES (%s, %s, %s, %s, %s)",
        [
            (
                f"stripe:{intent.id}/{number}",
                intent.amount,
                intent.currency,
                words[word],
                intent.created,
            )
            for intent, word, number in fill(shop)
        ],
    )
    answer = shop.init("--yes")
    assert answer.code == 0, answer.err
    text = "substring(t.reference from '(?:^|[^A-Za-z0-9_])(pi_[A-Za-z0-9]+)')"
    assert shop.payments()["payment_intent"] == {"sql": text}
    assert "CHECK THIS: each text of the column holds one id" in shop.config.read_text()
    assert (
        "reference"
        not in (shop.folder / "reconciler-grants.sql")
        .read_text()
        .partition("UPDATE")[2]
        .partition(";")[0]
    )
    assert kinds(shop.sweep()) == {"missed_outcome": 3}


@pytest.mark.long
def test_numbers_and_times_in_texts(shop: Place) -> None:
    """A table of texts alone, in another language: amount and creation are converted, and the key and the status stay columns."""
    shop.execute(
        "CREATE TABLE public.zahlungen (nr varchar(12) PRIMARY KEY, stripe_ref text, betrag varchar(20), waehrung text,"
        " stand text, angelegt text)"
    )
    words = {"open": "open", "paid": "bezahlt", "canceled": "abgebrochen"}
    shop.execute(
        "INSERT INTO public.zahlungen VALUES (%s, %s, %s, %s, %s, %s)",
        [
            (
                f"{number:06d}",
                intent.id,
                f"{intent.amount / 100:.2f}",
                intent.currency.upper(),
                words[word],
                intent.created.strftime("%Y-%m-%d %H:%M:%S"),
            )
            for intent, word, number in fill(shop, currencies=("eur", "usd"))
        ],
    )
    answer = shop.init("--yes")
    assert answer.code == 0, answer.err
    section = shop.payments()
    assert (section["key"], section["status"]) == ("nr", "stand")
    assert "(t.betrag)::numeric" in section["amount"]["sql"]
    assert "(t.angelegt)::timestamptz" in section["created"]["sql"]
    assert kinds(shop.sweep()) == {"missed_outcome": 3}


@pytest.mark.long
def test_rows_of_refunds_beside_those_of_payments(shop: Place) -> None:
    """A table of movements: only the rows of charges are payments, so a refund's row is no second row of the PaymentIntent."""
    shop.execute(
        "CREATE TABLE public.movements (id bigserial PRIMARY KEY, kind text, pi text, cents bigint, cur text, status text,"
        " at timestamptz)"
    )
    words = {"open": "pending", "paid": "paid", "canceled": "canceled"}
    rows = []
    for intent, word, number in fill(shop):
        row = (intent.id, intent.amount, intent.currency, words[word], intent.created)
        rows.append(("charge", *row))
        if word == "paid" and number % 4 == 0:
            later = intent.created + timedelta(hours=3)
            shop.stripe.refund(intent.id, at=later)
            rows.append(("refund", intent.id, -intent.amount, intent.currency, "paid", later))
    shop.execute(
        "INSERT INTO public.movements (kind, pi, cents, cur, status, at) VALUES (%s, %s, %s, %s, %s, %s)",
        rows,
    )
    answer = shop.init("--yes")
    assert answer.code == 0, answer.err
    section = shop.payments()
    assert (section["where"], section["status"]) == ("t.kind = 'charge'", "status")
    assert section["read"] == {"paid": "succeeded", "pending": "incomplete", "canceled": "canceled"}
    assert "CHECK THIS" not in shop.config.read_text()
    # no word of the table says that a payment was refunded, so a paid row agrees with one that was
    assert kinds(shop.sweep()) == {"missed_outcome": 3}


def secrets_hint(shop: Place) -> str:
    """What the doctor advises about client secrets; it names the mark between id and secret, which no other text may."""
    out = io.StringIO()
    variables = {
        "STRIPE_API_KEY": TEST_KEY,
        "DATABASE_URL": shop.url,
        "RECONCILER_STRIPE__API_BASE": shop.server.url,
        **NO_RATE_LIMIT,
    }
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        run(("--config", str(shop.config), "doctor", "--json"), variables)
    (found,) = [
        one for one in json.loads(out.getvalue())["checks"] if "client secret" in one["what"]
    ]
    return str(found["hint"])


@pytest.mark.long
def test_the_advice_about_client_secrets_works(shop: Place) -> None:
    """The index is one statement in one line that PostgreSQL takes, of a partitioned table too; a view has no index."""
    shop.execute(
        "CREATE TABLE public.tries (id bigint, secret text, status text, amount bigint, currency text, created_at timestamptz,"
        " PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at);"
        "CREATE TABLE public.tries_all PARTITION OF public.tries DEFAULT"
    )
    words = {"open": "pending", "paid": "paid", "canceled": "canceled"}
    rows = [
        (
            number,
            f"{intent.id}_secret_x{number}",
            words[word],
            intent.amount,
            intent.currency,
            intent.created,
        )
        for intent, word, number in fill(shop)
    ]
    shop.execute("INSERT INTO public.tries VALUES (%s, %s, %s, %s, %s, %s)", rows)
    assert shop.init("--yes", "--table", "public.tries").code == 0
    statement = secrets_hint(shop).partition("Until then run: ")[2]
    assert "\n" not in statement
    assert "--" not in statement
    shop.execute(statement)
    shop.execute("CREATE VIEW public.seen AS SELECT * FROM public.tries")
    shop.config.write_text(shop.config.read_text().replace("public.tries", "public.seen"))
    assert re.fullmatch(r"Store only the part before _secret_\.", secrets_hint(shop))
