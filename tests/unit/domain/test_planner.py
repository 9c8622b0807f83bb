"""What a plan costs, when a list is overrun, and how wide buckets are."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.planning.histogram import (
    BUCKET_INTENTS,
    MOST_GROUPS,
    WIDTHS,
    Bucket,
    Histogram,
    ListingModel,
    bucket_width,
)
from reconciler.domain.planning.plan import Budget, List, RequestRates, Retrieve, is_overrun
from reconciler.domain.planning.planner import plan
from tests.unit.domain.planning_worlds import LIMIT, RATES, START, budget

HOUR = timedelta(hours=1)


def buckets(*counts: tuple[int, int]) -> tuple[Bucket, ...]:
    return tuple(
        Bucket(START + number * HOUR, START + (number + 1) * HOUR, *pair)
        for number, pair in enumerate(counts)
    )


def listing(reads: int, due: int = 100) -> List:
    return List(TimeRange(START), TimeRange(START), reads, 100 * reads, due)


def test_a_plan_says_its_reads_its_time_and_its_share_of_the_quota() -> None:
    """Lists and retrieves run side by side, each at the rate of its endpoint."""
    made = plan(
        Histogram(buckets((1000, 400), (5000, 0), (5000, 0), (5000, 25)), undated=5),
        ListingModel(),
        Budget(RATES, LIMIT, quota=10_000),
    )
    assert [type(step) for step in made.steps] == [List, Retrieve, Retrieve]
    assert made.reads == 10 + 25 + 5
    assert made.reads_one_by_one == 430
    assert made.seconds == pytest.approx(30 / 12.5)
    assert made.seconds_at_limit == pytest.approx(30 / 25)
    assert made.quota_share == pytest.approx(0.004)


def test_the_overall_rate_and_a_slow_answer_bound_the_time() -> None:
    """A plan takes at least the time of the overall limit, and the time in which its longest cursor reads its pages."""
    histogram = Histogram(buckets((1000, 1000)))
    narrow = RequestRates(list=25, retrieve=25, everything=2)
    assert plan(histogram, ListingModel(), Budget(narrow, LIMIT, 1000)).seconds == pytest.approx(5)
    slow = Budget(RATES, LIMIT, 1000, read_seconds=0.5)
    assert plan(histogram, ListingModel(), slow).seconds == pytest.approx(5)
    assert plan(histogram, ListingModel(), slow).seconds_at_limit == pytest.approx(5)


def test_nothing_due_costs_nothing() -> None:
    """A table without due rows costs no read."""
    for histogram in (Histogram(()), Histogram(buckets((500, 0), (0, 0)))):
        made = plan(histogram, ListingModel(), budget())
        assert (made.steps, made.left_out, made.reads, made.seconds) == ((), (), 0, 0)


def test_a_list_is_widened_at_its_ends_and_not_between_its_cursors() -> None:
    """The list reaches as far around its rows as their intents may lie, and its cursors touch without overlap."""
    listing_model = ListingModel(earliest=timedelta(seconds=-90), latest=timedelta(seconds=30))
    made = plan(Histogram(buckets((4000, 4000))), listing_model, budget())
    lists = [step.created for step in made.steps if isinstance(step, List)]
    assert len(lists) == 5
    assert lists[0].until == START + HOUR + timedelta(seconds=30)
    assert lists[-1].since == START - timedelta(seconds=90)
    assert all(one.since == other.until for one, other in pairwise(lists))
    assert [step.expected_intents for step in made.steps if isinstance(step, List)] == [
        pytest.approx(800, abs=2)
    ] * 5


def test_one_second_is_listed_by_one_cursor() -> None:
    """Stripe counts in whole seconds, so a range of one second is not cut."""
    crowded = Histogram((Bucket(START, START + timedelta(seconds=1), 5000, 5000),))
    assert [step.expected_reads for step in plan(crowded, ListingModel(), budget()).steps] == [50]


def test_the_reads_include_the_rows_that_lists_do_not_show() -> None:
    """The share of unmet rows in past sweeps is expected again. If it is all of them, rows are retrieved."""
    histogram = Histogram(buckets((1000, 1000)))
    made = plan(histogram, ListingModel(unmet=0.1), budget())
    assert (made.reads, made.unmet) == (110, 100)
    alone = plan(histogram, ListingModel(unmet=1.0), budget())
    assert [type(step) for step in alone.steps] == [Retrieve]


def test_many_intents_for_each_row_make_a_list_expensive() -> None:
    """Forty due rows of a hundred are listed with ten intents for each row, and retrieved with fifty."""
    histogram = Histogram(buckets((100, 40)))
    assert plan(histogram, ListingModel(ratio=10.0), budget()).reads == 10
    assert plan(histogram, ListingModel(ratio=50.0), budget()).reads == 40
    assert plan(histogram, ListingModel(ratio=0.01), budget()).reads == 1


def test_scarce_reads_go_to_the_most_due_rows_then_to_the_newest() -> None:
    """Six reads pay for a page of a hundred rows, then for the newest single rows; the older rows are left out."""
    made = plan(
        Histogram(buckets((900, 4), (900, 3), (100, 100), (900, 2), (900, 2))),
        ListingModel(),
        budget(6),
    )
    assert [step.due for step in made.steps] == [100, 4]
    assert [step.due for step in made.left_out] == [7]
    assert made.reads == 5
    assert made.reads_one_by_one == 111


def test_a_run_too_long_for_the_reads_left_is_cut_at_a_bucket() -> None:
    """Its newer end is kept. Rows without a time are left out if no read is left for them."""
    made = plan(Histogram(buckets(*[(100, 100)] * 8), undated=2), ListingModel(), budget(5))
    (kept,) = made.steps
    assert isinstance(kept, List)
    assert (kept.rows.since, kept.expected_reads) == (START + 3 * HOUR, 5)
    assert [step.due for step in made.left_out] == [300, 2]


def test_the_best_part_of_a_run_is_kept() -> None:
    """Four reads list both buckets. Three reads list the bucket in which they show the most rows, even if it is older."""
    made = plan(Histogram(buckets((100, 100), (290, 4))), ListingModel(), budget(3))
    assert [(step.due, step.expected_reads) for step in made.steps] == [(100, 1)]
    assert [step.due for step in made.left_out] == [4]


def test_a_part_with_one_due_row_is_retrieved() -> None:
    """If a page of the affordable part shows only one due row, that row is retrieved."""
    whole = Histogram(buckets((80, 1), (320, 100)))
    assert [type(step) for step in plan(whole, ListingModel(), budget(4)).steps] == [List]
    made = plan(whole, ListingModel(), budget(3))
    assert [type(step) for step in made.steps] == [Retrieve]
    assert [(type(step), step.due) for step in made.left_out] == [(List, 100)]


@pytest.mark.parametrize(
    ("reads", "unmet", "ends"),
    [
        (14, None, False),  # within one and a half times its ten reads
        (15, None, True),
        (15, 100, True),  # it has shown none of its due rows
        (15, 90, True),  # 135 pages are to come for 90 rows
        (15, 10, False),  # two pages are to come for ten rows
        (15, 0, True),  # no due row is left
    ],
)
def test_a_list_far_over_its_plan_ends(reads: int, unmet: int | None, ends: bool) -> None:
    """It ends from one and a half times its expected reads on, unless the pages to come cost less than the retrieves."""
    assert is_overrun(listing(10), reads, unmet) is ends


def test_a_list_of_one_page_may_have_a_second() -> None:
    """A list of one expected page may read a second page but no third. Retrieves are never overrun."""
    assert not is_overrun(listing(1), 1)
    assert is_overrun(listing(1), 2)
    assert not is_overrun(Retrieve(TimeRange(START), 3), 10)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Histogram((Bucket(START, START, 1, 1),)),
        lambda: Histogram((Bucket(START, START + HOUR, 1, 2),)),
        lambda: Histogram((Bucket(START, START + HOUR, 1, -1),)),
        lambda: Histogram(buckets((1, 1), (1, 1))[::-1]),
        lambda: Histogram(
            (Bucket(START, START + 2 * HOUR, 1, 1), Bucket(START + HOUR, START + 3 * HOUR, 1, 1))
        ),
        lambda: ListingModel(ratio=0),
        lambda: ListingModel(ratio=float("nan")),
        lambda: ListingModel(earliest=HOUR),
        lambda: ListingModel(unmet=1.1),
    ],
)
def test_impossible_counts_are_refused(wrong: object) -> None:
    """A plan over impossible counts would miss rows."""
    assert callable(wrong)
    with pytest.raises(ValueError, match=r"bucket|earliest"):
        wrong()


@given(st.timedeltas(timedelta(0), timedelta(days=5000)), st.integers(0, 10**8), st.floats(0.1, 50))
def test_the_width_of_a_bucket_is_the_widest_good_one(
    span: timedelta, rows: int, ratio: float
) -> None:
    """A bucket holds a few intents on average, unless that makes too many buckets; the next width would hold more."""
    width = bucket_width(span, rows, ratio)
    filling = width.total_seconds() * rows * max(1.0, ratio) / max(1.0, span.total_seconds())
    assert width in WIDTHS
    assert span / width <= MOST_GROUPS
    narrower = WIDTHS[max(0, WIDTHS.index(width) - 1)]
    assert filling <= BUCKET_INTENTS or narrower == width or span / narrower > MOST_GROUPS
    if width is not WIDTHS[-1]:
        wider = WIDTHS[WIDTHS.index(width) + 1]
        assert wider.total_seconds() / width.total_seconds() * filling > BUCKET_INTENTS


@pytest.mark.parametrize(
    ("rows", "width"),
    [(20, 72 * HOUR), (2_800, HOUR), (170_000, HOUR / 60), (1_000_000, HOUR / 240)],
)
def test_widths_of_thirty_days(rows: int, width: timedelta) -> None:
    """The figures that the documentation of the width names."""
    assert bucket_width(timedelta(days=30), rows) == width
