"""What finance and operators do with the findings of a sweep."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shlex
from datetime import UTC, datetime

import pytest

from tests.acceptance.cli.conftest import HOUR_AGO, Town
from tests.kept_connections import kept_connection
from tests.some_quick import some_quick

DOCUMENTED = {
    "id",
    "kind",
    "severity",
    "state",
    "cause",
    "reason",
    "payment_intent",
    "payment",
    "amount",
    "currency",
    "first_seen",
    "last_seen",
}


@pytest.fixture
def swept(town: Town) -> Town:
    """A shop after a sweep that corrected one row and flagged another one."""
    town.pay(1)
    town.pay(2, "canceled")
    assert town.run("sweep", "--apply").code == 0
    return town


def listed(town: Town, *options: str) -> list[dict[str, object]]:
    answer = town.run("discrepancies", "--json", *options)
    assert answer.code == 0
    found = answer.json
    assert isinstance(found, list)
    return found


def test_discrepancies_as_json(swept: Town) -> None:
    """Discrepancies in every state are listed, each with every documented field."""
    found = {str(item["kind"]): item for item in listed(swept)}
    assert found.keys() == {"missed_outcome", "paid_after_cancel"}
    assert all(item.keys() >= DOCUMENTED for item in found.values())
    flagged = found["paid_after_cancel"]
    assert (flagged["state"], flagged["severity"], flagged["payment"]) == ("open", "critical", "2")
    assert (flagged["amount"], flagged["currency"]) == (1250, "eur")
    assert found["missed_outcome"]["state"] == "corrected"


FILTERS: tuple[tuple[tuple[str, ...], set[str]], ...] = (
    (("--state", "open"), {"paid_after_cancel"}),
    (("--state", "open", "--state", "corrected"), {"paid_after_cancel", "missed_outcome"}),
    (("--kind", "missed_outcome"), {"missed_outcome"}),
    (("--severity", "critical"), {"paid_after_cancel"}),
    (("--since", "1h"), {"paid_after_cancel", "missed_outcome"}),
    (("--since", "2100-01-01"), set()),
    (("--account", "default", "--state", "closed"), set()),
)


def test_discrepancies_with_filters(swept: Town) -> None:
    """State, kind, severity, time and account each restrict the list."""
    for options, kinds in FILTERS:
        assert {item["kind"] for item in listed(swept, *options)} == kinds, options


def test_discrepancies_as_text_and_csv(swept: Town) -> None:
    """In a pipe the list is aligned text with whole ids and readable amounts; CSV has the same lines."""
    text = swept.run("discrepancies").out
    assert "12.50 EUR" in text
    rows_shown = [line for line in text.splitlines() if " pi_" in line]
    assert len({line.index("12.50 EUR") for line in rows_shown}) == 1
    assert (
        text.splitlines()[-1]
        == "The column HERE shows what a corrected row held before the correction."
    )
    for row in swept.shop.rows().values():
        assert f" {row['payment_intent']} " in text
    rows = list(csv.DictReader(swept.run("discrepancies", "--format", "csv").out.splitlines()))
    assert {row["kind"] for row in rows} == {"missed_outcome", "paid_after_cancel"}
    assert (
        swept.run("discrepancies", "--state", "ignored").out
        == "No discrepancy matches these options.\n"
    )


def test_finance_needs_no_key_and_no_table(swept: Town) -> None:
    """A command that reads what is stored needs only the database."""
    swept.environ = {
        "DATABASE_URL": swept.shop.url,
        "STRIPE_API_KEY": "unused",
        "RECONCILER_CONFIG": "",
    }
    swept.environ["STRIPE_API_KEY"] = "pk_live_not_even_looked_at"
    for command in (("discrepancies",), ("verify",), ("export",), ("migrate", "--check")):
        assert swept.run(*command).code == 0


def test_explain(swept: Town) -> None:
    """explain shows both sides of one payment, the attempt, the decision with its rule, and what to do next."""
    intent = swept.shop.rows()["2"]["payment_intent"]
    assert intent is not None
    text = swept.run("explain", intent).out
    for words in (
        intent,
        "succeeded (succeeded)",
        "canceled (canceled)",
        "12.50 EUR",
        "ch_",
        "Decision: flag",
        "paid_after_cancel",
        "What to do next: ",
    ):
        assert words in text
    found = swept.run("explain", intent, "--json").json
    assert found["stripe"]["status"] == "succeeded"
    assert found["local"][0]["status"] == "canceled"
    assert found["attempts"][0]["status"] == "succeeded"
    assert found["decision"]["act"] == "flag"
    assert found["decision"]["findings"][0]["kind"] == "paid_after_cancel"
    assert found["discrepancies"][0]["state"] == "open"


def test_explain_failures_and_deadlines(town: Town) -> None:
    """explain shows every attempt with its failure, and a next action with its deadline."""
    intent = town.stripe.create_payment(1250, "eur", at=HOUR_AGO)
    town.stripe.fail(intent.id, "insufficient_funds", at=HOUR_AGO)
    until = datetime(2100, 1, 1, tzinfo=UTC)
    town.stripe.require_action(intent.id, method="oxxo", expires_at=until, at=HOUR_AGO)
    town.shop.insert(key=1, payment_intent=intent.id, status="pending")
    answer = town.run("explain", intent.id)
    assert answer.code == 0, answer.err
    text = answer.out
    assert "card_declined" in text
    assert "until 2100-01-01" in text
    found = town.run("explain", intent.id, "--json").json
    assert found["next_action"]["type"] == "oxxo_display_details"
    assert found["next_action"]["expires_at"].startswith("2100-01-01")


def test_explain_unknown_intent(town: Town) -> None:
    """A PaymentIntent that Stripe does not know is not an error, and says nothing about money."""
    answer = town.run("explain", "pi_unknown")
    assert answer.code == 0
    assert "not found (404)" in answer.out
    assert town.run("explain", "pi_unknown", "--json").json["stripe"]["missing"] is True


def test_resolve(swept: Town) -> None:
    """A person settles a discrepancy; the next sweep leaves it settled, and who and why is stored."""
    number = listed(swept, "--state", "open")[0]["id"]
    answer = swept.run("resolve", str(number), "--note", "refunded by hand")
    assert answer.code == 0
    assert "is resolved" in answer.out
    assert swept.run("sweep", "--record").code == 0
    (found,) = listed(swept, "--state", "resolved")
    assert (found["id"], found["note"]) == (number, "refunded by hand")
    assert "@" in str(found["resolved_by"])
    assert swept.run("verify").code == 0


def test_resolve_by_accepting_stripe(swept: Town) -> None:
    """--accept stripe writes Stripe's outcome to a row that the rules leave to a person."""
    number = listed(swept, "--state", "open")[0]["id"]
    answer = swept.run(
        "resolve", str(number), "--note", "the order was shipped", "--accept", "stripe", "--json"
    )
    assert answer.code == 0
    ((outbox, intent),) = swept.ask(
        "SELECT id, payment_intent FROM reconciler.outbox WHERE payment_key = '2'"
    )
    assert answer.json == {
        "id": number,
        "state": "resolved",
        "payment": "2",
        "from_status": "canceled",
        "to_status": "paid",
        "remark": None,
        "from_payment_intent": intent,
        "to_payment_intent": intent,
        "outbox": outbox,
        "delivery": None,
    }
    assert swept.statuses()["2"] == "paid"


def test_a_write_while_the_endpoint_is_down(town: Town) -> None:
    """sweep, revert and resolve --accept say that the application does not know of the write yet, and what happens next."""
    town.configure('[delivery]\nurl = "http://127.0.0.1:9/hook"\n')
    town.pay(1)
    town.pay(2, "canceled")
    swept = town.run("sweep", "--apply")
    no_service = "No service works on account default, and only the service delivers."
    assert no_service in " ".join(swept.out.split())
    kept_connection(town.shop.url).execute(
        "UPDATE reconciler.outbox SET tried_since = now(), last_error = 'HTTP 503', attempts = 3"
    )
    ((sweep,),) = town.ask("SELECT id FROM reconciler.sweeps")
    number = listed(town, "--state", "open")[0]["id"]
    accept = town.run("resolve", str(number), "--note", "shipped", "--accept", "stripe", "--json")
    reverted = town.run("revert", str(sweep), "--json")
    for answer in (accept, reverted):
        assert answer.code == 0
        assert "Deliveries to your endpoint at 127.0.0.1 have failed" in answer.json["delivery"]
        assert "Your table keeps the change" in answer.json["delivery"]


def test_resolve_with_ignore(swept: Town) -> None:
    """--ignore settles a discrepancy that does not matter."""
    number = listed(swept, "--state", "open")[0]["id"]
    assert swept.run("resolve", str(number), "--note", "test order", "--ignore").code == 0
    assert [item["id"] for item in listed(swept, "--state", "ignored")] == [number]


@some_quick(
    ("options", "words"),
    [
        (("999999", "--note", "x"), "no discrepancy 999999"),
        (("1", "--note", " "), "--note is empty"),
        (("1", "--note", "x", "--ignore", "--accept", "stripe"), "contradict"),
        (("0", "--note", "x"), "ID"),
    ],
    quick=2,
)
def test_resolve_with_wrong_arguments(swept: Town, options: tuple[str, ...], words: str) -> None:
    """An unknown number, an empty note, or options that contradict each other are usage errors."""
    answer = swept.run("resolve", *options)
    assert answer.code == 64
    assert words in answer.err


def test_revert(swept: Town) -> None:
    """revert undoes a sweep by its number: the row is as before, and the ledger is still intact."""
    ((sweep,),) = swept.ask("SELECT id FROM reconciler.sweeps")
    answer = swept.run("revert", str(sweep), "--json")
    assert (answer.code, answer.json["reverted"], answer.json["skipped"]) == (0, 1, [])
    assert swept.statuses()["1"] == "pending"
    assert swept.run("verify").code == 0
    again = swept.run("revert", str(sweep))
    assert again.code == 1
    assert "the correction is undone already" in again.out


def test_revert_of_an_unknown_sweep(swept: Town) -> None:
    """A sweep that does not exist is a usage error."""
    answer = swept.run("revert", "999999")
    assert answer.code == 64
    assert "999999" in answer.err


@pytest.mark.parametrize("command", ["verify", "export"])
def test_an_account_without_a_ledger(swept: Town, command: str) -> None:
    """A misspelt account is a usage error that names the accounts; it is not reported as intact."""
    answer = swept.run(command, "--account", "defualt")
    assert answer.code == 64
    assert "The accounts in the ledger are: default." in answer.err
    assert answer.out == ""
    assert swept.run(command, "--account", "default").code == 0


def test_export_lets_an_auditor_recompute_the_ledger(swept: Town) -> None:
    """An auditor who follows the documented recipe gets every hash and the head from the exported lines."""
    lines = [json.loads(line) for line in swept.run("export").out.splitlines()]
    assert {line["type"] for line in lines} == {"discrepancy", "ledger", "ledger_head"}
    prev = "0" * 64
    entries = [line for line in lines if line["type"] == "ledger"]
    for number, entry in enumerate(entries, start=1):
        assert (entry["seq"], entry["prev"]) == (number, prev)
        names = ("account", "seq", "at", "action", "body", "prev", "role", "v")
        content = {name: entry[name] for name in names}
        assert (content["role"], content["v"]) == ("postgres", 2)
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        prev = hashlib.sha256(canonical.encode()).hexdigest()
        assert entry["hash"] == prev
    (head,) = [line for line in lines if line["type"] == "ledger_head"]
    assert (head["seq"], head["hash"]) == (len(entries), prev)


def test_export_into_files(swept: Town) -> None:
    """csv is a folder with a file for each type, jsonl is one file; no half-written file is left."""
    folder = swept.folder / "audit" / "november"
    assert swept.run("export", "--format", "csv", "--output", str(folder)).code == 0
    assert {path.name for path in folder.iterdir()} == {
        "discrepancies.csv",
        "ledger.csv",
        "ledger_heads.csv",
    }
    with (folder / "ledger.csv").open(newline="") as stream:
        assert {row["action"] for row in csv.DictReader(stream)} >= {"correction", "sweep"}
    file = swept.folder / "all.jsonl"
    assert swept.run("export", "--output", str(file)).code == 0
    assert file.read_text() == swept.run("export").out


@pytest.mark.parametrize("export_format", ["csv", "jsonl"])
def test_export_to_a_path_that_cannot_be_written(swept: Town, export_format: str) -> None:
    """A path that cannot be written is a usage error that names it."""
    (swept.folder / "file").write_text("")
    answer = swept.run(
        "export", "--format", export_format, "--output", str(swept.folder / "file" / "x")
    )
    assert answer.code == 64
    assert "file" in answer.err


@some_quick("name", ["", ".", "/"], quick=1)
def test_export_to_a_path_without_a_name(swept: Town, name: str) -> None:
    """A path that can only be a folder is a usage error for the one file of jsonl."""
    answer = swept.run("export", "--output", name)
    assert answer.code == 64
    assert "folder" in answer.err


@pytest.mark.parametrize(
    "command",
    ["verify", "verify --json", "export", "discrepancies", "sweeps", "statement 2026-10", "close 2026-10 --show"],
)  # fmt: skip
def test_a_database_that_was_never_migrated(town: Town, empty_database: str, command: str) -> None:
    """Exit 78, no answer that looks like an empty record, and the hint names both ways: another database, or migrate."""
    answer = town.run(*command.split(), DATABASE_URL=empty_database)
    assert (answer.code, answer.out) == (78, "")
    said, hint = answer.err.splitlines()
    assert (
        said
        == "reconciler: This database has no schema reconciler: nothing was ever recorded in it."
    )
    assert hint.startswith("hint: ")
    assert "DATABASE_URL" in hint
    assert "reconciler migrate" in hint


def test_migrate(town: Town, empty_database: str) -> None:
    """migrate creates Reconciler's tables once; --check shows what is pending and changes nothing."""
    before = town.run("migrate", "--check", DATABASE_URL=empty_database)
    assert before.code == 1
    assert "pending: " in before.out
    assert "applied: " in town.run("migrate", DATABASE_URL=empty_database).out
    again = town.run("migrate", DATABASE_URL=empty_database)
    assert again.code == 0
    assert again.out.startswith("The schema reconciler is up to date.\n")
    assert town.run("migrate", "--check", DATABASE_URL=empty_database).code == 0


def test_migrate_for_a_role_that_does_not_exist(town: Town) -> None:
    """The error names the role; its hint is the statement that creates it."""
    answer = town.run("migrate", "--daemon-role", "absent_role")
    assert answer.code == 78
    assert "CREATE ROLE" in answer.err


def last_entry(town: Town, action: str) -> dict[str, object]:
    """The body of the last ledger entry of an action."""
    rows = town.ask(
        f"SELECT body FROM reconciler.ledger WHERE action = '{action}' ORDER BY seq DESC LIMIT 1"
    )
    found = rows[0][0]
    assert isinstance(found, dict)
    return found


def test_a_name_stands_beside_the_account(town: Town) -> None:
    """--by is stored as claimed_by in every entry that the command makes; asked_by is what the system knows."""
    town.pay(1)
    town.pay(2, "canceled")
    liar = {"SUDO_USER": "boss", "USER": "boss"}
    report = town.run("sweep", "--apply", "--json", "--by", "ana@example.com", **liar).json
    assert report["claimed_by"] == "ana@example.com"
    flagged = town.run("discrepancies", "--json", "--state", "open").json[0]["id"]
    assert town.run("resolve", str(flagged), "--note", "x", "--by", "ana", **liar).code == 0
    assert town.run("revert", str(report["sweep"]), "--by", "ana", **liar).code == 0
    for action, name in (
        ("correction", "ana@example.com"),
        ("finding_opened", "ana@example.com"),
        ("sweep", "ana@example.com"),
        ("resolution", "ana"),
        ("revert", "ana"),
    ):
        body = last_entry(town, action)
        assert body["claimed_by"] == name, action
        assert body["asked_by"] == report["asked_by"]
        assert "boss" not in str(body["asked_by"])
    assert town.run("verify").code == 0


def test_without_a_name_there_is_no_claim(swept: Town) -> None:
    """An entry has claimed_by only if a person gave a name."""
    assert "claimed_by" not in last_entry(swept, "correction")


@some_quick("name", ["", "   ", "a\nb", "a\x1bb", "x" * 201], quick=2)
def test_what_is_no_name_is_refused(swept: Town, name: str) -> None:
    """A name that is empty, long or not printable is a usage error, and nothing is done."""
    before = swept.ask("SELECT count(*) FROM reconciler.ledger")
    for command in (("sweep", "--apply"), ("resolve", "1", "--note", "x"), ("revert", "1")):
        assert swept.run(*command, "--by", name).code == 64
    assert swept.ask("SELECT count(*) FROM reconciler.ledger") == before


def test_sweeps(swept: Town) -> None:
    """What each sweep corrected, what was taken back, and what can be: as the ledger says."""
    (before,) = swept.run("sweeps", "--json").json
    assert (before["corrected"], before["reverted"], before["revertible"]) == (1, 0, 1)
    assert (before["kind"], before["applied"], before["complete"]) == ("all", True, True)
    shown = swept.run("sweeps", "1")
    assert "reconciler revert 1" in shown.out
    assert re.search(r"FROM +TO\n.* pending +paid\n", shown.out)
    (corrected,) = swept.run("sweeps", "1", "--json").json["corrections"]
    assert (corrected["status_before"], corrected["status_after"]) == ("pending", "paid")
    assert corrected["reverted"] is False
    assert swept.run("revert", "1").code == 0
    after = swept.run("sweeps", "1", "--json").json
    assert (after["corrected"], after["reverted"], after["revertible"]) == (1, 1, 0)
    assert [one["reverted"] for one in after["corrections"]] == [True]
    assert "revert 1" not in swept.run("sweeps", "1").out
    assert swept.run("sweeps", "99").code == 64
    assert swept.run("sweeps", "--account", "other").out == "There are no sweeps.\n"


def test_a_selection_is_shown_before_anything_is_done(swept: Town) -> None:
    """The last line of the preview is the command that does it, and it does exactly that."""
    preview = swept.run("resolve", "--kind", "paid_after_cancel", "--note", "by hand")
    assert (preview.code, "Nothing was changed" in preview.out) == (0, True)
    assert listed(swept, "--state", "resolved") == []
    command = preview.out.splitlines()[-1].removeprefix("To change them: ")
    assert swept.run(*shlex.split(command)[1:]).code == 0
    assert [item["kind"] for item in listed(swept, "--state", "resolved")] == ["paid_after_cancel"]
    assert "Selected discrepancies: 1" in swept.run("reopen", "--state", "resolved").out
    assert swept.run("reopen", "--state", "resolved", "--apply").code == 0
    assert listed(swept, "--state", "resolved") == []
    assert swept.run("assign", "ana", "--state", "open", "--apply").code == 0
    assert {item["owner"] for item in listed(swept, "--owner", "ana")} == {"ana"}
    for wrong in (("resolve", "--note", "x"), ("reopen",), ("assign", "ana"), ("assign", "1", "2")):
        assert swept.run(*wrong).code == 64


def test_explain_counts_as_seen(swept: Town) -> None:
    """--unseen lists what no person has looked at; explain stores who did."""
    intent = swept.shop.rows()["2"]["payment_intent"]
    assert intent is not None
    assert len(listed(swept, "--unseen")) == 2
    assert swept.run("explain", intent).code == 0
    assert [item["kind"] for item in listed(swept, "--unseen")] == ["missed_outcome"]
    ((viewer, subject),) = swept.ask("SELECT viewer, subject FROM reconciler.payment_views")
    assert ("@" in viewer, subject) == (True, intent)


def test_columns_and_order_of_the_list(swept: Town) -> None:
    """Chosen columns, in their order, also in CSV and JSON; a name that is no column is an error."""
    text = swept.run("discrepancies", "--columns", "kind,at_stake,settled_by", "--sort", "id").out
    assert text.splitlines()[0].split() == ["KIND", "AT", "STAKE", "SETTLED", "BY"]
    assert "(sweep 1)" in text
    one = listed(swept, "--columns", "id,amount", "--limit", "1")
    assert [set(item) for item in one] == [{"id", "amount"}]
    rows = list(csv.DictReader(swept.run("discrepancies", "--format", "csv").out.splitlines()))
    assert {row["local_status"] for row in rows} == {"pending", "canceled"}
    assert {row["corrected_in_sweep"] for row in rows} == {"1", ""}
    assert swept.run("discrepancies", "--columns", "nothing").code == 64
    assert "days open" in swept.run("discrepancies", "--ageing").out.lower()
