"""When a person's sweep stops before it corrects more rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from reconciler.engine.page.brake import Brake, BrakeReachedError, is_above_brake
from reconciler.engine.report import Mode, SweepKind, SweepReport, SweepRequest, Writing
from reconciler.engine.requester import NoRequester
from reconciler.engine.review import Review
from reconciler.engine.sweep_context import SERVICE, Actor
from reconciler.errors import BrakeError

PERSON = "ops@host"


@pytest.mark.parametrize(
    ("corrections", "examined", "stops"),
    [
        (500, 100_000, False),
        (501, 100_000, True),
        (50, 199, False),
        (50, 200, True),
        (49, 200, False),
        (50, 500, False),
        (51, 500, True),
        (100, 1000, False),
        (101, 1000, True),
    ],
)
def test_the_limits(corrections: int, examined: int, stops: bool) -> None:
    """More than 500 corrections, or more than a tenth once 200 are examined and 50 are to be corrected."""
    assert is_above_brake(corrections, examined) is stops


@dataclass
class Person(NoRequester):
    """Answers every question in the same way."""

    answer: bool
    asked: list[str] = field(default_factory=list)

    def confirms(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer


def _brake(
    person: Person,
    asked_by: str = PERSON,
    writing: Writing = Writing.ROWS,
    approved: bool = False,
    review: Review | None = None,
) -> Brake:
    """The brake of a sweep that has examined 900 payments and corrected 90 rows."""
    request = SweepRequest(SweepKind.DUE, writing, asked_by, approved=approved, review=review)
    actor = Actor("default", 1, asked_by, Mode.UPDATE, writing, 1)
    report = SweepReport("default", SweepKind.DUE, Mode.UPDATE, writing, asked_by)
    report.examined, report.corrected = 900, 90
    return Brake(request, actor, report, person)


def test_a_person_is_asked_once_with_the_figures() -> None:
    """The page counts with what came before it. After a yes no page of the sweep asks again."""
    person = Person(answer=True)
    brake = _brake(person)
    brake.check(10, 100)
    brake.check(0, 1)
    with pytest.raises(BrakeReachedError):
        brake.check(11, 100)
    brake.ask()
    assert person.asked == [
        (
            "This sweep has corrected 90 rows. With the next page of PaymentIntents it would have corrected 101 "
            "rows, of 1,000 examined payments. Is the mapping right, and may the sweep go on?"
        )
    ]
    brake.check(100, 100)


def test_a_no_stops_the_sweep_before_the_page() -> None:
    """The message has the figures, and the hint says how to allow them. The brake stays."""
    brake = _brake(Person(answer=False))
    with pytest.raises(BrakeReachedError):
        brake.check(1000, 100)
    with pytest.raises(BrakeError) as stopped:
        brake.ask()
    assert str(stopped.value).startswith(
        "This sweep has corrected 90 rows. With the next page of PaymentIntents it would have corrected 1,090 rows, "
        "of 1,000 examined payments. So many corrections may mean a wrong mapping"
    )
    assert stopped.value.hint == "If the corrections are right, allow them with --yes."
    with pytest.raises(BrakeReachedError):
        brake.check(1000, 100)


@pytest.mark.parametrize(
    "released",
    [
        {"asked_by": SERVICE},
        {"writing": Writing.FINDINGS},
        {"writing": Writing.NOTHING},
        {"approved": True},
        {"review": Review(())},
    ],
    ids=str,
)
def test_what_needs_no_brake(released: dict[str, object]) -> None:
    """The service has its hourly limit; a dry run writes nothing; the person has said yes, or has reviewed each row."""
    _brake(Person(answer=False), **released).check(100_000, 0)  # type: ignore[arg-type]
