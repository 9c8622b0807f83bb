"""The read quota: the reads of 30 days."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.read_limits_and_shortage import Endpoint, ReadsSpent, Source
from reconciler.engine.limits.read_quota import (
    QuotaSpentError,
    ReadQuota,
    SourceQuota,
    documented_reads,
)
from reconciler.errors import DatabaseBusyError
from reconciler.exit_codes import ExitCode

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("transactions", "reads"), [(0, 10_000), (20, 10_000), (100, 50_000), (10_000, 5_000_000)]
)
def test_what_stripe_documents(transactions: int, reads: int) -> None:
    """500 reads for each transaction, and never fewer than 10,000."""
    assert documented_reads(transactions) == reads


def test_reads_before_the_start_count() -> None:
    """After a restart, the booked reads of the last 30 days count as spent."""
    quota = ReadQuota(20, 0.5, MINUTE, ReadsSpent({Source.WINDOW: 8}))
    source_quota = SourceQuota(quota)
    source_quota.take(Endpoint.EVENTS)
    source_quota.take(Endpoint.LIST)
    assert source_quota.left == 0
    with pytest.raises(QuotaSpentError, match="10 reads in 30 days") as caught:
        source_quota.take(Endpoint.RETRIEVE)
    assert caught.value.exit_code is ExitCode.TEMPORARY
    assert "reads_per_30_days" in caught.value.hint


def test_more_reads_than_are_allowed() -> None:
    """If the limit was lowered below what is spent, nothing is left, and nothing is negative."""
    quota = ReadQuota(5, 1.0, MINUTE, ReadsSpent({Source.TAIL: 50}))
    assert [quota.left(source) for source in Source] == [0, 0, 0, 0]


def test_sweeps_at_once_count_the_reads_of_each_other() -> None:
    """What one sweep has read and not booked yet is spent for every sweep of the account."""
    quota = ReadQuota(1000, 1.0, MINUTE)
    window, tail = SourceQuota(quota), SourceQuota(quota)
    window.begin(Source.WINDOW, by_service=False)
    tail.begin(Source.TAIL, by_service=True)
    free = window.left
    for _ in range(free):
        window.take(Endpoint.LIST)
    with pytest.raises(QuotaSpentError, match="the source window"):
        window.take(Endpoint.LIST)
    assert tail.left == 1000 - free
    tail.take(Endpoint.EVENTS)
    quota.renew(ReadsSpent)  # nothing is booked yet, but what was taken still counts
    assert tail.left == 1000 - free - 1


def test_what_was_taken_is_booked_once_for_each_source() -> None:
    """A booking that failed is made again. What is booked is not booked twice, and stays spent."""
    quota = ReadQuota(1000, 1.0, MINUTE)
    source_quota = SourceQuota(quota)
    for source in (Source.TAIL, Source.DUE, Source.DUE):
        source_quota.begin(source, by_service=False)
        source_quota.take(Endpoint.RETRIEVE)

    def fails(_: object) -> None:
        raise DatabaseBusyError("The database is busy.", "Try again.")

    with pytest.raises(DatabaseBusyError):
        quota.book(fails)
    booked: list[object] = []
    quota.book(booked.append)
    quota.book(booked.append)
    assert booked == [{Source.TAIL: 1, Source.DUE: 2}]
    assert not quota.has_to_be_booked
    assert quota.left(Source.PERSON) == 997


def test_the_number_of_transactions_changes() -> None:
    """More transactions allow more reads at once."""
    quota = ReadQuota(10_000, 0.5, MINUTE)
    quota.resize(50_000)
    assert (quota.allowed, quota.left(Source.PERSON)) == (25_000, 25_000)
