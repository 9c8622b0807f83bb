"""Checks that the Stripe key belongs to this table. Until that is proved, nothing of a sweep is recorded."""

from __future__ import annotations

from typing import Final

from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.errors import WrongKeyError

SAMPLE: Final = 50
"""How many retrieves are counted."""
FEWEST: Final = 10
"""With fewer retrieves the key is not judged, because a handful of rows may well be wrong."""


class StripeKeyCheck:
    """Counts the answers to the first retrieves of a sweep.

    With the key of another account, every retrieve is answered with 404. The key is proved right if at least half of
    the first retrieves found their intent, or if a row names an intent that Stripe listed.
    """

    def __init__(self) -> None:
        self._retrieved = 0
        self._missing = 0
        self._listed_and_named = False

    @property
    def is_proved(self) -> bool:
        """Whether the key is proved right."""
        return self._listed_and_named or (self._retrieved >= SAMPLE and not self._mostly_missing)

    @property
    def is_doubtful(self) -> bool:
        """Whether some rows were asked for, too few to judge the key by, and Stripe knew none of them."""
        return not self.is_proved and self._retrieved > 0 and self._missing == self._retrieved

    @property
    def _mostly_missing(self) -> bool:
        return self._missing * 2 > self._retrieved

    def add_retrieved(self, answer: Intent | MissingIntent) -> None:
        """Count the answer about a row's intent. Raises WrongKeyError if the sample is full and mostly missing."""
        # an id that cannot exist was not asked for, so it says nothing about the key
        if self.is_proved or (isinstance(answer, MissingIntent) and answer.impossible):
            return
        self._retrieved += 1
        self._missing += isinstance(answer, MissingIntent)
        if self._retrieved == SAMPLE:
            self._raise_if_mostly_missing()

    def add_listed_and_named(self) -> None:
        """Note that Stripe's list or an event showed an intent that a row names."""
        self._listed_and_named = True

    def conclude(self) -> None:
        """End the check. Raises WrongKeyError if there were enough retrieves, and most were missing."""
        if not self.is_proved and self._retrieved >= FEWEST:
            self._raise_if_mostly_missing()
            self._listed_and_named = True

    def _raise_if_mostly_missing(self) -> None:
        if self._mostly_missing:
            raise WrongKeyError(
                f"Stripe does not know {self._missing} of the {self._retrieved} PaymentIntents that Reconciler "
                "asked for: the key belongs to another account, or to the other mode (live or test).",
                "Nothing was recorded. Check the key, stripe_account, and payments.payment_intent.",
            )
