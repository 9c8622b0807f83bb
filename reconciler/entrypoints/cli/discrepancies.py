"""``discrepancies``: lists the stored discrepancies, open and settled."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.adapters.postgres.discrepancies.discrepancy_list import DiscrepancyFilter, Sort
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.money import Money
from reconciler.domain.review.ageing import AgedMoney
from reconciler.entrypoints.cli.arguments import (
    AccountOption,
    FormatOption,
    JsonOption,
    OutputFormat,
    chosen_format,
)
from reconciler.entrypoints.cli.discrepancy_fields import (
    LIST_NAMES,
    USUAL_COLUMNS,
    ListFields,
    chosen_names,
)
from reconciler.entrypoints.cli.long_table import write_long_table
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    money_text,
    write_csv,
    write_json,
    write_json_array,
    write_line,
    write_table,
)
from reconciler.entrypoints.cli.selection import Selection, takes_selection
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    from reconciler.wiring.audit import Audit

AGED_NAMES = ("currency", "days", "count", "amount")


class SortName(StrEnum):
    """By what a list is sorted."""

    AMOUNT = "amount"
    AGE = "age"
    DUE = "due"
    LAST_SEEN = "last_seen"
    PAID = "paid"
    ID = "id"


@takes_selection()
def discrepancies(
    context: typer.Context,
    selection: Selection,
    sort: Annotated[
        SortName,
        typer.Option(
            metavar="NAME",
            help="The order of the list: amount (most money first), age (oldest first), due "
            "(soonest first), last_seen, paid (payment created, newest first) or id.",
        ),
    ] = SortName.AMOUNT,
    limit: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="List at most this many discrepancies."),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Show only these columns, in this order, such as id,order,at_stake.",
        ),
    ] = None,
    ageing: Annotated[
        bool,
        typer.Option(
            "--ageing", help="Show the money at stake by currency and age, instead of a list."
        ),
    ] = False,
    account: AccountOption = None,
    output_format: FormatOption = None,
    json: JsonOption = False,
) -> int:
    """List discrepancies, open and settled.

    All states are listed unless --state is given, the most money at stake first. Amounts of different currencies are
    compared by their minor units, without conversion. Needs only the database.
    """
    from reconciler.wiring.audit import open_audit

    # the options are checked before the configuration, so that a wrong one is reported first
    chosen = chosen_format(output_format, json)
    call = invocation(context)
    now = call.clock.now()
    wanted = selection.filter_at(now, account=account)
    if ageing and not (selection.is_empty and columns is None and limit is None):
        raise UsageError(
            "--ageing is about everything that is open.",
            "With --ageing, use no other option than --account.",
        )
    # an auditor has neither a Stripe key nor the mapping of the table
    settings = call.settings(need_stripe=False, need_table=False)
    wanted = replace(wanted, due=settings.review.due_rules, sort=Sort[sort.name])
    listing = Listing(ListFields(settings, now), chosen, columns)
    with open_audit(settings) as audit:
        if ageing:
            _write_aged(audit.discrepancies.aged(account, now), chosen)
        else:
            listing.write(audit, wanted, limit)
    return int(ExitCode.DONE)


class Listing:
    """A list in one of the formats. Raises UsageError for columns that the format does not have."""

    def __init__(
        self, fields: ListFields, output_format: OutputFormat, columns: str | None
    ) -> None:
        self._fields = fields
        self._format = output_format
        self._columns = fields.columns()
        known = self._columns if output_format is OutputFormat.TABLE else LIST_NAMES
        self._names = chosen_names(columns, tuple(known))

    def write(self, audit: Audit, wanted: DiscrepancyFilter, limit: int | None) -> None:
        """Write what the filter selects, while it is read."""
        with audit.discrepancies.reading(wanted, limit) as found:
            match self._format:
                case OutputFormat.JSON:
                    write_json_array(self._as_json(item) for item in found)
                case OutputFormat.CSV:
                    names = self._names or LIST_NAMES
                    write_csv(names, (self._fields.as_json(item) for item in found), sys.stdout)
                case OutputFormat.TABLE:
                    self._write_table(found)

    def _as_json(self, item: Discrepancy) -> Mapping[str, object]:
        fields = self._fields.as_json(item)
        if self._names is not None:
            return {name: fields[name] for name in self._names}
        return {**fields, "next_step": self._fields.next_step(item)}

    def _write_table(self, found: Iterator[Discrepancy]) -> None:
        names = self._names or USUAL_COLUMNS
        states: set[State] = set()
        count = write_long_table(
            [self._columns[name] for name in names],
            _noting_states(found, states),
            keep_all=self._names is not None,
            once=("account",),
        )
        if not count:
            write_line("No discrepancy matches these options.")
        if State.CORRECTED in states and "here" in names:
            write_line("The column HERE shows what a corrected row held before the correction.")


def _noting_states(found: Iterable[Discrepancy], states: set[State]) -> Iterator[Discrepancy]:
    """The same discrepancies; ``states`` gets the state of each."""
    for item in found:
        states.add(item.state)
        yield item


def _write_aged(found: Sequence[AgedMoney], output_format: OutputFormat) -> None:
    rows = [
        dict(zip(AGED_NAMES, (one.currency, one.bucket, one.count, one.amount), strict=True))
        for one in found
    ]
    match output_format:
        case OutputFormat.JSON:
            write_json(rows)
        case OutputFormat.CSV:
            write_csv(AGED_NAMES, rows, sys.stdout)
        case OutputFormat.TABLE:
            if not found:
                write_line("No discrepancy is open.")
                return
            write_table(
                (
                    OutputColumn[AgedMoney]("days open", lambda one: one.bucket),
                    OutputColumn[AgedMoney]("payments", lambda one: f"{one.count:,}", right=True),
                    OutputColumn[AgedMoney](
                        "at stake",
                        lambda one: money_text(Money(one.amount, one.currency)),
                        right=True,
                    ),
                ),
                found,
            )
