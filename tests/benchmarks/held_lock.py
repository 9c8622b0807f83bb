"""A handler that holds one row's lock for minutes delays that row alone.

The row is paid at Stripe and pending here, as are the others of its pages. Its lock is held from before the service starts;
the others are right soon after it has taken the lease, and the one soon after its lock was let go. Meanwhile it is looked
twenty times a second whether any of our connections waits for a lock.

The window counts as read already, so that the due net works alone: sweeps over the same rows at the same time would meet
each other's locks as well as the handler's.
"""

from __future__ import annotations

import threading
import time

import psycopg

from tests.benchmarks.figures import Figure, load, say
from tests.benchmarks.options import Options
from tests.benchmarks.service import replicas
from tests.benchmarks.shop import Databases
from tests.benchmarks.town import Town, town

MOST_OTHERS = 10.0
"""Seconds from the lease until all the others are right."""
LOOK_SECONDS = 0.05
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'reconciler' AND wait_event_type = 'Lock'
"""


class LockWatch(threading.Thread):
    """Counts the looks at which one of our connections was waiting for a lock, until stopped."""

    def __init__(self, url: str) -> None:
        super().__init__(name="lock-watch", daemon=True)
        self._url = url
        self.looks = 0
        self.waiting = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        """Look."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self.stopping.wait(LOOK_SECONDS):
                row = connection.execute(WAITING).fetchone()
                self.looks += 1
                self.waiting += bool(row and row[0])


def run(options: Options) -> list[Figure]:
    """How long the others take, and how long the one after its lock was let go."""
    payments = options.sized(tiny=50, usual=500, full=2_000)
    held = options.sized(tiny=3, usual=5, full=120)
    due = 5 if options.full else 2
    with (
        Databases(options.postgres) as databases,
        town(
            databases,
            service__tail="10s",
            service__due=f"{due}s",
            corrections__grace="1s",
        ) as made,
    ):
        made.make(payments, paid=True)
        made.count_window_as_read()
        others, after, watch, longest = _measure(made, payments, held)
    say(f"  others right in {others:.2f} s, the one {after:.2f} s after its lock was let go")
    name = f"one row of {payments:,} locked for {held} s"
    ticks = 2.0 * due
    return [
        Figure(
            name,
            "all others right, s",
            f"<= {MOST_OTHERS:.0f}",
            f"{others:.1f}",
            others <= MOST_OTHERS,
            f"from the lease on; {load()}",
        ),
        Figure(
            name,
            "the one right after the lock, s",
            f"<= {ticks:.0f}",
            f"{after:.1f}",
            after <= ticks,
            f"two ticks of the due net, every {due} s here",
        ),
        Figure(
            name,
            "looks at which we waited for a lock",
            "0",
            str(watch.waiting),
            watch.waiting == 0,
            f"of {watch.looks}",
        ),
        Figure(name, "longest sweep meanwhile, s", "", f"{longest:.2f}", None),
    ]


def _measure(made: Town, payments: int, held: int) -> tuple[float, float, LockWatch, float]:
    one, others = payments // 2, [key for key in range(payments) if key != payments // 2]
    watch = LockWatch(made.url)
    with (
        replicas(1, made.environ) as (service,),
        psycopg.connect(made.url, application_name="handler") as handler,
    ):
        handler.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", (one,))
        began = time.monotonic()
        watch.start()
        service.start()
        # the log's moments are of the monotonic clock, the table's are not
        taken = service.wait_for("lease.taken").at + time.time() - time.monotonic()
        written = made.wait_for(others)
        threading.Event().wait(max(0.0, began + held - time.monotonic()))
        if one in made.written():
            raise RuntimeError("the locked row was written while its lock was held")
        sweeps = [float(line.fields["seconds"]) for line in service.lines("pass.finished")]
        watch.stopping.set()
        watch.join(10)
        let_go = time.time()
        handler.rollback()
        after = made.wait_for([one])[one] - let_go
    return max(written[key] for key in others) - taken, after, watch, max(sweeps)
