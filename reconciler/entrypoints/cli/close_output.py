"""How far the closing of a period is, as JSON and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.money import Money
from reconciler.domain.statement.close_state import CloseState, Step
from reconciler.domain.statement.period_figures import LateFact, figures_dict
from reconciler.engine.actions.close_period import Closing
from reconciler.entrypoints.cli.output import moment_text, money_text, write_line, write_pairs

_STEP_WORDS: Final = {
    Action.PERIOD_PREPARED: "prepared",
    Action.PERIOD_SIGNED: "signed",
    Action.PERIOD_REOPENED: "opened again",
}


def as_json(account: str, found: Closing) -> Mapping[str, object]:
    """The documented shape of a period's closing."""
    version = found.version
    return {
        "account": account,
        "period": {
            "first": found.period.first.isoformat(),
            "last": found.period.last.isoformat(),
        },
        "timezone": str(found.period.zone),
        "state": found.state,
        "cutoff": None if version is None else version.cutoff,
        "figures": {} if version is None else figures_dict(version.figures),
        "overlaps": [
            {
                "first": one.period.first.isoformat(),
                "last": one.period.last.isoformat(),
                "timezone": str(one.period.zone),
                "person": one.steps[-1].person,
                "at": one.steps[-1].at,
                "entry": one.steps[-1].seq,
            }
            for one in found.overlaps
        ],
        "changes": [
            {
                "currency": one.currency,
                "figure": one.name,
                "before": one.before,
                "now": one.now,
            }
            for one in found.changes
        ],
        "late": [_late_json(one) for one in found.late],
        "steps": [_step_json(one) for one in found.steps],
    }


def _late_json(fact: LateFact) -> Mapping[str, object]:
    return {
        "subject": fact.subject,
        "kind": fact.kind,
        "dated": fact.dated,
        "found_at": fact.found_at,
        "entry": fact.seq,
        "change": dict(fact.change),
        "money_back": dict(fact.money_back),
    }


def _step_json(step: Step) -> Mapping[str, object]:
    return {
        "step": step.action.value.removeprefix("period_"),
        "at": step.at,
        "person": step.person,
        "asked_by": step.asked_by,
        "claimed_by": step.claimed_by,
        "note": step.note,
        "cutoff": step.cutoff,
        "entry": step.seq,
        "head": None if step.head is None else {"seq": step.head[0], "hash": step.head[1]},
    }


def write_closing(account: str, found: Closing) -> None:
    """Write the state, the steps and the figures for people."""
    period, version = found.period, found.version
    write_line(
        f"Account {account}, period from {period.first} to {period.last} ({period.zone}): {found.state.value}."
    )
    for step in found.steps:
        remark = f": {step.note}" if step.note else ""
        write_line(
            f"  {moment_text(step.at)}  {_STEP_WORDS[step.action]} by {step.person}"
            f" ({step.asked_by}), entry {step.seq}{remark}"
        )
    for other in found.overlaps:
        signed = other.steps[-1]
        write_line(
            f"The period from {other.period.first} to {other.period.last} shares days with this one. It was signed by"
            f" {signed.person} at {moment_text(signed.at)}, entry {signed.seq}."
        )
    if version is None:
        write_line("No version of this period is prepared.")
        return
    write_line(f"The cut-off of the version is {moment_text(version.cutoff)}.")
    for currency, one in sorted(version.figures.items()):
        write_line()
        write_line(
            f"{currency.upper()}: unexplained {money_text(Money(one.unexplained, currency))}"
        )
        pairs = [
            ("Paid in your table", one.local),
            ("Stripe received", one.stripe),
            ("Difference", one.difference),
            ("Explained", one.explained),
            ("Received, then refunded", one.refunded),
            ("Received, then lost in disputes", one.disputed),
        ]
        if one.late_items:
            pairs.append(("Found after the cut-off", one.late))
        write_pairs([(name, money_text(Money(amount, currency))) for name, amount in pairs])
    _write_changes(found)


def _write_changes(found: Closing) -> None:
    if not found.changes:
        return
    write_line()
    write_line("Changed since this version was prepared:")
    for change in found.changes:
        if change.name in ("items", "late_items"):
            before, now = str(change.before), str(change.now)
        else:
            before = money_text(Money(change.before, change.currency))
            now = money_text(Money(change.now, change.currency))
        name = change.name.replace("_", " ")
        write_line(f"  {change.currency.upper()} {name}: was {before}, is now {now}")
    for fact in found.late:
        changed = fact.change or fact.money_back
        amounts = ", ".join(money_text(Money(changed[one], one)) for one in sorted(changed))
        write_line(
            f"  {fact.kind} of {fact.subject}, dated {moment_text(fact.dated)}, found"
            f" {moment_text(fact.found_at)}: {amounts}"
        )
    if found.state is CloseState.CHANGED_SINCE_SIGNED:
        write_line(
            "The signed version stays as it is. To sign another one, open the period again with --reopen --note TEXT."
        )
