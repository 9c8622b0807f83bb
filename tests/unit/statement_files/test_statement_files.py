"""A statement as a page and as a workbook: real numbers and dates, and text of others is neither formula nor markup."""

from __future__ import annotations

import re
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.money import Money
from reconciler.domain.statement.close_state import Step
from reconciler.domain.statement.day_entry import DayEntry, LeftOut, MatchingOfDay, WindowSweep
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import FindingHistory, FindingRecord
from reconciler.domain.statement.recorded_correction import RecordedCorrection
from reconciler.domain.statement.statement import statement_of
from reconciler.entrypoints.statement_files.certificate import Certificate, Origin
from reconciler.entrypoints.statement_files.statement_html import statement_html
from reconciler.entrypoints.statement_files.statement_lines import statement_lines
from reconciler.entrypoints.statement_files.statement_workbook import write_statement_workbook
from reconciler.entrypoints.statement_files.workbook import Workbook
from reconciler.errors import UsageError

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31), UTC)
CUT = datetime(2026, 11, 6, tzinfo=UTC)
EVIL = '=cmd|"/c calc"!A1</td><script>alert(1)</script>'
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
FACTS = {
    "table": "public.payments",
    "local_query": "SELECT 1\n-- <b>\nFROM payments",
    "stripe_query": "GET /v1/payment_intents",
    "reads": 7,
    "where": "NOT deleted",
    "left_out_by_where": [{"currency": "eur", "count": 2, "amount": 300}],
    "rows_of_no_account": {"shop": 1},
}
SWEEP = WindowSweep(100, CUT - timedelta(1), 9, OCTOBER.first, date(2026, 10, 30), "UTC", FACTS)


def day(currency: str, local: int, stripe: int) -> DayEntry:
    """A day's money."""
    return DayEntry(
        sweep=9,
        day=date(2026, 10, 3),
        currency=currency,
        local={"succeeded": (1, local), "incomplete": (1, 5)},
        received=(1, stripe),
        refunded=0,
        disputed=0,
        moved=0,
        waiting=0,
        returned=0,
        unrelated=(1, 2),
        outside_mapping=(0, 0),
        stripe={"succeeded": (1, stripe), "canceled": (2, 70)},
        left_out={"no_payment_intent": LeftOut(3, 900, 1, 400)},
        matching=MatchingOfDay((1, local), (0, 0), (2, 70)),
    )


def found(currency: str, difference: int) -> FindingHistory:
    """A finding whose payment has a name that a stranger chose."""
    paid = datetime(2026, 10, 3, 12, tzinfo=UTC)
    record = FindingRecord(
        50, CUT - timedelta(3), f"{EVIL}{currency}", "missed_outcome", "open", {currency: difference}, paid,
        "warning", "report_mode",
    )  # fmt: skip
    later = replace(record, seq=101, at=CUT + timedelta(1), state="corrected", difference={})
    return FindingHistory((record, later))


@pytest.fixture
def certificate() -> Certificate:
    """Of a statement in currencies with no, two and three decimals, and one that ISO does not know."""
    sums = {"jpy": (0, 500), "eur": (100, 1350), "kwd": (0, 12_345), "xyz": (0, 7)}
    days = [day(currency, local, stripe) for currency, (local, stripe) in sums.items()]
    items = [found(currency, local - stripe) for currency, (local, stripe) in sums.items()]
    made = statement_of(
        "default", OCTOBER, CUT, [SWEEP], days, items, as_of=CUT + timedelta(9), owners={(items[0].records[0].subject, "missed_outcome"): EVIL}, materiality={"xyz": 100},
    )  # fmt: skip
    origin = Origin("ana@shop", CUT, "reconciler 1", "f" * 64, "reconciler statement 2026-10")
    return Certificate(made, (120, "a" * 64), CUT + timedelta(9), origin, {"a.csv": "b" * 64})


def cells(path: Path, sheet: str) -> list[list[tuple[str | None, str]]]:
    """The rows of a sheet: each cell's type and value."""
    with zipfile.ZipFile(path) as file:
        book = ET.fromstring(file.read("xl/workbook.xml"))
        names = [one.attrib["name"] for one in book.iter(f"{MAIN}sheet")]
        tree = ET.fromstring(file.read(f"xl/worksheets/sheet{names.index(sheet) + 1}.xml"))
        assert not list(tree.iter(f"{MAIN}f"))
    return [
        [(cell.attrib.get("t"), "".join(cell.itertext())) for cell in row.iter(f"{MAIN}c")]
        for row in tree.iter(f"{MAIN}row")
    ]


def test_the_page_is_whole_and_runs_nothing(certificate: Certificate) -> None:
    """Markup of others is text; no script and nothing to load; each currency in its own decimals; the certificate last."""
    page = "".join(statement_html([certificate]))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href|url)\s*[=(]", page)
    assert "default-src 'none'" in page
    for said in (
        "-500 JPY",
        "-12.50 EUR",
        "-12.345 KWD",
        "-0.07 XYZ",
        "1 finding of less than 1.00 XYZ",
    ):
        assert said in page
    assert "compares neither of them with the bank" in page
    assert page.index("Information produced by the entity (IPE)") > page.index(
        "What explains the difference"
    )
    assert "Days not examined: 2026-10-31." in page
    assert "2 rows, 3.00 EUR" in page
    ET.fromstring(re.sub(r"<!doctype html>|<meta[^>]*>", "", page))


def test_the_lines_end_with_the_certificate(certificate: Certificate) -> None:
    """The terminal shows the same figures, and the program that made it."""
    text = "\n".join(statement_lines(certificate))
    assert "EUR: unexplained 0.00 EUR" in text
    assert "After the cut-off, 1 payment of this period changed" in text
    assert (
        "This month 1 payment worth 12.50 EUR lost a webhook; at the cut-off none of its rows was right."
        in text
    )
    assert "reconciler statement 2026-10" in text
    early = replace(SWEEP, facts={})
    nothing = statement_of("default", OCTOBER, CUT, [early], [], [])
    text = "\n".join(statement_lines(replace(certificate, statement=nothing, head=None)))
    assert "No payment of this period is known." in text
    assert "not known: an older version of Reconciler made the sweep" in text


def test_nothing_is_said_of_a_period_that_was_not_examined(
    certificate: Certificate, tmp_path: Path
) -> None:
    """0.00 would look as if both sides were equal: it is said in words, and only the account's open differences have money."""
    made = statement_of("default", OCTOBER, CUT, [], [], [found("eur", -1250)])
    nothing = replace(certificate, statement=made)
    path = tmp_path / "s.xlsx"
    write_statement_workbook(path, [nothing], [])
    summary = [cell for row in cells(path, "summary") for _, cell in row]
    in_words = "No day of the period was examined, so the period has no figures."
    for text in (
        "\n".join(statement_lines(nothing)).partition("certificate of completeness")[0],
        "".join(statement_html([nothing])).partition("IPE")[0],
        "\n".join(summary),
    ):
        assert in_words in text
        assert "Paid in your table" not in text.replace("paid in", "Paid in")
        assert "for 0 of 31 days" not in text
        assert "unexplained" not in text
    assert "-12.50 EUR at the end" in "\n".join(statement_lines(nothing))
    assert "open at the cut-off" in "".join(statement_html([nothing]))


def test_the_workbook_has_real_numbers_and_no_formula(
    certificate: Certificate, tmp_path: Path
) -> None:
    """Amounts are numbers in the major unit, times are dates, and every text is only a text."""
    path = tmp_path / "s.xlsx"
    fixed = RecordedCorrection(
        "default", 101, CUT, "correction", "pi_1", "1", "pending", "paid", "service", 9
    )
    write_statement_workbook(path, [certificate], [fixed])
    rows = cells(path, "discrepancies")
    amounts = {row[1][1]: (row[-2], row[-1]) for row in rows[1:]}
    assert amounts["KWD"] == ((None, "-12.345"), (None, "-12345"))
    assert amounts["JPY"] == ((None, "-500"), (None, "-500"))
    assert rows[1][2] == ("inlineStr", f"{EVIL}eur")
    created = rows[1][-4]
    assert created == (None, "46298.5")
    assert [row[3][1] for row in cells(path, "corrections")[1:]] == ["correction"]
    assert cells(path, "days")[-1][-1] == ("inlineStr", "not examined")
    assert cells(path, "certificate")[0][0][1] == "Information produced by the entity (IPE)"
    assert {row[2][1] for row in cells(path, "roll-forward")[1:]} >= {
        "open at the end",
        "open for 2-7 days",
    }
    assert any((None, "0") in row for row in cells(path, "summary"))


def test_a_full_sheet_goes_on_in_another_one(tmp_path: Path) -> None:
    """The header stands on each of them; a long amount keeps its digits as text; a time is shown in UTC."""
    path = tmp_path / "rows.xlsx"
    east = timezone(timedelta(hours=2))
    with Workbook(path, most_rows=3) as book:
        sheet = book.sheet("rows", ("money", "at"))
        for number in range(5):
            sheet.add((Money(10**17 + number, "eur"), datetime(2026, 1, 1, 2, tzinfo=east)))
    assert [len(cells(path, name)) for name in ("rows", "rows 2", "rows 3")] == [3, 3, 2]
    first = cells(path, "rows")[1]
    assert first == [("inlineStr", "1,000,000,000,000,000.00 EUR"), (None, "46023")]
    with (
        pytest.raises(UsageError, match="cannot be written"),
        Workbook(tmp_path / "no" / "x.xlsx") as book,
    ):
        book.sheet("rows", ("a",))


def test_the_certificate_says_what_an_auditor_asks(certificate: Certificate) -> None:
    """Both populations before matching, what was left out, who, when, with what, and how to make it again."""
    made = certificate.as_json()
    eur = next(one for one in made["populations"] if one["currency"] == "eur")  # type: ignore[attr-defined]
    assert eur == {
        "currency": "eur",
        "local": {"count": 2, "amount": 105},
        "local_paid": {"count": 1, "amount": 100},
        "left_out": {
            "no_payment_intent": {"count": 3, "amount": 900, "paid_count": 1, "paid_amount": 400}
        },
        "stripe": {"count": 3, "amount": 1420},
        "stripe_by_outcome": {
            "canceled": {"count": 2, "amount": 70},
            "succeeded": {"count": 1, "amount": 1350},
        },
        "stripe_received": {"count": 1, "amount": 1350},
        "bridge": {
            "matched_rows": {"count": 1, "amount": 100},
            "only_local": {"count": 0, "amount": 0},
            "not_met_rows": {"count": 1, "amount": 5},
            "rows": {"count": 2, "amount": 105},
            "matched_payments": {"count": 1, "amount": 1350},
            "only_stripe": {"count": 2, "amount": 70},
            "payments": {"count": 3, "amount": 1420},
        },
        "unrelated": {"count": 1, "amount": 2},
        "outside_mapping": {"count": 0, "amount": 0},
    }
    (sweep,) = made["sweeps"]  # type: ignore[misc]
    assert sweep["local_query"] == "SELECT 1\n-- <b>\nFROM payments"  # type: ignore[index]
    assert made["days_not_examined"] == ["2026-10-31"]
    assert made["outputs"] == [{"name": "a.csv", "sha256": "b" * 64}]
    assert made["command"] == "reconciler statement 2026-10"
    lines = dict(certificate.lines())
    assert (
        lines["EUR, not counted: rows without a PaymentIntent"]
        == "3, control total 9.00 EUR; of these, rows that say paid: 1, control total 4.00 EUR"
    )
    assert lines["EUR, not counted: rows with an id that leads to no PaymentIntent"].startswith(
        "0, "
    )
    assert lines["EUR, payments of Stripe before matching"] == "3, control total 14.20 EUR"
    assert lines["EUR, payments of Stripe that received money"] == "1, control total 13.50 EUR"
    assert made["steps"] is None
    assert lines["EUR, bridge: rows that hold a payment of Stripe"] == "1, control total 1.00 EUR"
    assert lines["EUR, bridge: together, the rows of your table before matching"] == lines["EUR, rows of your table before matching"]  # fmt: skip
    assert lines["EUR, bridge: together, the payments of Stripe before matching"] == lines["EUR, payments of Stripe before matching"]  # fmt: skip


def test_a_day_of_an_early_version_has_no_bridge(certificate: Certificate) -> None:
    """Nothing is guessed: that it was not recorded is said."""
    days = tuple(replace(one, matching=None) for one in certificate.statement.days)
    early = replace(certificate, statement=replace(certificate.statement, days=days))
    assert {one["bridge"] for one in early.as_json()["populations"]} == {None}  # type: ignore[attr-defined]
    said = [value for name, value in early.lines() if name.startswith("EUR, bridge:")]
    assert said == ["not known: an older version of Reconciler made a sweep of the period"]


def test_a_query_keeps_its_lines(certificate: Certificate) -> None:
    """A comment ends with its line, so a query on one line would be another one."""
    assert "<pre>SELECT 1\n-- &lt;b&gt;\nFROM payments</pre>" in "".join(
        statement_html([certificate])
    )
    lines = list(statement_lines(certificate))
    at = lines.index("    SELECT 1")
    assert lines[at - 1 : at + 3] == ["  Sweep 9: its query:", "    SELECT 1", "    -- <b>", "    FROM payments"]  # fmt: skip


def test_it_says_who_closed_the_period(certificate: Certificate) -> None:
    """And that no person did, if the steps were looked up."""
    step = Step(
        119, CUT, Action.PERIOD_PREPARED, "os:ana", None, "ana", "a note", CUT, {}, (118, "b" * 64)
    )
    prepared = replace(certificate, steps=(step,))
    assert dict(prepared.lines())["Prepared by"].startswith("ana (os:ana) at 2026-11-06")
    (found,) = prepared.as_json()["steps"]  # type: ignore[misc]
    assert (found["entry"], found["head"]) == (119, {"seq": 118, "hash": "b" * 64})  # type: ignore[index]
    none = dict(replace(certificate, steps=()).lines())
    assert none["Closing"] == "no person has prepared or signed this period"
