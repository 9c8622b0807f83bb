"""Stored discrepancies held against the ledger."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reconciler.domain.audit.record_faults import DiscrepancyBesideLedger, RecordFault, RecordKind
from reconciler.domain.findings.discrepancy import Finding, Kind, Severity
from reconciler.domain.money import Money

FINDING = Finding(
    kind=Kind.OVERDUE,
    severity=Severity.INFO,
    stake=Money(4200, "eur"),
    payment_intent="pi_1",
    keys=("p1",),
    local={"status": "pending"},
    stripe={"status": "processing"},
)
AGREEING = DiscrepancyBesideLedger(
    id=7,
    kind="overdue",
    state="open",
    fingerprint=FINDING.fingerprint,
    entry_seq=3,
    entry_action="finding_opened",
    entry_state="open",
    entry_fingerprint=FINDING.fingerprint,
    entry_values=None,
    values_agree=True,
)
VALUES = json.dumps({"local": FINDING.local, "stripe": FINDING.stripe})


def test_a_discrepancy_that_agrees_has_no_fault() -> None:
    """State, values and fingerprint are those of the ledger."""
    assert AGREEING.fault() is None


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (replace(AGREEING, entry_seq=None), "no entry"),
        (
            replace(AGREEING, state="closed"),
            "the table says closed, but entry 3 of the ledger says open",
        ),
        (
            replace(AGREEING, entry_action="revert"),
            "the table says open, but entry 3 of the ledger says resolved",
        ),
        (replace(AGREEING, values_agree=False), "the values"),
        (replace(AGREEING, values_agree=None), "the values"),
        (replace(AGREEING, fingerprint="f" * 64), "the fingerprint"),
        (replace(AGREEING, entry_fingerprint="f" * 64), "the fingerprint"),
    ],
)
def test_every_difference_from_the_ledger_is_a_fault(
    record: DiscrepancyBesideLedger, what: str
) -> None:
    """The fault names the discrepancy and the first thing that differs."""
    fault = record.fault()
    assert fault is not None
    assert (fault.kind, fault.id) == (RecordKind.DISCREPANCY, 7)
    assert what in fault.what


def test_a_reverted_discrepancy_is_resolved() -> None:
    """A revert settles the discrepancy of the correction that it takes back."""
    assert replace(AGREEING, entry_action="revert", state="resolved").fault() is None


def test_the_fingerprint_of_an_old_entry_follows_from_its_values() -> None:
    """Old entries hold no fingerprint, so it is computed from both sides' values."""
    old = replace(AGREEING, entry_fingerprint=None, entry_values=VALUES)
    assert old.fault() is None
    assert replace(old, fingerprint="f" * 64).fault() is not None


@pytest.mark.parametrize("values", [None, "[]", '{"local": 0.5}'])
def test_an_old_entry_without_readable_values_gives_no_fingerprint(values: str | None) -> None:
    """Then the fingerprint cannot be compared, and the chain itself names the entry."""
    old = replace(AGREEING, entry_fingerprint=None, entry_values=values, fingerprint="f" * 64)
    assert old.fault() is None


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (RecordFault(RecordKind.DISCREPANCY, 7, "it differs"), "discrepancy 7: it differs"),
        (RecordFault(RecordKind.OUTBOX, 7, "it differs"), "outbox row 7: it differs"),
        (RecordFault(RecordKind.OUTBOX, None, "one is missing"), "outbox row: one is missing"),
    ],
)
def test_a_fault_names_its_record(fault: RecordFault, text: str) -> None:
    """A missing record has no number."""
    assert str(fault) == text
