"""The shipped dashboard and alert rules load, and every metric that they name exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason, RateLimits
from reconciler.engine.delivery.deliver import DeliveryReport
from reconciler.engine.health.rate_usage import EndpointRate, RateUsage
from reconciler.engine.health.status import (
    AccountStatus,
    LeaseStatus,
    OpenFindings,
    OutboxStatus,
    SweepStatus,
)
from reconciler.engine.report import Mode, SweepKind, SweepReport, Writing
from reconciler.entrypoints.service.database_metrics import FRESH_SECONDS
from reconciler.entrypoints.service.process_metrics import MeteredRateLimiter, Metrics
from reconciler.errors import DatabaseUnavailableError
from tests.unit.engine.doubles import NOW

CONFIG = Path(__file__).parents[3] / "config"
DASHBOARD = CONFIG / "grafana" / "reconciler.json"
RULES = CONFIG / "prometheus" / "reconciler.rules.yml"
NAME = re.compile(r"\breconciler_[a-z0-9_]+\b")

STATUS = AccountStatus(
    account="default",
    lease=LeaseStatus("me", 20.0, True, "update", NOW, None, None, False),
    sweeps=(SweepStatus("due", 1, NOW, 5.0, "service", 1, NOW, True, None),),
    open_payments={"incomplete": 3},
    findings=(
        OpenFindings(Severity.WARNING, "missed_outcome", True, "eur", 2, 2500, 2500),
        OpenFindings(Severity.WARNING, "missed_outcome", False, "eur", 1, 500, 500),
    ),
    reads=10,
    reads_allowed=100,
    requests=0,
    tail_lag=90.0,
    rate_usage=RateUsage(
        NOW, EndpointRate(50.0, 50.0, 12), {"events": EndpointRate(12.5, 6.25, 12)}
    ),
    outbox=OutboxStatus(
        waiting=3, given_up=1, oldest_age=60.0, last_error="the endpoint answered 500"
    ),
)


def full_metrics(clock: ManualClock) -> Metrics:
    """Metrics of a service in which every metric has a value."""
    metrics = Metrics()
    metrics.watch_database(lambda: ((STATUS,), {"default": 100}), clock)
    rate_limiter = MeteredRateLimiter(
        RateLimits(100, 100, 100), clock, threading.Event(), metrics, "default"
    )
    for _ in range(2):
        rate_limiter.take(Endpoint.EVENTS)
        rate_limiter.release(Endpoint.EVENTS)
    rate_limiter.limited(next(iter(RateLimitReason)), Endpoint.EVENTS)
    report = SweepReport("default", SweepKind.DUE, Mode.UPDATE, Writing.ROWS, "service")
    report.discrepancies[Kind.MISSED_OUTCOME] = 1
    report.examined = report.corrected = 1
    metrics.sweep_ended(report, "due", (12.0,))
    metrics.page_examined("default", "due")
    metrics.deliveries_ended(DeliveryReport("default", delivered=2, failed=2, given_up=1))
    metrics.job_event("default:due", "skipped")
    metrics.set_lease_held("default", held=True)
    return metrics


def sample_names(text: str) -> set[str]:
    return {
        re.split(r"[{ ]", line)[0]
        for line in text.splitlines()
        if line and not line.startswith("#")
    }


def dashboard_queries() -> Iterator[str]:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in board["templating"]["list"]:
        yield variable["query"]


@pytest.mark.parametrize(
    "queries", [list(dashboard_queries()), [RULES.read_text(encoding="utf-8")]]
)
def test_every_metric_that_is_named_exists(queries: list[str]) -> None:
    """A panel or an alert over a metric that does not exist would never show anything, and no person would notice."""
    known = sample_names(full_metrics(ManualClock(NOW)).text().decode())
    named = {name for query in queries for name in NAME.findall(query)}
    assert named
    assert named <= known


def test_every_metric_is_shown() -> None:
    """The dashboard has a panel for every metric."""
    known = {
        name
        for name in sample_names(full_metrics(ManualClock(NOW)).text().decode())
        if not name.endswith(("_created", "_sum", "_count"))
    }
    shown = {name for query in dashboard_queries() for name in NAME.findall(query)}
    assert known - shown == set()


def test_the_dashboard_loads() -> None:
    """No two panels share an id or a position, and each takes the data source that the viewer chooses."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    positions = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    ids = {panel["id"] for panel in board["panels"]}
    assert len(ids) == len(set(positions)) == len(positions)
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in board["panels"])
    assert all(panel["title"] and panel["targets"] for panel in board["panels"])


def test_each_alert_is_complete() -> None:
    """Each alert has a unique name, a query, a severity, a summary, a description, and a section of the runbook."""
    runbook = (CONFIG.parent / "docs" / "how-to" / "troubleshoot-at-night.md").read_text("utf-8")
    text = RULES.read_text(encoding="utf-8")
    alerts = re.split(r"^      - alert: ", text, flags=re.MULTILINE)[1:]
    names = [alert.splitlines()[0] for alert in alerts]
    assert len(names) == len(set(names)) >= 10
    for alert in alerts:
        for part in ("        expr: ", "severity: ", "summary: ", "description: "):
            assert part in alert
        name = alert.splitlines()[0]
        (url,) = re.findall(r'runbook_url: "(.*)"', alert)
        assert url == f"docs/how-to/troubleshoot-at-night.md#{name.lower()}"
        assert f"\n## {name}\n" in runbook
        (query,) = re.findall(r"expr: (.*)", alert)
        assert query.count("(") == query.count(")")
        assert query.count("{") == query.count("}")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool on this machine")
def test_prometheus_accepts_the_rules_and_the_queries(tmp_path: Path) -> None:
    """Prometheus's own check accepts the alerts and every query of the dashboard."""
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    queries = [
        target["expr"].replace("$__rate_interval", "5m").replace("$account", "default")
        for panel in panels
        for target in panel["targets"]
    ]
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries)]
    dashboard_rules = tmp_path / "queries.json"
    dashboard_rules.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    subprocess.run(["promtool", "check", "rules", RULES, dashboard_rules], check=True)


def test_figures_are_read_once_a_minute_and_kept_in_an_outage() -> None:
    """Most scrapes cost the database nothing; during an outage the last figures stay and database_up is 0."""
    clock, reads = ManualClock(NOW), []

    def read() -> tuple[tuple[AccountStatus, ...], dict[str, int]]:
        reads.append(1)
        if len(reads) > 1:
            raise DatabaseUnavailableError("gone.")
        return (STATUS,), {}

    metrics = Metrics()
    metrics.watch_database(read, clock)
    for _ in range(3):
        assert "reconciler_database_up 1.0" in metrics.text().decode()
    assert len(reads) == 1

    clock.advance(timedelta(seconds=FRESH_SECONDS))
    text = metrics.text().decode()
    assert "reconciler_database_up 0.0" in text
    assert (
        'reconciler_open_discrepancies{account="default",currency="eur",kind="missed_outcome",severity="warning"} 3.0'
        in text
    )


def test_reads_are_counted_by_their_result() -> None:
    """A read that Stripe refused is not counted as answered."""
    assert full_metrics(ManualClock(NOW)).reads() == {("default", "events"): (2, 1)}
