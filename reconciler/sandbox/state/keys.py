"""Keys, accounts and what a restricted key may do."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.sandbox.objects.answers import ApiRefusal


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """A Stripe account. ``platform`` is the account that may act for it by ``Stripe-SandboxAccount``."""

    id: str
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key. ``permissions`` is None for a full key, else names such as ``payment_intent_read``."""

    secret: str
    account: str
    permissions: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"Key({self.masked!r}, account={self.account!r})"

    @property
    def livemode(self) -> bool:
        return "_live_" in self.secret

    @property
    def masked(self) -> str:
        """As Stripe names a key in its messages: the prefix and the last four letters."""
        return masked(self.secret)

    def demand(self, permission: str, account: str) -> None:
        """Raises the 403 that names the missing permission. Write includes read."""
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
    """A key with its middle starred out."""
    kind = "_".join(secret.split("_")[:2]) + "_" if secret.count("_") >= 2 else ""
    rest = secret[len(kind) :]
    return (
        f"{kind}{'*' * max(0, len(rest) - 4)}{rest[-4:]}"
        if len(rest) > 4
        else f"{kind}{'*' * len(rest)}"
    )


class KeyRing:
    """Which keys exist and for whom they may speak."""

    def __init__(self) -> None:
        self.accounts: dict[str, SandboxAccount] = {}
        self.keys: dict[str, Key] = {}

    def account(self, ident: str, platform: str | None = None) -> SandboxAccount:
        """The account of this id, opened if it is new."""
        known = self.accounts.get(ident)
        if known is None or (platform is not None and known.platform != platform):
            known = self.accounts[ident] = SandboxAccount(ident, platform)
        return known

    def authenticate(self, secret: str | None) -> Key:
        """The key of a request; raises Stripe's 401."""
        if not secret:
            raise ApiRefusal(
                401,
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
                "https://stripe.com/docs/api#authentication for details, or we can help at "
                "https://support.stripe.com/.",
            )
        key = self.keys.get(secret)
        if key is None:
            raise ApiRefusal(401, f"Invalid API Key provided: {masked(secret)}")
        return key

    def acting_for(self, key: Key, stripe_account: str | None) -> str:
        """The account a request is about; raises Stripe's 403 where the key has nothing to do with it."""
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
