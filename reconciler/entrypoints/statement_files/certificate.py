"""The certificate of completeness: what an auditor asks of information that the entity produced (IPE).

It says where both populations come from, what was read and left out, who made the file with which program, and how to make
it again. What the sweeps recorded stands in the ledger, so that it outlives the sweeps' own reports.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from reconciler.domain.money import Money
from reconciler.domain.statement.statement import Statement
from reconciler.entrypoints.shown_text import moment_text, money_text
from reconciler.entrypoints.statement_files.statement_json import Head

TITLE: Final = "Information produced by the entity (IPE)"
NOT_RECORDED: Final = "not recorded by the version that made the sweep"
_DAYS_NAMED: Final = 31


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a file, when, with which program and configuration, and the command that makes it again."""

    run_by: str
    run_at: datetime
    program: str
    configuration: str
    """SHA-256 of the configuration without its secrets."""
    command: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """The certificate of one statement. ``outputs`` are the files with their SHA-256, as far as they are known."""

    statement: Statement
    head: Head
    as_of: datetime
    origin: Origin
    outputs: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape. Amounts are minor units."""
        found = self.statement
        return {
            "title": TITLE,
            "account": found.account,
            "period": {
                "first": found.period.first.isoformat(),
                "last": found.period.last.isoformat(),
            },
            "timezone": str(found.period.zone),
            "cutoff": found.cut,
            "as_of": self.as_of,
            "populations": [self._population(one.currency) for one in found.currencies],
            "sweeps": [
                {
                    "sweep": sweep.sweep,
                    "entry": sweep.seq,
                    "at": sweep.at,
                    "first_day": sweep.first.isoformat(),
                    "last_day": sweep.last.isoformat(),
                    **sweep.facts,
                }
                for sweep in found.sweeps
            ],
            "days_not_examined": [day.isoformat() for day in found.days_not_examined],
            "run_by": self.origin.run_by,
            "run_at": self.origin.run_at,
            "program": self.origin.program,
            "configuration": self.origin.configuration,
            "head": None if self.head is None else {"seq": self.head[0], "hash": self.head[1]},
            "outputs": [{"name": name, "sha256": digest} for name, digest in self.outputs.items()],
            "command": self.origin.command,
        }

    def _population(self, currency: str) -> Mapping[str, object]:
        """The row count and the control total of each side before matching, and what was left out."""
        rows = [day for day in self.statement.days if day.currency == currency]
        counts = [count for day in rows for count in day.local.values()]
        (one,) = [one for one in self.statement.currencies if one.currency == currency]
        return {
            "currency": currency,
            "local": {
                "count": sum(count for count, _ in counts),
                "amount": sum(amount for _, amount in counts),
            },
            "local_paid": {"count": one.local_count, "amount": one.local},
            "stripe_received": {"count": one.stripe_count, "amount": one.stripe},
            "unrelated": {"count": one.unrelated.count, "amount": one.unrelated.amount},
            "outside_mapping": {
                "count": one.outside_mapping.count,
                "amount": one.outside_mapping.amount,
            },
        }

    def lines(self) -> Iterator[tuple[str, str]]:
        """The same for people: a name and its value."""
        found, origin = self.statement, self.origin
        period = found.period
        yield "Account", found.account
        yield (
            "Parameters",
            (
                f"payments created from {period.first} to {period.last}, time zone {period.zone},"
                f" cut-off {moment_text(found.cut)}, ledger read until {moment_text(self.as_of)} (UTC)"
            ),
        )
        for currency in found.currencies:
            yield from self._population_lines(currency.currency)
        for sweep in found.sweeps:
            name = f"Sweep {sweep.sweep}"
            yield (
                name,
                f"days {sweep.first} to {sweep.last}, recorded at {moment_text(sweep.at)} as entry {sweep.seq}",
            )
            for fact, value in _fact_lines(sweep.facts):
                yield f"{name}: {fact}", value
        yield "Days not examined", days_text(found.days_not_examined)
        yield "Run by", origin.run_by
        yield "Run at", f"{moment_text(origin.run_at)} (UTC)"
        yield "Program", origin.program
        yield "Configuration", f"SHA-256 {origin.configuration}"
        head = self.head
        yield "Ledger", "no entry" if head is None else f"up to entry {head[0]}, hash {head[1]}"
        for name, digest in self.outputs.items():
            yield f"SHA-256 of {name}", digest
        yield "Make it again with", origin.command

    def _population_lines(self, currency: str) -> Iterator[tuple[str, str]]:
        names = {
            "local": "rows of your table before matching",
            "local_paid": "of them, rows that say paid, refunded or disputed",
            "stripe_received": "payments of Stripe before matching",
            "unrelated": "left out: payments of Stripe that are not of this table",
            "outside_mapping": "left out: payments of Stripe whose rows are outside the mapping",
        }
        sums = self._population(currency)
        for key, name in names.items():
            value = sums[key]
            if isinstance(value, Mapping):
                money = money_text(Money(int(value["amount"]), currency))
                yield (
                    f"{currency.upper()}, {name}",
                    f"{int(value['count']):,}, control total {money}",
                )


def _fact_lines(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    names = {
        "table": "your table",
        "local_query": "its query",
        "stripe_query": "Stripe's query",
        "reads": "reads of Stripe",
        "examined": "payments examined",
        "where": "rows are left out by where",
        "left_out_by_where": "left out by where",
        "foreign_ids": "rows without a PaymentIntent's id",
        "rows_of_no_account": "rows of no account",
        "asked_by": "asked for by",
        "program": "program",
        "configuration": "configuration, SHA-256",
    }
    for key, name in names.items():
        if key in facts and facts[key] not in (None, "", [], {}):
            yield name, _shown(facts[key])
    if "table" not in facts:
        yield "both queries", NOT_RECORDED


def _shown(value: object) -> str:
    match value:
        case list() | tuple():
            return "; ".join(_shown(item) for item in value)
        case Mapping() if value.keys() >= {"currency", "count", "amount"}:
            money = money_text(Money(int(value["amount"]), str(value["currency"])))
            return f"{int(value['count']):,} rows, {money}"
        case Mapping():
            return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
        case _:
            return str(value)


def days_text(found: Sequence[date]) -> str:
    """Days for people, "none" if there is none."""
    days = [str(day) for day in found]
    if not days:
        return "none"
    more = len(days) - _DAYS_NAMED
    return ", ".join(days[:_DAYS_NAMED]) + (f" and {more} more days" if more > 0 else "")
