"""A sweep of named payments or of a range of time is only a part: no alarm may take it for one of all payments."""

from __future__ import annotations

from datetime import timedelta

from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.adapters.postgres.database import Database
from reconciler.engine.report import SweepKind
from tests.integration.engine.sweeps import SweepRunner


def test_only_a_sweep_of_everything_resets_the_age(sweeps: SweepRunner) -> None:
    """Status, alarms and metrics count the age from the last complete sweep that read everything of its kind."""
    intent = sweeps.add_both(1)
    since = sweeps.clock.now() - timedelta(days=1)
    with Database(sweeps.shop.url) as database:
        status = PostgresStatus(database, "default")

        def counted() -> dict[str, int | None]:
            return {row[0]: row[1] for row in status.sweeps()}

        whole = sweeps.run()
        assert counted() == {"all": whole.sweep}
        sweeps.run(intents=(intent,))
        sweeps.run(since=since)
        sweeps.run(until=since)
        assert counted() == {"all": whole.sweep}
        sweeps.run(SweepKind.WINDOW, since=since)
        assert counted() == {"all": whole.sweep, "window": None}
        window = sweeps.run(SweepKind.WINDOW)
        assert counted() == {"all": whole.sweep, "window": window.sweep}
