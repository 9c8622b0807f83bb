"""A person closes a month in a browser, on the demonstration's pages: with a keyboard, on a phone, in the dark, on paper.

The browser is the system's Chromium. Without one these tests are left out, unless RECONCILER_TEST_BROWSER is "required".
Set RECONCILER_TEST_SCREENSHOTS to a folder to keep a picture of each page.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.clock import SystemClock
from tests.acceptance.configured_shop import REPOSITORY

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NOW = SystemClock().now()
MONTH = f"{NOW:%Y-%m}"
PAGES = {
    "overview": "/",
    "discrepancies": "/discrepancies?state=open",
    "statement": f"/statement?month={MONTH}",
    "ledger": "/ledger",
    "sweeps": "/sweeps",
    "kinds": "/kinds",
    "wrong": "/discrepancies?state=none",
}
SCREENS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}},
}

pytestmark = pytest.mark.long


def browser_path() -> str:
    """The system's Chromium; the test is left out if there is none."""
    for name in BROWSERS:
        found = shutil.which(name)
        if found is not None:
            return found
    if os.environ.get("RECONCILER_TEST_BROWSER") == "required":
        pytest.fail("there is no Chromium, and RECONCILER_TEST_BROWSER is required")
    pytest.skip("there is no Chromium on this machine")


@dataclass
class Demo:
    """The demonstration with its pages open."""

    process: subprocess.Popen[str]
    address: str
    password: str

    def of(self, name: str) -> dict[str, Any]:
        """What a browser needs to be this person's."""
        return {"http_credentials": {"username": name, "password": self.password}}


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """The command, until its pages are open; at the end Ctrl-C ends it."""
    browser_path()
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "demo", "--web", "--seed", "7", "--payments", "200"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address, password = None, None
    for line in process.stderr:
        named = re.search(r"as ana or as ben, both with the password (\w+)", line)
        password = password if named is None else named[1]
        found = re.search(r"open at (http://\S+)", line)
        if found:
            address = found[1].rstrip("/")
            break
    assert address is not None
    assert password is not None
    yield Demo(process, address, password)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    # as root Chromium has no sandbox
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser_path(), args=arguments)
        yield opened
        opened.close()


@dataclass
class Tab:
    """A page of the browser, and what its console said."""

    page: Any
    said: list[str]


def faults(page: Any) -> list[str]:
    """What axe-core finds on a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['target']}" for one in found for node in one["nodes"]]


def keep_picture(page: Any, name: str) -> None:
    """A picture of the whole page, if a folder for them is named."""
    folder = os.environ.get("RECONCILER_TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_can_be_used_by_every_person(demo: Demo, browser: Any, screen: str) -> None:
    """axe-core finds nothing, nothing is wider than the screen, and no policy is broken; in light, dark and phone width."""
    context = browser.new_context(**SCREENS[screen], **demo.of("ana"))
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{demo.address}/discrepancies?kind=contradicted")
    pages = {**PAGES, "payment": page.locator("tbody a").first.get_attribute("href")}
    for name, path in pages.items():
        page.goto(demo.address + path)
        assert faults(page) == [], name
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= SCREENS[screen]["viewport"]["width"], name
        keep_picture(page, f"{name}-{screen}")
        if screen == "phone":
            links = page.locator(".top nav a").all()
            assert all(
                one.bounding_box()["x"] + one.bounding_box()["width"] <= 390 for one in links
            )
            for box in page.locator("td.choose input, .sides").all()[:2]:
                assert 20 <= box.bounding_box()["width"] <= 390, name
        if screen == "light":
            page.emulate_media(media="print")
            assert not page.locator(".top nav").is_visible()
            keep_picture(page, f"{name}-print")
            page.emulate_media(media="screen")
    # a wrong address is a 400, which the console repeats
    assert [line for line in said if "400" not in line] == []
    context.close()


def test_a_person_without_a_mouse_reaches_the_content(demo: Demo, browser: Any) -> None:
    """The first stop of the keyboard leads behind the menu, and each stop can be seen."""
    context = browser.new_context(**SCREENS["light"], **demo.of("ana"))
    page = context.new_page()
    page.goto(f"{demo.address}/discrepancies")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "q"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    context.close()


def test_a_month_is_closed(demo: Demo, browser: Any) -> None:
    """Find, read, note, assign, resolve, several at once, statement, prepare, sign, download, open again."""
    context = browser.new_context(**SCREENS["light"], **demo.of("ana"), accept_downloads=True)
    page = context.new_page()

    # find what is worst, and read it
    page.goto(demo.address)
    page.locator(".severity-card-critical .figure a").click()
    page.locator("select[name=kind]").select_option("contradicted")
    page.get_by_role("button", name="Show").click()
    page.locator("tbody a").first.click()
    assert page.get_by_text("differs").count() > 0

    # note, assign, resolve
    payment = page.url
    for title, label, text, said in (
        ("Add a note", "Note, for the record", "The parcel came back.", "The note is stored."),
        ("Assign", "Owner; empty for no owner", "bo@example.com", "The owner is stored."),
        ("Resolve", "Note, for the record", "Refunded by hand.", "Resolved."),
    ):
        page.locator("summary", has_text=title).first.click()
        page.locator("details[open]").get_by_label(label).fill(text)
        page.locator("details[open]").get_by_role("button").first.click()
        assert said in page.get_by_role("status").inner_text()
        assert page.url.startswith(payment)
    story = page.locator("#story-caption").locator("xpath=../..").inner_text()
    assert "The parcel came back." in story
    assert "web:ana" in story
    assert faults(page) == []
    keep_picture(page, "payment-decided-light")

    # several at once, with a preview
    page.goto(f"{demo.address}/discrepancies?kind=overdue&state=open")
    for box in page.get_by_role("checkbox").all()[:2]:
        box.check()
    page.get_by_label("With the chosen ones").select_option("ignore")
    page.get_by_role("button", name="Preview").click()
    assert faults(page) == []
    keep_picture(page, "preview-light")
    page.get_by_label("Note, for the record").fill("Too small to follow.")
    page.get_by_role("button", name="Ignore").click()
    assert "Ignored." in page.get_by_role("status").inner_text()

    # the statement of examined days, as of now: prepare, sign, and open again
    first, last = NOW - timedelta(days=14), NOW - timedelta(days=2)
    days = f"from={first:%Y-%m-%d}&to={last:%Y-%m-%d}&cutoff={NOW + timedelta(days=30):%Y-%m-%d}"
    page.goto(f"{demo.address}/statement?{days}")
    assert "Unexplained" in page.locator("main").inner_text()
    for title, label, said in (
        ("Prepare", "Note, for the record", "Prepared."),
        ("Sign", None, "Signed."),
        ("Open again", "Note, for the record", "Open again."),
    ):
        if title == "Sign":
            # who has prepared it cannot sign it
            page.locator("summary", has_text=title).first.click()
            page.locator("details[open]").get_by_role("button").click()
            assert "same_person" in page.locator("main").inner_text()
            assert faults(page) == []
            page.get_by_role("link", name="Back to the page").click()
            assert page.url.startswith(f"{demo.address}/statement?")
            context.close()
            context = browser.new_context(
                **SCREENS["light"], **demo.of("ben"), accept_downloads=True
            )
            page = context.new_page()
            page.goto(f"{demo.address}/statement?{days}")
        page.locator("summary", has_text=title).first.click()
        if label is not None:
            page.locator("details[open]").get_by_label(label).fill("All is explained.")
        page.locator("details[open]").get_by_role("button").click()
        assert said in page.get_by_role("status").inner_text()
        assert faults(page) == []
        keep_picture(page, f"close-{title.split()[0].lower()}-light")

    # every table is a file
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of Steps").click()
    assert download.value.suggested_filename == "steps.csv"
    lines = Path(download.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 4
    context.close()
