"""No key, client_secret or password gets into an output, a table, an export or an error."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reconciler.sandbox import RequestFault
from reconciler.sandbox import SandboxAnswer as Wire
from tests.acceptance.world import EVENTS, LIST, RETRIEVE, World

KEY = "rk_test_51HiddenFromEverybody0001"
SIGNING = "whsec_HushHushHushHushHushHushHush"
PASSWORD = "hush-Pa55word"
CUSTOMER = "cus_PersonalData"
DESCRIPTION = "for Jane Doe, 4 Privet Drive"
LEVEL = ("--log-level", "debug")
_numbers = itertools.count(1)


@pytest.fixture
def guarded(world: World) -> Iterator[World]:
    """A world with a secret key and database password; after the test every table is searched for them."""
    name = f"secretive_{next(_numbers)}"
    with psycopg.connect(world.shop.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(
                sql.Identifier(name), sql.Literal(PASSWORD)
            )
        )
    world.stripe.add_key(
        KEY, permissions=["payment_intent_read", "charge_read", "event_read", "dispute_read"]
    )
    url = make_conninfo(world.shop.url, user=name, password=PASSWORD)
    world.environ |= {
        "STRIPE_API_KEY": KEY,
        "DATABASE_URL": url,
        "RECONCILER_DELIVERY__URL": "https://shop.example/reconciler",
        "RECONCILER_SIGNING_SECRET": SIGNING,
    }
    world.secrets += [KEY, KEY[-12:], SIGNING[6:], PASSWORD, CUSTOMER, "Privet"]
    yield world
    search_tables(world)
    with psycopg.connect(world.shop.url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def search_tables(world: World) -> None:
    """Search every column of every table, Reconciler's and the merchant's, for a secret."""
    tables = world.ask(
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert len(tables) > 10
    secrets = world.secrets + [intent.secret for intent in world.stripe.intents()]
    for table in tables:
        name = sql.Identifier(table["schemaname"], table["tablename"])
        query = sql.SQL("SELECT t::text FROM {} AS t").format(name)
        with psycopg.connect(world.shop.url) as connection:
            for (line,) in connection.execute(query):
                for secret in [*secrets, "_secret_"]:
                    assert secret not in line, name.as_string()


def stocked(world: World) -> str:
    """Create payments with a customer's data, some of which disagree. Returns one of the intents."""
    personal = {"customer": CUSTOMER, "description": DESCRIPTION, "metadata": {"name": DESCRIPTION}}
    world.pay(1, intent=personal)
    world.pay(2, "paid", "cancel", intent=personal)
    world.pay(3, "canceled", "succeed", intent=personal)
    failed = world.pay(4, "pending", "fail", intent=personal)
    world.missing(5)
    return failed


def every_command(world: World, intent: str) -> None:
    """Run every command that reads or writes."""
    for command in (
        ("doctor",),
        ("sweep",),
        ("sweep", "--json"),
        ("sweep", "--format", "csv"),
        ("sweep", "--record"),
        ("sweep", "--apply"),
        ("explain", intent),
        ("explain", intent, "--json"),
        ("discrepancies",),
        ("discrepancies", "--json"),
        ("resolve", "2", "--note", "seen", "--accept", "stripe"),
        ("revert", "2"),
        ("verify",),
        ("export",),
    ):
        answer = world.run(*LEVEL, *command)
        for made in world.stripe.intents():
            assert made.secret not in answer.out + answer.err, command


def test_every_command(guarded: World) -> None:
    """No command shows or stores a secret or a customer's data, even at the log level debug."""
    every_command(guarded, stocked(guarded))
    assert guarded.kinds()


def test_an_export_into_a_folder(guarded: World, tmp_path: Path) -> None:
    """The files of an export contain no secret."""
    stocked(guarded)
    guarded.sweep("--apply")
    folder = tmp_path / "export"
    assert guarded.run("export", "--format", "csv", "--output", str(folder)).code == 0
    files = list(folder.iterdir())
    assert len(files) == 3
    for path in files:
        text = path.read_text(encoding="utf-8")
        for secret in (*guarded.secrets, "_secret_"):
            assert secret not in text, path.name


def _repeating(world: World, status: int) -> Wire:
    """An answer that repeats the key and a client_secret, as a careless proxy would."""
    secret = next(world.stripe.intents()).secret
    said = f"Bearer {KEY} {PASSWORD} pi_1_secret_{secret} {DESCRIPTION}"
    body = {"error": {"message": said, "code": KEY, "param": said, "type": KEY}, "id": KEY}
    headers = (("Request-Id", KEY), ("Stripe-Rate-Limited-Reason", KEY), ("Retry-After", "0"))
    return Wire(status, json.dumps(body).encode(), headers)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
def test_an_answer_that_repeats_the_key(guarded: World, status: int) -> None:
    """A secret in the body or the headers of an answer is neither shown nor stored."""
    stocked(guarded)
    wire = _repeating(guarded, status)
    for endpoint in (RETRIEVE, LIST, EVENTS):
        guarded.stripe.faults.clear()
        guarded.stripe.faults.script(
            RequestFault.ANSWER, times=10_000, endpoint=endpoint, answer=wire
        )
        for writing in ("--record", "--apply"):
            guarded.run(*LEVEL, "sweep", writing)
        guarded.run(*LEVEL, "explain", "pi_1")
        guarded.run(*LEVEL, "doctor")


def _quoting_trigger(world: World) -> None:
    world.execute(
        "CREATE FUNCTION quote_secrets() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{KEY} {PASSWORD}' USING DETAIL = '{DESCRIPTION}',"
        f" HINT = '{CUSTOMER}'; END $$;"
        "CREATE TRIGGER quote_secrets BEFORE UPDATE ON public.payments"
        " FOR EACH ROW EXECUTE FUNCTION quote_secrets()"
    )


DATABASE_FAILURES: dict[str, Callable[[World], object]] = {
    "a trigger that quotes secrets": _quoting_trigger,
    "a constraint": lambda world: world.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT no CHECK (status <> 'paid') NOT VALID"
    ),
    "no ledger": lambda world: world.execute("DROP TABLE reconciler.ledger CASCADE"),
    "no table": lambda world: world.execute("DROP TABLE public.payments"),
    "a lease": lambda world: world.execute(
        "INSERT INTO reconciler.leases VALUES ('default', 1, 'another', now() + '1 hour')"
    ),
}


@pytest.mark.parametrize("name", DATABASE_FAILURES)
def test_a_database_failure_shows_no_secret(guarded: World, name: str) -> None:
    """The message about a database failure does not contain PostgreSQL's details, which may contain secrets."""
    intent = stocked(guarded)
    DATABASE_FAILURES[name](guarded)
    every_command(guarded, intent)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{PASSWORD}@127.0.0.1:9/shop",
        f"postgresql://user:{PASSWORD}@no.such.host.invalid/shop",
        f"postgresql://user:{PASSWORD}@127.0.0.1:port/shop",
        f"postgresql://user:p@{PASSWORD}@127.0.0.1:9/shop",
        f"postgresql://user:p/{PASSWORD}@127.0.0.1:9/shop",
        f"host=127.0.0.1 port=9 user=merchant password={PASSWORD}",
        f"host=127.0.0.1 port=9 user=merchant password='{PASSWORD}",
        f"mysql://user:{PASSWORD}@127.0.0.1/shop",
        f"postgresql://user:{PASSWORD}@127.0.0.1:9/shop?sslmode=nonsense",
        f"postgresql://127.0.0.1:9/shop?password={PASSWORD}",
        PASSWORD,
    ],
)
def test_a_database_url_is_not_repeated(world: World, url: str) -> None:
    """A wrong database URL is reported without its password."""
    world.secrets.append(PASSWORD)
    for command in (("sweep", "--json"), ("doctor",), ("verify",), ("migrate",)):
        answer = world.run(*LEVEL, *command, DATABASE_URL=url)
        assert answer.code in (75, 78), command


def test_secrets_in_the_wrong_places(world: World) -> None:
    """A key or a password in a wrong place of the configuration is not shown in the message."""
    world.secrets += [KEY, PASSWORD]
    for change in (
        {"stripe": {"api_base": f"https://user:{PASSWORD}@api.stripe.com"}},
        {"stripe": {"key": KEY}},
        {"delivery": {"secret": KEY}},
        {"delivery": {"url": f"https://user:{PASSWORD}@shop.example/"}},
        {"stripe": {"livemode": KEY}},
        {"payments": {"amount_unit": KEY}},
        {"corrections": {"grace": KEY}},
        {"accounts": [{"name": KEY}]},
        {"accounts": [{"name": "eu", "key_file": KEY}]},
        {"accounts": [{"name": "eu", "stripe_account": KEY}]},
    ):
        before = dict(world.sections)
        world.configure(**change)  # type: ignore[arg-type]
        answer = world.run("sweep")
        assert answer.code == 78, change
        world.sections = before


def test_a_separate_process_shows_no_secret(guarded: World) -> None:
    """A sweep in its own process shows no secret, even at the log level debug."""
    stocked(guarded)
    answer = guarded.start(*LEVEL, "sweep", "--apply", "--json")
    assert answer.code == 0
    assert answer.json["corrected"] == 2
