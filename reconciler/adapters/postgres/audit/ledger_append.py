"""Appending to the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.adapters.postgres.database import Connection
from reconciler.adapters.postgres.statements import statements
from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.domain.audit.ledger_entry import Draft

_SQL: Final = statements("audit")


def append(connection: Connection, account: str, drafts: Sequence[Draft]) -> None:
    """Add entries to an account's chain, in order; its head stays locked until the transaction ends.

    The database numbers, stamps and hashes them in the same statement. Raises TypeError for a body that has no
    canonical form.
    """
    if not drafts:
        return
    parameters = {
        "account": account,
        "actions": [draft.action.value for draft in drafts],
        "bodies": [canonical_json(draft.body) for draft in drafts],
    }
    connection.execute(_SQL["ledger_append"], parameters)
