"""What a sweep counts of the rows whose column holds something else than a PaymentIntent's id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.masking import redact

LONGEST_EXAMPLE: Final = 60


@dataclass(slots=True)
class RowIdCounts:
    """How many rows hold which other text. ``other_example`` is one of the other texts, without any secret."""

    other: int = 0
    """Rows that hold no id of Stripe's that leads to a PaymentIntent: another gateway's id, an order number."""
    other_example: str | None = None
    client_secrets: int = 0
    without_intent: int = 0
    """Rows that hold a Checkout Session or a charge that has no PaymentIntent, as far as Stripe says."""

    def add_other(self, text: str) -> None:
        """Count a row of another gateway, or with other text."""
        self.other += 1
        if self.other_example is None:
            self.other_example = redact(text)[:LONGEST_EXAMPLE]

    def notes(self) -> Iterator[str]:
        """What a reader of the report should know."""
        if self.other:
            yield (
                f"{_rows(self.other)} an id that is not a PaymentIntent's, such as {self.other_example}: "
                "Reconciler did not ask Stripe about it. If this is no Stripe payment, exclude it by the setting "
                "payments.where."
            )
        if self.client_secrets:
            yield (
                f"{_rows(self.client_secrets)} the client secret of a PaymentIntent. Reconciler uses only the id "
                "at its beginning. Store the id instead: a person who reads a client secret can act on the payment."
            )
        if self.without_intent:
            yield (
                f"{_rows(self.without_intent)} a Checkout Session or charge that has no "
                "PaymentIntent, or that Stripe does not know. Reconciler cannot compare them."
            )


def _rows(count: int) -> str:
    return f"{count:,} row holds" if count == 1 else f"{count:,} rows hold"
