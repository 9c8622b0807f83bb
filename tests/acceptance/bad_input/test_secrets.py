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
from tests.acceptance.installation import EVENTS, LIST, RETRIEVE, Installation
from tests.kept_connections import kept_connection
from tests.some_quick import some_quick

KEY = "rk_test_51HiddenFromEverybody0001"
SIGNING = "whsec_HushHushHushHushHushHushHush"
PASSWORD = "hush-Pa55word"
CUSTOMER = "cus_PersonalData"
DESCRIPTION = "for Jane Doe, 4 Privet Drive"
LEVEL = ("--log-level", "debug")
_numbers = itertools.count(1)


@pytest.fixture
def guarded(installation: Installation) -> Iterator[Installation]:
    """An installation with a secret key and database password; after the test every table is searched for them."""
    name = f"secretive_{next(_numbers)}"
    with psycopg.connect(installation.shop.url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(
                sql.Identifier(name), sql.Literal(PASSWORD)
            )
        )
    installation.stripe.add_key(
        KEY, permissions=["payment_intent_read", "charge_read", "event_read", "dispute_read"]
    )
    url = make_conninfo(installation.shop.url, user=name, password=PASSWORD)
    installation.environ |= {
        "STRIPE_API_KEY": KEY,
        "DATABASE_URL": url,
        "RECONCILER_DELIVERY__URL": "https://shop.example/reconciler",
        "RECONCILER_SIGNING_SECRET": SIGNING,
    }
    installation.secrets += [KEY, KEY[-12:], SIGNING[6:], PASSWORD, CUSTOMER, "Privet"]
    yield installation
    search_tables(installation)
    with psycopg.connect(installation.shop.url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def search_tables(installation: Installation) -> None:
    """Search every column of every table, Reconciler's and the merchant's, for a secret."""
    tables = installation.query_dicts(
        "SELECT schemaname, tablename FROM pg_tables"
        " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert len(tables) > 10
    secrets = installation.secrets + [intent.secret for intent in installation.stripe.intents()]
    for table in tables:
        name = sql.Identifier(table["schemaname"], table["tablename"])
        query = sql.SQL("SELECT t::text FROM {} AS t").format(name)
        for (line,) in kept_connection(installation.shop.url).execute(query):
            for secret in [*secrets, "_secret_"]:
                assert secret not in line, name.as_string()


def stocked(installation: Installation) -> str:
    """Create payments with a customer's data, some of which disagree. Returns one of the intents."""
    personal = {"customer": CUSTOMER, "description": DESCRIPTION, "metadata": {"name": DESCRIPTION}}
    installation.add_payment(1, intent=personal)
    installation.add_payment(2, "paid", "cancel", intent=personal)
    installation.add_payment(3, "canceled", "succeed", intent=personal)
    failed = installation.add_payment(4, "pending", "fail", intent=personal)
    installation.add_unknown_payment(5)
    return failed


def every_command(installation: Installation, intent: str) -> None:
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
        answer = installation.run(*LEVEL, *command)
        for made in installation.stripe.intents():
            assert made.secret not in answer.out + answer.err, command


def test_every_command(guarded: Installation) -> None:
    """No command shows or stores a secret or a customer's data, even at the log level debug."""
    every_command(guarded, stocked(guarded))
    assert guarded.states_by_kind()


def test_an_export_into_a_folder(guarded: Installation, tmp_path: Path) -> None:
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


def _repeating(installation: Installation, status: int) -> Wire:
    """An answer that repeats the key and a client_secret, as a careless proxy would."""
    secret = next(installation.stripe.intents()).secret
    said = f"Bearer {KEY} {PASSWORD} pi_1_secret_{secret} {DESCRIPTION}"
    body = {"error": {"message": said, "code": KEY, "param": said, "type": KEY}, "id": KEY}
    headers = (("Request-Id", KEY), ("Stripe-Rate-Limited-Reason", KEY), ("Retry-After", "0"))
    return Wire(status, json.dumps(body).encode(), headers)


@pytest.mark.parametrize(
    "status",
    [200, *(pytest.param(one, marks=pytest.mark.long) for one in (400, 401, 403, 404, 429, 500))],
)
def test_an_answer_that_repeats_the_key(guarded: Installation, status: int) -> None:
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


def _quoting_trigger(installation: Installation) -> None:
    installation.execute(
        "CREATE FUNCTION quote_secrets() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{KEY} {PASSWORD}' USING DETAIL = '{DESCRIPTION}',"
        f" HINT = '{CUSTOMER}'; END $$;"
        "CREATE TRIGGER quote_secrets BEFORE UPDATE ON public.payments"
        " FOR EACH ROW EXECUTE FUNCTION quote_secrets()"
    )


DATABASE_FAILURES: dict[str, Callable[[Installation], object]] = {
    "a trigger that quotes secrets": _quoting_trigger,
    "a constraint": lambda installation: installation.execute(
        "ALTER TABLE public.payments ADD CONSTRAINT no CHECK (status <> 'paid') NOT VALID"
    ),
    "no ledger": lambda installation: installation.execute("DROP TABLE reconciler.ledger CASCADE"),
    "no table": lambda installation: installation.execute("DROP TABLE public.payments"),
    "a lease": lambda installation: installation.execute(
        "INSERT INTO reconciler.leases VALUES ('default', 1, 'another', now() + '1 hour')"
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[] if name == "a trigger that quotes secrets" else [pytest.mark.long]
        )
        for name in DATABASE_FAILURES
    ],
)
def test_a_database_failure_shows_no_secret(guarded: Installation, name: str) -> None:
    """The message about a database failure does not contain PostgreSQL's details, which may contain secrets."""
    intent = stocked(guarded)
    DATABASE_FAILURES[name](guarded)
    every_command(guarded, intent)


@some_quick(
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
    quick=(0, 3, 6, 8),
)
def test_a_database_url_is_not_repeated(installation: Installation, url: str) -> None:
    """A wrong database URL is reported without its password."""
    installation.secrets.append(PASSWORD)
    for command in (("sweep", "--json"), ("doctor",), ("verify",), ("migrate",)):
        answer = installation.run(*LEVEL, *command, DATABASE_URL=url)
        assert answer.code in (75, 78), command


def test_secrets_in_the_wrong_places(installation: Installation) -> None:
    """A key or a password in a wrong place of the configuration is not shown in the message."""
    installation.secrets += [KEY, PASSWORD]
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
        before = dict(installation.sections)
        installation.configure(**change)  # type: ignore[arg-type]
        answer = installation.run("sweep")
        assert answer.code == 78, change
        installation.sections = before


@pytest.mark.long
def test_a_separate_process_shows_no_secret(guarded: Installation) -> None:
    """A sweep in its own process shows no secret, even at the log level debug."""
    stocked(guarded)
    answer = guarded.run_process(*LEVEL, "sweep", "--apply", "--json")
    assert answer.code == 0
    assert answer.json["corrected"] == 2
