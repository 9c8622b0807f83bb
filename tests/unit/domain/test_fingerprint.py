"""The fingerprint of a finding: both sides' values, and no times."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.findings.discrepancy import Finding, Kind
from reconciler.domain.model.intent import Intent, MissingIntent, NextAction
from reconciler.domain.model.match import Match
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.comparison import compare
from tests.unit.domain.samples import (
    NOW,
    charge,
    intent,
    intent_of,
    match_of,
    missing,
    payment,
    rules,
    sibling,
)
from tests.unit.domain.test_discrepancy_kinds import KINDS

LATER = timedelta(hours=5, microseconds=7)


def _findings(match: Match, now: datetime = NOW) -> dict[Kind, Finding]:
    return {found.kind: found for found in compare(match, rules(), now).findings}


def _moved(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment + LATER


def _at_another_time(match: Match) -> Match:
    """The same values, seen and made at other times and under another request."""
    seen = match.intent
    other: Intent | MissingIntent
    if isinstance(seen, MissingIntent):
        other = replace(seen, seen_at=seen.seen_at + LATER, request_id="req_other")
    else:
        attempt = seen.charge
        if attempt is not None:
            until = _moved(attempt.capture_before)
            attempt = replace(attempt, created=attempt.created + LATER, capture_before=until)
        other = replace(
            seen,
            created=seen.created + LATER,
            canceled_at=_moved(seen.canceled_at),
            seen_at=seen.seen_at + LATER,
            request_id="req_other",
            charge=attempt,
        )
    rows = tuple(replace(row, created=_moved(row.created)) for row in match.payments)
    siblings = tuple(replace(item, created=_moved(item.created)) for item in match.siblings)
    return replace(match, intent=other, payments=rows, siblings=siblings)


@pytest.mark.parametrize("name", KINDS)
def test_no_time_is_in_a_fingerprint(name: str) -> None:
    """The same disagreement tomorrow is the same: what a person has settled stays settled."""
    match, kind, _, _ = KINDS[name]
    before = _findings(match)[kind]
    after = _findings(_at_another_time(match), NOW + LATER)[kind]
    assert after.fingerprint == before.fingerprint
    assert re.fullmatch(r"[0-9a-f]{64}", before.fingerprint)


def test_each_kind_has_its_own_fingerprint() -> None:
    """The same values under another kind are another finding."""
    (found,) = _findings(KINDS["a missed webhook"][0]).values()
    assert replace(found, kind=Kind.REGRESSED).fingerprint != found.fingerprint


LOCAL_CHANGES: list[dict[str, Any]] = [
    {"key": "p9"},
    {"payment_intent": None},
    {"status": "new"},
    {"status": None},
    {"outcome": Outcome.CANCELED},
    {"amount": 1},
    {"amount": None},
    {"currency": "usd"},
    {"currency": None},
]
CHARGE_CHANGES: list[dict[str, Any]] = [
    {"id": "ch_2"},
    {"amount_refunded": 1},
    {"refunded": True},
    {"disputed": True},
]
STRIPE_CHANGES: list[dict[str, Any]] = [
    {"status": "requires_capture"},
    {"amount": 1},
    {"amount_received": 1},
    {"amount_capturable": 1},
    {"currency": "usd"},
    {"charge": None},
    *({"charge": charge(**change)} for change in CHARGE_CHANGES),
]
BEFORE = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.SUCCEEDED, amount=7))


def _fingerprints(match: Match) -> set[str]:
    return {found.fingerprint for found in _findings(match).values()}


@pytest.mark.parametrize("change", LOCAL_CHANGES, ids=str)
def test_every_value_of_the_row_counts(change: dict[str, Any]) -> None:
    """Another key, intent, status, outcome, amount or currency is another disagreement."""
    row = replace(BEFORE.payments[0], **change)
    after = _fingerprints(replace(BEFORE, payments=(row,)))
    assert not after & _fingerprints(BEFORE)
    other = replace(BEFORE, payments=(row,), intent=missing())
    assert not _fingerprints(other) & _fingerprints(replace(BEFORE, intent=missing()))


@pytest.mark.parametrize("change", STRIPE_CHANGES, ids=str)
def test_every_value_of_the_intent_counts(change: dict[str, Any]) -> None:
    """Another status, amount, currency or charge, or what became of the charge, is another disagreement."""
    seen = replace(intent_of(Outcome.SUCCEEDED), **change)
    after = _fingerprints(replace(BEFORE, intent=seen))
    assert not after & _fingerprints(BEFORE)
    alone = {found.fingerprint for found in _findings(match_of(seen)).values()}
    assert not alone & _fingerprints(match_of(intent_of(Outcome.SUCCEEDED)))


def test_a_failed_attempt_counts() -> None:
    """The same status with and without an error has two outcomes."""
    row = payment(Outcome.SUCCEEDED)
    fresh = intent("requires_payment_method", charge=charge())
    failed = intent("requires_payment_method", failed=True, charge=charge())
    assert not _fingerprints(match_of(fresh, row)) & _fingerprints(match_of(failed, row))


def test_the_other_mode_counts() -> None:
    """A 404 that says that the object exists in the other mode is another 404."""
    row = payment(Outcome.INCOMPLETE)
    assert not _fingerprints(match_of(missing(), row)) & _fingerprints(
        match_of(missing(other_mode=True), row)
    )


def test_what_is_only_evidence_does_not_count() -> None:
    """The request, the method, the next action and the capture deadline are for reading."""
    changes: dict[str, Any] = {
        "request_id": "req_9",
        "method": "klarna",
        "next_action": NextAction("use_stripe_sdk"),
        "metadata": {"a": "b"},
        "livemode": False,
        "charge": charge(capture_before=NOW, failure_code="x", method="klarna", status="odd"),
    }
    for name, value in changes.items():
        seen = replace(intent_of(Outcome.SUCCEEDED), **{name: value})
        assert _fingerprints(replace(BEFORE, intent=seen)) == _fingerprints(BEFORE), name


@pytest.mark.parametrize(
    "name",
    ["a bank that does not answer", "an authorization that ends", "nothing more to come"],
)
@pytest.mark.parametrize("change", [{"amount": 5}, {"key": "p8"}])
def test_a_side_finding_counts_every_row(name: str, change: dict[str, Any]) -> None:
    """A second row, or another value of one, is another finding."""
    match, kind, _, _ = KINDS[name]
    (row,) = match.payments
    second = replace(row, key="p2")
    prints = {
        _findings(replace(match, payments=rows))[kind].fingerprint
        for rows in [(row,), (row, second), (row, replace(second, **change))]
    }
    assert len(prints) == 3


def test_a_duplicate_counts_its_own_money_and_order() -> None:
    """Another amount, currency, row or order is another duplicate."""

    def of(order: str, **changes: Any) -> str:
        later = sibling("pi_2", created=NOW, **changes)
        match = match_of(
            intent_of(
                Outcome.SUCCEEDED,
                amount_received=later.amount,
                currency=later.currency,
            ),
            payment(Outcome.SUCCEEDED),
            order=order,
            siblings=(later,),
        )
        return _findings(match)[Kind.DUPLICATE_PAYMENT].fingerprint

    prints = {of("o1"), of("o2"), of("o1", amount=1), of("o1", currency="usd"), of("o1", key="p9")}
    assert len(prints) == 5
