"""The page of JSON shapes has every field that a command writes, with its type, and no other."""

from __future__ import annotations

import ast
import inspect
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.clock import SystemClock
from reconciler.demo import report as demo_report
from reconciler.domain.outbox_message import MessageType, OutboxMessage, message_body
from reconciler.domain.review.ageing import BUCKETS
from reconciler.entrypoints.cli.discrepancy_fields import LIST_NAMES, NAMES
from reconciler.entrypoints.cli.ledger_export import ENTRY_NAMES, HEAD_NAMES
from tests.acceptance.docs.pages import DOCS, sections
from tests.acceptance.docs.played_tutorial import AGE, Tutorial

PAGE = DOCS / "reference" / "json.md"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
IS_OF_TYPE: dict[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "time": lambda value: isinstance(value, str) and TIME.fullmatch(value) is not None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "map": lambda value: isinstance(value, dict),
    "any": lambda value: True,
}
RATE_USAGE = '{"overall": {"limit": 50, "rate": 25.5, "busiest": 12}, "endpoints": {"list": {"limit": 12.5, "rate": 12.5, "busiest": 3}}}'


def documented(command: str) -> dict[str, str]:
    """The type of each field of a command's JSON, as the page has it."""
    text = sections(PAGE.read_text(encoding="utf-8"))[command]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", text, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a field is described twice"
    return dict(rows)


@dataclass
class Observed:
    """The fields that answers of a command had, and what was wrong with them."""

    types: dict[str, str]
    fields: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def add(self, answer: object) -> None:
        """Walk over an answer: an object, or an array of objects."""
        for one in answer if isinstance(answer, list) else [answer]:
            self._walk(one, "")

    def _walk(self, value: Any, prefix: str) -> None:
        for name, item in value.items():
            path = f"{prefix}{name}"
            self.fields.add(path)
            kind, _, null = self.types.get(path, "").partition(", ")
            if item is None:
                self._note(null == "null", path, item)
                continue
            self._note(kind in IS_OF_TYPE and IS_OF_TYPE[kind](item), path, item)
            if kind == "object":
                self._walk(item, f"{path}.")
            elif kind == "any":
                continue
            elif kind == "array" and item and isinstance(item[0], dict):
                self._walk_array(item, path)

    def _walk_array(self, items: list[Any], path: str) -> None:
        # the page says once what is in an array that two fields share
        if path == "left_out_steps":
            path = "steps"
        for item in items:
            # a further payment has the fields of the first
            self._walk(item, "" if path == "others" else f"{path}[].")

    def _note(self, is_right: bool, path: str, value: object) -> None:
        if not is_right:
            self.faults.append(
                f"{path} = {value!r}: the page says {self.types.get(path, 'nothing')}"
            )


def check(command: str, *answers: object) -> None:
    """Compare the answers of a command with the page: every field with its type, and none that no answer has."""
    observed = Observed(documented(command))
    for answer in answers:
        observed.add(answer)
    assert not observed.faults, "\n".join(sorted(set(observed.faults)))
    assert observed.fields == set(observed.types)


def test_sweep(shared_tutorial: Tutorial) -> None:
    """A dry run, a recorded one, and one that could not examine everything."""
    unknown = "reconciler sweep --json --payment-intent pi_1Unknown"
    lines = ("reconciler sweep --json", "reconciler sweep --json --record", unknown)
    check("sweep", *(json.loads(shared_tutorial.run(line).out) for line in lines))


def test_sweeps(shared_tutorial: Tutorial) -> None:
    """The list and one of it."""
    found = json.loads(shared_tutorial.run("reconciler sweeps --json").out)
    one = json.loads(shared_tutorial.run(f"reconciler sweeps {found[-1]['id']} --json").out)
    assert {**found[-1], "corrections": one["corrections"]} == one
    check("sweeps", found, one)


def test_plan(shared_tutorial: Tutorial) -> None:
    """With reads enough, and with too few."""
    line = "reconciler plan --json"
    short = {"RECONCILER_BUDGET__READS_PER_30_DAYS": "2"}
    check("plan", *(json.loads(shared_tutorial.run(line, **one).out) for one in ({}, short)))


def test_status(tutorial: Tutorial) -> None:
    """Without a service, and after a service has written its rate usage and an error."""
    before = json.loads(tutorial.run("reconciler status --json").out)
    tutorial.execute(
        "INSERT INTO reconciler.services (account, holder, epoch, mode, error, error_at, rate_usage, rate_usage_at)"
        f" VALUES ('default', 'machine:1', 9, 'report', 'broken', now(), '{RATE_USAGE}', now())"
    )
    tutorial.execute(
        "UPDATE reconciler.discrepancies SET reason = 'refused_by_table',"
        ' evidence = evidence || \'{"constraint": "paid", "message": "no"}\' WHERE state = \'open\''
    )
    tutorial.execute(
        "UPDATE reconciler.outbox SET last_error = 'the endpoint answered 500', attempts = 1"
    )
    tutorial.execute(
        "UPDATE reconciler.leases SET holder = 'machine:1', expires_at = now() + interval '1 minute'"
    )
    tutorial.run("reconciler pause --for 1h")
    after = json.loads(tutorial.run("reconciler status --json").out)
    tutorial.run("reconciler resume")
    check("status", before, after)
    assert set(after[0]["rate_usage"]["endpoints"]["list"]) == set(
        after[0]["rate_usage"]["overall"]
    )


def test_explain(tutorial: Tutorial) -> None:
    """Every decision; an intent that Stripe does not know; one that waits for the customer; several payments; no Stripe."""
    waiting = tutorial.stripe.create_payment(500, "eur").id
    tutorial.stripe.require_action(waiting)
    boleto = tutorial.stripe.create_payment(500, "brl", method="boleto").id
    tutorial.stripe.require_action(boleto)
    paid = tutorial.stripe.create_payment(500, "eur").id
    tutorial.stripe.succeed(paid)
    old = tutorial.stripe.create_payment(500, "eur", at=tutorial.stripe.clock.now() - AGE).id
    tutorial.stripe.succeed(old, at=tutorial.stripe.clock.now() - AGE)
    tutorial.execute(f"INSERT INTO payments VALUES (6, '{old}', 'pending', 500, 'eur')")
    disputed = tutorial.stripe.create_payment(500, "eur").id
    tutorial.stripe.succeed(disputed)
    tutorial.stripe.dispute(disputed)
    intents = [
        disputed,
        *tutorial.intents[:2],
        tutorial.intents[6],
        waiting,
        boleto,
        paid,
        old,
        "pi_1Unknown",
        "cs_test_unknown",
    ]
    tutorial.execute("ALTER TABLE payments ADD order_id text DEFAULT '5'")
    ordered = {"RECONCILER_PAYMENTS__ORDER": "order_id"}
    linked = {**ordered, "RECONCILER_PAYMENTS__LINK_METADATA": "order_id"}
    second = tutorial.stripe.create_payment(500, "eur", metadata={"order_id": "5"}).id
    tutorial.stripe.succeed(second)
    for line in ("resolve 2 --note x --by Ana", "reopen 2"):
        tutorial.run(f"reconciler {line}")
    tutorial.execute("UPDATE reconciler.outbox SET delivered_at = now() WHERE id = 1")
    silent = {"RECONCILER_STRIPE__API_BASE": "http://127.0.0.1:9"}
    check(
        "explain",
        *(json.loads(tutorial.run(f"reconciler explain {one} --json").out) for one in intents),
        json.loads(tutorial.run("reconciler explain 1 --timeout 1 --json", **silent).out),
        json.loads(tutorial.run("reconciler explain 5 --json", **ordered).out),
        json.loads(tutorial.run("reconciler explain 1 --json", **linked).out),
    )


def test_discrepancies(shared_tutorial: Tutorial) -> None:
    """Open ones and settled ones; CSV has the same columns, without what to do next."""
    check("discrepancies", json.loads(shared_tutorial.run("reconciler discrepancies --json").out))
    header = shared_tutorial.run("reconciler discrepancies --format csv").out.splitlines()[0]
    more = {"next_step", "next_step.text", "next_step.command"}
    columns = [name for name in documented("discrepancies") if name not in more]
    assert header.split(",") == columns == list(LIST_NAMES)


def test_discrepancies_by_age(shared_tutorial: Tutorial) -> None:
    """Every currency with every bucket."""
    aged = json.loads(shared_tutorial.run("reconciler discrepancies --ageing --json").out)
    check("discrepancies by age", aged)
    assert [one["days"] for one in aged[:4]] == list(BUCKETS)


def test_note_and_assign(tutorial: Tutorial, tmp_path: Path) -> None:
    """A note with a file and a name, the same blanked, and a new owner."""
    (tmp_path / "letter.txt").write_text("Dear customer")
    lines = (
        f"reconciler note 1 asked --attach {tmp_path}/letter.txt --by ana --json",
        "reconciler note --redact 1 --json",
        "reconciler note 1 --json",
    )
    check("note", *(json.loads(tutorial.run(line).out) for line in lines))
    owners = ("reconciler assign 1 ana --json", "reconciler assign 1 --nobody --json")
    check("assign", *(json.loads(tutorial.run(line).out) for line in owners))


def test_resolve_and_revert(tutorial: Tutorial) -> None:
    """With a row written and without; a revert that left a row as it is."""
    listed = json.loads(tutorial.run("reconciler discrepancies --json").out)
    ids = {item["kind"]: item["id"] for item in listed}
    tutorial.execute(
        "INSERT INTO reconciler.acceptance_requests (account, discrepancy, fingerprint, amount_differs, note, asked_by)"
        " SELECT account, id, fingerprint, false, 'x', 'web:ana' FROM reconciler.discrepancies LIMIT 1"
    )
    requested = json.loads(tutorial.run("reconciler resolve --requested --json").out)
    check("resolve --requested", requested)
    lines = (
        f"reconciler resolve {ids['missed_outcome']} --accept stripe --note x --json",
        f"reconciler resolve {ids['missing_locally']} --note x --json",
    )
    check("resolve", *(json.loads(tutorial.run(line).out) for line in lines))
    again = tutorial.run("reconciler revert 1 --json")
    assert again.code == 1
    made = json.loads(tutorial.run("reconciler sweep --apply --again 1 --json").out)
    undone = tutorial.run(f"reconciler revert {made['sweep']} --json")
    check("revert", json.loads(again.out), json.loads(undone.out))


def test_verify(tutorial: Tutorial, tmp_path: Path) -> None:
    """An intact chain, one beside an anchor and a record that do not agree, and a broken one."""
    intact = json.loads(tutorial.run("reconciler verify --json").out)
    anchor = tmp_path / "anchor.jsonl"
    anchor.write_text(json.dumps({"account": "default", "seq": 10**6, "hash": "0" * 64}))
    tutorial.execute("UPDATE reconciler.discrepancies SET fingerprint = repeat('0', 64)")
    compared = tutorial.run(f"reconciler verify --json --anchor {anchor}")
    assert compared.code == 1
    tutorial.execute(
        "ALTER TABLE reconciler.ledger DISABLE TRIGGER ALL;"
        "GRANT UPDATE ON reconciler.ledger TO current_user;"
        "UPDATE reconciler.ledger SET body = '{}' WHERE seq = 2"
    )
    broken = tutorial.run("reconciler verify --json")
    assert broken.code == 1
    check("verify", intact, json.loads(compared.out), json.loads(broken.out))


def test_statement(tutorial: Tutorial) -> None:
    """A day of which not everything is explained by a correction, one that was not examined, a refund after the cut-off, and a
    day that begins with an open difference."""
    long_ago = SystemClock().now() - timedelta(days=3)
    paid = tutorial.stripe.create_payment(1250, "eur", at=long_ago)
    tutorial.stripe.succeed(paid.id, at=long_ago)
    before = SystemClock().now().isoformat()
    tutorial.run("reconciler sweep --kind window --since 90d --record")
    whole = tutorial.run("reconciler statement --from 2020-01-01 --to 2100-01-01 --json")
    assert whole.code == 75
    later = tutorial.run(
        f"reconciler statement --from 2020-01-01 --to 2100-01-01 --cutoff {before} --json"
    )
    cutoff = SystemClock().now()
    tutorial.stripe.refund(paid.id)
    tutorial.run("reconciler sweep --kind window --since 90d --record")
    day = long_ago.date()
    refunded = tutorial.run(
        f"reconciler statement --from {day} --to {day} --cutoff {cutoff.isoformat()} --json"
    )
    tomorrow = cutoff.date() + timedelta(days=1)
    begun = tutorial.run(f"reconciler statement --from {tomorrow} --to {tomorrow} --json")
    check("statement", *(json.loads(answer.out) for answer in (whole, later, refunded, begun)))


def test_certificates_and_bundles(tutorial: Tutorial, tmp_path: Path) -> None:
    """The certificate of a statement, of an export and in a bundle; a whole bundle and a broken one."""
    long_ago = SystemClock().now() - timedelta(days=3)
    paid = tutorial.stripe.create_payment(1250, "eur", at=long_ago)
    tutorial.stripe.succeed(paid.id, at=long_ago)
    tutorial.run("reconciler sweep --kind window --since 90d --record")
    tutorial.run(
        f"reconciler statement --from 2020-01-01 --to 2100-01-01 --json --output {tmp_path}/s.json"
    )
    tutorial.run(f"reconciler export --output {tmp_path}/e.jsonl")
    bundle = tmp_path / "b.zip"
    tutorial.run(f"reconciler export --bundle {bundle} --month {long_ago:%Y-%m}")
    (statement,) = json.loads((tmp_path / "s.json").read_text())
    (beside,) = json.loads((tmp_path / "s.json.certificate.json").read_text())
    with zipfile.ZipFile(bundle) as file:
        inside = json.loads(file.read("certificate.json"))
        check("manifest of a bundle", json.loads(file.read("manifest.json")))
    check("certificate of a statement", statement["certificate"], beside, inside)
    check(
        "certificate of an export", json.loads((tmp_path / "e.jsonl.certificate.json").read_text())
    )
    whole = json.loads(tutorial.run(f"reconciler verify --file {bundle} --json").out)
    bundle.write_bytes(b"x")
    check(
        "verify --file",
        whole,
        json.loads(tutorial.run(f"reconciler verify --file {bundle} --json").out),
    )


def test_close(tutorial: Tutorial, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed period of which a payment was found late, and what a refused step writes."""
    noon = SystemClock().now().replace(hour=12) - timedelta(days=3)
    kept = tutorial.stripe.create_payment(1250, "eur", at=noon)
    tutorial.stripe.succeed(kept.id, at=noon)
    people = {"RECONCILER_REVIEW__PEOPLE": '{"ana": ["os:ana"], "ben": ["os:ben"]}'}
    line = f"reconciler close --from {noon.date()} --to {noon.date()} --json"
    tutorial.run("reconciler sweep --kind window --since 90d --record")
    longer = line.replace(f"--from {noon.date()}", f"--from {noon.date() - timedelta(days=1)}")
    for period in (line, longer):
        for user, step in (("ana", "--prepare --note x --by Ana"), ("ben", "--sign")):
            monkeypatch.setattr("reconciler.entrypoints.cli.close.login_user", lambda: user)  # noqa: B023
            done = tutorial.run(f"{period} {step}", **people)
            assert done.code == 0, done.err
    late = tutorial.stripe.create_payment(99, "eur", at=noon)
    tutorial.stripe.succeed(late.id, at=noon)
    tutorial.run("reconciler sweep --kind window --since 90d --record")
    found = json.loads(tutorial.run(line).out)
    assert found[0]["state"] == "changed_since_signed"
    check("close", found)
    check("close", json.loads(tutorial.run("reconciler close --list --json").out))
    refused = tutorial.run(f"{line} --sign", **people)
    assert (refused.code, set(json.loads(refused.out))) == (1, {"account", "refused", "why"})


def test_doctor(shared_tutorial: Tutorial) -> None:
    """Checks with a hint and without."""
    check("doctor", json.loads(shared_tutorial.run("reconciler doctor --json").out))


def test_config(shared_tutorial: Tutorial) -> None:
    """Each key with its source; secrets are masked."""
    check("config", json.loads(shared_tutorial.run("reconciler config show --json").out))


def test_export(shared_tutorial: Tutorial) -> None:
    """Each line is of one of the three types, with the fields that the page names."""
    text = sections(PAGE.read_text(encoding="utf-8"))["export"]
    named = {
        name: tuple(re.findall(r"`(\w+)`", fields))
        for name, fields in re.findall(r"^- `(\w+)`: (.*)", text, re.MULTILINE)
    }
    assert named["ledger"] == ENTRY_NAMES
    assert named["ledger_head"] == HEAD_NAMES
    lines = [json.loads(line) for line in shared_tutorial.run("reconciler export").out.splitlines()]
    assert {line["type"] for line in lines} == set(named)
    fields = {"discrepancy": NAMES, "ledger": ENTRY_NAMES, "ledger_head": HEAD_NAMES}
    assert all(set(line) == {"type", *fields[line["type"]]} for line in lines)


def test_sample(tutorial: Tutorial, tmp_path: Path) -> None:
    """A correction whose message failed and was given up, one that was delivered, and discrepancies."""
    tutorial.execute(
        "UPDATE reconciler.outbox SET attempts = 1, last_error = 'the endpoint answered 500', tried_since = now(),"
        " given_up_at = now() WHERE id = 1;"
        "UPDATE reconciler.outbox SET delivered_at = now() WHERE id = 2"
    )
    line = "reconciler export --sample 1000 --seed 1 --from 2020-01-01 --to 2100-01-01"
    found = json.loads(tutorial.run(line).out)
    check("sample", found)
    tutorial.run(f"{line} --output {tmp_path}/s.json")
    beside = json.loads((tmp_path / "s.json.certificate.json").read_text())
    check("certificate of a sample", found["certificate"], beside)
    states = {one["outbox"]["state"] for one in found["items"] if one["outbox"]}
    assert {"given_up", "delivered"} <= states
    assert all(set(one["finding"]) == set(NAMES) for one in found["items"] if one["finding"])


def test_sweep_csv(shared_tutorial: Tutorial) -> None:
    """The page names the columns of the CSV of a sweep."""
    header = shared_tutorial.run("reconciler sweep --format csv").out.splitlines()[0]
    text = " ".join(sections(PAGE.read_text(encoding="utf-8"))["sweep"].split())
    (named,) = re.findall(r"has a line for each decision: (.*?)\.(?: |$)", text)
    assert re.sub(
        r" \([^)]*\)| and", lambda found: "," if found[0] == " and" else "", named
    ).replace(", ", ",").split(",") == header.split(",")


def test_delivery() -> None:
    """What the service sends to the merchant's endpoint."""
    at = datetime(2026, 11, 2, tzinfo=UTC)

    def messages() -> Iterator[object]:
        for kind, intent, status in (
            (MessageType.CORRECTED, "pi_1", "pending"),
            (MessageType.REVERTED, None, None),
        ):
            message = OutboxMessage(
                "default", 1, kind, at, "1", intent, status, status, "succeeded", 7
            )
            yield json.loads(message_body(message))

    check("delivery", *messages())


def test_demo() -> None:
    """The demonstration's fields are those of its report."""
    tree = ast.parse(inspect.getsource(demo_report.as_json))
    (answer,) = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    assert isinstance(answer, ast.Dict)
    names = [key.value for key in answer.keys if isinstance(key, ast.Constant)]
    assert names == list(documented("demo"))


@pytest.mark.parametrize("command", sorted(sections(PAGE.read_text(encoding="utf-8"))))
def test_types_are_known(command: str) -> None:
    """The page uses the types that it explains."""
    assert {kind.partition(", ")[0] for kind in documented(command).values()} <= set(IS_OF_TYPE)
