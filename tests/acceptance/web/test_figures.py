"""The figures of the finance pages count what their words say, and the pages name both payments of an order."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from html import unescape

import psycopg
import pytest
from starlette.testclient import TestClient

OWN, PAYING, EARLIER, LATER, UNKNOWN = (f"pi_{name:0>17}" for name in ("own", "paying", "earlier", "later", "unknown"))  # fmt: skip
STORED = """
SELECT set_config('search_path', 'reconciler', false);
-- the 120 stored ones belong to payments before the range of the sweep
UPDATE discrepancies SET payment_created = '2026-02-01T00:00:00Z';
INSERT INTO sweeps (account, kind, mode, applied, asked_by, started_at, finished_at, complete, report)
VALUES ('default', 'window', 'report', false, 'service', now(), now(), true, %(report)s);
"""
DISCREPANCY = """
INSERT INTO reconciler.discrepancies (
    account, subject, kind, payment_intent, keys, severity, state, cause, resolved_by, stake_amount, currency, local, stripe,
    evidence, fingerprint, first_seen, last_seen, changed_at, opened_at, payment_created
)
VALUES ('default', %(subject)s, %(kind)s, %(intent)s, %(keys)s, 'critical', %(state)s, %(cause)s, NULL, 14150, 'eur',
    %(local)s, %(stripe)s, %(evidence)s, repeat('b', 64), now(), now(), now(), now(), %(created)s)
"""
REPORT = {
    "examined": 10, "discrepancies": {"duplicate_payment": 2, "refund_drift": 2, "paid_by_other_intent": 1},
    "created_from": "2026-03-01T00:00:00+00:00", "created_until": "2026-04-01T00:00:00+00:00",
}  # fmt: skip
MONEY = {"amount_received": 14150, "currency": "eur"}


def discrepancy(kind: str, intent: str, **values: object) -> dict[str, object]:
    """The parameters of a stored one about a payment of March, open if nothing else is said."""
    made: dict[str, object] = {
        "kind": kind, "intent": intent, "subject": intent, "keys": ["9001"], "state": "open", "cause": None,
        "local": {}, "stripe": {}, "evidence": {}, "created": "2026-03-10T00:00:00Z", **values,
    }  # fmt: skip
    return {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in made.items()
    }


ROW = {"key": "9002", "payment_intent": OWN, "status": "pending", "outcome": "incomplete", "amount": 14150, "currency": "eur"}  # fmt: skip
PAID = {"status": "succeeded", "outcome": "succeeded", "amount": 14150, **MONEY, "paying_intent": PAYING, "own_status": "canceled"}  # fmt: skip
DISCREPANCIES: Sequence[dict[str, object]] = (
    discrepancy("duplicate_payment", LATER, local={"key": "9001", "order": "A-1"}, stripe=MONEY, evidence={"also_paid_by": EARLIER, "also_paid_key": "9000"}),
    discrepancy("refund_drift", LATER, local={"key": "9001"}, stripe={"status": "succeeded", **MONEY}),
    discrepancy("refund_drift", EARLIER, keys=["9000"], created="2026-02-27T00:00:00Z"),
    discrepancy("paid_by_other_intent", OWN, subject="row:9002", keys=["9002"], local=ROW, stripe=PAID, evidence={"paying_intent": PAYING}),
    discrepancy("missed_outcome", UNKNOWN, keys=["9003", "9004"], state="corrected", cause="undelivered"),
)  # fmt: skip
CORRECTIONS = [
    {"payment_intent": UNKNOWN, "row": key, "amount": 14150, "currency": "eur", "asked_by": "service", "sweep": 1}
    for key in ("9003", "9004")
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def figures(stored: str) -> None:
    """A sweep of March, a payment of it with two discrepancies, and an order that another payment paid."""
    with psycopg.connect(stored, autocommit=True) as connection:
        report = json.dumps(REPORT)
        for statement in STORED.split(";")[:-1]:
            connection.execute(statement, {"report": report} if "%(" in statement else None)
        for parameters in DISCREPANCIES:
            connection.execute(DISCREPANCY, parameters)
        connection.execute(
            "SELECT reconciler.append_entries('default', ARRAY['correction', 'correction'], %s)",
            ([json.dumps(body, sort_keys=True, separators=(",", ":")) for body in CORRECTIONS],),
        )


def words(text: str) -> str:
    """A page without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_agreement_counts_payments(ana: TestClient) -> None:
    """Of ten payments of the range two have open discrepancies, one of them two; one that was corrected agrees, and one of
    another month is not of the range."""
    assert "Agreement 80.0 % (8 of 10)" in words(ana.get("/").text)


def test_corrected_rows_name_their_payments(ana: TestClient) -> None:
    """The rows are more than the discrepancies, and both places say why."""
    assert "2 corrected rows of 1 payment." in words(ana.get("/").text)
    said = "may be more corrected rows than corrected discrepancies"
    assert said in words(ana.get("/discrepancies?state=corrected").text)
    assert said not in words(ana.get("/discrepancies?state=open").text)


def test_the_worst_severity_stands_first(ana: TestClient) -> None:
    """In the table by severity, although the warnings are about more money."""
    table = ana.get("/?download=severities").text.splitlines()
    assert [line.split(",")[0] for line in table[1:]] == ["Critical", "Warning"]


def test_a_sweep_shows_its_range(ana: TestClient) -> None:
    """From when to when the payments were created that it examined."""
    assert "2026-03-01 00:00 to 2026-04-01 00:00" in words(ana.get("/sweeps").text)
    assert "created_from,created_until" in ana.get("/sweeps?download=sweeps").text


def test_a_payment_that_another_one_paid_names_it(ana: TestClient) -> None:
    """Stripe's values stand under the PaymentIntent that they are about."""
    text = ana.get(f"/payment?name={OWN}").text
    assert f"Paid by {PAYING}" in words(text)
    assert "no discrepancy is recorded about it" in text
    assert f"PaymentIntent {OWN} {PAYING}" in words(text)


def test_a_duplicate_payment_names_the_other_one(ana: TestClient) -> None:
    """With a link to its page, if it has one; and a side that says nothing contradicts nothing."""
    text = ana.get(f"/payment?name={LATER}").text
    assert re.search(rf'Also paid by</span> <a class="id" href="/payment\?[^"]*{EARLIER}"', text)
    assert "Currency differs" not in words(text)
    listed = words(ana.get("/discrepancies?kind=duplicate_payment").text)
    assert "row 9001 Stripe: received 141.50 EUR" in listed
    assert "not found" not in listed


FOUND = {
    "kind": "contradicted",
    "severity": "critical",
    "state": "open",
    "reason": None,
    "evidence": {},
}
MAY = {
    "sweep": 901, "day": "2026-05-05", "currency": "eur", "local": {"succeeded": {"count": 1, "amount": 500}},
    "stripe": {}, "received": {"count": 0, "amount": 0}, "refunded": 250, "disputed": 0, "moved": 0, "waiting": 0,
    "returned": 0, "unrelated": {"count": 0, "amount": 0}, "outside_mapping": {"count": 0, "amount": 0},
}  # fmt: skip
ENTRIES = [
    ("finding_opened", {**FOUND, "subject": "pi_april", "difference": {"eur": 700}, "payment_created": "2026-04-20T00:00:00Z"}),
    ("finding_opened", {**FOUND, "subject": "pi_may", "difference": {"eur": 500}, "payment_created": "2026-05-05T00:00:00Z"}),
    ("day_totals", MAY),
    ("sweep", {"sweep": 901, "kind": "window", "timezone": "UTC", "days": {"first": "2026-05-05", "last": "2026-05-05"}}),
]  # fmt: skip


def test_the_open_figures_of_a_statement_are_tied(ana: TestClient, stored: str) -> None:
    """The open differences of the account are those of the period and those carried in, which stand there by name; and the
    page says how many the list has."""
    actions = [action for action, _ in ENTRIES]
    bodies = [json.dumps(body, sort_keys=True, separators=(",", ":")) for _, body in ENTRIES]
    with psycopg.connect(stored, autocommit=True) as connection:
        connection.execute("SELECT reconciler.append_entries('default', %s, %s)", (actions, bodies))
    text = ana.get("/statement?from=2026-05-05&to=2026-05-05&cutoff=2027-12-31").text
    said = words(text)
    assert re.search(r"Open at the cut-off, \S+ \S+ 2 12\.00 EUR", said)
    assert "of these, from payments of this period 1 5.00 EUR" in said
    assert "of these, carried in: from payments created before the period 1 7.00 EUR" in said
    assert "of these, from payments created after the period" not in said
    assert "EUR: carried in from before the period" in said
    assert "pi_april" in said
    assert "This period's difference is explained by 1 finding. Each finding is as it was" in said
    # who signs sees every figure that is signed
    assert "Received, then refunded 2.50 EUR" in said
    assert "lost in disputes" not in said
    assert "Open in the list of discrepancies now: 124 findings." in said


def test_a_month_without_an_examined_day_has_no_figure(ana: TestClient, stored: str) -> None:
    """Nothing unexplained would look like money that was compared."""
    body = {**FOUND, "subject": "pi_early", "difference": {"chf": 100}, "payment_created": "2025-04-20T00:00:00Z"}  # fmt: skip
    with psycopg.connect(stored, autocommit=True) as connection:
        connection.execute(
            "SELECT reconciler.append_entries('default', ARRAY['finding_opened'], %s)",
            ([json.dumps(body, sort_keys=True, separators=(",", ":"))],),
        )
    said = words(ana.get("/statement?month=2025-04&cutoff=2027-12-31").text)
    assert "30 days are not examined" in said
    assert "CHF Not examined" in said
    assert "for 0 of 30 days" not in said
    assert "No day of the period was examined, so the period has no figures." in said
    assert "Paid in your table" not in said
    assert "what explains the difference" not in said


def test_the_overview_says_which_sum_counts_a_payment_once(ana: TestClient) -> None:
    """The money of a card may be less than that of the table below it."""
    assert "add up every discrepancy, so their money may be more" in words(ana.get("/").text)


def test_the_list_of_a_month_and_of_a_cause(ana: TestClient) -> None:
    """A payment belongs to the days on which it was created, the last one included."""
    march = "/discrepancies?paid_from=2026-03-01&paid_to=2026-03-10&state=open"
    assert ana.get(march).text.count(LATER) >= 2
    assert EARLIER not in ana.get(march).text
    assert "No discrepancy fits" in ana.get("/discrepancies?paid_to=2026-01-31").text
    assert "No discrepancy fits" in ana.get("/discrepancies?paid_from=2026-03-11").text
    by_cause = ana.get("/discrepancies?cause=undelivered").text
    assert UNKNOWN in by_cause
    assert LATER not in by_cause
    assert ana.get("/discrepancies?cause=x").status_code == 400
    assert ana.get("/discrepancies?paid_from=soon").status_code == 400


def test_the_list_says_who_corrected_and_when_it_is_due(ana: TestClient) -> None:
    """On the page and in the file; what is open has its due date in the file too."""
    assert "Corrected service, 20" in words(ana.get("/discrepancies?state=corrected").text)
    answer = ana.get("/discrepancies?download=discrepancies&paid_from=2026-03-01").content
    found = list(csv.DictReader(io.StringIO(answer.decode("utf-8-sig"))))
    corrected = next(one for one in found if one["payment_intent"] == UNKNOWN)
    assert (corrected["resolved_by"], corrected["cause"]) == ("service", "undelivered")
    assert corrected["corrected_at"]
    assert next(one for one in found if one["state"] == "open")["due"]
