"""The examples of the pages work: configuration, commands, SQL, and the programs that a reader would copy."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import stripe

from reconciler.domain.delivery_signature import SIGNATURE_HEADER, signature
from reconciler.entrypoints.cli.app import run
from reconciler.errors import ConfigurationError
from reconciler.settings import load
from tests.acceptance.docs.facts_program import commands, configuration_keys, help_of, log_events
from tests.acceptance.docs.pages import DOCS, REPOSITORY
from tests.acceptance.docs.played_tutorial import Tutorial
from tests.acceptance.docs.test_links import markdown_files

PAGES = [path for path in markdown_files() if path.name != "CHANGELOG.md"]
HOW_TO = DOCS / "how-to"
JSON_PAGE = DOCS / "reference" / "json.md"
"""Its fields look as keys of the configuration do."""
RoleFactory = Callable[[str], tuple[str, Callable[[str], str]]]


def name_of(path: Path) -> str:
    """How a test names a page."""
    return str(path.relative_to(REPOSITORY))


def examples(path: Path, language: str) -> list[str]:
    """The examples of a language on a page, also those within a list."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^ *```",
        path.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def example(path: Path, language: str, words: str) -> str:
    """The one example of a language on a page that has these words in it."""
    (found,) = [text for text in examples(path, language) if words in text]
    return found


def command_lines(path: Path) -> Iterator[list[str]]:
    """Every command line of the program in a page's examples."""
    for language in ("console", "sh"):
        for text in examples(path, language):
            for line in text.replace("\\\n", " ").splitlines():
                words = (
                    shlex.split(line.removeprefix("$ "), comments=True)
                    if "reconciler" in line
                    else []
                )
                if "reconciler" not in words:
                    continue
                after = words[words.index("reconciler") + 1 :]
                before = words[: words.index("reconciler")]
                if all("=" in word for word in before):
                    yield [word for word in after if word not in ("|", ">")]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_exist(path: Path) -> None:
    """Every command and every option in an example exists."""
    known = set(commands())
    for words in command_lines(path):
        arguments = words
        while arguments and arguments[0].startswith("-"):
            assert arguments[0] in help_of(None), words
            arguments = arguments[1 if arguments[0] == "--version" else 2 :]
        if not arguments:
            continue
        command = next(
            name
            for name in (" ".join(arguments[:2]), arguments[0], None)
            if name is None or name in known
        )
        assert command is not None, words
        options = {word.partition("=")[0] for word in arguments[1:] if word.startswith("--")}
        shown = set(re.findall(r"--[a-z-]+", help_of(command)))
        assert options <= shown, words


@pytest.mark.parametrize("path", [path for path in PAGES if path != JSON_PAGE], ids=name_of)
def test_keys_exist(path: Path) -> None:
    """Every configuration key that a page names exists."""
    tables = sorted({key.partition(".")[0].removesuffix("[]") for key in configuration_keys()})
    named = re.findall(
        rf"`((?:{'|'.join(tables)})\.[a-z_]+)(?: = [^`]*|\.[a-z]+)?`",
        path.read_text(encoding="utf-8"),
    )
    known = configuration_keys() | {event.name for event in log_events()}
    assert set(named) <= known


def inline_table(value: object) -> str:
    """A value of TOML on one line."""
    if isinstance(value, dict):
        fields = (f"{json.dumps(key)} = {inline_table(item)}" for key, item in value.items())
        return f"{{{', '.join(fields)}}}"
    return json.dumps(value)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (path, text)
        for path in PAGES
        for text in examples(path, "toml")
        if "[preset]" not in text  # a preset is no configuration, and init's tests load each
    ],
    ids=lambda value: name_of(value) if isinstance(value, Path) else "toml",
)
def test_configuration_is_valid(path: Path, text: str, tmp_path: Path) -> None:
    """Every example of a configuration can be loaded; a part of one has no fault in what it has."""
    written = tomllib.loads(text)
    for account in written.get("accounts", ()):
        (tmp_path / account["key_file"]).write_text("rk_test_example")
    file = tmp_path / "reconciler.toml"
    if "table" not in written.get("payments", {"table": ""}):
        # a part of a mapping: what it leaves out stands in the least configuration
        least = tomllib.loads(examples(HOW_TO / "set-up-a-table.md", "toml")[0])["payments"]
        text = f"payments = {inline_table({**least, **written['payments']})}"
    file.write_text(text, encoding="utf-8")
    environ = {
        "STRIPE_API_KEY": "rk_test_example",
        "DATABASE_URL": "postgresql:///shop",
        "RECONCILER_SIGNING_SECRET": f"whsec_{'a' * 32}",
    }
    try:
        load(file, environ, need_table="payments" in written)
    except ConfigurationError as error:
        pytest.fail(f"{path}: {error}")


def test_least_configuration_is_enough(tmp_path: Path) -> None:
    """The page about a table shows a whole configuration: nothing else has to be set."""
    file = tmp_path / "reconciler.toml"
    file.write_text(examples(HOW_TO / "set-up-a-table.md", "toml")[0], encoding="utf-8")
    settings = load(file, {"STRIPE_API_KEY": "rk_live_x", "DATABASE_URL": "postgresql:///shop"})
    assert settings.table.table == "public.payments"


def test_grants_are_enough(tutorial: Tutorial, role: RoleFactory) -> None:
    """What the page about a table grants serves a dry run, an applied sweep and a revert."""
    name, url_of = role("daemon")
    grants = example(HOW_TO / "set-up-a-table.md", "sql", "CREATE ROLE reconciler LOGIN")
    _, _, rest = grants.partition(";\n")
    tutorial.execute(re.sub(r"\breconciler\b", name, rest))
    assert tutorial.run(f"reconciler migrate --daemon-role {name}").code == 0
    tutorial.url = url_of(tutorial.url)
    assert tutorial.run("reconciler sweep").code == 0
    discrepancies = json.loads(tutorial.run("reconciler discrepancies --json").out)
    missed = next(one["id"] for one in discrepancies if one["kind"] == "missed_outcome")
    line = f"reconciler resolve {missed} --accept stripe --note x"
    assert tutorial.run(line).code == 0
    assert tutorial.run("reconciler doctor").code == 0


def test_a_migrator_needs_no_more(empty_database: str, role: RoleFactory) -> None:
    """The grant of the page about managed servers is enough to migrate, for a role that owns nothing."""
    name, url_of = role("migrator")
    grant = example(HOW_TO / "managed-postgresql.md", "sql", "GRANT CREATE ON DATABASE")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        database = connection.info.dbname
        connection.execute(grant.replace("shop", database).replace("migrator", name))  # type: ignore[call-overload]
    assert run(("migrate",), {"DATABASE_URL": url_of(empty_database)}) == 0


def test_worker_takes_what_waits(tutorial: Tutorial, role: RoleFactory) -> None:
    """The worker of the page about the outbox takes every row that waits, once, with the role of the page alone."""
    page = HOW_TO / "consume-the-outbox.md"
    name, url_of = role("worker")
    line = example(page, "console", "--worker-role").strip().splitlines()[-1]
    _, _, command = line.partition('" ')
    assert tutorial.run(command.replace(" worker", f" {name}")).code == 0
    statements = [
        re.sub(r"--[^\n]*", "", one).strip()
        for one in example(page, "sql", "SKIP LOCKED").split(";")
    ]
    begin, select, update, commit, _ = statements
    taken = []
    with psycopg.connect(url_of(tutorial.url), autocommit=True) as connection:
        while True:
            connection.execute(begin)  # type: ignore[call-overload]
            rows = connection.execute(select).fetchall()  # type: ignore[call-overload]
            for account, number, *_ in rows:
                done = update.replace("'default'", f"'{account}'").replace("42", str(number))
                connection.execute(done)  # type: ignore[call-overload]
            connection.execute(commit)  # type: ignore[call-overload]
            if not rows:
                break
            taken += rows
    kinds = [row[4] for row in taken]
    assert kinds == ["correction"] * 3 + ["revert"] * 3


@pytest.mark.parametrize("words", ["interval '90 days'"])
def test_old_rows_can_be_deleted(tutorial: Tutorial, words: str) -> None:
    """Rows that were delivered long ago can be deleted; the others stay."""
    tutorial.execute(
        "UPDATE reconciler.outbox SET created_at = now() - interval '100 days',"
        " delivered_at = now() - interval '99 days' WHERE kind = 'revert'"
    )
    tutorial.execute(example(HOW_TO / "consume-the-outbox.md", "sql", words))
    assert tutorial.execute("SELECT count(*) FROM reconciler.outbox").fetchone() == (3,)


def test_statements_about_deliveries_run(tutorial: Tutorial) -> None:
    """The page about webhooks has statements that mark old rows, and that let given-up rows be tried again."""
    page = HOW_TO / "webhook-delivery.md"
    tutorial.execute(
        "UPDATE reconciler.outbox SET attempts = 9, last_error = 'x', tried_since = now(), given_up_at = now()"
    )
    tutorial.execute(example(page, "sql", "given_up_at = NULL"))
    assert tutorial.execute(
        "SELECT count(*) FROM reconciler.outbox WHERE given_up_at IS NULL AND tried_since IS NULL"
    ).fetchone() == (6,)
    tutorial.execute(example(page, "sql", "created_at <"))


def test_statement_that_proves_that_every_write_was_received(tutorial: Tutorial) -> None:
    """After an outage it shows each write whose message is not delivered or does not exist, and nothing once all are."""
    query = example(HOW_TO / "troubleshoot-at-night.md", "sql", "reconciler.ledger AS l")
    tutorial.execute("UPDATE reconciler.outbox SET delivered_at = NULL")

    def missing() -> list[tuple[Any, ...]]:
        return [row[4:5] for row in tutorial.execute(query).fetchall()]

    ids = tutorial.execute("SELECT id FROM reconciler.outbox ORDER BY ledger_seq").fetchall()
    assert missing() == ids
    assert len(ids) == 6
    tutorial.execute("UPDATE reconciler.outbox SET delivered_at = greatest(now(), created_at)")
    assert missing() == []
    tutorial.execute("DELETE FROM reconciler.outbox WHERE kind = 'revert'")
    assert missing() == [(None,)] * 3


def test_auditor_may_add_a_note(tutorial: Tutorial, role: RoleFactory) -> None:
    """The statement of the page for finance works with the auditor's role, which cannot sign for another."""
    name, url_of = role("auditor")
    assert tutorial.run(f"reconciler migrate --auditor-role {name}").code == 0
    note = example(HOW_TO / "audit-mismatches.md", "sql", "INSERT INTO reconciler.notes")
    (number,) = tutorial.execute("SELECT min(id) FROM reconciler.discrepancies").fetchone() or ()
    with psycopg.connect(url_of(tutorial.url), autocommit=True) as connection:
        connection.execute(note.replace("42", str(number)))  # type: ignore[call-overload]
    assert tutorial.execute("SELECT author FROM reconciler.notes").fetchone() == (name,)


def test_auditor_can_recompute_the_ledger(tutorial: Tutorial, tmp_path: Path) -> None:
    """The program on the page about the ledger accepts an export, and refuses one with a changed entry."""
    program = tmp_path / "check.py"
    program.write_text(example(DOCS / "explanation" / "ledger.md", "python", "hashlib"))
    export = tutorial.run("reconciler export").out

    def check(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, program], input=text, capture_output=True, text=True, check=False
        )

    entries = export.count('"type": "ledger",')
    assert entries > 5
    assert check(export).stdout.strip() == str({"default": entries})
    assert check(export.replace('"examined": 7', '"examined": 8')).returncode != 0


def test_signature_is_checked_as_the_page_says() -> None:
    """The line of the page about webhooks accepts what the service sends."""
    body, secret = b'{"id": "default:42"}', "whsec_" + "a" * 32
    headers = {SIGNATURE_HEADER: signature(body, secret, datetime.now(UTC))}
    line = example(HOW_TO / "webhook-delivery.md", "python", "verify_header")
    scope = {"stripe": stripe, "body": body.decode(), "headers": headers, "secret": secret}
    exec(line, scope)
    with pytest.raises(stripe.SignatureVerificationError):
        exec(line, {**scope, "secret": "whsec_" + "b" * 32})


def test_message_is_as_the_page_shows() -> None:
    """The example of a message has the fields of a message."""
    shown = json.loads(example(HOW_TO / "webhook-delivery.md", "json", "payment.corrected"))
    assert list(shown) == ["id", "type", "created", "account", "data"]
    assert list(shown["data"]) == [
        "payment_key",
        "payment_intent",
        "from_status",
        "to_status",
        "outcome",
        "ledger_seq",
    ]
