"""``reconciler status`` for people, programs and Nagios."""

from __future__ import annotations

import json
import re

import pytest

from tests.acceptance.service.conftest import ServiceInstallation


def test_status_of_a_healthy_service(installation: ServiceInstallation) -> None:
    """With a service at work and nothing open it shows the holder and each sweep's age, and Nagios gets 0."""
    installation.add_payments(1)
    daemon = installation.start()
    port = daemon.wait_for("metrics.listening")["port"]
    wait_for_all_sweeps(installation)
    code, out, _ = installation.run("status", "--json")
    (found,) = json.loads(out)
    assert (code, found["level"], found["remarks"]) == (0, "ok", [])
    assert found["is_service"] is True
    assert found["mode"] == "update"
    assert {item["kind"] for item in found["sweeps"]} == {"tail", "due", "window"}
    assert found["reads_30_days"] > 0
    # the tail handles what is older than the grace, here a second
    assert 1 <= found["tail_lag_seconds"] < 60

    rate_usage = found["rate_usage"]
    assert set(rate_usage["endpoints"]) >= {"events"}
    assert rate_usage["overall"]["busiest"] >= max(
        rate["busiest"] for rate in rate_usage["endpoints"].values()
    )
    assert rate_usage["overall"]["limit"] == rate_usage["overall"]["rate"] == 2000
    assert rate_usage["overall"]["used"] == rate_usage["overall"]["busiest"] / 2000

    code, out, _ = installation.run("status", "--format", "nagios")
    assert code == 0
    assert out.startswith("RECONCILER OK - ")

    plotted = dict(item.split("=") for item in out.partition(" | ")[2].split())
    assert plotted["'default_held_back'"] == "0"
    assert plotted["'default_tail_lag'"].endswith("s")
    assert plotted["'default_reads_a_second'"] == f"{rate_usage['overall']['busiest']};;2000"

    text = installation.run("status")[1]
    assert "held by" in text
    assert re.search(r"tail +every \d+ (s|min), \d+ s behind Stripe", text)
    assert re.search(r"reads a second +all \d+ of 2000 \(", text)

    status, shown = installation.get(port, "/metrics")
    assert status == 200
    assert 'reconciler_tail_lag_seconds{account="default"}' in shown
    assert 'reconciler_rate_limit{account="default",endpoint="all"} 2000.0' in shown
    assert daemon.end() == 0


def wait_for_all_sweeps(installation: ServiceInstallation) -> None:
    """Wait until a sweep of each kind was complete."""
    daemon = installation.daemons[-1]
    missing = {"tail", "due", "window"}
    while missing:
        missing.discard(daemon.wait_for("sweep.finished", complete=True)["job"])


def test_held_back_corrections_are_critical(installation: ServiceInstallation) -> None:
    """Beyond per_hour nothing is written, and the status is critical until a person applies the rest."""
    installation.configure_service(per_hour=1)
    installation.add_payments(3)
    daemon = installation.start()
    wait_for_all_sweeps(installation)
    code, out, _ = installation.run("status", "--format", "nagios")
    assert code == 2
    assert "held back" in out

    (found,) = json.loads(installation.run("status", "--json")[1])
    assert found["held_back"] == 2
    assert found["open_discrepancies"][0]["amount"] == 2500
    assert found["open_payments"] == {"incomplete": 2}
    assert installation.run("sweep", "--apply")[0] == 0
    assert installation.run("status", "--format", "nagios")[0] == 0
    assert daemon.end() == 0


def test_an_account_without_a_sweep_is_critical(installation: ServiceInstallation) -> None:
    """An account on which no service has ever worked is critical."""
    code, out, _ = installation.run("status", "--format", "nagios")
    assert code == 2
    assert "no due sweep has ever completed" in out


def test_an_error_is_shown_until_it_is_over(installation: ServiceInstallation) -> None:
    """What keeps the service from its work is in the status, and disappears when its cause does."""
    installation.configure_service(due="1s")
    daemon = installation.start()
    wait_for_all_sweeps(installation)
    installation.execute("ALTER TABLE payments RENAME COLUMN status TO state")
    daemon.wait_for("sweep.failed", job="due")
    assert installation.query("SELECT needs_person FROM reconciler.services") == [(True,)]
    installation.execute("ALTER TABLE payments RENAME COLUMN state TO status")
    daemon.wait_for("sweep.finished", job="due", complete=True)
    daemon.wait_for("sweep.finished", job="due", complete=True)
    assert installation.query("SELECT error FROM reconciler.services") == [(None,)]
    assert daemon.end() == 0


@pytest.mark.parametrize(("output_format", "code"), [("nagios", 3), ("text", 75), ("json", 75)])
def test_status_with_an_unreachable_database(
    installation: ServiceInstallation, output_format: str, code: int
) -> None:
    """Nagios gets UNKNOWN; a person gets an error with a hint."""
    found = installation.run(
        "status",
        "--format",
        output_format,
        DATABASE_URL="postgresql://127.0.0.1:9/x?connect_timeout=2",
    )
    assert found[0] == code
    assert HINT in (found[1] + found[2])


HINT = "Check that the server runs"


def test_a_small_shop_reads_the_tail_less_often(installation: ServiceInstallation) -> None:
    """If the reads of 30 days are not configured, the tail's interval follows from the number of rows, and is shown."""
    installation.environ["RECONCILER_BUDGET__READS_PER_30_DAYS"] = "10000"
    installation.environ["RECONCILER_BUDGET__SHARE"] = "0.5"
    (found,) = json.loads(installation.run("status", "--json")[1])
    assert (found["reads_30_days_limit"], found["tail_every_seconds"]) == (5000, 1036.8)
    assert "every 17 min" in installation.run("status")[1]
