"""The decision table, cell by cell, with ordinary payments for which both sides' money agrees."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep, decide
from reconciler.domain.rules.decision_table import TABLE, Cell
from tests.unit.domain.samples import (
    AMOUNT,
    LOCAL_STATUS,
    NOW,
    charge,
    intent,
    match_of,
    payment,
    rules,
)

THE_TABLE = """
local      | incomplete         | failed             | processing              | authorized              | succeeded               | canceled
incomplete | Keep               | Correct            | Correct                 | Correct                 | Correct                 | Correct
failed     | Keep               | Keep               | Correct                 | Correct                 | Correct                 | Correct
processing | Flag regressed     | Correct            | Keep                    | Correct                 | Correct                 | Correct
authorized | Flag regressed     | Flag regressed     | Keep                    | Keep                    | Correct                 | Correct
succeeded  | Flag! contradicted | Flag! contradicted | Flag! contradicted      | Flag! contradicted      | Keep                    | Flag! contradicted
canceled   | Keep               | Keep               | Flag! paid_after_cancel | Flag! paid_after_cancel | Flag! paid_after_cancel | Keep
refunded   | Flag! contradicted | Flag! contradicted | Flag! contradicted      | Flag! contradicted      | Keep                    | Flag! contradicted
disputed   | Flag! contradicted | Flag! contradicted | Flag! contradicted      | Flag! contradicted      | Keep                    | Flag! contradicted
"""
"""The decision table as it is documented. ``!`` is critical."""


def _read(table: str) -> dict[tuple[str, str], str]:
    lines = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    columns = lines[0][1:]
    return {
        (line[0], column): cell
        for line in lines[1:]
        for column, cell in zip(columns, line[1:], strict=True)
    }


EXPECTED = _read(THE_TABLE)

STRIPE_STATUSES = {
    ("requires_payment_method", False): "incomplete",
    ("requires_payment_method", True): "failed",
    ("requires_confirmation", False): "incomplete",
    ("requires_action", False): "incomplete",
    ("processing", False): "processing",
    ("requires_capture", False): "authorized",
    ("succeeded", False): "succeeded",
    ("canceled", False): "canceled",
    ("requires_luck", False): "unknown",
}
"""Stripe's seven statuses, the failed variant of the first, and one that Stripe does not document."""

GIVEN_BACK = {
    Outcome.REFUNDED: {"refunded": True, "amount_refunded": AMOUNT},
    Outcome.DISPUTED: {"disputed": True},
}
"""What Stripe's charge says if a row says correctly that the money went back."""


def _shown(decision: Decision) -> str:
    """A decision as the table writes it."""
    match decision:
        case Keep(abandoned=False):
            return "Keep"
        case Correct():
            return "Correct"
        case Flag(findings=(found,)):
            return f"Flag{'!' if found.severity == 'critical' else ''} {found.kind}"
        case _:
            return repr(decision)


def test_the_table_is_complete() -> None:
    """Eight local outcomes against six at Stripe: no cell is missing, in the documentation or in the program."""
    outcomes = [outcome.value for outcome in Outcome if outcome is not Outcome.UNKNOWN]
    assert set(EXPECTED) == set(itertools.product(outcomes, outcomes[:6]))
    assert {(local.value, stripe.value) for local, stripe in TABLE} == set(EXPECTED)
    assert {cell.value for cell in TABLE.values()} == {cell.value for cell in Cell}


@pytest.mark.parametrize(("status", "failed"), STRIPE_STATUSES)
@pytest.mark.parametrize("local", list(Outcome))
def test_every_pair_is_decided_as_documented(local: Outcome, status: str, failed: bool) -> None:
    """Nine local outcomes against nine statuses at Stripe, for an ordinary payment."""
    stripe = STRIPE_STATUSES[status, failed]
    if "unknown" in {local.value, stripe}:
        expected = "Flag unknown_status"
    else:
        expected = EXPECTED[local.value, stripe]
    seen = intent(status, failed=failed)
    if status == "succeeded" and local in GIVEN_BACK:
        seen = replace(seen, charge=charge(**GIVEN_BACK[local]))
    decision = decide(match_of(seen, payment(local)), rules(), NOW)
    assert _shown(decision) == expected


@pytest.mark.parametrize(
    ("local", "stripe"), [pair for pair, cell in EXPECTED.items() if cell == "Correct"]
)
def test_a_correction_says_which_row_gets_which_value(local: str, stripe: str) -> None:
    """A correction names its row, Stripe's outcome and the local status for it, and has one finding."""
    status, failed = next(key for key, outcome in STRIPE_STATUSES.items() if outcome == stripe)
    row = payment(Outcome(local))
    decision = decide(match_of(intent(status, failed=failed), row), rules(), NOW)
    assert isinstance(decision, Correct)
    assert decision.payment is row
    assert decision.outcome.value == stripe
    assert decision.status == LOCAL_STATUS[Outcome(stripe)]
    (found,) = decision.findings
    assert (found.kind, found.severity, found.reason) == ("missed_outcome", "warning", None)
    assert (found.stake.amount, found.stake.currency) == (AMOUNT, "eur")
    assert (found.payment_intent, found.keys) == ("pi_1", ("p1",))
    assert (found.local["outcome"], found.stripe["outcome"]) == (local, stripe)


@pytest.mark.parametrize("status", ["", "Succeeded", "requires_luck", "succeeded "])
@pytest.mark.parametrize("local", list(Outcome))
def test_an_unknown_status_at_stripe_is_flagged_and_never_acted_upon(
    local: Outcome, status: str
) -> None:
    """The row's outcome does not matter, and a status that resembles a known one is unknown all the same."""
    decision = decide(
        match_of(intent(status, amount_received=AMOUNT), payment(local)), rules(), NOW
    )
    assert _shown(decision) == "Flag unknown_status"


@pytest.mark.parametrize(("status", "failed"), STRIPE_STATUSES)
@pytest.mark.parametrize("value", [None, "", "mystery"])
def test_an_unmapped_local_status_comes_before_every_other_kind(
    value: str | None, status: str, failed: bool
) -> None:
    """Another currency and another amount are not reported while the row's status is unknown."""
    row = payment(Outcome.UNKNOWN, status=value, amount=1, currency="usd")
    decision = decide(match_of(intent(status, failed=failed), row), rules(), NOW)
    assert _shown(decision) == "Flag unknown_status"
    assert isinstance(decision, Flag)
    assert decision.findings[0].stake.amount == AMOUNT
