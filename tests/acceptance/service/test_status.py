"""``status``: what ops see at a glance."""

from __future__ import annotations

import json
import re

import pytest

from tests.acceptance.service.conftest import Town


def test_all_is_well(town: Town) -> None:
    """With a service at work and nothing open: who holds the account, each pass's age, and 0 for Nagios."""
    town.pay(1)
    daemon = town.start()
    port = daemon.event("metrics.listening")["port"]
    town_is_done(town)
    code, out, _ = town.run("status", "--json")
    (found,) = json.loads(out)
    assert (code, found["level"], found["remarks"]) == (0, "ok", [])
    assert found["is_service"] is True
    assert found["mode"] == "update"
    assert {item["kind"] for item in found["passes"]} == {"tail", "due", "window"}
    assert found["reads_30_days"] > 0
    # the tail handles what is older than the grace, here a second
    assert 1 <= found["tail_lag_seconds"] < 60
    rate_usage = found["rate_usage"]
    assert set(rate_usage["endpoints"]) >= {"events"}
    assert rate_usage["overall"]["busiest"] >= max(
        one["busiest"] for one in rate_usage["endpoints"].values()
    )
    assert rate_usage["overall"]["limit"] == rate_usage["overall"]["rate"] == 2000
    assert rate_usage["overall"]["used"] == rate_usage["overall"]["busiest"] / 2000
    code, out, _ = town.run("status", "--format", "nagios")
    assert code == 0
    assert out.startswith("RECONCILER OK - ")
    plotted = dict(item.split("=") for item in out.partition(" | ")[2].split())
    assert plotted["'default_held_back'"] == "0"
    assert plotted["'default_tail_lag'"].endswith("s")
    assert plotted["'default_reads_a_second'"] == f"{rate_usage['overall']['busiest']};;2000"
    text = town.run("status")[1]
    assert "held by" in text
    assert re.search(r"tail +every \d+ (s|min), \d+ s behind", text)
    assert re.search(r"reads a second +all \d+ of 2000 \(", text)
    status, shown = town.get(port, "/metrics")
    assert status == 200
    assert 'reconciler_tail_lag_seconds{account="default"}' in shown
    assert 'reconciler_rate_limit{account="default",endpoint="all"} 2000.0' in shown
    assert daemon.end() == 0


def town_is_done(town: Town) -> None:
    """Wait until each kind of sweep has been complete."""
    daemon = town.daemons[-1]
    missing = {"tail", "due", "window"}
    while missing:
        missing.discard(daemon.event("pass.finished", complete=True)["job"])


def test_what_was_held_back_waits_for_a_person(town: Town) -> None:
    """Beyond per_hour nothing is written, and it is critical until somebody applies."""
    town.configure(per_hour=1)
    town.pay(3)
    daemon = town.start()
    town_is_done(town)
    code, out, _ = town.run("status", "--format", "nagios")
    assert code == 2
    assert "held back" in out
    (found,) = json.loads(town.run("status", "--json")[1])
    assert found["held_back"] == 2
    assert found["open_discrepancies"][0]["amount"] == 2500
    assert found["open_payments"] == {"incomplete": 2}
    assert town.run("sweep", "--apply")[0] == 0
    assert town.run("status", "--format", "nagios")[0] == 0
    assert daemon.end() == 0


def test_nothing_was_ever_done(town: Town) -> None:
    """An account that nobody works on is critical."""
    code, out, _ = town.run("status", "--format", "nagios")
    assert code == 2
    assert "no due sweep has ever been complete" in out


def test_an_error_is_told(town: Town) -> None:
    """What keeps the service from its work stands in the status, and is gone when the cause is."""
    town.configure(due="1s")
    daemon = town.start()
    town_is_done(town)
    town.execute("ALTER TABLE payments RENAME COLUMN status TO state")
    daemon.event("pass.failed", job="due")
    assert town.ask("SELECT needs_person FROM reconciler.services") == [(True,)]
    town.execute("ALTER TABLE payments RENAME COLUMN state TO status")
    daemon.event("pass.finished", job="due", complete=True)
    daemon.event("pass.finished", job="due", complete=True)
    assert town.ask("SELECT error FROM reconciler.services") == [(None,)]
    assert daemon.end() == 0


@pytest.mark.parametrize(("form", "code"), [("nagios", 3), ("text", 75), ("json", 75)])
def test_a_database_that_cannot_be_reached(town: Town, form: str, code: int) -> None:
    """Nagios hears UNKNOWN; people get an error with its mend."""
    found = town.run(
        "status", "--format", form, DATABASE_URL="postgresql://127.0.0.1:9/x?connect_timeout=2"
    )
    assert found[0] == code
    assert TOLD in (found[1] + found[2])


TOLD = "Check that the server runs"


def test_a_small_shop_reads_the_tail_less_often(town: Town) -> None:
    """Where the reads of 30 days are not configured the pace follows from the rows there are, and is shown."""
    town.environ["RECONCILER_BUDGET__READS_PER_30_DAYS"] = "10000"
    town.environ["RECONCILER_BUDGET__SHARE"] = "0.5"
    (found,) = json.loads(town.run("status", "--json")[1])
    assert (found["reads_30_days_limit"], found["tail_every_seconds"]) == (5000, 1036.8)
    assert "every 17 min" in town.run("status")[1]
