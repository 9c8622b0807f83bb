"""The certificate of an export: what is in its files, what was not examined, and how to make it again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.money import Money
from reconciler.entrypoints.shown_text import moment_text, money_text
from reconciler.entrypoints.statement_files.certificate import TITLE, Origin, days_text
from reconciler.entrypoints.statement_files.statement_json import Head

SOURCE: Final = "every row of reconciler.discrepancies and every entry of reconciler.ledger"
_ONE_DAY: Final = timedelta(days=1)
_PART: Final = 1024 * 1024


@dataclass(slots=True)
class ExportedAccount:
    """What an export has of one account. ``stakes`` is the number and the money of its discrepancies by currency.

    ``examined`` are the ranges of days that sweeps compared to the end, by the day on which a payment was created.
    """

    account: str
    examined: Sequence[tuple[date, date]]
    head: Head = None
    entries: int = 0
    stakes: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def first_day(self) -> date | None:
        """The first day that a sweep examined, None if there is none."""
        return min((first for first, _ in self.examined), default=None)

    @property
    def last_day(self) -> date | None:
        """The last day that a sweep examined, None if there is none."""
        return max((last for _, last in self.examined), default=None)

    @property
    def days_not_examined(self) -> tuple[date, ...]:
        """The days between the first and the last one that no sweep examined."""
        missing: list[date] = []
        reached: date | None = None
        for first, last in sorted(self.examined):
            while reached is not None and reached + _ONE_DAY < first:
                reached += _ONE_DAY
                missing.append(reached)
            reached = last if reached is None else max(reached, last)
        return tuple(missing)


class CountedExport:
    """Counts what an export writes, by account."""

    def __init__(self, examined: Mapping[str, Sequence[tuple[date, date]]]) -> None:
        self._accounts = {name: ExportedAccount(name, days) for name, days in examined.items()}

    @property
    def accounts(self) -> tuple[ExportedAccount, ...]:
        """Each account, in the order of the names."""
        return tuple(self._accounts[name] for name in sorted(self._accounts))

    @property
    def discrepancy_count(self) -> int:
        """How many discrepancies were counted, of all accounts."""
        return sum(n for one in self._accounts.values() for n, _ in one.stakes.values())

    @property
    def entries(self) -> int:
        """How many entries of the ledger the export has, of all accounts."""
        return sum(one.entries for one in self._accounts.values())

    def _of(self, account: str) -> ExportedAccount:
        found = self._accounts.get(account)
        if found is None:
            found = self._accounts[account] = ExportedAccount(account, ())
        return found

    def discrepancies(self, found: Iterable[Discrepancy]) -> Iterator[Discrepancy]:
        """The same discrepancies, counted."""
        for one in found:
            self.add(one.account, one.stake)
            yield one

    def add(self, account: str, stake: Money) -> None:
        """Count a discrepancy by its money."""
        stakes = self._of(account).stakes
        count, amount = stakes.get(stake.currency, (0, 0))
        stakes[stake.currency] = count + 1, amount + stake.amount

    def set_heads(self, heads: Iterable[Mapping[str, object]]) -> None:
        """Note the last entry of each chain: an export has every entry up to it."""
        for head in heads:
            seq = int(str(head["seq"]))
            account = self._of(str(head["account"]))
            account.head, account.entries = (seq, str(head["hash"])), seq


@dataclass(frozen=True, slots=True)
class ExportCertificate:
    """The certificate. ``outputs`` are the files of the export with their SHA-256, by name."""

    accounts: Sequence[ExportedAccount]
    origin: Origin
    outputs: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape. Amounts are minor units."""
        return {
            "title": TITLE,
            "source": SOURCE,
            "accounts": [_account_json(one) for one in self.accounts],
            "run_by": self.origin.run_by,
            "run_at": self.origin.run_at,
            "program": self.origin.program,
            "configuration": self.origin.configuration,
            "outputs": [{"name": name, "sha256": digest} for name, digest in self.outputs.items()],
            "command": self.origin.command,
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """The same for people: a name and its value."""
        origin = self.origin
        yield "Source", SOURCE
        for one in self.accounts:
            yield "Account", one.account
            for currency, (count, amount) in sorted(one.stakes.items()):
                money = money_text(Money(amount, currency))
                yield (
                    f"Discrepancies in {currency.upper()}",
                    f"{count:,}, together {money} at stake",
                )
            head = one.head
            yield (
                "Ledger",
                "no entry"
                if head is None
                else f"{head[0]:,} entries, hash of the last entry {head[1]}",
            )
            if one.first_day is None:
                yield "Days examined", "none"
            else:
                yield "Days examined", f"{one.first_day} to {one.last_day}"
                yield "Days not examined", days_text(one.days_not_examined)
        yield "Run by", origin.run_by
        yield "Run at", f"{moment_text(origin.run_at)} (UTC)"
        yield "Program", origin.program
        yield "Configuration", f"SHA-256 {origin.configuration}"
        for name, digest in self.outputs.items():
            yield f"SHA-256 of {name}", digest
        yield "Command that makes this again", origin.command


def _account_json(one: ExportedAccount) -> Mapping[str, object]:
    return {
        "account": one.account,
        "discrepancies": [
            {"currency": currency, "count": count, "amount": amount}
            for currency, (count, amount) in sorted(one.stakes.items())
        ],
        "entries": one.entries,
        "head": None if one.head is None else {"seq": one.head[0], "hash": one.head[1]},
        "first_day": None if one.first_day is None else one.first_day.isoformat(),
        "last_day": None if one.last_day is None else one.last_day.isoformat(),
        "days_not_examined": [day.isoformat() for day in one.days_not_examined],
    }


def certificate_path(path: Path) -> Path:
    """Where the certificate of a file or a folder stands: beside it."""
    path = path.absolute()
    return path.with_name(f"{path.name}.certificate.json")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(_PART):
            digest.update(part)
    return digest.hexdigest()
