"""In a browser: Stripe's side accepted on a page, and what happens after a month was signed: a late refund and a late-found fact."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli.period_files import write_period_file
from reconciler.entrypoints.web.application import application
from reconciler.entrypoints.web.identity import Identification, Reader, Role
from reconciler.entrypoints.web.passwords import Passwords
from reconciler.sandbox import Sandbox, SandboxServer
from reconciler.settings import load
from reconciler.wiring.web_records import open_web_records
from tests.acceptance.cli.conftest import Town
from tests.acceptance.web.test_browser import SCREENS, browser, faults, keep_picture
from tests.conftest import MakeShop

__all__ = ["browser"]
pytestmark = pytest.mark.long

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=9)
DAY = NOON.date().isoformat()
PEOPLE = """
[review.people]
ana = ["web:ana"]
ben = ["web:ben"]
"""


@pytest.fixture
def town(
    shop: MakeShop, tmp_path: Path, capsys: pytest.CaptureFixture[str], original_logging: None
) -> Iterator[Town]:
    """A shop of which one day was examined: a payment that agrees, and one whose order was canceled before it was paid."""
    with SandboxServer(Sandbox(SystemClock())) as server:
        made = Town(shop(), server, tmp_path, capsys)
        made.configure(PEOPLE)
        pay(made, 1)
        made.paid_after_cancel = pay(made, 2, "canceled")  # type: ignore[attr-defined]
        examine(made)
        yield made


def pay(town: Town, key: int | None, status: str = "paid") -> str:
    """A payment of the day; without a row if there is no key."""
    intent = town.stripe.create_payment(1250, "eur", at=NOON)
    town.stripe.succeed(intent.id, at=NOON)
    if key is not None:
        row = {"created": NOON.isoformat(), "status": status, "amount": 1250}
        town.shop.insert(key=key, payment_intent=intent.id, **row)
    return intent.id


def examine(town: Town) -> None:
    """A sweep over everything that records what it finds."""
    assert town.run("sweep", "--kind", "window", "--record").code == 0


@contextmanager
def pages_of(town: Town, name: str) -> Iterator[str]:
    """The address of the pages as a reviewer sees them."""
    settings = load(None, town.environ, need_stripe=False)
    with open_web_records(settings, SystemClock()) as records:
        who = Identification((), None, (), Passwords(SystemClock()))
        app = application(
            records, settings, SystemClock(), who, write_period_file, Reader(name, Role.REVIEWER)
        )
        config = uvicorn.Config(
            app, port=0, log_config=None, lifespan="off", ws="none", loop="asyncio"
        )
        server = uvicorn.Server(config)
        listener = config.bind_socket()
        # the first request waits for the server's thread, and is not refused
        listener.listen()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(20)


def step(page: Any, title: str, note: str | None = None) -> str:
    """A step of the close; what the page says after it."""
    page.locator("summary", has_text=re.compile(f"^{title}$")).first.click()
    if note is not None:
        page.locator("details[open]").get_by_label("Note, for the record").fill(note)
    page.locator("details[open]").get_by_role("button").click()
    return str(page.get_by_role("status").inner_text())


@pytest.mark.parametrize("screen", ["light", "phone"])
def test_what_comes_after_the_signature(town: Town, browser: Any, screen: str) -> None:
    """Signed by another person. The refund of an order after the cut-off is a subsequent event beside the signed figures; a payment of
    the day that is found later marks the period changed since signed, with the difference; a reason opens it again, and the
    bundle is verified without the database."""
    context = browser.new_context(**SCREENS[screen])
    page = context.new_page()
    query = f"/statement?from={DAY}&to={DAY}"
    with pages_of(town, "ana") as ana, pages_of(town, "ben") as ben:
        page.goto(f"{ana}{query}&cutoff={datetime.now(UTC).date() + timedelta(days=1)}")
        assert "Prepared." in step(page, "Prepare", "All is explained.")
        page.goto(ben + query)
        assert "Signed." in step(page, "Sign")

    # money that goes back later is no fact of the signed figures
    town.stripe.refund(town.paid_after_cancel)  # type: ignore[attr-defined]
    examine(town)
    with pages_of(town, "ben") as ben:
        page.goto(ben + query)
        said = page.locator("main").inner_text()
        assert "After the cut-off, 1 payment of this period changed" in said
        assert "Together the differences changed by 12.50 EUR" in said
        assert page.locator(".badge.close-signed").count() == 1
        assert page.locator("#subsequent_eur-caption").count() == 1
        assert faults(page) == []
        keep_picture(page, f"late-refund-{screen}")

    # a payment of the day that no sweep had seen is one
    pay(town, None)
    examine(town)
    with pages_of(town, "ben") as ben:
        page.goto(ben + query)
        assert page.locator(".badge.close-changed_since_signed").count() == 1
        changed = page.locator("#changes-caption").locator("xpath=../..").inner_text()
        assert "12.50 EUR" in changed
        assert faults(page) == []
        keep_picture(page, f"late-fact-{screen}")
        assert "Open again" in step(page, "Open again", "A payment was found late.")
        assert page.locator(".badge.close-reopened").count() == 1
        assert (
            "INFORMATION PRODUCED BY THE ENTITY (IPE)" in page.locator("main").inner_text().upper()
        )
        keep_picture(page, f"reopened-{screen}")
    context.close()

    bundle = town.folder / "month.zip"
    town.run("export", "--bundle", str(bundle), "--month", DAY[:7])
    assert town.run("verify", "--file", str(bundle)).code == 0


@pytest.mark.parametrize("screen", SCREENS)
def test_stripes_side_is_accepted_on_a_page(town: Town, browser: Any, screen: str) -> None:
    """The page stores a request and says so; after it was carried out the page says which row was changed."""
    context = browser.new_context(**SCREENS[screen])
    page = context.new_page()
    with pages_of(town, "ana") as ana:
        page.goto(f"{ana}/payment?name={town.paid_after_cancel}")  # type: ignore[attr-defined]
        page.locator("summary", has_text="Accept Stripe's side").click()
        assert faults(page) == []
        keep_picture(page, f"accept-{screen}")
        page.locator("details[open]").get_by_label("Note, for the record").fill("It was shipped.")
        page.locator("details[open]").get_by_role("button").click()
        assert "Your acceptance is stored." in page.get_by_role("status").inner_text()
        assert "The service carries it out." in page.locator("main").inner_text()
        keep_picture(page, f"accept-waits-{screen}")
        assert town.run("resolve", "--requested").code == 0
        page.reload()
        assert "Row 2 was changed from 'canceled' to 'paid'." in page.locator("main").inner_text()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= SCREENS[screen]["viewport"]["width"]
        assert faults(page) == []
        keep_picture(page, f"accepted-{screen}")
    context.close()
    assert town.statuses()["2"] == "paid"
