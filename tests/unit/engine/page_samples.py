"""Findings, sweeps and pages of the unit tests. Each test changes only what it is about."""

from __future__ import annotations

from dataclasses import replace

from reconciler.domain.findings.discrepancy import Finding, Kind, Severity
from reconciler.domain.model.page import PageRecord
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome
from reconciler.engine.page.page_changes import PageChanges
from reconciler.engine.report import Mode, Writing
from reconciler.engine.sweep_context import Actor
from tests.unit.domain.samples import NOW, intent, payment, rules

PERSON = Actor("default", 8, "ops", Mode.UPDATE, Writing.ROWS, epoch=1)
SERVICE = Actor("default", 8, "service", Mode.UPDATE, Writing.ROWS, epoch=1)
ROW = payment(Outcome.INCOMPLETE)
PAID = intent("succeeded")


def finding_of(kind: Kind, **changes: object) -> Finding:
    """A missed outcome or another finding of ``pi_1`` and its row."""
    usual = Finding(
        kind=kind,
        severity=Severity.WARNING,
        stake=Money(4200, "eur"),
        payment_intent="pi_1",
        keys=("p1",),
        local={"status": "pending"},
        stripe={"status": "succeeded"},
        evidence={"method": "card"},
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


MISSED = finding_of(Kind.MISSED_OUTCOME)
OVERDUE = finding_of(Kind.OVERDUE)


def changes_of(actor: Actor = PERSON, **changes: object) -> PageChanges:
    """An empty page at ``NOW`` that a person records without limits."""
    usual: dict[str, object] = {
        "stored": {},
        "now": NOW,
        "corrections_left": None,
        "refused": {},
        "waiting": (),
    }
    return PageChanges(actor, rules(), **(usual | changes))  # type: ignore[arg-type]


def record_of(changes: PageChanges) -> PageRecord:
    """What the page writes, which has to be something."""
    record = changes.page((), None)
    assert record is not None
    return record
