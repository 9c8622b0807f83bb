"""What ``init`` reads from Stripe: some pages of the newest PaymentIntents, and a bounded number of single ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reconciler.adapters.stripe_gateway.gateway import StripeGateway
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import is_intent_id
from reconciler.domain.model.time_range import TimeRange

PAGES: Final = 5
"""Pages of the newest PaymentIntents, of a hundred each."""
MOST_RETRIEVES: Final = 150
"""Single PaymentIntents that are read in all."""


class StripeSide:
    """PaymentIntents that were read, by id."""

    def __init__(self, gateway: StripeGateway) -> None:
        self._gateway = gateway
        self._asked: set[str] = set()
        self.intents: dict[str, Intent] = {}

    def list_newest(self) -> None:
        """Read the newest pages. Raises what the gateway raises."""
        after: str | None = None
        for _ in range(PAGES):
            page = self._gateway.list_intents(TimeRange(), after)
            self.intents |= {intent.id: intent for intent in page.intents}
            after = page.next_after
            if after is None:
                return

    def retrieve(self, ids: Iterable[str], most: int) -> None:
        """Read up to ``most`` of these that are not known yet, as far as the bound for all allows it."""
        wanted = [
            ident
            for ident in dict.fromkeys(ids)
            if is_intent_id(ident) and ident not in self.intents and ident not in self._asked
        ]
        for ident in wanted[: max(0, min(most, MOST_RETRIEVES - len(self._asked)))]:
            self._asked.add(ident)
            found = self._gateway.retrieve(ident)
            if isinstance(found, Intent):
                self.intents[ident] = found

    @property
    def livemode(self) -> bool | None:
        """The mode of the intents that were read; None if there were none, or some of either mode."""
        modes = {intent.livemode for intent in self.intents.values()}
        return modes.pop() if len(modes) == 1 else None
