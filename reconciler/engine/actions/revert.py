"""Takes the corrections of a sweep back: writes the before-values of the ledger, as carefully as a correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.audit.ledger_entry import Action, AskedBy, CorrectionEntry, Draft
from reconciler.domain.audit.written_value import WrittenValue
from reconciler.domain.findings.discrepancy import Kind, State, StoredDiscrepancy
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate, finding_entry
from reconciler.domain.findings.reverted_correction import Revert
from reconciler.domain.model.page import PageRecord, RefusedWrite, RowWrite
from reconciler.domain.model.payment import Payment
from reconciler.engine.ports import PageTransaction, Store
from reconciler.errors import RowMovedError, UsageError
from reconciler.masking import is_masked, storable

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount

PAGE: Final = 100
ROW_CHANGED: Final = "the row is locked, or has changed since the correction"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A correction that was not taken back, and why."""

    key: str
    payment_intent: str
    why: str


@dataclass(frozen=True, slots=True)
class Undone:
    """A correction that was taken back. ``status`` is the row's status now, ``before`` the one that the sweep had written."""

    key: str
    payment_intent: str
    order: str | None
    before: str | None
    status: str | None
    amount: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Reverted:
    """What became of each correction of a sweep."""

    sweep: int
    undone: tuple[Undone, ...]
    skipped: tuple[Skipped, ...]


def revert_sweep(
    account: OpenAccount, sweep: int, by: AskedBy, keys: frozenset[str] = frozenset()
) -> Reverted:
    """Set each row back to what it was before the sweep, if it still is what the sweep made of it.

    A row that has changed since is left alone and named. The discrepancy is open again, with the reason ``reverted``:
    the row is not corrected to this outcome again until a person says so. ``keys`` are the rows to set back, all of the
    sweep's if there are none. Raises UsageError if the sweep corrected nothing or none of a named row, or was made before
    the account was bound to another table, and ConfigurationError if Reconciler's schema does not exist.
    """
    account.raise_if_no_schema()
    with account.writing_epoch() as epoch:
        now = account.ports.stripe.now()
        discrepancies = account.ports.new_discrepancy_store()
        entries = discrepancies.corrections(sweep)
        if not entries:
            raise UsageError(
                f"sweep {sweep} corrected nothing.",
                "List the sweeps with: reconciler sweeps",
            )
        unknown = keys.difference(entry.key for entry in entries)
        if unknown:
            raise UsageError(
                f"Sweep {sweep} corrected no row {', '.join(sorted(unknown))}: nothing was written.",
                "Without --row, every correction of the sweep is undone.",
            )
        if keys:
            entries = tuple(entry for entry in entries if entry.key in keys)
        raise_if_of_another_table(sweep, entries, discrepancies.last_rebind())
        return _revert_entries(account.ports.store, epoch, sweep, by, now, entries)


def raise_if_of_another_table(
    sweep: int, entries: Sequence[CorrectionEntry], last_rebind: int
) -> None:
    """Raise UsageError if the account was bound to another table after the sweep: its keys may name other rows now.

    ``last_rebind`` is the number of the ledger's last entry of a rebinding, 0 if there is none.
    """
    if any(entry.seq < last_rebind for entry in entries):
        raise UsageError(
            f"Sweep {sweep} corrected rows before the account was bound to another table (ledger entry "
            f"{last_rebind}): the same keys may name other rows now. Nothing was written.",
            "Undo this sweep's corrections by hand; the ledger has the earlier values: reconciler export --format jsonl",
        )


def _revert_entries(
    store: Store,
    epoch: int,
    sweep: int,
    by: AskedBy,
    now: datetime,
    entries: Sequence[CorrectionEntry],
) -> Reverted:
    open_entries = [entry for entry in entries if not entry.reverted]
    skipped = [
        _skipped(entry, "the correction is undone already") for entry in entries if entry.reverted
    ]
    undone: list[Undone] = []
    for start in range(0, len(open_entries), PAGE):
        page = open_entries[start : start + PAGE]
        # a page is a transaction: an interruption leaves whole pages done, and the rest can be reverted later
        set_back, left_alone = _revert_page(store, epoch, sweep, by, now, page)
        undone += set_back
        skipped += left_alone
    return Reverted(sweep, tuple(undone), tuple(skipped))


def _revert_page(
    store: Store,
    epoch: int,
    sweep: int,
    by: AskedBy,
    now: datetime,
    entries: Sequence[CorrectionEntry],
) -> tuple[list[Undone], list[Skipped]]:
    """Take one page of corrections back in one transaction. Returns them, and those that were skipped."""
    moved: frozenset[str] = frozenset()
    refused: dict[str, RefusedWrite] = {}
    while True:
        try:
            with store.transaction(epoch) as transaction:
                keys = [entry.key for entry in entries]
                intents = [entry.payment_intent for entry in entries]
                intents += [held for entry in entries if (held := entry.before["payment_intent"])]
                again = transaction.read_again(intents, keys, lock=True)
                # the ledger has a key with a secret in it masked, and the row is found by its intent
                rows = {storable(row.key): row for row in again.payments if row.key not in moved}
                columns = _columns_now(transaction, entries, rows)
                stored = {(item.subject, item.kind): item for item in again.known}

                writes: list[RowWrite] = []
                undone: list[Undone] = []
                skipped: list[Skipped] = []
                updates: dict[tuple[str, Kind], DiscrepancyUpdate] = {}
                for entry in entries:
                    row = rows.get(entry.key)
                    why = _why_not(row, entry, refused) or _why_not_columns(
                        entry, columns.get(entry.key, {})
                    )
                    if row is None or why is not None:
                        skipped.append(_skipped(entry, why or ROW_CHANGED))
                        continue
                    writes.append(_row_write(row, entry, sweep, by))
                    undone.append(_undone(row, entry))
                    for identity in _identities(row, entry):
                        if identity in stored:
                            revert = _revert(row, entry, sweep, by, now, updates.get(identity))
                            updates[identity] = _reverted(stored[identity], revert)

                if writes:
                    changed = tuple(updates.values())
                    drafts = tuple(finding_entry(update, sweep, by) for update in changed)
                    record = PageRecord(
                        tuple(writes), changed, drafts=drafts, seen_at=now, sweep=sweep
                    )
                    result = transaction.write(record)
                    if result.refused:
                        # try again without the rows that the table refuses
                        refused |= {storable(key): why for key, why in result.refused.items()}
                        continue
                return undone, skipped
        except RowMovedError as error:
            # try again without the rows that changed between the lock and the write
            moved |= error.keys


def _undone(row: Payment, entry: CorrectionEntry) -> Undone:
    return Undone(
        entry.key,
        entry.payment_intent,
        row.order,
        entry.after["status"],
        entry.before["status"],
        row.amount,
        row.currency,
    )


def _why_not(
    row: Payment | None, entry: CorrectionEntry, refused: Mapping[str, RefusedWrite]
) -> str | None:
    """Why a correction cannot be taken back; None if it can."""
    if entry.key in refused:
        return f"the table refuses the write: {refused[entry.key].message}"
    if row is None or not _is_as_corrected(row, entry):
        return ROW_CHANGED
    if any(is_masked(value) for value in entry.before.values()):
        return "the row's earlier value held a secret, which the ledger does not keep"
    return None


def _columns_now(
    transaction: PageTransaction, entries: Sequence[CorrectionEntry], rows: Mapping[str, Payment]
) -> Mapping[str, Mapping[str, WrittenValue]]:
    """What the other written columns hold now, by the key of the entry."""
    if not any(entry.columns for entry in entries):
        return {}
    found = transaction.columns_now([row.key for row in rows.values()])
    return {storable(key): values for key, values in found.items()}


def _why_not_columns(entry: CorrectionEntry, now: Mapping[str, WrittenValue]) -> str | None:
    """Why the other columns of a correction cannot be put back; None if they can."""
    for name, values in entry.columns.items():
        if name not in now:
            return f"[payments.set] does not name the row's column {name} any more"
        if now[name] != values["after"]:
            return f"the row's column {name} has changed since the correction"
        if isinstance(values["before"], Mapping):
            return (
                f"the earlier value of the row's column {name} cannot be put back: the ledger has only the SHA-256 "
                "of the value"
            )
    return None


def _identities(row: Payment, entry: CorrectionEntry) -> tuple[tuple[str, Kind], ...]:
    """The discrepancies that a correction of this row may have ended."""
    return (
        (entry.payment_intent, Kind.MISSED_OUTCOME),
        (storable(f"row:{row.key}"), Kind.PAID_BY_OTHER_INTENT),
    )


def _is_as_corrected(row: Payment, entry: CorrectionEntry) -> bool:
    after = entry.after
    holds = [None if text is None else storable(text) for text in (row.status, row.payment_intent)]
    return holds == [after["status"], after["payment_intent"]]


def _row_write(row: Payment, entry: CorrectionEntry, sweep: int, by: AskedBy) -> RowWrite:
    before_status = entry.before["status"]
    body: dict[str, object] = {
        "sweep": sweep,
        "correction": entry.seq,
        **by.fields,
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
        restore={
            name: before
            for name, values in entry.columns.items()
            if not isinstance(before := values["before"], Mapping)
        }
        or None,
    )


def _revert(
    row: Payment,
    entry: CorrectionEntry,
    sweep: int,
    by: AskedBy,
    now: datetime,
    earlier: DiscrepancyUpdate | None,
) -> Revert:
    """What a sweep has to know of a row that was taken back, and of the other parts of its payment."""
    before = earlier.revert if earlier is not None else None
    # a key with a secret in it is stored masked, so no row can be told by it
    is_nameable = storable(row.key) == row.key and (before is None or bool(before.keys))
    keys = (*(before.keys if before is not None else ()), row.key) if is_nameable else ()
    return Revert(sweep, entry.outcome, by.name, rfc3339(now), keys, by.claimed)


def _reverted(stored: StoredDiscrepancy, revert: Revert) -> DiscrepancyUpdate:
    return DiscrepancyUpdate(
        stored.id,
        stored.subject,
        stored.kind,
        State.OPEN,
        None,
        is_news=True,
        revert=revert,
    )


def _skipped(entry: CorrectionEntry, why: str) -> Skipped:
    return Skipped(entry.key, entry.payment_intent, why)
