"""The options that select discrepancies, the same for every command that takes them."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from reconciler.adapters.postgres.discrepancies.discrepancy_list import DiscrepancyFilter
from reconciler.domain.findings.discrepancy import Kind, Severity, State
from reconciler.domain.review.due_date import DueRules
from reconciler.entrypoints.cli.arguments import parse_moment
from reconciler.entrypoints.invocation import PROGRAM
from reconciler.errors import UsageError
from reconciler.settings import parse_duration

_AMOUNT_HINT: Final = "Write the amount in the major unit, such as 100 or 99.50."
_LARGEST: Final = Decimal(10) ** 18


@dataclass(frozen=True, slots=True)
class Selection:
    """What a person typed to select discrepancies, not read yet. ``filter_at`` reads it."""

    state: list[State] | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="STATE",
                help="Only discrepancies in this state: open, corrected, closed, resolved or ignored. Can be repeated.",
            )
        },
    )
    kind: list[Kind] | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="KIND",
                help="Only discrepancies of this kind, such as missed_outcome. Can be repeated.",
            )
        },
    )
    severity: list[Severity] | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="SEVERITY",
                help="Only discrepancies of this severity: info, warning or critical. Can be repeated.",
            )
        },
    )
    since: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="TIME",
                help=(
                    "Only discrepancies that a sweep has seen since this time: a date, a time, or a duration "
                    "before now such as 30d."
                ),
            )
        },
    )
    paid_since: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="TIME", help="Only payments created at this time or later."
            )
        },
    )
    paid_until: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(metavar="TIME", help="Only payments created before this time.")
        },
    )
    order: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(metavar="ORDER", help="Only discrepancies of this order.")
        },
    )
    min_amount: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="AMOUNT",
                help="Only discrepancies with at least this much money at stake, in the major "
                "unit of the currency, such as 99.50.",
            )
        },
    )
    max_amount: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="AMOUNT",
                help=(
                    "Only discrepancies with at most this much money at stake, in the major unit of the currency."
                ),
            )
        },
    )
    currency: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="CODE", help="Only discrepancies in this currency, such as eur."
            )
        },
    )
    owner: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(metavar="NAME", help="Only discrepancies that this person owns.")
        },
    )
    without_owner: bool = field(
        default=False,
        metadata={"option": typer.Option("--nobody", help="Only discrepancies without an owner.")},
    )
    unseen: bool = field(
        default=False,
        metadata={
            "option": typer.Option(
                "--unseen",
                help="Only discrepancies that no person has looked at since they were opened or changed.",
            )
        },
    )
    overdue: bool = field(
        default=False,
        metadata={
            "option": typer.Option(
                "--overdue", help="Only open discrepancies that are past their due date."
            )
        },
    )
    older_than: str | None = field(
        default=None,
        metadata={
            "option": typer.Option(
                metavar="DURATION",
                help="Only discrepancies that were opened longer ago than this, such as 7d.",
            )
        },
    )

    @property
    def is_empty(self) -> bool:
        """Whether no option was typed."""
        return not self.words

    @property
    def words(self) -> list[str]:
        """The options as they were typed, for a command line."""
        words: list[str] = []
        for one in fields(self):
            names = one.metadata["option"].param_decls or [f"--{one.name.replace('_', '-')}"]
            name, value = names[0], getattr(self, one.name)
            if value is True:
                words.append(name)
            elif value:
                for item in value if isinstance(value, list) else [value]:
                    words += [name, str(item)]
        return words

    def filter_at(
        self,
        now: datetime,
        *,
        account: str | None = None,
        due: DueRules | None = None,
        states: tuple[State, ...] = (),
    ) -> DiscrepancyFilter:
        """What the options select at this time. ``states`` stand for --state if it was not typed.

        Raises UsageError that names the option, and for options that contradict each other.
        """
        if self.owner is not None and self.without_owner:
            raise UsageError(
                "--owner and --nobody contradict each other.", "Use one of the two options."
            )
        opened_before = None
        if self.older_than is not None:
            try:
                opened_before = now - parse_duration(self.older_than)
            except ValueError:
                raise UsageError(
                    f'--older-than "{self.older_than}" is not a duration.',
                    "Write the age as 7d or 12h.",
                ) from None
        return DiscrepancyFilter(
            account=account,
            states=tuple(self.state or states),
            kinds=tuple(self.kind or ()),
            severities=tuple(self.severity or ()),
            since=_absolute(self.since, "--since", now),
            paid_since=_absolute(self.paid_since, "--paid-since", now),
            paid_until=_absolute(self.paid_until, "--paid-until", now),
            order=self.order,
            min_amount=_amount(self.min_amount, "--min-amount"),
            max_amount=_amount(self.max_amount, "--max-amount"),
            currency=None if self.currency is None else self.currency.lower(),
            owner=self.owner,
            without_owner=self.without_owner,
            unseen=self.unseen,
            due_before=now if self.overdue else None,
            opened_before=opened_before,
            due=due or DueRules(),
        )


def _absolute(text: str | None, option: str, now: datetime) -> datetime | None:
    """The time that an option names. A duration counts back from this machine's clock, since Stripe is not asked."""
    found = parse_moment(text, option)
    return found if found is None or isinstance(found, datetime) else now - found


def _amount(text: str | None, option: str) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text.replace(",", ""))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= _LARGEST:
        raise UsageError(f'{option} "{text}" is not an amount.', _AMOUNT_HINT)
    return amount


def takes_selection(
    *, without: Sequence[str] = ()
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command every option of a ``Selection``, which it takes as ``selection``. ``without`` leaves fields out."""
    hints = inspect.get_annotations(Selection, eval_str=True)
    chosen = [one for one in fields(Selection) if one.name not in without]
    options = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=one.default,
            annotation=Annotated[hints[one.name], one.metadata["option"]],
        )
        for one in chosen
    ]

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        own = inspect.signature(command, eval_str=True)

        @wraps(command)
        def with_options(*arguments: Any, **values: Any) -> int:
            selected = {one.name: values.pop(one.name) for one in chosen}
            return command(*arguments, **values, selection=Selection(**selected))

        parameters = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, one in own.parameters.items()
            if name != "selection"
        ]
        # typer reads the parameters from these
        parameters += options
        with_options.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {one.name: one.annotation for one in parameters}
        return with_options

    return decorate


def command_line(config: Path | None, *words: str) -> str:
    """A command line of the program, to be typed as it is."""
    before = [] if config is None else ["--config", str(config)]
    return shlex.join([PROGRAM, *before, *words])


def with_config(command: str, config: Path | None) -> str:
    """A command line of the program with the --config that the person has given, so that it works as it is shown."""
    name, _, rest = command.partition(" ")
    if config is None or name != PROGRAM:
        return command
    return f"{command_line(config)} {rest}"


def option_words(options: Mapping[str, str | None]) -> list[str]:
    """The options that have a value, with it."""
    return [word for name, value in options.items() if value is not None for word in (name, value)]
