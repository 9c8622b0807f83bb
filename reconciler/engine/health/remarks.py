"""What of an account's status needs a person, how bad it is, and the command that comes next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from reconciler.domain.findings.discrepancy import Severity
from reconciler.engine.health.status import (
    AccountStatus,
    Expectations,
    OutboxStatus,
    StatusLevel,
    duration_text,
)

LATE: Final = 3
"""If no sweep of a source was complete for so many of its intervals, it is late: a warning."""
MISSING: Final = 12
"""If no sweep of a source was complete for so many of its intervals, it is missing: critical."""
SLACK: Final = timedelta(minutes=5)
"""How long a sweep may take: it is never late before that."""
SCARCE: Final = 0.9
"""The part of the 30-day read quota from which on its use is a warning."""
UNDELIVERED: Final = timedelta(minutes=15)
"""If an endpoint is configured, a row of the outbox that waits for longer is a warning."""
FAILING: Final = timedelta(minutes=5)
"""The same for a row that waits although its delivery was tried."""
FAILURES: Final = 3
"""After so many failed deliveries the endpoint counts as down, and the warning comes at once."""
DOCTOR: Final = "doctor"
RUN: Final = "run"
OUTBOX: Final = "status --json"
"""It has the last error of the endpoint and the age of the oldest row."""


DELIVERY_PAGE: Final = "docs/how-to/troubleshoot-at-night.md#reconcilerdeliveriesfail"
"""What to do about an endpoint that does not answer: no command of Reconciler helps."""


class Check(StrEnum):
    """The two things that a monitoring system asks, because different people answer them."""

    HEALTH = "health"
    """Whether Reconciler does its work: sweeps, service, reads and deliveries."""
    FINDINGS = "findings"
    """Whether payments disagree: open discrepancies, corrections held back or refused."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that a person should know."""

    level: StatusLevel
    what: str
    command: str | None = None
    """What a person runs next, without the program's name; None if no command of Reconciler helps."""
    check: Check = Check.HEALTH

    def command_for(self, account: str | None) -> str | None:
        """The command, for one account if there are several; doctor, status and run are about all of them."""
        if self.command is None or account is None or self.command in (DOCTOR, OUTBOX, RUN):
            return self.command
        return f"{self.command} --account {shlex.quote(account)}"


def remarks(status: AccountStatus, expected: Expectations) -> tuple[Remark, ...]:
    """Everything that is not as it should be, the worst first."""
    found = [*_of_sweeps(status, expected), *_of_service(status), *_of_findings(status)]
    found += _of_outbox(status.outbox, expected)
    if expected.reads:
        used = status.reads / expected.reads
        if used >= SCARCE:
            level = StatusLevel.CRITICAL if used >= 1 else StatusLevel.WARNING
            found.append(
                Remark(
                    level,
                    f"Reconciler has used {used:.0%} of the reads that it may make in 30 days",
                    "plan",
                )
            )
    return tuple(sorted(found, key=lambda remark: -remark.level))


def worst(found: tuple[Remark, ...]) -> StatusLevel:
    """The highest level of the remarks."""
    return max((remark.level for remark in found), default=StatusLevel.OK)


def _of_sweeps(status: AccountStatus, expected: Expectations) -> Iterator[Remark]:
    for source, every in expected.every.items():
        age = status.age(source)
        if age is None:
            yield Remark(StatusLevel.CRITICAL, f"no {source} sweep has ever completed", DOCTOR)
        elif age > (MISSING * every + SLACK).total_seconds():
            yield Remark(
                StatusLevel.CRITICAL,
                f"the last complete {source} sweep was {duration_text(age)} ago",
                DOCTOR,
            )
        elif age > (LATE * every + SLACK).total_seconds():
            yield Remark(
                StatusLevel.WARNING,
                f"the last complete {source} sweep was {duration_text(age)} ago",
                DOCTOR,
            )
    for sweep in status.sweeps:
        if sweep.anchor_error is not None:
            what = f"sweep {sweep.last}: {' '.join(sweep.anchor_error.split())}"
            yield Remark(StatusLevel.WARNING, what, DOCTOR)
        if sweep.kind in expected.every and sweep.last_complete is False:
            why = f": {' '.join(sweep.stopped.split())}" if sweep.stopped else ""
            yield Remark(
                StatusLevel.WARNING,
                f"the last {sweep.kind} sweep was not complete{why}",
                f"sweep --kind {sweep.kind}",
            )


def _of_service(status: AccountStatus) -> Iterator[Remark]:
    # an error of the service has line breaks, and a remark is one line
    lease = status.lease
    if status.pause is not None:
        yield Remark(StatusLevel.WARNING, f"writes to your rows are {status.pause.text}", "resume")
    if lease.error is not None:
        level = StatusLevel.CRITICAL if lease.needs_person else StatusLevel.WARNING
        yield Remark(level, " ".join(lease.error.split()), DOCTOR)
    if status.table_fault is not None:
        yield Remark(StatusLevel.CRITICAL, " ".join(status.table_fault.split()), DOCTOR)
    if lease.since is not None and lease.holder is None:
        yield Remark(
            StatusLevel.WARNING,
            "no service works on the account now, and one did before (no process holds the lease)",
            # after an error the doctor says why; after a clean stop there is nothing to find
            RUN if lease.error is None else DOCTOR,
        )


def _of_findings(status: AccountStatus) -> Iterator[Remark]:
    if status.held_back:
        what = f"corrections.per_hour held back {_counted(status.held_back, 'correction')}: review and apply them"
        yield Remark(StatusLevel.CRITICAL, what, "sweep --kind due", Check.FINDINGS)
    for refusals in status.refusals:
        rule = f" ({refusals.constraint})" if refusals.constraint else ""
        what = f"the table refuses {_counted(refusals.count, 'correction')}{rule}, {refusals.reason}: {' '.join(refusals.message.split())}"
        command = "discrepancies --state open --kind missed_outcome"
        yield Remark(StatusLevel.WARNING, what, command, Check.FINDINGS)
    for severity, level in (
        (Severity.CRITICAL, StatusLevel.CRITICAL),
        (Severity.WARNING, StatusLevel.WARNING),
    ):
        count = status.open_count(severity)
        if count:
            command = f"discrepancies --state open --severity {severity.value}"
            verb = "discrepancy is" if count == 1 else "discrepancies are"
            what = f"{count} {severity.value} {verb} open"
            yield Remark(level, what, command, Check.FINDINGS)


def _of_outbox(outbox: OutboxStatus, expected: Expectations) -> Iterator[Remark]:
    age = outbox.oldest_age
    if age is None:
        return
    why = f"; the last error: {outbox.last_error}" if outbox.last_error else ""
    # a given-up row is never delivered by itself, so a person has to act
    if outbox.given_up:
        what = (
            f"{outbox.given_up} outbox rows were given up. {outbox.waiting} outbox rows wait, the "
            f"oldest for {duration_text(age)}{why}"
        )
        yield Remark(StatusLevel.CRITICAL, what, OUTBOX)
    elif expected.delivers and deliveries_fail(outbox, age):
        since = outbox.failing_since
        begin = f"{duration_text(age)} ago" if since is None else f"{since:%Y-%m-%d %H:%M:%S} UTC"
        host = f" at {expected.endpoint}" if expected.endpoint else ""
        wait = "1 outbox row waits" if outbox.waiting == 1 else f"{outbox.waiting} outbox rows wait"
        what = f"deliveries to your endpoint{host} have failed since {begin}: {wait}{why}; see {DELIVERY_PAGE}"
        yield Remark(StatusLevel.WARNING, what)
    elif expected.delivers and age > UNDELIVERED.total_seconds():
        what = f"{outbox.waiting} outbox rows are not delivered; the oldest has waited for {duration_text(age)}{why}"
        yield Remark(StatusLevel.WARNING, what, OUTBOX)


def _counted(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count} {noun}s"


def deliveries_fail(outbox: OutboxStatus, age: float) -> bool:
    """Whether the endpoint is down, or refuses what it is sent. ``age`` is that of the oldest row, in seconds."""
    if outbox.last_error is None:
        return False
    return outbox.failures >= FAILURES or age > FAILING.total_seconds()
