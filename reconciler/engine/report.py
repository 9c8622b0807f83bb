"""What was asked of a sweep, and what it has to say for itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.money import Money
from reconciler.errors import ReconcilerError

Moment = datetime | timedelta
"""A point in time: given outright, or as a span back from Stripe's present."""


class SweepKind(StrEnum):
    """Which net a sweep casts."""

    TAIL = "tail"
    """Every intent that an event names, since the last event handled."""
    DUE = "due"
    """Every open payment of the merchant's table, and every check that has come due."""
    WINDOW = "window"
    """Every intent created in a range of time, and every row of that range."""
    ALL = "all"
    """All nets in turn; an intent that two of them meet is examined once."""


class Mode(StrEnum):
    """What the configuration allows a sweep of the service to change."""

    REPORT = "report"
    UPDATE = "update"


class Writing(Enum):
    """What one sweep may write."""

    NOTHING = "nothing"
    """A dry run."""
    FINDINGS = "findings"
    """Our own tables; no row of the merchant's."""
    ROWS = "rows"
    """The merchant's rows as well."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep that someone asks for. ``intents`` names single intents; then ``kind`` does not matter."""

    kind: SweepKind
    writing: Writing
    asked_by: str
    since: Moment | None = None
    until: Moment | None = None
    intents: tuple[str, ...] = ()
    by_service: bool = False


class DecisionKind(StrEnum):
    """What was decided about a subject, as a report shows it."""

    CORRECT = "correct"
    FLAG = "flag"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One decision that a person may want to see: a correction, a flagged finding, or a wait."""

    decision: DecisionKind
    payment_intent: str
    keys: tuple[str, ...]
    kind: Kind | None = None
    severity: Severity | None = None
    stake: Money | None = None
    local: str | None = None
    stripe: str | None = None
    to_status: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Unexamined:
    """Something that a sweep was to examine and could not, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class NotExamined:
    """What a sweep could not examine for one and the same reason: how many, and the first of them by name."""

    count: int
    what: tuple[str, ...]
    why: str


NAMED = 5
LONGEST_LIST = 10_000
"""How many lines and unexamined things a report keeps; the counts go on beyond it."""


@dataclass(slots=True)
class SweepReport:
    """What a sweep did. Counts are of intents (examined, waiting), rows (corrected) and discrepancies."""

    account: str
    kind: SweepKind
    mode: Mode
    writing: Writing
    asked_by: str
    sweep: int | None = None
    complete: bool = True
    examined: int = 0
    corrected: int = 0
    would_correct: int = 0
    held_back: int = 0
    """Corrections that the hourly limit of the service held back."""
    waiting: int = 0
    abandoned: int = 0
    discrepancies: Counter[Kind] = field(default_factory=Counter)
    stakes: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """Money at stake in minor units, by kind and currency."""
    reads: int = 0
    rate_limited: int = 0
    seconds: float = 0.0
    lines: list[ReportLine] = field(default_factory=list)
    unexamined: list[Unexamined] = field(default_factory=list)
    unexamined_count: int = 0
    stopped: str | None = None
    """Why the sweep ended before its end, None where it did not."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know of how it went."""
    failure: ReconcilerError | None = None
    """What ended it; its exit code is the command's."""

    def add_line(self, line: ReportLine) -> None:
        """Keep a decision for the reader."""
        if len(self.lines) < LONGEST_LIST:
            self.lines.append(line)

    def miss(self, what: str, why: str, count: int = 1) -> None:
        """So many intents, or a stretch of a list, were not examined: the sweep is not complete."""
        self.complete = False
        self.unexamined_count += count
        if len(self.unexamined) < LONGEST_LIST:
            self.unexamined.append(Unexamined(what, why))

    @property
    def missed(self) -> tuple[NotExamined, ...]:
        """What was not examined, by reason, the most frequent first."""
        by_reason: dict[str, list[str]] = {}
        for item in self.unexamined:
            by_reason.setdefault(item.why, []).append(item.what)
        ordered = sorted(by_reason.items(), key=lambda reason: -len(reason[1]))
        return tuple(NotExamined(len(what), tuple(what[:NAMED]), why) for why, what in ordered)

    def stop(self, error: ReconcilerError) -> None:
        """The sweep ends here, incomplete."""
        self.complete = False
        self.stopped = str(error)
        self.failure = error

    def as_json(self) -> Mapping[str, object]:
        """The documented, stable shape of ``sweep --json`` for one account."""
        return {
            "account": self.account,
            "sweep": self.sweep,
            "kind": self.kind.value,
            "mode": self.mode.value,
            "applied": self.writing is Writing.ROWS,
            "recorded": self.writing is not Writing.NOTHING,
            "asked_by": self.asked_by,
            "complete": self.complete,
            "stopped": self.stopped,
            "examined": self.examined,
            "corrected": self.corrected,
            "would_correct": self.would_correct,
            "held_back": self.held_back,
            "waiting": self.waiting,
            "abandoned": self.abandoned,
            "discrepancies": {kind.value: n for kind, n in sorted(self.discrepancies.items())},
            "at_stake": [
                {"kind": kind.value, "currency": currency, "amount": amount}
                for (kind, currency), amount in sorted(self.stakes.items())
            ],
            "unexamined": self.unexamined_count,
            "not_examined": [
                {"count": missed.count, "what": list(missed.what), "why": missed.why}
                for missed in self.missed
            ],
            "notes": list(self.notes),
            "reads": self.reads,
            "rate_limited": self.rate_limited,
            "seconds": round(self.seconds, 3),
        }
