"""A decision about several discrepancies: those that were named, or a preview of those that a filter selects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.money import Money
from reconciler.entrypoints.cli.output import money_text, write_line
from reconciler.entrypoints.cli.selection import Selection, command_line, option_words
from reconciler.entrypoints.invocation import Invocation
from reconciler.errors import UsageError
from reconciler.settings import Settings
from reconciler.wiring.review import Review

MOST_AT_ONCE: Final = 10_000
"""Discrepancies that one command decides about: a transaction holds the ledger's head meanwhile."""


@dataclass(frozen=True, slots=True)
class Bulk:
    """What a person typed: the numbers, or a selection with --apply. ``words`` are the command's other words.

    ``states`` are those that the decision can be about, if --state was not typed.
    """

    call: Invocation
    settings: Settings
    ids: Sequence[int]
    selection: Selection
    account: str | None
    apply: bool
    words: Sequence[str]
    states: tuple[State, ...] = ()

    def raise_if_contradictory(self) -> None:
        """Raise UsageError unless there are either numbers or a selection."""
        if self.ids and not self.selection.is_empty:
            raise UsageError(
                "the command has both numbers of discrepancies and options that select discrepancies.",
                "Give only the numbers, or only the options.",
            )
        if not self.ids and self.selection.is_empty:
            raise UsageError(
                "the command does not say which discrepancies: give their numbers, or an option that selects them.",
                "To list discrepancies with their numbers, run: reconciler discrepancies",
            )
        if self.ids and self.apply:
            raise UsageError(
                "--apply belongs to a selection.",
                "Leave --apply out: with numbers, the command acts at once.",
            )

    def chosen(
        self, review: Review, fits: Callable[[Discrepancy], bool] = lambda _: True
    ) -> tuple[int, ...] | None:
        """The numbers to decide about; None if this was a preview, which is written here then.

        ``fits`` is whether a selected discrepancy can be decided about like this. Raises UsageError if a number is of
        another account than --account, or if the selection has more than ``MOST_AT_ONCE``.
        """
        if self.ids:
            self._raise_if_of_another_account(review)
            return tuple(dict.fromkeys(self.ids))
        wanted = self.selection.filter_at(
            self.call.clock.now(),
            account=self.account,
            due=self.settings.review.due_rules,
            states=self.states,
        )
        found = [
            one for one in review.discrepancies.find(wanted, limit=MOST_AT_ONCE + 1) if fits(one)
        ]
        if len(found) > MOST_AT_ONCE:
            raise UsageError(
                f"the options select more than {MOST_AT_ONCE:,} discrepancies.",
                "Select fewer discrepancies at a time.",
            )
        if self.apply:
            return tuple(one.id for one in found)
        self._write_preview(found)
        return None

    def _raise_if_of_another_account(self, review: Review) -> None:
        if self.account is None:
            return
        for number in self.ids:
            account = review.discrepancies.account_of(number)
            if account is not None and account != self.account:
                raise UsageError(
                    f"discrepancy {number} belongs to account {account}, not to {self.account}.",
                    "Leave --account out: each number belongs to exactly one account.",
                )

    def _write_preview(self, found: Sequence[Discrepancy]) -> None:
        for one in found:
            name = one.order or one.payment_intent or ", ".join(one.keys)
            write_line(
                f"{one.id}  {one.kind.value}  {one.state.value}  {name}  {money_text(one.stake)}"
            )
        sums: dict[str, int] = {}
        for one in found:
            sums[one.stake.currency] = sums.get(one.stake.currency, 0) + one.stake.amount
        money = ", ".join(money_text(Money(sums[name], name)) for name in sorted(sums))
        write_line(
            f"Selected discrepancies: {len(found):,}{f' ({money})' if money else ''}. Nothing was changed."
        )
        if found:
            words = [
                *self.words,
                *self.selection.words,
                *option_words({"--account": self.account}),
                "--apply",
            ]
            write_line(f"To change them: {command_line(self.call.config, *words)}")
