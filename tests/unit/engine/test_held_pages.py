"""Which decided pages are recorded in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.domain.model.match import Match
from reconciler.domain.model.page import Loaded
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import Correct
from reconciler.engine.page.decided_page import (
    MOST_TOGETHER,
    DecidedPage,
    HeldPage,
    MatchDecision,
    joined,
)
from reconciler.engine.reads.fetcher import FetchedIntent
from tests.unit.domain.samples import intent, payment

NOTHING = Loaded((), (), (), (), (), datetime(2026, 1, 1, tzinfo=UTC))


def _page(*names: str, to_intent: str | None = None, keys: tuple[str, ...] = ()) -> HeldPage:
    """A page on which the row of each of these intents is corrected."""
    decisions, answers = [], []
    for number, name in enumerate(names):
        row = payment(
            Outcome.INCOMPLETE, key=keys[number] if keys else f"row of {name}", payment_intent=name
        )
        asked = intent("succeeded", id=name)
        match = Match("default", asked, (row,))
        decision = Correct((row,), Outcome.SUCCEEDED, "paid", (), to_intent)
        decisions.append(MatchDecision(match, decision))
        answers.append(FetchedIntent(asked, 0.0))
    loaded = Loaded(tuple(item.match.payments[0] for item in decisions), (), (), (), (), NOTHING.at)
    return HeldPage(DecidedPage(tuple(decisions), loaded), tuple(answers))


def _names(pages: list[HeldPage]) -> list[list[str]]:
    return [[item.match.intent.id for item in page.decided_page.decisions] for page in pages]


def test_small_pages_are_recorded_together() -> None:
    """Their matches, answers and rows are those of one page, in their order."""
    (page,) = joined([_page("pi_1"), _page("pi_2", "pi_3"), _page("pi_4")])
    assert _names([page]) == [["pi_1", "pi_2", "pi_3", "pi_4"]]
    assert [answer.intent.id for answer in page.answers] == ["pi_1", "pi_2", "pi_3", "pi_4"]
    assert len(page.decided_page.loaded.payments) == 4


def test_a_transaction_stays_small() -> None:
    """Rows are locked until it ends, so pages with many matches are not joined."""
    many = [f"pi_a{number}" for number in range(MOST_TOGETHER)]
    assert _names(joined([_page(*many), _page("pi_1"), _page("pi_2")])) == [many, ["pi_1", "pi_2"]]


def test_a_row_that_gets_another_intent_is_written_alone() -> None:
    """If another row takes the intent meanwhile, no other match is undone with it."""
    pages = [_page("pi_1"), _page("pi_2", to_intent="pi_9"), _page("pi_3")]
    assert _names(joined(pages)) == [["pi_1"], ["pi_2"], ["pi_3"]]


def test_an_intent_or_a_row_is_in_a_transaction_once() -> None:
    """A second page about it is decided by what the first one has written."""
    assert _names(joined([_page("pi_1"), _page("pi_1")])) == [["pi_1"], ["pi_1"]]
    same_row = [_page("pi_1", keys=("7",)), _page("pi_2", keys=("7",))]
    assert _names(joined(same_row)) == [["pi_1"], ["pi_2"]]
