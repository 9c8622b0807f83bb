"""Taking a pass's corrections back: the ledger's before-values are written by the same protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.domain.audit.ledger_entry import Action, CorrectionEntry, Draft
from reconciler.domain.findings.discrepancy import Kind, State, StoredDiscrepancy
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate
from reconciler.domain.model.page import PageRecord, RowWrite
from reconciler.domain.model.payment import Payment
from reconciler.engine.ports import DiscrepancyStore, Store
from reconciler.errors import RowMovedError, UsageError

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Skipped:
    """A correction that was not taken back, and why."""

    key: str
    payment_intent: str
    why: str


@dataclass(frozen=True, slots=True)
class Reverted:
    """What became of each correction of a sweep."""

    sweep: int
    reverted: int
    skipped: tuple[Skipped, ...]


def revert(
    store: Store,
    discrepancy_store: DiscrepancyStore,
    epoch: int,
    sweep: int,
    by: str,
    now: datetime,
) -> Reverted:
    """Write back what each row was before the sweep, where it is still what the sweep made of it.

    A row that has changed since is left alone and named. The discrepancy counts as settled by a person, so that the
    next sweep does not correct the row again while both sides stay as they are. Raises UsageError for a sweep that
    corrected nothing.
    """
    entries = discrepancy_store.corrections(sweep)
    if not entries:
        raise UsageError(
            f"pass {sweep} corrected nothing.",
            "The ledger names the sweeps: reconciler export --format jsonl",
        )
    open_entries = [entry for entry in entries if not entry.reverted]
    skipped = [_skipped(entry, "already taken back") for entry in entries if entry.reverted]
    reverted = 0
    for start in range(0, len(open_entries), PAGE):
        done, left = _revert_page(store, epoch, sweep, by, now, open_entries[start : start + PAGE])
        reverted += done
        skipped += left
    return Reverted(sweep, reverted, tuple(skipped))


def _revert_page(
    store: Store,
    epoch: int,
    sweep: int,
    by: str,
    now: datetime,
    entries: Sequence[CorrectionEntry],
) -> tuple[int, list[Skipped]]:
    moved: frozenset[str] = frozenset()
    while True:
        try:
            with store.transaction(epoch) as transaction:
                keys = [entry.key for entry in entries]
                intents = [entry.payment_intent for entry in entries]
                again = transaction.read_again(intents, keys, lock=True)
                rows = {row.key: row for row in again.payments if row.key not in moved}
                known = {(item.subject, item.kind): item for item in again.known}
                writes, changes, skipped = [], [], []
                for entry in entries:
                    row = rows.get(entry.key)
                    if row is None or not _is_as_corrected(row, entry):
                        skipped.append(_skipped(entry, "its row is locked or has changed since"))
                        continue
                    writes.append(_write(row, entry, sweep, by))
                    item = known.get((entry.payment_intent, Kind.MISSED_OUTCOME))
                    if item is not None:
                        changes.append(_settled(item, sweep, by))
                if writes:
                    record = PageRecord(tuple(writes), tuple(changes), seen_at=now, sweep=sweep)
                    transaction.write(record)
                return len(writes), skipped
        except RowMovedError as error:
            moved |= error.keys


def _is_as_corrected(row: Payment, entry: CorrectionEntry) -> bool:
    after = entry.after
    return (row.status, row.payment_intent) == (after["status"], after["payment_intent"])


def _write(row: Payment, entry: CorrectionEntry, sweep: int, by: str) -> RowWrite:
    before_status = entry.before["status"]
    body: dict[str, object] = {
        "sweep": sweep,
        "correction": entry.seq,
        "asked_by": by,
        "key": entry.key,
        "payment_intent": entry.payment_intent,
        "before": dict(entry.after),
        "after": dict(entry.before),
    }
    return RowWrite(
        payment=row,
        to_status=before_status or "",
        payment_intent=entry.before["payment_intent"],
        entry=Draft(Action.REVERT, body),
    )


def _settled(item: StoredDiscrepancy, sweep: int, by: str) -> DiscrepancyUpdate:
    note = f"the correction of sweep {sweep} was taken back"
    return DiscrepancyUpdate(
        item.id, item.subject, item.kind, State.RESOLVED, None, is_news=True, by=by, note=note
    )


def _skipped(entry: CorrectionEntry, why: str) -> Skipped:
    return Skipped(entry.key, entry.payment_intent, why)
