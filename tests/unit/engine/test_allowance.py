"""The reads of 30 days."""

from __future__ import annotations

import pytest

from reconciler.domain.endpoint import Endpoint
from reconciler.engine.allowance import ReadAllowance, ReadsSpentError, documented_reads
from reconciler.errors import ExitCode


@pytest.mark.parametrize(
    ("transactions", "reads"), [(0, 10_000), (20, 10_000), (100, 50_000), (10_000, 5_000_000)]
)
def test_what_stripe_documents(transactions: int, reads: int) -> None:
    """500 reads a transaction, and never fewer than 10,000."""
    assert documented_reads(transactions) == reads


def test_what_was_spent_before_counts() -> None:
    """A restart does not forget: the rolling sum is taken off."""
    allowance = ReadAllowance(documented=20, share=0.5, spent=8)
    allowance.take(Endpoint.EVENTS)
    allowance.take(Endpoint.LIST)
    assert allowance.left == 0
    with pytest.raises(ReadsSpentError, match="10 reads in 30 days") as caught:
        allowance.take(Endpoint.RETRIEVE)
    assert caught.value.exit_code is ExitCode.TEMPORARY
    assert "reads_per_30_days" in caught.value.mend


def test_more_than_all_was_spent() -> None:
    """The limit may have been lowered meanwhile."""
    assert ReadAllowance(documented=5, share=1.0, spent=50).left == 0
