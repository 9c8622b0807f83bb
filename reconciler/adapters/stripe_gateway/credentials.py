"""What an account is read with, checked; and what may be said about its key: the prefix, and never the key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from reconciler.errors import ConfigurationError

_PREFIX: Final = re.compile(r"(sk|rk)_(live|test)_")
_ONE_WORD: Final = re.compile(r"[!-~]{1,1000}")
_BASE: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_ACCOUNT: Final = re.compile(r"acct_[A-Za-z0-9]{1,250}")


@dataclass(frozen=True, slots=True)
class KeyLabel:
    """The prefix of a key. ``restricted`` and ``livemode`` are None where it tells nothing."""

    shown: str
    restricted: bool | None = None
    livemode: bool | None = None

    @classmethod
    def of(cls, api_key: str) -> Self:
        """The label of a key. Stripe promises no prefixes, so another one is no fault."""
        found = _PREFIX.match(api_key)
        if found is None:
            return cls("of no known kind")
        return cls(f"{found[0]}…", found[1] == "rk", found[2] == "live")


def check_credentials(
    api_key: str, stripe_account: str | None, api_base: str, account: str
) -> None:
    """Raise ConfigurationError for what cannot go into a request, or is no key for reading."""
    faults = []
    if not _ONE_WORD.fullmatch(api_key):
        faults.append(
            f"the Stripe key of account {account} is not one word of plain letters: copy it again from the Dashboard."
        )
    elif api_key.startswith("pk_"):
        faults.append(
            f"the Stripe key of account {account} is a publishable key (pk_…): use a restricted key (rk_…)."
        )
    if stripe_account is not None and not _ACCOUNT.fullmatch(stripe_account):
        faults.append(f"stripe_account of account {account} is no account id (acct_…).")
    if not _BASE.fullmatch(api_base):
        faults.append("stripe.api_base is no address such as https://api.stripe.com.")
    if faults:
        raise ConfigurationError(tuple(faults))
