"""The merchant's row and its statuses in both directions."""

from __future__ import annotations

from reconciler.domain.model.payment import StatusMap
from reconciler.domain.outcome import Outcome

STATUSES = StatusMap(
    read={"new": Outcome.INCOMPLETE, "pending": Outcome.INCOMPLETE, "paid": Outcome.SUCCEEDED},
    write={Outcome.SUCCEEDED: "paid"},
)


def test_several_local_values_may_mean_one_outcome() -> None:
    """Several statuses may be read as the same outcome."""
    assert STATUSES.outcome("new") is STATUSES.outcome("pending") is Outcome.INCOMPLETE
    assert STATUSES.values_of(Outcome.INCOMPLETE) == ("new", "pending")
    assert STATUSES.values_of(Outcome.SUCCEEDED, Outcome.INCOMPLETE) == ("new", "paid", "pending")
    assert STATUSES.values_of(Outcome.CANCELED) == ()


def test_null_and_unmapped_statuses_are_unknown() -> None:
    """A status that differs only in case or by a space is not mapped."""
    for status in (None, "", "Paid", "paid ", "lost"):
        assert STATUSES.outcome(status) is Outcome.UNKNOWN


def test_a_table_can_say_every_outcome_that_it_reads() -> None:
    """A table can say an outcome if some local value means it, whether or not it is ever written."""
    assert STATUSES.can_say(Outcome.INCOMPLETE)
    assert not STATUSES.can_say(Outcome.REFUNDED)
