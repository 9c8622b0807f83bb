"""verify finds every change of the ledger, also its removal if a head was noted elsewhere, and what does not fit it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from psycopg.sql import Literal

from reconciler.domain.audit.hash_chain import GENESIS, entry_hash
from tests.acceptance.cli.conftest import Town
from tests.some_quick import some_quick

NO_TRIGGERS = "SET session_replication_role = replica;" + "".join(
    f"ALTER TABLE reconciler.{table} DISABLE TRIGGER USER;"
    for table in ("ledger", "ledger_heads", "notes")
)
EMPTY = "DELETE FROM reconciler.ledger; DELETE FROM reconciler.ledger_heads"
LATER_THAN = """
    DELETE FROM reconciler.ledger WHERE seq > {0};
    UPDATE reconciler.ledger_heads SET seq = {0}, hash = (SELECT hash FROM reconciler.ledger WHERE seq = {0})
"""

PLANTED_NOTE = """
    INSERT INTO reconciler.notes (account, discrepancy, author, note)
    SELECT 'default', min(id), 'bob', 'x' FROM reconciler.discrepancies
"""
PLANTED_OUTBOX_ROW = """
    INSERT INTO reconciler.outbox
        (account, payment_key, payment_intent, kind, from_status, to_status, outcome, ledger_seq)
    VALUES ('default', '4', 'pi_4', 'correction', 'canceled', 'paid', 'succeeded', 9999)
"""
PLANTED_DISCREPANCY = """
    INSERT INTO reconciler.discrepancies
        (account, subject, kind, keys, severity, state, stake_amount, currency, local, stripe, evidence, fingerprint,
        first_seen, last_seen, changed_at)
    VALUES ('default', 'pi_x', 'overdue', '{}', 'info', 'open', 1, 'eur', '{}', '{}', '{}', repeat('0', 64),
        now(), now(), now())
"""


@pytest.fixture
def shop(town: Town) -> Town:
    """A shop whose ledger has entries of every kind: corrections, findings, a resolution, a revert and a note."""
    for key in range(1, 4):
        town.pay(key)
    town.pay(4, "canceled")
    assert town.run("sweep", "--apply").code == 0
    flagged = town.run("discrepancies", "--json", "--kind", "paid_after_cancel").json[0]["id"]
    town.shop.execute(
        "INSERT INTO reconciler.notes (account, discrepancy, author, note)"
        f" VALUES ('default', {flagged}, 'ann \"é\"', 'they called us ☎')"
    )
    assert town.run("resolve", str(flagged), "--note", "refunded by hand").code == 0
    assert town.run("revert", "1").code == 0
    return town


def tamper(town: Town, query: str) -> None:
    """Do what a person with every right on the database can do."""
    town.shop.execute(f"{NO_TRIGGERS} {query}")


def verified(town: Town, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code of verify, and what it says of the only account."""
    answer = town.run("verify", "--json", *options)
    (account,) = answer.json["accounts"]
    assert answer.json["ok"] is account["ok"] is (answer.code == 0)
    return answer.code, account


def anchored(town: Town) -> Path:
    """The file with an answer of verify --json, as it is now."""
    answer = town.run("verify", "--json")
    assert answer.code == 0
    path = town.folder / "anchor.json"
    path.write_text(answer.out)
    return path


def last_seq(town: Town) -> int:
    return town.ask("SELECT max(seq) FROM reconciler.ledger")[0][0]  # type: ignore[no-any-return]


def test_a_changed_entry(shop: Town) -> None:
    """verify exits with 1 and names the first bad entry."""
    tamper(shop, """UPDATE reconciler.ledger SET body = body || '{"key": "9"}' WHERE seq = 2""")
    assert verified(shop)[1]["first_bad"] == 2
    broken = shop.run("verify")
    assert broken.code == 1
    assert "BROKEN at entry 2" in broken.out


def test_an_honest_ledger_agrees_with_everything(shop: Town) -> None:
    """After corrections, a resolution, a revert, a note and another sweep, nothing is wrong, with and without an anchor."""
    anchor = anchored(shop)
    shop.pay(5)
    assert shop.run("sweep", "--apply").code == 0
    code, account = verified(shop, "--anchor", str(anchor))
    assert code == 0
    assert account["anchor"]["state"] == "agrees"
    assert account["records"] == {"faults": 0, "first": []}
    assert (account["first_bad"], account["what"]) == (None, None)
    assert "the anchors agree" in shop.run("verify", "--anchor", str(anchor)).out


def test_the_head_is_the_last_entry(shop: Town) -> None:
    """verify --json has the number, the hash and the time of the last entry, to be noted elsewhere."""
    _, account = verified(shop)
    [(seq, digest)] = shop.ask("SELECT seq, hash FROM reconciler.ledger ORDER BY seq DESC LIMIT 1")
    assert (account["head"]["seq"], account["head"]["hash"]) == (seq, digest)
    assert account["head"]["at"].endswith("Z")
    assert account["anchor"] is None


@some_quick(
    ("change", "words"),
    [
        ("SET at = 'infinity'", "the entry's time cannot be read"),
        ("""SET body = '{"amount": 42.5}'""", "not an integer"),
        ("""SET body = ('{"amount": ' || repeat('9', 5000) || '}')::jsonb""", "too many digits"),
        (
            """SET body = ('{"a": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb""",
            "nested too deep",
        ),
    ],
    quick=(1, 3),
)
def test_an_entry_that_cannot_be_read(shop: Town, change: str, words: str) -> None:
    """It is the first bad entry, verify exits with 1, and export names it too; neither ends with a traceback."""
    tamper(shop, f"UPDATE reconciler.ledger {change} WHERE seq = 3")
    code, account = verified(shop)
    assert (code, account["first_bad"], words in account["what"]) == (1, 3, True)
    assert account["head"] is None
    month = shop.ask("SELECT to_char(now(), 'YYYY-MM')")[0][0]
    for options in (
        (),
        ("--format", "csv", "--output", str(shop.folder / "export")),
        ("--bundle", str(shop.folder / "bundle.zip"), "--month", month),
    ):
        answer = shop.run("export", *options)
        assert answer.code == 1
        assert "Entry 3 of account default cannot be exported" in answer.err
        assert words in answer.err
        assert "reconciler verify" in answer.err


def test_an_emptied_ledger(shop: Town) -> None:
    """Without an anchor the records that are left betray it, with an anchor the anchor does."""
    anchor = anchored(shop)
    tamper(shop, EMPTY)
    code, account = verified(shop)
    assert (code, account["records"]["faults"] > 0) == (1, True)
    tamper(
        shop,
        "DELETE FROM reconciler.notes; DELETE FROM reconciler.discrepancies; DELETE FROM reconciler.outbox",
    )
    assert shop.run("verify").out == "The ledger is empty.\n"
    code, account = verified(shop, "--anchor", str(anchor))
    assert (code, account["entries"], account["first_bad"]) == (1, 0, 1)
    assert shop.run("verify", "--anchor", str(anchor), "--account", "default").code == 1


def test_a_cut_tail(shop: Town) -> None:
    """The last entries and the head are set back, the records stay: an anchor shows where the chain ends."""
    anchor = anchored(shop)
    last = last_seq(shop)
    tamper(shop, LATER_THAN.format(3))
    code, account = verified(shop, "--anchor", str(anchor))
    assert (code, account["first_bad"], account["anchor"]["state"]) == (1, 4, "cut")
    assert account["anchor"]["first_differing"] == last
    assert f"an anchor names entry {last}, but the ledger ends at entry 3" in account["what"]


def rewrite(town: Town, seq: int, body: str) -> None:
    """Change one entry and write the chain anew from there, with the head, as a forger does who knows the recipe."""
    prev, number = GENESIS, 0
    for number, at, action, stored, role in town.ask(
        "SELECT seq, at, action, body, role FROM reconciler.ledger ORDER BY seq"
    ):
        content = stored | json.loads(body) if number == seq else stored
        digest = entry_hash("default", number, at, action, content, prev, role)
        # a body may hold a query with quotes
        literal = Literal(json.dumps(content)).as_string()
        change = f"body = {literal}, prev = '{prev}', hash = '{digest}'"
        tamper(town, f"UPDATE reconciler.ledger SET {change} WHERE seq = {number}")
        prev = digest
    tamper(town, f"UPDATE reconciler.ledger_heads SET seq = {number}, hash = '{prev}'")


def test_a_rewritten_chain(shop: Town) -> None:
    """A chain that was written anew with one change is intact by itself, but is not the one that was anchored."""
    anchor = anchored(shop)
    rewrite(shop, 2, '{"asked_by": "another person"}')
    assert verified(shop)[0] == 0
    code, account = verified(shop, "--anchor", str(anchor))
    assert (code, account["anchor"]["state"]) == (1, "rewritten")
    assert account["first_bad"] == last_seq(shop)
    assert "BROKEN, rewritten: " in shop.run("verify", "--anchor", str(anchor)).out


def test_a_restored_database(shop: Town) -> None:
    """A database set back to an earlier time, ledger and records alike, is called restored?, and stays so when it goes on."""
    early = anchored(shop).rename(shop.folder / "early.json")
    tables = ("ledger", "ledger_heads", "discrepancies", "notes", "outbox")
    for table in tables:
        shop.shop.execute(f"CREATE TABLE public.saved_{table} AS TABLE reconciler.{table}")
    shop.pay(5)
    assert shop.run("sweep", "--apply").code == 0
    late = anchored(shop)
    for table in reversed(tables):
        tamper(shop, f"DELETE FROM reconciler.{table}")
    for table in tables:
        tamper(
            shop,
            f"INSERT INTO reconciler.{table} OVERRIDING SYSTEM VALUE TABLE public.saved_{table}",
        )

    assert verified(shop, "--anchor", str(early))[0] == 0
    code, account = verified(shop, "--anchor", str(late))
    assert (code, account["anchor"]["state"]) == (1, "restored?")
    assert "restored?" in shop.run("verify", "--anchor", str(late)).out

    # the entries that follow have other hashes and later times than the anchored ones
    shop.shop.execute("UPDATE public.payments SET status = 'pending' WHERE id = 5")
    assert shop.run("sweep", "--apply").code == 0
    code, account = verified(shop, "--anchor", str(late))
    assert (code, account["anchor"]["state"]) == (1, "restored?")


@some_quick(
    ("change", "record", "words"),
    [
        (
            "UPDATE reconciler.discrepancies SET state = 'open', resolved_by = NULL WHERE kind = 'paid_after_cancel'",
            "discrepancy",
            "the table says open",
        ),
        (
            "UPDATE reconciler.discrepancies SET state = 'corrected' WHERE kind = 'missed_outcome'",
            "discrepancy",
            "the table says corrected",
        ),
        (
            "UPDATE reconciler.discrepancies SET fingerprint = repeat('0', 64) WHERE kind = 'paid_after_cancel'",
            "discrepancy",
            "fingerprint",
        ),
        (
            """UPDATE reconciler.discrepancies SET local = local || '{"amount": 1}' WHERE kind = 'paid_after_cancel'""",
            "discrepancy",
            "the values",
        ),
        (
            "DELETE FROM reconciler.discrepancies WHERE kind = 'missed_outcome' AND keys = '{1}'",
            "discrepancy",
            "but the table of discrepancies does not have it",
        ),
        ("UPDATE reconciler.notes SET note = 'they never called'", "note", "the note differs"),
        ("UPDATE reconciler.notes SET author = 'bob'", "note", "the note differs"),
        ("DELETE FROM reconciler.notes", "note", "but the table of notes does not have it"),
        (
            PLANTED_NOTE,
            "note",
            "no entry",
        ),
        (
            "UPDATE reconciler.outbox SET payment_key = '99' WHERE kind = 'correction' AND payment_key = '1'",
            "outbox",
            "does not record",
        ),
        (
            "UPDATE reconciler.outbox SET to_status = 'failed' WHERE kind = 'correction' AND payment_key = '1'",
            "outbox",
            "does not record",
        ),
        (
            PLANTED_OUTBOX_ROW,
            "outbox",
            "does not record",
        ),
        (
            PLANTED_DISCREPANCY,
            "discrepancy",
            "no entry",
        ),
    ],
    quick=(0, 4, 5, 8, 9, 12),
)
def test_a_record_that_does_not_fit_the_ledger(
    shop: Town, change: str, record: str, words: str
) -> None:
    """A changed, removed or planted discrepancy, note or outbox row is named, although the chain is intact."""
    assert verified(shop)[0] == 0
    tamper(shop, change)
    code, account = verified(shop)
    assert code == 1
    found = [(fault["record"], words in fault["what"]) for fault in account["records"]["first"]]
    assert (record, True) in found, account
    assert {kind for kind, _ in found} == {record}
    assert words in shop.run("verify").out


def test_anchors_as_lines(shop: Town) -> None:
    """Lines of account, seq, hash and at are anchors, as are an export's lines."""
    _, account = verified(shop)
    head = {"account": "default", **account["head"]}
    path = shop.folder / "anchors.jsonl"
    exported = {"type": "ledger_head", **head}
    others = [exported, {"type": "discrepancy"}]
    path.write_text("\n".join(json.dumps(line) for line in [head, *others]) + "\n\n")
    assert verified(shop, "--anchor", str(path))[0] == 0

    other_hash = {"account": "default", "seq": 1, "hash": head["hash"]}
    path.write_text("\n".join(json.dumps(line) for line in [head, other_hash, *others]))
    code, account = verified(shop, "--anchor", str(path))
    assert (code, account["anchor"]["state"], account["first_bad"]) == (1, "rewritten", 1)

    path.write_text(shop.run("export").out)
    assert verified(shop, "--anchor", str(path))[0] == 0


def test_the_first_line_that_is_no_anchor_is_named(shop: Town) -> None:
    """A file that is missing, empty or not made of anchors is a usage error that names the line."""
    path = shop.folder / "anchors.jsonl"
    head = '{"account": "default", "seq": 1, "hash": "' + "0" * 64 + '"}\n'
    for text, words in (
        (None, "cannot be read"),
        ("", "names no ledger entry: no line has"),
        ("{}", "line 1"),
        (head + "nonsense", "line 2"),
        (head + '{"account": "default", "seq": 1.5, "hash": "00"}', "line 2"),
        (head + '{"account": "default", "seq": 0, "hash": "' + "0" * 64 + '"}', "line 2"),
        ("[" * 100_000, "line 1"),
        ('{"account": "default", "seq": ' + "9" * 5000 + "}", "line 1"),
        ('{\n "accounts": []\n}', "names no ledger entry: no line has"),
        ("\x00\x01", "line 1"),
        ('{"account": "default", "seq": 1, "hash": "' + "0" * 64 + '", "at": "soon"}', "line 1"),
    ):
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
        answer = shop.run("verify", "--anchor", str(path))
        assert (answer.code, words in answer.err) == (64, True), (text, answer.err)
