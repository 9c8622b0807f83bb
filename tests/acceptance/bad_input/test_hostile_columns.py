"""The merchant's own columns are untrusted: what a row says is neither a secret that leaks nor text that controls anything."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from psycopg import sql

from tests.acceptance.installation import Installation
from tests.kept_connections import kept_connection

KEYS = (
    "sk_live_51HxQb2eZvKYlo2CAAAA",
    "sk_live_51HxQb2eZvKYlo2CBBBB",
    "rk_test_51HxQb2eZvKYlo2CAAAA",
    "pk_live_51HxQb2eZvKYlo2CAAAA",
    "whsec_51HxQb2eZvKYlo2CAAAAAA",
)
CLIENT_SECRET = "pi_3Mt0000000000000_secret_YrKJUKribcBjcG8HVhfZluoGH"
EVIL = "\x1b]0;owned\x07\x9b2J\u202edettes\u2066"
FORMULAS = ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "\uff1dx", "\uff0bx", "\uff0dx", "\uff20x")
FORMULAS_BEGIN = tuple(text[0] for text in FORMULAS)
READING = (
    ("sweep",),
    ("sweep", "--json"),
    ("sweep", "--format", "csv"),
    ("discrepancies",),
    ("discrepancies", "--json"),
    ("discrepancies", "--format", "csv"),
    ("status",),
    ("status", "--json"),
    ("plan",),
    ("doctor",),
    ("export",),
    ("verify",),
)


@pytest.fixture
def texts(installation: Installation) -> Installation:
    """A table whose key and order are text of any kind."""
    installation.execute(
        "ALTER TABLE public.payments ALTER COLUMN id TYPE text, ALTER COLUMN currency TYPE text"
    )
    return installation


def stored_text(installation: Installation) -> str:
    """Everything in Reconciler's tables."""
    tables = installation.query_dicts(
        "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'reconciler'"
    )
    lines: list[str] = []
    for table in tables:
        query = sql.SQL("SELECT t::text FROM {} AS t").format(
            sql.Identifier("reconciler", table["name"])
        )
        lines += [line for (line,) in kept_connection(installation.shop.url).execute(query)]
    return "\n".join(lines)


def every_output(installation: Installation) -> str:
    """What every command that reads writes, on both streams."""
    answers = [installation.run("--log-level", "debug", *command) for command in READING]
    folder = installation.folder / "export"
    installation.run("export", "--format", "csv", "--output", str(folder))
    files = [path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())]
    return "\n".join([answer.out + answer.err for answer in answers] + files)


def test_keys_in_a_status_are_neither_shown_nor_stored(texts: Installation) -> None:
    """An unknown status that is a key or a client secret is a finding whose text is masked everywhere."""
    secrets = [*KEYS, CLIENT_SECRET]
    for number, secret in enumerate(secrets):
        texts.add_payment(f"row-{number}", secret)
    assert texts.run("sweep", "--apply").code == 0
    texts.secrets += secrets
    shown = every_output(texts)
    assert "sk_live_***" in shown
    assert texts.states_by_kind() == {"unknown_status": ["open"] * len(secrets)}
    assert not [secret for secret in secrets if secret in stored_text(texts)]
    texts.check_ledger()

    # the same values are the same finding, another key is another fingerprint
    before = texts.query("SELECT id, fingerprint FROM reconciler.discrepancies ORDER BY id")
    assert len({fingerprint for _, fingerprint in before}) == len(secrets)
    state = "SELECT id, state FROM reconciler.discrepancies WHERE keys = '{row-0}'"
    [(number, _)] = texts.query(state)
    assert texts.run("resolve", str(number), "--note", "known").code == 0
    texts.run("sweep", "--apply")
    assert texts.query(state) == [(number, "resolved")]
    texts.execute(f"UPDATE payments SET status = '{KEYS[0]}CCCC' WHERE id = 'row-0'")
    texts.secrets.append(f"{KEYS[0]}CCCC")
    texts.run("sweep", "--apply")
    assert texts.query(state) == [(number, "open")]
    texts.check_ledger()


def test_what_must_be_masked_identifies_its_row(texts: Installation) -> None:
    """A row whose key is a secret is corrected, settled and taken back like another one, and its key is masked."""
    for secret in KEYS[:2]:
        texts.add_payment(secret)
    texts.add_payment(CLIENT_SECRET, "canceled")
    report = texts.sweep("--apply", "--kind", "window")
    assert report.code == 0
    assert set(texts.statuses().values()) == {"paid", "canceled"}
    texts.secrets += [*KEYS[:2], CLIENT_SECRET]
    every_output(texts)
    rows = texts.query("SELECT payment_key FROM reconciler.outbox")
    assert len(set(rows)) == 2
    [(flagged,)] = texts.query(
        "SELECT id FROM reconciler.discrepancies WHERE kind = 'paid_after_cancel'"
    )
    accepted = texts.run("resolve", str(flagged), "--accept", "stripe", "--note", "yes")
    assert accepted.code == 0, accepted.err
    assert set(texts.statuses().values()) == {"paid"}
    reverted = texts.run("revert", str(report.json["sweep"]))
    assert reverted.code == 0, reverted.out
    assert sorted(texts.statuses().values(), key=str) == ["paid", "pending", "pending"]
    assert not [secret for secret in texts.secrets if secret in stored_text(texts)]
    texts.check_ledger()


def test_a_key_in_the_column_of_the_intent(texts: Installation) -> None:
    """What stands in the place of a PaymentIntent's id is not asked for, and a key there is masked."""
    for number, secret in enumerate(KEYS):
        texts.add_unknown_payment(f"row-{number}", ident=secret)
    texts.add_payment("a")
    for kind in ("due", "window", "all"):
        assert texts.run("sweep", "--apply", "--kind", kind).code == 0
    assert texts.statuses()["a"] == "paid"
    texts.secrets += KEYS
    every_output(texts)
    assert not [secret for secret in KEYS if secret in stored_text(texts)]
    texts.check_ledger()


def test_nothing_that_was_masked_is_written_back(texts: Installation) -> None:
    """A correction whose earlier status held a secret is named and left alone by revert."""
    texts.configure(
        payments={"read": {**texts.sections["payments"]["read"], KEYS[0]: "incomplete"}}
    )
    texts.add_payment("a", KEYS[0])
    texts.add_payment("b")
    report = texts.sweep("--apply")
    assert texts.statuses() == {"a": "paid", "b": "paid"}
    reverted = texts.run("revert", "--json", str(report.json["sweep"]))
    assert (reverted.code, reverted.json["reverted"]) == (1, 1)
    [skipped] = reverted.json["skipped"]
    assert skipped["payment"] == "a"
    assert "held a secret" in skipped["why"]
    assert texts.statuses() == {"a": "paid", "b": "pending"}


def test_a_note_with_an_api_key_is_masked(texts: Installation) -> None:
    """A person who pastes a key into a note has not stored it."""
    texts.add_payment("a", "canceled")
    texts.run("sweep", "--record", "--kind", "window")
    texts.secrets.append(KEYS[0])
    assert texts.run("resolve", "1", "--note", f"asked with {KEYS[0]}").code == 0
    every_output(texts)
    assert KEYS[0] not in stored_text(texts)
    texts.check_ledger()


def test_text_of_a_row_controls_no_terminal(texts: Installation) -> None:
    """Control characters in status, key, order and currency reach no output."""
    texts.add_payment(f"key{EVIL}", f"status{EVIL}", order=f"order{EVIL}")
    texts.add_payment(f"other{EVIL}", "canceled", order=f"order{EVIL}")
    texts.add_payment(f"third{EVIL}", "paid", currency="eur", order=f"order{EVIL}")
    texts.execute("UPDATE payments SET currency = 'e\x9b\u202e' WHERE id LIKE 'third%'")
    texts.run("sweep", "--apply")
    shown = every_output(texts)
    for char in "\x1b\x07\x9b\u202e\u2066":
        assert char not in shown
    assert "owned" in shown
    for row in texts.query("SELECT payment_intent FROM reconciler.discrepancies"):
        if row[0] is not None:
            for options in ((), ("--json",)):
                answer = texts.run("explain", row[0], *options)
                assert "\x9b" not in answer.out + answer.err


def test_text_of_a_row_controls_no_spreadsheet(texts: Installation, tmp_path: Path) -> None:
    """A status or a key that begins a formula gets an apostrophe in every CSV."""
    for start in FORMULAS:
        texts.add_payment(f"{start}key", "canceled")
        texts.add_payment(f"{start}row", f"{start}status")
    texts.run("sweep", "--record")
    texts.run("export", "--format", "csv", "--output", str(tmp_path / "export"))
    written = [
        texts.run("sweep", "--format", "csv").out,
        texts.run("discrepancies", "--format", "csv").out,
        *(path.read_text(encoding="utf-8") for path in (tmp_path / "export").iterdir()),
    ]
    for text in written:
        rows = list(csv.reader(io.StringIO(text, newline="")))
        cells = [cell for row in rows for cell in row]
        assert not [cell for cell in cells if cell.startswith(FORMULAS_BEGIN)]
        assert len({len(row) for row in rows}) == 1


def test_a_status_of_a_megabyte(texts: Installation) -> None:
    """One very long status is one short cell, and no other line gets longer by it."""
    texts.add_payment("long", "x" * 1_000_000)
    for number in range(30):
        texts.add_payment(f"row-{number}", "canceled")
    texts.run("sweep", "--record")
    for command in (("sweep",), ("discrepancies",), ("discrepancies", "--format", "csv")):
        lines = texts.run(*command).out.splitlines()
        assert len(lines) > 30
        assert max(map(len, lines)) < 10_000
        assert sorted(map(len, lines))[-3] < 3_000
    [(intent,)] = texts.query(
        "SELECT payment_intent FROM reconciler.discrepancies WHERE kind = 'unknown_status'"
    )
    assert len(texts.run("explain", intent).out) < 10_000
    found = json.loads(texts.run("discrepancies", "--json", "--kind", "unknown_status").out)
    assert len(found) == 1
