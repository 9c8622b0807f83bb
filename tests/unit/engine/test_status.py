"""What of the status is a remark, for whom, and which command comes next."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from reconciler.domain.findings.discrepancy import Severity
from reconciler.engine.health.remarks import UNDELIVERED, Check, Remark, remarks
from reconciler.engine.health.status import (
    AccountStatus,
    Expectations,
    LeaseStatus,
    OpenFindings,
    OutboxStatus,
    StatusLevel,
)

STATUS = AccountStatus(
    account="default",
    lease=LeaseStatus("me", 20.0, True, "update", None, None, None, False),
    sweeps=(),
    open_payments={},
    findings=(),
    reads=0,
    reads_allowed=5000,
    requests=0,
)
DELIVERS = Expectations({}, 5000, delivers=True)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG = UNDELIVERED.total_seconds() + 1


def test_an_empty_outbox_is_no_remark() -> None:
    """If everything is delivered, there is no remark."""
    assert remarks(STATUS, DELIVERS) == ()


@pytest.mark.parametrize(
    ("outbox", "expected", "levels"),
    [
        (OutboxStatus(5, 0, 10.0, None), DELIVERS, []),
        (OutboxStatus(5, 0, LONG, "the endpoint answered 500"), DELIVERS, [StatusLevel.WARNING]),
        (
            OutboxStatus(5, 0, 301.0, "the endpoint answered 500", 1),
            DELIVERS,
            [StatusLevel.WARNING],
        ),
        (OutboxStatus(5, 0, 10.0, "the endpoint answered 500", 3), DELIVERS, [StatusLevel.WARNING]),
        (OutboxStatus(5, 0, 10.0, "the endpoint answered 500", 2), DELIVERS, []),
        (OutboxStatus(5, 0, 301.0, None), DELIVERS, []),
        (OutboxStatus(5, 0, LONG, None), replace(DELIVERS, delivers=False), []),
        (OutboxStatus(5, 1, 10.0, "the endpoint answered 500"), DELIVERS, [StatusLevel.CRITICAL]),
        (OutboxStatus(5, 1, 10.0, "x"), replace(DELIVERS, delivers=False), [StatusLevel.CRITICAL]),
    ],
)
def test_waiting_rows_are_a_remark(
    outbox: OutboxStatus, expected: Expectations, levels: list[StatusLevel]
) -> None:
    """A short wait is no remark, a long one is a warning if an endpoint is configured, and a given-up row is always critical."""
    found = remarks(replace(STATUS, outbox=outbox), expected)
    assert [remark.level for remark in found] == levels
    for remark in found:
        assert outbox.last_error is not None
        assert outbox.last_error in remark.what


def test_each_remark_has_its_command_and_its_check() -> None:
    """Two checks, because other people answer for payments than for the service."""
    lease = replace(STATUS.lease, error="the key was refused", needs_person=True)
    findings = (OpenFindings(Severity.CRITICAL, "contradicted", False, "eur", 2, 100, 100),)
    found = remarks(replace(STATUS, lease=lease, findings=findings), DELIVERS)
    assert [(remark.check, remark.command) for remark in found] == [
        (Check.HEALTH, "doctor"),
        (Check.FINDINGS, "discrepancies --state open --severity critical"),
    ]


def test_a_command_names_the_account_if_there_are_several() -> None:
    """doctor is about all accounts; a remark may have no command."""
    about = Remark(StatusLevel.WARNING, "what", "plan")
    assert about.command_for(None) == "plan"
    assert about.command_for("the shop") == "plan --account 'the shop'"
    assert replace(about, command="doctor").command_for("eu") == "doctor"
    assert replace(about, command=None).command_for("eu") is None


@pytest.mark.parametrize(("error", "command"), [(None, "run"), ("a thread has died", "doctor")])
def test_after_a_clean_stop_the_service_is_started_again(error: str | None, command: str) -> None:
    """Without an error there is nothing that the doctor could find; several accounts have one service."""
    lease = LeaseStatus(None, None, False, "update", NOW, error, None, False)
    found = remarks(replace(STATUS, lease=lease), DELIVERS)
    (remark,) = (one for one in found if "one did before" in one.what)
    assert remark.command == remark.command_for("eu") == command
