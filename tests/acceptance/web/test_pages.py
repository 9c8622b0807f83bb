"""What the finance pages show, and what they answer to wrong addresses, hostile texts and a database that is gone."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.discrepancies.discrepancy_list import PostgresDiscrepancyList
from reconciler.clock import SystemClock
from reconciler.domain.review.ageing import BUCKETS
from reconciler.settings import DatabaseSection, Settings
from reconciler.wiring.web_records import WebRecords, open_web_records
from tests.acceptance.web.conftest import INTENT, PASSWORD, Site
from tests.conftest import Server
from tests.some_quick import some_quick

PAGES = ("/", "/discrepancies", f"/payment?name={INTENT}", "/statement", "/ledger", "/sweeps", "/kinds")  # fmt: skip


@some_quick(
    "page", [*PAGES, "/nothing", "/discrepancies?state=x", "/style.css"], quick=(0, 2, 4, 7, 9)
)
def test_nothing_runs_and_nothing_comes_from_elsewhere(ana: TestClient, page: str) -> None:
    """A strict policy on every answer, and no script, style or handler inside the pages."""
    answer = ana.get(page)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    if "html" in answer.headers["content-type"]:
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", answer.text, re.IGNORECASE)  # fmt: skip
        for source in re.findall(r"(?:src|<link[^>]*href)=\"([^\"]*)\"", answer.text):
            assert source.startswith("/")


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_there(ana: TestClient, page: str) -> None:
    """Each page of the menu, with its title."""
    answer = ana.get(page)
    assert answer.status_code == 200
    assert "<h1" in answer.text
    assert 'lang="en"' in answer.text


def rows(text: str) -> list[str]:
    """The payments of a list, in order."""
    return re.findall(r"<a href=\"/payment[^\"]*\">(pi_\d+)</a>", text)


def test_a_list_is_read_part_by_part(ana: TestClient) -> None:
    """Each discrepancy once, in every order."""
    for sort in ("last seen", "oldest first", "newest first", "most money first"):
        address: str | None = f"/discrepancies?sort={sort}"
        seen: list[str] = []
        while address is not None:
            text = ana.get(address).text
            seen += rows(text)
            found = re.search(r"<a href=\"([^\"]*)\" rel=\"next\">", text)
            address = found[1].replace("&amp;", "&") if found else None
        assert len(seen) == 120
        assert len(set(seen)) == 120
        if sort == "most money first":
            assert seen == sorted(seen, reverse=True)


def test_a_part_says_of_how_many(ana: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A printed page is not taken for the whole list, and a very long list is not counted to its end."""
    assert "50 of 120 discrepancies on this page" in ana.get("/discrepancies?state=open").text
    assert "50 of 60 discrepancies" in ana.get("/discrepancies?kind=contradicted").text
    monkeypatch.setattr("reconciler.entrypoints.web.pages.discrepancies.MOST_COUNTED", 100)
    assert "50 of more than 100 discrepancies" in ana.get("/discrepancies").text


def test_filters_and_search(ana: TestClient) -> None:
    """By kind, severity, currency, intent and row key."""
    assert len(rows(ana.get("/discrepancies?severity=critical&kind=missed_outcome").text)) == 0
    assert rows(ana.get(f"/discrepancies?q={INTENT}").text) == [INTENT]
    assert rows(ana.get("/discrepancies?q=7").text) == ["pi_00000000000000007"]
    assert "No discrepancy fits" in ana.get("/discrepancies?currency=usd").text


def test_a_table_downloads_with_exact_values(ana: TestClient) -> None:
    """The whole list, with decimal amounts beside minor units."""
    answer = ana.get("/discrepancies?download=discrepancies&severity=warning")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    found = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(found) == 60
    row = next(row for row in found if row["payment_intent"] == "pi_00000000000000002")
    assert (row["at_stake"], row["at_stake_minor_units"], row["at_stake_currency"]) == (
        "2.00",
        "200",
        "EUR",
    )
    assert ana.get("/discrepancies?download=other").status_code == 404


def test_a_table_downloads_as_a_workbook(ana: TestClient) -> None:
    """With numbers as numbers; no text of it is a formula."""
    answer = ana.get("/discrepancies?download=discrepancies&format=xlsx")
    assert answer.headers["content-disposition"].endswith('discrepancies.xlsx"')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<row ") == 121
    assert "<v>1.00</v>" in sheet or "<v>1</v>" in sheet
    assert "<f>" not in sheet
    assert ana.get("/discrepancies?download=discrepancies&format=pdf").status_code == 400


def test_a_payment_shows_both_sides(ana: TestClient) -> None:
    """Differences are marked, and the next step is named."""
    text = ana.get(f"/payment?name={INTENT}").text
    assert "differs" in text
    assert "What to do next" in text
    assert f"https://dashboard.stripe.com/test/payments/{INTENT}" in text
    assert ana.get("/payment?name=1").status_code == 200
    answer = ana.get("/discrepancies/1")
    assert answer.status_code == 303
    assert INTENT in answer.headers["location"]


@some_quick(
    ("address", "code"),
    [
        ("/discrepancies?state=x", 400),
        ("/discrepancies?kind=<script>", 400),
        ("/discrepancies?sort=; DROP TABLE", 400),
        ("/discrepancies?currency=%00", 400),
        ("/discrepancies?q=" + "x" * 500, 400),
        ("/discrepancies?after=x&after_id=1", 400),
        ("/discrepancies?after=2026-01-01&after_id=1", 400),
        ("/discrepancies?after_id=-1&after=1", 400),
        ("/discrepancies?account=other", 404),
        ("/discrepancies/999999", 404),
        ("/discrepancies/99999999999999999999999", 404),
        ("/payment", 404),
        ("/payment?name=pi_other", 404),
        ("/statement?month=2026-13", 400),
        ("/statement?month=soon", 400),
        ("/ledger?action=x", 400),
        ("/ledger?before=x", 400),
        ("/sweeps?kind=x", 400),
        ("/nothing", 404),
    ],
    quick=range(0, 40, 3),
)
def test_a_wrong_address_gets_a_clear_page(ana: TestClient, address: str, code: int) -> None:
    """The right code, a page that says what is wrong, and nothing executed."""
    answer = ana.get(address)
    assert answer.status_code == code
    assert "<h1" in answer.text
    assert "<script" not in answer.text
    assert "Traceback" not in answer.text


def test_texts_of_others_are_shown_and_not_run(ana: TestClient, stored: str) -> None:
    """Markup, formulas, secrets and marks of direction in a row's status, in a key and in a note."""
    hostile = "=1+<script>alert(1)</script>\u202esk_live_abcdefghijklmnopqrstuv"
    with psycopg.connect(stored, autocommit=True) as connection:
        connection.execute(
            "UPDATE reconciler.discrepancies SET keys = ARRAY[%(text)s], note = %(text)s,"
            " local = local || jsonb_build_object('status', %(text)s::text) WHERE subject = 'pi_00000000000000005'",
            {"text": hostile},
        )
    for page in ("/payment?name=pi_00000000000000005", "/discrepancies?q=pi_00000000000000005"):
        text = ana.get(page).text
        assert "<script" not in text
        assert "&lt;script&gt;" in text
        assert "\u202e" not in text
        assert "abcdefghijklmnopqrstuv" not in text
    table = ana.get("/discrepancies?q=pi_00000000000000005&download=discrepancies").content.decode()
    assert "'=1+" in table
    assert "abcdefghijklmnopqrstuv" not in table


def test_the_database_is_gone(
    site: Site, settings: Settings, server: Server, migrated_template: str
) -> None:
    """A page that says so, with 503, and no detail of the connection."""
    url = server.create("web_gone", migrated_template)
    gone = replace(settings, database=DatabaseSection(url=SecretStr(url)))
    with open_web_records(gone, SystemClock()) as records:
        client = site(read=records)
        server.drop("web_gone")
        answer = client.get("/discrepancies", auth=("ana", PASSWORD))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "postgresql://" not in answer.text
    assert client.get("/healthz").status_code == 200


def test_only_reading_methods(ana: TestClient) -> None:
    """A page is read; a POST to it is refused."""
    assert ana.post("/discrepancies").status_code == 405
    assert ana.delete("/").status_code == 405


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=5), timedelta(days=29)])
def test_ages_are_those_of_the_terminal(records: WebRecords, stored: str, later: timedelta) -> None:
    """Both count from the time at which a discrepancy was opened last to the time of the program's own clock, not to
    that of the database, in the same buckets; also one that was seen long before it was opened again."""
    with psycopg.connect(stored, autocommit=True) as connection:
        connection.execute(
            "UPDATE reconciler.discrepancies SET first_seen = now() - interval '200 days' WHERE id IN (3, 60, 110)"
        )
    now = SystemClock().now() + later
    records.forget_figures()
    figures = records.overview("default", "UTC", now)
    records.forget_figures()
    with Database(stored) as database:
        aged = PostgresDiscrepancyList(database).aged("default", now)
    found = [0] * len(BUCKETS)
    for one in figures.open:
        found[one.age] += one.count
    assert found == [one.count for one in aged]
    assert sum(found) > 0
