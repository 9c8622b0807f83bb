"""A refused decision as a page: why, what to do on these pages, the way back, and the note that was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from reconciler.domain.statement.close_state import Refusal
from reconciler.engine.actions.assign import LONGEST_OWNER, UnusableOwnerError
from reconciler.engine.actions.close_period import CloseRefusedError
from reconciler.engine.actions.find_discrepancies import NoDiscrepancyError
from reconciler.engine.actions.note import LONGEST_NOTE, UnusableNoteError
from reconciler.engine.actions.resolve import AlreadyCorrectedError
from reconciler.entrypoints.web.call import View
from reconciler.entrypoints.web.decisions import ChangedSinceShownError
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    ReconcilerError,
    UsageError,
)

_GONE: Final = (DatabaseUnavailableError, DatabaseBusyError, DatabaseRefusedError)
REFUSALS: Final = (UsageError, CloseRefusedError, AlreadyCorrectedError, *_GONE)
"""The errors with which a decision is refused. Any other is a failure."""
_WRITTEN: Final = ("note", "owner", "row", "cutoff")
"""The fields that a person may change before the decision is sent again."""
_HINTS: Final = {
    Refusal.PERIOD_NOT_ENDED: (
        'Prepare the period after it has ended. "As of the end of" must be a day after the period\'s end.'
    ),
    Refusal.DAYS_NOT_EXAMINED: (
        'The statement shows which days were examined after the cut-off, and links to a later "As of the end of". '
        "It also shows how to examine the other days. Then prepare the period."
    ),
    Refusal.LEDGER_BROKEN: "Ask an engineer to run reconciler verify, and to find out who changed the ledger. Until then no step is possible.",
    Refusal.NOT_PREPARED: "Prepare the period on the statement's page.",
    Refusal.ALREADY_SIGNED: 'Use "Open again" first, with a note, on the statement\'s page.',
    Refusal.CHANGED_SINCE_PREPARED: "The statement's page lists what has changed. Prepare the period again there.",
    Refusal.UNEXPLAINED_ABOVE_MATERIALITY: "The statement's page shows what is unexplained in each currency.",
    Refusal.UNKNOWN_ACTOR: "Ask an engineer to add your user name to review.people in the configuration.",
    Refusal.NOT_CLOSED: "There is nothing to open again.",
    Refusal.CHANGED_MEANWHILE: "Load the statement's page: it shows the last step.",
}
"""The hints of a close name options of the command line; these name what is on the pages."""


def refused(
    error: ReconcilerError, sent: Mapping[str, Sequence[str]], action: str, back: str
) -> View:
    """The page. ``sent`` are the fields of the refused POST to ``action``; ``back`` is the page with its form."""
    written = {name: sent[name][0] for name in _WRITTEN if name in sent}
    again = [
        (name, value)
        for name, values in sent.items()
        if name not in {*_WRITTEN, "token"}
        for value in values
    ]
    what, hint = page_words(error)
    values = {
        "what": what,
        "hint": hint,
        "back": back,
        "action": action,
        # what has changed must be looked at first
        "again": again if written and not _is_of_an_old_page(error) else [],
        "written": written,
    }
    return View("refused.html", "Refused", values, (), _status(error))


def _is_of_an_old_page(error: ReconcilerError) -> bool:
    match error:
        case CloseRefusedError(code=Refusal.CHANGED_MEANWHILE) | ChangedSinceShownError():
            return True
        case _:
            return False


def _status(error: ReconcilerError) -> HTTPStatus:
    if isinstance(error, _GONE):
        return HTTPStatus.SERVICE_UNAVAILABLE
    is_conflict = not isinstance(error, UsageError) or isinstance(error, ChangedSinceShownError)
    return HTTPStatus.CONFLICT if is_conflict else HTTPStatus.BAD_REQUEST


def page_words(error: ReconcilerError) -> tuple[str, str]:
    """What was refused and what to do, in the words of the pages: their fields, and no option of the command line."""
    what = error.what[:1].upper() + error.what[1:]
    match error:
        case CloseRefusedError():
            reason = error.what.removeprefix(f"{error.code.value}: ")
            what = f"{reason[:1].upper()}{reason[1:]} (code {error.code.value})"
            return what, _HINTS.get(error.code, error.hint)
        case AlreadyCorrectedError():
            return what, 'Use "Add a note" on the payment\'s page.'
        case UnusableNoteError():
            limit = f"Write 1 to {LONGEST_NOTE:,} characters about what you found out."
            return (
                '"Note, for the record" is empty or too long, or contains a NUL character.',
                limit,
            )
        case UnusableOwnerError():
            limit = f"Write 1 to {LONGEST_OWNER} printable characters, such as an e-mail address."
            return (
                '"Owner" cannot be used as a name.',
                f"{limit} Leave the field empty for no owner.",
            )
        case NoDiscrepancyError():
            return what, "Go back, and choose in the list again."
        case DatabaseUnavailableError() | DatabaseBusyError() | DatabaseRefusedError():
            # the answer may have been lost after the decision was stored
            return (
                what,
                "Load the page, and see whether your decision was stored. If not, send it again.",
            )
        case _:
            return what, error.hint
