"""A period is closed at its statement's page: by two people, on examined days, and never twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from starlette.testclient import TestClient

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli.period_files import write_period_file
from reconciler.entrypoints.web.application import application
from reconciler.entrypoints.web.identity import Identification, Reader, Role
from reconciler.entrypoints.web.passwords import Passwords
from reconciler.settings import Settings
from reconciler.settings.review_section import ReviewSection
from reconciler.wiring.web_records import WebRecords
from tests.acceptance.web.conftest import CHEAP
from tests.some_quick import some_quick

PERIOD = {"from": "2026-01-05", "to": "2026-01-06"}
PAGE = f"/statement?{urlencode(PERIOD)}"
PEOPLE = {"ana": ("web:ana",), "bo": ("web:bo", "os:bo")}
DAY = {
    "sweep": 900, "currency": "eur", "local": {"succeeded": {"count": 2, "amount": 3000}},
    "stripe": {"succeeded": {"count": 2, "amount": 3000}}, "received": {"count": 2, "amount": 3000}, "refunded": 0,
    "disputed": 0, "moved": 0, "waiting": 0, "returned": 0, "unrelated": {"count": 0, "amount": 0},
    "outside_mapping": {"count": 0, "amount": 0},
}  # fmt: skip
SWEEP = {"sweep": 900, "kind": "window", "timezone": "UTC", "days": {"first": "2026-01-05", "last": "2026-01-06"}}  # fmt: skip


@pytest.fixture(scope="module")
def examined(stored: str, records: WebRecords) -> None:
    """The ledger of a sweep that examined the period right after its end."""
    bodies = [{**DAY, "day": "2026-01-05"}, {**DAY, "day": "2026-01-06"}, SWEEP]
    with psycopg.connect(stored, autocommit=True) as connection:
        connection.execute(
            "SELECT reconciler.append_entries('default', ARRAY['day_totals', 'day_totals', 'sweep'], %s)",
            ([json.dumps(body, sort_keys=True, separators=(",", ":")) for body in bodies],),
        )


Visit = Callable[[str], TestClient]


@pytest.fixture
def visit(records: WebRecords, settings: Settings) -> Visit:
    """A reviewer by name, without a login."""

    def made(name: str) -> TestClient:
        review = ReviewSection(people=PEOPLE)
        who = Identification((), None, (), Passwords(SystemClock(), CHEAP))
        reader = Reader(name, Role.REVIEWER)
        app = application(
            records, replace(settings, review=review), SystemClock(), who, write_period_file, reader
        )
        return TestClient(
            app, base_url="http://localhost", raise_server_exceptions=False, follow_redirects=False
        )

    return made


def step(client: TestClient, name: str, **values: str) -> Any:
    """A step as the page sends it, as of today."""
    shown = client.get(
        f"/statement?{urlencode({name: values.get(name, day) for name, day in PERIOD.items()})}"
    )
    text = shown.text if shown.status_code == 200 else client.get(PAGE).text
    token = re.search(r'name="token" value="([0-9a-f]+)"', text)
    seen = re.search(r'name="seen" value="([0-9]+)"', text)
    assert token is not None
    assert seen is not None
    today = SystemClock().now().isoformat()
    fields = {"token": token[1], "step": name, "account": "default", "seen": seen[1], "cutoff": today, **PERIOD, **values}  # fmt: skip
    headers = {"Origin": "http://localhost", "Content-Type": "application/x-www-form-urlencoded"}
    return client.post("/close", content=urlencode(fields), headers=headers)


def test_a_close_from_the_first_step_to_the_last(examined: None, visit: Visit) -> None:
    """Prepared by one, refused for the same person, signed by another, not signed twice, opened again with a reason."""
    ana, bo, zoe = visit("ana"), visit("bo"), visit("zoe")
    assert "No version is prepared" in ana.get(PAGE).text
    refused = step(zoe, "prepare")
    assert refused.status_code == 409
    assert "unknown_actor" in refused.text
    assert "not_prepared" in step(bo, "sign").text

    assert step(ana, "prepare", note="all of it").status_code == 303
    text = ana.get(PAGE).text
    assert "Prepared" in text
    assert "all of it" in text
    refused = step(ana, "sign")
    assert refused.status_code == 409
    assert "same_person" in refused.text

    done = step(bo, "sign")
    assert done.status_code == 303
    assert "Signed" in bo.get(done.headers["location"]).text
    assert "already_signed" in step(ana, "sign").text
    assert step(ana, "reopen").status_code == 400
    assert step(ana, "reopen", note="one more refund").status_code == 303
    text = ana.get(PAGE).text
    assert "Reopened" in text
    assert "one more refund" in text
    file = ana.get(f"{PAGE}&download=steps").text
    assert "note,person,asked_by" in file
    assert re.search(r"Opened again,one more refund,ana,web:ana,[^\n]*,\d+,\d+,[0-9a-f]{64}", file)


def test_a_signed_period_is_listed_and_warns_of_another_over_its_days(
    examined: None, visit: Visit
) -> None:
    """On the page of the other before it is prepared; the list has who signed which days, with a link, and is a file too."""
    ana, bo = visit("ana"), visit("bo")
    day, both = {"from": "2026-01-06", "to": "2026-01-06"}, PAGE
    assert "share days with this one" not in ana.get(both).text
    assert step(ana, "prepare", **day).status_code == 303
    assert "share days with this one" not in ana.get(both).text
    assert step(bo, "sign", **day).status_code == 303
    text = ana.get(both).text
    assert re.search(
        r'share days with this one: <a href="/statement\?account=default&amp;from=2026-01-06&amp;to=2026-01-06">'
        r"2026-01-06 to 2026-01-06</a>, signed by bo at 20",
        text,
    )
    assert 'href="/closed-periods"' in text
    listed = ana.get("/closed-periods").text
    assert re.search(r'from=2026-01-06&amp;to=2026-01-06">2026-01-06 to 2026-01-06</a>', listed)
    file = ana.get("/closed-periods?download=closed_periods").text
    (row,) = (line for line in file.splitlines() if line.startswith("2026-01-06,2026-01-06"))
    assert re.fullmatch(r"2026-01-06,2026-01-06,UTC,default,signed,ana,bo,20[^,]*,20[^,]*,no,", row)
    assert ana.get("/closed-periods?download=closed_periods&format=xlsx").status_code == 200
    assert step(bo, "reopen", **day, note="as before").status_code == 303
    assert "share days with this one" not in ana.get(both).text
    assert "Reopened" in ana.get("/closed-periods").text


def test_only_the_version_that_was_shown_is_signed(examined: None, visit: Visit) -> None:
    """A page that was loaded before another version was prepared signs nothing, prepares nothing and opens nothing."""
    ana, bo = visit("ana"), visit("bo")
    day = {"from": "2026-01-05", "to": "2026-01-05"}
    page = f"/statement?{urlencode(day)}"
    assert step(ana, "prepare", **day, note="first").status_code == 303
    seen = re.search(r'name="seen" value="([0-9]+)"', bo.get(page).text)
    assert seen is not None
    assert step(ana, "prepare", **day, note="second").status_code == 303
    for name in ("sign", "prepare", "reopen"):
        refused = step(bo, name, **day, seen=seen[1], note="of the first")
        assert refused.status_code == 409, refused.text
        assert "changed_meanwhile" in refused.text
    assert step(bo, "sign", **day, seen="").status_code == 400
    assert "of the first" not in bo.get(page).text
    assert step(bo, "sign", **day).status_code == 303
    assert step(bo, "reopen", **day, note="as before").status_code == 303


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"from": "2020-01-01", "to": "2020-01-31"}, "which days were examined after the cut-off"),
        ({"from": "2199-01-01", "to": "2199-01-31"}, "must be a day after the period"),
    ],
)
def test_a_refusal_speaks_of_the_page(visit: Visit, values: dict[str, str], hint: str) -> None:
    """It names no option of the command line, keeps the note, and leads back to the statement as it was shown."""
    text = step(
        visit("ana"), "prepare", note="all of it", as_of="2026-02-01", seen="0", **values
    ).text
    assert hint in text
    assert "--" not in text.partition("<main")[2]
    assert "all of it</textarea>" in text
    days = f"from={values['from']}&amp;to={values['to']}&amp;cutoff=2026-02-01"
    assert f'{days}">Back to the page' in text


@some_quick(
    ("values", "code"),
    [
        ({"step": "burn"}, 400),
        ({"account": "other"}, 404),
        ({"from": "x"}, 400),
        ({"to": "2025-01-01"}, 400),
        ({"cutoff": "soon"}, 400),
        ({"cutoff": "2026-01-20T00:00:00"}, 400),
        ({"cutoff": "2199-01-20T00:00:00+00:00"}, 400),
        ({"from": "2020-01-01", "to": "2020-01-31"}, 409),
        ({"from": "2199-01-01", "to": "2199-01-31"}, 409),
        ({"token": "0"}, 403),
    ],
    quick=(0, 4, 8, 9),
)
def test_a_wrong_step_is_refused(
    examined: None, visit: Visit, values: dict[str, str], code: int
) -> None:
    """Nothing is stored, and a page says why."""
    client = visit("ana")
    before = len(re.findall("ledger_entry", client.get(f"{PAGE}&download=steps").text))
    answer = step(client, values.get("step", "prepare"), **{k: v for k, v in values.items() if k != "step"})  # fmt: skip
    assert answer.status_code == code
    assert "<h1" in answer.text
    assert len(re.findall("ledger_entry", client.get(f"{PAGE}&download=steps").text)) == before


@pytest.mark.parametrize("query", ["from=2026-01-05", "from=2026-01-05&to=x", "from=2026-01-05&to=2026-01-01", "from=2000-01-01&to=2150-01-01", "month=2026-10&cutoff=x"])  # fmt: skip
def test_a_wrong_period_in_the_address(visit: Visit, query: str) -> None:
    """A clear page with 400."""
    answer = visit("ana").get(f"/statement?{query}")
    assert answer.status_code == 400
    # by the labels of the form
    assert re.search("&quot;|&#34;", answer.text.partition("<main")[2])
    assert 'href="/statement">Show this page without filters' in answer.text


def test_days_that_were_examined_after_the_cut_off(examined: None, visit: Visit) -> None:
    """The page says so and leads to a cut-off at which they are known: another sweep would not help."""
    early = visit("ana").get(f"{PAGE}&cutoff=2026-01-20").text
    assert "2 days are not examined" in early
    # nothing is right because nothing was looked at
    assert 'class="card good"' not in early
    assert "2 of them were examined after the cut-off" in early
    assert "reconciler sweep --kind window" not in early
    link = re.search(r'href="(/statement[^"]*cutoff=[^"]*)">Show the statement', early)
    assert link is not None
    assert "are not examined" not in visit("ana").get(link[1].replace("&amp;", "&")).text
    never = visit("ana").get("/statement?from=2026-01-02&to=2026-01-03").text
    assert "reconciler sweep --kind window --since 2026-01-02 --until 2026-01-04 --record" in never


def test_a_part_of_a_period_that_was_examined_can_be_closed(examined: None, visit: Visit) -> None:
    """The page names it, and leads to a statement of it that is complete at the same cut-off."""
    ana = visit("ana")
    text = ana.get("/statement?from=2026-01-01&to=2026-01-31&cutoff=2199-01-01").text
    link = re.search(r'href="(/statement[^"]*)">2026-01-05 to 2026-01-06</a>', text)
    assert link is not None
    assert "are not examined" not in ana.get(link[1].replace("&amp;", "&")).text


def test_one_person_may_do_both_only_below_an_amount_that_the_page_names(
    records: WebRecords, settings: Settings
) -> None:
    """The reader sees why the one who prepared it could sign it."""
    review = ReviewSection(people=PEOPLE, four_eyes_above={"eur": 100_000})
    who = Identification((), None, (), Passwords(SystemClock(), CHEAP))
    reader = Reader("ana", Role.REVIEWER)
    app = application(
        records, replace(settings, review=review), SystemClock(), who, write_period_file, reader
    )
    text = TestClient(app, base_url="http://localhost").get(PAGE).text
    assert (
        "at most 1,000.00 EUR, and no money in another currency (review.four_eyes_above in the configuration)"
        in text
    )


def test_the_ledger_shows_whole_hashes(stored: str, examined: None, visit: Visit) -> None:
    """They can be copied and compared, on the page and in a file, with the hash of the entry before."""
    with psycopg.connect(stored) as connection:
        row = connection.execute(
            "SELECT hash, prev FROM reconciler.ledger WHERE action = 'sweep' ORDER BY seq LIMIT 1"
        ).fetchone()
    assert row is not None
    text = visit("ana").get("/ledger?action=sweep").text
    assert all(one in text for one in row)
    assert all(one in visit("ana").get("/ledger?download=ledger").text for one in row)
    assert "Stripe received 30.00 EUR from 2 payments" in visit("ana").get("/ledger").text
