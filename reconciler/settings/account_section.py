"""The section of one Stripe account."""

from __future__ import annotations

from pydantic import Field

from reconciler.settings.base_section import Section
from reconciler.settings.values import AccountName, AccountValue, KeyFile, StripeAccount


class AccountSection(Section):
    """One Stripe account of several. Without this table there is one account, named default."""

    name: AccountName = Field(
        description="The account's name: any printable text of at most 64 characters. It stands in reports, in the ledger "
        "and in every table of Reconciler's."
    )
    value: AccountValue | None = Field(
        default=None,
        description="What the column payments.account holds for this account's rows. Unset: the account's name.",
    )
    holds_null: bool = Field(
        default=False,
        description=(
            "Whether rows with NULL in the column payments.account belong to this account too. "
            "At most one account may set it."
        ),
    )
    key_file: KeyFile | None = Field(
        default=None,
        description="The file with the account's key; unset: STRIPE_API_KEY. A relative path is searched for in "
        "$CREDENTIALS_DIRECTORY, then beside the configuration file.",
    )
    stripe_account: StripeAccount | None = Field(
        default=None, description="The connected account (acct_…) that a platform's key acts for."
    )
    livemode: bool | None = Field(
        default=None, description="As stripe.livemode, for this account only."
    )
