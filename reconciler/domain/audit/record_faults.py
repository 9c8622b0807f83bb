"""What is stored besides the ledger, held against it: discrepancies, notes and outbox rows.

Each of them is written in one transaction with its ledger entry. A record that says something else than its entry was
changed by another hand, or its entry was removed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from reconciler.domain.audit.hash_chain import canonical_json
from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.audit.read_entry import read_object


class RecordKind(StrEnum):
    """Which table a record is in."""

    DISCREPANCY = "discrepancy"
    NOTE = "note"
    OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class RecordFault:
    """A record that does not agree with the ledger. ``id`` is its number, None if it is the record that is missing."""

    kind: RecordKind
    id: int | None
    what: str

    def __str__(self) -> str:
        name = "outbox row" if self.kind is RecordKind.OUTBOX else self.kind.value
        return f"{name} {self.id}: {self.what}" if self.id is not None else f"{name}: {self.what}"


@dataclass(frozen=True, slots=True)
class DiscrepancyBesideLedger:
    """A stored discrepancy, and what the ledger says of it last.

    ``entry_seq``, ``entry_action`` and ``entry_state`` are of the last entry that decided its state, None if there is
    none. ``entry_fingerprint`` and ``values_agree`` are of the last entry with both sides' values. An old entry has no
    fingerprint, so ``entry_values`` is its body then, unless that is very large.
    """

    id: int
    kind: str
    state: str
    fingerprint: str
    entry_seq: int | None
    entry_action: str | None
    entry_state: str | None
    entry_fingerprint: str | None
    entry_values: str | None
    values_agree: bool | None

    def fault(self) -> RecordFault | None:
        """What does not agree with the ledger, None if everything does."""
        what = self._what()
        return None if what is None else RecordFault(RecordKind.DISCREPANCY, self.id, what)

    def _what(self) -> str | None:
        if self.entry_seq is None:
            return "the ledger has no entry about this discrepancy"
        # a revert settles the discrepancy of the correction that it takes back
        state = "resolved" if self.entry_action == Action.REVERT else self.entry_state
        if self.state != state:
            return (
                f"the table says {self.state}, but entry {self.entry_seq} of the ledger says "
                f"{state}"
            )
        if not self.values_agree:
            return "the values in the table differ from those in the ledger"
        expected = self._fingerprint_of_entry()
        if expected is not None and self.fingerprint != expected:
            return "the fingerprint in the table differs from that in the ledger"
        return None

    def _fingerprint_of_entry(self) -> str | None:
        if self.entry_fingerprint is not None or self.entry_values is None:
            return self.entry_fingerprint
        try:
            body = read_object(self.entry_values)
        except (ValueError, RecursionError):
            return None
        values = {"kind": self.kind, "local": body.get("local"), "stripe": body.get("stripe")}
        return hashlib.sha256(canonical_json(values).encode()).hexdigest()
