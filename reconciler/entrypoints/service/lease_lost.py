"""The error for work that needs the lease of an account after the lease is gone."""

from __future__ import annotations

from reconciler.engine.lease.lease import Lease
from reconciler.errors import LeaseLostError


def raise_if_lease_lost(account: str, lease: Lease) -> None:
    """Raise LeaseLostError if another process holds the lease, or may hold it by now."""
    lease.raise_if_lost()
    if lease.has_run_out:
        raise LeaseLostError(
            f"This process did not renew the lease on account {account} in time. Without the lease "
            "it reads and writes nothing.",
            "Nothing to do: this process or another replica takes over the account again.",
        )


def lease_gone(account: str) -> LeaseLostError:
    """The error for a lease that this process has given back."""
    return LeaseLostError(
        f"This process has given back the lease on account {account}.",
        "Nothing to do: the process that takes over the account continues its work.",
    )
