"""``verify``: recomputes the ledger's hashes, and compares the ledger with anchors and with what else is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reconciler.domain.audit.anchor import AnchorComparison, Anchors, AnchorState, AnchorVerdict
from reconciler.domain.audit.hash_chain import ChainBreak, first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.record_faults import RecordFault
from reconciler.entrypoints.cli.anchor_file import read_anchors
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption, chosen_accounts
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    from reconciler.adapters.postgres.audit.ledger import LedgerChain

FAULTS_SHOWN: Final = 20
"""So many records that do not agree are named; the others are only counted."""


@dataclass(frozen=True, slots=True)
class RecordFaults:
    """The records that do not agree with the ledger: how many, and the first of them."""

    count: int
    first: tuple[RecordFault, ...]


@dataclass(frozen=True, slots=True)
class LedgerVerdict:
    """The result for one account. ``broken`` is its first bad entry, None if there is none.

    ``head`` is the chain's last entry, None if the chain is empty or broken. ``anchored`` is None if no anchor is
    known. ``records`` is None if the chain is broken, because it proves nothing then.
    """

    account: str
    entries: int
    broken: ChainBreak | None
    head: Entry | None
    anchored: AnchorVerdict | None
    records: RecordFaults | None

    @property
    def first_bad(self) -> int | None:
        """The number of the first bad entry, None if none is known to be bad."""
        if self.broken is not None:
            return self.broken.seq
        return None if self.anchored is None else self.anchored.first_bad

    @property
    def what(self) -> str | None:
        """What is wrong, None if nothing is, as far as it could be compared."""
        if self.broken is not None:
            return self.broken.what
        if self.anchored is not None and self.anchored.what:
            return self.anchored.what
        if self.records is not None and self.records.count:
            return f"{self.records.count:,} records do not agree with the ledger"
        return None


class ReadEntries:
    """Entries, counted while they are read. ``last`` is the one that was read last."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self.count = 0
        self.last: Entry | None = None

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.count += 1
            self.last = entry
            yield entry


def verify(
    context: typer.Context,
    anchor: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=(
                "Compare the ledger with anchors that were kept outside the database. The file "
                "is the output of an earlier verify --json. Or it has one line for each anchor, "
                "with account, seq, hash and at."
            ),
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Check a file from export --bundle instead. This needs neither the database nor the configuration.",
        ),
    ] = None,
    account: AccountOption = None,
    json: JsonOption = False,
) -> int:
    """Recompute the ledger, and show its first bad entry.

    Also compares discrepancies, notes and the outbox with the ledger. Exits with 1 if something does not agree. Only
    --anchor shows that the last entries were cut off, or that the whole ledger was rewritten. Needs only the database.
    """
    from reconciler.wiring.audit import open_audit

    if file is not None:
        return _verify_file(file, json=json)
    # read first: a wrong file is reported before the database is asked
    anchors = {} if anchor is None else read_anchors(anchor)
    settings = invocation(context).settings(need_stripe=False, need_table=False)
    with open_audit(settings) as audit:
        # an account whose whole ledger was removed is known only from its anchor
        known = sorted({*audit.ledger.accounts(), *anchors})
        verdicts = []
        for name in chosen_accounts(known, account):
            # all is read in one transaction, so an entry that is added meanwhile breaks nothing
            with audit.ledger.chain(name) as chain:
                verdicts.append(_verdict(chain, anchors.get(name)))
    if json:
        write_json(_as_json(verdicts))
    else:
        _write(verdicts)
    return int(ExitCode.DONE if all(verdict.what is None for verdict in verdicts) else ExitCode.NO)


def _verify_file(path: Path, *, json: bool) -> int:
    from reconciler.entrypoints.statement_files.bundle_check import check_bundle
    from reconciler.entrypoints.statement_files.bundle_entries import BrokenBundleError

    what, head, other_program = None, None, None
    try:
        checked = check_bundle(path)
        head, other_program = checked.head, checked.other_program
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).") from None
    except BrokenBundleError as error:
        what = str(error)
    if json:
        write_json({"ok": what is None, "file": str(path), "what": what, "head": head})
    elif what is None:
        for line in _bundle_lines(head, other_program):
            write_line(f"{path}: {line}")
    else:
        write_line(f"{path}: {what}.")
    return int(ExitCode.DONE if what is None else ExitCode.NO)


def _bundle_lines(head: Mapping[str, object] | None, other_program: str | None) -> Iterator[str]:
    """What a bundle without a fault proves, and what it does not."""
    yield "every entry of the bundle's ledger matches its hash, and follows the entry before."
    if other_program is None:
        yield "the statement, the certificate, the discrepancies and the page agree with this ledger."
    else:
        yield (
            "the statement, the certificate and the discrepancies agree with this ledger. "
            f"{other_program} wrote the page, so this version cannot check the page."
        )
    if head is not None:
        yield (
            f"the ledger ends with entry {head['seq']}, hash {head['hash']}. Compare this hash "
            "with an anchor that you kept. Only this comparison shows that the ledger was not rewritten."
        )
    yield (
        "the ledger does not hold who made the files, or when. It also does not hold the owners, "
        "notes, orders, causes and times of discrepancies.csv. For these, the hashes show an "
        "accidental change, but not an intended one."
    )


def _verdict(chain: LedgerChain, anchors: Anchors | None) -> LedgerVerdict:
    comparison = AnchorComparison(anchors or Anchors())
    entries = ReadEntries(comparison.entries(chain.entries))
    broken = first_break(entries, chain.head, chain.account, chain.quick_hash)

    # a broken chain proves nothing about what else is stored
    records = None if broken is not None else _counted(chain.record_faults)
    rest_agrees = records is not None and records.count == 0
    return LedgerVerdict(
        account=chain.account,
        entries=entries.count,
        broken=broken,
        head=entries.last if broken is None else None,
        anchored=None if anchors is None else comparison.verdict(rest_agrees=rest_agrees),
        records=records,
    )


def _counted(faults: Iterator[RecordFault]) -> RecordFaults:
    first = tuple(islice(faults, FAULTS_SHOWN))
    return RecordFaults(len(first) + sum(1 for _ in faults), first)


def _as_json(verdicts: Sequence[LedgerVerdict]) -> dict[str, object]:
    return {
        "ok": all(verdict.what is None for verdict in verdicts),
        "accounts": [
            {
                "account": verdict.account,
                "ok": verdict.what is None,
                "entries": verdict.entries,
                "first_bad": verdict.first_bad,
                "what": verdict.what,
                "head": _head(verdict.head),
                "anchor": None if verdict.anchored is None else _anchor(verdict.anchored),
                "records": None if verdict.records is None else _records(verdict.records),
            }
            for verdict in verdicts
        ],
    }


def _head(entry: Entry | None) -> Mapping[str, object] | None:
    return None if entry is None else {"seq": entry.seq, "hash": entry.hash, "at": entry.at}


def _anchor(anchored: AnchorVerdict) -> Mapping[str, object]:
    return {
        "state": anchored.state.value,
        "last_agreeing": anchored.last_agreeing,
        "first_differing": anchored.anchor.seq if anchored.anchor else None,
        "what": anchored.what or None,
    }


def _records(records: RecordFaults) -> Mapping[str, object]:
    return {
        "faults": records.count,
        "first": [
            {"record": fault.kind.value, "id": fault.id, "what": fault.what}
            for fault in records.first
        ],
    }


def _write(verdicts: Sequence[LedgerVerdict]) -> None:
    if not verdicts:
        write_line("The ledger is empty.")
    for verdict in verdicts:
        name = f"Account {verdict.account}"
        if verdict.broken is not None:
            write_line(f"{name}: BROKEN at entry {verdict.broken.seq}: {verdict.broken.what}.")
        else:
            write_line(f"{name}: {verdict.entries:,} entries, the chain is intact.")
        _write_anchored(name, verdict.anchored)
        if verdict.records is not None and verdict.records.count:
            write_line(f"{name}: {verdict.records.count:,} records do not agree with the ledger:")
            for fault in verdict.records.first:
                write_line(f"  {fault}")


def _write_anchored(name: str, anchored: AnchorVerdict | None) -> None:
    if anchored is None:
        return
    if anchored.state is AnchorState.AGREES:
        write_line(
            f"{name}: the anchors agree with the ledger. The last one is at entry {anchored.last_agreeing:,}."
        )
        return
    write_line(f"{name}: BROKEN, {anchored.state.value}: {anchored.what}.".replace("?.", "?"))
    if anchored.last_agreeing:
        write_line(
            f"  the newest anchor that agrees with the ledger is at entry {anchored.last_agreeing:,}"
        )
