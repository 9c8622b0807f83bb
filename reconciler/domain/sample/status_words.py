"""What the words of a status mean, as far as Stripe's side of the same payments proves it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.domain.sample.agreement import ENOUGH, SHARE, Agreement

LEAST_KEPT: Final = 0.5
"""Of the rows of a well-known open word, the part that must agree exactly; the others may be behind Stripe."""

_WELL_KNOWN: Final[Mapping[Outcome, str]] = {
    Outcome.INCOMPLETE: "pending new created open unpaid incomplete initiated init draft started checkout"
    " awaitingpayment pendingpayment paymentpending waiting requirespaymentmethod requiresconfirmation requiresaction",
    Outcome.FAILED: "failed failure declined error rejected denied paymentfailed",
    Outcome.PROCESSING: "processing inprogress",
    Outcome.AUTHORIZED: "authorized authorised requirescapture reserved held onhold uncaptured",
    Outcome.SUCCEEDED: "paid succeeded success successful completed complete captured settled charged done"
    " partiallyrefunded partialrefund",
    Outcome.CANCELED: "canceled cancelled void voided expired abandoned",
    Outcome.REFUNDED: "refunded refund fullyrefunded",
    Outcome.DISPUTED: "disputed dispute chargeback chargedback",
}
_MEANING_OF_WORD: Final = {
    word: outcome for outcome, words in _WELL_KNOWN.items() for word in words.split()
}


def usual_meaning(word: str) -> Outcome | None:
    """What a word means in most shops, by its letters alone; None if it is not well known."""
    return _MEANING_OF_WORD.get(re.sub(r"[^a-z]", "", word.lower()))


@dataclass(frozen=True, slots=True)
class WordMeaning:
    """A word and what it seems to mean. ``outcome`` is None if nothing speaks for any.

    ``stripe`` counts the outcomes of its compared rows at Stripe. ``is_sure`` is whether it may be mapped without asking a
    person; ``why_not`` says why it may not, and is empty otherwise.
    """

    word: str
    outcome: Outcome | None
    stripe: Mapping[Outcome, int]
    is_sure: bool
    why_not: str = ""

    @property
    def compared(self) -> int:
        """How many rows were compared with Stripe."""
        return sum(self.stripe.values())


def outcome_with_money_back(intent: Intent) -> Outcome:
    """The outcome of an intent in the words of a merchant's table, which may say that the money went back."""
    charge = intent.charge
    if intent.outcome is Outcome.SUCCEEDED and charge is not None:
        if charge.disputed:
            return Outcome.DISPUTED
        if charge.refunded:
            return Outcome.REFUNDED
    return intent.outcome


def meanings(words: Sequence[str], outcomes: Sequence[Outcome]) -> tuple[WordMeaning, ...]:
    """The meaning of each word, by the outcomes at Stripe of the rows that hold it. Both have one element for each row."""
    counts: dict[str, Counter[Outcome]] = {}
    for word, outcome in zip(words, outcomes, strict=True):
        counts.setdefault(word, Counter())[outcome] += 1
    return tuple(meaning(word, counts[word]) for word in sorted(counts))


def meaning(word: str, stripe: Mapping[Outcome, int]) -> WordMeaning:
    """The meaning of a word. It is sure only by ENOUGH rows, of which nearly all agree."""
    usual = usual_meaning(word)
    compared = sum(stripe.values())
    if not compared:
        return WordMeaning(
            word, usual, stripe, False, "no row with this status was compared with Stripe"
        )
    top = max(stripe, key=lambda outcome: (stripe[outcome], outcome))
    agreement = Agreement(compared, stripe[top])
    said = f"Stripe says {top.value} for {agreement} rows"
    if top is Outcome.UNKNOWN:
        return WordMeaning(word, usual, stripe, False, said)
    if agreement.is_sure(ENOUGH):
        if usual is None or usual is top:
            return WordMeaning(word, top, stripe, True)
        # a shop releases orders whose PaymentIntent stays open; but only Stripe knows that money went back
        if _agree(usual, top) and usual not in (Outcome.REFUNDED, Outcome.DISPUTED):
            return WordMeaning(word, usual, stripe, True)
        why = f"{said}, but the word usually means {usual.value}"
        return WordMeaning(word, top, stripe, False, why)
    if usual is not None and usual.is_open and compared >= ENOUGH:
        kept = sum(count for outcome, count in stripe.items() if _agree(usual, outcome))
        behind = sum(
            count
            for outcome, count in stripe.items()
            if TABLE.get((usual, outcome)) is Cell.CORRECT
        )
        # rows behind Stripe are what lost webhooks leave
        if kept + behind >= SHARE * compared and kept >= LEAST_KEPT * compared:
            return WordMeaning(word, usual, stripe, True)
    if usual is Outcome.SUCCEEDED and top is usual and _were_made(stripe, compared):
        return WordMeaning(word, usual, stripe, True)
    few = f"only {compared:,} rows were compared" if compared < ENOUGH else said
    if usual is None and compared >= ENOUGH and top is Outcome.INCOMPLETE:
        # a declined attempt leaves an open payment as open as it was
        unpaid = stripe[top] + stripe.get(Outcome.FAILED, 0)
        counts = f"at Stripe, {unpaid:,} of {compared:,} rows are unpaid, and {compared - unpaid:,} are not"
        few = (
            f"{counts}. If this status means an open payment, the webhooks of the others were lost"
        )
    return WordMeaning(word, usual or top, stripe, False, few)


def _were_made(stripe: Mapping[Outcome, int], compared: int) -> bool:
    """Whether nearly all payments were made, though the money of some went back: a table need not say that in its status."""
    made = (Outcome.SUCCEEDED, Outcome.REFUNDED, Outcome.DISPUTED)
    is_enough = compared >= ENOUGH and stripe[Outcome.SUCCEEDED] >= LEAST_KEPT * compared
    return is_enough and sum(stripe.get(one, 0) for one in made) >= SHARE * compared


def _agree(local: Outcome, stripe: Outcome) -> bool:
    return local is stripe or TABLE.get((local, stripe)) is Cell.KEEP
