"""What ``init`` reads from Stripe: some pages of the newest PaymentIntents, and a bounded number of single ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final

from reconciler.adapters.stripe_gateway.gateway import StripeGateway
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.payment import is_intent_id
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import StripeRefusedError

Connect = Callable[[str], AbstractContextManager[StripeGateway]]
"""Opens a gateway whose key acts for a connected account."""

PAGES: Final = 5
"""Pages of the newest PaymentIntents, of a hundred each."""
MOST_RETRIEVES: Final = 150
"""Single PaymentIntents that are read in all."""


class StripeSide:
    """PaymentIntents that were read, by id. ``missing`` are the ids that do not exist in the account of the key."""

    def __init__(self, gateway: StripeGateway, connect: Connect) -> None:
        self._gateway = gateway
        self._connect = connect
        self._asked: set[str] = set()
        self.intents: dict[str, Intent] = {}
        self.missing: set[str] = set()

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
            elif not found.other_mode and not found.impossible:
                # an id of the other mode says nothing about the account
                self.missing.add(ident)

    def retrieve_connected(self, stripe_account: str, ids: Iterable[str], most: int) -> bool:
        """Read up to ``most`` of these, acting for a connected account. Returns whether all of them exist there.

        Raises what the gateway raises, but for the refusal of a key that may not act for the account.
        """
        wanted = list(dict.fromkeys(ids))[:most]
        found: dict[str, Intent] = {}
        try:
            with self._connect(stripe_account) as gateway:
                for ident in wanted:
                    intent = gateway.retrieve(ident)
                    if isinstance(intent, Intent):
                        found[ident] = intent
        except StripeRefusedError:
            return False
        self.intents |= found
        return bool(found) and len(found) == len(wanted)

    @property
    def livemode(self) -> bool | None:
        """The mode of the intents that were read; None if there were none, or some of either mode."""
        modes = {intent.livemode for intent in self.intents.values()}
        return modes.pop() if len(modes) == 1 else None
