"""What a person is told to do next if Stripe's side of a payment is not known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.domain.findings.history_item import HistoryItem
from reconciler.domain.model.found_row import FoundRow
from reconciler.domain.outcome import Outcome
from reconciler.engine.actions.find_payment import LocalSide, NamedPayment
from reconciler.engine.actions.unknown_stripe_side import (
    step_after_failure,
    step_without_intent,
    why_unknown,
)
from reconciler.errors import (
    DatabaseUnavailableError,
    ReconcilerError,
    StripeRefusedError,
    StripeUnavailableError,
)
from tests.unit.domain.samples import NOW, payment
from tests.unit.domain.test_queue import OPEN

AGAIN = "reconciler explain pi_1 --timeout 120"
ROW = payment(Outcome.INCOMPLETE)


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (StripeUnavailableError("Stripe is unavailable."), AGAIN),
        (DatabaseUnavailableError("The database is unavailable."), AGAIN),
        (StripeRefusedError("Stripe refused the key.", ""), "reconciler doctor"),
    ],
)
def test_after_a_failure(error: ReconcilerError, command: str) -> None:
    """Ask again; a key that Stripe refuses is corrected first. With what is stored: what is open before what is past."""
    named = NamedPayment((), "eu", "pi_1")
    item = HistoryItem(NOW, "corrected", key="1", before="pending", after="paid")
    step = step_after_failure(LocalSide(named, (), (item,)), error, AGAIN)
    assert step.command == command
    assert "corrected payment 1: pending -> paid." in step.text
    step = step_after_failure(LocalSide(named, (OPEN,), (item,)), error, AGAIN)
    assert step.text.endswith(
        "Discrepancy 1 (contradicted, critical) of row 1 is open: 0.01 EUR at stake."
    )


@pytest.mark.parametrize(
    ("named", "why", "said", "command"),
    [
        (NamedPayment((), "eu", None, (), "cs_1"), "Stripe knows no", "Look for cs_1 in", None),
        (
            NamedPayment((), "eu", None, (FoundRow(replace(ROW, payment_intent="sub_1"), "eu"),)),
            "no id of a PaymentIntent",
            'holds "sub_1", which is no PaymentIntent',
            "reconciler doctor",
        ),
        (
            NamedPayment((), None, None, (FoundRow(replace(ROW, payment_intent=None), None),)),
            "no configured account",
            "to [[accounts]]",
            "reconciler doctor",
        ),
        (
            NamedPayment(
                (), "eu", None, (FoundRow(replace(ROW, payment_intent=None, order="977"), "eu"),)
            ),
            "no PaymentIntent is known",
            "for the order 977 and the amount",
            None,
        ),
        (NamedPayment((), "eu", None), "no PaymentIntent is known", "e-mail address", None),
    ],
)
def test_without_an_intent(named: NamedPayment, why: str, said: str, command: str | None) -> None:
    """Each reason has its own next step, and it says what is stored."""
    step = step_without_intent(LocalSide(named))
    assert why in why_unknown(named)
    assert said in step.text
    assert step.text.endswith("Reconciler has stored nothing about it.")
    assert step.command == command
