"""A reviewed preview: which corrections a person has seen and allows, line by line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from reconciler.domain.findings.discrepancy import Finding


@dataclass(frozen=True, slots=True)
class ReviewedLine:
    """One line of a preview. ``kind`` and ``fingerprint`` are None if there was no finding, only a wait."""

    payment_intent: str
    kind: str | None
    fingerprint: str | None
    to_status: str | None


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """A reviewed line that is not so any more. ``now`` says what the sweep found instead."""

    line: ReviewedLine
    now: str


@dataclass(frozen=True)  # without slots, which cached_property cannot have
class Review:
    """The lines that a person has reviewed. Only what they say may be written."""

    lines: tuple[ReviewedLine, ...]

    @property
    def intents(self) -> tuple[str, ...]:
        """The intents to examine anew, each once."""
        return tuple(dict.fromkeys(line.payment_intent for line in self.lines))

    def allows(self, finding: Finding, to_status: str) -> bool:
        """Whether exactly this correction was reviewed: the same values on both sides, and the same status to write."""
        intent = finding.payment_intent or finding.subject
        line = ReviewedLine(intent, finding.kind.value, finding.fingerprint, to_status)
        return line in self._all

    @cached_property
    def _all(self) -> frozenset[ReviewedLine]:
        return frozenset(self.lines)

    def changed(
        self, found: Iterable[ReviewedLine], missed: Iterable[str], *, complete: bool
    ) -> tuple[ChangedLine, ...]:
        """The reviewed lines that differ from what was ``found``.

        ``missed`` are names of what was not examined. If the sweep is not ``complete``, there may be more of it.
        """
        seen: dict[str, list[ReviewedLine]] = {}
        for line in found:
            seen.setdefault(line.payment_intent, []).append(line)
        unread = frozenset(missed)
        changed = []
        for line in self.lines:
            lines_now = seen.get(line.payment_intent, [])
            # a wait had no finding, and it is no news if there is none now
            if line in lines_now or (line.fingerprint is None and not _with_finding(lines_now)):
                continue
            if line.payment_intent in unread:
                now = "the payment could not be examined"
            elif not lines_now:
                gone = "this finding no longer exists"
                now = gone if complete else f"{gone}, or the payment was not examined"
            elif replace(line, to_status=None) in _without_status(lines_now):
                now = f"a sweep would no longer set the row to {line.to_status}"
            elif any(one.kind == line.kind and line.kind is not None for one in lines_now):
                now = "the values of the finding have changed"
            else:
                now = ", ".join(_text(one) for one in lines_now)
            changed.append(ChangedLine(line, now))
        return tuple(changed)


def _with_finding(lines: Iterable[ReviewedLine]) -> bool:
    return any(line.fingerprint is not None for line in lines)


def _without_status(lines: Iterable[ReviewedLine]) -> list[ReviewedLine]:
    return [replace(line, to_status=None) for line in lines]


def _text(line: ReviewedLine) -> str:
    if line.kind is None:
        return "the payment waits for its webhook"
    return f"{line.kind}, set to {line.to_status}" if line.to_status else f"{line.kind}, flagged"
