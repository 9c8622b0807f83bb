"""The certificate of completeness: what an auditor asks of information that the entity produced (IPE).

It says where both populations come from, what was read and left out, who made the file with which program, and how to make
it again. What the sweeps recorded stands in the ledger, so that it outlives the sweeps' own reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.money import Money
from reconciler.domain.statement.close_state import Step
from reconciler.domain.statement.day_entry import DayEntry, LeftOut
from reconciler.domain.statement.statement import Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement
from reconciler.entrypoints.shown_text import moment_text, money_text
from reconciler.entrypoints.statement_files.certificate_bridge import (
    bridge_json,
    bridge_lines,
    total_text,
)
from reconciler.entrypoints.statement_files.statement_json import Head

TITLE: Final = "Information produced by the entity (IPE)"
NOT_RECORDED: Final = "not known: an older version of Reconciler made the sweep"
_DAYS_NAMED: Final = 31
LEFT_OUT: Final = {
    "no_payment_intent": "rows without a PaymentIntent",
    "foreign_id": "rows with an id that leads to no PaymentIntent",
    "where": "rows that [payments] where leaves out",
    "no_account": "rows of no configured account",
    "no_amount": "rows whose amount or currency cannot be added up",
    "no_time": "rows without a time of creation",
}
"""Why a row of the table is in no sum."""
_ALWAYS_SHOWN: Final = frozenset({"no_payment_intent", "foreign_id"})
_NOTHING: Final = {"count": 0, "amount": 0, "paid_count": 0, "paid_amount": 0}


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
    steps: tuple[Step, ...] | None = None
    """The steps of closing the period; None if they were not looked up."""

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
            "populations": [self._population(currency) for currency in self._currencies],
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
            "steps": None if self.steps is None else [_step_json(step) for step in self.steps],
            "run_by": self.origin.run_by,
            "run_at": self.origin.run_at,
            "program": self.origin.program,
            "configuration": self.origin.configuration,
            "head": None if self.head is None else {"seq": self.head[0], "hash": self.head[1]},
            "outputs": [{"name": name, "sha256": digest} for name, digest in self.outputs.items()],
            "command": self.origin.command,
        }

    @property
    def _currencies(self) -> Sequence[str]:
        """Also those of which every row was left out."""
        return sorted({day.currency for day in self.statement.days})

    def _population(self, currency: str) -> Mapping[str, Any]:
        """The row count and the control total of each side before matching, and what was left out."""
        days = [day for day in self.statement.days if day.currency == currency]
        found = [one for one in self.statement.currencies if one.currency == currency]
        one = found[0] if found else CurrencyStatement(currency)
        return {
            "currency": currency,
            "local": _sum(count for day in days for count in day.local.values()),
            "local_paid": {"count": one.local_count, "amount": one.local},
            "left_out": _left_out(days),
            "stripe": _sum(count for day in days for count in day.stripe.values()),
            "stripe_by_outcome": {
                outcome: _sum(day.stripe.get(outcome, (0, 0)) for day in days)
                for outcome in sorted({outcome for day in days for outcome in day.stripe})
            },
            "stripe_received": {"count": one.stripe_count, "amount": one.stripe},
            "bridge": bridge_json(days),
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
        for currency in self._currencies:
            yield from self._population_lines(currency)
        for sweep in found.sweeps:
            name = f"Sweep {sweep.sweep}"
            yield (
                name,
                f"days {sweep.first} to {sweep.last}, recorded at {moment_text(sweep.at)} as entry {sweep.seq}",
            )
            for fact, value in _fact_lines(sweep.facts):
                yield f"{name}: {fact}", value
        yield "Days not examined", days_text(found.days_not_examined)
        if self.steps is not None:
            yield from _step_lines(self.steps)
        yield "Run by", origin.run_by
        yield "Run at", f"{moment_text(origin.run_at)} (UTC)"
        yield "Program", origin.program
        yield "Configuration", f"SHA-256 {origin.configuration}"
        head = self.head
        yield "Ledger", "no entry" if head is None else f"up to entry {head[0]}, hash {head[1]}"
        for name, digest in self.outputs.items():
            yield f"SHA-256 of {name}", digest
        yield "Command that makes this again", origin.command

    def _population_lines(self, currency: str) -> Iterator[tuple[str, str]]:
        sums = self._population(currency)
        upper = currency.upper()

        def line(name: str, key: str) -> tuple[str, str]:
            value = sums[key]
            return f"{upper}, {name}", total_text(value["count"], value["amount"], currency)

        yield line("rows of your table before matching", "local")
        yield line("of these, rows that say paid, refunded or disputed", "local_paid")
        left_out = sums["left_out"]
        if left_out is None:
            yield f"{upper}, not counted: rows of your table", NOT_RECORDED
        else:
            for reason, name in LEFT_OUT.items():
                if reason in left_out or reason in _ALWAYS_SHOWN:
                    value = left_out.get(reason, _NOTHING)
                    paid = total_text(value["paid_count"], value["paid_amount"], currency)
                    yield (
                        f"{upper}, not counted: {name}",
                        f"{total_text(value['count'], value['amount'], currency)}; of these, rows that say paid: {paid}",
                    )
        if sums["stripe_by_outcome"]:
            yield line("payments of Stripe before matching", "stripe")
            for outcome, value in sums["stripe_by_outcome"].items():
                name = f"{upper}, of these {outcome}"
                yield name, total_text(value["count"], value["amount"], currency)
        yield line("payments of Stripe that received money", "stripe_received")
        for name, value in bridge_lines(sums["bridge"], currency):
            yield f"{upper}, bridge: {name}", value
        yield line("not counted: paid at Stripe, but outside this table", "unrelated")
        yield line(
            "not counted: paid at Stripe, but their rows are outside the mapping", "outside_mapping"
        )


def _sum(counts: Iterable[tuple[int, int]]) -> Mapping[str, int]:
    found = list(counts)
    return {
        "count": sum(count for count, _ in found),
        "amount": sum(amount for _, amount in found),
    }


def _left_out(days: Sequence[DayEntry]) -> Mapping[str, Mapping[str, int]] | None:
    """The rows of these days that are in no sum, by the reason; None if a day was recorded without them."""
    sums: dict[str, LeftOut] = {}
    for day in days:
        if day.left_out is None:
            return None
        for reason, rows in day.left_out.items():
            sums[reason] = sums.get(reason, LeftOut()) + rows
    return {reason: asdict(rows) for reason, rows in sorted(sums.items())}


def _step_json(step: Step) -> Mapping[str, object]:
    return {
        "entry": step.seq,
        "at": step.at,
        "action": step.action.value,
        "person": step.person,
        "asked_by": step.asked_by,
        "cutoff": step.cutoff,
        "head": None if step.head is None else {"seq": step.head[0], "hash": step.head[1]},
    }


_STEPS: Final = {
    Action.PERIOD_PREPARED: "Prepared",
    Action.PERIOD_SIGNED: "Signed",
    Action.PERIOD_REOPENED: "Opened again",
}


def _step_lines(steps: Sequence[Step]) -> Iterator[tuple[str, str]]:
    if not steps:
        yield "Closing", "no person has prepared or signed this period"
    for step in steps:
        who = step.asked_by if step.person is None else f"{step.person} ({step.asked_by})"
        when = f"at {moment_text(step.at)}, cut-off {moment_text(step.cutoff)}"
        yield f"{_STEPS[step.action]} by", f"{who} {when}, as entry {step.seq}"


def _fact_lines(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    names = {
        "table": "your table",
        "local_query": "its query",
        "local_parameters": "its parameters",
        "stripe_query": "Stripe's query",
        "reads": "reads sent to Stripe",
        "examined": "payments examined",
        "where": "condition [payments] where",
        "left_out_by_where": "rows that [payments] where leaves out",
        "foreign_ids": "rows with an id of another system",
        "left_out_of_all_days": "rows without a time or a currency, counted in no day",
        "rows_of_no_account": "rows of no configured account",
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
            money = f"{value['amount']:,} minor units, without a currency"
            if value["currency"]:
                money = money_text(Money(int(value["amount"]), str(value["currency"])))
            reason = LEFT_OUT.get(str(value.get("reason")), "")
            return f"{reason}{': ' if reason else ''}{int(value['count']):,} rows, {money}"
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
