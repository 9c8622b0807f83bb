"""Listing or retrieving: how far the choice is from the best one."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from reconciler.domain.planning.cursor_ranges import MOST_CURSORS
from reconciler.domain.planning.histogram import (
    Bucket,
    Histogram,
    ListingModel,
    bucket_width,
    join_buckets,
)
from reconciler.domain.planning.list_or_retrieve import cheapest_runs, reads
from reconciler.domain.planning.listing_costs import ListingCosts
from reconciler.domain.planning.plan import List
from reconciler.domain.planning.planner import plan
from tests.unit.domain.planning_worlds import (
    START,
    budget,
    counted,
    execute,
    fewest_reads,
    optimum_by_buckets,
    optimum_by_rows,
    world,
)
from tests.unit.domain.seeds import seeds

WIDTH = timedelta(minutes=15)


def bucket_counts(seed: int) -> list[tuple[int, int]]:
    """Up to eight buckets (rows, due rows) of sizes that fill pages, with due rows that are worth a list or not."""
    chance = random.Random(seed)
    found: list[tuple[int, int]] = []
    for _ in range(chance.randint(1, 8)):
        rows = chance.choice([chance.randint(0, 260), *(0, 1, 33, 50, 99, 100, 101, 200)])
        most = chance.choice([rows, min(rows, 4), rows // 40])
        found.append((rows, chance.randint(0, most)))
    return found


@seeds(few=500, many=50_000)
def test_no_choice_of_buckets_costs_fewer_reads(numbers: range) -> None:
    """The chosen runs cost as many reads as the best of all subsets of listed buckets."""
    for seed in numbers:
        counts = bucket_counts(seed)
        buckets = tuple(
            Bucket(START + number * WIDTH, START + (number + 1) * WIDTH, rows, due)
            for number, (rows, due) in enumerate(counts)
        )
        costs = ListingCosts(Histogram(buckets), ListingModel())
        chosen = sum(reads(run, costs) for run in cheapest_runs(costs))
        best = fewest_reads([rows for rows, _ in counts], [due for _, due in counts])
        assert chosen == best, seed


@seeds(few=100, many=3000)
def test_a_plan_costs_the_reads_that_it_says(numbers: range) -> None:
    """If the merchant's and Stripe's times agree, a plan that is carried out costs what the best choice costs."""
    for seed in numbers:
        counts = bucket_counts(seed)
        made = world(seed, counts, WIDTH)
        chosen = plan(counted(made, WIDTH, len(counts)), ListingModel(), budget(), most_cursors=1)
        done = execute(chosen, made)
        best = optimum_by_buckets(made, WIDTH, len(counts))
        assert done.reads == chosen.reads == best, seed
        assert done.asked >= made.due, seed
        assert not done.unmet, seed


@seeds(few=60, many=600)
def test_cursors_side_by_side_cost_at_most_a_page_each(numbers: range) -> None:
    """Each further cursor costs up to one page more, and the plan covers the same rows."""
    for seed in numbers:
        times = seed % 6 + 1
        counts = [(rows * times, due * times) for rows, due in bucket_counts(seed)]
        made = world(seed, counts, WIDTH)
        histogram = counted(made, WIDTH, len(counts))
        one_cursor = execute(plan(histogram, ListingModel(), budget(), most_cursors=1), made)

        chosen = plan(histogram, ListingModel(), budget())
        done = execute(chosen, made)
        further_cursors = max(0, sum(isinstance(step, List) for step in chosen.steps) - 1)
        assert done.asked >= made.due, seed
        assert one_cursor.reads <= done.reads <= one_cursor.reads + further_cursors, seed
        assert sum(step.due for step in chosen.steps) == len(made.due), seed


@pytest.mark.parametrize("share", [0.002, 0.01, 0.02, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("has_outages", [False, True])
def test_buckets_of_the_advised_width_cost_few_reads_more(share: float, has_outages: bool) -> None:
    """A plan over joined buckets is within 5 % of the optimum in which a list may begin and end at any row."""
    counts: list[tuple[int, int]] = []
    for seed in range(150):
        chance = random.Random(seed)
        counts.append((40, sum(chance.random() < share for _ in range(40))))
    if has_outages:
        counts[30:38] = counts[90:91] = [(40, 39)]
    made = world(7, counts, WIDTH)
    span = WIDTH * len(counts)
    width = bucket_width(span, len(made.rows))
    histogram = Histogram(tuple(join_buckets(counted(made, width, span // width).buckets)))
    chosen = plan(histogram, ListingModel(), budget(), most_cursors=1)
    assert execute(chosen, made).reads <= 1.05 * optimum_by_rows(made) + 1


@pytest.mark.parametrize(
    ("counts", "most"),
    [
        pytest.param([(1000, 300)] * 8, 80 + MOST_CURSORS, id="much is due: listed"),
        pytest.param([(5000, 1)] * 8, 8, id="little is due: retrieved"),
        pytest.param([(5000, 1)] * 4 + [(100, 100)] + [(5000, 1)] * 3, 8, id="one outage: both"),
        pytest.param(
            [(50, 40), (20, 0), (30, 25)], 1, id="one page over a bucket without due rows"
        ),
    ],
)
def test_known_worlds(counts: list[tuple[int, int]], most: int) -> None:
    """Dense due rows cost a page for each hundred payments, and rare ones a read each."""
    made = world(1, counts, WIDTH)
    assert plan(counted(made, WIDTH, len(counts)), ListingModel(), budget()).reads <= most
