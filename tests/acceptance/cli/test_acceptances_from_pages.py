"""A reviewer accepts Stripe's side on a page, and the service or a command writes the row in the reviewer's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from starlette.testclient import TestClient

from reconciler.clock import SystemClock
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.engine.account import OpenAccount
from reconciler.engine.actions.acceptance import AcceptanceAnsweredError, AcceptedBy
from reconciler.engine.actions.requested_acceptance import RequestOutcome, carry_out_acceptances
from reconciler.engine.actions.resolve import accept_stripe
from reconciler.entrypoints.cli.period_files import write_period_file
from reconciler.entrypoints.service.acceptance_job import REPORTS_ONLY
from reconciler.entrypoints.web.application import application
from reconciler.entrypoints.web.identity import Identification, Reader, Role
from reconciler.entrypoints.web.passwords import Passwords
from reconciler.settings import load
from reconciler.wiring.account import open_account
from reconciler.wiring.web_records import open_web_records
from tests.acceptance.cli.conftest import Town

HOST = "http://localhost"
REQUESTS = "SELECT status, answer, asked_by FROM reconciler.acceptance_requests ORDER BY id"


@pytest.fixture
def swept(town: Town) -> Iterator[Town]:
    """A shop with one discrepancy that only a person may decide: the row is canceled, and Stripe has the money."""
    town.intent = town.pay(2, "canceled")  # type: ignore[attr-defined]
    assert town.run("sweep", "--record").code == 0
    return town


@contextmanager
def pages(town: Town) -> Iterator[TestClient]:
    """The pages as ana sees them, who is a reviewer."""
    settings = load(None, town.environ, need_stripe=False)
    with open_web_records(settings, SystemClock()) as records:
        who = Identification((), None, (), Passwords(SystemClock()))
        app = application(
            records, settings, SystemClock(), who, write_period_file, Reader("ana", Role.REVIEWER)
        )
        yield TestClient(app, base_url=HOST, follow_redirects=False, raise_server_exceptions=False)


def page_of(client: TestClient, town: Town) -> str:
    return client.get(f"/payment?name={town.intent}").text  # type: ignore[attr-defined]


def accept_on_page(client: TestClient, town: Town, page: str | None = None, **changes: Any) -> Any:
    """Send the fields of the payment's page, with what is in it."""
    page = page or page_of(client, town)
    fields = page[page.index('value="accept"') :]
    values = {
        "token": re.findall(r'name="token" value="([0-9a-f]+)"', page)[0],
        "decision": "accept",
        "id": re.findall(r'name="id" value="(\d+)"', fields)[0],
        "fingerprint": re.findall(r'name="fingerprint" value="([0-9a-f]+)"', fields)[0],
        "confirmed": "yes",
        "note": "the order was shipped",
        "back": f"/payment?name={town.intent}",  # type: ignore[attr-defined]
        **changes,
    }
    return client.post(
        "/decide",
        content=urlencode(values),
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": HOST,
            "Sec-Fetch-Site": "same-origin",
        },
    )


@contextmanager
def opened(town: Town) -> Iterator[OpenAccount]:
    settings = load(None, town.environ)
    with open_account(settings, settings.accounts[0], SystemClock(), writes_rows=True) as account:
        yield account


def carried_out(town: Town, refusal: str | None = None) -> list[Any]:
    with opened(town) as account, account.writing_epoch() as epoch:
        return list(carry_out_acceptances(account, epoch, lambda: None, refusal))


def test_what_a_reviewer_accepts_is_written_in_their_name(swept: Town) -> None:
    """The page stores a request and writes no row; the command writes the row with the daemon's role, once. Row,
    discrepancy, ledger, outbox and answer are of one transaction, and the page shows both."""
    with pages(swept) as client:
        answer = accept_on_page(client, swept)
        assert answer.status_code == 303
        assert "The service carries it out" in page_of(client, swept)
        assert 'value="accept"' not in page_of(client, swept)
        assert swept.statuses() == {"2": "canceled"}
        answer = swept.run("resolve", "--requested", "--json")
        assert answer.code == 0
        (found,) = answer.json
        assert (found["outcome"], found["asked_by"]) == ("done", "web:ana")
        assert "Row 2 was changed from 'canceled' to 'paid'." in found["answer"]
        page = page_of(client, swept)
        assert "Row 2 was changed from" in page
        assert "the order was shipped" in page
    assert swept.statuses() == {"2": "paid"}
    assert swept.ask(REQUESTS)[0][::2] == ("done", "web:ana")
    ((state, by, entry_by, request),) = swept.ask(
        "SELECT d.state, d.resolved_by, l.body ->> 'asked_by', l.body -> 'request' ->> 'id' FROM reconciler.discrepancies AS d"
        " JOIN reconciler.ledger AS l ON l.action = 'resolution'"
    )
    assert (state, by, entry_by, request) == ("resolved", "web:ana", "web:ana", "1")
    assert swept.ask("SELECT count(*) FROM reconciler.outbox") == [(1,)]
    assert swept.run("resolve", "--requested").out == "No reviewer's request is waiting.\n"
    assert swept.run("verify").code == 0


def test_two_processes_carry_it_out_once(swept: Town) -> None:
    """A second process that has read the same request writes nothing, and the answer stays."""
    with pages(swept) as client:
        accept_on_page(client, swept)
    with opened(swept) as account, account.writing_epoch() as epoch:
        (request,) = account.ports.new_acceptances().waiting()
        by = AcceptedBy(AskedBy(request.asked_by), request.note, None, False, request)
        # another process answers it while this one reads from Stripe
        real = account.ports.stripe.retrieve

        def retrieve(intent: str) -> Any:
            with psycopg.connect(swept.shop.url) as connection:
                connection.execute("UPDATE reconciler.acceptance_requests SET status = 'refused', answer = 'no'")  # fmt: skip
            return real(intent)

        account.ports.stripe.retrieve = retrieve  # type: ignore[method-assign]
        with pytest.raises(AcceptanceAnsweredError):
            accept_stripe(account, request.discrepancy, by, epoch)
    assert swept.statuses() == {"2": "canceled"}
    assert swept.ask("SELECT count(*) FROM reconciler.outbox") == [(0,)]
    assert swept.ask("SELECT state FROM reconciler.discrepancies") == [("open",)]
    assert swept.ask(REQUESTS)[0][0] == "refused"


def test_a_killed_process_leaves_it_to_the_next(
    swept: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the write and before the commit: nothing of it stays, and the next process carries it out."""
    from reconciler.adapters.postgres.page.page_transaction import PostgresPageTransaction

    with pages(swept) as client:
        accept_on_page(client, swept)
    with monkeypatch.context() as patched:

        def killed(*_: object) -> bool:
            raise KeyboardInterrupt

        patched.setattr(PostgresPageTransaction, "answer_acceptance", killed)
        with pytest.raises(KeyboardInterrupt):
            carried_out(swept)
    assert swept.statuses() == {"2": "canceled"}
    assert swept.ask(REQUESTS) == [("asked", None, "web:ana")]
    assert [one.outcome for one in carried_out(swept)] == [RequestOutcome.DONE]
    assert swept.statuses() == {"2": "paid"}


def test_it_is_refused_if_a_side_has_changed(swept: Town) -> None:
    """A refund at Stripe since the page was shown: the reviewer did not see it, so nothing is written, and the page says
    why. The same for a discrepancy that was settled meanwhile."""
    with pages(swept) as client:
        accept_on_page(client, swept)
        swept.stripe.refund(swept.intent, 500)  # type: ignore[attr-defined]
        assert [one.outcome for one in carried_out(swept)] == [RequestOutcome.REFUSED]
        assert "has changed since then" in page_of(client, swept)
        assert swept.statuses() == {"2": "canceled"}
        assert swept.run("sweep", "--record").code == 0
        accept_on_page(client, swept)
        number = swept.ask("SELECT id FROM reconciler.discrepancies WHERE state = 'open'")[0][0]
        assert swept.run("resolve", str(number), "--note", "by hand").code == 0
        assert [one.outcome for one in carried_out(swept)] == [RequestOutcome.REFUSED]
        assert "was resolved after web:ana accepted" in page_of(client, swept)
    assert swept.statuses() == {"2": "canceled"}
    assert [row[0] for row in swept.ask(REQUESTS)] == ["refused", "refused"]


def test_it_is_tried_again_until_it_expires(swept: Town) -> None:
    """A paused account and a locked row: the request waits with the reason. After a day it has expired, and is not done."""
    with pages(swept) as client:
        accept_on_page(client, swept)
        assert swept.run("pause").code == 0
        assert [one.outcome for one in carried_out(swept)] == [RequestOutcome.POSTPONED]
        assert "is paused" in page_of(client, swept)
        assert carried_out(swept) == []
        assert swept.run("resume").code == 0
        with psycopg.connect(swept.shop.url, autocommit=True) as connection:
            connection.execute("UPDATE reconciler.acceptance_requests SET next_attempt_at = now(), expires_at = now()")  # fmt: skip
        assert carried_out(swept) == []
        assert "Not done before" in page_of(client, swept)
        assert accept_on_page(client, swept).status_code == 303
        assert [one.outcome for one in carried_out(swept)] == [RequestOutcome.DONE]
    assert swept.statuses() == {"2": "paid"}


def test_a_service_that_only_reports_refuses_it(swept: Town) -> None:
    """With the way that is left."""
    with pages(swept) as client:
        accept_on_page(client, swept)
        assert [one.outcome for one in carried_out(swept, REPORTS_ONLY)] == [RequestOutcome.REFUSED]
        assert "side at the terminal" in page_of(client, swept)
    assert swept.statuses() == {"2": "canceled"}


def test_a_wrong_or_second_acceptance_is_not_stored(swept: Town) -> None:
    """An empty note, a row of another discrepancy, a page that is too old, no confirmation, an unknown number; and a page
    that another acceptance has made too old."""
    wrong = [
        ({"note": " "}, 400),
        ({"row": "77"}, 400),
        ({"fingerprint": "0" * 64}, 409),
        ({"confirmed": ""}, 400),
        ({"id": "999999"}, 400),
    ]
    with pages(swept) as client:
        page = page_of(client, swept)
        for changes, status in wrong:
            assert accept_on_page(client, swept, page=page, **changes).status_code == status
        assert swept.ask(REQUESTS) == []
        assert accept_on_page(client, swept, page=page).status_code == 303
        assert accept_on_page(client, swept, page=page).status_code == 409
    assert len(swept.ask(REQUESTS)) == 1


def test_a_payments_page_has_every_attempt(town: Town) -> None:
    """Two declined attempts with their codes and the one that succeeded, each once and in order, on the one line of time: the
    tail reads Stripe's events as they come, and keeps the code of each failure."""
    town.configure('[corrections]\ngrace = "0s"\n')
    assert town.run("sweep", "--record").code == 0
    began = SystemClock().now().replace(microsecond=0) - timedelta(seconds=10)
    intent = town.stripe.create_payment(1250, "eur", at=began)
    for second, code in ((1, "insufficient_funds"), (2, "do_not_honor")):
        town.stripe.fail(intent.id, code, at=began + timedelta(seconds=second))
    town.stripe.succeed(intent.id, at=began + timedelta(seconds=3))
    town.shop.insert(key=2, payment_intent=intent.id, created=began.isoformat(), status="canceled")
    town.intent = intent.id  # type: ignore[attr-defined]
    assert town.run("sweep", "--kind", "tail", "--record").code == 0
    with pages(town) as client:
        story = page_of(client, town).partition("Everything that happened")[2]
    places = [
        story.index(said)
        for said in (
            "Payment began",
            "declined: insufficient_funds",
            "declined: do_not_honor",
            "Attempt succeeded",
        )
    ]
    assert places == sorted(places)
    assert story.count("Attempt failed") == 2
    assert story.count("Attempt succeeded") == 1
