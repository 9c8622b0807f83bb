"""The certificate of an auditor's sample: what it was drawn from, what was not examined, and how to draw it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from reconciler.domain.statement.period import Period
from reconciler.entrypoints.statement_files.certificate import TITLE, Origin
from reconciler.entrypoints.statement_files.statement_json import Head

SOURCE: Final = "every entry correction and finding_opened of reconciler.ledger that was recorded in the period. For each entry the SHA-256 of the seed, a colon and the entry's hash was computed. The entries with the lowest SHA-256 were drawn"


@dataclass(frozen=True, slots=True)
class SampleCertificate:
    """The certificate. ``examined`` are the ranges of days that sweeps compared to the end.

    ``corrections`` and ``discrepancies`` is how many there were to draw from, ``outputs`` the files with their SHA-256.
    """

    account: str
    period: Period
    seed: int
    wanted: int
    drawn: int
    corrections: int
    discrepancies: int
    head: Head
    examined: Sequence[tuple[date, date]]
    origin: Origin
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def days_not_examined(self) -> tuple[date, ...]:
        """The days of the period that no sweep compared: the ledger may lack findings of their payments."""
        return tuple(
            day
            for day in self.period.days
            if not any(first <= day <= last for first, last in self.examined)
        )

    def as_json(self) -> dict[str, object]:
        """The documented JSON shape."""
        return {
            "title": TITLE,
            "source": SOURCE,
            "account": self.account,
            "period": {
                "first": self.period.first.isoformat(),
                "last": self.period.last.isoformat(),
            },
            "timezone": str(self.period.zone),
            "seed": self.seed,
            "wanted": self.wanted,
            "drawn": self.drawn,
            "population": {"corrections": self.corrections, "discrepancies": self.discrepancies},
            "days_not_examined": [day.isoformat() for day in self.days_not_examined],
            "head": None if self.head is None else {"seq": self.head[0], "hash": self.head[1]},
            "run_by": self.origin.run_by,
            "run_at": self.origin.run_at,
            "program": self.origin.program,
            "configuration": self.origin.configuration,
            "outputs": [{"name": name, "sha256": digest} for name, digest in self.outputs.items()],
            "command": self.origin.command,
        }
