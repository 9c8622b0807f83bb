"""The slow budget: reads over 30 days, beside the requests a second that the pacer keeps.

Stripe allows 500 GETs for each transaction over 30 rolling days, and never fewer than 10,000 a month (docs, "Rate limits",
read allocation). How it is enforced is not documented, so that we do not find out.
"""

from __future__ import annotations

import threading
from typing import Final

from reconciler.domain.endpoint import Endpoint
from reconciler.errors import StripeUnavailableError

READS_A_TRANSACTION: Final = 500
FEWEST_READS: Final = 10_000
DAYS: Final = 30


class ReadsSpentError(StripeUnavailableError):
    """Our share of Stripe's reads over 30 days is used up: nothing more is asked."""


def documented_reads(transactions: int) -> int:
    """What Stripe allows an account with so many transactions in 30 days."""
    return max(FEWEST_READS, READS_A_TRANSACTION * transactions)


class ReadAllowance:
    """Counts reads down.

    ``documented`` is what Stripe allows, ``share`` the part of it that we take, ``spent`` what was read in the 30 days
    before.
    """

    def __init__(self, documented: int, share: float, spent: int) -> None:
        self.documented = documented
        self.allowed = round(documented * share)
        self._spent = spent
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """Reads that may still be made."""
        with self._lock:
            return max(0, self.allowed - self._spent)

    def renew(self, spent: int) -> None:
        """Begin anew from the sum that is booked: others may have read meanwhile, and the oldest days drop out."""
        with self._lock:
            self._spent = spent

    def take(self, endpoint: Endpoint) -> None:
        """Spend one. Raises ReadsSpentError where there is none."""
        with self._lock:
            if self._spent >= self.allowed:
                raise ReadsSpentError(
                    f"This account's {self.allowed:,} reads in {DAYS} days are spent, so {endpoint} was not asked.",
                    "They come back day by day. If Stripe allows the account more, say so in [budget]"
                    " reads_per_30_days; share is the part of it that we take.",
                )
            self._spent += 1
