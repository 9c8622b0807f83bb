"""How far the planner is from the best that can be done."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.domain.planning.cursor_ranges import MOST_CURSORS
from reconciler.domain.planning.histogram import Histogram, ListingModel, bucket_width, join_buckets
from reconciler.domain.planning.plan import List
from reconciler.domain.planning.planner import plan
from tests.unit.domain.planning_worlds import (
    budget,
    counted,
    execute,
    optimum_by_buckets,
    optimum_by_rows,
    world,
)

WIDTH = timedelta(minutes=15)


@st.composite
def counts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Up to eight buckets (rows, due rows), of sizes at which pages fill up and due sets are worth a list or not."""
    found: list[tuple[int, int]] = []
    for _ in range(draw(st.integers(1, 8))):
        rows = draw(st.integers(0, 260) | st.sampled_from([0, 1, 33, 50, 99, 100, 101, 200]))
        most = draw(st.sampled_from([rows, min(rows, 4), rows // 40]))
        found.append((rows, draw(st.integers(0, most))))
    return found


@settings(max_examples=2000, deadline=None)
@given(counts(), st.integers(0, 2**32))
def test_no_choice_of_buckets_costs_fewer_reads(sizes: list[tuple[int, int]], seed: int) -> None:
    """Where local and Stripe's times agree, the plan costs what the best of all subsets of listed buckets costs."""
    made = world(seed, sizes, WIDTH)
    chosen = plan(counted(made, WIDTH, len(sizes)), ListingModel(), budget(), most_cursors=1)
    done = execute(chosen, made)
    assert done.reads == chosen.reads == optimum_by_buckets(made, WIDTH, len(sizes))
    assert done.asked >= made.due
    assert not done.unmet


@settings(max_examples=200, deadline=None)
@given(counts(), st.integers(1, 6), st.integers(0, 2**32))
def test_cursors_side_by_side_cost_at_most_a_page_each(
    sizes: list[tuple[int, int]], times: int, seed: int
) -> None:
    """Cutting a stretch costs up to one page more for each further cursor, and asks about the same rows."""
    sizes = [(rows * times, due * times) for rows, due in sizes]
    made = world(seed, sizes, WIDTH)
    histogram = counted(made, WIDTH, len(sizes))
    whole = execute(plan(histogram, ListingModel(), budget(), most_cursors=1), made)
    chosen = plan(histogram, ListingModel(), budget())
    done = execute(chosen, made)
    lists = [step for step in chosen.steps if isinstance(step, List)]
    assert done.asked >= made.due
    assert done.reads <= whole.reads + len(lists) - 1 if lists else done.reads == whole.reads
    assert sum(step.due for step in chosen.steps) == len(made.due)


@pytest.mark.parametrize("share", [0.002, 0.01, 0.02, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("outages", [False, True])
def test_the_good_width_hides_little(share: float, outages: bool) -> None:
    """With buckets of the advised width, join_buckets, the plan is within 5 % of an optimum whose stretches begin anywhere."""
    sizes = [(40, sum(chance.random() < share for _ in range(40))) for chance in seeded(150)]
    if outages:
        sizes[30:38] = sizes[90:91] = [(40, 39)]
    made = world(7, sizes, WIDTH)
    span = WIDTH * len(sizes)
    width = bucket_width(span, len(made.rows))
    histogram = Histogram(tuple(join_buckets(counted(made, width, span // width).buckets)))
    chosen = plan(histogram, ListingModel(), budget(), most_cursors=1)
    assert execute(chosen, made).reads <= 1.05 * optimum_by_rows(made) + 1


def seeded(number: int) -> Iterator[random.Random]:
    return (random.Random(seed) for seed in range(number))


@pytest.mark.parametrize(
    ("sizes", "most"),
    [
        ([(1000, 300)] * 8, 80 + MOST_CURSORS),  # dense: everything is listed
        ([(5000, 1)] * 8, 8),  # sparse: everything is retrieved
        ([(5000, 1)] * 4 + [(100, 100)] + [(5000, 1)] * 3, 8),  # an outage among sparse ones
        ([(50, 40), (20, 0), (30, 25)], 1),  # one page over a bucket that nobody asks for
    ],
)
def test_known_worlds(sizes: list[tuple[int, int]], most: int) -> None:
    """Dense sets cost a page a hundred payments, sparse ones a read each, and both may stand side by side."""
    made = world(1, sizes, WIDTH)
    assert plan(counted(made, WIDTH, len(sizes)), ListingModel(), budget()).reads <= most
