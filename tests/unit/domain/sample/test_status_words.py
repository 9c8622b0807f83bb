"""A status word means something for certain only by 20 compared rows of which 95 % agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.status_words import (
    meaning,
    meanings,
    outcome_with_money_back,
    usual_meaning,
)
from tests.unit.domain.samples import charge, intent_of

PAID, NEW, DROPPED = Outcome.SUCCEEDED, Outcome.INCOMPLETE, Outcome.CANCELED


@pytest.mark.parametrize(
    ("word", "stripe", "outcome", "is_sure"),
    [
        # twenty of which nineteen agree, and no fewer
        ("x1", {PAID: 19, NEW: 1}, PAID, True),
        ("x1", {PAID: 18, NEW: 2}, PAID, False),
        ("x1", {PAID: 19}, PAID, False),
        ("x1", {}, None, False),
        ("x1", {Outcome.UNKNOWN: 30}, None, False),
        # a known word that Stripe contradicts is a person's to decide
        ("canceled", {PAID: 30}, PAID, False),
        ("paid", {PAID: 30}, PAID, True),
        # nothing went back: another word for a payment that was made, or refunds that were made elsewhere
        ("refunded", {PAID: 30}, PAID, False),
        ("refunded", {Outcome.REFUNDED: 30}, Outcome.REFUNDED, True),
        # a shop may release an order and leave its PaymentIntent open
        ("canceled", {NEW: 30}, DROPPED, True),
        # rows that a lost webhook left behind do not make an open word unsure, unless they are most of them
        ("pending", {NEW: 20, PAID: 10, DROPPED: 5}, NEW, True),
        ("pending", {NEW: 10, PAID: 20}, NEW, False),
        # of a well-known word for a payment that was made, a part may have gone back
        ("paid", {PAID: 20, Outcome.REFUNDED: 5, Outcome.DISPUTED: 1}, PAID, True),
        ("paid", {PAID: 20, Outcome.REFUNDED: 5, NEW: 3}, PAID, False),
        ("paid", {PAID: 10, Outcome.REFUNDED: 9, Outcome.DISPUTED: 8}, PAID, False),
        ("x1", {PAID: 20, Outcome.REFUNDED: 5}, PAID, False),
        ("pending", {PAID: 30}, PAID, False),
        ("processing", {Outcome.PROCESSING: 20, PAID: 5, NEW: 5}, Outcome.PROCESSING, False),
        ("paid", {PAID: 20, NEW: 10}, PAID, False),
        ("pending", {NEW: 10, PAID: 5}, NEW, False),
        ("0", {NEW: 14, Outcome.FAILED: 6, PAID: 5}, NEW, False),
        ("0", {Outcome.FAILED: 14, PAID: 9}, Outcome.FAILED, False),
        ("0", {NEW: 9, PAID: 12}, PAID, False),
    ],
)  # fmt: skip
def test_meaning(
    word: str, stripe: dict[Outcome, int], outcome: Outcome | None, is_sure: bool
) -> None:
    """What is not sure says why."""
    found = meaning(word, stripe)
    assert (found.outcome, found.is_sure) == (outcome, is_sure)
    assert bool(found.why_not) is not is_sure
    assert found.compared == sum(stripe.values())


def test_meanings_of_rows() -> None:
    """Each word of the rows once, with its own rows."""
    found = meanings(["b", "a", "a"], [PAID, NEW, PAID])
    assert [(one.word, one.compared) for one in found] == [("a", 2), ("b", 1)]


def test_usual_meaning() -> None:
    """Capitals, underscores and blanks do not count."""
    assert usual_meaning("Requires_Payment Method") is NEW
    assert usual_meaning("on its way") is None


def test_money_back() -> None:
    """A merchant's table may say that the money went back; Stripe's status does not."""
    paid = intent_of(PAID)
    assert outcome_with_money_back(paid) is PAID
    assert outcome_with_money_back(replace(paid, charge=None)) is PAID
    assert outcome_with_money_back(replace(paid, charge=charge(refunded=True))) is Outcome.REFUNDED
    assert outcome_with_money_back(replace(paid, charge=charge(disputed=True))) is Outcome.DISPUTED
    assert outcome_with_money_back(intent_of(NEW)) is NEW


def test_the_guess_of_an_open_word_says_what_lost_webhooks_left() -> None:
    """Payments that failed are unpaid too, and the others are those whose webhook was lost."""
    why = meaning("0", {NEW: 14, Outcome.FAILED: 6, PAID: 5}).why_not
    assert why.startswith("at Stripe, 20 of 25 rows are unpaid, and 5 are not")
