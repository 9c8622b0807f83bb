"""status for those who look at it: two checks for a monitoring system, and a screen that renews itself."""

from __future__ import annotations

from functools import partial

import pytest

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli import app
from reconciler.entrypoints.invocation import Invocation
from tests.acceptance.cli.conftest import Town
from tests.kept_connections import kept_connection


class ImpatientClock(SystemClock):
    """Each sleep returns at once, and the third is ended by Ctrl-C."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if len(self.sleeps) == 3:
            raise KeyboardInterrupt


def test_two_checks(town: Town) -> None:
    """Each check has its own remarks, its own exit code, and its name in the line."""
    town.pay(1, "canceled")
    town.run("sweep", "--record")
    findings = town.run("status", "--check", "findings")
    assert findings.code == 2
    assert findings.out.startswith(
        "RECONCILER FINDINGS CRITICAL - 1 critical discrepancy is open | "
    )
    health = town.run("status", "--check", "health", "--format", "nagios")
    assert health.out.startswith("RECONCILER HEALTH ")
    assert "discrepancies" not in health.out.split("|")[0]
    text = town.run("status", "--check", "findings", "--format", "text")
    assert "    reconciler discrepancies --state open --severity critical\n" in text.out
    down = town.run("status", "--check", "health", DATABASE_URL="postgresql://127.0.0.1:9/x")
    assert (down.code, down.out[:28]) == (3, "RECONCILER HEALTH UNKNOWN - ")


def test_an_outage_of_the_endpoint_is_a_warning_at_once(town: Town) -> None:
    """With the third failed delivery, or after five minutes; Nagios plots what waits."""
    town.configure('[delivery]\nurl = "http://127.0.0.1:9/reconciler"\n')
    town.pay(1)
    town.pay(2)
    town.run("sweep", "--apply")
    failed = (
        "UPDATE reconciler.outbox SET tried_since = now(), last_error = 'no answer', attempts = {}"
    )
    kept_connection(town.shop.url).execute(failed.format(1))
    assert "deliveries" not in town.run("status", "--check", "health").out
    kept_connection(town.shop.url).execute(failed.format(2))
    health = town.run("status", "--check", "health").out
    assert "deliveries to your endpoint at 127.0.0.1 have failed since 20" in health
    assert "2 outbox rows wait" in health
    assert "see docs/how-to/troubleshoot-at-night.md#reconcilerdeliveriesfail" in health
    assert "UTC: 2 outbox rows wait; the last error: no answer" in health
    plotted = dict(item.split("=") for item in health.partition(" | ")[2].split())
    assert plotted["'default_outbox_waiting'"] == "2"
    assert plotted["'default_outbox_given_up'"] == "0"
    assert plotted["'default_outbox_oldest_seconds'"].endswith("s")
    (found,) = town.run("status", "--json").json
    assert found["outbox"]["failures"] == 4
    assert found["outbox"]["failing_since"] is not None
    (remark,) = [one for one in found["remarks"] if "deliveries" in one["what"]]
    assert (remark["level"], remark["check"]) == ("warning", "health")


def test_watching(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status is shown again after each wait, until Ctrl-C; an outage of the database does not end it."""
    clock = ImpatientClock()
    monkeypatch.setattr(app, "Invocation", partial(Invocation, clock=clock))
    answer = town.run("status", "--watch", "10")
    assert (answer.code, clock.sleeps) == (0, [10.0, 10.0, 10.0])
    assert answer.out.count("every 10 s; Ctrl-C ends it") == 3
    assert answer.out.count("account default: ") == 3
    clock.sleeps.clear()
    down = town.run("status", "--watch", "10", DATABASE_URL="postgresql://127.0.0.1:9/x")
    assert (down.code, len(clock.sleeps)) == (75, 3)
    assert down.out.count("The database has not answered since 20") == 3
    assert town.run("status", "--watch", "10", "--json").code == 64
