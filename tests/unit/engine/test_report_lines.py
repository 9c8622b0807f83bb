"""What the line of a decision says beside its status: whether the PaymentIntent is written, and which revert holds it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.domain.findings.reverted_correction import Revert
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, decide
from reconciler.engine.report import Mode, ReportLine, SweepKind, SweepReport, Writing
from tests.unit.domain.samples import NOW, intent_of, match_of, payment, rules

INTENT = intent_of(Outcome.SUCCEEDED)
MATCH = match_of(INTENT, payment(Outcome.INCOMPLETE))
REVERT = Revert(sweep=5, outcome="succeeded", by="ana", at="2026-06-01T00:00:00Z")


def correction() -> Correct:
    decision = decide(MATCH, rules(), NOW)
    assert isinstance(decision, Correct)
    return decision


def line_of(decision: Correct | Flag) -> ReportLine:
    report = SweepReport("default", SweepKind.ALL, Mode.REPORT, Writing.NOTHING, "me")
    report.add_decisions([(MATCH, decision)])
    (line,) = report.lines
    return line


@pytest.mark.parametrize(
    ("held", "to_intent", "writes_intent"),
    [(INTENT.id, None, False), (None, None, True), (INTENT.id, "pi_2", True)],
)
def test_a_line_says_whether_the_intent_is_written(
    held: str | None, to_intent: str | None, writes_intent: bool
) -> None:
    """A row that holds none, and a row that is pointed at another one, get a PaymentIntent beside the status."""
    decision = correction()
    row = replace(decision.payment, payment_intent=held)
    line = line_of(replace(decision, payments=(row,), to_intent=to_intent))
    assert (line.to_status, line.writes_intent, line.reverted_sweep) == (
        "paid",
        writes_intent,
        None,
    )


def test_a_line_names_the_sweep_that_was_taken_back() -> None:
    """The finding's evidence has the sweep, and the next command needs it."""
    (found,) = correction().findings
    held = replace(found, evidence={**found.evidence, "reverted": REVERT.evidence})
    line = line_of(Flag((held,)))
    assert (line.to_status, line.writes_intent, line.reverted_sweep) == (None, False, 5)
