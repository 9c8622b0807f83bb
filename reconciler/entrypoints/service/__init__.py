"""The daemon behind ``reconciler run``: sweeps at intervals over the accounts that this process holds the leases of."""

from __future__ import annotations
