"""The proof that the key belongs to this table: before it, nothing of a sweep is recorded."""

from __future__ import annotations

from typing import Final

from reconciler.domain.model.intent import Intent, MissingIntent
from reconciler.errors import WrongKeyError

SAMPLE: Final = 50
"""How many retrieves are judged."""
FEWEST: Final = 10
"""Below this number nothing is judged: a handful of rows may well be wrong."""


class StripeKeyCheck:
    """Counts what the first retrieves answered.

    A wrong key, or the key of another account, answers 404 for every row. So a sweep holds back what it would record
    until more of the first retrieves were found than not, or until one listed intent was named by a row.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._missing = 0
        self._named = False

    @property
    def is_given(self) -> bool:
        """Whether the key has proved right."""
        return self._named or (self._asked >= SAMPLE and not self._mostly_missing)

    @property
    def is_doubtful(self) -> bool:
        """Whether rows were asked for, too few to judge by, and none of them was there."""
        return not self.is_given and self._asked > 0 and self._missing == self._asked

    @property
    def _mostly_missing(self) -> bool:
        return self._missing * 2 > self._asked

    def retrieved(self, answer: Intent | MissingIntent) -> None:
        """A row's intent was asked for. Raises WrongKeyError once the sample is full and mostly missing."""
        if self.is_given or (isinstance(answer, MissingIntent) and answer.impossible):
            return
        self._asked += 1
        self._missing += isinstance(answer, MissingIntent)
        if self._asked == SAMPLE:
            self._judge()

    def listed_and_named(self) -> None:
        """Stripe's own list showed an intent that a row names."""
        self._named = True

    def conclude(self) -> None:
        """There will be no more retrieves. Raises WrongKeyError where there were enough to judge, mostly missing."""
        if not self.is_given and self._asked >= FEWEST:
            self._judge()
            self._named = True

    def _judge(self) -> None:
        if self._mostly_missing:
            raise WrongKeyError(
                f"Stripe does not know {self._missing} of the {self._asked} PaymentIntents asked for:"
                " the key is of another account or of the other mode.",
                "Nothing was recorded. Check the key, stripe_account, and payments.payment_intent.",
            )
