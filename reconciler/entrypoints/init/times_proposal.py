"""The proposal for a table whose status is told by times alone, such as paid_at and canceled_at: all of it a comment."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.status_times import OPEN_WORD, StatusTimes
from reconciler.settings.values import KEEP


def status_proposal(times: StatusTimes) -> Iterator[str]:
    """The lines inside [payments]."""
    names = ", ".join(one.column.name for one in times.times)
    yield (
        f"# No single column was shown to be the status. Together, {names} may show it. If they do, uncomment "
        "the next line,"
    )
    yield "# and each later line that begins with a # and then has a bracket or a setting."
    yield f"# status = {{ sql = {_quoted(times.sql)} }}"


def words_proposal(times: StatusTimes, writable: Collection[str]) -> Iterator[str]:
    """The sections for its words, and what a correction writes; ``writable`` are the columns that can be written."""
    yield "# [payments.read]"
    for one in times.times:
        why = f"Stripe agrees in {one.agreeing:,} of {one.compared:,} compared rows"
        said = why if one.compared else "no row with this time was compared with Stripe"
        yield f"# {_quoted(one.outcome.value)} = {_quoted(one.outcome.value)}   # {one.column.name} is set; {said}"
    yield f"# {_quoted(OPEN_WORD)} = {_quoted(Outcome.INCOMPLETE.value)}   # none of these times is set"
    yield ""
    written = [one for one in times.written if one.column.name in writable]
    if not written:
        return
    yield "# [payments.write]"
    yield from (f"# {one.outcome.value} = {_quoted(one.outcome.value)}" for one in written)
    if all(one.outcome is not Outcome.FAILED for one in times.times):
        yield f"# failed = {_quoted(KEEP)}"
    yield ""
    for one in written:
        yield f"# [payments.set.{one.outcome.value}]"
        yield f'# {_quoted(one.column.name)} = {{ sql = "now()" }}'
        yield ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
