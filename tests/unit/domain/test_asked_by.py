"""Who asked for what an entry of the ledger records."""

from __future__ import annotations

from reconciler.domain.audit.ledger_entry import AskedBy


def test_a_claimed_name_stands_beside_the_known_one() -> None:
    """An entry has the name that the system knows, and the one that the person gave only if there is one."""
    assert AskedBy("ana").fields == {"asked_by": "ana"}
    assert AskedBy("ana", "Ana").fields == {"asked_by": "ana", "claimed_by": "Ana"}
