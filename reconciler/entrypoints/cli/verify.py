"""``verify``: recomputes the ledger's hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import typer

from reconciler.domain.audit.hash_chain import ChainBreak, first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.entrypoints.cli.arguments import AccountOption, JsonOption, chosen_accounts
from reconciler.entrypoints.cli.output import write_json, write_line
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import ExitCode


@dataclass(frozen=True, slots=True)
class LedgerVerdict:
    """The result of recomputing one account's chain. ``broken`` is its first bad entry, None if there is none."""

    account: str
    entries: int
    broken: ChainBreak | None


class CountedEntries:
    """Entries, counted while they are read."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = entries
        self.count = 0

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            self.count += 1
            yield entry


def verify(context: typer.Context, account: AccountOption = None, json: JsonOption = False) -> int:
    """Recompute the ledger, and show its first bad entry.

    Exits with 1 if the chain of hashes is broken. Needs only the database.
    """
    from reconciler.wiring.audit import open_audit

    settings = invocation(context).settings(need_stripe=False, need_table=False)
    verdicts = []
    with open_audit(settings) as audit:
        for name in chosen_accounts(audit.ledger.accounts(), account):
            # entries and head are read in one transaction, so an entry that is added meanwhile breaks nothing
            with audit.ledger.chain(name) as chain:
                entries = CountedEntries(chain.entries)
                broken = first_break(entries, chain.head, name)
            verdicts.append(LedgerVerdict(name, entries.count, broken))
    if json:
        write_json(_as_json(verdicts))
    else:
        _write(verdicts)
    return int(
        ExitCode.DONE if all(verdict.broken is None for verdict in verdicts) else ExitCode.NO
    )


def _as_json(verdicts: Sequence[LedgerVerdict]) -> dict[str, object]:
    return {
        "ok": all(verdict.broken is None for verdict in verdicts),
        "accounts": [
            {
                "account": verdict.account,
                "ok": verdict.broken is None,
                "entries": verdict.entries,
                "first_bad": verdict.broken.seq if verdict.broken else None,
                "what": verdict.broken.what if verdict.broken else None,
            }
            for verdict in verdicts
        ],
    }


def _write(verdicts: Sequence[LedgerVerdict]) -> None:
    if not verdicts:
        write_line("The ledger is empty.")
    for verdict in verdicts:
        if verdict.broken is None:
            write_line(
                f"Account {verdict.account}: {verdict.entries:,} entries, the chain is intact."
            )
        else:
            write_line(
                f"Account {verdict.account}: BROKEN at entry {verdict.broken.seq}: {verdict.broken.what}."
            )
