"""API keys, their accounts, and what a restricted key may do."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.sandbox.objects.answers import ApiRefusal


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """A Stripe account. ``platform`` is the account that may act for it with the header ``Stripe-Account``."""

    id: str
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key. ``permissions`` is None for a full key, else names such as ``payment_intent_read``."""

    secret: str
    account: str
    permissions: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"Key({self.masked!r}, account={self.account!r})"

    @property
    def livemode(self) -> bool:
        """The mode of the key."""
        return "_live_" in self.secret

    @property
    def masked(self) -> str:
        """The key as Stripe's messages show it: the prefix and the last four letters."""
        return masked(self.secret)

    def raise_if_forbidden(self, permission: str, account: str) -> None:
        """Raise Stripe's 403 if the key lacks the permission. Write includes read."""
        if self.permissions is None or permission in self.permissions:
            return
        if (
            permission.endswith("_read")
            and f"{permission.removesuffix('_read')}_write" in self.permissions
        ):
            return
        raise ApiRefusal(
            403,
            f"The provided key '{self.masked}' does not have the required permissions for this endpoint on account "
            f"'{account}'. Having the 'rak_{permission}' permission would allow this request to continue.",
        )


def masked(secret: str) -> str:
    """A key with stars in place of its middle."""
    kind = "_".join(secret.split("_")[:2]) + "_" if secret.count("_") >= 2 else ""
    rest = secret[len(kind) :]
    return (
        f"{kind}{'*' * max(0, len(rest) - 4)}{rest[-4:]}"
        if len(rest) > 4
        else f"{kind}{'*' * len(rest)}"
    )


class ApiKeys:
    """The keys that exist, and the accounts that each may act for."""

    def __init__(self) -> None:
        self.accounts: dict[str, SandboxAccount] = {}
        self.keys: dict[str, ApiKey] = {}

    def account(self, ident: str, platform: str | None = None) -> SandboxAccount:
        """The account of this id, created if it is new."""
        known = self.accounts.get(ident)
        if known is None or (platform is not None and known.platform != platform):
            known = self.accounts[ident] = SandboxAccount(ident, platform)
        return known

    def authenticate(self, secret: str | None) -> ApiKey:
        """The key of a request. Raises Stripe's 401 for an unknown key or none."""
        if not secret:
            raise ApiRefusal(
                401,
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
                "https://stripe.com/docs/api#authentication for details, or "
                "we can help at "  # Stripe's words; banned-words: allowed
                "https://support.stripe.com/.",
            )
        key = self.keys.get(secret)
        if key is None:
            raise ApiRefusal(401, f"Invalid API Key provided: {masked(secret)}")
        return key

    def account_for(self, key: ApiKey, stripe_account: str | None) -> str:
        """The account of a request. Raises Stripe's 403 if the key may not act for it."""
        if stripe_account is None or stripe_account == key.account:
            return key.account
        target = self.accounts.get(stripe_account)
        if target is None or target.platform != key.account:
            raise ApiRefusal(
                403,
                f"The provided key '{key.masked}' does not have access to account '{stripe_account}' (or that account "
                "does not exist). Application access may have been revoked.",
                code="account_invalid",
            )
        return target.id
