"""What in a mapping fits the types of a table and not its values, judged by some rows and Stripe's side of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Rules
from reconciler.domain.model.payment import Payment, TableMapping
from reconciler.domain.money import ZERO_DECIMAL, to_minor
from reconciler.domain.outcome import FINAL_AT_STRIPE, Outcome
from reconciler.domain.rules.decision_table import TABLE, Cell
from reconciler.domain.sample.agreement import ENOUGH, FEW, Agreement, Pair
from reconciler.domain.sample.status_words import meaning, outcome_with_money_back

HALF: Final = 0.5
SELDOM: Final = 0.1
"""A filter that a smaller part of the PaymentIntents fulfils leaves out most of what it should show."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that is wrong, or may be. ``is_fault`` is whether a sweep would report or write nonsense."""

    is_fault: bool
    what: str
    hint: str


def amount_doubts(
    payments: Sequence[Payment], pairs: Sequence[Pair], mapping: TableMapping
) -> Iterator[Doubt]:
    """Amounts that cannot be in the configured unit, or that Stripe has in the other one."""
    other = "major" if mapping.amount_unit == "minor" else "minor"
    stored = [payment for payment in payments if payment.stored_amount is not None]
    # an amount of an unknown currency in major units has no minor units either, and the currency is reported
    impossible = [
        payment.stored_amount
        for payment in stored
        if payment.amount is None and payment.stored_amount is not None and payment.currency
    ]
    if impossible:
        part = Agreement(len(stored), len(impossible))
        in_unit = f"{impossible[0]} in {mapping.amount_unit} units"
        if other == "major" and part.share >= HALF:
            what = f"{part} sampled amounts are not whole numbers of {mapping.amount_unit} units, such as {impossible[0]}"
            yield Doubt(True, what, f'Set amount_unit = "{other}".')
            return
        what = f"{part} sampled amounts are not whole numbers of minor units, such as {in_unit}: these rows are not compared"
        yield Doubt(part.share >= HALF, what, "Map a column that holds whole amounts.")

    compared = [
        pair
        for pair in pairs
        if pair.payment.stored_amount is not None and pair.intent.currency not in ZERO_DECIMAL
    ]
    agreeing = sum(_agrees(pair, mapping.amount_unit) for pair in compared)
    turned = Agreement(len(compared), sum(_agrees(pair, other) for pair in compared))
    if turned.is_sure(FEW) and agreeing < HALF * len(compared):
        what = (
            f"the amounts differ from Stripe's if they are in {mapping.amount_unit} units; they "
            f"agree in {turned} compared rows if they are in {other} units"
        )
        yield Doubt(True, what, f'Set amount_unit = "{other}".')
    elif len(compared) >= FEW and not agreeing and not turned.agreeing:
        what = f"the amounts differ from Stripe's in all {len(compared):,} compared rows"
        yield Doubt(True, what, "Map the column that holds what the customer was asked to pay.")


def _agrees(pair: Pair, unit: str) -> bool:
    amount = Decimal(pair.payment.stored_amount or "NaN")
    minor = to_minor(amount, pair.intent.currency if unit == "major" else "jpy")
    return minor in (pair.intent.amount, pair.intent.amount_received)


def currency_doubts(pairs: Sequence[Pair], mapping: TableMapping) -> Iterator[Doubt]:
    """Currencies that Stripe contradicts."""
    compared = [pair for pair in pairs if pair.payment.currency is not None]
    different = [pair for pair in compared if pair.payment.currency != pair.intent.currency]
    part = Agreement(len(compared), len(different))
    if not different:
        return
    at_stripe = Counter(pair.intent.currency for pair in compared)
    named, _ = Counter(pair.intent.currency for pair in different).most_common(1)[0]
    only_one = f'Set currency_constant = "{named}".' if len(at_stripe) == 1 else ""
    local = different[0].payment.currency
    if len(compared) >= FEW and part.share >= HALF:
        is_column = mapping.currency_constant is None
        without = "Remove currency, and set" if is_column else "Set"
        hint = only_one.replace("Set", without, 1) or "Map the column with the currency."
        yield Doubt(
            True,
            f"in {part} compared rows the currency differs from Stripe's, such as {local} in the row and {named} "
            "at Stripe",
            hint,
        )
    elif mapping.currency_constant is not None:
        yield Doubt(
            False,
            f"currency_constant is {local}, but Stripe has another currency for {part} compared rows, such as {named}",
            "Map a column with the currency, or leave these rows out with [payments] where.",
        )


def status_doubts(
    payments: Sequence[Payment], pairs: Sequence[Pair], mapping: TableMapping
) -> Iterator[Doubt]:
    """Statuses whose meaning Stripe contradicts, and those that are not mapped."""
    stripe: dict[str, Counter[Outcome]] = {}
    for pair in pairs:
        if pair.payment.status is not None:
            found = outcome_with_money_back(pair.intent)
            stripe.setdefault(pair.payment.status, Counter())[found] += 1
    for word, outcome in mapping.statuses.read.items():
        yield from _contradiction(word, outcome, stripe.get(word, Counter()), mapping)

    unmapped = Counter(
        payment.status
        for payment in payments
        if payment.status is not None and payment.status not in mapping.statuses.read
    )
    if unmapped:
        counts = ", ".join(f'"{word}" {count:,}' for word, count in unmapped.most_common(10))
        known = [meaning(word, stripe.get(word, Counter())) for word in unmapped]
        lines = [
            f'"{one.word}" = "{one.outcome.value}"' for one in known if one.is_sure and one.outcome
        ]
        sure = f" By what Stripe says about these rows, write: {', '.join(lines)}." if lines else ""
        yield Doubt(
            False,
            f"statuses that are not mapped: {counts} (of {len(payments):,} sampled rows). Each row with such a "
            "status becomes a discrepancy unknown_status",
            f"Say under [payments.read] what each status means.{sure}",
        )
    empty = sum(payment.status is None for payment in payments)
    if empty:
        yield Doubt(
            False,
            f"{empty:,} of {len(payments):,} sampled rows have no status: each becomes a discrepancy unknown_status",
            "Map a column that always has a status, or leave these rows out with payments.where.",
        )


def _contradiction(
    word: str, outcome: Outcome, stripe: Mapping[Outcome, int], mapping: TableMapping
) -> Iterator[Doubt]:
    if not stripe:
        return
    top = max(stripe, key=lambda found: (stripe[found], found))
    agreement = Agreement(sum(stripe.values()), stripe[top])
    if not agreement.is_sure(ENOUGH):
        return
    # Stripe's own status does not say that money went back
    at_stripe = Outcome.SUCCEEDED if top in (Outcome.REFUNDED, Outcome.DISPUTED) else top
    cell = TABLE.get((outcome, at_stripe), Cell.KEEP)
    hint = f'Write "{word}" = "{top.value}" under [payments.read].'
    if mapping.statuses.write.get(outcome) == word:
        hint += (
            f" Under [payments.write], name another status for {outcome.value}, or delete its line."
        )
    if cell is Cell.CORRECT:
        if at_stripe in FINAL_AT_STRIPE:
            yield Doubt(
                False,
                f'"{word}" is mapped to {outcome.value}, but Stripe says {top.value} for {agreement} rows: either '
                "the webhooks of all these rows were lost, or the status means something else",
                f"If the status means something else: {hint}",
            )
    elif cell is not Cell.KEEP:
        yield Doubt(
            True,
            f'"{word}" is mapped to {outcome.value}, but Stripe says {top.value} for {agreement} rows',
            hint,
        )


def metadata_doubts(intents: Sequence[Intent], rules: Rules) -> Iterator[Doubt]:
    """A filter that hides nearly all PaymentIntents of the account. ``intents`` are the newest ones at Stripe."""
    if not rules.metadata or len(intents) < ENOUGH:
        return
    part = Agreement(len(intents), sum(rules.owns(intent) for intent in intents))
    if part.share < SELDOM:
        wanted = ", ".join(
            f"{key} (any value)" if value is None else f'{key} = "{value}"'
            for key, value in rules.metadata.items()
        )
        keys = {
            "payments.metadata_keys" if value is None else "payments.metadata"
            for value in rules.metadata.values()
        }
        yield Doubt(
            False,
            f"only {part} newest PaymentIntents have the metadata {wanted}. Reconciler never "
            "reports a PaymentIntent that has neither this metadata nor a row",
            f"Remove {' and '.join(sorted(keys))}, unless other applications make most payments of this Stripe account.",
        )
