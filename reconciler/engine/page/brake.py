"""The brake: a person's sweep stops before it corrects far more rows than a healthy mapping ever does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.engine.report import SweepReport, SweepRequest, Writing
from reconciler.engine.requester import Requester
from reconciler.engine.review import Review
from reconciler.engine.sweep_context import Actor
from reconciler.errors import BrakeError

MOST_CORRECTIONS: Final = 500
"""A sweep that would correct more rows than this stops before them."""
FEWEST_EXAMINED: Final = 200
FEWEST_CORRECTIONS: Final = 50
ONE_IN: Final = 10
"""Once 200 rows are examined and 50 are to be corrected, a sweep stops before it corrects more than one in ten."""


def is_above_brake(corrections: int, examined: int) -> bool:
    """Whether so many corrections among so many examined rows are more than a person's sweep makes unasked."""
    if corrections > MOST_CORRECTIONS:
        return True
    is_known_part = examined >= FEWEST_EXAMINED and corrections >= FEWEST_CORRECTIONS
    return is_known_part and corrections * ONE_IN > examined


class BrakeReachedError(Exception):
    """The page being recorded would bring the sweep above the brake. Never leaves the program.

    It is raised before the page is written, so that no row stays locked while a person is asked.
    """


class Brake:
    """The brake of one sweep. It holds nothing back from the service, in a dry run, or once a person has confirmed."""

    def __init__(
        self, request: SweepRequest, actor: Actor, report: SweepReport, requester: Requester
    ) -> None:
        self._report = report
        self._requester = requester
        # the service has its hourly limit, and a reviewed file says row by row what may be written
        self._is_released = (
            actor.is_service
            or actor.writing is not Writing.ROWS
            or request.approved
            or request.review is not None
        )
        self._would_correct = 0
        self._examined = 0

    def check(self, corrections: int, examined: int) -> None:
        """Raise BrakeReachedError if a page with so many corrections and matches would exceed the brake."""
        if self._is_released:
            return
        self._would_correct = self._report.corrected + corrections
        self._examined = self._report.examined + examined
        if corrections and is_above_brake(self._would_correct, self._examined):
            raise BrakeReachedError

    def ask(self) -> None:
        """Ask the person whether the sweep may go on. Raises BrakeError if they do not say yes."""
        found = (
            f"This sweep has corrected {self._report.corrected:,} rows. With the next page of PaymentIntents it would "
            f"have corrected {self._would_correct:,} rows, of {self._examined:,} examined payments."
        )
        if not self._requester.confirms(f"{found} Is the mapping right, and may the sweep go on?"):
            raise BrakeError(
                f"{found} So many corrections may mean a wrong mapping, so the sweep stopped before that page.",
                "If the corrections are right, allow them with --yes.",
            )
        self._is_released = True


@dataclass(frozen=True, slots=True)
class PersonLimits:
    """What a person's sweep keeps to besides the rules: the brake, and the file that the person has reviewed."""

    brake: Brake
    review: Review | None = None
