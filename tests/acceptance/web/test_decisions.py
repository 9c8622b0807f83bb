"""What a reviewer decides at the finance pages, and what cannot decide: a viewer, another site, an old page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import urlencode

import psycopg
import pytest
from starlette.testclient import TestClient

from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.errors import DatabaseUnavailableError
from tests.acceptance.web.conftest import PASSWORD, Site
from tests.some_quick import some_quick

HOST = "http://pages.example"
SAME = {"Origin": HOST, "Sec-Fetch-Site": "same-origin"}
PAYMENT = "/payment?name=pi_00000000000000031"


def token(client: TestClient) -> str:
    """The token of a page."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', client.get(PAYMENT).text)
    assert found is not None
    return found[1]


def send(client: TestClient, *, headers: dict[str, str] = SAME, **values: object) -> object:
    """A POST as a page sends it, with the page's token and a confirmation unless they are given."""
    fields = {"token": None, "id": 31, "decision": "resolve", "note": "dealt with", "confirmed": "yes", "back": PAYMENT, **values}  # fmt: skip
    if fields["token"] is None:
        fields["token"] = token(client)
    body = urlencode(fields, doseq=True)
    content = {"Content-Type": "application/x-www-form-urlencoded"}
    return client.post("/decide", content=body, headers={**content, **headers})


Ask = Callable[[str], list[tuple]]


@pytest.fixture
def ask(stored: str) -> Ask:
    """The rows of a query."""

    def asked(query: str) -> list[tuple]:
        with psycopg.connect(stored, autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    return asked


def state_of(ask: Ask, number: int) -> tuple:
    ((state, by, owner),) = ask(
        f"SELECT state, resolved_by, owner FROM reconciler.discrepancies WHERE id = {number}"
    )
    return state, by, owner


def test_a_reviewer_decides_in_their_name(ana: TestClient, ask: Ask) -> None:
    """A note, an owner, the end and the opening again; each is in the ledger under the name of the web user."""
    answer = send(ana, decision="note", note="asked the <customer>")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(PAYMENT)
    send(ana, decision="assign", owner="bo@example.com")
    assert state_of(ask, 31) == ("open", None, "bo@example.com")
    send(ana, decision="resolve", note="shipped by hand")
    assert state_of(ask, 31) == ("resolved", "web:ana", "bo@example.com")
    text = ana.get(PAYMENT).text
    assert "asked the &lt;customer&gt;" in text
    assert "shipped by hand" in text
    assert "bo@example.com" in text
    send(ana, decision="reopen")
    assert state_of(ask, 31)[0] == "open"
    rows = ask(
        "SELECT action, body ->> 'asked_by' FROM reconciler.ledger WHERE (body ->> 'discrepancy') = '31' ORDER BY seq"
    )
    assert rows == [("note", "web:ana"), ("assignment", "web:ana"), ("resolution", "web:ana"), ("reopening", "web:ana")]  # fmt: skip


def test_a_reviewer_takes_a_discrepancy_with_one_button(ana: TestClient, ask: Ask) -> None:
    """The owner is the person who is logged in, and not who the field names."""
    page = "/payment?name=pi_00000000000000032"
    assert "Assign to me, ana" in ana.get(page).text
    assert send(ana, id=32, decision="assign", owner="", to_me="yes").status_code == 303
    assert state_of(ask, 32)[2] == "ana"


def test_a_refusal_keeps_the_note_and_leads_back(ana: TestClient) -> None:
    """A person writes a note once, and the way back is the page with its filters."""
    back = "/discrepancies?state=open&kind=contradicted"
    refused = send(ana, id=[31, 999_999], note="asked the <customer>", back=back)
    assert refused.status_code == 400
    assert "asked the &lt;customer&gt;</textarea>" in refused.text
    assert refused.text.count('name="id"') == 2
    assert f'href="{back.replace("&", "&amp;")}">Back' in refused.text
    elsewhere = send(ana, id=999_999, back="https://example.com/")
    assert 'href="/discrepancies">Back' in elsewhere.text


def test_a_note_is_kept_by_a_page_that_is_too_old(ana: TestClient) -> None:
    """A person who wrote for long copies it into the page that is loaded again; no form of the refusal sends it."""
    refused = send(ana, token="0", note="asked the <customer>")
    assert refused.status_code == 403
    assert "asked the &lt;customer&gt;</textarea>" in refused.text
    assert '<form class="decide"' not in refused.text


def test_a_note_is_kept_if_the_database_is_gone(
    ana: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says what is wrong, and sends the note again when a person wants it."""
    gone = DatabaseUnavailableError("The database is unavailable.", "")

    def fail(*_: object) -> None:
        raise gone

    monkeypatch.setattr("reconciler.entrypoints.web.post.decide", fail)
    refused = send(ana, note="asked the <customer>")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert "asked the &lt;customer&gt;</textarea>" in refused.text
    assert "Send it again" in refused.text


def test_notes_for_many_are_stored_for_all_or_none(ana: TestClient, ask: Ask) -> None:
    """So that no note is stored twice when it is sent again."""
    before = ask("SELECT count(*) FROM reconciler.notes")
    assert send(ana, id=[33, 999_999], decision="note", note="x").status_code == 400
    assert ask("SELECT count(*) FROM reconciler.notes") == before


def test_a_payment_leads_back_to_the_list_with_its_filters(ana: TestClient) -> None:
    """The address of the list goes along, and no other page can be named by it."""
    listed = ana.get("/discrepancies?state=open&severity=&kind=contradicted").text
    link = re.search(r'href="(/payment[^"]*)"', listed)
    assert link is not None
    text = ana.get(link[1].replace("&amp;", "&")).text
    assert 'href="/discrepancies?state=open&amp;kind=contradicted">Back to the list' in text
    for other in ("", "&back=https://example.com/", "&back=//example.com", "&back=/ledger"):
        assert 'href="/discrepancies">Back to the list' in ana.get(f"{PAYMENT}{other}").text


def test_many_at_once_are_previewed(ana: TestClient, ask: Ask) -> None:
    """The first POST of a list stores nothing, and the second one decides about all of them."""
    answer = send(ana, id=[41, 42, 43], decision="ignore", confirmed="", back="/discrepancies?state=open")  # fmt: skip
    assert answer.status_code == 200
    assert "3 discrepancies" in answer.text
    assert "126.00 EUR" in answer.text
    assert {state_of(ask, number)[0] for number in (41, 42, 43)} == {"open"}
    answer = send(ana, id=[41, 42, 43], decision="ignore", back="/discrepancies?state=open")
    assert answer.headers["location"] == "/discrepancies?state=open&done=ignore"
    assert {state_of(ask, number)[0] for number in (41, 42, 43)} == {"ignored"}
    assert "opens again if a side changes" in ana.get(answer.headers["location"]).text


@some_quick(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://pages.example.evil.example"},
        {"Origin": "http://pages.example:81"},
        {"Origin": HOST, "Sec-Fetch-Site": "cross-site"},
        {"Origin": HOST, "Sec-Fetch-Site": "same-site"},
        {"Referer": f"{HOST}/"},
    ],
    quick=(0, 1, 5, 7),
)
def test_another_site_cannot_decide(ana: TestClient, ask: Ask, headers: dict[str, str]) -> None:
    """Even with the person's password and the right token."""
    answer = send(ana, headers=headers, id=51)
    assert answer.status_code == 403
    assert state_of(ask, 51) == ("open", None, None)


@pytest.mark.parametrize("wrong", ["", "0" * 64, "ä"])
def test_a_wrong_token_cannot_decide(ana: TestClient, ask: Ask, wrong: str) -> None:
    """No token, and one of no page."""
    assert send(ana, token=wrong or "-", id=52).status_code == 403
    assert state_of(ask, 52) == ("open", None, None)


def test_a_viewer_cannot_decide(site: Site, ana: TestClient, ask: Ask) -> None:
    """The pages show a viewer no way to decide, and a POST is refused."""
    vera = site()
    vera.auth = ("vera", PASSWORD)
    assert '<form class="decide"' not in vera.get(PAYMENT).text
    assert "Choose discrepancy" not in vera.get("/discrepancies").text
    answer = send(vera, token=token(ana), id=53)
    assert answer.status_code == 403
    assert "reviewer" in answer.text
    assert state_of(ask, 53) == ("open", None, None)
    assert site().post("/decide", headers=SAME).status_code == 401


@some_quick(
    "values",
    [
        {"decision": "accept", "id": [54, 55]},
        {"decision": "destroy"},
        {"decision": ""},
        {"id": ""},
        {"id": "x"},
        {"id": [54, 999_999]},
        {"id": list(range(1, 599))},
        {"note": ""},
        {"note": "x" * 20_001},
        {"note": "x" * 200_000},
        {"note": "nul\0"},
        {"decision": "assign", "owner": "x" * 300},
        {"decision": "assign", "owner": "a\nb"},
        {"decision": "reopen"},
    ],
    quick=(0, 1, 5, 9, 12),
)
def test_a_wrong_post_changes_nothing(ana: TestClient, ask: Ask, values: dict[str, object]) -> None:
    """A clear page with 400, and every discrepancy as it was."""
    answer = send(ana, **{"id": 54, **values})
    assert answer.status_code == 400
    assert "<h1" in answer.text
    # it speaks of the fields of the page, and not of the command line
    said = answer.text.partition("<main")[2]
    assert ("--" in said, "reconciler " in said) == (False, False)
    owner = values.get("owner", "")
    assert str(owner) in html.unescape(said)
    assert state_of(ask, 54) == ("open", None, None)


def test_a_post_of_another_type_is_refused(ana: TestClient) -> None:
    """Only what a page of these sends is read."""
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/json"):
        answer = ana.post("/decide", content="x", headers={**SAME, "Content-Type": kind})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "/other"]
)
def test_it_leads_back_to_these_pages_alone(ana: TestClient, back: str) -> None:
    """An address of another site is not followed."""
    answer = send(ana, id=55, decision="note", back=back)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/discrepancies?done=note"


def test_every_view_of_a_payment_is_stored(ana: TestClient, ask: Ask) -> None:
    """With the name of its reader; the discrepancy counts as seen then."""
    name = "pi_00000000000000061"
    assert name in ana.get("/discrepancies?queue=unseen&q=61").text
    ana.get(f"/payment?name={name}")
    assert ask(f"SELECT viewer FROM reconciler.payment_views WHERE subject = '{name}'") == [("web:ana",)]  # fmt: skip
    assert "No discrepancy fits" in ana.get("/discrepancies?queue=unseen&q=61").text


def test_the_role_of_the_pages_suffices(
    stored: str, role: Callable, site: Site, ask: Ask, settings: object
) -> None:
    """Every page and every decision, with the rights that migrate --web-role grants; and no entry of a sweep."""
    from dataclasses import replace

    from pydantic import SecretStr

    from reconciler.clock import SystemClock
    from reconciler.settings import DatabaseSection
    from reconciler.wiring.web_records import open_web_records

    name, as_role = role("web")
    migrate(stored, daemon_role=None, auditor_role=None, web_role=name)
    url = as_role(stored)
    own = replace(settings, database=DatabaseSection(url=SecretStr(url)))  # type: ignore[type-var]
    with open_web_records(own, SystemClock()) as records:
        client = site(read=records)
        client.auth = ("ana", PASSWORD)
        for page in ("/", "/discrepancies", PAYMENT, "/statement", "/ledger", "/sweeps"):
            assert client.get(page).status_code == 200, page
        for decision in ("note", "assign", "resolve", "reopen", "ignore"):
            answer = send(client, id=71, decision=decision, owner="bo")
            assert answer.status_code == 303, (decision, answer.text)
        accepted = send(client, id=73, decision="accept", fingerprint="a" * 64)
        assert accepted.status_code == 303, accepted.text
    assert ask("SELECT asked_by, role, status FROM reconciler.acceptance_requests") == [
        ("web:ana", name, "asked")
    ]
    assert state_of(ask, 71) == ("ignored", "web:ana", "bo")
    with psycopg.connect(url, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT reconciler.append_ledger('default', 1, ARRAY['sweep'], ARRAY['{}'])")  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE reconciler.discrepancies SET stake_amount = 0")
        # a request can only be asked, and only in the name of a user of the pages
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE reconciler.acceptance_requests SET status = 'done'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO reconciler.acceptance_requests (status) VALUES ('done')")  # fmt: skip
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(
                "INSERT INTO reconciler.acceptance_requests (account, discrepancy, fingerprint, amount_differs, note, asked_by)"
                " SELECT account, id, fingerprint, false, 'x', 'os:root' FROM reconciler.discrepancies LIMIT 1"
            )
