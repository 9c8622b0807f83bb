"""The lines of a requested sweep, stored in pages: so a preview of the service is complete, however long it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from reconciler.engine.report import ReportLine
from reconciler.engine.request_answers import LinesOfRequests
from reconciler.engine.requester import NoRequester
from reconciler.engine.sweep_requests.report_codec import (
    line_dict,
    line_of_dict,
    of_another_version,
)
from reconciler.errors import ReconcilerError

LINES_A_PAGE: Final = 500
"""Some hundred kilobytes, which is all that the service and the command hold of a preview at a time."""


class LineStore(NoRequester):
    """Stores every line of a sweep for the command that asked for it. ``close`` stores the last page."""

    def __init__(self, requests: LinesOfRequests, number: int, epoch: int) -> None:
        self._requests = requests
        self._number = number
        self._epoch = epoch
        self._lines: list[Mapping[str, object]] = []
        self.pages = 0
        """How many pages are stored."""

    def take_line(self, line: ReportLine) -> None:
        """Keep a line, and store the page if it is full. Raises what the requests raise: a preview may not miss a page."""
        self._lines.append(line_dict(line))
        if len(self._lines) >= LINES_A_PAGE:
            self._store_page()

    def close(self) -> None:
        """Store the last page."""
        if self._lines:
            self._store_page()

    def _store_page(self) -> None:
        self._requests.add_lines(self._number, self._epoch, self.pages, self._lines)
        self.pages += 1
        self._lines = []


def stored_lines(
    requests: LinesOfRequests, number: int, epoch: int, pages: int
) -> Iterator[ReportLine]:
    """The lines of a request that is done, in their order. Each page is removed when it is read.

    Raises ReconcilerError if a page is gone, or of another version of this program.
    """
    for page in range(pages):
        lines = requests.take_lines(number, epoch, page)
        if lines is None:
            raise ReconcilerError(
                f"The preview is not complete: page {page + 1:,} of the {pages:,} that the service stored is gone.",
                "Write the preview again. The service keeps the pages of a preview for a day.",
            )
        try:
            found = [line_of_dict(line) for line in lines]
        except (KeyError, TypeError, ValueError) as error:
            raise of_another_version(error) from None
        yield from found
