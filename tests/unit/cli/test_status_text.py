"""The status as a person reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Severity
from reconciler.engine.health.status import (
    AccountStatus,
    Expectations,
    LeaseStatus,
    OpenFindings,
)
from reconciler.entrypoints.cli.status_text import write_status

CHARGED_TWICE = OpenFindings(
    Severity.CRITICAL,
    "duplicate_payment",
    held_back=False,
    currency="eur",
    count=2,
    stake=25_980,
    stake_once=25_980,
)
STATUS = AccountStatus(
    account="default",
    lease=LeaseStatus("me", 20.0, True, "update", None, None, None, False),
    sweeps=(),
    open_payments={},
    findings=(CHARGED_TWICE,),
    reads=0,
    reads_allowed=5000,
    requests=0,
)
EXPECTED = Expectations({"tail": timedelta(minutes=1)}, 5000)


def test_a_total_below_the_sum_of_its_column_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """A payment with two discrepancies counts in both lines and once in the total, and the total says so."""
    write_status(STATUS, (), EXPECTED)
    assert "total, counting each payment once" not in capsys.readouterr().out
    once = replace(CHARGED_TWICE, stake_once=12_990)
    write_status(replace(STATUS, findings=(once,)), (), EXPECTED)
    total = capsys.readouterr().out.splitlines()[-1].split()
    assert total == ["total,", "counting", "each", "payment", "once", "2", "129.90", "EUR"]
