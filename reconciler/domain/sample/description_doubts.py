"""Whether the descriptions of an account's PaymentIntents are orders of the table, if orders are linked by them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Rules
from reconciler.domain.rules.described_order import described_order
from reconciler.domain.rules.matching import named_order
from reconciler.domain.sample.agreement import ENOUGH, Agreement
from reconciler.domain.sample.mapping_doubts import SELDOM, Doubt


def described_orders(intents: Sequence[Intent], rules: Rules) -> tuple[str, ...]:
    """The descriptions that may be orders, sorted: of intents with money whose metadata name no order."""
    described = (
        described_order(intent, rules) for intent in intents if named_order(intent, rules) is None
    )
    return tuple(sorted(text for text in described if text is not None))


def description_doubts(descriptions: Sequence[str], orders: Collection[str]) -> Iterator[Doubt]:
    """A setting that links nearly nothing. ``orders`` are those of the table. A description may be personal: none is shown."""
    if len(descriptions) < ENOUGH:
        return
    part = Agreement(len(descriptions), sum(text in orders for text in descriptions))
    if part.share < SELDOM:
        yield Doubt(
            False,
            "payments.link_description matches nearly no PaymentIntent. Of the newest paid "
            f"PaymentIntents without an order in the metadata, {part} have an order of the table as "
            "their description",
            "Remove payments.link_description, or set payments.order to the column that holds the same text as the "
            "descriptions.",
        )
