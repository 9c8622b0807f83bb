"""The pages of ``demo --web`` in this process: all their times are of one clock."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from reconciler.clock import Clock, SystemClock
from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.web import demo_pages
from reconciler.entrypoints.web.application import application
from reconciler.entrypoints.web.identity import Identification, Reader, Role
from reconciler.settings import Settings
from reconciler.wiring.web_records import open_web_records


@pytest.mark.usefixtures("demo_database")
def test_a_finding_is_as_old_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The overview, the list and the statement, each as a file, agree that what the demonstration's sweep found was
    found today, and that the last payment is of today."""
    found: dict[str, list[dict[str, str]]] = {}
    now = SystemClock().now()
    month = f"from={now - timedelta(days=30):%Y-%m-%d}&to={now:%Y-%m-%d}"

    def serve(
        settings: Settings, clock: Clock, who: Identification, write_file: object, _: object
    ) -> None:
        with open_web_records(settings, clock) as records:
            app = application(
                records, settings, clock, who, write_file, Reader("ana", Role.REVIEWER)
            )
            pages = TestClient(app, base_url="http://localhost")
            for name, path in {
                "overview": "/?download=ages",
                "list": "/discrepancies?state=open&download=discrepancies",
                "statement": f"/statement?{month}&download=ageing_eur",
            }.items():
                text = pages.get(path).content.decode("utf-8-sig")
                found[name] = list(csv.DictReader(io.StringIO(text)))

    monkeypatch.setattr(demo_pages, "serve", serve)
    assert run(["--quiet", "demo", "--web", "--seed", "7", "--payments", "1"], {}) == 0

    assert {line["age"] for line in found["overview"]} == {"Up to 1 day"}
    assert {line["open_for"] for line in found["statement"]} == {"0-1 days"}
    seen = [datetime.fromisoformat(line["first_seen"]) for line in found["list"]]
    assert seen
    assert all(abs(moment - now) < timedelta(days=1) for moment in seen)
    paid = [line["payment_created"] for line in found["list"] if line["payment_created"]]
    assert abs(max(map(datetime.fromisoformat, paid)) - now) < timedelta(days=1)
