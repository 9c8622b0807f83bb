"""What a person does next: it follows both sides, and names the command that settles it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind, Reason
from reconciler.domain.model.intent import MissingIntent
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct, Flag, Keep, decide
from reconciler.domain.rules.grace import Wait
from reconciler.domain.rules.next_step import NextStep, Subject, dashboard_url, next_step, step_for
from tests.unit.domain.samples import NOW, intent_of, match_of, payment, rules

ABOUT = Subject("pi_1", 7)
PAID = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.SUCCEEDED))
LOST = match_of(intent_of(Outcome.SUCCEEDED), payment(Outcome.INCOMPLETE))


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_step(kind: Kind) -> None:
    """Its command is whole, and names the account if there are several."""
    step = step_for(kind, None, replace(ABOUT, account="eu"))
    assert step.text
    assert step.command is None or step.command.startswith("reconciler ")
    assert step.command is None or "{" not in step.command
    if step.command is not None and step.command != "reconciler doctor":
        assert step.command.endswith(" --account eu")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_step(reason: Reason) -> None:
    """A reason may change what is to be done about a missed outcome."""
    assert step_for(Kind.MISSED_OUTCOME, reason.value, ABOUT).text


def test_a_finding_that_is_not_stored_is_stored_first() -> None:
    """A number is needed to settle it."""
    step = step_for(Kind.CONTRADICTED, None, Subject("pi_1"))
    assert step.command == "reconciler sweep --record --payment-intent pi_1"
    assert step_for(Kind.CONTRADICTED, None, Subject(None)).command is None


def test_the_command_names_what_the_finding_is_about() -> None:
    """The number, the PaymentIntent and the account each stand in their place; `doctor` is about the whole installation."""
    about = Subject("pi_1", 7, "eu")
    assert step_for(Kind.OVERDUE, None, about).command == (
        "reconciler resolve 7 --note TEXT --account eu"
    )
    assert step_for(Kind.MISSED_OUTCOME, None, about).command == (
        "reconciler sweep --apply --payment-intent pi_1 --account eu"
    )
    assert step_for(Kind.UNKNOWN_STATUS, None, about).command == "reconciler doctor"
    ends = step_for(Kind.CAPTURE_EXPIRING, None, about)
    assert ends == NextStep("Capture or release the money now: the authorization ends soon.")
    nowhere = step_for(Kind.MISSED_OUTCOME, None, Subject(None, 7))
    assert nowhere == NextStep("Write Stripe's outcome to the row.")


def test_nothing_is_to_be_done_where_both_sides_agree() -> None:
    """An explanation makes no person ship a second time."""
    decision = decide(PAID, rules(), NOW)
    assert isinstance(decision, Keep)
    assert next_step(PAID, decision, ABOUT, {}) == NextStep("Nothing: both sides agree.")


def test_an_open_payment_that_agrees_says_what_it_waits_for() -> None:
    """The business may still have to act, for example to capture the money."""
    match = match_of(intent_of(Outcome.AUTHORIZED), payment(Outcome.AUTHORIZED))
    step = next_step(match, Keep(), ABOUT, {})
    assert "Nothing to correct" in step.text
    assert "Capture" in step.text
    assert step.command is None


def test_an_intent_without_a_row_concerns_no_row() -> None:
    """There is nothing to correct."""
    match = match_of(intent_of(Outcome.INCOMPLETE))
    missing = replace(match, intent=MissingIntent("pi_1", NOW, None))
    for one in (match, missing):
        said = next_step(one, Keep(), ABOUT, {})
        assert said == NextStep("Nothing: this is about no row of your table.")


def test_a_correction_is_applied_and_then_acted_upon() -> None:
    """A changed status alone ships nothing."""
    decision = decide(LOST, rules(), NOW)
    assert isinstance(decision, Correct)
    step = next_step(LOST, decision, ABOUT, {})
    assert step.command == "reconciler sweep --apply --payment-intent pi_1"
    assert "Fulfil" in step.text


def test_a_wait_says_until_when() -> None:
    """Its webhook may be on the way."""
    step = next_step(LOST, Wait(NOW + timedelta(minutes=2), "young"), ABOUT, {})
    assert f"{NOW + timedelta(minutes=2):%H:%M:%S}" in step.text


def test_the_worst_finding_decides() -> None:
    """A side finding comes after the finding about the row itself, and the number is the stored one's."""
    decision = decide(LOST, rules(), NOW)
    assert isinstance(decision, Correct)
    (missed,) = decision.findings
    side = replace(missed, kind=Kind.OVERDUE)
    found = replace(missed, kind=Kind.CONTRADICTED)
    step = next_step(LOST, Flag((side, found)), ABOUT, {Kind.CONTRADICTED: 9})
    assert step.command == "reconciler resolve 9 --accept stripe --note TEXT"


def test_a_finding_without_a_number_keeps_payment_account_and_reason() -> None:
    """Its command records it, for the right payment and account; the reason decides the words."""
    decision = decide(LOST, rules(), NOW)
    assert isinstance(decision, Correct)
    (missed,) = decision.findings
    found = replace(missed, reason=Reason.MAYBE_PAID)
    step = next_step(LOST, Flag((found,)), Subject("pi_1", None, "eu"), {})
    assert step.command == "reconciler sweep --record --payment-intent pi_1 --account eu"
    assert step.text.startswith("Check whether the payment without a row")


def test_the_link_leads_to_the_payment() -> None:
    """It names the connected account and the test mode where they apply."""
    base = "https://dashboard.stripe.com"
    assert dashboard_url("pi_1", True) == f"{base}/payments/pi_1"
    assert dashboard_url("pi_1", False, "acct_1") == f"{base}/acct_1/test/payments/pi_1"
    assert dashboard_url(None, True) is None
    assert dashboard_url("pi_1", None) is None
