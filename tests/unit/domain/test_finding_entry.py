"""The ledger entry of a discrepancy."""

from __future__ import annotations

from dataclasses import replace

from reconciler.domain.audit.ledger_entry import Action, AskedBy
from reconciler.domain.findings.discrepancy import Closing, Kind, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate, finding_entry
from reconciler.domain.findings.reverted_correction import Revert
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, decide
from reconciler.domain.statement.payment_difference import with_difference
from tests.unit.domain.samples import AMOUNT, CREATED, NOW, intent_of, match_of, payment, rules

BY = AskedBy("ana@shop")
CLOSED = DiscrepancyUpdate(
    7, "pi_1", Kind.MISSED_OUTCOME, State.CLOSED, None, True, Closing.AGREEMENT
)


def test_a_revert_is_in_the_entry() -> None:
    """Who took the correction of which sweep back stands in the ledger."""
    revert = Revert(7, "succeeded", "os:ana", "2026-11-02T12:00:00Z", ("p1",))
    entry = finding_entry(replace(CLOSED, revert=revert), 7, BY)
    assert entry.body["reverted"] == {"sweep": 7, "by": "os:ana", "at": "2026-11-02T12:00:00Z"}


def test_the_end_of_a_discrepancy() -> None:
    """It says how it ended, and has no values where nothing was found."""
    entry = finding_entry(CLOSED, 3, BY)
    assert entry.action is Action.FINDING_CHANGED
    assert entry.body == {
        "sweep": 3,
        **BY.fields,
        "subject": "pi_1",
        "kind": "missed_outcome",
        "state": "closed",
        "closing": "agreement",
    }


def test_a_new_discrepancy() -> None:
    """It has what verify compares with the stored one."""
    match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
    decision = decide(match, rules(), NOW)
    assert isinstance(decision, Correct)
    (found,) = decision.findings
    opened = replace(CLOSED, id=None, state=State.OPEN, finding=found, closing=None)
    entry = finding_entry(opened, None, BY)
    assert entry.action is Action.FINDING_OPENED
    assert "closing" not in entry.body
    assert (entry.body["keys"], entry.body["fingerprint"]) == (["p1"], found.fingerprint)
    assert entry.body["stake"] == {"amount": found.stake.amount, "currency": "eur"}
    assert "difference" not in entry.body


def test_a_finding_whose_payment_differs() -> None:
    """A statement is made of it."""
    match = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))
    decision = decide(match, rules(), NOW)
    assert isinstance(decision, Correct)
    (found,) = with_difference(match, decision.findings)
    entry = finding_entry(replace(CLOSED, finding=found), 3, BY)
    assert entry.body["difference"] == {"eur": -AMOUNT}
    assert entry.body["payment_created"] == CREATED
