"""A refused decision as a page: why, what to do on these pages, the way back, and the note that was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from reconciler.domain.statement.close_state import Refusal
from reconciler.engine.actions.close_period import CloseRefusedError
from reconciler.engine.actions.resolve import AlreadyCorrectedError
from reconciler.entrypoints.web.call import View
from reconciler.entrypoints.web.decisions import ChangedSinceShownError
from reconciler.errors import ReconcilerError, UsageError

REFUSALS: Final = (UsageError, CloseRefusedError, AlreadyCorrectedError)
"""The errors with which a decision is refused. Any other is a failure."""
_WRITTEN: Final = ("note", "cutoff")
"""The fields that a person may change before the decision is sent again."""
_HINTS: Final = {
    Refusal.PERIOD_NOT_ENDED: 'Prepare it when it has ended. "As of the end of" must be a day after its end.',
    Refusal.DAYS_NOT_EXAMINED: "The statement says which days were examined after the cut-off, with a link to a later"
    ' "As of the end of", and how to examine the others. Prepare the period after that.',
    Refusal.NOT_PREPARED: "Prepare it on the statement's page.",
    Refusal.ALREADY_SIGNED: "Open it again first, with a note, on the statement's page.",
    Refusal.CHANGED_SINCE_PREPARED: "The statement's page lists what has changed. Prepare the period anew there.",
    Refusal.UNEXPLAINED_ABOVE_MATERIALITY: "The statement's page shows what is unexplained in each currency.",
    Refusal.CHANGED_MEANWHILE: "The statement's page shows the last step.",
}
"""The hints of a close name options of the command line; these name what is on the pages."""


def refused(
    error: ReconcilerError, sent: Mapping[str, Sequence[str]], action: str, back: str
) -> View:
    """The page. ``sent`` are the fields of the refused POST to ``action``; ``back`` is the page with its form."""
    written = {name: sent[name][0] for name in _WRITTEN if sent.get(name)}
    again = [
        (name, value)
        for name, values in sent.items()
        if name not in {*_WRITTEN, "token"}
        for value in values
    ]
    is_conflict = not isinstance(error, UsageError) or isinstance(error, ChangedSinceShownError)
    values = {
        "what": error.what,
        "hint": _hint(error),
        "back": back,
        "action": action,
        # without a note there is nothing to keep; what has changed must be looked at first
        "again": again
        if "note" in written and not isinstance(error, ChangedSinceShownError)
        else [],
        "written": written,
    }
    status = HTTPStatus.CONFLICT if is_conflict else HTTPStatus.BAD_REQUEST
    return View("refused.html", "Refused", values, (), status)


def _hint(error: ReconcilerError) -> str:
    if isinstance(error, CloseRefusedError):
        return _HINTS.get(error.code, error.hint)
    if isinstance(error, AlreadyCorrectedError):
        return "Add a note on the payment's page."
    return error.hint
