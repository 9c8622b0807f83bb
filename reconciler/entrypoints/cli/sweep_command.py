"""The command line that a hint names: the sweep that was asked for, with its selection, and another option."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from reconciler.engine.report import SweepKind
from reconciler.entrypoints.invocation import PROGRAM


@dataclass(frozen=True, slots=True)
class SweepCommand:
    """What a person typed of a sweep, without the options of its report. ``applies`` is whether --apply was there."""

    config: Path | None = None
    kind: SweepKind = SweepKind.ALL
    since: str | None = None
    until: str | None = None
    payment_intents: tuple[str, ...] = ()
    account: str | None = None
    by: str | None = None
    only: Path | None = None
    applies: bool = False
    again: int | None = None
    is_set_up: bool = True
    """Whether --apply can be the next command; not before the role and the schema exist."""

    def text(self, *options: str, account: str | None = None) -> str:
        """The command line with these options. ``account`` names one, if the command itself named none."""
        words = [PROGRAM]
        if self.config is not None:
            words += ["--config", str(self.config)]
        words += ["sweep", *options]
        if self.kind is not SweepKind.ALL:
            words += ["--kind", self.kind.value]
        for name, value in (
            ("--since", self.since),
            ("--until", self.until),
            ("--account", self.account or account),
            ("--by", self.by),
            ("--again", None if self.again is None else str(self.again)),
            ("--only", None if self.only is None else str(self.only)),
        ):
            if value is not None:
                words += [name, value]
        for intent in self.payment_intents:
            words += ["--payment-intent", intent]
        return shlex.join(words)

    def again_text(self, sweep: int, account: str | None = None) -> str:
        """The command line that makes the corrections of a sweep once more that were taken back."""
        return self._of_sweep(["sweep", "--apply", "--again", str(sweep)], account)

    def revert_text(self, sweep: int, account: str | None = None) -> str:
        """The command line that takes a sweep back."""
        return self._of_sweep(["revert", str(sweep)], account)

    def _of_sweep(self, command: list[str], account: str | None) -> str:
        words = [PROGRAM]
        if self.config is not None:
            words += ["--config", str(self.config)]
        words += command
        if account is not None:
            words += ["--account", account]
        return shlex.join(words)
